import dataclasses
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faces.factors import Categories, Number
from faces.labels import CONTEST, TASKS, LabelSet
from train.network.backbone import Thinning, make_backbone
from train.network.heads import GeneralisedMean, module_key
from train.network.model import build_model, normalisation
from train.network.objective import Objective
from train.recipe.data import Age
from train.recipe.network import Head, Loss
from train.recipe.recipe import Recipe

RECIPE = Recipe(tasks=("mask", "gender", "age6"), backbone="test_resnet", image_size=32)


@pytest.mark.parametrize("backbone", ["test_resnet", "mobilenetv1_025", "test_vit"])
def test_classifier_is_as_wide_as_all_heads_and_learns(backbone: str) -> None:
    recipe = dataclasses.replace(RECIPE, backbone=backbone)
    heads = build_model(recipe, CONTEST)(torch.randn(2, 3, 32, 32))
    assert {task: tuple(head.shape) for task, head in heads.items()} == {
        "mask": (2, 3),
        "gender": (2, 2),
        "age6": (2, 6),
    }
    sum(head.sum() for head in heads.values()).backward()


def test_hub_weights_without_a_network_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"weights of 'resnet18' could not be had.*WEIGHTS=path/to/file"):
        build_model(Recipe(backbone="resnet18", pretrained=True), CONTEST)


def test_an_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'resnet17' is unknown: did you mean 'resnet1"):
        build_model(dataclasses.replace(RECIPE, backbone="resnet17"), CONTEST)


FAMILIES = ("resnet18", "efficientnet_b0", "swin_tiny_patch4_window7_224", "vit_tiny_patch16_224")
LARGER = (
    "densenet161",
    "regnety_032",
    "dm_nfnet_f0",
    "resnet50",
    "resnet101",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "wide_resnet50_2",
    "resnext50_32x4d",
    "beit_base_patch16_224",
)


@pytest.mark.parametrize(
    "backbone", [*FAMILIES, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGER)]
)
def test_every_family_passes_forward_and_backward(backbone: str) -> None:
    recipe = Recipe(tasks=("class18",), backbone=backbone, image_size=64, head=Head(hidden=8, dropout=0.7))
    network = build_model(recipe, CONTEST)
    scores = network(torch.randn(2, 3, 64, 64))["class18"]
    assert scores.shape == (2, 18)
    scores.square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert without == []


