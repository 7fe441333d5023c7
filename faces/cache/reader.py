"""The face-crop cache: WebDataset tar shards read by memory map, one index, a description written last.

cache.json            format version, settings, counts, size and sha256 of every shard, sha256 of the tables,
                      and in it its own (`faces.storage.documents`); `schema` says what must stand there;
                      written last
index.parquet         one row a sample, in the order of the shards
rejects.csv           one row a photo that is in no shard, with the reason; below, at position -1, what lies
                      among the photos and is none
corrections.csv       labels that were corrected, if any
shards/00000.tar      per sample `<key>.json` after `<key>.jpg`, `<key>.png`, `<key>.rgb` (raw uint8 HWC) or
                      `<key>.rgba` (the same of a person cut out)
shards/00000.idx      the index DALI's own webdataset reader wants (wds2idx v1.2)
unfinished.json       settings and source of a cache still being written
parts/00000.parquet   rows of a written shard until the index is, with size and sha256 of its files
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from faces.cache.description import (
    CacheError,
    again,
    channels_of,
    labels_of,
    read_description,
)
from faces.cache.mapped import LocalShards
from faces.cache.opening import Verify, allow_files, chosen, compare_shards
from faces.cache.schema import Codec
from faces.cache.tables import (
    PLACES,
    check_tables,
    check_unique,
    first_line,
    place_of,
    read_index,
    read_rejects,
    wrong_place,
)
from faces.foreign.persons import one_spelling, several_spellings
from faces.labels import IntArray, LabelSet
from faces.remote.address import Address, address_of
from faces.remote.mirror import brought
from faces.remote.shards import Mapped, StagedShards
from faces.remote.stage import address_here


@dataclass(frozen=True)
class Cache:
    """A finished cache, open for random access. Row numbers count `index` from 0."""

    folder: Path
    description: dict[str, Any]

    @classmethod
    def open(cls, folder: Path | str, verify: Verify | None = None) -> Cache:
        """Open a finished cache, comparing every shard with its recorded size and sha256.

        The tables are compared too, where their sha256 is recorded. Of one at an address, such as
        s3://bucket/caches/mine, the tables are brought here, and each shard is compared when it is read.

        Hashing reads the shards once a command, and is the only check that finds flipped bits: decoders turn
        them into wrong pixels silently.

        Args:
            folder: of the cache.
            verify: how much of the shards is read; without it what FACEFOLD_VERIFY says, else all.

        Raises:
            ValueError: FACEFOLD_VERIFY holds no such choice.
            CacheError: no such folder, unfinished, of another format version, damaged, or of a description
                that `schema` refuses.
            RemoteError: an address that cannot be read.
        """
        found = address_of(folder)
        folder = brought(found).local if found else Path(folder)
        description = read_description(folder)
        if not address_here(folder):
            allow_files(folder, len(description["shards"]))
            compare_shards(folder, description["shards"], chosen(verify))
        check_tables(folder, description)
        return cls(folder, description)

    def __len__(self) -> int:
        """Number of samples."""
        return int(self.description["samples"])

    @cached_property
    def index(self) -> pd.DataFrame:
        """One row a sample: key, position (in the source's listing), image_id, source, source_bytes,
        source_sha256, shard, offset, length (bytes), height, width, codec, person, a column of labels for
        each factor of `label_set`, face_box, crop_box (xyxy, source pixels), crop_angle (degrees by which
        that box is turned clockwise), landmarks (five x, y), score, faces (found in the photo), detector
        (step that found it), status; and true_pixels (share of the crop that shows the
        photo, 0 to 1), turned (degrees clockwise by which the face lies turned in it), face (0, or of a
        photo's further faces 1, 2, ...: position and face together are unique), which older caches lack.

        A person whom the file spells in several ways has one name, the normal form (`faces.foreign.persons`).
        It takes 1.5 kB a row, so what needs few columns of many rows reads them with `columns`.

        Raises:
            CacheError: as `columns`, or a key or a face of a photo occurs more than once.
        """
        table = self._of_one_spelling(read_index(self.folder))
        check_unique(table, self.folder)
        return table

    @cached_property
    def rejects(self) -> pd.DataFrame:
        """One row a photo that could not be used: position, image_id, source, source_sha256, person, a column
        of labels for each factor, reason."""
        return read_rejects(self.folder, self.label_set)

    @cached_property
    def label_set(self) -> LabelSet:
        """The factors that its photos are labelled with."""
        return labels_of(self.description, self.folder)

    def photos(self) -> pd.DataFrame:
        """The labels of every row: a column for each factor, as `LabelSet` tasks encode them."""
        return self.columns(*self.label_set.names)

    def columns(self, *names: str) -> pd.DataFrame:
        """Some columns of `index`, read anew.

        Raises:
            CacheError: the cache was deleted or damaged since it was opened, or has no such column.
        """
        return self._of_one_spelling(read_index(self.folder, names))

    def _of_one_spelling(self, table: pd.DataFrame) -> pd.DataFrame:
        if "person" not in table or not several_spellings(table["person"]):
            return table
        sources = read_index(self.folder, ["source"])["source"]
        return table.assign(person=one_spelling(table["person"], sources))

    @property
    def codec(self) -> Codec:
        """How the crops are stored."""
        codec: Codec = self.description["settings"]["codec"]
        return codec

    @property
    def size(self) -> int:
        """Height and width of every crop, in pixels."""
        return int(self.description["settings"]["size"])

    @property
    def channels(self) -> int:
        """Channels of every crop: 3, or 4 where the person is cut out."""
        return channels_of(self.description["settings"])

    @property
    def drawn(self) -> bool:
        """Whether some of its photos show drawn people; of caches of before, which do not tell, False."""
        return bool(self.description["source"].get("drawn"))

    @property
    def identity(self) -> str:
        """Hex sha256 over the shards' hashes: equal for caches of equal samples."""
        hashes = "".join(shard["sha256"] for shard in self.description["shards"])
        return hashlib.sha256(hashes.encode()).hexdigest()

    def labels(self, task: str) -> IntArray:
        """[n] int64 classes of every row in the task named, -1 where not labelled or not the task's."""
        wanted = self.label_set.task(task)
        return wanted.encode(self.columns(*wanted.factors))

    def known(self, task: str) -> NDArray[np.bool_]:
        """[n] whether all factors of the task named are known of every row, be it the task's or not."""
        wanted = self.label_set.task(task)
        return wanted.known(self.columns(*wanted.factors))

    @property
    def address(self) -> Address | None:
        """Where it lies, if not on this machine: its shards are then brought here as they are read."""
        return address_here(self.folder)

    @cached_property
    def _shards(self) -> LocalShards | StagedShards:
        shards = self.description["shards"]
        return StagedShards(self.address, shards) if self.address else LocalShards(self.folder, shards)

    def expect(self, rows: IntArray) -> None:
        """Say which rows are read from now on, in that order, so that shards at an address come ahead of it.

        Raises:
            RemoteError: that order needs more of them at once than this machine may hold.
        """
        if self.address:
            self._shards.expect(self.places[rows, 0])

    @cached_property
    def places(self) -> IntArray:
        """[n, 3] int64 shard, offset and length (bytes) of every crop, all of which lie in the shards.

        Raises:
            CacheError: what the index says contradicts the description; with the first such key and shard.
        """
        table = self.columns(*PLACES)
        if wrong := wrong_place(table, self.description):
            row, what = wrong
            raise CacheError(f"{self.folder}: {self.place_of(row)}: {what}; {again(self.folder)}")
        return table[[*PLACES[:3]]].to_numpy(np.int64)

    def check_places(self) -> None:
        """Raise what `places` raises, before any crop is read."""
        _ = self.places

    def place_of(self, row: int) -> str:
        """Where a crop is stored, for messages: see `faces.cache.tables.place_of`."""
        return place_of(self.columns("key", *PLACES).iloc[row], self.description["shards"])

    def encoded(self, rows: IntArray) -> list[NDArray[np.uint8]]:
        """Read-only views of the stored bytes of these rows, nothing copied.

        Returns:
            Per row uint8 [length] of a JPEG or PNG file, or uint8 [size, size, channels] for a raw cache.

        Raises:
            CacheError: a shard was cut short since the cache was opened.
            RemoteError: one at an address cannot be brought, or not as it was written.
        """
        places = self.places[rows]
        taken = self._shards.take(places[:, 0])
        self._check_lengths(taken)
        views = [taken[shard][1][at : at + length] for shard, at, length in places.tolist()]
        if self.codec == "raw":
            return [view.reshape(self.size, self.size, self.channels) for view in views]
        return views

    def _check_lengths(self, taken: Mapping[int, Mapped]) -> None:
        """Look whether shards still are as long as they are mapped: whoever reads what was cut off ends
        without a word (SIGBUS). A look takes less than a microsecond, so there is one before every batch."""
        for number, (mapped, _) in taken.items():
            shard = self.description["shards"][number]
            if (length := min(mapped.size(), len(mapped))) < shard["bytes"]:
                raise CacheError(
                    f"{self.folder / 'shards' / shard['name']}: changed while it was in use: cut short to "
                    f"{length:,} of {shard['bytes']:,} bytes; once it is back as it was, the same command "
                    "goes on from what was saved"
                )

    def image(self, row: int) -> NDArray[np.uint8]:
        """One crop decoded for people to look at: RGB uint8 [size, size, 3], a cut-out person on white.

        Raises:
            CacheError: it does not decode, or is of another size; with key and shard.
        """
        [data] = self.encoded(np.array([row]))
        mode = "RGB" if self.channels == 3 else "RGBA"
        pixels = data if self.codec == "raw" else self._decoded(data, mode, row)
        if mode == "RGB":
            return pixels
        alpha = pixels[..., 3:].astype(np.uint16)
        return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)

    def _decoded(self, data: NDArray[np.uint8], mode: str, row: int) -> NDArray[np.uint8]:
        try:
            with Image.open(io.BytesIO(data.tobytes())) as image:
                if image.size != (self.size, self.size):
                    raise ValueError(f"{image.width} x {image.height} pixels, not {self.size} x {self.size}")
                return np.asarray(image.convert(mode))
        except Exception as error:  # Pillow's decoders share no narrower class
            raise CacheError(
                f"{self.folder}: {self.place_of(row)}: damaged ({first_line(error)}); {again(self.folder)}"
            ) from error
