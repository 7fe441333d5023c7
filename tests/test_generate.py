"""The generator learns from training people only, its samples follow the field, and scores tell copies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import train.generator_plan as planning
import train.generator_training as training
from faces.cache import Cache
from faces.labels import CLASS_COUNT
from pipeline.loader import Loader
from preprocess.verify import find_damage
from train.data import fold_rows
from train.generate import Settings, run
from train.generator import Generator, flow_loss, sample
from train.generator_cache import encode
from train.generator_design import GeneratorDesign
from train.generator_linear import LinearFlow, condition
from train.generator_plan import WEIGHTS, GeneratorPlan, load_generator, noise
from train.generator_scores import copied, frechet_distance, kernel_distance, nearest, recognition, rivals
from train.generator_sheet import to_pixels
from train.generator_training import train_generator

DESIGN = GeneratorDesign(
    image_size=16, widths=(8, 32), blocks=(1, 1), components=8, embedding=16, photos=64, batch_size=8, seed=3
)


@pytest.fixture(autouse=True)
def no_sheets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sheets on the way cost more than a training this small."""
    monkeypatch.setattr(training, "_PROGRESS_SHEETS", 1)


def plan_of(cache: Cache, folder: Path, design: GeneratorDesign = DESIGN) -> GeneratorPlan:
    division = {"fold": 1, "folds": 2, "fold_seed": 0, "scheme": "person"}
    return GeneratorPlan(design=design, cache=cache, rows=np.arange(40), division=division, folder=folder)


def settings_of(cache: Cache, folder: Path, **changed: Any) -> Settings:
    shared: dict[str, Any] = {"fold": 1, "folds": 2, "out": folder / "generator", "steps": 2, "photos": 3}
    return Settings(cache=cache.folder, design=DESIGN, **{**shared, **changed})


def test_the_18_classes_are_told_as_mask_gender_and_band() -> None:
    told = condition(torch.arange(CLASS_COUNT))
    assert told[10].tolist() == [2, 2, 2]
    assert len({tuple(row) for row in told.tolist()}) == CLASS_COUNT
    assert told.min() == 1


