"""best.safetensors: every damage of weights and card is refused in one line, runs of before still open."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from faces.storage.documents import document
from tests.helpers.runs.fold_runs import Table, card_table, change_weights, save_unsealed, write_card
from tests.helpers.runs.untrained_runs import write_run
from train.engine.card import RUN_VERSION, RunCard, RunError, parse_card, read_card
from train.engine.checkpoint import load_best
from train.recipe.data import Age
from train.recipe.recipe import Recipe

# A run has looked where numbers end.
RECIPE = Recipe(
    tasks=("mask", "gender"), backbone="test_resnet", image_size=32, precision="fp32", age=Age(clipped_at=0.0)
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs"), RECIPE)


@pytest.fixture
def best(kept: Path, tmp_path: Path) -> Path:
    """A run's weights that a test may spoil, alone in a folder."""
    return Path(shutil.copy(kept, tmp_path / "best.safetensors"))


def places(table: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there is a value in nested tables, tables and lists included."""
    found = [at] if at else []
    for key, value in table.items() if isinstance(table, dict) else ():
        found += places(value, (*at, key))
    return found


def changed(table: Table, at: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Table:
    """A copy of nested tables with one of them changed, given with the key."""
    again: Table = json.loads(document(table))
    inner: Any = again
    for key in at[:-1]:
        inner = inner[key]
    change(inner, at[-1])
    again.pop("seal")
    return again


def remove(table: Any, key: Any) -> None:
    del table[key]


OTHERS = [None, 10**30, math.nan, "\x1b[31m", ["a"], {"a": 1}]
TAMER = [True, -1, 0, 1.5, "", [], {}]
"""Nearer to what a field holds."""


def answers_alike(card: RunCard, other: RunCard) -> bool:
    """Whether the two describe networks that answer alike, and people left out alike."""
    names = ("normalisation", "classes", "fold", "folds", "fold_seed", "scheme", "labels", "prior")
    mine = ("tasks", "backbone", "image_size", "centre", "precision", "head", "age")
    return all(getattr(card, n) == getattr(other, n) for n in names) and all(
        getattr(card.recipe, n) == getattr(other.recipe, n) for n in mine
    )


def test_a_field_of_the_card_that_is_missing_is_refused_or_changes_no_answer(kept: Path) -> None:
    """Also where the seal was made anew."""
    card, table = read_card(kept), card_table(kept)
    refused = 0
    for at in places(table):
        text = document(changed(table, at, remove)).decode()
        try:
            found = parse_card(text, kept)
        except RunError as error:
            assert str(error).startswith(f"{kept}: ") and "\n" not in str(error) and "train" in str(error)
            refused += 1
            continue
        assert answers_alike(card, found), at
        assert at[0] in ("recipe", "crop"), at
    assert refused >= 20


@pytest.mark.parametrize(
    "value", [*OTHERS, *(pytest.param(each, marks=pytest.mark.slow) for each in TAMER)], ids=repr
)
def test_a_field_of_another_type_or_beyond_its_range_is_refused(kept: Path, value: object) -> None:
    """Or it is another value of the right type, which a seal made anew cannot tell."""

    def put(table: Any, key: Any) -> None:
        table[key] = value

    table = card_table(kept)
    passed = set()
    for at in places(table):
        text = document(changed(table, at, put)).decode()
        try:
            found = parse_card(text, kept)
        except RunError as error:
            assert str(error).startswith(f"{kept}: ") and "\n" not in str(error) and "train" in str(error)
            assert error.__cause__ is None or isinstance(error.__cause__, ValueError)
        else:
            passed.add(at[0])
            assert isinstance(found.fold, int) and found.fold < found.folds
    known = {"recipe", "crop", "normalisation", "fold", "folds", "fold_seed", "epoch", "macro_f1", "oof"}
    assert passed <= {*known, "labels", "cache"}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("fold", 5, "fold=5: with folds=5 they are numbered from 0 to below it"),
        ("fold", -1, "fold=-1"),
        ("epoch", -1, "epoch=-1"),
        ("scheme", "friends", 'scheme: "friends" is unknown, expected person, '),
        ("prior", {"class18": [0.5, 0.5]}, "prior.class18: must be 18 shares, none below 0"),
        ("prior", {"mask": [0.5, 0.5, 0.5]}, "prior.mask: its shares sum to 1.5, not to 1"),
        ("prior", {"mask": [2.0, -0.5, -0.5]}, "prior.mask: must be 3 shares, none below 0"),
        ("normalisation", {"mean": [0.5, 0.5], "std": [1, 1, 1]}, r"mean=\[0.5, 0.5\]: must be three"),
        ("normalisation", {"mean": [0, 0, 0], "std": [1, 0, 1]}, "must be above 0"),
        ("macro_f1", 1.5, "macro_f1=1.5: must be in 0 to 1"),
        ("tensors", "abc", "tensors: is no sha256"),
        ("classes", {"mask": ["a", "b", "c"]}, "classes are of mask, the recipe's tasks mask, gender"),
        ("colour", "red", "unknown setting 'colour'"),
        ("version", 3, f"not a run of version {RUN_VERSION}"),
    ],
)
def test_what_is_wrong_with_a_card_is_named(best: Path, field: str, value: object, message: str) -> None:
    write_card(best, {**card_table(best), field: value})
    with pytest.raises(RunError, match=message):
        load_best(best)


def test_an_edited_card_is_refused(best: Path) -> None:
    good = best.read_bytes()
    place = good.index(b'\\"fold\\": 0')
    best.write_bytes(good[: place + 10] + b"1" + good[place + 11 :])
    for read in (read_card, load_best):
        with pytest.raises(RunError, match=r"best.safetensors: .* does not fit the sha256 in it; copy"):
            read(best)
    # Without its seal a card counts as of before, which knew no digests.
    best.write_bytes(good)
    write_card(best, card_table(best), sealed=False)
    with pytest.raises(RunError, match="the seal of its card is missing, so it was edited"):
        read_card(best)


def flip(state: Table) -> Table:
    name = max(state, key=lambda name: state[name].numel())
    state[name].view(-1).view(torch.int32)[7] ^= 1
    return state


def spoil(state: Table, value: float) -> Table:
    state["heads.layers.mask.weight"][0, 3] = value
    return state


@pytest.mark.parametrize(
    ("change", "resealed", "message"),
    [
        (flip, False, "its weights do not fit the sha256 in its card"),
        (lambda state: {k: 0 * v for k, v in state.items()}, False, "do not fit the sha256"),
        (lambda state: spoil(state, math.nan), False, "do not fit the sha256"),
        (lambda state: spoil(state, math.nan), True, "'heads.layers.mask.weight' are NaN or infinite"),
        (lambda state: spoil(state, -math.inf), True, "'heads.layers.mask.weight' are NaN or infinite"),
        (lambda state: {**state, "more": torch.zeros(2)}, True, r"'more' is \[2\] there, none by the recipe"),
        (lambda state: dict([*state.items()][1:]), True, "1 tensors differ: .* is none there"),
        (
            lambda state: {k: v[..., None] if k.endswith("mask.weight") else v for k, v in state.items()},
            True,
            r"'heads.layers.mask.weight' is \[3, \d+, 1\] there, \[3, \d+\] by the recipe",
        ),
    ],
)
def test_weights_that_are_not_those_of_the_card_are_refused(
    best: Path, change: Callable[[Table], Table], resealed: bool, message: str
) -> None:
    change_weights(best, change, resealed=resealed)
    with pytest.raises(RunError, match=rf"^{best}: .*{message}.*train the fold again"):
        load_best(best)


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"text" * 99, b"\xff" * 64])
def test_what_is_no_file_of_weights_is_refused(best: Path, data: bytes) -> None:
    best.write_bytes(data)
    for read in (read_card, load_best):
        with pytest.raises(RunError, match=r"not a whole safetensors file .*train the fold again"):
            read(best)


def test_a_run_of_before_opens_and_is_the_same(best: Path) -> None:
    network, card = load_best(best)
    save_unsealed(best)
    table = card_table(best)
    write_card(best, {**table, "prior": table["prior"]["class18"]}, sealed=False)
    older, known = load_best(best)
    assert known.tensors == known.oof == ""
    assert answers_alike(card, known)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, older.state_dict()[name]), name
    change_weights(best, lambda state: spoil(state, math.nan))
    write_card(best, card_table(best), sealed=False)
    with pytest.raises(RunError, match="are NaN or infinite"):
        load_best(best)


def test_a_network_is_loaded_without_drawing_weights_first(best: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    network, _ = load_best(best)
    assert torch.equal(torch.get_rng_state(), before)
    again, _ = load_best(best)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
