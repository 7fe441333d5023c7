"""docs/teams.md: every system of the two teams is there, and is what its line says."""

import re
from pathlib import Path

import pytest

from infer.ensemble.file import read_ensemble
from infer.ensemble.tree import Vote
from train.recipe.file import read_recipe
from train.recipe.network import Head, Loss, Optimiser, Schedule

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "teams.md").read_text()
RECIPES = {file.stem for file in (ROOT / "recipes").glob("*.toml")}
ENSEMBLES = {file.stem for file in (ROOT / "ensembles").glob("*.toml")}
NAMED = set(re.findall(r"`((?:team_[ab]|mini|study)_\w+\*?)`", PAGE))
OTHER_SGD = {"team_b_adam"}
OTHER_SCHEDULES = {"team_b_cosine", "team_b_plateau", "team_b_constant"}
OTHER_LOSSES = {"team_b_ce", "team_b_weighted_ce", "team_b_f1", "team_b_focal_f1"}


def recipe(name: str):  # type: ignore[no-untyped-def]
    return read_recipe(ROOT / "recipes" / f"{name}.toml")


def test_every_name_on_the_page_is_a_recipe_or_an_ensemble_and_none_is_left_out() -> None:
    for name in NAMED:
        kinds = [known for known in RECIPES | ENSEMBLES if known.startswith(name.removesuffix("*"))]
        assert kinds if name.endswith("*") else name in kinds, name
    stems = tuple(name.removesuffix("*") for name in NAMED if name.endswith("*"))
    teams = {name for name in RECIPES | ENSEMBLES if name.startswith(("team_a_", "team_b_"))}
    assert {name for name in teams - NAMED if not name.startswith(stems)} == set()


@pytest.mark.parametrize("name", sorted(name for name in RECIPES if name.startswith("team_b_")))
def test_team_b_trains_as_it_says_but_where_it_tried_otherwise(name: str) -> None:
    found = recipe(name)
    assert found.head == Head(dropout=0.5)
    if name not in OTHER_SGD:
        assert found.optimiser == Optimiser(name="sgd", lr=0.01, momentum=0.9)
    if name not in OTHER_SCHEDULES:
        assert found.schedule == Schedule(name="step", step_epochs=4, gamma=0.15)
    if name not in OTHER_LOSSES:
        assert found.loss == Loss(terms=("focal",))


@pytest.mark.parametrize("name", ["team_a_b3", "team_a_b3_folds", "mini_team_a"])
def test_team_a_trains_as_its_code_does(name: str) -> None:
    found = recipe(name)
    assert (found.head, found.loss) == (Head(hidden=512, dropout=0.7), Loss())
    assert (found.optimiser.name, found.schedule.name, found.schedule.gamma) == ("adam", "exponential", 0.995)
    assert (found.keep, found.best_by, found.stop_after) == ("best", "loss", 8)
    assert (found.normalise, found.augment) == (False, "team_a")
    assert found.epochs == (15 if name == "team_a_b3" else 13)
    if name != "mini_team_a":
        assert (found.backbone, round(found.image_size / found.centre)) == ("efficientnet_b3", 332)


def test_team_as_trials_have_the_settings_of_its_code() -> None:
    focal = Loss(terms=("focal",), gamma=1.0, class_weights="effective_number", beta=0.9999)
    assert recipe("team_a_focal").loss == focal
    assert recipe("team_a_ldam").loss == Loss(terms=("ldam",), ldam_on="logits")
    assert recipe("team_a_weighted_ce").loss == Loss(class_weights="complement")
    assert recipe("team_a_xavier").head == Head(hidden=512, dropout=0.7, init="xavier_last")
    assert recipe("team_a_age_regression").age.regression == 0.001
    assert recipe("team_a_frozen").optimiser.frozen_epochs == recipe("team_a_b3").epochs
    policy = recipe("team_a_vertical_flip").policy
    assert (policy.vertical_flip, policy.flip, policy.brightness) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", ["team_a", "team_a_small"])
def test_team_a_averages_logits(name: str) -> None:
    ensemble = read_ensemble(ROOT / "ensembles" / f"{name}.toml")
    assert isinstance(ensemble.root, Vote)
    assert (ensemble.views, ensemble.views_rule, ensemble.root.rule) == (("original", "flip"), "log", "log")
