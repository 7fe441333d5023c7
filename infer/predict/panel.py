"""Probabilities of many runs on rows of a cache: each crop is decoded once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from faces.cache import Cache
from faces.labels import TASKS, FloatArray, IntArray
from infer.predict.runs import Run
from infer.predict.views import black_of, looks_of
from pipeline.forms import Form, FormsLoader
from train.engine.checkpoint import RunCard, load_best
from train.engine.precision import make_fabric
from train.network.codings import codings_of

Heads = dict[str, FloatArray]
"""float32 [rows, classes] by head task."""
SHARE = 0.5
"""Of a device's free memory, what networks and answers may take; activations and batches need the rest."""


class Says(Protocol):
    """The part of `train.network.codings.Coding` that is asked here."""

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Outputs [n, outputs] -> [n, classes]."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A network that answers, by whatever engine computes it."""

    model: Callable[[Tensor], Mapping[str, Tensor]]
    """Images [n, 3, S, S] in `form`, channels_last on the panel's device, to the heads' outputs there."""
    form: Form
    """What it wants to see."""
    codings: Mapping[str, Says]
    """How its heads say their classes."""


def form_of(card: RunCard) -> Form:
    """The images that a run was trained on."""
    return Form(
        image_size=card.recipe.image_size,
        mean=_triple(card.normalisation.mean),
        std=_triple(card.normalisation.std),
        centre=card.recipe.centre,
    )


def load_member(path: Path, device: str) -> Member:
    """The best epoch of a run, on the device and in the precision it was trained with.

    Args:
        path: best.safetensors.
        device: `cpu` or `cuda`.
    """
    network, card = load_best(path)
    fabric = make_fabric(card.recipe.precision, device)
    model = fabric.setup(network.to(memory_format=torch.channels_last))
    return Member(model=model, form=form_of(card), codings=codings_of(card.recipe))


class Panel:
    """Networks that answer together: one loader decodes each crop once and gives it to all of them.

    Args:
        members: at least one; networks of one form share their images too.
        cache: whose rows are predicted.
        rows: [n] row numbers of the cache; may repeat.
        views: names in `infer.predict.views.VIEWS`.
        device: `cpu` or `cuda`.
        threads: of the loader.
        batch_size: photos a batch.

    Raises:
        ValueError: no rows, an unknown view, or what `FormsLoader` refuses.
    """

    def __init__(
        self,
        members: Sequence[Member],
        cache: Cache,
        rows: IntArray,
        views: Sequence[str],
        *,
        device: str,
        threads: int,
        batch_size: int,
    ) -> None:
        self._members, self._rows, self._device = members, len(rows), device
        self._looks = looks_of(views)
        self._forms = list(dict.fromkeys(member.form for member in members))
        self._blacks = [black_of(form.mean, form.std).to(device) for form in self._forms]
        self._loader = FormsLoader(
            cache,
            rows,
            self._forms,
            batch_size=batch_size,
            device="gpu" if device == "cuda" else "cpu",
            threads=threads,
        )

    @torch.inference_mode()
    def predict(self, advance: Callable[[int], object]) -> list[Heads]:
        """What each member says of each row, averaged over the views; the device is waited for at the end.

        Args:
            advance: called with the number of photos that one more member has seen in all views.
        """
        sums = [
            {
                task: torch.zeros(self._rows, len(TASKS[task].classes), device=self._device)
                for task in member.codings
            }
            for member in self._members
        ]
        place = 0
        for batch, rows in self._loader.batches():
            part = slice(place, place + len(rows))
            place = part.stop
            for form, black, images in zip(self._forms, self._blacks, batch, strict=True):
                for number, look in enumerate(self._looks, 1):
                    shown = look(images, black).contiguous(memory_format=torch.channels_last)
                    for member, summed in zip(self._members, sums, strict=True):
                        if member.form != form:
                            continue
                        outputs = member.model(shown)
                        for task, coding in member.codings.items():
                            summed[task][part] += coding.probabilities(outputs[task])
                        if number == len(self._looks):
                            advance(len(rows))
        return [
            {task: (total / len(self._looks)).cpu().numpy() for task, total in summed.items()}
            for summed in sums
        ]


def predict_passes(
    runs: Sequence[Run],
    cache: Cache,
    rows: IntArray,
    views: Sequence[str],
    *,
    device: str,
    threads: int,
    batch_size: int,
    advance: Callable[[int], object],
) -> Iterator[list[tuple[int, Heads]]]:
    """`predict_members`, pass by pass: the places in `runs` of those that one pass over the rows answered."""
    looks_of(views)  # before networks are loaded
    sizes = [memory_of(run, len(rows)) for run in runs]
    for places in pack(sizes, int(SHARE * free_memory(device))):
        panel = Panel(
            [load_member(runs[place].path, device) for place in places],
            cache,
            rows,
            views,
            device=device,
            threads=threads,
            batch_size=batch_size,
        )
        answers = panel.predict(advance)
        del panel  # else its networks would still be there while the next pass loads its own
        yield list(zip(places, answers, strict=True))


def predict_members(
    runs: Sequence[Run],
    cache: Cache,
    rows: IntArray,
    views: Sequence[str],
    *,
    device: str,
    threads: int,
    batch_size: int,
    advance: Callable[[int], object],
) -> list[Heads]:
    """Probabilities of each head of each run, averaged over views.

    One pass over the rows feeds all runs whose networks fit into the device's memory together; more runs
    take more passes.

    Args:
        runs: whose best epochs predict, in the precision they were trained with.
        cache: of the photos.
        rows: [n] row numbers of it; may repeat.
        views: names in `infer.predict.views.VIEWS`.
        device: `cpu` or `cuda`.
        threads: of the loader.
        batch_size: photos a batch.
        advance: called with numbers of photos whose sum is rows times runs.

    Returns:
        For each run, by head task: float32 [n, classes].

    Raises:
        ValueError: no rows, an unknown view, or a crop that does not decode.
    """
    options: dict[str, Any] = {
        "device": device,
        "threads": threads,
        "batch_size": batch_size,
        "advance": advance,
    }
    done = dict(pair for some in predict_passes(runs, cache, rows, views, **options) for pair in some)
    return [done[place] for place in range(len(runs))]


def memory_of(run: Run, rows: int) -> int:
    """Bytes of a run's weights and answers on the device."""
    classes = sum(len(names) for names in run.card.classes.values())
    return run.path.stat().st_size + 4 * rows * classes


def free_memory(device: str) -> int:
    """Bytes that `cpu` or `cuda` can still give."""
    if device == "cuda":
        # What torch holds without using it counts as taken, but is there for us.
        unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return torch.cuda.mem_get_info()[0] + unused
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def pack(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Deal things into passes that stay within a budget: first fit, the largest first (Johnson 1973).

    That takes at most 11/9 of the fewest passes possible, and one more. Sizes 5, 3, 3, 6 within 9 become
    [[1, 3], [0, 2]].

    Args:
        sizes: of each; one that is larger than the budget gets a pass of its own.
        budget: of a pass.

    Returns:
        Places in `sizes`, each once, rising within a pass.
    """
    passes: list[list[int]] = []
    for place in sorted(range(len(sizes)), key=lambda at: -sizes[at]):
        fitting = (some for some in passes if sum(sizes[at] for at in some) + sizes[place] <= budget)
        chosen = next(fitting, None)
        if chosen is None:
            passes.append([place])
        else:
            chosen.append(place)
    return [sorted(some) for some in passes]


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
