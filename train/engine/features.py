"""What a backbone that is never trained makes of photos, computed once and kept in a file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import load, save
from torch import Tensor

from faces.files import write_atomically
from faces.labels import IntArray
from pipeline.loader import Loader
from train.network.model import Network, backbone_digest
from train.network.weights_file import METADATA, digest_of, header_of

FEATURES: Final = ".features"
"""Name of their folder in the folder of all runs: recipes that see photos alike share them."""
VIEWS: Final = 2
"""Each photo as it is, and mirrored."""
_SAVE_EVERY: Final = 60.0
"""Seconds after which what was computed is kept, so that a kill loses no more."""
_MADE_OF, _DIGEST = "made_of", "tensors"


@dataclass(frozen=True, kw_only=True)
class FrozenFeatures:
    """Features of photos and of their mirror images, each computed once."""

    network: Network
    """Whose backbone is never trained, on the device."""
    fabric: Fabric
    load: Callable[[IntArray], Loader]
    """Makes a loader of such rows, each once, without augmentation."""
    folder: Path
    """Where they are kept, a file for each `source` and backbone; one that is not whole is made again."""
    source: str
    """All that the photos' pixels follow from but their rows: the cache, and how the loader shows it."""

    def of(self, rows: IntArray, advance: Callable[[int], object]) -> Tensor:
        """float32 [`VIEWS`, n, width] on the device: the features of n different rows of the cache.

        Args:
            rows: [n] int64.
            advance: called with numbers of photos that are done, n in all.

        Raises:
            ValueError: a crop does not decode, or features are not finite.
        """
        made_of = hashlib.sha256(f"{self.source}|{backbone_digest(self.network)}".encode()).hexdigest()
        path = self.folder / f"{made_of[:16]}.safetensors"
        kept, features = _read(path, made_of)
        missing = np.setdiff1d(rows, kept)
        advance(len(rows) - len(missing))
        saved = time.monotonic()
        for chosen, made in self._compute(missing):
            kept = np.concatenate([kept, chosen])
            features = torch.cat([features, made], 1) if features.numel() else made
            advance(len(chosen))
            if time.monotonic() - saved > _SAVE_EVERY:
                _write(path, made_of, kept, features)
                saved = time.monotonic()
        if len(missing):
            _write(path, made_of, kept, features)
        order = np.argsort(kept)
        return features[:, order[np.searchsorted(kept, rows, sorter=order)]].to(self.fabric.device)

    def _compute(self, rows: IntArray) -> Iterator[tuple[IntArray, Tensor]]:
        """Rows and float32 [`VIEWS`, b, width] on the CPU, batch by batch."""
        for images, chosen in self.load(rows).epoch(0) if len(rows) else ():
            photos = images.to(memory_format=torch.channels_last)
            with torch.inference_mode(), self.fabric.autocast():
                views = [self.network.features(view) for view in (photos, photos.flip(3))]
                pooled = [view.mean(1) if view.ndim == 3 else view for view in views]
                features = torch.stack(pooled).float().cpu()
            if wrong := int((~features.isfinite().all(2)).any(0).sum()):
                raise ValueError(
                    f"{self.folder}: what the backbone makes of {wrong:,} of {len(chosen):,} photos is not "
                    'finite; use precision = "fp32", or other weights'
                )
            yield chosen.numpy(), features


def _write(path: Path, made_of: str, rows: IntArray, features: Tensor) -> None:
    tensors = {"rows": torch.from_numpy(rows), "features": features}
    notes = {_MADE_OF: made_of, _DIGEST: digest_of(save(tensors))}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(tensors, metadata=notes))


def _read(path: Path, made_of: str) -> tuple[IntArray, Tensor]:
    """Rows [m] and features [`VIEWS`, m, width] that are kept; none where the file is not whole or of another
    backbone, cache or size."""
    try:
        data = path.read_bytes()
        notes = header_of(data)[0].get(METADATA, {})
        if notes.get(_MADE_OF) == made_of and notes.get(_DIGEST) == digest_of(data):
            tensors = load(data)
            return tensors["rows"].numpy(), tensors["features"]
    except Exception:  # whatever reading a damaged file stumbles over; it is made again
        pass
    return np.empty(0, np.int64), torch.empty(VIEWS, 0, 0)
