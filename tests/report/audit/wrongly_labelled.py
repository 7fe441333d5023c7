"""Runs on a cache some labels of which are wrong, whose answers know better."""

from pathlib import Path

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.labels import LabelSet
from preprocess.sources.listing import Listing
from tests.helpers.coloured import write_told
from tests.helpers.runs.fold_runs import FOLDS, HEADS, guesses, write_runs
from train.engine.card import BEST_FILE
from train.engine.checkpoint import load_best, save_best
from train.results.oof import columns_of, read_oof

PEOPLE, EACH = 18, 4
SWAPPED = (1, 3)
"""Photos of person 0 whose masks are each other's."""
LONELY = 8
"""A photo whose mask is wrong by itself."""
WRONG_PERSON = "p005"


def right_labels() -> pd.DataFrame:
    """18 people with four photos each: masks 0, 1, 0, 2; half of them women; ages 25, 45, 65 in turn."""
    rows = []
    for photo in range(PEOPLE * EACH):
        person, place = divmod(photo, EACH)
        rows.append(
            {
                "image_id": f"{photo}.jpg",
                "source": f"{photo}.jpg",
                "position": photo,
                "key": f"{photo:08d}",
                "person": f"p{person:03d}",
                "mask": (0, 1, 0, 2)[place],
                "gender": person % 2,
                "age": (25.0, 45.0, 65.0)[person // 2 % 3],
            }
        )
    return pd.DataFrame(rows)


def wrong_labels(right: pd.DataFrame) -> pd.DataFrame:
    """Two masks of one person swapped, one mask and one person's gender wrong."""
    wrong = right.copy()
    wrong.loc[[*SWAPPED], "mask"] = right["mask"][[*reversed(SWAPPED)]].to_numpy()
    wrong.loc[LONELY, "mask"] = 2 - right["mask"][LONELY]
    wrong.loc[wrong["person"] == WRONG_PERSON, "gender"] ^= 1
    return wrong


def write_wrong(folder: Path) -> Cache:
    """A cache with those labels, and below `runs` a recipe `sure` whose folds answer the right ones."""
    right = right_labels()
    cache = write_told(folder / "cache", wrong_labels(right))
    write_runs(folder / "runs", cache, "sure", skill=6)
    answer(folder / "runs" / "sure", cache.label_set, right)
    return cache


def answer(recipe: Path, labels: LabelSet, right: pd.DataFrame) -> None:
    """Give each fold's stored answers high probabilities of the right labels."""
    for fold in range(FOLDS):
        run = recipe / f"fold{fold}"
        network, card = load_best(run / BEST_FILE)
        table = read_oof(run)
        mine = right.set_index("image_id").loc[table["image_id"]]
        for place, name in enumerate(HEADS):
            task = labels.task(name)
            truth = task.encode(mine)
            table[columns_of(task)] = guesses(truth, len(task.classes), skill=6, seed=10 * fold + place)
        save_best(network, card, run / BEST_FILE, table)


def listing_of(photos: pd.DataFrame, labels: LabelSet, folder: Path) -> Listing:
    """The photos as stage 1 lists them."""
    rows = photos.assign(bytes=1, problem="").reset_index(drop=True)
    return Listing(folder, "table", rows, labels)


def sure(truth: list[int], classes: int, share: float = 0.94) -> np.ndarray:
    """[n, classes] probabilities that give each true class this share, and the others the rest equally."""
    rest = (1 - share) / (classes - 1)
    return np.where(np.arange(classes) == np.array(truth)[:, None], share, rest)
