"""Stage 2: a recipe trained on folds of a cache becomes runs: `python -m train`.

A fold's training from its plan to its folder; the rooms hold the parts.

Public: `read_recipe`, a `Recipe` from its file; `plan_fold`, the `FoldPlan` of one fold; `train_fold`, which
trains it; `BarWatch` shows its progress.
"""

from typing import TYPE_CHECKING

from faces import public_names

if TYPE_CHECKING:
    from train.assemble import FoldPlan
    from train.engine.watch import BarWatch
    from train.fold import train_fold
    from train.one_fold import plan_fold
    from train.recipe.file import read_recipe
    from train.recipe.recipe import Recipe

__all__ = ["BarWatch", "FoldPlan", "Recipe", "plan_fold", "read_recipe", "train_fold"]
__getattr__ = public_names(
    {
        "BarWatch": "train.engine.watch",
        "FoldPlan": "train.assemble",
        "Recipe": "train.recipe.recipe",
        "plan_fold": "train.one_fold",
        "read_recipe": "train.recipe.file",
        "train_fold": "train.fold",
    }
)
