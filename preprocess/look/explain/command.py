"""`python -m preprocess.look.explain --photo FILE`: what stage 1 makes of one photo, as a picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from faces.command import run_command
from preprocess.look.explain.picture import draw_photo
from preprocess.settings import Background, Border, Faces, MattingModel, PreprocessSettings, Step


@dataclass(frozen=True, kw_only=True)
class ExplainSettings:
    """Draw what stage 1 makes of one photo: the faces found and by which steps, which of them is taken and
    why, the crop's square, the crop, and its background removed. The settings are those of `python -m
    preprocess`.

    Example: make explain PHOTO=photo.jpg
    """

    photo: Path
    """The photo."""
    out: Path = Path("explain.png")
    """The picture to write."""
    faces: Faces = PreprocessSettings.faces
    """What is cropped: best, the face that the photo is about; all, every face; as_is, the square in the
    middle."""
    steps: tuple[Step, ...] = PreprocessSettings.steps
    """How a face is searched, one step after the other."""
    yunet: Path | None = None
    """OpenCV's model file face_detection_yunet_2023mar.onnx."""
    min_face: int = PreprocessSettings.min_face
    """Smallest face that the first step searches for, in pixels."""
    detect_size: int = PreprocessSettings.detect_size
    """Longest side, in pixels, of the copy in which faces are searched."""
    margin: float = PreprocessSettings.margin
    """Added on every side of the face box, in sides of the box."""
    clamp: bool = PreprocessSettings.clamp
    """Shift a crop that reaches beyond the photo into it, and shrink one that is larger."""
    align: bool = PreprocessSettings.align
    """Turn the face upright."""
    border: Border = PreprocessSettings.border
    """What a crop shows beyond the photo's edge."""
    sharpen: float = PreprocessSettings.sharpen
    """Strength of an unsharp mask."""
    background: Background = PreprocessSettings.background
    """What is behind the person."""
    matting_model: MattingModel = PreprocessSettings.matting_model
    """rembg's name of the matting model."""


def explain(settings: ExplainSettings) -> None:
    """Draw the picture, print what it says and where it is.

    Raises:
        ValueError: the photo, or a model, cannot be used.
    """
    shared = asdict(settings)
    photo, out = shared.pop("photo"), shared.pop("out")
    nowhere = {"data": photo.parent / "-", "cache": Path("-")}
    for line in draw_photo(photo, out, PreprocessSettings(**nowhere, codec="png", **shared)):
        print(line)
    print(f"wrote {out}")


def main() -> None:
    """The command line."""
    run_command(ExplainSettings, explain)