def test_strided_layers_of_single_pixels_are_trained_channels_last_as_any_other() -> None:
    layer = make_backbone("mobileone_s0", 32).network.stem.conv_scale.conv
    assert type(layer) is Thinning
    layer.to(memory_format=torch.channels_last)
    images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    for _ in range(30):  # torch alone ends the process in one of them
        layer.zero_grad()
        outputs = layer(images)
        outputs.square().sum().backward()
    seen, weight = images[:, :, ::2, ::2], layer.weight.detach()[:, :, 0, 0]
    torch.testing.assert_close(outputs.detach(), torch.einsum("ncyx,oc->noyx", seen, weight))
    gradient = torch.einsum("noyx,ncyx->oc", 2 * outputs.detach(), seen)
    torch.testing.assert_close(layer.weight.grad[:, :, 0, 0], gradient, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("backbone", ["test_resnet", "mobilenetv1_025", "densenet121", "regnety_002"])
def test_a_large_exponent_pools_the_greatest_and_1_the_mean(backbone: str) -> None:
    recipe = dataclasses.replace(RECIPE, backbone=backbone, image_size=64, head=Head(pool="gem"))
    [gem] = [m for m in build_model(recipe, CONTEST).modules() if isinstance(m, GeneralisedMean)]
    maps = torch.rand(2, 5, 4, 4) + 0.1
    gem.exponent.data.fill_(1.0)
    torch.testing.assert_close(gem(maps).flatten(1), maps.mean((2, 3)))
    gem.exponent.data.fill_(60.0)
    torch.testing.assert_close(gem(maps).flatten(1), maps.amax((2, 3)), rtol=0.05, atol=0)
    gem.exponent.data.fill_(3.0)
    torch.testing.assert_close(gem(maps).flatten(1), maps.pow(3).mean((2, 3)).pow(1 / 3))


def test_a_backbone_without_maps_has_no_gem() -> None:
    with pytest.raises(ValueError, match=r"head.pool='gem': backbone 'test_vit' does not pool feature maps"):
        build_model(dataclasses.replace(RECIPE, backbone="test_vit", head=Head(pool="gem")), CONTEST)


@pytest.mark.parametrize(("init", "gain"), [("xavier", 1.0), ("kaiming", 2.0)])
def test_initial_weights_have_the_variance_of_their_formula(init: str, gain: float) -> None:
    recipe = dataclasses.replace(RECIPE, head=Head(hidden=2048, init=init))  # type: ignore[arg-type]
    heads = build_model(recipe, CONTEST).heads
    weight = heads.hidden[0].weight
    fan_out, fan_in = weight.shape
    expected = 2 / (fan_in + fan_out) if init == "xavier" else gain / fan_in
    assert float(weight.detach().var()) == pytest.approx(expected, rel=0.03)
    assert not any(p.any() for name, p in heads.named_parameters() if name.endswith("bias"))


def test_xavier_of_the_last_layer_leaves_the_extra_one_as_torch_makes_it() -> None:
    heads = build_model(
        dataclasses.replace(RECIPE, head=Head(hidden=2048, init="xavier_last")), CONTEST
    ).heads
    extra, last = heads.hidden[0], heads.layers["mask"]
    assert extra.bias.any() and not last.bias.any()
    assert float(extra.weight.detach().var()) == pytest.approx(1 / (3 * extra.in_features), rel=0.03)
    expected = 2 / (last.in_features + last.out_features)
    assert float(last.weight.detach().var()) == pytest.approx(expected, rel=0.1)


def test_a_recipe_may_leave_its_input_at_0_to_1() -> None:
    network = build_model(RECIPE, CONTEST)
    assert normalisation(network, RECIPE).std != (1.0, 1.0, 1.0)
    plain = normalisation(network, dataclasses.replace(RECIPE, normalise=False))
    assert (plain.mean, plain.std) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_each_dropout_sample_is_a_mask_of_its_own() -> None:
    torch.manual_seed(0)
    network = build_model(dataclasses.replace(RECIPE, head=Head(dropout=0.5, samples=4)), CONTEST)
    images = torch.randn(3, 3, 32, 32)
    looks = network.train()(images)["mask"].reshape(4, 3, -1)
    assert len({look[0, 0].item() for look in looks}) == 4
    assert network.eval()(images)["mask"].shape == (3, 3)


def test_a_frozen_backbone_neither_moves_nor_counts() -> None:
    network = build_model(RECIPE, CONTEST)
    network.frozen = True
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    sum(output.sum() for output in network.train()(torch.randn(4, 3, 32, 32)).values()).backward()
    assert all(p.grad is None for p in network.backbone.parameters())
    assert all(p.grad is not None for p in network.heads.parameters())
    assert all(torch.equal(before[name], value) for name, value in network.backbone.state_dict().items())


def test_ldam_compares_directions() -> None:
    recipe = dataclasses.replace(RECIPE, loss=Loss(terms=("ldam",), scale=30.0))
    layer = build_model(recipe, CONTEST).heads.layers["mask"]
    features = torch.randn(5, layer.weight.shape[1])
    scores = layer(features)
    assert float(scores.abs().max()) <= 30
    torch.testing.assert_close(layer(7 * features), scores)
    assert float(layer(layer.weight[1:2]).detach()[0, 1]) == pytest.approx(30)
    plain = dataclasses.replace(RECIPE, loss=Loss(terms=("ldam",), ldam_on="logits"))
    assert type(build_model(plain, CONTEST).heads.layers["mask"]) is torch.nn.Linear


def test_an_age_regression_has_an_output_of_its_own() -> None:
    network = build_model(dataclasses.replace(RECIPE, age=Age(regression=0.001)), CONTEST)
    assert network(torch.randn(2, 3, 32, 32))["age"].shape == (2, 1)


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        ("xcit_nano_12_p8_224", 64),
        ("efficientvit_m0", 96),
        ("pvt_v2_b0", 64),
        ("eva02_tiny_patch14_224", 56),
        ("levit_128s", 64),
    ],
)
def test_what_timm_runs_is_built(backbone: str, size: int) -> None:
    recipe = dataclasses.replace(RECIPE, backbone=backbone, image_size=size)
    network = build_model(recipe, CONTEST)
    assert network.notes == ()
    sum(scores.sum() for scores in network(torch.rand(2, 3, size, size)).values()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("backbone", "size", "sizes"),
    [
        ("maxvit_tiny_rw_224", 100, "96, 128 or 224"),
        pytest.param("crossvit_tiny_240", 112, "120 or 240", marks=pytest.mark.slow),
    ],
)
def test_a_size_that_timm_does_not_run_names_those_that_it_does(backbone: str, size: int, sizes: str) -> None:
    with pytest.raises(
        ValueError, match=rf"image_size={size} does not fit backbone '{backbone}' .*: use {sizes}$"
    ):
        build_model(Recipe(backbone=backbone, image_size=size), CONTEST)


