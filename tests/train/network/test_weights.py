"""Files of weights: what may stand around them, what is taken, resampled and refused."""

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from faces.labels import CONTEST
from train.network.model import Network, build_model
from train.recipe.recipe import Recipe

RECIPE = Recipe(tasks=("mask", "gender"), backbone="test_resnet", image_size=32)
State = dict[str, Tensor]


def donated(backbone: str = "test_resnet", **options: Any) -> State:
    """A network of timm's, with its classifier."""
    state: State = timm.create_model(backbone, **options).state_dict()
    return state


def started(path: Path, backbone: str = "test_resnet", image_size: int = 32) -> Network:
    recipe = dataclasses.replace(RECIPE, backbone=backbone, image_size=image_size, weights=str(path))
    return build_model(recipe, CONTEST)


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(ValueError) as caught:
        started(path, **options)
    [line] = str(caught.value).splitlines()
    assert str(path) in line
    return line


def holds(network: Network, state: State) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in network.backbone.state_dict().items())


def under(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


FORMS: dict[str, Callable[[State], dict[str, Any]]] = {
    "plain": lambda state: state,
    "state_dict": lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"state": {0: torch.ones(2)}}},
    "model": lambda state: {"model": state, "args": argparse.Namespace(lr=0.1), "best": np.float64(0.5)},
    "ema": lambda state: {"state_dict": donated(), "state_dict_ema": state},
    "model_ema": lambda state: {"model": donated(), "model_ema": under("module.", state)},
    "module": lambda state: {"state_dict": under("module.", state)},
    "compiled": lambda state: under("_orig_mod.", state),
    "lightning": lambda state: {"state_dict": under("model.backbone.", state), "loss": 0.1},
    "encoder": lambda state: under("encoder.", state) | {"decoder.weight": torch.ones(3)},
    "deep": lambda state: {"network": {"weights": under("net.", state)}},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".pth", ".bin"])
def test_weights_are_found_in_whatever_stands_around_them(tmp_path: Path, form: str, suffix: str) -> None:
    state, path = donated(), tmp_path / f"weights{suffix}"
    torch.save(FORMS[form](state), path)
    network = started(path)
    assert holds(network, state)
    [note] = network.notes
    taken = len(network.backbone.state_dict())
    assert note.startswith(f"weights={str(path)!r}: {taken} tensors taken, 2 of the classifier left")
    assert "missing" not in note


def test_a_runs_own_file_gives_its_backbone_and_leaves_its_heads(tmp_path: Path) -> None:
    trained = build_model(dataclasses.replace(RECIPE, tasks=("age3",)), CONTEST)
    path = tmp_path / "best.safetensors"
    save_file(trained.state_dict(), path)
    network = started(path)
    assert holds(network, trained.backbone.state_dict())
    assert (
        "0 of the classifier left; 2 beside the backbone left: 'heads.layers.age3.bias'" in network.notes[0]
    )


@pytest.mark.parametrize(
    ("backbone", "sizes"), [("test_vit", (160, 64)), ("swin_tiny_patch4_window7_224", (64, 96))]
)
def test_weights_of_another_input_size_are_resampled_by_timm(
    tmp_path: Path, backbone: str, sizes: tuple[int, int]
) -> None:
    path = tmp_path / "weights.safetensors"
    state = donated(backbone, img_size=sizes[0])
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    network = started(path, backbone, sizes[1])
    by_timm = timm.create_model(
        backbone,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(path)},
        img_size=sizes[1],
        num_classes=0,
    )
    assert holds(network, by_timm.state_dict())
    own = network.backbone.state_dict()
    changed = [name for name, tensor in own.items() if tensor.shape != state[name].shape]
    assert changed
    assert f"resampled to this input size: {changed[0]!r}" in network.notes[0]


def test_names_of_other_sources_are_set_right_by_timm(tmp_path: Path) -> None:
    state, path = donated("densenet121"), tmp_path / "torchvision.pth"
    old = {name.replace(".norm1.", ".norm.1.").replace(".conv1.", ".conv.1."): t for name, t in state.items()}
    assert old.keys() != state.keys()
    torch.save(old, path)
    assert holds(started(path, "densenet121"), state)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["layer2.0.bn1.running_var", "fc.weight"])
def test_values_that_are_not_finite_are_refused_by_name(tmp_path: Path, name: str, value: float) -> None:
    state, path = donated(), tmp_path / "weights.pth"
    state[name].view(-1)[1] = value
    torch.save({"state_dict": under("module.", state)}, path)
    count = f"{state[name].numel():,}"
    assert f": {name} has 1 values of {count} that are NaN or infinite: whatever" in refused(path)


def test_what_is_missing_is_named_and_less_than_half_is_refused(tmp_path: Path) -> None:
    state, path = donated(), tmp_path / "weights.pth"
    torch.save({name: t for name, t in state.items() if name not in ("fc.weight", "conv1.0.weight")}, path)
    note = started(path).notes[0]
    assert note.endswith("1 of the classifier left; 1 missing, which begin at random: 'conv1.0.weight'")
    needed = [name for name in state if not name.startswith("fc.") and "num_batches" not in name]
    few = {name: state[name] for name in needed[: len(needed) // 2 - 1]}
    torch.save(few, path)
    assert f"{len(few)} of its {len(needed)} tensors are there" in refused(path)


def test_weights_of_another_backbone_are_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(donated("test_efficientnet"), path)
    assert "do not fit backbone 'test_resnet'" in (line := refused(path))
    assert line.endswith("weights of another architecture?")
    save_file(donated("test_vit", embed_dim=32, num_heads=2), path)
    assert "'cls_token' is" not in (line := refused(path, backbone="test_vit"))
    assert "shapes differ (cls_token is [1, 1, 32] there, [1, 1, 64] here" in line
    save_file(donated("resnet18"), path)
    assert "only backbone 'resnet34' has 'layer1.2'" in refused(path, backbone="resnet34")
    save_file(donated("test_vit", depth=8), path)
    assert "only the file has 'blocks.6', 'blocks.7'" in refused(path, backbone="test_vit")


def test_two_networks_in_one_file_are_not_chosen_between(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"student": under("backbone.", donated()), "teacher": donated()}, path)
    assert "2 networks in it fit, under 'student.backbone.', 'teacher.': save one" in refused(path)


def test_what_holds_no_weights_says_so(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    assert refused(path).endswith("no such file")
    path.mkdir()
    assert refused(path).endswith("a folder, not a file of weights")
    path.rmdir()
    neither = "neither safetensors nor a state dict saved by torch"
    for content, why in {
        b"<html>not found</html>": " (it is an HTML page, such as a server's error: fetch the file again)",
        b"version https://git-lfs.github.com/spec/v1\n": " (it is a Git LFS pointer: git lfs pull fetches "
        "the file itself)",
        b"hello": "",
    }.items():
        path.write_bytes(content)
        assert refused(path).endswith(neither + why)
    torch.save({"epoch": 3}, path)
    assert "no tensor in it" in refused(path)
    torch.save(timm.create_model("test_resnet"), path)
    assert "holds Python objects beside tensors, which are not read" in refused(path)
