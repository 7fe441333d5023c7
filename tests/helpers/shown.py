"""Small caches of known geometry, and the page that shows them, taken apart."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST, LabelSet
from preprocess.look.page import PAGE, write_page
from tests.helpers.pictures import picture

SIZE = 64


def fields(position: int, **changes: object) -> dict[str, object]:
    """A detected face in a photo of 200 x 100; the crop shows the square from (50, 0) to (150, 100)."""
    plain: dict[str, object] = {
        "key": f"{position:08d}",
        "position": position,
        "image_id": f"people/{position}.jpg",
        "source": f"people/{position}.jpg",
        "source_sha256": f"{position:064x}",
        "person": f"p{position // 2}",
        "mask": position % 3,
        "gender": position % 2,
        "age": 20.0 + position,
        "height": 100,
        "width": 200,
        "face_box": [75.0, 25.0, 125.0, 65.0],
        "crop_box": [50.0, 0.0, 150.0, 100.0],
        "crop_angle": 0.0,
        "landmarks": [90.0, 40.0, 110.0, 40.0, 100.0, 50.0, 92.0, 58.0, 108.0, 58.0],
        "score": 0.9,
        "faces": 1,
        "detector": "mtcnn",
        "status": "detected",
    }
    return plain | changes


LOST = {"face_box": None, "landmarks": None, "score": float("nan"), "faces": 0} | {
    "detector": "centre",
    "status": "fallback",
}


def write(
    folder: Path,
    rows: Sequence[dict[str, object]],
    crops: Sequence[np.ndarray] | None = None,
    labels: LabelSet = CONTEST,
) -> Cache:
    """A cache of these rows; a row with a reason is a rejected photo."""
    pictures = crops or [picture(SIZE, SIZE, seed) for seed in range(len(rows))]
    samples = [
        Sample(fields=row, data=None if "reason" in row else crop.tobytes())
        for row, crop in zip(rows, pictures, strict=True)
    ]
    settings = {"codec": "raw", "size": SIZE, "margin": 0.25}
    source = {"photos": len(rows)}
    writer = CacheWriter(folder, settings=settings, labels=labels, source=source, shard_count=1)
    writer.write(0, samples)
    return writer.finish()


class Page(HTMLParser):
    """What a page holds, and that its tags close."""

    VOID = frozenset({"meta", "img", "input", "link", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.tags, self.text = html, [], ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def number(self, key: str) -> str:
        [value] = re.findall(rf'data-number="{key}">.*?<strong>(.*?)</strong>', self.html)
        return value

    def section(self, key: str) -> str:
        [inner] = re.findall(rf'<section id="{key}">(.*?)</section>', self.html, re.DOTALL)
        return inner


def page_of(cache: Cache, seed: int = 0) -> Page:
    write_page(cache.folder, cache.folder / PAGE, seed)
    return Page((cache.folder / PAGE).read_text())
