"""facenet-pytorch's InceptionResnetV1 as a backbone."""

import dataclasses
from pathlib import Path

import facenet_pytorch
import pytest
import timm
import torch
from facenet_pytorch import InceptionResnetV1
from torch.nn import functional

from faces.labels import CONTEST
from train.descent.optimiser import make_optimiser
from train.network.backbone import make_backbone
from train.network.heads import GeneralisedMean
from train.network.model import build_model, normalisation
from train.recipe.network import Head, Optimiser
from train.recipe.recipe import Recipe

RECIPE = Recipe(tasks=("mask", "gender"), backbone="inception_resnet_v1", image_size=80)


@pytest.fixture(scope="module")
def published() -> InceptionResnetV1:
    """With random weights, as facenet-pytorch makes it."""
    torch.manual_seed(1)
    return InceptionResnetV1().eval()


def test_features_are_facenet_pytorchs_before_it_divides_them_by_their_length(
    published: InceptionResnetV1, tmp_path: Path
) -> None:
    people = torch.nn.Linear(512, 3).state_dict()
    torch.save(published.state_dict() | {f"logits.{n}": t for n, t in people.items()}, tmp_path / "faces.pt")
    network = build_model(dataclasses.replace(RECIPE, weights=str(tmp_path / "faces.pt")), CONTEST).eval()
    assert "2 of the classifier left" in network.notes[0] and "missing" not in network.notes[0]
    images = torch.randn(2, 3, 80, 80).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        features = network.backbone(images)
        torch.testing.assert_close(functional.normalize(features), published(images))
    assert features.shape == (2, 512)
    assert features.norm(dim=1).max() < 0.9  # random weights make short ones


def test_input_is_what_facenet_pytorch_standardises_to() -> None:
    with torch.device("meta"):
        scaling = normalisation(build_model(RECIPE, CONTEST), RECIPE)
    levels = torch.tensor([[[0.0]], [[127.5]], [[255.0]]])
    wanted = facenet_pytorch.fixed_image_standardization(levels).flatten()
    torch.testing.assert_close((levels.flatten() / 255 - scaling.mean[0]) / scaling.std[0], wanted)
    assert timm.get_pretrained_cfg("inception_resnet_v1").input_size == (3, 160, 160)


def test_layers_learn_at_rates_of_their_place_and_gem_pools(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, head=Head(pool="gem"), optimiser=Optimiser(layer_decay=0.5, lr=1.0))
    with torch.device("meta"):
        network = build_model(recipe, CONTEST)
    assert isinstance(network.backbone.avgpool_1a, GeneralisedMean)
    rates = {
        id(p): group["lr"]
        for group in make_optimiser(network, recipe.optimiser).param_groups
        for p in group["params"]
    }

    def rate(name: str) -> float:
        return float(rates[id(network.backbone.get_parameter(name))])

    # The stem, 5 + 1 + 10 + 1 + 5 blocks, block8, the last layers.
    assert rate("last_linear.weight") == 0.5
    assert rate("block8.conv2d.weight") == 0.5**2
    assert rate("repeat_3.4.conv2d.weight") == 0.5**3
    assert rate("mixed_6a.branch0.conv.weight") == 0.5 ** (3 + 5 + 1 + 10)
    assert rate("conv2d_4b.conv.weight") == rate("conv2d_1a.conv.weight") == 0.5 ** (3 + 5 + 1 + 10 + 1 + 5)


@pytest.mark.parametrize(
    ("backbone", "faces"),
    [("inception_resnet_v1", "vggface2"), ("inception_resnet_v1.casia_webface", "casia-webface")],
)
def test_pretrained_takes_what_facenet_pytorchs_loader_brings(
    monkeypatch: pytest.MonkeyPatch, backbone: str, faces: str
) -> None:
    def brought(network: InceptionResnetV1, name: str) -> None:
        assert name == faces
        torch.nn.init.constant_(network.last_linear.weight, 0.25)

    monkeypatch.setattr("facenet_pytorch.models.inception_resnet_v1.load_weights", brought)
    network = make_backbone(backbone, 80, hub=True).network
    assert network.last_linear.weight.eq(0.25).all()  # type: ignore[union-attr, operator]


def test_what_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("facenet_pytorch.models.inception_resnet_v1.load_weights", refused)
    with pytest.raises(
        ValueError, match=r"hub's weights of 'inception_resnet_v1' could not be had .*no netw"
    ):
        make_backbone("inception_resnet_v1", 160, hub=True)
    with pytest.raises(ValueError, match=r"'inception_resnet_v1.ms1m' is unknown .*leave out"):
        make_backbone("inception_resnet_v1.ms1m", 160)
