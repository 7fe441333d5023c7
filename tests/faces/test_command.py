from pathlib import Path

import pytest

from faces.command import read_toml, to_table, write_toml
from infer.ensemble.file import read_ensemble
from train.recipe.file import read_recipe
from train.recipe.network import Schedule
from train.recipe.recipe import Recipe

ROOT = Path(__file__).parents[2]


def toml(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(text)
    return path


def test_every_recipe_and_ensemble_of_the_project_reads_and_says_what_it_is() -> None:
    recipes = [read_recipe(path) for path in (ROOT / "recipes").glob("*.toml")]
    ensembles = [read_ensemble(path) for path in (ROOT / "ensembles").glob("*.toml")]
    assert len(recipes) >= 3
    assert len(ensembles) >= 2
    assert all(settings.about for settings in [*recipes, *ensembles])


def test_written_settings_read_back_equal(tmp_path: Path) -> None:
    recipe = Recipe(
        tasks=("mask", "age6"), precision="bf16", schedule=Schedule(name="exponential", gamma=0.9)
    )
    write_toml(recipe, tmp_path / "recipe.toml")
    assert read_toml(Recipe, tmp_path / "recipe.toml") == recipe
    assert to_table(recipe)["schedule"]["gamma"] == 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", r"x.toml: unknown setting 'epoch': did you mean 'epochs'\?"),
        ("[optimiser]\nlearning = 1", "unknown setting 'optimiser.learning': known are name, lr"),
        ("[epochs]\nlr = 1", "'epochs' is one value, not a table"),
        ('epochs = "ten"', "x.toml: .*epochs.*'ten'"),
        ("epochs = 0", "epochs=0"),
        ('precision = "fp8"', "invalid choice 'fp8'"),
        ('tasks = ["masks"]', r"'masks' is unknown: did you mean 'mask'\?"),
        ('tasks = ["mask", "mask"]', "each once"),
        ('augment = "lite"', r"'lite' is unknown: did you mean 'light'\?"),
        ("[optimiser]\nlr = -1", "optimiser.lr=-1"),
        ("[schedule]\ngamma = 2", "schedule.gamma=2"),
        ('pretrained = true\nweights = "a"', "choose one"),
        ("epochs = ", "x.toml: not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_toml(Recipe, toml(tmp_path, text))


def test_a_missing_file_names_those_that_are_there(tmp_path: Path) -> None:
    there = toml(tmp_path, "epochs = 1")
    with pytest.raises(ValueError, match=rf"y.toml: no such file; there are: {there}"):
        read_toml(Recipe, tmp_path / "y.toml")
