"""Recipe files: how they stand on each other, and whether all promised ones are there."""

import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import timm

import train.network.model  # noqa: F401  registers our backbone with timm
from faces.command import read_toml, write_toml
from faces.labels import CONTEST, TASKS
from pipeline.augment import POLICIES
from train.recipe.catalogue import group_of, list_recipes
from train.recipe.data import CODINGS, Mixing, Sampling, Teacher
from train.recipe.file import read_recipe
from train.recipe.fit import check_fit
from train.recipe.network import Averaging, Head, Loss, Optimiser, Schedule
from train.recipe.recipe import ALL, Recipe
from train.weights.known import KNOWN

FILES = sorted((Path(__file__).parents[3] / "recipes").glob("*.toml"))
NAMES = [file.stem for file in FILES]
NINE = (
    "team_b_mask_resnet18 team_b_mask_efficientnet_b0 team_b_mask_resnext50 "
    "team_b_gender_resnet50 team_b_gender_efficientnet_b1 team_b_gender_regnety "
    "team_b_age_densenet161 team_b_age_resnet101 team_b_age_wide_resnet50"
)
SYSTEMS = {
    "team A": "team_a_b3",
    "team A: five folds, Adam 5e-5": "team_a_b3_folds",
    "team A: samplers": "team_a_sampler_weighted team_a_undersampling",
    "team A: losses": "team_a_focal team_a_ldam team_a_f1 team_a_weighted_ce team_a_smoothing",
    "team A: age regression": "team_a_age_regression team_a_age_regression_unweighted",
    "team A: backbones": "team_a_resnet18 team_a_resnet50 team_a_densenet121",
    "team A: multi-sample dropout, Xavier": "team_a_multi_dropout team_a_xavier",
    "team A: optimisers, batch size": "team_a_adamw team_a_sgd team_a_batch_128",
    "team A: frozen, no extra layer": "team_a_frozen team_a_one_layer",
    "team A: vertical flip": "team_a_vertical_flip",
    "team A: background and edges": "team_a_background",
    "team B: nine backbones": NINE,
    "team B: 18 classes by age group": "team_b_class18",
    "team B: mask_gender and age6": "team_b_mask_gender team_b_age6",
    "team B: senior": "team_b_senior",
    "team B: losses": "team_b_ce team_b_weighted_ce team_b_f1 team_b_focal_f1",
    "team B: Adam": "team_b_adam",
    "team B: schedules": "team_b_cosine team_b_plateau team_b_constant",
    "team B: EfficientNets": "team_b_b2 team_b_b3",
    "team B: averaging": "team_b_swa",
    "winners: half faces": "winner_half_face",
    "winners: F1 loss, steps": "winner_f1_step",
    "winners: ages at the boundaries": "winner_drop_ages winner_weigh_ages",
    "winners: old-age boundary": "winner_old57 winner_old58 winner_old59",
    "winners: erasing": "winner_erasing",
    "winners: 384 pixels": "winner_swin_l winner_b4",
    "winners: pseudo-labels": "winner_pseudo",
    "winners: per attribute": "winner_mask winner_gender winner_age",
}
"""The systems of two teams and the contest's winners, each with its recipes."""

CHOICES = {
    "head": (Head, "pool", "init"),
    "loss": (Loss, "class_weights", "ldam_on"),
    "optimiser": (Optimiser, "name"),
    "schedule": (Schedule, "name"),
    "averaging": (Averaging, "name"),
    "sampler": (Sampling, "name"),
    "mixing": (Mixing, "name", "partner"),
    "teacher": (Teacher, "labels"),
}
"""Tables of a recipe with their fields that choose one of several names."""


