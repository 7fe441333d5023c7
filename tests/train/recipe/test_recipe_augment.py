"""The table `[augment]`: a named policy with some fields changed, and what is known of it ever after."""

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from faces.cache.reader import Cache
from faces.command import flat_table, read_toml, to_table, write_toml
from pipeline.augment import POLICIES, Policy, policy_named
from train.assemble import FoldPlan
from train.engine.watch import Watch
from train.look.command import LookRecipeSettings, look
from train.recipe.catalogue import list_recipes
from train.recipe.file import read_recipe
from train.recipe.recipe import Recipe
from train.run_folder import adopt_folder

FIELDS = [field.name for field in dataclasses.fields(Policy)]


def write(folder: Path, **texts: str) -> Path:
    """Recipes of these names and texts; the first one's file."""
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    return folder / f"{next(iter(texts))}.toml"


def other_value(name: str, before: Any) -> Any:
    """A valid value of a field that is not the one before."""
    if name == "crop_from":
        return 1.25  # of squares larger than the crop alone
    hint = get_type_hints(Policy)[name]
    plain = {float: 0.75, int: 3}
    values = get_args(hint) if isinstance(before, str) else [plain[hint]] if hint in plain else [(0.75, 1.0)]
    return next(value for value in values if value != before)


def as_toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return str(list(value)) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_of_a_policy_is_reached_from_a_recipe_and_changes_it_alone(
    name: str, tmp_path: Path
) -> None:
    for base in POLICIES:
        policy = policy_named(base)
        value = other_value(name, getattr(policy, name))
        path = write(tmp_path, x=f'[augment]\nbase = "{base}"\n{name} = {as_toml(value)}')
        assert read_recipe(path).policy == dataclasses.replace(policy, **{name: value}) != policy


def test_a_recipe_that_names_its_policy_has_just_that_one(tmp_path: Path) -> None:
    for base in POLICIES:
        named = read_recipe(write(tmp_path, x=f'augment = "{base}"'))
        assert (named.augment, named.policy) == (base, policy_named(base))
        table = read_recipe(write(tmp_path, x=f'[augment]\nbase = "{base}"'))
        assert table.policy == named.policy


@pytest.mark.parametrize(
    ("root", "leaf", "policy"),
    [
        ("", "[augment]\nblur = 0.5", dataclasses.replace(policy_named("light"), blur=0.5)),
        (
            'augment = "strong"',
            "[augment]\nblur = 0.5",
            dataclasses.replace(policy_named("strong"), blur=0.5),
        ),
        (
            '[augment]\nbase = "strong"\nblur = 0.5\nhue = 0',
            "[augment]\nhue = 1.0",
            dataclasses.replace(policy_named("strong"), blur=0.5, hue=1.0),
        ),
        ("[augment]\nblur = 0.5", '[augment]\nbase = "none"\nhue = 1.0', Policy(hue=1.0)),
        ("[augment]\nblur = 0.5", 'augment = "team_a"', policy_named("team_a")),
        (
            '[augment]\nbase = "strong"\nblur = 0.5',
            "epochs = 3",
            dataclasses.replace(policy_named("strong"), blur=0.5),
        ),
    ],
)
def test_a_recipe_changes_the_augmentation_of_its_base(
    root: str, leaf: str, policy: Policy, tmp_path: Path
) -> None:
    path = write(tmp_path, leaf=f'base = "root.toml"\n{leaf}', root=root)
    assert read_recipe(path).policy == policy


def test_the_resolved_recipe_says_every_field_and_reads_back_equal(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, x='[augment]\nbase = "strong"\nrotation = 5'))
    write_toml(recipe, tmp_path / "resolved.toml")
    resolved = flat_table(to_table(recipe))
    assert {key.removeprefix("augment.") for key in resolved if key.startswith("augment")} == {*FIELDS}
    assert read_toml(Recipe, tmp_path / "resolved.toml") == read_recipe(tmp_path / "resolved.toml") == recipe
    turned = read_recipe(write(tmp_path, x='base = "resolved.toml"\n[augment]\nrotation = 6'))
    differing = {key for key, value in flat_table(to_table(turned)).items() if value != resolved[key]}
    assert differing == {"augment.rotation"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('rotation = "5"', 'augment.rotation: "5" is text, expected a number; leave out the quotes'),
        ("rotation = true", "augment.rotation: true is a boolean, expected a number"),
        ("rotation = 500", "augment: rotation .*180.*500"),
        ("rotatoin = 5", r"unknown setting 'augment.rotatoin': did you mean 'rotation'\?"),
        ('bsae = "light"', r"unknown setting 'augment.bsae': did you mean 'base'\?"),
        ('base = "strng"', r"augment.base: .*'strng': did you mean 'strong'\?"),
        ("crop_area = [1]", r"augment.crop_area: \[1\] is a list of 1, expected a list of 2 numbers"),
        ('auto = "rand"', 'augment.auto: "rand" is unknown, expected none, randaugment or trivialaugment'),
    ],
)
def test_mistakes_in_the_augmentation_are_named_with_their_file(
    text: str, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path, leaf='base = "root.toml"', root=f"[augment]\n{text}")
    with pytest.raises(ValueError, match=rf"^{tmp_path}/root\.toml: {message}"):
        read_recipe(path)


def test_augment_is_a_name_or_a_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x.toml: augment: 3 is a whole number, expected text or a table"):
        read_recipe(write(tmp_path, x="augment = 3"))


def test_the_listing_shows_the_augmentation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, own="[augment]\nrotation = 3", leaf='base = "own.toml"\n[augment]\nhue = 4.5')
    list_recipes(tmp_path)
    shown = " ".join(capsys.readouterr().out.split())
    assert "resnet18@224; own with augment.hue=4.5" in shown
    assert "resnet18@224; augment.rotation=3" in shown


def test_the_contact_sheet_shows_the_recipes_own_augmentation(coloured: Cache, tmp_path: Path) -> None:
    pictures = []
    for number, text in enumerate(('augment = "none"', '[augment]\nbase = "none"\nhue = 180')):
        recipe = write(tmp_path, x=f"image_size = 32\n{text}")
        out = tmp_path / f"{number}.png"
        look(LookRecipeSettings(recipe=recipe, cache=coloured.folder, out=out))
        pictures.append(out.read_bytes())
    assert pictures[0] != pictures[1]


def test_a_run_keeps_its_augmentation_and_refuses_another(coloured: Cache, tmp_path: Path) -> None:
    def adopted(text: str) -> Recipe:
        recipe = dataclasses.replace(read_recipe(write(tmp_path, x=text)), precision="fp32")
        plan = FoldPlan(
            recipe=recipe, cache=coloured, fold=0, folds=3, fold_seed=0,
            folder=tmp_path / "run", device="cpu", threads=1,
        )  # fmt: skip
        return adopt_folder(plan, Watch()).recipe

    (tmp_path / "run").mkdir()
    turned = '[augment]\nbase = "strong"\nrotation = 5'
    assert adopted(turned).policy == dataclasses.replace(policy_named("strong"), rotation=5.0)
    (tmp_path / "run" / "last.pt").touch()
    assert adopted(turned).policy == dataclasses.replace(policy_named("strong"), rotation=5.0)
    with pytest.raises(ValueError, match=r"something else \(recipe.augment.rotation: 5.0 there, 6.0 now\)"):
        adopted(turned.replace("5", "6"))
    with pytest.raises(ValueError, match=r"something else \(recipe.augment: None there, 'strong' now; "):
        adopted('augment = "strong"')
