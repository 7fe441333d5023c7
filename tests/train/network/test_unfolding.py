"""Folded batch norms get the statistics of what they see, and answer as before."""

import copy

import timm
import torch
from torch import Tensor, nn

from train.network.unfolding import unfold_norms


def folded() -> nn.Module:
    """test_resnet with norms that multiply and add, as folding leaves them."""
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=0)
    for norm in norms_of(network):
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.uniform_(norm.bias, -1, 1)
        nn.init.constant_(norm.running_var, 1 - norm.eps)  # type: ignore[arg-type]
    return network.eval()


def norms_of(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]


def batches() -> list[Tensor]:
    """Of unequal sizes and means."""
    return [torch.randn(n, 3, 32, 32) + at for at, n in enumerate((4, 5, 1))]


def test_answers_stay_and_statistics_are_those_of_all_photos_together() -> None:
    network, photos = folded(), batches()
    seen: dict[nn.Module, Tensor] = {}
    hooks = [
        norm.register_forward_pre_hook(lambda norm, inputs: seen.update({norm: inputs[0].double()}))
        for norm in norms_of(network)
    ]
    with torch.no_grad():
        before = network(torch.cat(photos))
    for hook in hooks:
        hook.remove()
    assert unfold_norms(network, photos) == 10
    with torch.no_grad():
        torch.testing.assert_close(network(torch.cat(photos)), before, rtol=1e-4, atol=1e-5)
    assert norms_of(network)
    for norm in norms_of(network):
        variance, mean = torch.var_mean(seen[norm], (0, 2, 3), correction=0)
        torch.testing.assert_close(norm.running_mean, mean.float(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.running_var, variance.float(), rtol=1e-4, atol=1e-6)


def test_in_training_it_answers_for_those_photos_as_in_evaluation() -> None:
    network, [photos, *_] = folded(), batches()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0
    with torch.no_grad():
        before, lost = network(photos), copy.deepcopy(network).train()(photos)
        unfold_norms(network, [photos])
        kept = network.train()(photos)
    torch.testing.assert_close(kept, before, rtol=1e-3, atol=1e-4)
    assert (lost - before).abs().max() > 0.1


def test_a_channel_that_never_changes_stays_what_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2)).eval()
    nn.init.zeros_(network[0].weight)
    unfold_norms(network, batches())
    with torch.no_grad():
        assert network(batches()[0]).abs().max() == 0
        assert network.train()(batches()[0]).isfinite().all()
