import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import one_hot

from faces.cache.reader import Cache
from faces.command import read_toml
from faces.labels import TASKS
from train.assemble import FoldPlan
from train.data.mixing import Mix, draw_mix, mix, mix_images, mix_targets, rare_photos
from train.data.soft_labels import class_rows
from train.engine.watch import Watch
from train.fold import train_fold
from train.look.command import LookRecipeSettings, look
from train.recipe.data import Age, Mixing
from train.recipe.network import Optimiser
from train.recipe.recipe import Recipe

pytestmark = pytest.mark.usefixtures("no_pictures")

A = torch.arange(16.0).reshape(1, 4, 4).repeat(3, 1, 1)
B = 100 + A
KEY = {"seed": 1, "epoch": 2, "step": 3}
KINDS = ("mixup", "cutmix", "half_face")
# A photo of a masked man of 25 and one of an unmasked woman of 65: every head, and one that is not A's.
PAIR = pd.DataFrame({"mask": [0, 2], "gender": [0, 1], "age": [25.0, 65.0]})
TARGETS = {name: torch.from_numpy(class_rows(task, PAIR, Age())) for name, task in TASKS.items()}


def by_hand(share: list[float], boxes: list[list[int]] | None) -> Mix:
    return Mix(
        partner=torch.tensor([1, 0]),
        share=torch.tensor(share),
        boxes=None if boxes is None else torch.tensor(boxes),
    )


def none_rare(n: int) -> np.ndarray:
    return np.zeros(n, bool)


def test_mixup_blends_two_photos() -> None:
    mixed = mix_images(torch.stack([A, B]), by_hand([0.75, 0.5], None))
    # 0.75 a + 0.25 (a + 100) = a + 25, and 0.5 (a + 100) + 0.5 a = a + 50
    torch.testing.assert_close(mixed, torch.stack([A + 25, A + 50]))


def test_cutmix_pastes_the_partners_box_at_its_place() -> None:
    mixed = mix_images(torch.stack([A, B]), by_hand([0.75, 0.5], [[1, 0, 3, 2], [0, 0, 2, 4]]))
    first = [[0, 101, 102, 3], [4, 105, 106, 7], [8, 9, 10, 11], [12, 13, 14, 15]]
    second = [[0, 1, 102, 103], [4, 5, 106, 107], [8, 9, 110, 111], [12, 13, 114, 115]]
    for channel in range(3):
        assert mixed[0, channel].tolist() == first
        assert mixed[1, channel].tolist() == second


@pytest.mark.parametrize(
    ("ratio", "first_row", "share"),
    [(0.5, [0, 1, 102, 103], 0.5), (0.25, [0, 101, 102, 103], 0.25), (0.05, [0, 101, 102, 103], 0.25)],
)
def test_half_faces_meet_at_the_same_column(ratio: float, first_row: list[int], share: float) -> None:
    mixing = Mixing(name="half_face", ratio=(ratio, ratio))
    images, labels = mix(torch.stack([A, B]), TARGETS, mixing, rare=none_rare(2), **KEY)
    cut = int(share * 4)
    assert images[0, 0, 0].tolist() == first_row
    assert torch.equal(images[0], torch.cat([A[..., :cut], B[..., cut:]], 2))
    assert torch.equal(images[1], torch.cat([B[..., :cut], A[..., cut:]], 2))
    assert labels["mask"].tolist() == [[share, 0, 1 - share], [1 - share, 0, share]]


