"""The demonstration of leaking folds: who is on which side, and what is scored on whom."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.command import write_toml
from faces.labelling.kept import stored_labels
from faces.labels import CONTEST
from tests.helpers.own_labels import OWN, write_own
from tests.helpers.runs.undrawn import undrawn
from train.engine.compute import Compute
from train.leak.command import LeakSettings, run
from train.leak.report import KEPT, PROMISED, Means, scores_table, verdict
from train.leak.work import Demonstration, demonstrate, rows_apart
from train.recipe.network import Optimiser
from train.recipe.recipe import Recipe
from train.results.report import score_out_of_fold

SCORES = ("macro_f1", "accuracy", "mask", "gender", "age")
RECIPE = Recipe(
    tasks=("mask", "gender", "age3"),
    backbone="test_resnet",
    image_size=32,
    augment="none",
    epochs=2,
    batch_size=12,
    precision="fp32",
    optimiser=Optimiser(name="adamw", lr=4e-3),
)


def settings(cache: Cache, folder: Path) -> LeakSettings:
    path, compute = folder / "tiny.toml", Compute(device="cpu", threads=1)
    write_toml(RECIPE, path)
    return LeakSettings(
        recipe=path, cache=cache.folder, folds=2, apart=4, runs=folder / "runs", compute=compute
    )


@pytest.fixture(scope="module")
def shown(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> tuple[Demonstration, Means]:
    demonstration = Demonstration(
        name="tiny",
        recipe=RECIPE,
        cache=coloured,
        trained=(0,),
        folds=2,
        fold_seed=0,
        apart=4,
        folder=tmp_path_factory.mktemp("leak") / "runs",
        device="cpu",
        threads=1,
    )
    with undrawn():
        return demonstration, demonstrate(demonstration)


def test_people_kept_apart_are_a_share_of_all_that_are_labelled(coloured: Cache, unseen: Cache) -> None:
    apart = coloured.index.iloc[rows_apart(coloured, 4, 0)]
    assert len(apart) == 3 * apart.person.nunique() == 3 * 6
    assert set(apart.drop_duplicates("person").groupby("age").size()) == {2}
    assert len(rows_apart(unseen, 4, 0)) == 0


def test_only_folds_of_photos_have_people_on_both_sides(
    coloured: Cache, shown: tuple[Demonstration, Means]
) -> None:
    wanted, means = shown
    apart = coloured.index.person[rows_apart(coloured, 4, 0)]
    for scheme in ("image", "person"):
        validated = pd.read_parquet(wanted.folder / scheme / "fold0" / "oof.parquet")
        assert not {*validated.person} & {*apart}
        promised, kept = means[scheme, PROMISED], means[scheme, KEPT]
        assert promised["people"] == validated.person.nunique() and kept["people"] == apart.nunique()
        assert (promised["both_sides"] > 0) == (scheme == "image") and kept["both_sides"] == 0


def test_what_is_promised_is_the_score_of_the_best_epochs_validation(
    shown: tuple[Demonstration, Means],
) -> None:
    wanted, means = shown
    table = pd.read_csv(wanted.folder / "leak.csv").set_index(["scheme", "score"])
    assert len(table) == 4 and set(table.fold) == {0}
    for scheme in ("image", "person"):
        folder = wanted.folder / scheme / "fold0"
        scores = score_out_of_fold(pd.read_parquet(folder / "oof.parquet"), CONTEST)
        assert scores["macro_f1"] == pytest.approx(pd.read_csv(folder / "metrics.csv").macro_f1.max())
        for score in SCORES:
            assert means[scheme, PROMISED][score] == pytest.approx(scores[score])
            assert table.loc[(scheme, KEPT), score] == pytest.approx(means[scheme, KEPT][score])
    assert (wanted.folder / "leak.png").stat().st_size > 10_000


def test_the_same_command_trains_nothing_twice(
    shown: tuple[Demonstration, Means], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, means = shown
    states = [*wanted.folder.glob("*/fold0/last.pt")]
    before = [path.stat().st_mtime_ns for path in states]
    assert len(states) == 2 and demonstrate(wanted) == means
    assert [path.stat().st_mtime_ns for path in states] == before
    assert "random-image folds promise" in capsys.readouterr().out


def test_runs_with_other_people_apart_are_not_taken_for_these(shown: tuple[Demonstration, Means]) -> None:
    with pytest.raises(ValueError, match=r"holds a run of something else \(rows"):
        demonstrate(replace(shown[0], apart=3))


def test_the_verdict_is_the_difference_of_promised_and_kept() -> None:
    f1 = {
        ("image", PROMISED): 0.9,
        ("image", KEPT): 0.55,
        ("person", PROMISED): 0.625,
        ("person", KEPT): 0.6,
    }
    means: Means = {
        key: {"people": 9, "both_sides": 9 * (value == 0.9), **dict.fromkeys(SCORES, value)}
        for key, value in f1.items()
    }
    image, person = verdict(means).splitlines()
    assert image.startswith("random-image folds promise 0.350 more macro F1 than people unseen in training")
    assert person.startswith("folds of people promise 0.025 more")
    cells = [[*column.cells] for column in scores_table(means, "").columns]
    assert cells[3] == ["9", "0", "0", "0"] and cells[4] == ["0.900", "0.550", "0.625", "0.600"]


def test_mistakes_are_told_before_anything_is_trained(coloured: Cache, tmp_path: Path) -> None:
    wanted = settings(coloured, tmp_path)
    write_toml(replace(RECIPE, tasks=("mask", "glasses")), wanted.recipe)
    with pytest.raises(ValueError, match=r"tiny\.toml: tasks: 'glasses' is no task of these labels"):
        run(wanted)
    write_toml(RECIPE, wanted.recipe)
    with pytest.raises(ValueError, match="make leak-demo"):
        run(replace(wanted, cache=tmp_path / "nowhere"))
    write_toml(replace(RECIPE, batch_size=500), wanted.recipe)
    with pytest.raises(ValueError, match=r"batch_size=500: .*choose a batch_size of at most"):
        run(wanted)
    for change in ({"epochs": -1}, {"apart": 1}, {"fold": ()}):
        with pytest.raises(ValueError, match=next(iter(change))):
            replace(wanted, **change)  # type: ignore[arg-type]
    assert not wanted.runs.exists()
    assert np.all([path.suffix == ".toml" for path in tmp_path.iterdir()])


@pytest.mark.usefixtures("no_pictures")
def test_own_labels_are_shown_head_by_head_and_in_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe of all factors, on photos each of which lacks some labels."""
    cache = write_own(tmp_path / "own", people=32)
    wanted = settings(cache, tmp_path)
    write_toml(replace(RECIPE, tasks=("*",), epochs=1), wanted.recipe)
    run(replace(wanted, epochs=0))
    table = pd.read_csv(wanted.runs / "leak.csv")
    heads = ["macro_f1", "glasses_f1", "helmet_f1", "years_f1"]
    assert [*table.columns] == ["scheme", "fold", "score", "people", "both_sides", *heads]
    for scheme, side in table.groupby("scheme"):
        promised = side[side.score == PROMISED].iloc[0]
        found = score_out_of_fold(pd.read_parquet(wanted.runs / str(scheme) / "fold0" / "oof.parquet"), OWN)
        assert [promised[head] for head in heads] == pytest.approx([found[head] for head in heads])
        assert (promised["both_sides"] > 0) == (scheme == "image")
    assert "glasses f1" in capsys.readouterr().out
    assert (wanted.runs / "leak.png").stat().st_size > 10_000
    request = json.loads((wanted.runs / "image" / "fold0" / "request.json").read_text())
    assert (request["recipe"]["tasks"], request["labels"]) == ([*OWN.names], stored_labels(OWN))
    for name, edges in (("own", [40.0]), ("renamed", [40.0]), ("renamed", [50.0])):
        cache.description["labels"]["name"] = name
        cache.description["labels"]["factors"]["years"]["edges"] = edges
        (cache.folder / "cache.json").write_text(json.dumps(cache.description))
        if edges == [40.0]:
            run(replace(wanted, epochs=0))
    with pytest.raises(ValueError, match=r"something else \(labels\.factors\.years\.edges: \[40\.0\] there"):
        run(replace(wanted, epochs=0))
