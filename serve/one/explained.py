"""One photo's answer, and where its networks looked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faces.projection import covers
from faces.sample.note import drawn_note
from infer.ensemble.file import read_ensemble
from infer.ensemble.tree import recipes_of
from infer.explain.maps import vote_maps
from infer.explain.network import TrainedNetwork, load_trained
from infer.export.program.predictor import Told
from infer.predict.runs import find_runs
from serve.one.answer import answer, in_words
from serve.one.chosen import BEST
from serve.one.picture import draw_explained
from serve.photo.exported import exported, exported_run
from serve.photo.model import PhotoModel


def explain_photo(photo: Path, ensemble: Path | None, run: Path | None, runs: Path, out: Path) -> list[str]:
    """Answer a photo by an exported model, look at its face with the networks that it was made of, and draw.

    Args:
        photo: the file.
        ensemble: whose networks look, or None.
        run: folder of the one that looks, where there is no ensemble.
        runs: folder of all runs.
        out: PNG file.

    Returns:
        The answer in words, and where the picture is.

    Raises:
        ValueError: no photo that can be read, no run that can be used, or a backbone that keeps no map.
    """
    if ensemble:
        members = find_runs(recipes_of(read_ensemble(ensemble).root), runs)
        folder, paths = exported(ensemble, runs), [each.path for folds in members.values() for each in folds]
    else:
        assert run is not None
        folder, paths = exported_run(run), [run / BEST]
    model = PhotoModel(folder)
    answered = answer(model, photo, every=False)
    networks = [load_trained(path) for path in paths]
    maps = factor_maps(networks, answered.cuts[0].crop, answered.told[0])
    note = drawn_note(model.drawn)
    draw_explained(answered, maps, out, note, max(each.card.recipe.centre for each in networks))
    by = f"looked at by {len(networks)} network{'s' * (len(networks) > 1)} of {ensemble or run}"
    return [*in_words(answered, photo), by, *([note] if note else []), f"picture: {out}"]


def factor_maps(
    networks: Sequence[TrainedNetwork], crop: NDArray[np.uint8], told: Mapping[str, Told]
) -> dict[str, NDArray[np.float32]]:
    """[size, size] `vote_maps` of each factor that some network tells, by its name.

    Args:
        networks: that voted.
        crop: RGB [size, size, 3].
        told: what was answered.
    """
    maps = {}
    for factor, each in told.items():
        if any(covers(network.card.recipe.tasks, factor, network.card.labels) for network in networks):
            [maps[factor]] = vote_maps(networks, crop[None], factor, [each.place])
    return maps
