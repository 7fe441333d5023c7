"""What every augmentation owes, whichever are registered: a new file is tested here by itself."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.augment import POLICIES, REGISTERED, Policy
from pipeline.definition import Augmentation, Draws, Numbers
from pipeline.draws import draw
from tests.helpers.graphs import COUNT, EXAMPLES, SOURCE, cutouts, graph_of, photos, reference

BY_NAME = {augmentation.name: augmentation for augmentation in REGISTERED}
every = pytest.mark.parametrize("augmentation", REGISTERED, ids=BY_NAME)


def numbers() -> Numbers:
    return Numbers(2, epoch=0, seed=0)


def at(draws: Draws, place: int) -> Draws:
    return draws.at(np.array([place]))


def test_names_places_settings_and_draws_are_each_of_one_augmentation() -> None:
    names = [augmentation.name for augmentation in REGISTERED]
    places = [augmentation.place for augmentation in REGISTERED]
    fields = [field.name for a in REGISTERED for field in dataclasses.fields(a.settings)]
    drawn = [name for a in REGISTERED for name in a.draw(Policy(), numbers())]
    for things in (names, places, fields, drawn):
        assert len(things) == len(set(things)), sorted(things)
    assert [field.name for field in dataclasses.fields(Policy)] == fields


@every
def test_every_setting_has_a_range(augmentation: Augmentation[Any]) -> None:
    for field in dataclasses.fields(augmentation.settings):
        assert "check" in field.metadata, field.name


@every
def test_off_it_has_no_operator_and_changes_nothing(augmentation: Augmentation[Any]) -> None:
    """Cut-out people must have some background, so nothing of that one is off for them."""
    graph, draws = graph_of(Policy(), SOURCE), draw(Policy(), COUNT, epoch=0, seed=0)
    assert not augmentation.acts(Policy(), graph)
    assert graph.steps == graph.colours == () and graph.parameters(draws) == {}
    if augmentation.name != "background":
        for i, photo in enumerate(photos()):
            found = augmentation.reference(photo, draws.at(np.array([i])), Policy(), graph)
            np.testing.assert_allclose(found, photo, atol=1e-3)


@every
def test_its_examples_change_photos(augmentation: Augmentation[Any]) -> None:
    assert augmentation.examples
    for name in augmentation.examples:
        policy, channels = EXAMPLES[name], 4 if name == "background" else 3
        graph = graph_of(policy, SOURCE, channels=channels)
        assert augmentation.acts(policy, graph) and augmentation in (*graph.steps, *graph.colours)
        draws, plain = draw(policy, COUNT, epoch=1, seed=3), draw(Policy(), COUNT, epoch=1, seed=3)
        images = photos() if channels == 3 else cutouts()
        for i, image in enumerate(images):
            images[i] = reference(graph, image, at(draws, i)) - reference(graph, image, at(plain, i)).astype(
                float
            )
        assert np.abs(images).mean() > 0.5, name


@pytest.mark.parametrize("name", EXAMPLES)
def test_turning_one_on_leaves_the_draws_of_all_others(name: str) -> None:
    [own] = [augmentation for augmentation in REGISTERED if name in augmentation.examples]
    plain = draw(POLICIES["strong"], 100, epoch=1, seed=2)
    changed = dataclasses.replace(POLICIES["strong"], **own.examples[name])
    found = draw(changed, 100, epoch=1, seed=2)
    for drawn in plain.arrays.keys() - own.draw(changed, numbers()).keys():
        np.testing.assert_array_equal(found[drawn], plain[drawn], drawn)


@pytest.mark.parametrize("name", EXAMPLES | POLICIES)
@given(start=st.integers(0, 50).map(lambda half: 2 * half), n=st.integers(1, 30))
@settings(max_examples=10, deadline=None)
def test_any_stretch_of_an_epoch_is_drawn_as_in_the_whole(name: str, start: int, n: int) -> None:
    policy = (EXAMPLES | POLICIES)[name]
    whole = draw(policy, 140, epoch=3, seed=4).at(np.arange(start, start + n))
    part = draw(policy, n, epoch=3, seed=4, start=start)
    for drawn in part.arrays:
        np.testing.assert_array_equal(part[drawn], whole[drawn])


def test_recipes_read_policies_without_dali_and_opencv() -> None:
    code = "import sys, pipeline.augment; print({'nvidia', 'cv2', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_solarising_inverts_bright_grey_levels() -> None:
    policy = Policy(solarise=1.0)
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    [solarise] = graph_of(policy).steps
    found = solarise.reference(levels, draw(policy, 1, epoch=0, seed=0), policy, graph_of(policy))
    assert found[..., 0].ravel().tolist() == [*range(128), *range(127, -1, -1)]
    drawn = draw(Policy(solarise=0.3), 20_000, epoch=0, seed=0)["solarised"]
    assert abs(drawn.mean() - 0.3) < 0.02