def write(folder: Path, **texts: str) -> Path:
    """Files of these names and texts; the folder."""
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_every_recipe_reads_names_a_known_backbone_and_says_on_one_line_what_it_is(file: Path) -> None:
    recipe = read_recipe(file)
    check_fit(recipe, CONTEST)
    assert 10 < len(recipe.about) < 130
    assert "\n" not in recipe.about
    assert timm.is_model(recipe.backbone)
    assert recipe.weights in ("", *KNOWN), "a file of this machine"
    # What needs the hub wants a GPU too, and says both; all others run where there is neither.
    assert recipe.pretrained == ("hub weights" in recipe.about) == ("GPU" in recipe.about)
    assert timm.is_model_pretrained(recipe.backbone) or not recipe.pretrained


def test_every_promised_system_has_its_recipes() -> None:
    promised = {name for names in SYSTEMS.values() for name in names.split()}
    assert promised - {*NAMES} == set()
    assert {name for name in NAMES if name.startswith(("team_", "winner_"))} - promised == set()
    assert {"small", "quarter", "resnet18"} <= {*NAMES}


def test_the_nine_backbones_of_team_b_are_nine_and_three_a_task() -> None:
    recipes = [read_recipe(FILES[NAMES.index(name)]) for name in NINE.split()]
    assert len({recipe.backbone for recipe in recipes}) == 9
    assert sorted(recipe.tasks for recipe in recipes) == [("age3",)] * 3 + [("gender",)] * 3 + [("mask",)] * 3


def test_every_choice_of_the_engine_is_shown_by_a_recipe() -> None:
    recipes = [read_recipe(file) for file in FILES]
    for table, (kind, *fields) in CHOICES.items():
        for field in fields:
            shown = {getattr(getattr(recipe, table), field) for recipe in recipes}
            # Custom weights are a file of the user's own; Xavier of all new layers stands beside Kaiming.
            assert {*get_args(get_type_hints(kind)[field])} - shown <= {"custom", "xavier"}, (
                f"{table}.{field}"
            )
    assert {recipe.age.coding for recipe in recipes} == {*CODINGS}
    terms = {term for recipe in recipes for term in recipe.loss.terms}
    assert terms == {*get_args(get_args(get_type_hints(Loss)["terms"])[0])}
    assert {task for recipe in recipes for task in recipe.tasks} == {*TASKS, ALL}
    named = {recipe.augment for recipe in recipes if isinstance(recipe.augment, str)}
    assert {*POLICIES} - named <= {"none"}


def test_a_recipe_is_its_base_with_its_own_keys_instead_table_by_table(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        root='about = "r"\nepochs = 9\ntasks = ["mask", "age3"]\n[optimiser]\nlr = 0.5\nweight_decay = 0.25',
        middle='base = "root.toml"\nepochs = 7\n[schedule]\ngamma = 0.5\n[rows]\ndrop_ages = [1, 2]',
        leaf='about = "l"\nbase = "middle.toml"\n'
        'tasks = ["gender"]\nrows.drop_ages = [3]\noptimiser.lr = 0.125',
    )
    leaf, middle = read_recipe(folder / "leaf.toml"), read_recipe(folder / "middle.toml")
    assert (leaf.about, middle.about) == ("l", "")
    assert (leaf.tasks, middle.tasks) == (("gender",), ("mask", "age3"))
    assert (leaf.epochs, leaf.schedule.gamma, leaf.rows.drop_ages) == (7, 0.5, (3,))
    assert leaf.optimiser == Optimiser(lr=0.125, weight_decay=0.25)
    write_toml(leaf, tmp_path / "resolved.toml")
    assert "base" not in (tmp_path / "resolved.toml").read_text()
    assert read_toml(Recipe, tmp_path / "resolved.toml") == leaf


def test_a_base_is_looked_for_beside_its_own_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    write(tmp_path, root="epochs = 3", one='base = "root.toml"')
    write(tmp_path / "mine", two='base = "../one.toml"')
    monkeypatch.chdir(tmp_path / "mine")
    assert read_recipe(Path("two.toml")).epochs == 3


def test_an_empty_list_takes_the_bases_away(tmp_path: Path) -> None:
    custom = '[loss]\nclass_weights = "custom"\ncustom = [1.0, 2.0]'
    folder = write(
        tmp_path,
        root=f'tasks = ["gender"]\n{custom}',
        leaf='base = "root.toml"\n[loss]\nclass_weights = "none"\ncustom = []',
    )
    assert read_recipe(folder / "leaf.toml").loss == Loss()


