"""From trained runs to the files of an export, checked."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import helper
from rich.console import Console
from torch import nn

from faces.cache import Cache
from faces.labels import FloatArray, tells
from faces.writer import write_atomically
from infer.ensemble.export_vote import check_votes
from infer.ensemble.file import ensemble_table
from infer.ensemble.tree import Ensemble, Leaf, Node, check_tasks, recipes_of
from infer.export import predict
from infer.export.metadata import (
    DESCRIPTION,
    DETECTOR,
    check_predictor,
    check_same_crops,
    describe,
    describe_detector,
)
from infer.export.network import CHOICE, Exported
from infer.export.onnx import OnnxModel, quiet, to_onnx, to_program
from infer.predict.runs import Run, find_runs
from train.engine.checkpoint import read_card

if TYPE_CHECKING:
    from infer.export.command import Settings

TOLERANCE = 1e-4
"""Largest difference of a probability from the runs' own."""
CHECKED = 16
"""Crops that both models are checked on."""


def export(settings: Settings, ensemble: Ensemble | None, cache: Cache | None) -> None:
    """Write model.onnx, model.pt2 and predict.py, check the models and say what came out.

    Raises:
        ValueError: members, settings or views that cannot be exported, or a model that answers otherwise.
    """
    console = Console(highlight=False, soft_wrap=True)
    members, root, views = _chosen(settings, ensemble)
    runs = [run for folds in members.values() for run in folds]
    check_same_crops(runs)
    if settings.predictor:
        check_predictor(runs[0])
    model = Exported(members, views, root)
    folder = settings.out or Path("exports") / (ensemble.name if ensemble else runs[0].name.replace("/", "-"))
    folder.mkdir(parents=True, exist_ok=True)
    table = ensemble_table(ensemble) if ensemble else None
    properties = {DESCRIPTION: describe(model, runs, views, table)}
    with console.status("torch.export"):
        program = to_program(model)
    with console.status("ONNX"):
        proto = to_onnx(program, [put.name for put in model.inputs], model.outputs)
    _write_program(program, properties, folder / "model.pt2")
    if settings.predictor:
        with console.status("face detector"):
            properties[DETECTOR] = describe_detector(detector_networks())
        shutil.copyfile(predict.__file__, folder / "predict.py")
    helper.set_model_props(proto, properties)
    write_atomically(folder / "model.onnx", proto.SerializeToString())
    with console.status("checking"):
        check_export(model, folder, pictures(model, cache), console)


def _chosen(
    settings: Settings, ensemble: Ensemble | None
) -> tuple[dict[str, list[Run]], Node | None, Sequence[str]]:
    """The runs of each recipe, how they vote (None for a run that does not say all classes) and the views."""
    if ensemble:
        check_votes(ensemble.root)
        members = find_runs(recipes_of(ensemble.root), settings.runs)
        tasks = {recipe: folds[0].card.recipe.tasks for recipe, folds in members.items()}
        check_tasks(ensemble.root, tasks)
        return members, ensemble.root, ensemble.views
    assert settings.run is not None
    path = settings.run / "best.safetensors"
    name = "/".join(settings.run.resolve().parts[-2:])
    run = Run(name, path, read_card(path))
    whole = tells(run.card.recipe.tasks, "class18")
    return {name: [run]}, Leaf(name) if whole else None, settings.views


def _write_program(program: torch.export.ExportedProgram, properties: Mapping[str, Any], path: Path) -> None:
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer, extra_files={f"{DESCRIPTION}.json": properties[DESCRIPTION]})
    write_atomically(path, buffer.getvalue())


def pictures(model: Exported, cache: Cache | None) -> dict[str, FloatArray]:
    """Photos for every input of a model, by name.

    Args:
        model: whose inputs are asked for.
        cache: whose crops are shown, spread over its rows; random pictures of few colours if None.
    """
    if cache is not None and len(cache):
        rows = np.unique(np.linspace(0, len(cache) - 1, CHECKED).astype(int))
        crops = [np.asarray(cache.image(int(row)))[..., :3] for row in rows]
    else:
        rng = np.random.default_rng(0)
        crops = [predict.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), 256) for _ in range(CHECKED)]
    return {
        put.name: np.stack([predict.look(crop, put.size, put.centre) for crop in crops])
        for put in model.inputs
    }


@torch.inference_mode()
def check_export(model: Exported, folder: Path, photos: Mapping[str, FloatArray], console: Console) -> None:
    """Compare both files, loaded anew, with the module that they were made of.

    One photo alone is compared, too, since a batch of any size must do.

    Raises:
        ValueError: a probability differs by more than `TOLERANCE`, or a choice differs.
    """
    ours = dict(zip(model.outputs, model(*map(torch.from_numpy, photos.values())), strict=True))
    wanted = {name: values.numpy() for name, values in ours.items()}
    with quiet():
        program = torch.export.load(folder / "model.pt2").module()
    session = OnnxModel(folder / "model.onnx")

    def loaded(some: Mapping[str, FloatArray]) -> dict[str, NDArray[Any]]:
        said = program(*map(torch.from_numpy, some.values()))
        return {name: values.numpy() for name, values in zip(model.outputs, said, strict=True)}

    for path, answers in ((folder / "model.onnx", session), (folder / "model.pt2", loaded)):
        difference = 0.0
        for count in (1, len(next(iter(photos.values())))):
            said = answers({name: values[:count] for name, values in photos.items()})
            for name, values in said.items():
                off = np.abs(values - wanted[name][:count]).max()
                difference = max(difference, float(off if name != CHOICE else off > 0))
        size = path.stat().st_size / 1e6
        console.print(f"{path}: {size:.1f} MB, largest difference from the runs {difference:.1e}")
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{path}: answers otherwise than the runs it was made of (by {difference:.2g}, where "
                f"{TOLERANCE:g} is allowed); do not use it"
            )


SIDES = {"pnet": 12, "rnet": 24, "onet": 48}
"""Side in pixels of the pictures that each network judges; the first slides over larger ones."""


def detector_networks() -> dict[str, bytes]:
    """`pnet`, `rnet` and `onet` as ONNX files.

    Each takes `x`, float32 [n, 3, side, side] from about -1 to 1 (`pnet`: any height and width), and gives
    corrections of the box first and the chances of no face and a face last.
    """
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

    return {name: _exported(kind(), name) for name, kind in (("pnet", PNet), ("rnet", RNet), ("onet", ONet))}


def _exported(network: nn.Module, name: str) -> bytes:
    side = SIDES[name]
    free = (0, 2, 3) if name == "pnet" else (0,)
    # Height and width differ, or the graph would take them for equal.
    example = torch.zeros(2, 3, side + 7, side + 12) if name == "pnet" else torch.zeros(2, 3, side, side)
    with quiet():
        shapes = {"x": dict.fromkeys(free, torch.export.Dim.DYNAMIC)}
        program = torch.export.export(network.eval(), (example,), dynamic_shapes=shapes, strict=False)
    return bytes(to_onnx(program, ["x"], None).SerializeToString())
