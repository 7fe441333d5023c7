"""The bytes of a crop, made from a photo and its face."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from faces.cache.schema import Codec
from faces.framing.face import Face
from faces.framing.square import Square, centre_square, face_square, whole_square
from preprocess.crop.cut import cut, soften
from preprocess.crop.matte import Matting
from preprocess.crop.square import aligned_square, true_share
from preprocess.settings import Background, PreprocessSettings
from preprocess.sources.photo import Pixels

Alpha = NDArray[np.uint8]
"""uint8 [height, width], 0 background to 255 person."""
COLOURS: dict[Background, int] = {"white": 255, "grey": 128}
BLUR_DETAIL = 16
"""Detail of `soften` for a blurred background: a standard deviation of an eighth of the crop."""
SHARPEN_RADIUS, SHARPEN_THRESHOLD = 2, 2
"""Radius in pixels, and grey levels below which a difference is taken for noise."""
PNG_LEVEL = 3
"""zlib's: 6 takes 2.4 times the time for 8 % fewer bytes, which are 0.35 of raw's (100 portraits)."""


@dataclass(frozen=True)
class Rendered:
    """A crop to store, and where it was cut."""

    data: bytes
    crop_box: tuple[float, float, float, float]
    """Left, top, right, bottom of the square in pixels of the photo, before it is turned."""
    crop_angle: float
    """Degrees by which that square is turned about its centre, clockwise as seen; 0 unless aligned, or a face
    lies turned in the photo."""
    true_pixels: float
    """How much of it shows the photo, 0 to 1, to four digits."""


class Renderer:
    """Makes crops as the settings say; may be called by several threads at once.

    Raises:
        ValueError: the matting model cannot be used (see `Matting`).
    """

    def __init__(self, settings: PreprocessSettings) -> None:
        self.settings = settings
        removed = settings.background != "keep"
        self._matting = Matting(settings.matting_model, settings.device) if removed else None

    def __call__(self, pixels: Pixels, face: Face | None) -> Rendered:
        """Cut, remove the background, sharpen, encode: the same bytes for the same photo and face.

        Args:
            pixels: the photo.
            face: in pixels of the photo; without one its middle is cut.
        """
        settings = self.settings
        square = self._square(pixels, face)
        crop = cut(pixels, square, settings.size, settings.border)
        alpha = self._alpha(self._matting, pixels, crop, square) if self._matting else None
        if alpha is not None:
            crop = paint_background(crop, alpha, settings.background)
        if settings.sharpen:
            crop = sharpen(crop, settings.sharpen)
        if alpha is not None and settings.background == "alpha":
            crop = cut_out(crop, alpha)
        data = encode(crop, settings.codec, settings.quality)
        true_pixels = round(true_share(square, *pixels.shape[:2]), 4)
        return Rendered(data, square.box, float(square.angle), true_pixels)

    def _square(self, pixels: Pixels, face: Face | None) -> Square:
        height, width = pixels.shape[:2]
        if self.settings.faces == "as_is":
            return whole_square(height, width)
        if face is None:
            return centre_square(height, width)
        if self.settings.align:
            return aligned_square(face.box, face.landmarks, self.settings.margin, face.turned)
        photo = (height, width) if self.settings.clamp else None
        return face_square(face.box, self.settings.margin, face.turned, photo)

    def _alpha(self, matting: Matting, pixels: Pixels, crop: Pixels, square: Square) -> Alpha:
        if self.settings.matte_on == "crop":
            alpha = matting(crop)
        else:
            alpha = cut(matting(pixels), square, self.settings.size, self.settings.border)
        # A crop in which nobody is found keeps its background: an empty picture would teach nothing.
        return alpha if alpha.any() else np.full_like(alpha, 255)


def paint_background(crop: Pixels, alpha: Alpha, background: Background) -> Pixels:
    """The person of a crop before another background.

    `mean` is the crop's mean colour weighted by 1 - alpha. `blur` is the blur of the background without the
    person: blur((1 - alpha) x crop) / blur(1 - alpha), which tends to the mean where no background is near
    (normalised convolution, Knutsson and Westin 1993).

    Args:
        crop: [size, size, 3].
        alpha: [size, size].
        background: `keep` and `alpha` change nothing.
    """
    if background in ("keep", "alpha") or alpha.min() == 255:
        return crop
    behind: NDArray[np.floating] | int
    if background in COLOURS:
        behind = COLOURS[background]
    else:
        share = (255 - alpha[..., None].astype(np.float32)) / 255
        mean = (share * crop).sum((0, 1)) / share.sum()
        behind = mean if background == "mean" else _blurred(crop, share, mean)
    opaque = alpha[..., None].astype(np.uint16)
    colour = np.rint(behind).astype(np.uint16)
    return ((crop * opaque + colour * (255 - opaque) + 127) // 255).astype(np.uint8)


def _blurred(crop: Pixels, share: NDArray[np.floating], mean: NDArray[np.floating]) -> NDArray[np.floating]:
    faint = 1e-3  # weight of the mean: nothing beside real background, all where there is none
    weight = soften(share[..., 0], BLUR_DETAIL)[..., None] + faint
    colour: NDArray[np.floating] = (soften(share * crop, BLUR_DETAIL) + faint * mean) / weight
    return colour.clip(0, 255)


def cut_out(crop: Pixels, alpha: Alpha) -> Pixels:
    """The crop with its mask as fourth channel: uint8 [size, size, 4], colour and alpha not multiplied.

    Where alpha is 0 the colour is 0 too: nobody sees it, and it would take most of a PNG's bytes.
    """
    return np.dstack([crop * (alpha[..., None] > 0), alpha])


def sharpen(crop: Pixels, strength: float) -> Pixels:
    """An unsharp mask of a radius of 2 pixels; strength 1 adds all of what a blur takes away."""
    mask = ImageFilter.UnsharpMask(SHARPEN_RADIUS, round(100 * strength), SHARPEN_THRESHOLD)
    return np.array(Image.fromarray(crop).filter(mask))


def encode(crop: Pixels, codec: Codec, quality: int) -> bytes:
    """The bytes of a crop: its uint8 HWC pixels, a PNG without metadata, or a JPEG with 4:2:0 chroma.

    JPEG at 4:4:4 would be 24 % larger and 33 % slower to decode for 2 dB, from photos whose own chroma is
    4:2:0.

    Args:
        crop: [size, size, 3] RGB, or [size, size, 4] RGBA, which a JPEG cannot hold.
        codec: the format.
        quality: of a JPEG, 1 to 100.
    """
    if codec == "raw":
        return crop.tobytes()
    buffer = io.BytesIO()
    if codec == "png":
        Image.fromarray(crop).save(buffer, "PNG", compress_level=PNG_LEVEL)
    else:
        Image.fromarray(crop).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()
