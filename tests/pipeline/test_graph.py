"""How graphs are made: which operators each policy has, on which device, and what they refuse."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
import torch
from nvidia.dali import Pipeline, pipeline_def

from pipeline.augment import POLICIES, Policy
from pipeline.augmentations.auto import AUTO_OPERATIONS
from pipeline.draws import draw
from pipeline.engine import define
from pipeline.graph import Graph
from tests.helpers.graphs import (
    COUNT,
    EXAMPLES,
    cutouts,
    encoded,
    graph_of,
    photos,
    slow_where_long,
    tensors,
)

KINDS = [("jpeg", 3), ("png", 3), ("png", 4), ("raw", 3), ("raw", 4)]
"""Codec and channels of every sort of cache."""
NAMED = POLICIES | {"blurred": Policy(blur=0.5, grey=0.5)}
EVERY = NAMED | EXAMPLES
PLUMBING = {"ExternalSource", "Constant", "Split", "Merge", "ArithmeticGenericOp", "TensorSubscript", "Cast"}
"""Operators that bring in, number or branch, and change no pixel."""


def defined(graph: Graph, device_id: int | None) -> tuple[Pipeline, Any]:
    """A pipeline of the graph, and the node of its images."""
    nodes: list[Any] = []

    @pipeline_def(batch_size=2, num_threads=1, device_id=device_id, enable_conditionals=graph.conditional)
    def make() -> Any:
        nodes[:] = define(graph, lambda: [])
        return tuple(nodes)

    pipeline: Pipeline = make()
    return pipeline, nodes[1]


def kind(operator: Any) -> str:
    """Its operator's name, without its number in the pipeline."""
    return re.sub(r"^_+|_\d+$", "", operator.name)


def behind(node: Any) -> list[Any]:
    """All operators that the node comes from."""
    found, left = {}, [node.source]
    while left:
        operator = left.pop()
        if operator.name not in found:
            found[operator.name] = operator
            left += [each.source for each in operator.inputs]
    return list(found.values())


def operators(graph: Graph) -> set[str]:
    """Names of the operators that the images on the CPU come from, but for the plumbing."""
    _, images = defined(graph, None)
    return {kind(operator) for operator in behind(images)} - PLUMBING


def readers_of_constants(images: Any) -> set[str]:
    """Names of the operators that are given a constant in the GPU's memory."""
    return {
        kind(operator)
        for operator in behind(images)
        for node in operator.inputs
        if kind(node.source) == "Constant" and node.device == "gpu"
    }


COLOUR = {"Compiled"}
WARP = {"WarpPerspective"}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (POLICIES["none"], set()),
        (POLICIES["light"], WARP),
        (POLICIES["strong"], WARP | {"Erase"}),
        (POLICIES["team_a"], WARP),
        (Policy(hue=10.0, grey=0.5), set()),
        (Policy(erase=0.1), {"Erase"}),
        (Policy(blur=0.1), {"GaussianBlur"}),
        (Policy(solarise=0.1), {"LookupTable"}),
        (Policy(background=1.0), set()),
    ],
)
def test_augmentation_of_no_strength_has_no_operator(policy: Policy, expected: set[str]) -> None:
    graph = graph_of(policy, 256)
    assert graph.in_one_pass == policy.moves_pixels
    # What warps also erases and changes colour, all in the one compiled operator.
    assert operators(graph) == (set() if graph.in_one_pass else expected) | COLOUR
    # Its compiled operators all have that name; the one that resizes is followed by a naming of axes.
    assert operators(graph_of(policy, 192)) - {"Reshape"} == operators(graph)
    # The second compiled operator pastes; both are called so.
    assert operators(graph_of(policy, 256, channels=4)) == expected | COLOUR | {"Reshape"}


def test_blurring_takes_an_operator_for_each_step() -> None:
    policy = dataclasses.replace(POLICIES["strong"], blur=0.5)
    assert operators(graph_of(policy, 256)) == WARP | {"GaussianBlur", "Erase"} | COLOUR


def test_automatic_policies_have_their_operations_and_nothing_else() -> None:
    found = operators(graph_of(POLICIES["trivialaugment"], 256))
    assert {"Rotate", "Shear", "Translation", "Equalize", "Saturation", "Brightness", "Filter"} < found
    assert not found & {"Erase", "GaussianBlur", "Resize"}
    assert len(AUTO_OPERATIONS) == 14


# A policy of DALI's own module defines hundreds of operators, whatever was decoded: one kind of it will do.
@pytest.mark.parametrize(
    ("policy", "codec", "channels"),
    [
        pytest.param(policy, codec, channels, id=f"{name}-{codec}-{channels}", marks=slow_where_long(name))
        for name, policy in EVERY.items()
        for codec, channels in (KINDS if policy.auto == "none" else KINDS[-1:])
    ],
)
def test_gpu_graph_is_defined_for_every_policy(policy: Policy, codec: str, channels: int) -> None:
    """Definition checks names, devices and arguments of every operator; building needs a GPU."""
    graph = graph_of(policy, codec=codec, channels=channels, device="gpu", centre=0.8)
    _, images = defined(graph, 0)
    assert images.device == "gpu"
    # Others would want the numbers on the CPU, and DALI would copy them back for every batch. What is split
    # among an automatic policy's operations are the kernels of sharpness, which its filter takes on the GPU.
    takes = {"ArithmeticGenericOp"} if policy.auto == "none" else {"ArithmeticGenericOp", "Split"}
    assert readers_of_constants(images) <= takes


