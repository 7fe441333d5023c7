"""Probabilities of many runs on rows of a cache, in as few passes over the rows as memory allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from faces.cache.reader import Cache
from faces.labels import IntArray
from infer.predict.heads import Heads
from infer.predict.networks import NetworkGroup, load_network
from infer.predict.runs import Run
from infer.predict.views import ViewsRule, looks_of
from train.engine.compute import PredictCompute
from train.results.probabilities import check_probabilities

SHARE = 0.5
"""Share of a device's free memory that networks and answers may take; activations and batches need the
rest."""


def predict_runs(
    runs: Sequence[Run],
    cache: Cache,
    rows: IntArray,
    views: Sequence[str],
    compute: PredictCompute,
    advance: Callable[[int], object] = lambda _: None,
    rule: ViewsRule = "soft",
) -> list[Heads]:
    """Probabilities of each head of each run, averaged over views.

    One pass over the rows feeds all runs whose networks fit into the device's memory together; more runs
    take more passes.

    Args:
        runs: whose networks predict, in the precision they were trained with.
        cache: of the photos.
        rows: [n] row numbers of it; may repeat.
        views: names in `infer.predict.views.VIEWS`.
        compute: where, and with how many threads of the loader and photos a batch.
        advance: called with numbers of photos whose sum is rows times runs.
        rule: by which the answers to the views are averaged.

    Returns:
        For each run, by head task: float32 [n, classes].

    Raises:
        ValueError: no rows, an unknown view, a crop that does not decode, a run that cannot be used, or one
            whose answers are no probabilities; its file is named.
    """
    passes = predict_passes(runs, cache, rows, views, compute, advance, rule)
    done = dict(answer for answers in passes for answer in answers)
    return [done[place] for place in range(len(runs))]


def predict_passes(
    runs: Sequence[Run],
    cache: Cache,
    rows: IntArray,
    views: Sequence[str],
    compute: PredictCompute,
    advance: Callable[[int], object],
    rule: ViewsRule = "soft",
) -> Iterator[list[tuple[int, Heads]]]:
    """`predict_runs`, pass by pass: each run's place in `runs`, and its answers."""
    looks_of(views)  # before networks are loaded
    device = compute.chosen_device()
    sizes = [memory_of(run, len(rows)) for run in runs]
    for places in pack(sizes, int(SHARE * free_memory(device))):
        networks = [load_network(runs[place].path, device) for place in places]
        group = NetworkGroup(networks, cache, rows, views, compute, rule)
        answers = group.predict(advance)
        del networks, group  # else they would still be there while the next pass loads its own
        for place, heads in zip(places, answers, strict=True):
            for task, values in heads.items():
                check_probabilities(values, len(rows), f"{runs[place].path}, head {task}")
        yield list(zip(places, answers, strict=True))


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
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
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
        fitting = (places for places in passes if sum(sizes[at] for at in places) + sizes[place] <= budget)
        chosen = next(fitting, None)
        if chosen is None:
            passes.append([place])
        else:
            chosen.append(place)
    return [sorted(places) for places in passes]