def test_labels_of_every_head_are_shared_out() -> None:
    soft = mix_targets(TARGETS, by_hand([0.75, 0.5], None))
    expected = {
        "class18": {0: [0.75, 0.5], 17: [0.25, 0.5]},  # 0 * 6 + 0 * 3 + 0 and 2 * 6 + 1 * 3 + 2
        "mask": {0: [0.75, 0.5], 2: [0.25, 0.5]},
        "gender": {0: [0.75, 0.5], 1: [0.25, 0.5]},
        "age3": {0: [0.75, 0.5], 2: [0.25, 0.5]},
        "age6": {1: [0.75, 0.5], 5: [0.25, 0.5]},
        "mask_gender": {0: [0.75, 0.5], 5: [0.25, 0.5]},
        "senior": {1: [0.25, 0.5]},  # the man is too young to be this head's: his share is unknown
    }
    assert soft.keys() == expected.keys()
    for task, columns in expected.items():
        table = torch.zeros(2, len(TASKS[task].classes))
        for column, values in columns.items():
            table[:, column] = torch.tensor(values)
        assert torch.equal(soft[task], table), task


def test_unknown_labels_take_their_share_of_the_row_away() -> None:
    drawn = Mix(partner=torch.tensor([1, 2, 3, 0]), share=torch.full((4,), 0.7), boxes=None)
    hard = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]])
    soft = mix_targets({"mask": hard}, drawn)["mask"]
    expected = torch.tensor([[0.7, 0.3, 0], [0, 0.7, 0], [0, 0, 0], [0.3, 0, 0]])
    torch.testing.assert_close(soft, expected)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(KINDS),
    n=st.integers(1, 9),
    size=st.integers(2, 24),
    probability=st.floats(0.1, 1),
    alpha=st.floats(0.1, 4),
    ratio=st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)),
    rule=st.sampled_from(["any", "rare_age"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_share_is_that_of_the_pixels(
    name: str,
    n: int,
    size: int,
    probability: float,
    alpha: float,
    ratio: tuple[float, float],
    rule: str,
    seed: int,
) -> None:
    low, high = sorted(ratio)
    mixing = Mixing(name=name, probability=probability, alpha=alpha, ratio=(low, high), partner=rule)  # type: ignore[arg-type]
    rare = np.random.default_rng(seed).random(n) < 0.4
    drawn = draw_mix(mixing, rare, size, seed=seed, epoch=0, step=0)
    own, other = torch.ones(n, 3, size, size), torch.zeros(n, 3, size, size)
    for photo in range(n):
        images = other.clone()
        images[photo] = own[photo]
        mixed = mix_images(images, drawn)
        partner = int(drawn.partner[photo])
        expected = 1.0 if partner == photo else float(drawn.share[photo])
        assert float(mixed[photo].mean()) == pytest.approx(expected, abs=1e-6)
    alone = drawn.partner == torch.arange(n)
    assert torch.equal(drawn.share[alone], torch.ones(int(alone.sum())))
    classes = torch.from_numpy(np.random.default_rng(seed).integers(0, 18, n))
    rows = mix_targets({"class18": one_hot(classes, 18).float()}, drawn)["class18"]
    torch.testing.assert_close(rows.sum(1), torch.ones(n))
    assert torch.equal(rows[alone].argmax(1), classes[alone])


@settings(max_examples=100, deadline=None)
@given(rare=st.lists(st.booleans(), min_size=1, max_size=12), step=st.integers(0, 1000))
def test_partners(rare: list[bool], step: int) -> None:
    n, mask = len(rare), np.array(rare)
    places = np.arange(n)
    ring = draw_mix(Mixing(name="mixup"), mask, 8, seed=0, epoch=0, step=step).partner.numpy()
    assert sorted(ring) == [*range(n)]
    assert n == 1 or (ring != places).all()
    chosen = draw_mix(Mixing(name="mixup", partner="rare_age"), mask, 8, seed=0, epoch=0, step=step)
    partner = chosen.partner.numpy()
    if not any(rare):
        assert (partner == ring).all()
    else:
        assert mask[partner].all()
        assert ((partner == places) == (mask & (sum(rare) == 1))).all()


def test_every_rare_photo_is_somebodys_partner_in_time() -> None:
    mixing = Mixing(name="half_face", partner="rare_age")
    rare = np.array([True, False, True, False, True])
    pairs = {
        (photo, int(partner))
        for step in range(100)
        for photo, partner in enumerate(draw_mix(mixing, rare, 8, seed=0, epoch=0, step=step).partner)
    }
    assert pairs == {(photo, partner) for photo in range(5) for partner in (0, 2, 4) if photo != partner}


def test_shares_are_beta_distributed() -> None:
    n = 20_000
    for alpha in (0.2, 1.0, 3.0):
        share = draw_mix(Mixing(name="mixup", alpha=alpha), none_rare(n), 8, **KEY).share.double()
        variance = 1 / (4 * (2 * alpha + 1))
        assert float(share.mean()) == pytest.approx(0.5, abs=5 * math.sqrt(variance / n))
        assert float(share.var()) == pytest.approx(variance, rel=0.05)


def test_boxes_have_the_area_drawn_but_for_what_stands_out() -> None:
    """At a share of one half, the side is 64 sqrt(.5) = 45.25, halved to 22 pixels to each side."""
    boxes = draw_mix(Mixing(name="cutmix", alpha=1e7), none_rare(2000), 64, **KEY).boxes
    assert boxes is not None
    assert boxes.min() == 0 and boxes.max() == 64
    inside = ((boxes > 0) & (boxes < 64)).all(1)
    assert 0 < inside.sum() < 2000
    sides = boxes[:, 2:] - boxes[:, :2]
    assert set(sides[inside].flatten().tolist()) == {44}
    assert sides.max() == 44 and sides.min() == 22  # a centre in the corner leaves one half


@pytest.mark.parametrize("name", KINDS)
def test_each_photo_is_mixed_for_itself(name: str) -> None:
    n = 4000
    drawn = draw_mix(Mixing(name=name, probability=0.3, alpha=3.0), none_rare(n), 32, **KEY)  # type: ignore[arg-type]
    plain = drawn.partner == torch.arange(n)
    assert float((~plain).float().mean()) == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / n))
    few = slice(0, 40)
    images = torch.randn(n, 1, 32, 32)
    mixed = mix_images(images, drawn)
    assert torch.equal(mixed[plain], images[plain])
    assert not any(torch.equal(mixed[few][i], images[few][i]) for i in torch.nonzero(~plain[few]).flatten())


