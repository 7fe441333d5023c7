"""A fold that begins with the backbone that another recipe trained on the same fold."""

from __future__ import annotations

from pathlib import Path

from faces.cache.description import file_sha256
from train.engine.card import BEST_FILE, NESTED
from train.engine.checkpoint import load_best
from train.network.model import Network
from train.recipe.recipe import Recipe


def run_begun_with(name: str, folder: Path) -> Path:
    """best.safetensors of the run that a fold begins with.

    Args:
        name: of the recipe that trained it, the name of its folder of runs.
        folder: of the fold's own run: runs/<recipe>/fold<k>, or runs/<recipe>/nested/fold<i>-<j>.
    """
    own = folder.parent.parent if folder.parent.name == NESTED else folder.parent
    return own.with_name(name) / folder.relative_to(own) / BEST_FILE


def digest_of_beginning(path: Path) -> str:
    """Hex sha256 of the run that a fold begins with.

    Raises:
        ValueError: it was not trained.
    """
    if not path.is_file():
        raise ValueError(
            f"{path}: no such run, with which to begin; train that recipe's fold first, as `make train` does "
            "by itself"
        )
    return file_sha256(path)


def begin(network: Network, recipe: Recipe, path: Path) -> None:
    """Give a new network the backbone of a trained one, and the scaling of images that this was trained with.

    Args:
        network: of `build_model`, on the CPU.
        recipe: its recipe, which has `begin_with`.
        path: best.safetensors of the run of that one on the same fold.

    Raises:
        ValueError: its backbone or pooling is another, or as `load_best`.
    """
    trained, card = load_best(path)
    if (card.recipe.backbone, card.recipe.head.pool) != (recipe.backbone, recipe.head.pool):
        raise ValueError(
            f"{path}: a run of backbone {card.recipe.backbone!r} with head.pool={card.recipe.head.pool!r}, "
            f"not of {recipe.backbone!r} with {recipe.head.pool!r}; give both recipes the same"
        )
    network.backbone.load_state_dict(trained.backbone.state_dict())
    config = dict(network.backbone.pretrained_cfg)  # type: ignore[arg-type]
    scaling = {"mean": card.normalisation.mean, "std": card.normalisation.std}
    network.backbone.pretrained_cfg = config | scaling  # type: ignore[assignment]
    network.notes = (*network.notes, f"begins with the backbone of {path}")
