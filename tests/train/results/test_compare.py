"""Comparisons of recipes whose answers are known, and so are the scores."""

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from faces.factors import Number
from faces.intervals import Estimate
from faces.labelling.kept import stored_labels
from faces.labels import CONTEST, TASKS, IntArray, LabelSet
from tests.helpers.own_labels import OWN
from train.results.compare import CompareSettings, run
from train.results.compare_report import cells, table_groups
from train.results.comparison import Line, compare, paired_gain, score_recipes
from train.results.metrics import best_less_last
from train.results.recipe_scores import RecipeScores
from train.results.trained_folds import count_parameters, find_recipes

PEOPLE = 40


def photos() -> pd.DataFrame:
    """40 people of all genders and age bands, three photos each."""
    person, mask = np.divmod(np.arange(3 * PEOPLE), 3)
    years = np.array([25.0, 45.0, 65.0])[person // 2 % 3]
    keys = [f"p{number:02d}" for number in person]
    images = [f"{k}/{m}" for k, m in zip(keys, mask, strict=True)]
    return pd.DataFrame(
        {"image_id": images, "person": keys, "mask": mask, "gender": person % 2, "age": years, "p": person}
    )


def own_photos() -> pd.DataFrame:
    """The same photos with labels of somebody's own: `helmet` is known of half the people."""
    table = photos().drop(columns=["mask", "gender", "age"])
    glasses, helmet = np.arange(3 * PEOPLE) % 2, np.where(table.p < PEOPLE // 2, table.p % 3, -1)
    return table.assign(glasses=glasses, helmet=helmet, years=20.0 + table.p)


def write_run(
    runs: Path,
    name: str,
    *,
    right: float,
    tasks: tuple[str, ...] = ("class18",),
    folds: tuple[int, ...] = (0, 1),
    answers_seed: int = 0,
    recipe: dict[str, object] | None = None,
    labels: LabelSet = CONTEST,
    **division: object,
) -> IntArray:
    """Folds of a recipe whose heads answer so great a share of photos rightly; the first head's answers."""
    table, answers = photos() if labels == CONTEST else own_photos(), []
    random = np.random.default_rng(answers_seed)
    for task in tasks:
        truth = labels.task(task).encode(table)
        size = len(labels.task(task).classes)
        wrong = random.random(len(table)) >= right
        guess = np.where(wrong, random.integers(0, size, len(table)), truth)
        answers.append(guess)
        table[[f"{task}:{label}" for label in labels.task(task).classes]] = np.eye(size, dtype=np.float32)[
            guess
        ]
    for fold in folds:
        folder = runs / name / f"fold{fold}"
        folder.mkdir(parents=True)
        table[table.p % 2 == fold].assign(fold=fold).to_parquet(folder / "oof.parquet")
        history = {"epoch": [0.0, 1.0], "macro_f1": [0.1, 0.2], "seconds": [30.0, 60.0]}
        pd.DataFrame(history).to_csv(folder / "metrics.csv", index=False)
        settings = {"seed": 0, "epochs": 2, "stop_after": 0, **(recipe or {})}
        divided = {"folds": 2, "fold_seed": 0, "scheme": "person", **division}
        stored = {} if labels == CONTEST else {"labels": stored_labels(labels)}
        request = {"recipe": settings, "cache": "c", "fold": fold, **divided, **stored}
        (folder / "request.json").write_text(json.dumps(request))
    return np.asarray(answers[0])


def truth18() -> IntArray:
    table = photos()
    return TASKS["class18"].encode(table)


def lines_of(*roots: Path, baseline: str = "") -> dict[str, Line]:
    return {line.scores.name: line for line in compare(score_recipes(roots)[0], baseline)}


def scores_of(runs: Path, name: str) -> RecipeScores:
    return lines_of(runs)[name].scores


def test_what_choosing_the_best_epoch_adds_is_the_mean_over_folds() -> None:
    """.5 less .2, .3 less .3, and a fold that nobody scored."""
    tables = [pd.DataFrame({"macro_f1": scores}) for scores in ([0.1, 0.5, 0.2], [0.3], [np.nan, np.nan])]
    assert best_less_last([*tables, pd.DataFrame({"loss": [1.0]})]) == pytest.approx(0.15)
    assert np.isnan(best_less_last(tables[2:]))


def test_pooled_f1_is_that_of_scikit_learn_and_within_its_interval(tmp_path: Path) -> None:
    guess = write_run(tmp_path, "x", right=0.6)
    found = scores_of(tmp_path, "x")
    assert found.macro_f1.value == pytest.approx(f1_score(truth18(), guess, average="macro"), abs=1e-12)
    assert found.macro_f1.low < found.macro_f1.value < found.macro_f1.high
    assert found.details["accuracy"] == pytest.approx((truth18() == guess).mean())
    each = f1_score(truth18(), guess, average=None, labels=[2, 5, 8, 11, 14, 17])
    assert found.details["senior"] == pytest.approx(np.mean(each))
    even = photos().p % 2 == 0
    assert found.fold_scores == pytest.approx(
        [f1_score(truth18()[side], guess[side], average="macro") for side in (even, ~even)]
    )


@pytest.mark.parametrize("tasks", [("class18",), ("mask", "gender", "age3"), ("mask_gender", "age6")])
def test_a_perfect_run_scores_one(tmp_path: Path, tasks: tuple[str, ...]) -> None:
    write_run(tmp_path, "x", right=1.0, tasks=tasks)
    found = scores_of(tmp_path, "x")
    assert (found.tasks, found.macro_f1) == (("class18",), Estimate(1.0, 1.0, 1.0))
    assert set(found.details.values()) == {1.0}


def test_a_run_is_not_better_than_itself(tmp_path: Path) -> None:
    write_run(tmp_path, "x", right=0.5)
    found = scores_of(tmp_path, "x")
    assert paired_gain(found, found) == (Estimate(0, 0, 0), PEOPLE)


def test_paired_differences_are_surer_than_the_scores_they_are_of(tmp_path: Path) -> None:
    """Both give the same answers but for a tenth of the photos."""
    write_run(tmp_path, "good", right=0.7)
    write_run(tmp_path, "worse", right=0.65)
    lines = lines_of(tmp_path)
    good, worse = lines["good"], lines["worse"]
    assert (good.baseline, good.gain, good.people, worse.baseline) == ("good", None, 0, "good")
    alone, gain = worse.scores.macro_f1, worse.gain
    assert gain is not None
    assert gain.value == pytest.approx(alone.value - good.scores.macro_f1.value)
    assert gain.low <= gain.value <= gain.high <= 0
    assert gain.high - gain.low < alone.high - alone.low
    other_way = lines_of(tmp_path, baseline="worse")["good"].gain
    assert other_way is not None
    assert other_way.value == pytest.approx(-gain.value)
    with pytest.raises(ValueError, match=r"baseline='godo' is not among them: did you mean 'good'\?"):
        lines_of(tmp_path, baseline="godo")


def test_other_folds_are_not_comparable(tmp_path: Path) -> None:
    write_run(tmp_path, "one", right=0.5)
    write_run(tmp_path, "two", right=0.6)
    write_run(tmp_path, "odd", right=0.9, fold_seed=3)
    write_run(tmp_path, "leaky", right=1.0, scheme="image")
    lines = lines_of(tmp_path)
    assert [*lines] == ["leaky", "odd", "two", "one"]
    assert [line.comparable for line in lines.values()] == [False, False, True, True]
    assert {line.baseline for line in lines.values()} == {"two"}
    assert lines["odd"].gain is lines["leaky"].gain is None
    assert lines["odd"].notes[0].endswith("divided otherwise: fold_seed 3 and not 0")
    assert "scheme image and not person" in lines["leaky"].notes[0]
    assert "too good" in lines["leaky"].notes[1]
    assert not lines_of(tmp_path, baseline="odd")["two"].comparable


def test_fewer_folds_are_compared_over_the_people_of_both(tmp_path: Path) -> None:
    write_run(tmp_path, "whole", right=0.9)
    write_run(tmp_path, "part", right=0.9, folds=(1,))
    lines = lines_of(tmp_path, baseline="whole")
    gain = lines["part"].gain
    assert gain is not None
    assert (gain.value, lines["part"].people) == (0, PEOPLE // 2)
    notes = [note for each in lines.values() for note in each.notes]
    assert "of 2 folds only 1 is there" in notes
    assert any(note.startswith(f"its difference is over the {PEOPLE // 2} people") for note in notes)


def test_seeds_of_a_recipe_are_one_line_and_their_scores_its_mean(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_run(tmp_path, f"x_seed{seed}", right=0.6, answers_seed=seed, recipe={"seed": seed})
    write_run(tmp_path, "y_seed1", right=0.6, recipe={"seed": 1, "epochs": 2})
    write_run(tmp_path, "y_seed2", right=0.6, recipe={"seed": 2, "epochs": 1})
    scored, notes = score_recipes([tmp_path])
    by_name = {scores.name: scores for scores in scored}
    assert {*by_name} == {"x (2 seeds)", "y_seed1", "y_seed2"}
    write_run(tmp_path / "more", "x", right=0.6, answers_seed=3)
    write_run(tmp_path / "more", "x_seed1", right=0.6, answers_seed=1, recipe={"seed": 1})
    [with_base], _ = score_recipes([tmp_path / "more"])
    assert with_base.name == "x (2 seeds)"
    assert notes == ["y_seed1, y_seed2: not joined as seeds, they differ in epochs"]
    alone = [score_recipes([tmp_path / f"x_seed{seed}"])[0][0] for seed in (1, 2)]
    joined = by_name["x (2 seeds)"]
    assert joined.macro_f1.value == pytest.approx(np.mean([one.macro_f1.value for one in alone]))
    assert joined.fold_scores == (*alone[0].fold_scores, *alone[1].fold_scores)
    assert compare(scored, "x")[0].baseline == "x (2 seeds)"


def test_heads_without_the_18_classes_are_judged_by_their_own_tasks(tmp_path: Path) -> None:
    guess = write_run(tmp_path, "old", right=0.8, tasks=("senior",))
    write_run(tmp_path, "all", right=0.8)
    line = lines_of(tmp_path)["old"]
    table = photos()
    truth = TASKS["senior"].encode(table)
    mine = truth >= 0
    expected = f1_score(truth[mine], guess[mine], average="macro")
    assert line.scores.macro_f1.value == line.scores.details["senior"] == pytest.approx(expected)
    assert (line.scores.photos, line.scores.tasks) == (mine.sum(), ("senior",))
    assert (line.baseline, line.gain) == ("old", None)


OTHER_EDGES = replace(OWN, factors=(*OWN.factors[:2], Number(name="years", edges=(30.0, 50.0))))
"""Own labels with other bands of the number."""


def test_own_labels_are_judged_head_by_head_on_the_photos_that_have_them(tmp_path: Path) -> None:
    write_run(tmp_path, "own", right=0.7, tasks=("helmet", "glasses"), labels=OWN)
    found = scores_of(tmp_path, "own")
    table = pd.concat(pd.read_parquet(tmp_path / "own" / f"fold{k}" / "oof.parquet") for k in (0, 1))
    expected = {}
    for task in ("glasses", "helmet"):
        known = table[table[task] >= 0]
        guess = known[[f"{task}:{name}" for name in OWN.task(task).classes]].to_numpy().argmax(1)
        expected[task] = f1_score(known[task], guess, average="macro")
    assert found.details == pytest.approx(expected)
    assert found.macro_f1.value == pytest.approx(np.mean([*expected.values()]))
    assert (found.tasks, found.headline, found.photos) == (("glasses", "helmet"), False, 3 * PEOPLE)


def test_a_head_that_no_photo_is_labelled_for_is_not_judged_and_named(tmp_path: Path) -> None:
    write_run(tmp_path, "own", right=1.0, tasks=("glasses", "helmet"), labels=OWN)
    for fold in (0, 1):
        path = tmp_path / "own" / f"fold{fold}" / "oof.parquet"
        pd.read_parquet(path).assign(helmet=-1).to_parquet(path)
    line = lines_of(tmp_path)["own"]
    assert (line.scores.tasks, line.scores.macro_f1) == (("glasses",), Estimate(1, 1, 1))
    assert line.notes == ("its score is without helmet: no validated photo is labelled for it",)
    for fold in (0, 1):
        path = tmp_path / "own" / f"fold{fold}" / "oof.parquet"
        pd.read_parquet(path).assign(glasses=-1).to_parquet(path)
    with pytest.raises(ValueError, match="none of its 120 validated photos is labelled for glasses, helmet"):
        score_recipes([tmp_path])


def test_runs_of_other_labels_are_judged_apart_and_the_factor_is_named(tmp_path: Path) -> None:
    write_run(tmp_path, "one", right=0.9, tasks=("years",), labels=OWN)
    write_run(tmp_path, "again", right=0.8, tasks=("years",), labels=OWN)
    write_run(tmp_path, "other", right=0.7, tasks=("years",), labels=OTHER_EDGES)
    write_run(tmp_path, "contest", right=0.6)
    lines = lines_of(tmp_path)
    assert next(iter(lines)) == "contest"
    assert {name: line.baseline for name, line in lines.items()} == {
        "contest": "contest",
        "one": "one",
        "again": "one",
        "other": "other",
    }
    assert (lines["other"].gain, lines["contest"].notes) == (None, ())
    assert lines["other"].notes == (
        "judged apart from one, whose labels are others: years: <40, >=40 there, <30, 30-49, >=50 here",
    )
    assert [len(group) for group in table_groups([*lines.values()])] == [1, 3]
    assert "F1 60+ classes" in cells(lines["contest"]) and "heads" in cells(lines["one"])


def test_seeds_and_folds_of_other_labels_are_not_taken_together(tmp_path: Path) -> None:
    write_run(tmp_path, "x_seed1", right=0.9, tasks=("years",), labels=OWN, recipe={"seed": 1})
    write_run(tmp_path, "x_seed2", right=0.9, tasks=("years",), labels=OTHER_EDGES, recipe={"seed": 2})
    scored, notes = score_recipes([tmp_path])
    assert {scores.name for scores in scored} == {"x_seed1", "x_seed2"}
    assert notes[0].startswith("x_seed1, x_seed2: not joined as seeds, they differ in years: <40, >=40 there")
    write_run(tmp_path / "mixed", "y", right=0.9, tasks=("years",), labels=OWN, folds=(0,))
    write_run(tmp_path / "mixed", "y", right=0.9, tasks=("years",), labels=OTHER_EDGES, folds=(1,))
    with pytest.raises(
        ValueError,
        match=r"y: left out: fold1 was trained on photos of other labels than fold0.*years: <40, >=",
    ):
        score_recipes([tmp_path / "mixed"])


def test_what_has_no_scores_is_named_and_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, "x", right=0.5)
    begun = tmp_path / "begun" / "fold0"
    begun.mkdir(parents=True)
    (begun / "request.json").write_text("{}")
    write_run(tmp_path, "twice", right=0.5)
    old = tmp_path / "twice" / "fold0" / "oof.parquet"
    (tmp_path / "twice" / "fold1" / "oof.parquet").write_bytes(old.read_bytes())
    scored, notes = score_recipes([tmp_path])
    assert [scores.name for scores in scored] == ["x"]
    assert notes[0] == "begun: left out: no fold has validated a photo yet"
    assert notes[1].startswith("twice: left out: 60 photos are validated twice, 'p00/0' is one")
    with pytest.raises(ValueError, match="nothing to compare: begun: left out"):
        score_recipes([tmp_path / "begun"])
    with pytest.raises(ValueError, match="no such folder of runs"):
        find_recipes([tmp_path / "nowhere"])


def test_parameters_are_read_from_the_header_of_the_weights(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"a": "b"},
        "fc.weight": {"dtype": "F32", "shape": [3, 5], "data_offsets": [0, 60]},
        "bn.running_mean": {"dtype": "F32", "shape": [7], "data_offsets": [60, 88]},
        "scale": {"dtype": "F32", "shape": [], "data_offsets": [88, 92]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "best.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(92))
    assert count_parameters(path) == 16
    assert count_parameters(tmp_path / "none") is None


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., str]:
    """Run the command on one recipe, with a document that has a block named `a`; the document after it."""
    write_run(tmp_path / "runs", "x", right=0.5)
    document = tmp_path / "results.md"
    document.write_text("# Results\n<!-- compare:a -->\nold\n<!-- /compare:a -->\nmore\n")

    def command(block: str = "a") -> str:
        out = tmp_path / "x.png"
        run(CompareSettings(runs=(tmp_path / "runs",), out=out, markdown=document, block=block))
        assert out.read_bytes().startswith(b"\x89PNG")
        return document.read_text()

    return command


def test_a_document_gets_its_tables_in_place(command: Callable[..., str]) -> None:
    once = command()
    assert once.startswith("# Results\n<!-- compare:a -->\n| recipe | folds |")
    assert once.endswith("\n<!-- /compare:a -->\nmore\n")
    assert "\nold\n" not in once
    assert "| x | 2 of 2 | 120 | " in once
    assert "| 2 | 3.0 | – |" in once  # epochs, minutes of both folds, no weights
    assert command() == once
    with pytest.raises(ValueError, match="the tables go between the lines <!-- compare:b -->"):
        command("b")