def test_cuts_are_spread_over_their_range() -> None:
    mixing = Mixing(name="half_face", ratio=(0.25, 0.75))
    boxes = draw_mix(mixing, none_rare(2000), 64, **KEY).boxes
    assert boxes is not None
    assert set(boxes[:, 0].tolist()) == {*range(16, 49)}
    assert torch.equal(boxes[:, 1:], torch.tensor([[0, 64, 64]]).expand(2000, 3))


@pytest.mark.parametrize("name", KINDS)
def test_draws_are_a_function_of_seed_epoch_step_and_rank(name: str) -> None:
    mixing = Mixing(name=name, probability=0.7, ratio=(0.2, 0.8))  # type: ignore[arg-type]
    keys = [{**KEY, "rank": 0}] + [
        {**KEY, "rank": 0, field: 9} for field in ("seed", "epoch", "step", "rank")
    ]
    before = torch.get_rng_state()
    images = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    results = [mix(images, {}, mixing, rare=none_rare(16), **key)[0] for key in keys * 2]
    for number, key in enumerate(keys):
        assert torch.equal(results[number], results[number + len(keys)]), key
    assert len({result.numpy().tobytes() for result in results}) == len(keys)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_mixing_the_batch_is_the_very_same() -> None:
    images = torch.stack([A, B])
    same = mix(images, TARGETS, Mixing(), rare=none_rare(2), **KEY)
    assert same[0] is images
    assert same[1] is TARGETS


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_type_and_memory_format_stay(name: str, kind: torch.dtype, layout: torch.memory_format) -> None:
    images = torch.randn(6, 3, 8, 8, dtype=kind).to(memory_format=layout)
    before = images.clone()
    mixed, _ = mix(images, {}, Mixing(name=name), rare=none_rare(6), **KEY)  # type: ignore[arg-type]
    assert mixed.dtype == kind
    assert mixed.is_contiguous(memory_format=layout)
    assert torch.equal(images, before)


