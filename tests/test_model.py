import dataclasses
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from train.losses import heads_loss
from train.model import build_model, split_heads
from train.recipe import Optimiser, Recipe, Schedule
from train.schedule import make_optimiser, rate_factor

RECIPE = Recipe(tasks=("mask", "gender", "age6"), backbone="test_resnet", image_size=32)


@pytest.mark.parametrize("backbone", ["test_resnet", "mobilenetv1_025", "test_vit"])
def test_classifier_is_as_wide_as_all_heads_and_learns(backbone: str) -> None:
    recipe = dataclasses.replace(RECIPE, backbone=backbone)
    logits = build_model(recipe)(torch.randn(2, 3, 32, 32))
    heads = split_heads(logits, recipe.tasks)
    assert {task: tuple(head.shape) for task, head in heads.items()} == {
        "mask": (2, 3),
        "gender": (2, 2),
        "age6": (2, 6),
    }
    logits.sum().backward()
    torch.testing.assert_close(torch.cat([*heads.values()], 1), logits)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_local_weights_fill_all_but_the_classifier(tmp_path: Path, suffix: str) -> None:
    donor = build_model(dataclasses.replace(RECIPE, tasks=("class18",)))
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(donor.state_dict(), path)
    else:
        torch.save(donor.state_dict(), path)
    model = build_model(dataclasses.replace(RECIPE, weights=str(path)))
    given, state = donor.state_dict(), model.state_dict()
    same = {
        name
        for name in state
        if state[name].shape == given[name].shape and torch.equal(state[name], given[name])
    }
    assert {*state} - same == {"fc.weight", "fc.bias"}


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(build_model(dataclasses.replace(RECIPE, backbone="mobilenetv1_025")).state_dict(), path)
    with pytest.raises(ValueError, match=r"other.safetensors' do not fit the backbone: \d+ of its tensors"):
        build_model(dataclasses.replace(RECIPE, weights=str(path)))
    with pytest.raises(ValueError, match=r"weights='.*nothing': no such file"):
        build_model(dataclasses.replace(RECIPE, weights=str(tmp_path / "nothing")))


def test_hub_weights_without_a_network_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"weights of 'resnet18' could not be had.*WEIGHTS=path/to/file"):
        build_model(Recipe(backbone="resnet18", pretrained=True))


def test_an_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'resnet17' is unknown: did you mean 'resnet1"):
        build_model(dataclasses.replace(RECIPE, backbone="resnet17"))


def test_loss_is_the_sum_of_mean_cross_entropies_of_the_labelled() -> None:
    logits = {"mask": torch.randn(4, 3), "gender": torch.randn(4, 2)}
    labels = {"mask": torch.tensor([0, 2, 1, 1]), "gender": torch.tensor([1, -1, 0, -1])}
    expected = cross_entropy(logits["mask"], labels["mask"]) + cross_entropy(
        logits["gender"][[0, 2]], labels["gender"][[0, 2]]
    )
    torch.testing.assert_close(heads_loss(logits, labels), expected)
    unlabelled = {"mask": torch.full((4,), -1), "gender": torch.full((4,), -1)}
    assert heads_loss(logits, unlabelled).item() == 0
    even = heads_loss({"mask": torch.zeros(5, 3)}, {"mask": torch.tensor([0, 1, 2, 0, 1])})
    assert even.item() == pytest.approx(math.log(3))


def test_rates_follow_their_formulas() -> None:
    cosine = Schedule(name="cosine")
    assert [rate_factor(cosine, step, 10, 4) for step in (0, 20, 40)] == pytest.approx([1, 0.5, 0])
    exponential = Schedule(name="exponential", gamma=0.995)
    assert rate_factor(exponential, 9, 10, 4) == 1
    assert rate_factor(exponential, 35, 10, 4) == pytest.approx(0.995**3)
    warm = Schedule(name="constant", warmup_epochs=0.5)
    assert [rate_factor(warm, step, 10, 4) for step in (0, 4, 30)] == pytest.approx([0.2, 1, 1])


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_optimisers_are_timms_and_do_not_decay_biases(name: str, kind: str) -> None:
    settings = Optimiser(name=name, lr=0.1, weight_decay=0.5)  # type: ignore[arg-type]
    optimiser = make_optimiser(build_model(RECIPE), settings)
    assert type(optimiser).__name__.lower().startswith(kind.lower())
    decays = {group["weight_decay"]: {p.ndim for p in group["params"]} for group in optimiser.param_groups}
    assert decays[0.0] == {1}
    assert decays[0.5] == {2, 4}
    if name == "sgd":
        assert optimiser.param_groups[0]["nesterov"]
