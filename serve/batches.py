"""Photos of concurrent requests: searched side by side, and shown to the networks together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from faces.framing.face import Pixels
from faces.photos.files import BadPhoto
from infer.export.program.predictor import Told
from serve.limits import Limits, Refusal
from serve.metrics import Metrics
from serve.photo.model import PhotoModel, Seen

BATCH = 16
"""Most crops that go through the networks together, as predict.py has it."""
WAIT_S = 0.005
"""How long a batch that is not full waits for photos which are on their way."""
Answers = list[dict[str, Told]]


@dataclass(frozen=True)
class _Waiting:
    crops: Sequence[Pixels]
    answers: asyncio.Future[Answers]


class Answerer:
    """Answers photos of many requests: faces are searched in as many threads as there are cores, one photo in
    each, and what is cut out goes through the networks in batches, one after the other.

    Args:
        model: who answers.
        limits: of the service.
        cores: threads that search faces.
        metrics: that count.

    Attributes:
        photos: how many are on their way, waiting or worked on.
    """

    def __init__(self, model: PhotoModel, limits: Limits, cores: int, metrics: Metrics) -> None:
        self.model, self.limits, self.metrics = model, limits, metrics
        self.photos = 0
        self._searched: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._search = ThreadPoolExecutor(cores, "search")
        self._networks = ThreadPoolExecutor(1, "networks")
        self._coming = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the loop that requests are answered in."""
        self._task = asyncio.create_task(self._answer_batches())

    async def stop(self) -> None:
        """End; what still waits is not answered."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for pool in (self._search, self._networks):
            pool.shutdown(cancel_futures=True)

    def admit(self, count: int) -> None:
        """Refuse photos of which there are too many already.

        Raises:
            Refusal: too many wait.
        """
        if self.photos + count > self.limits.waiting:
            raise Refusal(429, f"busy: {self.photos} photos wait already; send it again in a while")

    async def answer(self, photo: bytes, every: bool) -> tuple[Seen, Answers]:
        """One photo: its faces, and what the networks tell of each.

        Raises:
            Refusal: a photo that cannot be used.
        """
        self.photos += 1
        self.metrics.waiting.set(self.photos)
        try:
            seen = await self._see(photo, every)
            future: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
            self._searched.put_nowait(_Waiting([cut.crop for cut in seen.cuts], future))
            return seen, await future
        finally:
            self.photos -= 1
            self.metrics.waiting.set(self.photos)

    async def _see(self, photo: bytes, every: bool) -> Seen:
        limits = self.limits
        if len(photo) > limits.photo_mb * 1_000_000:
            raise Refusal(413, f"too large: {len(photo):,} bytes, the limit is {limits.photo_mb} MB")
        self._coming += 1
        try:
            seen = await asyncio.get_running_loop().run_in_executor(
                self._search, lambda: self.model.see(photo, every=every, max_megapixels=limits.megapixels)
            )
        except BadPhoto as bad:
            raise Refusal(413 if bad.reason.startswith("too large") else 415, bad.reason) from bad
        finally:
            self._coming -= 1
        if len(seen.cuts) > limits.faces:
            raise Refusal(
                422, f"{len(seen.cuts)} faces, the limit is {limits.faces}; ask for the best face alone"
            )
        return seen

    async def _answer_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._next_batch()
            crops = [crop for waiting in batch for crop in waiting.crops]
            if not crops:
                continue
            self.metrics.batches.observe(len(crops))
            try:
                answers = await loop.run_in_executor(self._networks, self._in_parts, crops)
            except Exception as error:  # as of ONNX Runtime: whoever asked is told, and the service goes on
                for waiting in batch:
                    if not waiting.answers.done():
                        waiting.answers.set_exception(error)
                continue
            for waiting in batch:
                mine, answers = answers[: len(waiting.crops)], answers[len(waiting.crops) :]
                if not waiting.answers.done():
                    waiting.answers.set_result(mine)

    def _in_parts(self, crops: Sequence[Pixels]) -> Answers:
        """A photo may have more faces than a batch."""
        parts = (crops[first : first + BATCH] for first in range(0, len(crops), BATCH))
        return [answer for part in parts for answer in self.model.answer(part)]

    async def _next_batch(self) -> list[_Waiting]:
        """What waits, but for those who have left; nothing is waited for when no photo is on its way."""
        batch = [await self._searched.get()]
        if self._coming and sum(len(each.crops) for each in batch) + self._searched.qsize() < BATCH:
            await asyncio.sleep(WAIT_S)
        while not self._searched.empty() and sum(len(each.crops) for each in batch) < BATCH:
            batch.append(self._searched.get_nowait())
        return [waiting for waiting in batch if not waiting.answers.done()]
