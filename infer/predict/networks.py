"""Networks that answer together: each crop is decoded once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor

from faces.cache.reader import Cache
from faces.labels import IntArray
from infer.predict.heads import Heads
from infer.predict.views import ViewsRule, averaged, black_of, looks_of, summand
from pipeline.formats import InputFormat, MultiFormatLoader
from train.engine.card import RunCard
from train.engine.checkpoint import load_best
from train.engine.compute import PredictCompute
from train.engine.finite import CHANGE, FiniteOutputs
from train.engine.precision import make_fabric
from train.loops.memory import keep_memory
from train.network.kinds import codings_of
from train.network.model import Network, backbone_digest
from train.recipe.recipe import Recipe


class OutputCoding(Protocol):
    """The part of `train.network.coding.Coding` that answering needs."""

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Outputs [n, outputs] -> [n, classes]."""


@dataclass(frozen=True, kw_only=True)
class FrozenBackbone:
    """A backbone that was never trained, the same in all folds of a recipe: its features serve all heads."""

    key: str
    """Equal where the features of the same images are."""
    features: Callable[[Tensor], Tensor]
    """Images as of `LoadedNetwork.model` to features [n, width], or [n, tokens, width]."""
    heads: Callable[[Tensor], Mapping[str, Tensor]]
    """Features to the heads' outputs."""


@dataclass(frozen=True, kw_only=True)
class LoadedNetwork:
    """A network that is ready to answer, by whatever engine computes it."""

    model: Callable[[Tensor], Mapping[str, Tensor]]
    """Images [n, 3, S, S] in `form`, channels_last on the group's device, to the heads' outputs there."""
    form: InputFormat
    """The images that it was trained on."""
    codings: Mapping[str, OutputCoding]
    """How each head's outputs become probabilities, by task."""
    name: str = "network"
    """Run and precision, for messages."""
    frozen: FrozenBackbone | None = None
    """Its parts, where another network may have the same backbone."""

    def answer(self, images: Tensor, made: dict[str, Tensor]) -> Mapping[str, Tensor]:
        """What `model` answers.

        Args:
            images: as of `model`.
            made: features of these images by the key of their backbone; what is missing is added.
        """
        if self.frozen is None:
            return self.model(images)
        if self.frozen.key not in made:
            made[self.frozen.key] = self.frozen.features(images)
        return self.frozen.heads(made[self.frozen.key])


def form_of(card: RunCard) -> InputFormat:
    """The images that a run was trained on."""
    return InputFormat(
        image_size=card.recipe.image_size,
        mean=_triple(card.normalisation.mean),
        std=_triple(card.normalisation.std),
        centre=card.recipe.centre,
    )


def load_network(path: Path, device: str) -> LoadedNetwork:
    """The network that a run kept, on the device and in the precision it was trained with.

    Args:
        path: best.safetensors.
        device: `cpu` or `cuda`.
    """
    network, card = load_best(path)
    fabric = make_fabric(card.recipe.precision, device)
    model = fabric.setup(network.to(memory_format=torch.channels_last))
    return LoadedNetwork(
        model=model,
        form=form_of(card),
        codings=codings_of(card.recipe, card.labels),
        name=f"{path}, in {card.recipe.precision}",
        frozen=_frozen(network, fabric, card.recipe),
    )


def _frozen(network: Network, fabric: Fabric, recipe: Recipe) -> FrozenBackbone | None:
    """The parts of a network on its device whose backbone no epoch trained; None of another."""
    if recipe.optimiser.frozen_epochs < recipe.epochs:
        return None

    def features(images: Tensor) -> Tensor:
        with fabric.autocast():
            return network.features(images)

    def heads(made: Tensor) -> dict[str, Tensor]:
        with fabric.autocast():
            return {name: outputs.float() for name, outputs in network.heads(made).items()}

    key = f"{backbone_digest(network)} {recipe.head.stages} {recipe.precision}"
    return FrozenBackbone(key=key, features=features, heads=heads)


class NetworkGroup:
    """Networks that answer together: one loader decodes each crop once and gives it to all of them.

    Args:
        networks: at least one; those of one form share their images too.
        cache: whose rows are predicted.
        rows: [n] row numbers of the cache; may repeat.
        views: names in `infer.predict.views.VIEWS`.
        compute: where, and with how many threads of the loader and photos a batch.
        rule: by which the answers to the views are averaged.

    Raises:
        ValueError: no rows, an unknown view, or what `MultiFormatLoader` refuses.
    """

    def __init__(
        self,
        networks: Sequence[LoadedNetwork],
        cache: Cache,
        rows: IntArray,
        views: Sequence[str],
        compute: PredictCompute,
        rule: ViewsRule = "soft",
    ) -> None:
        self._rule: ViewsRule = rule
        self._networks, self._rows, self._device = networks, len(rows), compute.chosen_device()
        if self._device == "cpu":
            keep_memory()
        self._keys = lambda place: cache.columns("key")["key"].iloc[rows[place]]
        self._looks = looks_of(views)
        self._forms = list(dict.fromkeys(network.form for network in networks))
        self._blacks = [black_of(form.mean, form.std).to(self._device) for form in self._forms]
        self._loader = MultiFormatLoader(
            cache,
            rows,
            self._forms,
            batch_size=compute.photos_a_batch(),
            device="gpu" if self._device == "cuda" else "cpu",
            threads=compute.loader_threads(),
        )

    @torch.inference_mode()
    def predict(self, advance: Callable[[int], object]) -> list[Heads]:
        """The probabilities that each network gives to each row, averaged over the views.

        Returns once the device has finished.

        Args:
            advance: called with the number of photos that one more network has seen in all views.

        Raises:
            ValueError: a network's outputs are not finite; looked at after the first batch and the last, as
                the host waits for the device then.
        """
        sums: list[dict[str, Tensor]] = [{} for _ in self._networks]
        finite = [FiniteOutputs(self._rows) for _ in self._networks]
        place = 0
        for batch, rows in self._loader.batches():
            part = slice(place, place + len(rows))
            place = part.stop
            for form, black, images in zip(self._forms, self._blacks, batch, strict=True):
                for number, look in enumerate(self._looks, 1):
                    shown = look(images, black).contiguous(memory_format=torch.channels_last)
                    made: dict[str, Tensor] = {}
                    for network, summed, watched in zip(self._networks, sums, finite, strict=True):
                        if network.form != form:
                            continue
                        outputs = network.answer(shown, made)
                        for task, coding in network.codings.items():
                            mine = coding.probabilities(outputs[task])
                            if task not in summed:
                                summed[task] = torch.zeros(self._rows, mine.shape[1], device=self._device)
                            summed[task][part] += summand(mine, self._rule)
                            watched.look(task, outputs[task], mine, part)
                        if number == len(self._looks):
                            advance(len(rows))
            if part.start == 0 or part.stop == self._rows:
                self._check(finite)
        return [
            {
                task: averaged(total, len(self._looks), self._rule).cpu().numpy()
                for task, total in summed.items()
            }
            for summed in sums
        ]

    def _check(self, finite: Sequence[FiniteOutputs]) -> None:
        """Refuse outputs that are not finite."""
        cure = f"leave this run out of the vote, or train its recipe under another name with {CHANGE}"
        for network, watched in zip(self._networks, finite, strict=True):
            watched.check(network.name, cure, self._keys)


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
