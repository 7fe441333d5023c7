"""What a recipe meant when the runs in a folder were begun, so that all of them stay one recipe's."""

from __future__ import annotations

from pathlib import Path

from faces.storage.documents import parse_document
from train.recipe.before import as_then, is_before
from train.recipe.recipe import Recipe
from train.recipe.request import REQUEST_FILE


def recipe_as_begun(recipe: Recipe, folder: Path, runs: str) -> Recipe:
    """A recipe with what it meant when the first of some runs of it was begun, so that all stay one recipe's.

    Args:
        recipe: as it is meant now.
        folder: of the runs.
        runs: pattern of their folders in it.
    """
    begun = any(_begun_before(path) for path in sorted(folder.glob(f"{runs}/{REQUEST_FILE}")))
    return as_then(recipe) if begun else recipe


def _begun_before(request: Path) -> bool:
    try:
        return is_before(parse_document(request.read_bytes(), request, "").get("recipe"))
    except (OSError, ValueError):
        return False  # a damaged one is refused where its fold is trained
