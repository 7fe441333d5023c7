"""Learning from predictions: what the targets become, which photos join, and files that cannot be used."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.cache.reader import Cache
from faces.labels import CONTEST, TASKS
from tests.helpers.extras import drawn, joined, keyed, table, write
from tests.helpers.own_labels import write_own
from tests.train.test_train import RECIPE, plan
from train.data.rows import fold_rows
from train.data.soft_labels import class_rows
from train.data.teacher import lessons, teach, with_taught
from train.data.teacher_file import Answers, read_predictions
from train.engine.state import read_state, save_state
from train.engine.watch import Watch
from train.fold import train_fold
from train.network.kinds import codings_of
from train.network.targets import make_targets
from train.recipe.data import Age, Rows, Sampling, Teacher
from train.recipe.recipe import Recipe

pytestmark = pytest.mark.usefixtures("no_pictures")

TOLD = [task for task in TASKS if task != "age6"]
"""Tasks that 18 classes tell."""
TEACHER = Teacher(predictions=("p.parquet",), share=0.25)


def answers(probabilities: np.ndarray) -> Answers:
    return Answers(task=TASKS["class18"], probabilities=probabilities, choices=probabilities.argmax(1))


def marginal(probabilities: np.ndarray, task: str) -> np.ndarray:
    """[n, classes], of senior with the sum P(>= 30)."""
    cube = probabilities.reshape(-1, 3, 2, 3)
    axes = {
        "class18": (),
        "mask": (2, 3),
        "gender": (1, 3),
        "age3": (1, 2),
        "mask_gender": (3,),
        "senior": (1, 2),
    }
    rows = cube.sum(axes[task]).reshape(len(cube), -1)
    return rows[:, 1:] if task == "senior" else rows


@pytest.fixture(scope="session")
def both(coloured: Cache, unseen: Cache, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """72 labelled photos and 12 without labels; these have the names 0.jpg to 11.jpg of labelled ones."""
    return joined(tmp_path_factory.mktemp("both") / "both", coloured, unseen)


def sure(cache: Cache, rows: list[int], probability: float = 0.95) -> np.ndarray:
    """Probabilities that are flat but on these rows, whose class is 10."""
    values = np.full((len(cache), 18), 1 / 18)
    values[rows] = (1 - probability) / 17
    values[rows, 10] = probability
    return values


@pytest.mark.parametrize("task", TOLD)
def test_a_labelled_photos_target_is_its_label_and_a_share_of_the_answer(task: str) -> None:
    photos = pd.DataFrame({"mask": [0, 1, 2], "gender": [0, 1, 0], "age": [25.0, 45.0, 65.0]})
    labels = class_rows(TASKS[task], photos, Age())
    values = drawn(3)
    values[2] = 0
    given = Answers(task=TASKS["class18"], probabilities=values, choices=np.array([3, 4, -1]))
    found = teach(labels, TASKS[task], np.ones(3, bool), given, TEACHER, CONTEST)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:2], 0.75 * labels[:2] + 0.25 * marginal(values, task)[:2], atol=1e-6)
    assert found[2].tolist() == labels[2].tolist()


def test_senior_is_told_by_the_older_bands_and_counts_as_much_as_they_are_likely() -> None:
    values = np.zeros((1, 18))
    values[0, [0, 1, 2, 17]] = 0.5, 0.3, 0.15, 0.05  # <30, 30-59, >=60 and >=60
    [row] = teach(
        np.zeros((1, 2), np.float32),
        TASKS["senior"],
        np.zeros(1, bool),
        answers(values),
        pseudo(above=0.5),
        CONTEST,
    )
    assert row.sum() == pytest.approx(0.5 * 0.5)  # the weight times P(>= 30)
    assert row[1] / row.sum() == pytest.approx(0.2 / 0.5)


def pseudo(**changed: object) -> Teacher:
    return Teacher(**({"predictions": "p.parquet", "weight": 0.5} | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1.0, (0.8, 0.2)), (2.0, (2 / 3, 1 / 3)), (0.5, (16 / 17, 1 / 17))]
)
def test_temperature_flattens_or_sharpens(temperature: float, expected: tuple[float, float]) -> None:
    values = np.zeros((2, 18))
    values[0, [2, 9]] = 0.8, 0.2
    found = lessons(
        Answers(task=TASKS["class18"], probabilities=values, choices=np.array([2, -1])),
        pseudo(temperature=temperature),
    )
    assert found[0, [2, 9]] == pytest.approx(expected)
    assert found[0].sum() == pytest.approx(1) and not found[1].any()


@given(seed=st.integers(0, 99), temperature=st.floats(0.01, 100))
def test_soft_answers_sum_to_1_and_keep_their_order(seed: int, temperature: float) -> None:
    values = drawn(5, seed)
    found = lessons(answers(values), pseudo(temperature=temperature))
    np.testing.assert_allclose(found.sum(1), 1)
    by_size = np.take_along_axis(found, values.argsort(1), axis=1)
    assert (np.diff(by_size, axis=1) >= -1e-12).all()


def test_hard_answers_are_the_class_answered_with_and_not_the_likeliest() -> None:
    given = Answers(task=TASKS["class18"], probabilities=drawn(3), choices=np.array([5, -1, 17]))
    found = lessons(given, pseudo(labels="hard", temperature=3.0))
    assert found.sum() == 2 and found[0, 5] == found[2, 17] == 1


@pytest.mark.parametrize("task", TOLD)
def test_a_photo_without_labels_is_taught_its_weight_where_the_teacher_is_sure(task: str) -> None:
    values = np.zeros((3, 18))
    values[:, 10], values[:, 4] = (0.9, 0.8999, 0.95), (0.1, 0.1001, 0.05)
    zeros = np.zeros((3, len(TASKS[task].classes)), np.float32)
    given = Answers(
        task=TASKS["class18"], probabilities=values, choices=np.array([10, 10, 4])
    )  # the last answers with the unlikelier
    found = teach(zeros, TASKS[task], np.zeros(3, bool), given, pseudo(), CONTEST)
    np.testing.assert_allclose(found[0], 0.5 * marginal(values, task)[0], atol=1e-6)
    assert not found[1:].any()


def test_a_label_that_is_known_is_kept_where_others_are_not() -> None:
    label = np.array([[0, 1, 0]], np.float32)
    given = answers(sure_row(10))

    def taught(rows: np.ndarray) -> np.ndarray:
        return teach(rows, TASKS["mask"], np.zeros(1, bool), given, pseudo(), CONTEST)

    assert taught(label).tolist() == label.tolist()
    assert taught(label * 0).sum() == pytest.approx(0.5)


def sure_row(label: int) -> np.ndarray:
    values = np.zeros((1, 18))
    values[0, label] = 1
    return values


def test_without_a_teacher_targets_and_rows_are_as_they_were(both: Cache, coloured: Cache) -> None:
    for tasks in (("class18",), ("mask", "gender", "age3"), ("mask_gender", "senior")):
        recipe = Recipe(tasks=tasks, age=Age(sigma=2.0))
        photos = both.index[["mask", "gender", "age"]]
        for task, rows in make_targets(recipe, both, np.arange(72)).items():
            assert rows.tobytes() == class_rows(TASKS[task], photos, recipe.age).tobytes()
    for fold in range(3):
        rows = [fold_rows(cache, ("mask",), fold=fold, folds=3, seed=0) for cache in (both, coloured)]
        assert rows[0].training.tolist() == rows[1].training.tolist()
        assert rows[0].identity == rows[1].identity


def test_only_sure_photos_without_labels_are_trained_on(both: Cache, tmp_path: Path) -> None:
    labelled, free = [5, 6], [75, 80, 83]
    path = write(tmp_path, keyed(both, sure(both, [*labelled, *free])))
    recipe = Recipe(tasks=("mask", "class18"), teacher=Teacher(predictions=(str(path),), weight=0.5))
    plain = fold_rows(both, recipe.tasks, fold=1, folds=3, seed=0)
    rows, note = with_taught(recipe, both, plain)
    assert rows.training.tolist() == [*plain.training, *free]
    assert (rows.validation.tolist(), rows.prior) == (plain.validation.tolist(), plain.prior)
    # Class 10 is: mask worn wrongly, a woman, of the middle band.
    assert "pseudo-labels of 3 of 12 photos" in note
    assert "(wear 0, incorrect 3, normal 0; male 0, female 3; <30 0, 30-59 3, >=60 0)" in note
    targets = make_targets(recipe, both, rows.training)
    sums = targets["class18"].sum(1)
    assert sums[free] == pytest.approx([0.5] * 3) and sums[plain.training] == pytest.approx(1)
    assert not np.delete(sums[72:], np.subtract(free, 72)).any()


def test_of_people_that_a_recipe_leaves_out_none_is_taken(both: Cache, tmp_path: Path) -> None:
    values = sure(both, [75, 80])
    values[80] = np.roll(values[80], -1)  # class 9, younger than 30
    teacher = Teacher(predictions=(str(write(tmp_path, keyed(both, values))),), weight=0.5)
    recipe = Recipe(tasks=("senior",), rows=Rows(only="senior"), teacher=teacher)
    rows = fold_rows(both, recipe.tasks, fold=0, folds=3, seed=0, rows=recipe.rows)
    assert {*with_taught(recipe, both, rows)[0].training} - {*rows.training} == {75}


def test_a_photo_that_the_file_does_not_name_keeps_its_label(coloured: Cache, tmp_path: Path) -> None:
    path = write(tmp_path, table(coloured).iloc[10:])
    recipe = Recipe(teacher=Teacher(predictions=(str(path),), share=0.5))
    targets = make_targets(recipe, coloured, np.arange(72))["class18"]
    assert (np.sort(targets[:10], axis=1)[:, -2:] == (0, 1)).all()
    assert (targets[10:].max(1) < 1).all()
    rows = fold_rows(coloured, recipe.tasks, fold=0, folds=3, seed=0)
    answered = (rows.training >= 10).sum()
    assert f"answers to {answered} of 48 labelled photos, share 0.5" in with_taught(recipe, coloured, rows)[1]


def test_a_teacher_that_has_nothing_to_say_is_told(both: Cache, coloured: Cache, tmp_path: Path) -> None:
    def ask(**teacher: float) -> None:
        recipe = Recipe(teacher=Teacher(predictions=(str(path),), **teacher))  # type: ignore[arg-type]
        with_taught(recipe, both, fold_rows(both, ("class18",), fold=0, folds=3, seed=0))

    path = write(tmp_path, keyed(both, sure(both, [75], 0.85)))
    with pytest.raises(ValueError, match=r"none of the fold's 12 photos without .* greatest is 0.850"):
        ask(weight=1.0)
    ask(weight=1.0, above=0.85)
    path = write(tmp_path, keyed(both)[72:])
    with pytest.raises(ValueError, match=r"answers none of the fold's 48 labelled .* teacher.share=0.5"):
        ask(share=0.5)


@pytest.mark.parametrize(
    ("table_", "message"),
    [
        ({"share": 1.5}, "teacher.share=1.5, weight=0.0: must be in"),
        ({"share": 0.5, "weight": -1.0}, "weight=-1.0: must be in"),
        ({"share": 0.5, "above": 0.0}, r"teacher.above=0.0: must be in \(0, 1\]"),
        ({"share": 0.5, "temperature": 0.0}, "teacher.temperature=0.0: must be above 0"),
        ({}, r"teacher.predictions=\['p.parquet'\], share=0.0, weight=0.0: a file of predictions teaches"),
        ({"predictions": ("p.parquet", "")}, r"teacher.predictions=\['p.parquet', ''\]: '' is no file"),
        (
            {"predictions": (), "share": 0.5},
            r"teacher.predictions=\[\], share=0.5, weight=0.0: .* need a file",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(table_: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Teacher(**({"predictions": ("p.parquet",)} | table_))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"age": Age(regression=0.1)}, "regression=0.1: predictions of classes tell no numbers"),
        ({"sampler": Sampling(name="undersample")}, "sampler.name='undersample': photos without labels"),
        ({"sampler": Sampling(name="person_balanced")}, "sampler.name='person_balanced'"),
    ],
)
def test_recipes_that_no_classes_can_teach_are_refused(other: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**other, teacher=pseudo())  # type: ignore[arg-type]
    codings_of(Recipe(tasks=("mask", "age3", "senior"), age=Age(coding="ordinal"), teacher=pseudo()), CONTEST)
    for coding in ("years", "regression"):
        recipe = Recipe(tasks=("mask", "age3"), age=Age(coding=coding, sigma=2.0), teacher=pseudo())
        with pytest.raises(ValueError, match="do not tell what age3 learns then"):
            codings_of(recipe, CONTEST)


def test_tasks_that_do_not_follow_from_the_predictions_are_refused(coloured: Cache, tmp_path: Path) -> None:
    teacher = Teacher(predictions=(str(write(tmp_path, table(coloured))),), share=0.5)
    recipe = Recipe(tasks=("mask_gender", "age6"), teacher=teacher)
    rows = fold_rows(coloured, recipe.tasks, fold=0, folds=3, seed=0)
    with pytest.raises(
        ValueError, match=r"p.parquet, .*predictions of class18, 18 classes, do not tell age6"
    ):
        with_taught(recipe, coloured, rows)


def test_predictions_of_own_labels_teach_what_they_tell(tmp_path: Path) -> None:
    own = write_own(tmp_path / "own")
    task = own.label_set.task("glasses*years")
    values = np.full((len(own), 4), 0.02)
    values[:, 2] = 0.94  # no glasses, below 40
    predictions = pd.DataFrame(values, columns=task.columns).assign(key=own.index["key"], ans=2)
    teacher = Teacher(predictions=(str(write(tmp_path, predictions)),), weight=0.5)
    recipe = Recipe(tasks=("glasses", "years"), teacher=teacher)
    plain = fold_rows(own, ("glasses",), fold=0, folds=3, seed=0)
    rows, note = with_taught(recipe, own, plain)
    # The last photo of each of 16 people who train has no label of glasses.
    assert sorted(rows.training) == sorted([*plain.training, *plain.unlabelled])
    assert "pseudo-labels of 16 of 16 photos" in note and "(yes 0, no 16; <40 16, >=40 0)" in note
    targets = make_targets(recipe, own, rows.training)
    free = own.labels("glasses") < 0
    np.testing.assert_allclose(targets["glasses"][free], [[0.02, 0.48]] * 24, atol=1e-6)
    assert (targets["glasses"][~free].max(1) == 1).all()
    assert (targets["years"].max(1) == 1).all()  # of which every label is known
    refused = Recipe(tasks=("helmet",), teacher=teacher)
    with pytest.raises(ValueError, match=r"predictions of glasses\*years, 4 classes, do not tell helmet"):
        with_taught(refused, own, plain)


class Heard(Watch):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_a_run_tells_what_it_was_taught_and_remembers_the_very_predictions(
    both: Cache, tmp_path: Path
) -> None:
    path = write(tmp_path, keyed(both, sure(both, [75, 80])))
    recipe = replace(RECIPE, epochs=1, teacher=Teacher(predictions=(str(path),), share=0.5, weight=0.5))
    heard, folder = Heard(), tmp_path / "fold1"
    row = train_fold(plan(both, folder, recipe), heard)
    assert np.isfinite(row["loss"])
    [line] = [line for line in heard.lines if "teacher" in line]
    assert line.startswith(f"fold 1: teacher {path}: answers to 48 of 48 labelled photos, share 0.5;")
    assert "pseudo-labels of 2 of 12 photos" in line
    validated = pd.read_parquet(folder / "oof.parquet")
    assert len(validated) == 24 and (validated["mask"] >= 0).all()
    train_fold(plan(both, folder, recipe), Watch())  # finished: nothing to do
    write(tmp_path, keyed(both, sure(both, [75, 81])))
    with pytest.raises(ValueError, match=r"holds a run of something else \(predictions: '\w{64}' there, '"):
        train_fold(plan(both, folder, recipe), Watch())


def test_a_missing_file_ends_training_before_it_begins(coloured: Cache, tmp_path: Path) -> None:
    recipe = replace(RECIPE, teacher=Teacher(predictions=("gone.parquet",), share=0.5))
    with pytest.raises(ValueError, match=r"'gone.parquet': no such file"):
        train_fold(plan(coloured, tmp_path / "fold1", recipe), Watch())
    assert not (tmp_path / "fold1").exists()


def test_a_run_begun_before_there_were_teachers_goes_on(coloured: Cache, tmp_path: Path) -> None:
    once = plan(coloured, tmp_path / "fold1", replace(RECIPE, epochs=1))
    best = train_fold(once, Watch())
    request = tmp_path / "fold1" / "request.json"
    kept = json.loads(request.read_text())
    assert {"predictions", "extra"} & {*kept} == set()
    del kept["recipe"]["teacher"], kept["seal"]
    request.write_text(json.dumps(kept))
    state = read_state(request.with_name("last.pt"))
    del state["request"]
    save_state(state, request.with_name("last.pt"))
    assert train_fold(once, Watch()) == best


def test_text_in_place_of_probabilities_is_named(coloured: Cache, tmp_path: Path) -> None:
    path = tmp_path / "text.parquet"
    columns = CONTEST.task("class18").columns
    rows = pd.DataFrame({"ImageID": ["a"], "ans": 0, **dict.fromkeys(columns, 1 / 18), columns[3]: "0.05?"})
    rows.to_parquet(path)
    with pytest.raises(
        ValueError, match=rf"text.parquet: column '{columns[3]}' holds '0.05\?' and not numbers; p"
    ):
        read_predictions(path, coloured)
