"""Whether recipes fit the labels: every mistake in one line that names the key, the value and the cure."""

import dataclasses
from pathlib import Path

import pytest

from faces.factors import Categories, Number
from faces.labels import CONTEST, LabelSet
from train.recipe.data import Age, Mixing, Rows, Sampling
from train.recipe.file import read_recipe
from train.recipe.fit import check_fit, number_meant
from train.recipe.network import Loss
from train.recipe.recipe import Recipe

HATS = LabelSet(
    name="hats",
    factors=(
        Categories(name="hat", categories=("on", "off")),
        Categories(name="badge", categories=("red", "green", "blue")),
    ),
)
WEIGHED = LabelSet(
    name="weighed",
    factors=(
        Categories(name="hat", categories=("on", "off")),
        Number(name="height", edges=(150.0, 180.0), least=40.0, most=250.0),
        Number(name="weight", edges=(60.0, 90.0), most=300.0),
    ),
)
MANY = LabelSet(
    name="many",
    factors=tuple(Categories(name=f"a{number}", categories=("no", "yes")) for number in range(40)),
)
CUSTOM = Loss(class_weights="custom", custom=(1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("labels", "fields", "message"),
    [
        (CONTEST, {"tasks": ("senoir",)}, r"tasks: 'senoir' is no task of these .* mean 'senior'\?"),
        (HATS, {"tasks": ("mask",)}, r"tasks: 'mask' is no task of these labels: .*\(hat, badge\)"),
        (CONTEST, {"tasks": ("age3", "age")}, "tasks: 'age3' and 'age' are one and the same; name it once"),
        (
            MANY,
            {"tasks": ("*".join(MANY.names),)},
            "tasks: .* has 1,099,511,627,776 classes, .* fewer factors",
        ),
        (CONTEST, {"tasks": ("age[60, 30]",)}, "tasks: .*must ascend"),
        (CONTEST, {"sampler": Sampling(task="age4")}, "sampler.task: 'age4' is no task .* did you mean 'age"),
        (CONTEST, {"rows": Rows(only="seniors")}, "rows.only: 'seniors' is no .* did you mean 'senior'"),
        (CONTEST, {"loss": CUSTOM}, "loss.custom has 3 weights.*class18 has 18"),
        (HATS, {"tasks": ("badge", "hat"), "loss": CUSTOM}, "loss.custom has 3 .* classes of one task"),
        (HATS, {"tasks": ("*",), "loss": CUSTOM}, r"loss.custom has 3 .* tasks=\['hat', 'badge'\]"),
        (HATS, {"tasks": ("*",), "loss": Loss(task_weights=(1.0,))}, "give one for each of tasks="),
        (
            HATS,
            {"tasks": ("hat",), "age": Age(sigma=2.0)},
            r"the table \[age\] is about a number .* hat, badge",
        ),
        (HATS, {"tasks": ("hat",), "rows": Rows(drop_ages=(3,))}, r"rows.drop_ages=\[3\] is about a number"),
        (
            HATS,
            {"tasks": ("hat",), "mixing": Mixing(name="mixup", partner="rare_age")},
            "mixing.partner='rare_age' is about a number",
        ),
        (
            CONTEST,
            {"age": Age(coding="ordinal")},
            r"coding='ordinal': none of .*'class18'.* alone; use age3, age6, senior or age",
        ),
        (
            CONTEST,
            {"tasks": ("age3",), "age": Age(coding="ordinal"), "loss": Loss(smoothing=0.1)},
            r"leave the table \[loss\] out",
        ),
        (
            WEIGHED,
            {"tasks": ("height",), "age": Age(senior_from=58.0), "rows": Rows()},
            "",
        ),
        (
            CONTEST,
            {"tasks": ("age[50, 58, 60]",), "age": Age(senior_from=57.0)},
            "move the edge at 60 past that at 58; use more than 58",
        ),
    ],
)
def test_what_does_not_fit_is_refused(labels: LabelSet, fields: dict[str, object], message: str) -> None:
    recipe = Recipe(**fields)  # type: ignore[arg-type]
    if not message:
        check_fit(recipe, labels)
        return
    with pytest.raises(ValueError, match=message) as told:
        check_fit(recipe, labels)
    assert "\n" not in str(told.value)


def test_an_edge_at_60_that_nothing_has_is_not_moved() -> None:
    heights = dataclasses.replace(WEIGHED, factors=WEIGHED.factors[:2])
    with pytest.raises(ValueError, match=r"age.senior_from=58: it moves an edge at 60, which none"):
        check_fit(Recipe(tasks=("height",), age=Age(senior_from=58.0)), heights)
    check_fit(Recipe(tasks=("height[60]",), age=Age(senior_from=58.0)), heights)


def test_the_number_meant_is_the_tasks_first_or_else_the_labels_first() -> None:
    def named(*tasks: str) -> str:
        number = number_meant(tasks, WEIGHED)
        assert number is not None
        return number.name

    assert named("hat") == "height"
    assert named("hat*weight", "height") == "weight"
    assert number_meant(("hat",), HATS) is None


def test_tasks_are_looked_up_only_with_labels(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('tasks = ["hat", "mask*hat"]\n[rows]\nonly = "hat"\n')
    assert read_recipe(tmp_path / "own.toml").tasks == ("hat", "mask*hat")


def test_all_factors_stand_alone() -> None:
    with pytest.raises(ValueError, match=r"'\*' is all factors; name nothing beside it"):
        Recipe(tasks=("*", "hat"))
    check_fit(Recipe(tasks=("*",), loss=Loss(task_weights=(1.0, 2.0))), HATS)


def test_a_seed_that_no_generator_takes_is_named() -> None:
    with pytest.raises(ValueError, match=r"^seed=-1: must be 0 or more$"):
        Recipe(seed=-1)
