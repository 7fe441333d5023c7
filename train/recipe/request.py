"""request.json: what the run in a folder was asked to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from faces.command import flat_table, from_table, to_table
from faces.folds import FoldScheme
from faces.labelling.kept import labels_stored
from faces.labels import LabelSet
from faces.storage.documents import DamagedError, document, parse_document
from faces.storage.seal import is_sealed
from train.recipe.before import with_meant
from train.recipe.recipe import Recipe

REQUEST_FILE: Final = "request.json"
"""Its name in the folder of a run."""
CURE: Final = "copy the run again, or move its folder elsewhere and train the fold again"
_NO_DIFFERENCE: Final = ("recipe.about", "labels.name")


@dataclass(frozen=True, kw_only=True)
class Request:
    """All that a trained fold follows from, but the machine."""

    recipe: Recipe
    """As it was asked for: precision may be auto."""
    cache: str
    """Identity of the cache."""
    fold: int
    folds: int
    fold_seed: int
    scheme: FoldScheme = "person"
    """How people are divided into folds."""
    also_out: tuple[int, ...] = ()
    """Folds whose people did not train either, but validated, beside those of `fold`."""
    rows: str = ""
    """Hash of the rows of either side, where they are not the scheme's."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """`stored_labels` of the cache; empty of the contest's."""
    predictions: str = ""
    """Hashes of the teacher's files."""
    beginning: str = ""
    """Hash of the run whose backbone was begun with."""
    extra: str = ""
    """Hash of the folds of photos that only train."""

    def __post_init__(self) -> None:
        if not 0 <= self.fold < max(self.folds, 1):
            raise ValueError(
                f"fold={self.fold}: with folds={self.folds} they are numbered from 0 to below it"
            )
        check_also_out(self.fold, self.folds, self.also_out)

    def label_set(self, source: Path) -> LabelSet:
        """The factors of the cache.

        Raises:
            ValueError: what is kept of them is none; `source` is named.
        """
        return labels_stored(self.labels or None, source)

    def differences(self, now: Request) -> list[str]:
        """In what another request differs, as `key: x there, y now`; nothing that changes no result."""
        return _differing(to_table(self), to_table(now))

    def document(self) -> bytes:
        """The bytes of request.json."""
        return document({key: value for key, value in to_table(self).items() if value not in ("", {}, [])})


def check_also_out(fold: int, folds: int, also_out: Sequence[int]) -> None:
    """Refuse other folds that are left out, but are none, or are named before.

    Raises:
        ValueError: with what they may be.
    """
    if [*also_out] != sorted({*also_out}) or any(not fold < other < folds for other in also_out):
        raise ValueError(
            f"also_out={[*also_out]}: must be folds above fold={fold} and below folds={folds}, rising"
        )


def recipe_differences(asked: Recipe, trained: Recipe) -> list[str]:
    """In what a recipe is not the one asked for, as `recipe.key: x there, y now`; where precision auto was
    asked for, any other will do."""
    resolved = asked.precision == "auto" != trained.precision
    there = replace(asked, precision=trained.precision) if resolved else asked
    return _differing({"recipe": to_table(there)}, {"recipe": to_table(trained)})


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    there, here = flat_table(dict(before)), flat_table(dict(after))
    return [
        f"{key}: {there.get(key)!r} there, {here.get(key)!r} now"
        for key in sorted({*there, *here})
        if there.get(key) != here.get(key) and key not in _NO_DIFFERENCE
    ]


def read_request(path: Path) -> Request:
    """The request of a run. What a recipe of then did not know is as it was meant (train/recipe/before.py).

    Args:
        path: request.json.

    Raises:
        ValueError: missing, edited, damaged, or a field that is missing, unknown or of another type.
    """
    if not path.is_file():
        raise DamagedError(f"{path}: no such file, so nobody knows what was trained there; {CURE}")
    return parse_request(path.read_bytes(), path)


def parse_request(data: bytes, path: Path) -> Request:
    """`read_request` of bytes that are at hand."""
    table = parse_document(data, path, CURE)
    try:
        if is_sealed(data) and "scheme" not in table:  # which only runs of long ago lack
            raise ValueError(f"{path}: scheme is missing")
        request = from_table(Request, with_meant(table), path)
        request.label_set(path)
    except ValueError as error:
        raise DamagedError(f"{error}; {CURE}") from error
    return request
