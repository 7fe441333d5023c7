"""Known answers: what each network must say of one picture, in the package scikit-image."""

from __future__ import annotations

import timm
import torch
from skimage import data
from torch import Tensor
from torch.nn import functional

from train.network.weights_file import State, WeightsError
from train.weights.faceres import BACKBONE, SOURCE
from train.weights.known import Known

_CAT = 285
"""Egyptian cat, among the classes of ImageNet."""
_PORTRAIT = (slice(0, 210), slice(120, 330))
"""The face, in the photo of the astronaut."""
_LEAST, _WOMAN, _YEARS = 0.5, 0.4, (28, 40)


def check_answer(known: Known, state: State) -> str:
    """What the network says of its known picture, in words.

    Args:
        known: whose weights they are.
        state: as written into the file.

    Raises:
        WeightsError: it says something else, so that the conversion or the package is not the one known.
    """
    right, words = _portrait(known, state) if known.name == "face" else _cat(known, state)
    if not right:
        raise WeightsError(
            f"weights={known.name!r}: {words}, and it should say: {known.answer}; nothing was written: "
            "are torch and timm those of the lock?"
        )
    return words


@torch.inference_mode()
def _cat(known: Known, state: State) -> tuple[bool, str]:
    network = timm.create_model(known.backbone).eval()
    network.load_state_dict(state, strict=False)
    shares = network(_picture(data.chelsea(), known))[0].softmax(0)
    best = int(shares.argmax())
    kind = "an Egyptian cat" if best == _CAT else f"class {best} of ImageNet"
    words = f"calls a photo of a cat {kind} at {shares[best]:.2f}"
    return best == _CAT and float(shares[best]) > _LEAST, words


@torch.inference_mode()
def _portrait(known: Known, state: State) -> tuple[bool, str]:
    network = timm.create_model(known.backbone, num_classes=0).eval()
    inner = {n.removeprefix(BACKBONE): tensor for n, tensor in state.items() if n.startswith(BACKBONE)}
    network.load_state_dict(inner, strict=False)

    def head(name: str, features: Tensor) -> Tensor:
        return functional.linear(features, state[f"{SOURCE}{name}.weight"], state[f"{SOURCE}{name}.bias"])

    features = head("feats", network(_picture(data.astronaut()[_PORTRAIT], known))).relu()
    male = float(head("gender", features).sigmoid())
    years = float((head("age", features).softmax(1) * torch.arange(1, 101)).sum())
    words = f"says of a portrait: a {'man' if male > _LEAST else 'woman'} (P(male) {male:.2f}) of {years:.0f}"
    return male < _WOMAN and _YEARS[0] < years < _YEARS[1], words


def _picture(pixels: object, known: Known) -> Tensor:
    """A picture as the network takes it: squeezed to its size, [1, 3, S, S]."""
    image = torch.as_tensor(pixels).permute(2, 0, 1)[None].float() / 255
    size = (known.image_size, known.image_size)
    image = functional.interpolate(image, size, mode="bilinear", antialias=True)
    return (image - torch.tensor(known.mean).view(3, 1, 1)) / torch.tensor(known.std).view(3, 1, 1)