def test_pixels_that_no_patch_covers_are_told_with_sizes_that_are_seen_whole() -> None:
    [note] = build_model(Recipe(backbone="eva02_tiny_patch14_224", image_size=96), CONTEST).notes
    assert "leave 12 pixels out" in note
    assert note.endswith("it sees all of 84, 98 or 224")
    assert build_model(dataclasses.replace(RECIPE, backbone="test_vit", image_size=96), CONTEST).notes == ()


ODD = LabelSet(
    name="odd",
    factors=(
        Categories(name="type", categories=("a", "b")),
        Categories(name="items", categories=("a", "b")),
        Number(name="dose", edges=(1.5,), most=10.0),
    ),
)


def test_any_task_has_a_head_and_keeps_its_weights() -> None:
    tasks = ("type", "items", "dose", "dose[1.5, 2.25]", "dose>=0.5[2.5]", "type*items*dose[3.5]")
    recipe = dataclasses.replace(RECIPE, tasks=tasks, age=Age(regression=0.1))
    torch.manual_seed(1)
    network, other = build_model(recipe, ODD), build_model(recipe, ODD)
    other.load_state_dict(network.state_dict())
    images = torch.randn(2, 3, 32, 32)
    outputs, again = network.eval()(images), other.eval()(images)
    assert {name: values.shape[1] for name, values in outputs.items()} == {
        **{task: len(ODD.task(task).classes) for task in tasks},
        "age": 1,
    }
    assert all(torch.equal(values, again[name]) for name, values in outputs.items())
    counts = {task: torch.ones(len(ODD.task(task).classes)) for task in tasks}
    targets = {task: torch.eye(counts[task].shape[0])[:2] for task in tasks} | {"age": torch.ones(2, 2)}
    assert Objective(recipe, ODD, counts)(outputs, targets, epoch=0, total=lambda mass: mass).isfinite()


@given(names=st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_keys_of_heads_are_taken_by_torch_and_differ(names: list[str]) -> None:
    keys = [module_key(name) for name in [*names, "items", "%69tems", "a.b", "a%2Eb"]]
    assert len({*keys}) == len({*names, "items", "%69tems", "a.b", "a%2Eb"})
    modules = torch.nn.ModuleDict({key: torch.nn.Identity() for key in keys})
    assert [*modules] == [*dict.fromkeys(keys)]


def test_keys_of_the_contests_heads_are_their_names() -> None:
    assert [module_key(name) for name in (*TASKS, "age")] == [*TASKS, "age"]


def test_heads_stand_on_the_means_of_earlier_stages_too() -> None:
    recipe = dataclasses.replace(RECIPE, head=Head(stages=3))
    network = build_model(recipe, CONTEST).eval()
    size = recipe.image_size
    photos = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    maps: list[torch.Tensor] = []
    for name in ("layer2", "layer3"):
        network.backbone.get_submodule(name).register_forward_hook(lambda _, __, out: maps.append(out))
    with torch.inference_mode():
        features = network.features(photos)
        plain = network.backbone(photos)
    expected = torch.cat([plain, *(each.mean((2, 3)) for each in maps[:2])], 1)
    assert torch.equal(features, expected)


def test_a_backbone_of_fewer_stages_is_refused() -> None:
    with pytest.raises(ValueError, match=r"head.stages=40: backbone 'test_resnet' does not give the maps"):
        build_model(dataclasses.replace(RECIPE, head=Head(stages=40)), CONTEST)
