"""One model that answers requests, within limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import Request

from faces.cores import usable_cores
from faces.sample.note import drawn_note
from serve.batches import Answerer
from serve.explain import Explainer
from serve.limits import Limits, Refusal
from serve.metrics import Metrics
from serve.photo.model import PhotoModel
from serve.schema import PhotoAnswer, Prediction, photo_answer
from serve.upload import Uploads

T = TypeVar("T")
MOST_EXPLAINED = 8
"""Explanations that wait or are worked on."""


class Service:
    """One model that answers.

    Args:
        model: who answers.
        limits: of requests.
        explainer: who shows where networks look; None where that is not offered.
    """

    def __init__(self, model: PhotoModel, limits: Limits, explainer: Explainer | None) -> None:
        self.model, self.limits, self.explainer = model, limits, explainer
        self.metrics = Metrics()
        self.uploads = Uploads(limits)
        self.answerer = Answerer(model, limits, usable_cores(), self.metrics)
        self._explaining = 0
        self._explain = ThreadPoolExecutor(1, "explain")

    async def start(self) -> None:
        """Begin, in the loop that requests are answered in."""
        await self.answerer.start()

    async def stop(self) -> None:
        """End; what still waits is not answered."""
        await self.answerer.stop()
        self._explain.shutdown(cancel_futures=True)

    async def predict(self, request: Request, every: bool) -> Prediction:
        """The photos of a request, each by itself.

        Raises:
            Refusal: of the request, or of all its photos: that of the first.
        """
        start = time.perf_counter()
        self.answerer.admit(1)
        async with self.uploads.photos(request) as photos:
            self.answerer.admit(len(photos))
            found = await self._in_time(asyncio.gather(*(self._one(photo, every) for photo in photos)))
        self.metrics.seconds.observe(time.perf_counter() - start)
        if all(each.status == "refused" for each in found):
            raise Refusal(found[0].code, found[0].reason)
        drawn = self.model.drawn
        return Prediction(model=self.model.name, drawn=drawn, note=drawn_note(drawn), photos=found)

    async def explain(self, request: Request, factor: str, face: int) -> bytes:
        """A picture of where the networks look on a face of a photo.

        Raises:
            Refusal: of the request or its photo, or nothing like that is offered.
        """
        if self.explainer is None:
            raise Refusal(404, "not offered: only an ensemble with its runs can be explained (ENSEMBLE=)")
        if factor not in self.model.factors:
            raise Refusal(422, f"factor {factor!r}: known are {', '.join(self.model.factors)}")
        if self._explaining >= MOST_EXPLAINED:
            raise Refusal(429, f"busy: {self._explaining} explanations wait already; ask again in a while")
        async with self.uploads.photos(request) as photos:
            seen, told = await self._in_time(self.answerer.answer(photos[0], every=True))
            if not 0 <= face < len(told):
                raise Refusal(422, f"face {face}: this photo has {len(told)}, the first is 0")
            crop, answer = seen.cuts[face].crop, told[face][factor]
        self._explaining += 1
        try:
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._explain, self.explainer.picture, crop, factor, answer)
            return await self._in_time(work)
        finally:
            self._explaining -= 1

    async def _one(self, photo: bytes, every: bool) -> PhotoAnswer:
        try:
            seen, told = await self.answerer.answer(photo, every)
            answer = photo_answer(seen, told)
        except Refusal as refusal:
            answer = PhotoAnswer(status="refused", code=refusal.code, reason=refusal.reason)
        self.metrics.photos.labels(answer.status).inc()
        return answer

    async def _in_time(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.limits.answer_s):
                return await work
        except TimeoutError as error:
            raise Refusal(429, f"busy: not answered in {self.limits.answer_s:g} s; send it again") from error