@pytest.mark.parametrize(
    ("root", "leaf", "message"),
    [
        ("epoch = 3", "", r"root.toml: unknown setting 'epoch': did you mean 'epochs'\?"),
        ("", "epoch = 3", r"leaf.toml: unknown setting 'epoch': did you mean 'epochs'\?"),
        ("[optimiser]\nrate = 1", "", "root.toml: unknown setting 'optimiser.rate'"),
        ("optimiser = 3", "[optimiser]\nlr = 0.1", "root.toml: 'optimiser' is a table, not one value"),
        ("[epochs]\nlr = 1", "epochs = 2", "root.toml: 'epochs' is one value, not a table"),
        ("epochs = 0", "", "root.toml: .*epochs=0"),
        ("epochs = 3", "epochs = 0", "leaf.toml: .*epochs=0"),
        ("epochs = ", "", "root.toml: not TOML"),
        ('base = "leaf.toml"', "", "root.toml: .*leaf.toml -> root.toml -> leaf.toml; leave one base out"),
        ('base = "root.toml"', "", "root.toml: .*leaf.toml -> root.toml -> root.toml; leave one base out"),
        (
            'base = "gone.toml"',
            "",
            "root.toml: base='gone.toml': .*no such file; there are: .*leaf.toml, .*root",
        ),
        ('base = ["a.toml"]', "", r"root.toml: base=\['a.toml'\]: name one recipe file beside it"),
        ('base = ""', "", "root.toml: base='': name one recipe file beside it"),
        ('base = "/etc/passwd"', "", "root.toml: base='/etc/passwd': no recipe file, which ends in .toml"),
    ],
)
def test_a_mistake_names_the_file_in_which_it_stands(
    tmp_path: Path, root: str, leaf: str, message: str
) -> None:
    folder = write(tmp_path, root=root, leaf=f'base = "root.toml"\n{leaf}')
    with pytest.raises(ValueError, match=message):
        read_recipe(folder / "leaf.toml")


def test_a_base_wrong_only_with_the_recipes_own_keys_is_the_recipes_mistake(tmp_path: Path) -> None:
    folder = write(tmp_path, root="epochs = 9", leaf='base = "root.toml"\nhead.samples = 5')
    with pytest.raises(ValueError, match=r"leaf.toml: .*head.samples=5 with head.dropout=0.0"):
        read_recipe(folder / "leaf.toml")


def test_the_listing_shows_differences_and_does_not_hide_a_broken_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        tmp_path,
        plain='about = "the first"\nbackbone = "resnet34"',
        team_a_x='about = "the second"\nbase = "plain.toml"\n[optimiser]\nlr = 0.25',
        team_a_y='base = "nowhere.toml"',
        whatever='about = "the third"\ntasks = ["*"]',
    )
    with pytest.raises(ValueError, match=r"1 of 4 recipes do not read: team_a_y.toml"):
        list_recipes(tmp_path)
    shown = " ".join(capsys.readouterr().out.split())
    assert "plain the first class18; resnet34@224 whatever the third every labelled factor;" in shown
    assert "resnet18@224 team_a_x the second" in shown
    assert "class18; resnet34@224; plain with optimiser.lr=0.25 team_a_y error: " in shown
    assert (group_of("team_a_x"), group_of("plain"), group_of("winner")) == ("team_a", "", "")


def test_the_listing_ends_with_status_2_where_a_recipe_is_broken_and_needs_no_torch(tmp_path: Path) -> None:
    write(tmp_path, x="epoch = 1")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "train.recipe.catalogue", "--recipes", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert done.returncode == 2
    assert "1 of 1 recipes do not read: x.toml" in done.stderr
    assert "unknown setting 'epoch'" in " ".join(done.stdout.split())
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "train.recipe.recipe" in imported
    assert not imported & {"torch", "timm", "nvidia.dali"}