@pytest.mark.parametrize("policy", [POLICIES["none"], POLICIES["strong"]], ids=["none", "strong"])
@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
@pytest.mark.parametrize("layout", ["nchw", "channels_last"])
def test_gpu_graph_is_defined_for_every_type_and_layout(policy: Policy, dtype: str, layout: str) -> None:
    _, images = defined(graph_of(policy, device="gpu", dtype=dtype, layout=layout), 0)
    assert images.device == "gpu"


def test_a_cut_of_the_middle_takes_its_numbers_as_arguments() -> None:
    graph = graph_of(POLICIES["none"], centre=0.875, device="gpu")  # 224 of 256, not resized
    _, images = defined(graph, 0)
    (cut,) = [operator for operator in behind(images) if kind(operator) == "Slice"]
    assert len(cut.inputs) == 1 and readers_of_constants(images) == set()


def test_jpegs_are_left_to_one_of_the_gpus_decoders() -> None:
    """Which of two decodes a crop would depend on its place in the batch."""
    _, images = defined(graph_of(POLICIES["none"], codec="jpeg", device="gpu"), 0)
    (decoder,) = [operator for operator in behind(images) if kind(operator) == "Image"]
    (load,) = re.findall(r"hw_decoder_load: ?(\S+)", str(decoder.spec))
    assert float(load) == 0


def test_augmentation_off_takes_no_input() -> None:
    everything = dataclasses.replace(
        POLICIES["strong"], auto="randaugment", blur=0.5, grey=0.5, background=1.0
    )
    draws = draw(everything, 1, epoch=0, seed=0)
    inputs = {
        name: set(graph_of(policy).parameters(draws))
        for name, policy in (NAMED | {"all": everything}).items()
    }
    assert inputs["none"] == set() and inputs["light"] == {"warp"}
    assert inputs["strong"] == {"warp", "colour", "erase_corner", "erase_extent"}
    assert inputs["team_a"] == {"warp", "colour"}
    assert inputs["blurred"] == {"blur_sigma", "blur_width", "colour"}
    assert inputs["randaugment"] == {"warp", "auto_operation", "auto_bin", "auto_negated"}
    assert set(graph_of(POLICIES["light"], channels=4).parameters(draws)) == {"warp", "background"}
    assert set(graph_of(POLICIES["none"], channels=4).parameters(draws)) == set()
    by_gpu = set(graph_of(POLICIES["team_a"], device="gpu").parameters(draws))
    assert by_gpu == {"warp", "brightness", "contrast", "saturation", "hue"}


@pytest.mark.gpu
@pytest.mark.parametrize(("codec", "channels"), KINDS)
@pytest.mark.parametrize("policy", EVERY.values(), ids=EVERY)
def test_gpu_graph_gives_the_pixels_of_the_cpu_graph(policy: Policy, codec: str, channels: int) -> None:
    images = photos() if channels == 3 else cutouts()
    if codec != "raw":
        images = [encoded(image, codec.upper()) for image in images]
    draws = draw(policy, COUNT, epoch=1, seed=3)
    graph = graph_of(policy, 160, codec=codec, channels=channels, centre=0.8)
    expected = tensors(graph, images, draws)
    for dtype in ("fp32", "fp16"):
        for layout, order in (("nchw", torch.contiguous_format), ("channels_last", torch.channels_last)):
            on_gpu = dataclasses.replace(graph, device="gpu", dtype=dtype, layout=layout)
            found = tensors(on_gpu, images, draws)
            assert found.is_cuda and found.is_contiguous(memory_format=order)
            assert found.dtype == (torch.float32 if dtype == "fp32" else torch.float16)
            # One grey level is 0.017 normalised units.
            assert float((found.float().cpu() - expected).abs().mean()) < 0.017


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 8}, "at least 16 pixels, got 8"),
        ({"std": (0.0, 1.0, 1.0)}, "positive stds"),
        ({"mean": (123.7, 116.3, 103.5)}, "0 to 1 units"),
        ({"device": "cuda"}, "device must be 'cpu' or 'gpu', got 'cuda'"),
        ({"dtype": "bf16"}, "dtype must be 'fp32' or 'fp16', got 'bf16'"),
        ({"layout": "nhwc"}, "layout must be 'nchw' or 'channels_last', got 'nhwc'"),
        ({"centre": 0.1}, r"centre must be in 0.25 to 1 .*, got 0.1"),
        ({"codec": "jpeg", "channels": 4}, "channels=4 and codec='jpeg': crops have 3, as png or raw also 4"),
        ({"channels": 1}, "channels=1"),
    ],
)
def test_bad_settings_are_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(graph_of(POLICIES["none"]), **change)