def test_the_rare_band_is_that_of_the_training_rows(coloured: Cache, unseen: Cache) -> None:
    bands = coloured.labels("age3")
    every = np.arange(len(coloured))
    assert (rare_photos(coloured, every, ("mask",)) == (bands == 2)).all()  # all as many: the oldest
    fewer_young = np.concatenate([every[bands == 0][:5], every[bands != 0]])
    assert (rare_photos(coloured, fewer_young, ("mask",)) == (bands == 0)).all()
    assert (rare_photos(coloured, every[bands == 1], ("mask",)) == (bands == 1)).all()
    assert not rare_photos(unseen, np.arange(len(unseen)), ("mask",)).any()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("probability = 0.0", r"probability=0.0: must be in \(0, 1\]; name = .none. turns mixing off"),
        ("alpha = 0.0", r"alpha=0.0: must be above 0"),
        ("ratio = [0.6, 0.4]", r"ratio=0.6, 0.4: need two fractions 0 < low <= high < 1"),
        ('name = "half-face"', r"half_face"),
        ("ratios = [0.4, 0.6]", r"unknown setting 'mixing.ratios': did you mean 'ratio'"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, setting: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"[mixing]\n{setting}\n")
    with pytest.raises(ValueError, match=message):
        read_toml(Recipe, path)


def test_a_recipe_with_mixing_is_read(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[mixing]\nname = "half_face"\nratio = [0.4, 0.6]\npartner = "rare_age"\n')
    assert read_toml(Recipe, path).mixing == Mixing(name="half_face", ratio=(0.4, 0.6), partner="rare_age")


@pytest.mark.slow
@pytest.mark.parametrize(
    "mixing",
    [
        Mixing(name="mixup", alpha=0.4),
        Mixing(name="cutmix", probability=0.5),
        Mixing(name="half_face", ratio=(0.4, 0.6), partner="rare_age"),
    ],
    ids=KINDS,
)
def test_trains_on_mixed_photos_and_knows_whole_ones(coloured: Cache, tmp_path: Path, mixing: Mixing) -> None:
    recipe = Recipe(
        tasks=("mask", "senior"),
        backbone="test_resnet",
        image_size=32,
        augment="none",
        epochs=15,
        batch_size=16,
        precision="fp32",
        optimiser=Optimiser(name="adamw", lr=4e-3),
    )
    rows = {}
    for name, kind in (("plain", Mixing()), ("mixed", mixing)):
        plan = FoldPlan(
            recipe=dataclasses.replace(recipe, mixing=kind, epochs=15 if name == "mixed" else 1),
            cache=coloured,
            fold=1,
            folds=3,
            fold_seed=0,
            folder=tmp_path / name,
            device="cpu",
            threads=1,
        )
        rows[name] = train_fold(plan, Watch())
    assert rows["mixed"]["mask_f1"] >= 0.9
    assert math.isfinite(rows["mixed"]["loss"])
    first = (tmp_path / "mixed" / "metrics.csv").read_text().splitlines()[1].split(",")[2]
    assert float(first) != rows["plain"]["loss"]


def test_a_picture_shows_photos_as_they_are_taught(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr("matplotlib.axes.Axes.set_title", lambda _, text, **__: titles.append(text))
    recipe = tmp_path / "halves.toml"
    recipe.write_text(
        'tasks = ["mask", "senior"]\nimage_size = 32\n[mixing]\nname = "half_face"\nratio = [0.25, 0.25]\n'
    )
    out = tmp_path / "new" / "look.png"
    look(LookRecipeSettings(recipe=recipe, cache=coloured.folder, out=out))
    assert out.with_name("look_mixed.png").read_bytes().startswith(b"\x89PNG")
    assert len(titles) == 24
    assert "mask: 0.75 wear, 0.25 normal" in {title.splitlines()[0] for title in titles}
    assert "senior: 0.75 >=60" in {title.splitlines()[1] for title in titles}
