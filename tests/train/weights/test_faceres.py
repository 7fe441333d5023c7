"""The face network's graph and timm's mobilenetv1_100 made of it compute the same."""

import itertools
import json
from functools import cache

import numpy as np
import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional

from train.network.weights_file import State, WeightsError
from train.weights.faceres import BACKBONE, SOURCE, faceres_tensors

WIDTHS = [32, 64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
"""Channels of the stem, and of each block after it."""
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
MEAN_BGR = torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)


@cache
def graph() -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """Random tensors under the names of the graph, of a size that lets signals through."""
    draws, found = np.random.default_rng(0), {}

    def add(name: str, *shape: int, fan: float) -> None:
        found[name] = draws.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)

    add("conv1/convolution/merged_input", 3, 3, 3, WIDTHS[0], fan=27 * 70**2)
    add("conv1_bn/batchnorm_1/sub", WIDTHS[0], fan=4)
    for n, (before, after) in enumerate(itertools.pairwise(WIDTHS), 1):
        add(f"conv_dw_{n}/depthwise_kernel", 3, 3, before, 1, fan=9)
        found[f"conv_dw_{n}_bn/batchnorm_1/mul"] = draws.uniform(0.5, 1.5, before).astype(np.float32)
        add(f"conv_dw_{n}_bn/batchnorm_1/sub", before, fan=20)
        add(f"conv_pw_{n}/convolution/merged_input", 1, 1, before, after, fan=before)
        add(f"conv_pw_{n}_bn/batchnorm_1/sub", after, fan=20)
    for name, before, after in (("feats", 1024, 256), ("gender_pred", 256, 1), ("age_pred", 256, 100)):
        add(f"{name}/kernel", before, after, fan=before)
        add(f"{name}/bias", after, fan=20)
    return found


def packed(found: dict[str, np.ndarray]) -> dict[str, bytes]:  # type: ignore[type-arg]
    entries = [{"name": name, "shape": values.shape, "dtype": "float32"} for name, values in found.items()]
    manifest = json.dumps({"weightsManifest": [{"weights": entries}]}).encode()
    return {"a.json": manifest, "a.bin": b"".join(values.tobytes() for values in found.values())}


def as_published(images: Tensor) -> Tensor:
    """Features [n, 1024] of the graph for RGB in 0 to 255, by its own tensors, in float64. At the border it
    sees grey, as timm's does with an input of mean .5."""
    found = {name: torch.from_numpy(values).double() for name, values in graph().items()}

    def filters(name: str) -> Tensor:
        return found[name].permute(3, 2, 0, 1)

    def rest(name: str, maps: Tensor) -> Tensor:
        scale = found.get(f"{name}_bn/batchnorm_1/mul", torch.ones(1))
        return (maps * scale.view(-1, 1, 1) + found[f"{name}_bn/batchnorm_1/sub"].view(-1, 1, 1)).clamp(0, 6)

    maps = functional.pad(images.double() - 127.5, [1] * 4)[:, [2, 1, 0]] + 127.5 - MEAN_BGR
    maps = rest("conv1", functional.conv2d(maps, filters("conv1/convolution/merged_input"), stride=2))
    for n, stride in enumerate(STRIDES, 1):
        kernel = found[f"conv_dw_{n}/depthwise_kernel"].permute(2, 3, 0, 1)
        maps = functional.conv2d(maps, kernel, stride=stride, padding=1, groups=len(kernel))
        maps = rest(f"conv_dw_{n}", maps)
        maps = rest(f"conv_pw_{n}", functional.conv2d(maps, filters(f"conv_pw_{n}/convolution/merged_input")))
    return maps.mean((2, 3))


@pytest.fixture(scope="module")
def state() -> State:
    return faceres_tensors(packed(graph()), "mobilenetv1_100")


def test_timms_network_computes_what_the_graph_does(state: State) -> None:
    network = timm.create_model("mobilenetv1_100", num_classes=0).eval()
    inner = {n.removeprefix(BACKBONE): each for n, each in state.items() if n.startswith(BACKBONE)}
    assert not network.load_state_dict(inner, strict=False).unexpected_keys
    images = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network((images.float() / 255 - 0.5) / 0.5)
        wanted = as_published(images)
    assert wanted.std() > 0.05
    torch.testing.assert_close(features.double(), wanted, rtol=1e-3, atol=1e-4)


def test_heads_of_its_own_are_kept_as_layers_of_torch(state: State) -> None:
    features = np.linspace(-1, 1, 256, dtype=np.float32)
    for name, source in (("gender", "gender_pred"), ("age", "age_pred")):
        wanted = features @ graph()[f"{source}/kernel"] + graph()[f"{source}/bias"]
        own = functional.linear(
            torch.from_numpy(features), state[f"{SOURCE}{name}.weight"], state[f"{SOURCE}{name}.bias"]
        )
        np.testing.assert_allclose(own.numpy(), wanted, rtol=1e-4, atol=1e-5)
    assert state[f"{SOURCE}feats.weight"].shape == (256, 1024)


def test_the_same_graph_gives_the_same_bits_and_norms_without_statistics(state: State) -> None:
    again = faceres_tensors(packed(graph()), "mobilenetv1_100")
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in state.items())
    means = [tensor for name, tensor in state.items() if name.endswith("running_mean")]
    assert len(means) == 27 and all(not mean.any() for mean in means)


def test_bytes_that_do_not_fit_the_manifest_and_other_graphs_are_refused() -> None:
    files = packed(graph())
    with pytest.raises(WeightsError, match=r"a.bin: .* bytes, and its manifest tells of others"):
        faceres_tensors({**files, "a.bin": files["a.bin"][:-4]}, "mobilenetv1_100")
    with pytest.raises(
        WeightsError, match=r"a.json: not the graph of mobilenetv1_100 with its heads: 'age_pred"
    ):
        faceres_tensors(packed({n: v for n, v in graph().items() if "age" not in n}), "mobilenetv1_100")
    with pytest.raises(WeightsError, match=r"a.json: not the graph of mobilenetv1_125"):
        faceres_tensors(files, "mobilenetv1_125")
