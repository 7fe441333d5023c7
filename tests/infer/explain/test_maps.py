"""Where networks look, where that is known; and that it is what they learned."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn import functional

from faces.cache.reader import Cache
from faces.labels import CONTEST
from infer.explain.maps import head_maps, shown, signed_maps, vote_maps
from infer.explain.network import TrainedNetwork, load_trained
from infer.export.program.crops import resize
from tests.helpers.runs.untrained_runs import write_run
from train.network.model import build_model
from train.network.normalisation import Normalisation
from train.recipe.network import Head
from train.recipe.recipe import Recipe

SIZE, SIDE = 64, 8
ROW, COLUMN = 2, 5
"""Of the squares of 8 pixels, the one that decides."""
BARE = Normalisation((0.0,) * 3, (1.0,) * 3)
FAMILIES = {
    "resnet10t": (1, 64),
    "efficientnet_b0": (1, 64),
    "mobilenetv1_025": (2, 64),
    "mobilenetv3_small_050": (1, 64),
    "vit_tiny_patch16_224": (1, 64),
    "deit_tiny_distilled_patch16_224": (1, 64),
    "vit_tiny_r_s16_p8_224": (1, 64),
    "swin_tiny_patch4_window7_224": (1, 64),
    "inception_resnet_v1": (1, 80),
}
"""Backbones, on how many of their stages heads stand, and the size of their input."""


class Squares(nn.Module):
    """A backbone whose only feature is how red one square of the image is; timm's names of its parts.

    Args:
        layout: of its maps: NCHW, NHWC, tokens [n, 1 + places, c] with a first one that is no place.
    """

    num_prefix_tokens = 1

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.layout = layout

    def forward_features(self, images: Tensor) -> Tensor:
        maps = functional.avg_pool2d(images[:, :1], SIDE)
        shown = torch.zeros_like(maps)
        shown[:, :, ROW, COLUMN] = 1
        maps = maps * shown
        if self.layout == "NHWC":
            return maps.permute(0, 2, 3, 1)
        if self.layout == "tokens":
            tokens = maps.flatten(2).transpose(1, 2)
            return torch.cat([torch.zeros_like(tokens[:, :1]), tokens], 1)
        return maps

    def forward_head(self, maps: Tensor, pre_logits: bool = False) -> Tensor:
        return maps.flatten(1).mean(1, keepdim=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe(
        tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=SIZE, precision="fp32"
    )
    return write_run(tmp_path_factory.mktemp("runs") / "plain", recipe)


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (5, SIZE, SIZE, 3), np.uint8)


def known(run: Path, layout: str) -> TrainedNetwork:
    """A network that says female as far as one square is red, and male otherwise."""
    trained = load_trained(run)
    trained.network.backbone = Squares(layout)
    give(trained, female=1)
    return trained


def give(trained: TrainedNetwork, female: int) -> None:
    """Let all heads tell their second class, such as female, by a backbone's only feature."""
    for layer in trained.network.heads.layers.values():
        assert isinstance(layer, nn.Linear)
        layer.weight = nn.Parameter(torch.zeros(layer.out_features, 1), requires_grad=False)
        layer.weight[female] = 1


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "tokens"])
def test_the_one_square_that_decides_is_the_map(run: Path, layout: str) -> None:
    crop = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    crop[:, :, : SIZE // 2, 0] = 90
    crop[0, ROW * SIDE : (ROW + 1) * SIDE, COLUMN * SIDE : (COLUMN + 1) * SIDE, 0] = 255
    [seen] = head_maps(known(run, layout), crop, "gender", [1])
    middle = (ROW * SIDE + (SIDE - 1) / 2, COLUMN * SIDE + (SIDE - 1) / 2)
    assert np.hypot(*np.subtract(np.unravel_index(seen.argmax(), seen.shape), middle)) < 1
    inside = seen[
        ROW * SIDE - SIDE // 2 : (ROW + 1) * SIDE + SIDE // 2,
        COLUMN * SIDE - SIDE // 2 : (COLUMN + 1) * SIDE + SIDE // 2,
    ]
    assert inside.sum() == pytest.approx(seen.sum())  # bilinear: half a square beyond it, and no further
    assert seen.max() == 1
    assert not head_maps(known(run, layout), crop, "gender", [0]).any()  # nothing speaks for male


def test_linear_heads_on_pooled_maps_are_explained_exactly(run: Path, crops: np.ndarray) -> None:
    """Grad-CAM is then the weights times the maps (CAM, Zhou et al. 2016), and sums to what is answered."""
    trained = load_trained(run)
    images = shown(trained, crops)
    [signed] = signed_maps(trained, images, CONTEST.task("gender"), [1] * len(crops))
    with torch.no_grad():
        backbone: Any = trained.network.backbone
        features = backbone.forward_features(images)
        layer = trained.network.heads.layers["gender"]
        assert isinstance(layer, nn.Linear)
        weights, bias = layer.weight[1] - layer.weight[0], layer.bias[1] - layer.bias[0]
        odds = trained.places(images, CONTEST.task("gender"))[:, 1]
    expected = torch.einsum("c,nchw->nhw", weights, features) / features[0, 0].numel()
    torch.testing.assert_close(signed[:, 0].float(), expected, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(signed.sum((1, 2, 3)).float() + bias, odds.float(), atol=1e-3, rtol=1e-3)


class Strided(nn.Module):
    """Three averages of 3 x 3 with stride 2 and one pixel of padding: position 0 looks at the corner."""

    def forward_features(self, images: Tensor) -> Tensor:
        maps = images[:, :1]
        for _ in range(3):
            maps = functional.avg_pool2d(maps, 3, 2, 1)
        return maps

    def forward_head(self, maps: Tensor, pre_logits: bool = False) -> Tensor:
        return maps.flatten(1).mean(1, keepdim=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


def test_maps_lie_where_their_positions_look(run: Path) -> None:
    trained = load_trained(run)
    trained = dataclasses.replace(trained, card=dataclasses.replace(trained.card, normalisation=BARE))
    trained.network.backbone = Strided()
    give(trained, female=1)
    crop = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    crop[0, 23:26, 39:42, 0] = 255
    [seen] = head_maps(trained, crop, "gender", [1])
    pixels = np.arange(SIZE) + 0.5
    assert seen.sum(1) @ pixels / seen.sum() == pytest.approx(24.5, abs=1)  # 28 if positions were squares
    assert seen.sum(0) @ pixels / seen.sum() == pytest.approx(40.5, abs=1)


@pytest.mark.parametrize("backbone", FAMILIES)
def test_any_family_of_backbones_has_a_map(run: Path, crops: np.ndarray, backbone: str) -> None:
    card = load_trained(run).card
    stages, size = FAMILIES[backbone]
    recipe = dataclasses.replace(card.recipe, backbone=backbone, image_size=size, head=Head(stages=stages))
    torch.manual_seed(0)
    network = build_model(recipe, CONTEST, initialise=False).requires_grad_(False).eval()
    trained = TrainedNetwork(network, dataclasses.replace(card, recipe=recipe))
    images = shown(trained, crops)
    torch.testing.assert_close(trained.places.features(images), network.features(images))
    signed = signed_maps(trained, images, CONTEST.task("class18"), None)
    assert len(signed) == stages
    assert all(torch.unique(each[:, 0].flatten(1), dim=0).shape[0] == len(crops) for each in signed)
    maps = head_maps(trained, crops, "class18")
    assert maps.shape == crops.shape[:3]
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.any()
    assert {*maps.max((1, 2)).tolist()} <= {0, 1}  # 0 where nothing speaks for the class


def test_only_what_the_network_is_shown_can_be_seen(run: Path, crops: np.ndarray) -> None:
    trained = load_trained(run)
    recipe = dataclasses.replace(trained.card.recipe, centre=0.5)
    centred = dataclasses.replace(trained, card=dataclasses.replace(trained.card, recipe=recipe))
    maps = head_maps(centred, crops, "mask")
    inside = maps[:, SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4]
    assert maps.any()
    assert inside.sum() == pytest.approx(maps.sum())


def test_a_vote_is_the_mean_of_its_networks(run: Path, crops: np.ndarray) -> None:
    one, other = load_trained(run), known(run, "NCHW")
    maps = [head_maps(each, crops, "gender", [1] * 5) for each in (one, other)]
    mean = np.mean(maps, axis=0)
    mean /= mean.max((1, 2), keepdims=True)
    np.testing.assert_allclose(vote_maps([one, other], crops, "gender", [1] * 5), mean, rtol=1e-5)
    with pytest.raises(ValueError, match="tells"):
        vote_maps([one], crops, "age6", [0] * 5)


def test_other_weights_give_another_map(run: Path, coloured: Cache) -> None:
    """The sanity check of Adebayo et al. 2018: a map that random weights give too explains no training."""
    trained = load_trained(run)
    taught = learn_mask(trained, coloured)
    rows = range(0, len(coloured), 3)
    crops = np.stack([resize(np.asarray(coloured.image(row)), SIZE) for row in rows])
    maps = head_maps(taught, crops, "mask")
    torch.manual_seed(1)
    random = build_model(taught.card.recipe, CONTEST, initialise=False).requires_grad_(False).eval()
    others = head_maps(TrainedNetwork(random, taught.card), crops, "mask")
    noise = np.random.default_rng(0).integers(-2, 3, crops.shape)
    again = head_maps(taught, (crops.astype(int) + noise).clip(0, 255).astype(np.uint8), "mask")
    assert alike(maps, again) > 0.9
    assert alike(maps, others) < 0.5


def learn_mask(trained: TrainedNetwork, cache: Cache) -> TrainedNetwork:
    """The network, trained until it tells the masks of a cache."""
    rows = range(0, len(cache), 2)
    images = shown(trained, np.stack([np.asarray(cache.image(row)) for row in rows]))
    truth = torch.from_numpy(cache.labels("mask")[rows])
    network = trained.network.requires_grad_(True).train()
    optimiser = torch.optim.AdamW(network.parameters(), 4e-3)
    for _ in range(24):
        optimiser.zero_grad()
        functional.cross_entropy(network(images)["mask"], truth).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    network.requires_grad_(False).eval()
    assert (network(images)["mask"].argmax(1) == truth).float().mean() > 0.8
    return trained


def alike(maps: np.ndarray, others: np.ndarray) -> float:
    """Mean rank correlation of two maps of each crop."""
    coarse = [each[:, 4::8, 4::8].reshape(len(each), -1) for each in (maps, others)]
    ranks = [
        spearmanr(one, other).statistic
        for one, other in zip(*coarse, strict=True)
        if np.ptp(one) and np.ptp(other)
    ]
    return float(np.sum(ranks) / len(maps))  # with an empty map there is none
