"""Answers out of fold: each photo by the run of its fold; runs that cannot be scored together are refused."""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.labels import CLASS_NAMES, TASKS
from infer.predict.out_of_fold import plan_out_of_fold
from tests.helpers.own_labels import OWN, write_own
from tests.helpers.runs.fold_runs import FOLDS, change_card, out_of_fold_panels, save_unsealed, write_runs
from train.assemble import FoldPlan
from train.data.rows import fold_rows
from train.engine.checkpoint import load_best, save_best
from train.engine.watch import Watch
from train.fold import train_fold
from train.recipe.recipe import Recipe
from train.recipe.request import read_request
from train.results.probabilities import check_probabilities

ORIGINAL = ("original",)


@pytest.fixture(scope="module")
def runs(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes that tell the 18 classes and one that tells masks."""
    folder = tmp_path_factory.mktemp("runs")
    write_runs(folder, coloured, "good", skill=3, seed=1)
    write_runs(folder, coloured, "fair", tasks=("class18",), skill=2, seed=2)
    write_runs(folder, coloured, "only_mask", tasks=("mask",), seed=3)
    return folder


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    """Runs that a test may spoil."""
    return Path(shutil.copytree(runs, tmp_path / "runs"))


def test_each_row_is_answered_by_the_run_of_its_fold(coloured: Cache, runs: Path) -> None:
    panels, photos = out_of_fold_panels(["good", "fair"], runs, coloured, ORIGINAL)
    assert sorted(photos["row"]) == [*range(len(coloured))] and photos["fold"].is_monotonic_increasing
    for fold in range(FOLDS):
        rows = fold_rows(coloured, ("mask",), fold=fold, folds=FOLDS, seed=0).validation
        mine = (photos["fold"] == fold).to_numpy()
        assert photos["row"][mine].tolist() == rows.tolist()
        table = pd.read_parquet(runs / "good" / f"fold{fold}" / "oof.parquet")
        for task in ("mask", "gender", "age3"):
            stored = table[[f"{task}:{name}" for name in TASKS[task].classes]]
            np.testing.assert_array_equal(panels["good"][0][task][mine], stored.to_numpy())
    index = coloured.index.iloc[photos["row"]].reset_index(drop=True)
    for column in ("key", "image_id", "person", "mask", "gender", "age"):
        pd.testing.assert_series_equal(photos[column], index[column])
    plan = plan_out_of_fold(["good", "fair"], runs, coloured)
    for task in ("class18", "senior"):
        assert plan.truth(task).tolist() == coloured.labels(task)[photos["row"]].tolist()


@pytest.mark.usefixtures("no_pictures")
def test_what_training_stored_is_what_the_network_predicts(coloured: Cache, tmp_path: Path) -> None:
    recipe = Recipe(
        tasks=("mask", "gender", "age3"),
        backbone="test_resnet",
        image_size=32,
        epochs=1,
        batch_size=16,
        precision="fp32",
    )
    run = tmp_path / "runs" / "heads" / "fold0"
    plan = FoldPlan(
        recipe=recipe,
        cache=coloured,
        fold=0,
        folds=3,
        fold_seed=0,
        scheme="holdout",
        folder=run,
        device="cpu",
        threads=1,
    )
    train_fold(plan, Watch())
    stored, photos = out_of_fold_panels(["heads"], tmp_path / "runs", coloured, ORIGINAL)
    (run / "oof.parquet").unlink()
    both, _ = out_of_fold_panels(["heads"], tmp_path / "runs", coloured, ("original", "flip"))
    flipped, _ = out_of_fold_panels(["heads"], tmp_path / "runs", coloured, ("flip",))
    assert photos["fold"].unique().tolist() == [0] and len(photos) < len(coloured)
    for task, values in stored["heads"][0].items():
        np.testing.assert_allclose(2 * both["heads"][0][task] - flipped["heads"][0][task], values, atol=1e-4)
    with pytest.raises(ValueError, match=r"oof\.parquet: no such file.*train the fold again"):
        out_of_fold_panels(["heads"], tmp_path / "runs", coloured, ORIGINAL)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fold_seed": 1}, r"fair/fold1 .*other folds than good/fold0 \(fold_seed 1 and not 0\).* leak"),
        ({"folds": 4}, r"\(folds 4 and not 3\)"),
        ({"scheme": "age_group"}, r"\(scheme 'age_group' and not 'person'\)"),
        ({"scheme": "image"}, "fair/fold1: fold scheme image puts photos of one person on both sides"),
        ({"scheme": "everything"}, "fair/fold1: fold scheme everything leaves nobody out"),
        ({"crop": {"codec": "raw", "size": 48, "margin": 0.5}}, "margin: 0.5 in training, 0.3 here"),
        ({"classes": {"class18": CLASS_NAMES[::-1]}}, "head class18 has the classes normal female >=60"),
        ({"fold": 0}, r"fold1/best\.safetensors: holds the weights of fold 0, in the folder of fold 1; copy"),
    ],
)
def test_runs_whose_scores_would_be_false_are_refused(
    coloured: Cache, copied: Path, changed: dict[str, object], message: str
) -> None:
    change_card(copied / "fair" / "fold1", **changed)
    with pytest.raises(ValueError, match=message):
        plan_out_of_fold(["good", "fair"], copied, coloured)


def test_two_runs_of_one_fold_are_refused(coloured: Cache, copied: Path) -> None:
    shutil.copytree(copied / "fair" / "fold1", copied / "fair" / "fold1_copy")
    with pytest.raises(ValueError, match=r"two runs of one fold among fair/fold0, .*; delete one"):
        plan_out_of_fold(["fair"], copied, coloured)


def test_a_missing_fold_is_named_with_the_command_that_trains_it(coloured: Cache, copied: Path) -> None:
    shutil.rmtree(copied / "fair" / "fold2")
    command = f"make train FOLD=2 RECIPE=recipes/fair.toml CACHE={coloured.folder} FOLDS=3 RUNS={copied}"
    with pytest.raises(ValueError, match=f"fair: fold 2 of 3 is not trained.*`{re.escape(command)}`"):
        plan_out_of_fold(["good", "fair"], copied, coloured)


def test_runs_of_other_photos_are_refused(
    coloured: Cache, copied: Path, make_cache: Callable[..., Cache]
) -> None:
    other = make_cache(people=12)
    with pytest.raises(
        ValueError, match=r"request\.json: run good/fold0 was trained on cache .* give the cache"
    ):
        plan_out_of_fold(["good"], copied, other)
    request = copied / "good" / "fold0" / "request.json"
    request.write_bytes(dataclasses.replace(read_request(request), rows="abc").document())
    with pytest.raises(ValueError, match="good/fold0 was trained on rows of its own choice"):
        plan_out_of_fold(["good"], copied, coloured)
    request.unlink()
    with pytest.raises(ValueError, match=r"request\.json: no such file"):
        plan_out_of_fold(["good"], copied, coloured)


def rewrite(run: Path, change: Callable[[pd.DataFrame], pd.DataFrame], *, before: bool = False) -> None:
    """Change the stored answers of a run as a training that gave such would; `before` there were digests."""
    network, card = load_best(run / "best.safetensors")
    table = change(pd.read_parquet(run / "oof.parquet"))
    if before:
        table.to_parquet(run / "oof.parquet")
        save_unsealed(run / "best.safetensors")
    else:
        save_best(network, card, run / "best.safetensors", table)


@pytest.mark.parametrize("before", [False, True])
def test_spoilt_probabilities_are_refused(coloured: Cache, copied: Path, before: bool) -> None:
    run = copied / "good" / "fold1"

    def spoil(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[4, "gender:male"] = np.nan
        return table

    rewrite(run, spoil, before=before)
    with pytest.raises(
        ValueError, match=r"fold1/oof\.parquet, head gender: 1 of \d+ rows are not finite, .* 4;"
    ):
        out_of_fold_panels(["good"], copied, coloured, ORIGINAL)
    with pytest.raises(ValueError, match="x: 2 rows for 3 photos"):
        check_probabilities(np.full((2, 2), 0.5), 3, "x")
    with pytest.raises(ValueError, match=r"x: row 1 sums to 1\.500, not to 1"):
        check_probabilities(np.array([[0.5, 0.5], [1.0, 0.5]]), 2, "x")


@pytest.mark.parametrize("views", [ORIGINAL, pytest.param(("flip",), marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.iloc[1:], r"its 23 rows are not the 24 photos of fold 1"),
        (lambda table: table.iloc[::-1], r"its 24 rows are not the 24 photos of fold 1"),
        (
            lambda table: table.assign(mask=(table["mask"] + 1) % 3),
            r"mask of '.+' is \d there, \d in the cache",
        ),
        (
            lambda table: table.assign(age=table["age"] + 1),
            r"age of '.+' is [\d.]+ there, [\d.]+ in the cache",
        ),
        (
            lambda table: table.assign(person=table["person"].to_numpy()[::-1]),
            r"person of '.+' is \w+ there",
        ),
        (lambda table: table.assign(fold=2), "its answers are not all of fold 1"),
        (lambda table: table.drop(columns="gender"), "no column 'gender'"),
        (lambda table: table.drop(columns="mask:wear"), "head mask: row 1 sums to"),
    ],
)
def test_answers_to_other_photos_people_or_labels_are_refused(
    coloured: Cache,
    copied: Path,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    message: str,
    views: tuple[str, ...],
) -> None:
    rewrite(copied / "good" / "fold1", change, before=True)
    with pytest.raises(ValueError, match=rf"fold1/oof\.parquet.*{message}.*; train the fold again$"):
        out_of_fold_panels(["good"], copied, coloured, views)


def test_runs_of_before_answer_as_they_did(coloured: Cache, copied: Path) -> None:
    now, _ = out_of_fold_panels(["good"], copied, coloured, ORIGINAL)
    for fold in range(FOLDS):
        run = copied / "good" / f"fold{fold}"
        rewrite(run, lambda table: table, before=True)
        request = json.loads((run / "request.json").read_text())
        del request["seal"]
        (run / "request.json").write_text(json.dumps(request))
    before, _ = out_of_fold_panels(["good"], copied, coloured, ORIGINAL)
    for task, values in now["good"][0].items():
        np.testing.assert_array_equal(before["good"][0][task], values)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_own(tmp_path_factory.mktemp("caches") / "own")


@pytest.fixture(scope="module")
def own_runs(own: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recipes for glasses, which are known of two photos of three, for helmets, known of three people of
    four, and for the age, known of all."""
    folder = tmp_path_factory.mktemp("own_runs")
    for seed, task in enumerate(("glasses", "helmet", "years", "glasses*years")):
        write_runs(folder, own, task.replace("*", "_"), tasks=(task,), seed=seed)
    return folder


def test_recipes_of_different_factors_are_asked_of_photos_that_all_of_them_validate(
    own: Cache, own_runs: Path
) -> None:
    glasses, helmet = own.known("glasses"), own.known("helmet")
    alone = plan_out_of_fold(["glasses"], own_runs, own)
    assert sorted(alone.photos["row"]) == np.flatnonzero(glasses).tolist()
    plan = plan_out_of_fold(["years", "helmet", "glasses"], own_runs, own)
    assert sorted(plan.photos["row"]) == np.flatnonzero(glasses & helmet).tolist()
    assert 0 < len(plan.photos) < len(alone.photos)
    panels = plan.stored()
    for recipe in ("years", "helmet", "glasses"):
        tables = [pd.read_parquet(own_runs / recipe / f"fold{fold}/oof.parquet") for fold in range(FOLDS)]
        every = pd.concat(tables).set_index("image_id")
        asked = every.loc[plan.photos["image_id"], [f"{recipe}:{c}" for c in OWN.task(recipe).classes]]
        assert len(every) > len(asked)
        np.testing.assert_array_equal(panels[recipe][0][recipe], asked.to_numpy())
    index = own.index.iloc[plan.photos["row"]].reset_index(drop=True)
    for factor in OWN.names:
        pd.testing.assert_series_equal(plan.photos[factor], index[factor])


def test_truth_is_unknown_where_a_photo_is_not_labelled_for_the_task(own: Cache, own_runs: Path) -> None:
    plan = plan_out_of_fold(["years"], own_runs, own)
    rows = plan.photos["row"]
    assert len(rows) == len(own)
    for task in ("years", "glasses", "glasses*helmet", "years>=40[60]"):
        assert plan.truth(task).tolist() == own.labels(task)[rows].tolist()
    assert (plan.truth("glasses") == -1).sum() == len(own) // 3
    assert (plan.truth("years>=40[60]") == -1).sum() == len(own) // 2


def test_runs_whose_factors_are_others_than_the_caches_are_refused(
    own: Cache, own_runs: Path, tmp_path: Path
) -> None:
    runs = Path(shutil.copytree(own_runs, tmp_path / "runs"))
    glasses, helmet, years = OWN.factors
    renamed = dataclasses.replace(helmet, categories=("on", "off", "unsure"))
    changed = dataclasses.replace(OWN, factors=(glasses, renamed, years))
    for recipe in ("helmet", "years"):
        for fold in range(FOLDS):
            classes = {recipe: changed.task(recipe).classes}
            change_card(runs / recipe / f"fold{fold}", labels=changed, classes=classes)
    message = (
        r"own: its labels \(there\) .* run helmet/fold0 .*: helmet: yes, no, unsure there, on, off, unsure"
    )
    with pytest.raises(ValueError, match=message):
        plan_out_of_fold(["helmet"], runs, own)
    # What no head tells may differ.
    assert len(plan_out_of_fold(["years"], runs, own).photos) == len(own)


def test_recipes_that_validate_no_photo_in_common_are_refused(
    own: Cache, own_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows_of(_: Cache, tasks: tuple[str, ...], **__: object) -> SimpleNamespace:
        return SimpleNamespace(validation=np.arange(3) + 3 * (tasks == ("helmet",)))

    monkeypatch.setattr("infer.predict.out_of_fold.fold_rows", rows_of)
    message = r"glasses/fold0 and helmet/fold0 validate no photo in common.*no photos labelled for both"
    with pytest.raises(ValueError, match=message):
        plan_out_of_fold(["glasses", "helmet"], own_runs, own)
