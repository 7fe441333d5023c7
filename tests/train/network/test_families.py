"""A small model of each family of timm is built and trained as a recipe does it."""

import dataclasses
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file

from faces.labels import CONTEST
from train.descent.optimiser import make_optimiser
from train.engine.card import RunCard
from train.engine.checkpoint import save_best
from train.network.model import build_model
from train.network.normalisation import Normalisation
from train.recipe.network import Optimiser
from train.recipe.recipe import Recipe

FAMILIES = {
    "beit": "beit_base_patch16_224",
    "byoanet": "halonet_h1 256",
    "byobnet": "test_byobnet",
    "cait": "cait_xxs24_224",
    "coat": "coat_tiny",
    "convit": "convit_tiny",
    "convmixer": "convmixer_768_32",
    "convnext": "test_convnext",
    "cpubone": "cpubone_nano",
    "crossvit": "crossvit_tiny_240 120",
    "csatv2": "csatv2",
    "cspnet": "cs3darknet_focus_s",
    "cspnext": "cspnext_tiny",
    "davit": "davit_tiny",
    "deepseek_vit": "deepseek_vit_412m 70",
    "deit": "deit_tiny_distilled_patch16_224",
    "densenet": "densenet121",
    "dla": "dla46x_c",
    "dpn": "dpn48b",
    "edgenext": "edgenext_xx_small",
    "efficientformer": "efficientformer_l1 224",
    "efficientformer_v2": "efficientformerv2_s0",
    "efficientnet": "test_efficientnet",
    "efficientvim": "efficientvim_m1_dist",
    "efficientvit_mit": "efficientvit_b0",
    "efficientvit_msra": "efficientvit_m0",
    "eva": "eva02_tiny_patch14_224 70",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8",
    "focalnet": "focalnet_tiny_srf",
    "gcvit": "gcvit_xxtiny",
    "gemma4_vit": "gemma4_vit_167m_enc 96",
    "ghostnet": "ghostnet_050",
    "hardcorenas": "hardcorenas_b",
    "hgnet": "hgnetv2_b0",
    "hiera": "hiera_tiny_224",
    "hieradet_sam2": "sam2_hiera_tiny",
    "hrnet": "hrnet_w18_small",
    "iformer": "iformer_t",
    "inception_next": "inception_next_atto",
    "inception_resnet_v2": "inception_resnet_v2 96",
    "inception_v3": "inception_v3 96",
    "inception_v4": "inception_v4 96",
    "lcnetv2": "lcnetv2_small",
    "levit": "levit_128s",
    "lowformer": "lowformer_b0",
    "mambaout": "test_mambaout",
    "maxxvit": "test_coatnet",
    "metaformer": "poolformerv2_s12",
    "mlp_mixer": "gmlp_ti16_224",
    "mobilenetv3": "lcnet_035",
    "mobilenetv5": "mobilenetv5_base",
    "mobilevit": "mobilevit_xxs",
    "mvitv2": "mvitv2_tiny",
    "naflexvit": "naflexvit_base_patch16_gap",
    "nasnet": "nasnetalarge 96",
    "nest": "nest_tiny",
    "nextvit": "nextvit_small",
    "nfnet": "test_nfnet",
    "pit": "pit_ti_distilled_224",
    "pnasnet": "pnasnet5large 96",
    "pvt_v2": "pvt_v2_b0",
    "qwen3_vit": "qwen3_vit_88m",
    "rdnet": "rdnet_tiny",
    "regnet": "regnetx_002",
    "repghost": "repghostnet_050",
    "repvit": "repvit_m1",
    "res2net": "res2next50",
    "resnest": "resnest14d",
    "resnet": "test_resnet",
    "resnetv2": "resnetv2_18",
    "rexnet": "rexnet_100",
    "selecsls": "selecsls42",
    "senet": "legacy_seresnet18",
    "sequencer": "sequencer2d_s",
    "shvit": "shvit_s1",
    "sknet": "skresnet18",
    "starnet": "starnet_s050",
    "swiftformer": "swiftformer_xs",
    "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2": "swinv2_tiny_window8_256",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "tiny_vit": "tiny_vit_5m_224",
    "tnt": "tnt_s_legacy_patch16_224",
    "tresnet": "tresnet_m",
    "twins": "twins_svt_small",
    "vgg": "vgg11",
    "visformer": "visformer_tiny",
    "vision_transformer": "test_vit",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224",
    "vision_transformer_relpos": "vit_relpos_small_patch16_224",
    "vision_transformer_sam": "samvit_base_patch16_224",
    "vitamin": "vitamin_small_224",
    "volo": "volo_d1_224",
    "vovnet": "ese_vovnet19b_slim",
    "xception": "legacy_xception",
    "xception_aligned": "xception41",
    "xcit": "xcit_nano_12_p8_224",
}
"""By timm's module: a model, and the size that it is tried at where 64 is none of its own."""

RECIPE = Recipe(tasks=("mask", "age3"), optimiser=Optimiser(layer_decay=0.9))
LARGE = 45_000_000
"""Parameters from which on a model's shapes alone are computed, on a device that holds no values."""


@pytest.mark.slow
def test_no_family_of_timms_is_left_out() -> None:
    assert {*timm.list_modules()} == {*FAMILIES, "registered"}  # ours are registered there
    missing = [
        name for module, name in FAMILIES.items() if name.split()[0] not in timm.list_models(module=module)
    ]
    assert missing == []


@pytest.mark.slow
@pytest.mark.parametrize("named", [*FAMILIES.values(), "mobileone_s0"])
def test_a_model_of_each_family_is_trained_and_kept(named: str, tmp_path: Path) -> None:
    backbone, _, size = named.partition(" ")
    recipe = dataclasses.replace(RECIPE, backbone=backbone, image_size=int(size or 64))
    with torch.device("meta"):
        network = build_model(recipe, CONTEST)
    large = sum(parameter.numel() for parameter in network.parameters()) > LARGE
    if not large:
        network = build_model(recipe, CONTEST)
    network = network.to(memory_format=torch.channels_last).train()
    optimiser = make_optimiser(network, _settings(network))
    images = torch.rand(2, 3, recipe.image_size, recipe.image_size, device="meta" if large else "cpu")
    outputs = network(images.contiguous(memory_format=torch.channels_last))
    assert {task: tuple(scores.shape) for task, scores in outputs.items()} == {"mask": (2, 3), "age3": (2, 3)}
    sum(scores.square().mean() for scores in outputs.values()).backward()
    without = [name for name, each in network.named_parameters() if each.requires_grad and each.grad is None]
    assert without == []
    if not large:
        optimiser.step()
        save_best(network, _card(recipe), tmp_path / "best.safetensors")
        state, kept = network.state_dict(), load_file(tmp_path / "best.safetensors")
        assert all(torch.equal(tensor, kept.pop(name)) for name, tensor in state.items())
        assert not kept
        assert all(scores.isfinite().all() for scores in network.eval()(images).values())


def _settings(network: torch.nn.Module) -> Optimiser:
    """Slower layers further in, where the model tells its layers."""
    return RECIPE.optimiser if hasattr(network.backbone, "group_matcher") else Optimiser()


def _card(recipe: Recipe) -> RunCard:
    return RunCard(
        recipe=recipe,
        normalisation=Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        classes={task: CONTEST.task(task).classes for task in recipe.tasks},
        fold=0,
        folds=5,
        fold_seed=0,
        scheme="person",
        epoch=0,
        score=0.5,
        crop={},
        labels=CONTEST,
        prior={},
    )
