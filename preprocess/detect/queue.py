"""Photos that wait until enough of their size are there to be searched together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from preprocess.detect.search import Finder, Found
from preprocess.sources.photo import Pixels

T = TypeVar("T")
HELD_BYTES: Final = 200_000_000
"""What waits at most beside one thread that reads; above it all are searched at once."""


@dataclass(frozen=True)
class _Place(Generic[T]):
    item: T
    photo: Pixels
    bytes: int
    faces: Found = ()


class SearchQueue(Generic[T]):
    """Gives each photo to the finder's first step among others of its size, and those that need another look
    to the rest of the steps, again among others of their size: few at once cost twice as much each.

    Args:
        finder: searches.
        batch: most photos searched together.
        most_bytes: what waits at most; above it all are searched at once.
    """

    def __init__(self, finder: Finder, batch: int, most_bytes: int = HELD_BYTES) -> None:
        self._finder = finder
        self._batch = batch
        self._most_bytes = most_bytes
        self._new: dict[tuple[int, ...], list[_Place[T]]] = {}
        self._unsettled: dict[tuple[int, ...], list[_Place[T]]] = {}

    def add(self, item: T, photo: Pixels, held: int) -> list[tuple[T, Found]]:
        """Let a photo wait.

        Args:
            item: what stands for it.
            photo: as it is searched.
            held: bytes that are kept while it waits.

        Returns:
            The items whose search came to its end, with their faces.
        """
        group = self._new.setdefault(photo.shape, [])
        group.append(_Place(item, photo, held))
        waiting = [*self._new.values(), *self._unsettled.values()]
        if sum(place.bytes for places in waiting for place in places) > self._most_bytes:
            return self.rest()
        return self._begin(group) if len(group) == self._batch else []

    def rest(self) -> list[tuple[T, Found]]:
        """Search all that wait."""
        done = [one for group in self._new.values() for one in self._begin(group)]
        return done + [one for group in self._unsettled.values() for one in self._end(group)]

    def _begin(self, group: list[_Place[T]]) -> list[tuple[T, Found]]:
        if not group:
            return []
        done: list[tuple[T, Found]] = []
        unsettled = self._unsettled.setdefault(group[0].photo.shape, [])
        photos = [place.photo for place in group]
        for place, faces in zip(group, self._finder.first(photos), strict=True):
            if self._finder.is_settled(faces, place.photo):
                done.append((place.item, faces))
                continue
            unsettled.append(_Place(place.item, place.photo, place.bytes, faces))
            if len(unsettled) == self._batch:
                done += self._end(unsettled)
        group.clear()
        return done

    def _end(self, group: list[_Place[T]]) -> list[tuple[T, Found]]:
        if not group:
            return []
        found = self._finder.rest([place.photo for place in group], [place.faces for place in group])
        done = [(place.item, faces) for place, faces in zip(group, found, strict=True)]
        group.clear()
        return done