def labelled_crops(count: int, deviation: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey crops that get lighter with mask, gender and band, each of two directions of its own beside."""
    random = torch.Generator().manual_seed(0)
    classes = torch.arange(count) % CLASS_COUNT
    grey = 0.1 * (classes // 6) + 0.05 * (classes // 3 % 2) - 0.02 * (classes % 3)
    crops = grey[:, None, None, None].repeat(1, 3, 4, 4)
    crops[:, :, 0] += deviation * torch.randn(count, 1, 1, generator=random)
    crops[:, :, 3] += 2 * deviation * torch.randn(count, 1, 1, generator=random)
    return crops, classes


def test_the_closed_form_finds_the_effect_of_each_label_and_takes_the_untold_for_the_average() -> None:
    crops, classes = labelled_crops(360, 1e-5)
    flow = LinearFlow(4, 3)
    flow.fit(crops, classes, seed=0)
    noise, told = torch.zeros(360, 3, 4, 4), condition(classes)
    # From noise the velocity is mean - noise.
    velocity, crop = flow(noise, torch.zeros(360), told)
    assert torch.allclose(velocity, crops, atol=1e-4) and torch.allclose(crop, crops, atol=1e-4)
    for told_factors in ([0, 1], [0, 2], [0]):
        partly = torch.zeros_like(told)
        partly[:, told_factors] = told[:, told_factors]
        average = sum((0.1, 0.05, -0.02)[k] * (told[:, k] - 1 - (1, 0.5, 1)[k]) for k in told_factors)
        expected = crops.mean() + average
        found, _ = flow(noise, torch.zeros(360), partly)
        assert torch.allclose(found.mean((1, 2, 3)), torch.as_tensor(expected).expand(360), atol=1e-4)


def test_the_closed_form_turns_noise_into_crops_of_the_right_variance() -> None:
    crops, classes = labelled_crops(1800, 0.1)
    flow = LinearFlow(4, 2)
    flow.fit(crops, classes, seed=0)
    rows = flow.levels.sort(1).values / 12  # 12 values move together, 3 colours of 4 pixels
    assert rows.flatten().tolist() == pytest.approx([0.1**2, 0.2**2] * 3, rel=0.15)

    start = torch.randn(1800, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    made = sample(lambda *at: flow(*at)[0], classes, start, steps=40, guidance=1.0, leap=0.98)
    left = made - labelled_crops(1800, 0.0)[0]
    assert left.mean().item() == pytest.approx(0, abs=0.01)
    assert left[:, :, 0].mean((1, 2)).std().item() == pytest.approx(0.1, rel=0.1)
    assert left[:, :, 3].mean((1, 2)).std().item() == pytest.approx(0.2, rel=0.1)
    assert left[:, :, 1:3].std().item() < 0.02


def test_an_untrained_generator_is_the_closed_form() -> None:
    generator = Generator(DESIGN)
    generator.linear.fit(torch.rand(50, 3, 16, 16) * 2 - 1, torch.arange(50) % CLASS_COUNT, seed=0)
    points, time, told = torch.randn(3, 3, 16, 16), torch.tensor([0.0, 0.4, 0.9]), condition(torch.arange(3))
    assert torch.equal(generator(points, time, told), generator.closed_form(points, time, told))


def test_gender_and_age_are_left_untold_as_often_as_asked() -> None:
    seen: list[torch.Tensor] = []

    def field(images: torch.Tensor, time: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        seen.append(told)
        return images

    crops, classes = torch.zeros(2000, 3, 2, 2), torch.full((2000,), 10)
    flow_loss(field, crops, classes, label_dropout=0.25, random=torch.Generator().manual_seed(0))
    dropped = (seen[0] == torch.tensor([2, 0, 0])).all(1)
    assert float(dropped.float().mean()) == pytest.approx(0.25, abs=0.03)
    assert (seen[0][~dropped] == torch.tensor([2, 2, 2])).all()


@pytest.mark.parametrize("steps", [2, 7])
def test_a_field_that_points_to_one_crop_ends_there(steps: int) -> None:
    goal = torch.linspace(-0.9, 0.9, 48).reshape(1, 3, 4, 4)

    def field(images: torch.Tensor, time: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        return (goal - images) / (1 - time)[:, None, None, None]

    start = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    end = sample(field, torch.zeros(5, dtype=torch.int64), start, steps=steps, guidance=1.0)
    assert torch.allclose(end, goal.expand_as(end), atol=1e-5)


def test_guidance_moves_on_from_what_is_said_without_labels() -> None:
    def field(images: torch.Tensor, time: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        return torch.where(told[:, 2] > 0, 0.3, 0.1)[:, None, None, None].expand_as(images)

    start, classes = torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64)
    ends = [float(sample(field, classes, start, steps=4, guidance=g)[0, 0, 0, 0]) for g in (1.0, 2.0, 3.0)]
    assert ends == pytest.approx([0.3, 0.5, 0.7])


class Stopped(Exception):
    """What a test interrupts a training with."""


def test_training_cut_in_its_middle_goes_on_to_the_same_bits(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = plan_of(coloured, tmp_path / "whole"), plan_of(coloured, tmp_path / "cut")
    train_generator(whole)
    monkeypatch.setattr(training, "_SAVE_MINUTES", 0.0)
    told: list[int] = []

    def stop_in_the_middle(photos: int, loss: float) -> None:
        told.append(photos)
        if sum(told) == 40:  # the fourth of the five steps made is saved
            raise Stopped

    with pytest.raises(Stopped):
        train_generator(cut, stop_in_the_middle)
    assert not (cut.folder / WEIGHTS).exists()
    resumed: list[int] = []
    train_generator(cut, lambda photos, loss: resumed.append(photos))
    assert resumed[0] == 32 and sum(resumed) == DESIGN.photos
    names = (WEIGHTS, training.LOSSES)
    assert all((cut.folder / n).read_bytes() == (whole.folder / n).read_bytes() for n in names)


def test_training_learns_draws_on_the_way_and_keeps_the_mean_of_the_weights(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_PROGRESS_SHEETS", 2)
    plan = plan_of(coloured, tmp_path / "g", GeneratorDesign(**{**vars(DESIGN), "photos": 320}))
    train_generator(plan)
    assert (plan.folder / training.SHEET).is_file()
    losses = pd.read_csv(plan.folder / training.LOSSES)
    assert losses.photos.tolist() == [200, 320]
    assert losses.loss.iloc[-1] < 0.9 * losses.loss.iloc[0]
    kept = load_generator(plan).state_dict()
    last = training.load_state(plan.folder / training.STATE)
    assert last is not None
    assert all(torch.equal(kept[name], last["average"][name]) for name in kept)
    assert not torch.equal(kept["entry.weight"], last["network"]["entry.weight"])


def test_another_design_is_refused_in_the_same_folder(coloured: Cache, tmp_path: Path) -> None:
    train_generator(plan_of(coloured, tmp_path / "g"))
    other = GeneratorDesign(**{**vars(DESIGN), "photos": 72})
    with pytest.raises(ValueError, match=r"design\.photos: 64 there, 72 now"):
        train_generator(plan_of(coloured, tmp_path / "g", other))


def test_a_samples_noise_is_its_own_whatever_is_drawn_with_it(coloured: Cache, tmp_path: Path) -> None:
    plan = plan_of(coloured, tmp_path)
    many = noise(plan, range(10, 14))
    assert torch.equal(many[2:], noise(plan, range(12, 14)))
    assert len({float(image.sum()) for image in many}) == 4


def test_only_training_people_are_shown_and_a_finished_command_does_not_train_again(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[np.ndarray] = []

    class Watched(Loader):
        def __init__(self, cache: Cache, rows: Any, **options: Any) -> None:
            shown.append(np.asarray(rows))
            super().__init__(cache, rows, **options)

    for module in (training, planning):
        monkeypatch.setattr(module, "Loader", Watched)
    wanted = settings_of(coloured, tmp_path)
    run(wanted)
    rows = fold_rows(coloured, ["class18"], fold=1, folds=2, seed=0)
    assert all(set(part) == set(rows.training) for part in shown) and len(shown) == 2
    persons = coloured.index["person"]
    assert not {*persons[shown[0]]} & {*persons[rows.validation]}
    before = (wanted.folder / WEIGHTS).stat().st_mtime_ns
    run(wanted)
    assert len(shown) == 2 and (wanted.folder / WEIGHTS).stat().st_mtime_ns == before


def test_generated_crops_are_a_sound_cache_of_the_bands_asked_that_trains_in_its_fold_only(
    coloured: Cache, tmp_path: Path
) -> None:
    run(settings_of(coloured, tmp_path, synthetic=tmp_path / "synthetic", bands=(">=60", "<30")))
    made = Cache.open(tmp_path / "synthetic")
    assert [*find_damage(made.folder)] == []
    assert made.description["settings"] == coloured.description["settings"]
    counts = np.bincount(made.labels("class18"), minlength=CLASS_COUNT)
    assert counts.reshape(6, 3).tolist() == [[3, 0, 3]] * 6
    index = made.index
    assert {*index.age} <= {25.0, 65.0}
    assert (index.extra == "fold1").all() and (index.status == "synthetic").all()
    assert index.person.is_unique and index.person.str.startswith("synthetic-fold1-").all()
    assert not {*index.person} & {*coloured.index.person}
    assert len({made.image(row).tobytes() for row in range(len(made))}) == len(made)


@pytest.mark.parametrize(
    "settings", [{"codec": "raw"}, {"codec": "jpeg"}, {"codec": "png", "background": "alpha"}]
)
def test_a_crop_is_stored_enlarged_in_the_caches_codec(settings: dict[str, Any], tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, 8:] = 200
    data = encode(pixels, {**settings, "size": 48})
    if settings["codec"] == "raw":
        stored = np.frombuffer(data, np.uint8).reshape(48, 48, 3)
    else:
        (tmp_path / "crop").write_bytes(data)
        stored = np.asarray(Image.open(tmp_path / "crop"))
    assert abs(stored[:, :16, :3].astype(int) - 0).max() <= 4
    assert abs(stored[:, 32:, :3].astype(int) - 200).max() <= 4
    assert stored.shape == (48, 48, 4 if "background" in settings else 3)
    assert settings.get("background") is None or (stored[..., 3] == 255).all()


def test_pixels_are_rounded_to_the_nearest_level() -> None:
    levels = torch.arange(256) / 127.5 - 1
    images = (levels + 0.4 / 127.5).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert to_pixels(images)[0, ..., 1].ravel().tolist() == list(range(256))


def test_the_frechet_distance_of_shifted_and_stretched_features_is_known() -> None:
    a = np.random.default_rng(0).normal(size=(200, 5))
    a -= a.mean(0)
    shift = np.array([1.0, -2.0, 0.0, 0.5, 0.0])
    assert frechet_distance(a, a + shift) == pytest.approx(shift @ shift)
    variance = float(np.trace(np.cov(a.T)))
    assert frechet_distance(a, 3 * a) == pytest.approx((3 - 1) ** 2 * variance)


def test_the_kernel_distance_is_that_of_the_mean_for_a_known_shift_and_zero_for_one_distribution() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 400, 8))
    same, spread = kernel_distance(a, b, seed=0)
    assert abs(same) < 3 * spread / 2
    # Constant features x and y: k(x, x) + k(y, y) - 2 k(x, y) without any noise.
    x, y = np.zeros((9, 4)), np.full((9, 4), 2.0)
    assert kernel_distance(x, y, seed=0) == pytest.approx((1 + 5**3 - 2 * 1, 0.0))


def test_samples_equal_to_training_crops_count_as_copies_and_new_people_rarely() -> None:
    rng = np.random.default_rng(0)
    known, held, new = rng.normal(size=(3, 300, 12))
    far = nearest(held, known)
    copies = nearest(known[[7, 3]] * 1.01, known)
    assert copies.place.tolist() == [7, 3] and copied(copies, far).all()
    assert copied(nearest(new, known), far).mean() < 0.12
    assert copied(far, far).mean() == pytest.approx(0.05)


def test_recognition_counts_each_factor_and_the_old_by_themselves() -> None:
    asked, judged = np.array([2, 2, 4, 17]), np.array([2, 1, 4, 11])
    shares = recognition(asked, judged)
    assert shares == {"mask": 0.75, "gender": 1.0, "age": 0.75, "class": 0.5, ">=60 recognised": 2 / 3}


def test_rivals_keep_the_colours_and_lose_the_rest() -> None:
    crops = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.4
    made = rivals(crops, seed=0)
    for images in made.values():
        assert torch.allclose(images.mean((0, 2, 3)), crops.mean((0, 2, 3)), atol=0.02)
    assert made["blurred"].std() < 0.3 * crops.std()


def test_a_judge_of_another_fold_is_refused(
    coloured: Cache, tmp_path: Path, study_run: Callable[[int], Path]
) -> None:
    with pytest.raises(ValueError, match="has seen the people held out here"):
        run(settings_of(coloured, tmp_path, judge=study_run(0)))


def test_samples_are_scored_by_a_judge_of_the_same_fold(
    coloured: Cache, tmp_path: Path, study_run: Callable[[int], Path]
) -> None:
    wanted = settings_of(coloured, tmp_path, judge=study_run(1))
    run(wanted)
    scores = pd.read_json(wanted.folder / "scores.json", typ="series")
    distances = scores["distance to held-out"]
    assert {*distances} == {"samples", "closed form", "training", "noise", "blurred"}
    assert distances["training"]["kid"] < distances["noise"]["kid"]
    assert {*scores["recognised"]} == {"samples", "closed form", "held-out"}
    assert (wanted.folder / "neighbours.png").is_file() and (wanted.folder / "samples.png").is_file()


@pytest.fixture
def study_run(coloured: Cache, tmp_path: Path) -> Callable[[int], Path]:
    """An untrained run of a fold of the coloured cache, as a judge."""
    from train.checkpoint import RunCard, save_best
    from train.model import build_model, normalisation
    from train.recipe import Recipe

    def make(fold: int) -> Path:
        torch.manual_seed(0)
        recipe = Recipe(backbone="test_resnet", image_size=32, precision="fp32")
        network = build_model(recipe)
        card = RunCard(
            recipe=recipe,
            normalisation=normalisation(network),
            classes={},
            fold=fold,
            folds=2,
            fold_seed=0,
            scheme="person",
            epoch=0,
            score=0.0,
            crop=coloured.description["settings"],
            prior=(1 / CLASS_COUNT,) * CLASS_COUNT,
        )
        save_best(network, card, tmp_path / "best.safetensors")
        return tmp_path / "best.safetensors"

    return make


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"image_size": 18}, "multiple of 4"),
        ({"widths": (8, 24)}, "the last one of 32"),
        ({"blocks": (1,)}, "for each of 2 widths"),
        ({"photos": 4}, "at least one batch"),
        ({"label_dropout": 1.0}, r"in \[0, 1\)"),
    ],
)
def test_designs_that_cannot_be_built_are_refused(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        GeneratorDesign(**{**vars(DESIGN), **changed})
