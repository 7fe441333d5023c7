"""`python -m preprocess.look.explain --photo FILE`: what stage 1 makes of one photo, as a picture."""

from __future__ import annotations

import io
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from faces.command import run_command
from preprocess.crop.matte import Background, MattingModel
from preprocess.crop.photo import BadPhoto, Pixels, read_photo
from preprocess.crop.render import Rendered, Renderer
from preprocess.crop.square import Border
from preprocess.detect.face import Face, reduce_photo
from preprocess.detect.search import Finder
from preprocess.settings import Settings as StageSettings
from preprocess.settings import Step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DETECTORS = {"mtcnn": "tab:green", "again": "tab:orange", "yunet": "tab:blue"}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Draw what stage 1 makes of one photo: the face of each step of the search, the crop's square, the crop,
    and its background removed. The settings are those of `python -m preprocess`."""

    photo: Path
    """The photo."""
    out: Path = Path("explain.png")
    """The picture to write."""
    yunet: Path | None = None
    """OpenCV's model file face_detection_yunet_2023mar.onnx."""
    min_face: int = 60
    """Smallest face that the first step searches for, in pixels."""
    margin: float = 0.25
    """Added on every side of the face box, in sides of the box."""
    align: bool = False
    """Turn the face upright."""
    border: Border = "repeat"
    """What a crop shows beyond the photo's edge."""
    sharpen: float = 0.0
    """Strength of an unsharp mask."""
    background: Background = "keep"
    """What is behind the person."""
    matting_model: MattingModel = "u2netp"
    """rembg's name of the matting model."""


def explain(settings: Settings) -> None:
    """Draw the picture.

    Raises:
        ValueError: the photo, or a model, cannot be used.
    """
    try:
        photo = read_photo(settings.photo)
    except BadPhoto as bad:
        raise ValueError(f"photo={settings.photo}: {bad.reason}") from bad
    shared = {f.name for f in fields(StageSettings)} & {f.name for f in fields(Settings)}
    stage = StageSettings(
        data=settings.photo.parent / "-",
        cache=Path("-"),
        codec="png",
        **{name: getattr(settings, name) for name in shared},
    )
    found = {step: _find(photo.pixels, replace(stage, steps=(step,))) for step in stage.steps}
    face = next((face for face in found.values() if face), None)
    plain = Renderer(replace(stage, background="keep"))(photo.pixels, face)
    crops = {"crop": plain}
    if stage.background != "keep":
        crops[f"background {stage.background}"] = Renderer(stage)(photo.pixels, face)
    _draw(settings.out, photo.pixels, found, plain, crops)
    print(f"wrote {settings.out}")


def _find(pixels: Pixels, stage: StageSettings) -> Face | None:
    searched = reduce_photo(pixels, stage.detect_size)
    [face] = Finder(stage)([searched])
    return face and face.scaled(pixels.shape[1] / searched.shape[1], pixels.shape[0] / searched.shape[0])


def _draw(
    out: Path, pixels: Pixels, found: dict[Step, Face | None], plain: Rendered, crops: dict[str, Rendered]
) -> None:
    from matplotlib.figure import Figure

    height, width = pixels.shape[:2]
    ratios = [width / height, width / height, *(1 for _ in crops)]
    figure = Figure(figsize=(4.2 * sum(ratios), 4.6), layout="constrained")
    axes = figure.subplots(1, len(ratios), width_ratios=ratios)
    axes[0].imshow(pixels)
    axes[0].set_title(f"photo, {width} x {height}")
    axes[1].imshow(pixels // 2 + 128)
    axes[1].set_title("faces found, and the square to cut")
    for step, face in found.items():
        if face:
            _draw_face(axes[1], face, DETECTORS[step], f"{face.detector} {face.score:.3f}")
    corners = _corners(plain)
    axes[1].plot(*np.vstack([corners, corners[:1]]).T, color="black", linewidth=1.5, linestyle="--")
    for place, (title, rendered) in zip(axes[2:], crops.items(), strict=True):
        crop = np.asarray(Image.open(io.BytesIO(rendered.data)))
        place.imshow(np.full_like(crop[..., :3], 255))
        place.imshow(crop)
        place.set_title(f"{title}, {crop.shape[1]} x {crop.shape[0]}")
    for place in axes:
        place.set_axis_off()
    figure.savefig(out, dpi=110)


def _draw_face(axes: Axes, face: Face, colour: str, label: str) -> None:
    left, top, right, bottom = face.box
    x, y = np.reshape(face.landmarks, (5, 2)).T
    axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=colour, label=label)
    axes.scatter(x, y, s=14, color=colour)
    axes.legend(loc="lower center", fontsize=8)


def _corners(rendered: Rendered) -> Any:
    """[4, 2] x, y of the square that was cut, in pixels of the photo: turned about its centre."""
    left, top, right, bottom = rendered.crop_box
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    turn = np.deg2rad(rendered.crop_angle)
    centre = corners.mean(0)
    # y points down, so this matrix turns clockwise as seen.
    rotation = np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
    return (corners - centre) @ rotation.T + centre


def main() -> None:
    """The command line."""
    run_command(Settings, explain)


if __name__ == "__main__":
    main()
