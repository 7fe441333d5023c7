"""What one request may ask for, and how a service says no."""

from __future__ import annotations

from dataclasses import dataclass, fields

REASONS = {
    400: "no multipart form",
    404: "not offered",
    408: "not sent in time",
    413: "too large",
    415: "no photo of a kind that is read",
    422: "not what is asked for",
    429: "busy",
}
"""Status codes of refusals and what each is about, for people."""


class Refusal(Exception):
    """A request, or one photo of it, that is not answered.

    Args:
        code: HTTP status, of `REASONS`.
        reason: one line for people.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Beyond any of these a photo or a request is refused with its reason."""

    photo_mb: int = 20
    """MB (10^6 bytes) of one photo: 413."""
    request_mb: int = 60
    """MB of a whole request: 413."""
    photos: int = 16
    """Photos of one request: 413."""
    megapixels: int = 50
    """Millions of pixels of a photo, by its header: 413."""
    faces: int = 30
    """Faces of a photo: 422, where every face is asked for."""
    upload_s: float = 20
    """Seconds in which a request must have been sent: 408."""
    answer_s: float = 60
    """Seconds in which it must be answered, waiting among others included: 429."""
    waiting: int = 256
    """Photos of all requests that wait or are worked on: 429."""
    held_mb: int = 500
    """MB of all uploads that are held in memory at once: 429."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) <= 0:
                raise ValueError(f"limits.{field.name} must be above 0, got {getattr(self, field.name)}")
        if self.held_mb < self.request_mb:
            raise ValueError(f"limits.held_mb={self.held_mb}: at least request_mb, {self.request_mb}")
        if self.waiting < self.photos:
            raise ValueError(f"limits.waiting={self.waiting}: at least photos, {self.photos}")
