"""Heads fitted to all photos at once: against scikit-learn, and against the network that is kept."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from faces.cache.reader import Cache
from faces.labels import UNKNOWN
from pipeline.loader import Loader
from train.assemble import FoldPlan
from train.engine import features as features_module
from train.engine.checkpoint import load_best
from train.engine.features import FEATURES
from train.engine.watch import Watch
from train.fold import train_fold
from train.network.normalisation import Normalisation
from train.recipe.network import Head, Optimiser
from train.recipe.recipe import Recipe
from train.results.oof import probabilities_of, read_oof
from train.run_folder import STATE_FILE

pytestmark = pytest.mark.usefixtures("no_pictures")

DECAY = 0.3
SCALING = Normalisation((0.5,) * 3, (0.5,) * 3)
RECIPE = Recipe(
    tasks=("mask", "gender"),
    backbone="test_resnet",
    image_size=32,
    augment="none",
    epochs=1,
    batch_size=16,
    precision="fp32",
    optimiser=Optimiser(name="lbfgs", frozen_epochs=1, weight_decay=DECAY),
)


def plan(cache: Cache, folder: Path, recipe: Recipe = RECIPE, fold: int = 1) -> FoldPlan:
    return FoldPlan(
        recipe=recipe, cache=cache, fold=fold, folds=3, fold_seed=0, folder=folder, device="cpu", threads=1
    )


def features_by_hand(cache: Cache, network: nn.Module, rows: np.ndarray, mirrored: bool) -> np.ndarray:
    loader = Loader(cache, rows, batch_size=16, image_size=32, mean=SCALING.mean, std=SCALING.std)
    with torch.inference_mode():
        parts = [network(images.flip(3) if mirrored else images) for images, _ in loader.epoch(0)]
    return torch.cat(parts).double().numpy()


def test_a_head_is_the_logistic_regression_of_scikit_learn(coloured: Cache, tmp_path: Path) -> None:
    folder = tmp_path / "runs/whole/fold1"
    train_fold(plan(coloured, folder), Watch())
    network, _ = load_best(folder / "best.safetensors")
    table = read_oof(folder)
    validation = np.flatnonzero(coloured.index["image_id"].isin(table["image_id"]))
    labels = coloured.labels("mask")
    training = np.setdiff1d(np.flatnonzero(labels != UNKNOWN), validation)
    seen = np.concatenate([features_by_hand(coloured, network.backbone, training, m) for m in (0, 1)])
    mean, std = seen.mean(0), seen.std(0)
    std[std < 1e-6] = 1
    reference = LogisticRegression(C=1 / (DECAY * len(seen)), tol=1e-8, max_iter=2000)
    reference.fit((seen - mean) / std, np.tile(labels[training], 2))
    plain = features_by_hand(coloured, network.backbone, validation, False)
    expected = reference.predict_proba((plain - mean) / std)
    found = probabilities_of(table, coloured.label_set.task("mask"))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_network_that_is_kept_answers_as_the_heads_did(coloured: Cache, tmp_path: Path) -> None:
    folder = tmp_path / "runs/whole/fold1"
    recipe = dataclasses.replace(RECIPE, head=Head(hidden=8))
    train_fold(plan(coloured, folder, recipe), Watch())
    network, card = load_best(folder / "best.safetensors")
    table = read_oof(folder)
    rows = np.flatnonzero(coloured.index["image_id"].isin(table["image_id"]))
    scaling = card.normalisation
    loader = Loader(coloured, rows, batch_size=8, image_size=32, mean=scaling.mean, std=scaling.std)
    with torch.inference_mode():
        outputs = torch.cat([network(images)["mask"].softmax(1) for images, _ in loader.epoch(0)])
    found = probabilities_of(table, coloured.label_set.task("mask"))
    np.testing.assert_allclose(found, outputs.numpy(), atol=1e-4)


def test_folds_share_features_and_a_damaged_file_of_them_is_made_again(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    real = features_module.FrozenFeatures._compute

    def counted(self: features_module.FrozenFeatures, rows: np.ndarray) -> object:
        computed.append(len(rows))
        return real(self, rows)

    monkeypatch.setattr(features_module.FrozenFeatures, "_compute", counted)
    runs = tmp_path / "runs/whole"

    def answers(fold: int, name: str) -> np.ndarray:
        folder = runs / name
        train_fold(plan(coloured, folder, dataclasses.replace(RECIPE), fold=fold), Watch())
        return probabilities_of(read_oof(folder), coloured.label_set.task("mask"))

    first = answers(1, "fold1")
    assert sum(computed) > 0
    computed.clear()
    assert answers(1, "again").tobytes() == first.tobytes()
    assert sum(computed) == 0
    [path] = (runs.parent / FEATURES).iterdir()
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    assert answers(1, "damaged").tobytes() == first.tobytes()
    assert sum(computed) > 0


def test_a_killed_fit_begins_with_the_features_that_are_there(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features_module, "_SAVE_EVERY", 0.0)
    folder = tmp_path / "runs/whole/fold1"

    class Cut(Watch):
        seen = 0

        def advance(self, photos: int, loss: float = 0.0) -> None:
            self.seen += photos
            if self.seen > 16:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, folder), Cut())
    [path] = (tmp_path / "runs" / FEATURES).iterdir()
    kept = path.stat().st_size
    assert not (folder / STATE_FILE).exists()
    row = train_fold(plan(coloured, folder), Watch())
    assert path.stat().st_size > kept
    whole = tmp_path / "others/unbroken/fold1"
    assert row["loss"] == train_fold(plan(coloured, whole), Watch())["loss"]
    assert train_fold(plan(coloured, folder), Watch()) == row  # finished


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": 2}, "epochs = 1"),
        ({"augment": "light"}, 'augment = "none"'),
        ({"optimiser": Optimiser(name="lbfgs")}, "frozen_epochs = 1"),
        ({"head": Head(dropout=0.5)}, "head.dropout = 0"),
    ],
)
def test_what_has_no_meaning_there_is_refused(change: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match="lbfgs") as error:
        dataclasses.replace(RECIPE, **change)  # type: ignore[arg-type]
    assert named in str(error.value)
