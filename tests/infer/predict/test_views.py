"""Test-time views: what each shows of a photo, in pixels."""

from __future__ import annotations

import pytest
import torch

from infer.predict.views import VIEWS, black_of, count_of, flip, looks_of

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BLACK = black_of(MEAN, STD)


def levels(images: torch.Tensor) -> torch.Tensor:
    """Normalised images as grey levels, 0 to 255."""
    return 255 * (images * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1))


def photos(size: int = 40) -> torch.Tensor:
    pixels = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))
    normalised = (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    return normalised.contiguous(memory_format=torch.channels_last)


def shown(view: str, images: torch.Tensor) -> list[torch.Tensor]:
    return [look(images, BLACK) for look in looks_of([view])]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", [16, 33, 40])
def test_views_keep_the_form_of_the_images_and_leave_them_alone(view: str, size: int) -> None:
    images = photos(size)
    kept = images.clone()
    looks = shown(view, images)
    assert len(looks) == count_of([view])
    for look in looks:
        assert look.shape == images.shape and look.dtype == torch.float32
        assert look.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, kept)


def test_flip_mirrors_left_and_right_and_twice_is_nothing() -> None:
    images = photos()
    assert torch.equal(flip(images, BLACK)[0, 1, 2, 0], images[0, 1, 2, -1])
    assert torch.equal(flip(flip(images, BLACK), BLACK), images)


@pytest.mark.parametrize("view", ["original", "flip", "crops", "scales"])
@pytest.mark.parametrize("size", [33, 40])
def test_moving_pixels_does_not_change_a_flat_image(view: str, size: int) -> None:
    flat = torch.tensor([0.3, -1.2, 2.0]).view(1, 3, 1, 1).expand(2, 3, size, size)
    for look in shown(view, flat):
        torch.testing.assert_close(look, flat.contiguous(), rtol=0, atol=1e-6)


def test_crops_show_the_four_corners_and_the_centre_enlarged() -> None:
    ramp = torch.arange(40.0).view(1, 1, 1, 40).expand(1, 3, 40, 40)
    across = [look[0, 0, 20, 20].item() for look in shown("crops", ramp)]
    down = [look[0, 0, 20, 20].item() for look in shown("crops", ramp.mT)]
    # Output pixel 20 looks at 20.5 * 0.9 - 0.5 = 17.95 of 36 pixels, which begin at 0, 2 or 4.
    assert across == pytest.approx([17.95, 21.95, 17.95, 21.95, 19.95], abs=1e-4)
    assert down == pytest.approx([17.95, 17.95, 21.95, 21.95, 19.95], abs=1e-4)


def test_scales_shrink_and_enlarge_about_the_middle() -> None:
    ramp = torch.arange(40.0).view(1, 1, 1, 40).expand(1, 3, 40, 40)
    small, large = shown("scales", ramp)
    slopes = [(look[0, 0, 20, 25] - look[0, 0, 20, 15]).item() / 10 for look in (small, large)]
    assert slopes == pytest.approx([40 / 36, 36 / 40], abs=1e-4)
    for look in (small, large):
        assert look[0, 0, 20, 19:21].mean().item() == pytest.approx(19.5, abs=1e-3)
    assert small[0, 0, 20, 0].item() == pytest.approx(small[0, 0, 20, 4].item())  # mirrored at its edge


def test_light_multiplies_grey_levels_exactly() -> None:
    images = photos()
    dark, bright = shown("light", images)
    torch.testing.assert_close(levels(dark), 0.9 * levels(images), rtol=0, atol=1e-3)
    torch.testing.assert_close(levels(bright), 1.1 * levels(images), rtol=0, atol=1e-3)
    torch.testing.assert_close(shown("light", BLACK.expand(1, 3, 16, 16))[1], BLACK.expand(1, 3, 16, 16))


def test_views_together_cost_the_sum_of_their_images() -> None:
    assert [count_of([view]) for view in ("original", "flip", "crops", "scales", "light")] == [1, 1, 5, 2, 2]
    assert count_of(("original", "crops")) == 6


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (["original", "flipp"], "'flipp': did you mean 'flip'"),
        (["mirror"], "known are original, flip, crops, scales, light"),
        ([], "at least one, each once"),
        (["flip", "flip"], "at least one, each once"),
    ],
)
def test_views_that_cannot_be(views: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count_of(views)
