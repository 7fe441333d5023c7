import itertools
from pathlib import Path

import numpy as np
import pytest

from faces.cache.reader import Cache
from infer.predict.nested import NestedVotes, find_nested
from infer.predict.out_of_fold import plan_out_of_fold
from infer.predict.runs import find_runs, read_run
from infer.predict.store import load_or_predict
from tests.helpers.runs.fold_runs import FOLDS, card_table, write_card, write_runs
from train.data.rows import fold_rows
from train.engine.card import BEST_FILE, NESTED
from train.engine.compute import PredictCompute
from train.results.oof import probabilities_of, read_oof

PAIRS = [*itertools.combinations(range(FOLDS), 2)]
CPU = PredictCompute(device="cpu", threads=1)


@pytest.fixture(scope="module")
def runs(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(("one", "two")):
        write_runs(folder, coloured, name, seed=seed)
        write_runs(folder, coloured, f"{name}/{NESTED}", folds=PAIRS, seed=10 + seed)
    return folder


def votes_of(runs: Path, cache: Cache, *names: str) -> NestedVotes:
    found = find_nested(plan_out_of_fold(names, runs, cache), runs)
    assert isinstance(found, NestedVotes)
    return found


def test_the_division_stays_and_nobody_of_two_folds_trains(coloured: Cache) -> None:
    person = coloured.columns("person")["person"].to_numpy()
    whole = [fold_rows(coloured, ["mask"], fold=fold, folds=FOLDS, seed=0) for fold in range(FOLDS)]
    for one, other in PAIRS:
        rows = fold_rows(coloured, ["mask"], fold=one, folds=FOLDS, seed=0, also_out=[other])
        assert not {*person[rows.training]} & {*person[rows.validation]}
        together = np.sort(np.concatenate([whole[one].validation, whole[other].validation]))
        assert rows.validation.tolist() == together.tolist()


def test_each_photo_is_answered_by_all_that_never_saw_its_person(runs: Path, coloured: Cache) -> None:
    votes = votes_of(runs, coloured, "one", "two")
    photos, panels = votes.plan.photos, votes.answered(("original",), CPU)
    assert len(photos) == len(plan_out_of_fold(["one"], runs, coloured).photos) and votes.voters == 2
    for name, voters in panels.items():
        for fold in range(FOLDS):
            mine = photos["fold"] == fold
            others = [other for other in range(FOLDS) if other != fold]
            for other, heads in zip(others, voters, strict=True):
                folder = runs / name / NESTED / "fold{}-{}".format(*sorted((fold, other)))
                table = read_oof(folder).set_index("image_id").loc[photos["image_id"][mine]].reset_index()
                stored = probabilities_of(table, coloured.label_set.task("gender"))
                np.testing.assert_array_equal(heads["gender"][mine], stored)


def test_views_are_asked_of_the_same_networks(runs: Path, coloured: Cache) -> None:
    votes, views = votes_of(runs, coloured, "one"), ("original", "flip")
    done: list[int] = []
    panels = votes.answered(views, CPU, done.append)
    assert sum(done) == votes.photo_count == 2 * len(votes.plan.photos)
    rows, fold = (votes.plan.photos[name].to_numpy() for name in ("row", "fold"))
    [heads] = load_or_predict([votes.runs["one"][1, 2]], coloured, rows[fold == 2], views, CPU)
    np.testing.assert_allclose(panels["one"][1]["mask"][fold == 2], heads["mask"], atol=1e-6)


def test_where_some_are_missing_what_trains_them_is_said(coloured: Cache, tmp_path: Path) -> None:
    write_runs(tmp_path, coloured, "one")
    write_runs(tmp_path, coloured, f"one/{NESTED}", folds=PAIRS[:1])
    told = find_nested(plan_out_of_fold(["one"], tmp_path, coloured), tmp_path)
    assert isinstance(told, str) and told.startswith(
        "1 of the 3 nested trainings of one are there: `make train-nested"
    )
    assert f"RECIPE=recipes/one.toml CACHE={coloured.folder} FOLDS=3" in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cache": "0" * 64}, "was trained on cache 000000000000"),
        ({"fold_seed": 1}, "was trained on other folds"),
    ],
)
def test_trainings_of_something_else_are_refused(
    coloured: Cache, tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    write_runs(tmp_path, coloured, "one")
    write_runs(tmp_path, coloured, f"one/{NESTED}", folds=PAIRS, changes=changes)
    with pytest.raises(ValueError, match=told) as caught:
        find_nested(plan_out_of_fold(["one"], tmp_path, coloured), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_nested_training_is_no_fold(runs: Path, coloured: Cache, tmp_path: Path) -> None:
    card = read_run("one", runs / "one" / NESTED / "fold0-1" / BEST_FILE).card
    assert (card.fold, card.also_out, card.left_out) == (0, (1,), (0, 1))
    assert [run.card.also_out for run in find_runs(["one"], runs)["one"]] == [()] * FOLDS
    write_runs(tmp_path, coloured, "mixed", folds=[0, (1, 2)])
    with pytest.raises(ValueError, match=r"fold1-2: a nested training, .* into .*/mixed/nested"):
        find_runs(["mixed"], tmp_path)
    write_runs(tmp_path, coloured, "renamed", folds=[(0, 1)])
    (tmp_path / "renamed" / "fold0-1").rename(tmp_path / "renamed" / "fold0")
    with pytest.raises(ValueError, match="holds the weights of fold 0-1, in the folder of fold 0"):
        find_runs(["renamed"], tmp_path)


def test_a_card_names_other_folds_that_there_are(coloured: Cache, tmp_path: Path) -> None:
    best = write_runs(tmp_path, coloured, "one", folds=[0]) / "fold0" / BEST_FILE
    write_card(best, {**card_table(best), "also_out": [7]})
    with pytest.raises(ValueError, match=r"also_out=\[7\]: must be folds above fold=0 and below folds=3"):
        read_run("one", best)
