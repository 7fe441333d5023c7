"""facenet-pytorch's InceptionResnetV1, with what timm's models have: a head that can be taken off, layers."""

from __future__ import annotations

from collections.abc import Callable

from facenet_pytorch import InceptionResnetV1
from timm.layers import SelectAdaptivePool2d
from torch import Tensor, nn

_TAIL = ("block8", "last_")


class FaceInception(InceptionResnetV1):  # type: ignore[misc]
    """Inception-ResNet v1 as David Sandberg trained it to tell people apart (FaceNet, Schroff et al. 2015).

    Tensors have facenet-pytorch's names, so that files of its weights fit. Features are the 512 numbers
    before facenet-pytorch divides them by their length, which would leave linear heads only a direction.

    Args:
        num_classes: outputs of `logits`; 0 leaves the features.
        in_chans: 3, as timm asks.
        drop_rate: share of the pooled maps that is dropped in training; as it was trained.
    """

    num_features = head_hidden_size = 512

    def __init__(self, num_classes: int = 1000, in_chans: int = 3, drop_rate: float = 0.6) -> None:
        if in_chans != 3:
            raise ValueError(f"in_chans={in_chans}: it takes RGB")
        super().__init__(classify=True, num_classes=1, dropout_prob=drop_rate)
        self.avgpool_1a = SelectAdaptivePool2d(pool_type="avg", flatten=True)
        self.logits = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Float RGB [n, 3, h, w], x -> (x - .5) / .502 of 0 to 1 -> [n, 512], or [n, num_classes]."""
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """Images as of `forward` -> the last maps, [n, 1792, h, w]."""
        maps = self.maxpool_3a(self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(images))))
        maps = self.repeat_1(self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(maps))))
        maps = self.mixed_7a(self.repeat_2(self.mixed_6a(maps)))
        last: Tensor = self.block8(self.repeat_3(maps))
        return last

    def forward_head(self, maps: Tensor) -> Tensor:
        """What `forward` makes of its last maps."""
        pooled = self.avgpool_1a(maps)
        outputs: Tensor = self.logits(self.last_bn(self.last_linear(self.dropout(pooled))))
        return outputs

    def group_matcher(self, coarse: bool = False) -> Callable[[str], float]:
        """The place of a parameter's layer, from 0: the stem, and each block. What is no layer comes last."""
        first = [f"repeat_1.{n}." for n in range(len(self.repeat_1))] + ["mixed_6a."]
        second = [f"repeat_2.{n}." for n in range(len(self.repeat_2))] + ["mixed_7a."]
        third = [f"repeat_3.{n}." for n in range(len(self.repeat_3))]
        layers = ["conv2d_", *first, *second, *third, *_TAIL]

        def place(name: str) -> float:
            return next((at for at, layer in enumerate(layers) if name.startswith(layer)), float("inf"))

        return place


def load_published(network: FaceInception, faces: str) -> None:
    """Load the weights that facenet-pytorch's own loader brings, but for those that name its people.

    Args:
        network: gets them.
        faces: `vggface2` or `casia-webface`, what they learned from.

    Raises:
        Exception: no network, say: whatever that loader stumbles over.
    """
    published = InceptionResnetV1(pretrained=faces).state_dict()
    own = network.state_dict()
    network.load_state_dict(
        {n: tensor for n, tensor in published.items() if n in own and "logits" not in n}, strict=False
    )
