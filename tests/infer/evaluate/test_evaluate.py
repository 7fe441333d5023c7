import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache import Cache
from faces.labels import CLASS_NAMES, TASKS, project
from faces.scores import class_scores, macro_f1
from infer.evaluate import command as evaluate
from infer.evaluate.scores import class_counts, estimate, gain, numbered, score, share_counts
from infer.predict.checks import check_probabilities
from infer.predict.out_of_fold import out_of_fold_panels, plan_out_of_fold
from tests.helpers.fold_runs import FOLDS, change_card, write_runs
from train.assemble import FoldPlan
from train.data.rows import fold_rows
from train.engine.watch import Watch
from train.fold import train_fold
from train.recipe.recipe import Recipe

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


def answers(count: int, wrong: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Person, truth and guess of photos of 40 people."""
    rng = np.random.default_rng(seed)
    person, truth = rng.integers(0, 40, count), rng.integers(0, 18, count)
    person[:40] = np.arange(40)
    return person, truth, np.where(rng.random(count) < wrong, rng.integers(0, 18, count), truth)


def test_each_row_is_answered_by_the_run_of_its_fold(coloured: Cache, runs: Path) -> None:
    panels, photos = out_of_fold_panels(["good", "fair"], runs, coloured, ORIGINAL)
    assert sorted(photos["row"]) == [*range(len(coloured))] and photos["fold"].is_monotonic_increasing
    for fold in range(FOLDS):
        rows = fold_rows(coloured, ("mask",), fold=fold, folds=FOLDS, seed=0).validation
        mine = (photos["fold"] == fold).to_numpy()
        assert photos["row"][mine].tolist() == rows.tolist()
        table = pd.read_parquet(runs / "good" / f"fold{fold}" / "oof.parquet")
        for task in ("mask", "gender", "age3"):
            said = table[[f"{task}:{name}" for name in TASKS[task].classes]]
            np.testing.assert_array_equal(panels["good"][0][task][mine], said.to_numpy())
    index = coloured.index.iloc[photos["row"]].reset_index(drop=True)
    for column in ("key", "image_id", "person", "mask", "gender", "age"):
        pd.testing.assert_series_equal(photos[column], index[column])
    assert photos["class18"].tolist() == coloured.labels("class18")[photos["row"]].tolist()


def test_what_training_stored_is_what_the_network_says(coloured: Cache, tmp_path: Path) -> None:
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
        (
            {"classes": {"class18": CLASS_NAMES[::-1]}},
            "head class18 has the classes normal female >=60, .*train",
        ),
        ({"crop": {"codec": "raw", "size": 48, "margin": 0.5}}, "margin: 0.5 in training, 0.3 here"),
        ({"fold": 0}, "two runs of one fold among fair/fold0, fair/fold1, fair/fold2; delete one"),
    ],
)
def test_runs_whose_scores_would_be_false_are_refused(
    coloured: Cache, copied: Path, changed: dict[str, object], message: str
) -> None:
    change_card(copied / "fair" / "fold1", **changed)
    with pytest.raises(ValueError, match=message):
        plan_out_of_fold(["good", "fair"], copied, coloured)


def test_a_missing_fold_is_named_with_the_command_that_trains_it(coloured: Cache, copied: Path) -> None:
    shutil.rmtree(copied / "fair" / "fold2")
    told = f'make train FOLD="2" RECIPE=recipes/fair.toml CACHE={coloured.folder} FOLDS=3 RUNS={copied}'
    with pytest.raises(ValueError, match=f"fair: fold 2 of 3 is not trained.*`{re.escape(told)}`"):
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
    request.write_text(json.dumps({**json.loads(request.read_text()), "rows": "abc"}))
    with pytest.raises(ValueError, match="good/fold0 was trained on rows of its own choice"):
        plan_out_of_fold(["good"], copied, coloured)
    request.unlink()
    with pytest.raises(ValueError, match=r"request\.json: no such file"):
        plan_out_of_fold(["good"], copied, coloured)


def test_spoilt_probabilities_are_refused(coloured: Cache, copied: Path) -> None:
    path = copied / "good" / "fold1" / "oof.parquet"
    table = pd.read_parquet(path)
    table.loc[4, "gender:male"] = np.nan
    table.to_parquet(path)
    with pytest.raises(
        ValueError, match=r"fold1/oof\.parquet, head gender: 1 of \d+ rows are not finite, .* 4;"
    ):
        out_of_fold_panels(["good"], copied, coloured, ORIGINAL)
    table.iloc[1:].to_parquet(path)
    with pytest.raises(
        ValueError, match=rf"its {len(table) - 1} rows are not the {len(table)} photos of fold 1"
    ):
        out_of_fold_panels(["good"], copied, coloured, ORIGINAL)
    with pytest.raises(ValueError, match="x: 2 rows for 3 photos"):
        check_probabilities(np.full((2, 2), 0.5), 3, "x")
    with pytest.raises(ValueError, match=r"x: row 1 sums to 1\.500, not to 1"):
        check_probabilities(np.array([[0.5, 0.5], [1.0, 0.5]]), 2, "x")


def test_scores_are_those_of_the_metrics() -> None:
    person, truth, guess = answers(600, 0.4, 0)
    found = score(person, truth, guess)
    for name, value in class_scores(truth, guess).items():
        estimated = found.overall.scores[name]
        assert estimated.value == pytest.approx(value, abs=1e-6)
        assert estimated.low < value < estimated.high
    old, called = truth % 3 == 2, guess % 3 == 2
    assert found.seniors.scores["recall"].value == pytest.approx((old & called).sum() / old.sum())
    assert found.seniors.scores["precision"].value == pytest.approx((old & called).sum() / called.sum())
    assert (found.seniors.photos, found.seniors.people) == (old.sum(), len(np.unique(person[old])))
    women = truth // 3 % 2 == 1
    inside = found.slices["gender"][1]
    others = [codes[women] // 6 * 3 + codes[women] % 3 for codes in (truth, guess)]
    assert inside.scores["macro_f1"].value == pytest.approx(macro_f1(*others, 9))
    assert inside.scores["accuracy"].value == pytest.approx((truth == guess)[women].mean())
    assert [group.photos for group in found.classes] == np.bincount(truth, minlength=18).tolist()


def test_perfect_answers_leave_nothing_open() -> None:
    person, truth, _ = answers(600, 0, 1)
    found = score(person, truth, truth)
    groups = [found.overall, found.seniors, *found.classes, *sum(found.slices.values(), ())]
    for group in groups:
        for value in group.scores.values():
            assert (value.value, value.low, value.high) == (1, 1, 1)


def test_differences_are_paired() -> None:
    person, truth, guess = answers(600, 0.3, 2)
    mine, worse = (
        class_counts(person, truth, g) for g in (guess, np.where(person < 20, (guess + 1) % 18, guess))
    )
    same = gain(mine, mine)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    less = gain(worse, mine)
    assert less.value == pytest.approx(estimate(worse).value - estimate(mine).value) and less.high < 0


def test_nobody_answered_so_is_no_number_and_no_warning() -> None:
    person = np.zeros(3, np.int64)
    nothing = estimate(share_counts(person, np.ones(3, bool), np.zeros(3, bool)))
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()


def test_people_are_numbered_by_name_whatever_the_order() -> None:
    names = pd.Series(["b", "a", "c", "a"])
    assert numbered(names).tolist() == [1, 0, 2, 0]


def settings(folder: Path, cache: Cache, runs: Path, text: str) -> evaluate.Settings:
    path = folder / "both.toml"
    path.write_text(text)
    return evaluate.Settings(
        ensemble=path, cache=cache.folder, runs=runs, predictions=folder / "predictions", device="cpu"
    )


def test_the_command_writes_what_it_scored(
    coloured: Cache, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.run(settings(tmp_path, coloured, runs, 'vote = ["good", "fair"]\nviews = ["original"]'))
    folder = tmp_path / "predictions" / "both" / "out_of_fold"
    table = pd.read_parquet(folder / "out_of_fold.parquet")
    assert [*table.columns] == [
        "key",
        "ImageID",
        "person",
        "fold",
        "mask",
        "gender",
        "age",
        "ans",
        *CLASS_NAMES,
    ]
    assert sorted(table["ImageID"]) == sorted(coloured.index.image_id)
    panels, photos = out_of_fold_panels(["good", "fair"], runs, coloured, ORIGINAL)
    mean = np.mean([project(panels[name][0], "class18") for name in ("good", "fair")], axis=0)
    np.testing.assert_allclose(table[[*CLASS_NAMES]], mean, atol=1e-6)
    assert table["ans"].tolist() == mean.argmax(1).tolist()
    told = json.loads((folder / "scores.json").read_text(), parse_constant=pytest.fail)
    value = macro_f1(photos["class18"], table["ans"], 18)
    assert told["scores"]["overall"]["scores"]["macro_f1"]["value"] == pytest.approx(value, abs=1e-6)
    assert {member["recipe"] for member in told["members"]} == {"good", "fair"}
    best = told["members"][0]
    assert best["gain"]["value"] == pytest.approx(value - best["macro_f1"]["value"], abs=1e-6)
    assert (folder / "evaluation.png").is_file()
    assert f"macro F1 {value:.3f}" in (folder / "report.html").read_text()
    assert "gain of the ensemble" in capsys.readouterr().out


def test_views_are_set_beside_the_original(coloured: Cache, copied: Path, tmp_path: Path) -> None:
    evaluate.run(settings(tmp_path, coloured, copied, 'vote = ["good"]\nviews = ["original", "flip"]'))
    told = json.loads((tmp_path / "predictions" / "both" / "out_of_fold" / "scores.json").read_text())
    panels, photos = out_of_fold_panels(["good"], copied, coloured, ORIGINAL)
    alone = macro_f1(photos["class18"], project(panels["good"][0], "class18").argmax(1), 18)
    views = told["views"]
    assert views["macro_f1"]["value"] == pytest.approx(alone, abs=1e-6)
    whole = told["scores"]["overall"]["scores"]["macro_f1"]["value"]
    assert views["gain"]["value"] == pytest.approx(whole - alone, abs=1e-6)
    assert (views["images"], views["original_images"]) == (2, 1)


def test_an_ensemble_that_does_not_tell_all_is_refused_before_a_network_is_asked(
    coloured: Cache, runs: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="'only_mask' was trained on mask, but is asked for class18"):
        evaluate.run(settings(tmp_path, coloured, runs, 'vote = ["good", "only_mask"]'))
    assert not (tmp_path / "predictions").exists()
