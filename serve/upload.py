"""Photos of a request: read into memory, never onto a disk, and no further than the limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from serve.limits import Limits, Refusal

# It warns of every form that is none, whose sender is told anyway.
logging.getLogger("python_multipart").setLevel(logging.ERROR)
FIELD = "photos"
"""The form's field of the photos, as often as there are photos."""
FORM = "multipart/form-data"


class MemoryParser(MultiPartParser):
    """The parser of forms, which keeps files in memory however large they are."""

    spool_max_size = 0  # which Python takes for no limit


@dataclass
class Uploads:
    """Uploads of all requests.

    Args:
        limits: of the service.

    Attributes:
        held: bytes of them that are in memory.
    """

    limits: Limits
    held: int = field(default=0, init=False)

    @asynccontextmanager
    async def photos(self, request: Request) -> AsyncIterator[list[bytes]]:
        """The photos of a request, held as long as the context lasts. Names of files are not looked at.

        Raises:
            Refusal: no form with photos, too many, too large, or not sent in time.
        """
        limits = self.limits
        if not request.headers.get("content-type", "").lower().startswith(FORM):
            raise Refusal(400, f"not {FORM}: send each photo as a file of the field {FIELD!r}")
        most = limits.request_mb * 1_000_000
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > most:
            raise Refusal(413, f"{int(announced):,} bytes; a request may have {limits.request_mb} MB")
        taken = [0]
        try:
            yield await self._read(request, most, taken)
        finally:
            self.held -= taken[0]

    async def _read(self, request: Request, most: int, taken: list[int]) -> list[bytes]:
        limits = self.limits
        # One file more than is allowed, so that the reason can say so.
        parser = MemoryParser(
            request.headers, self._chunks(request, most, taken), max_files=limits.photos + 1, max_fields=8
        )
        try:
            async with asyncio.timeout(limits.upload_s):
                form = await parser.parse()
        except TimeoutError as error:
            raise Refusal(408, f"not sent within {limits.upload_s:g} s") from error
        except ClientDisconnect as error:
            raise Refusal(400, "ended before all was sent") from error
        except MultiPartException as error:
            code = 413 if error.message.startswith("Too many files") else 400
            raise Refusal(code, f"no readable form: {error.message}") from error
        files = [file for file in form.getlist(FIELD) if isinstance(file, UploadFile)]
        if not files:
            raise Refusal(422, f"no photo: send each as a file of the field {FIELD!r}")
        if len(files) > limits.photos:
            raise Refusal(413, f"{len(files)} photos; a request may have {limits.photos}")
        try:
            return [await file.read() for file in files]
        finally:
            await form.close()

    async def _chunks(self, request: Request, most: int, taken: list[int]) -> AsyncGenerator[bytes, None]:
        """The body as it comes; `taken` counts its bytes."""
        async for chunk in request.stream():
            taken[0] += len(chunk)
            self.held += len(chunk)
            if taken[0] > most:
                raise Refusal(413, f"more than {self.limits.request_mb} MB, which a request may have")
            if self.held > self.limits.held_mb * 1_000_000:
                raise Refusal(429, "busy: too many uploads at once; send it again in a while")
            yield chunk
