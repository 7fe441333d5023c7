"""`python -m preprocess.look.explain --photo FILE`: what stage 1 makes of one photo, as a picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from faces.command import run_command
from preprocess.look.photo_picture import draw_photo
from preprocess.settings import Background, Border, MattingModel, PreprocessSettings


@dataclass(frozen=True, kw_only=True)
class ExplainSettings:
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


def explain(settings: ExplainSettings) -> None:
    """Draw the picture and print where it is.

    Raises:
        ValueError: the photo, or a model, cannot be used.
    """
    shared = asdict(settings)
    photo, out = shared.pop("photo"), shared.pop("out")
    nowhere = {"data": photo.parent / "-", "cache": Path("-")}
    draw_photo(photo, out, PreprocessSettings(**nowhere, codec="png", **shared))
    print(f"wrote {out}")


def main() -> None:
    """The command line."""
    run_command(ExplainSettings, explain)


if __name__ == "__main__":
    main()
