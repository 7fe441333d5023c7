"""Ensembles side by side: each row is what a plain vote gives; no speed is asserted."""

from pathlib import Path

import pytest

from faces.cache.reader import Cache
from faces.labels import CONTEST, TASKS
from faces.scores import class_scores
from infer.ensemble.tree import Leaf, Vote
from infer.ensemble.vote import count_votes
from infer.evaluate.standings import StandingsSettings, run
from tests.helpers.runs.fold_runs import FOLDS, out_of_fold_panels, write_runs
from train.engine.compute import PredictCompute
from train.results.trained_folds import count_parameters

ORIGINAL = ("original",)


@pytest.fixture(scope="module")
def place(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes and five ensembles, one of them of a recipe that is not trained."""
    folder = tmp_path_factory.mktemp("standings")
    write_runs(folder / "runs", coloured, "good", skill=3, seed=1)
    write_runs(folder / "runs", coloured, "fair", tasks=("class18",), skill=1, seed=2)
    (folder / "ensembles").mkdir()
    for name, text in {
        "alone": 'vote = ["good"]\nviews = ["original"]',
        "weaker": 'vote = ["fair"]\nviews = ["original"]',
        "both": 'vote = ["good", "fair"]\nviews = ["original"]',
        "mirrored": 'vote = ["good", "fair"]\nviews = ["original", "flip"]',
        "absent": 'vote = ["nothing"]',
    }.items():
        (folder / "ensembles" / f"{name}.toml").write_text(text)
    return folder


def settings(place: Path, cache: Cache, **more: object) -> StandingsSettings:
    options: dict[str, object] = {"photos": 0, "compute": PredictCompute(device="cpu", batch_size=16)} | more
    return StandingsSettings(cache=cache.folder, runs=place / "runs", out=place / "x.png", **options)  # type: ignore[arg-type]


def test_the_table_has_each_trained_ensemble_the_best_first(
    place: Path, coloured: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    page = place / "results.md"
    page.write_text("a\n<!-- compare:ensembles -->\nold\n<!-- /compare:ensembles -->\nb")
    run(settings(place, coloured, markdown=page, photos=20))
    assert "not trained in" in (printed := capsys.readouterr().out) and "absent" in printed
    lines = page.read_text().splitlines()
    assert lines[0] == "a" and lines[-1] == "b" and "old" not in lines
    rows = {line.split(" | ")[0][2:]: line.split(" | ") for line in lines if line.startswith("| ")}
    assert set(rows) == {"ensemble", "---", "alone", "weaker", "both", "mirrored"}
    assert [*rows].index("alone") < [*rows].index("weaker")
    panels, photos = out_of_fold_panels(["good"], place / "runs", coloured, ORIGINAL)
    verdict = count_votes(Vote(members=(Leaf("good"),)), panels, "class18", CONTEST)
    expected = class_scores(TASKS["class18"].encode(photos), verdict.classes, TASKS["class18"])
    assert rows["alone"][1].startswith(f"{expected['macro_f1']:.3f} [")
    assert rows["alone"][3:6] == ["–", "–", f"{FOLDS} x 1"]
    assert rows["both"][3].endswith("(good)") and rows["both"][5] == f"{2 * FOLDS} x 1"
    assert rows["both"][4] == "–" != rows["mirrored"][4] and rows["mirrored"][5] == f"{2 * FOLDS} x 2"
    weights = count_parameters(place / "runs" / "fair" / "fold0" / "best.safetensors")
    assert weights and rows["weaker"][6] == f"{FOLDS * weights / 1e6:.1f} M"
    assert all(
        float(row[7].rstrip(" |").replace(",", "")) > 0 for name, row in rows.items() if name in "both"
    )
    assert (place / "x.png").stat().st_size > 1000


def test_an_ensemble_that_is_named_must_be_trained(place: Path, coloured: Cache) -> None:
    with pytest.raises(ValueError, match="member 'nothing': no trained fold"):
        run(settings(place, coloured, ensembles=(place / "ensembles" / "absent.toml",)))


def test_nothing_trained_says_how_to_see_what_is_missing(
    place: Path, coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(ValueError, match="holds all members of none of 5 ensembles; `make ensembles RUNS="):
        run(StandingsSettings(cache=coloured.folder, runs=tmp_path, photos=0))
