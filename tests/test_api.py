"""The Python API: what the stages export is there, documented and light to import."""

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbclient
import nbformat
import pytest
import torch

from faces.cache.reader import Cache
from pipeline import Loader
from train import Recipe, plan_fold
from train.ready import ready_fold

STAGES = ("preprocess", "pipeline", "train", "infer")
by_stage = pytest.mark.parametrize("stage", STAGES)
TOUR = Path(__file__).parents[1] / "docs" / "tour.ipynb"


@by_stage
def test_public_names_are_there_and_say_what_they_take_give_and_raise(stage: str) -> None:
    module = importlib.import_module(stage)
    assert module.__all__ == sorted(module.__all__)
    for name in module.__all__:
        thing = getattr(module, name)
        told = inspect.getdoc(thing) or ""
        assert len(told) > 40, name
        if inspect.isfunction(thing) and name != "policy_named":
            assert "Raises:" in told, name
            assert all(
                f"{each}:" in told for each in inspect.signature(thing).parameters if each != "settings"
            )


@by_stage
def test_types_words_and_imports_of_a_stage_tell_of_the_same_names(stage: str) -> None:
    """A checker of types reads the imports, people the docstring, Python the table of places."""
    module = importlib.import_module(stage)
    tree = ast.parse(Path(str(module.__file__)).read_text())
    [checked] = [node for node in tree.body if isinstance(node, ast.If)]
    froms = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    places = {alias.name: node.module for node in froms for alias in node.names}
    assert sorted(places) == module.__all__
    for name, place in places.items():
        assert getattr(module, name) is getattr(importlib.import_module(str(place)), name)
    words = set(re.findall(r"`(\w+)[`.]", str(module.__doc__).partition("Public:")[2]))
    assert words == {*module.__all__}


def test_a_name_that_no_stage_has_is_refused_with_those_it_has() -> None:
    with pytest.raises(AttributeError, match="no public name 'train_folds'; there are BarWatch, "):
        importlib.import_module("train").train_folds  # noqa: B018


def test_stages_are_imported_without_what_takes_seconds() -> None:
    code = f"import sys, {', '.join(STAGES)}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"torch", "pandas", "numba", "nvidia.dali", "matplotlib"}.isdisjoint(done.stdout.split())


def test_a_fold_is_planned_as_the_command_does(coloured: Cache, tmp_path: Path) -> None:
    """What it trains is what docs/api.md does."""
    recipe = Recipe(tasks=("*",), backbone="test_resnet", image_size=32, epochs=1, batch_size=16)
    plan = plan_fold(recipe, coloured, 1, tmp_path / "fold1", folds=3)
    assert plan.recipe == replace(recipe, tasks=("mask", "gender", "age"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert (plan.fold, plan.folds, plan.scheme, plan.device) == (1, 3, "person", device)
    assert [row.size for row in (ready_fold(plan).rows.training, ready_fold(plan).rows.validation)] == [
        48,
        24,
    ]
    with pytest.raises(ValueError, match="recipe: "):
        plan_fold(replace(recipe, tasks=("hat",)), coloured, 0, tmp_path)


def test_a_loader_of_the_package_gives_batches(coloured: Cache) -> None:
    loader = Loader(
        coloured,
        range(8),
        batch_size=4,
        image_size=32,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        policy="light",
        shuffle=True,
    )
    images, rows = next(loader.epoch(0))
    assert (images.shape, images.dtype) == ((4, 3, 32, 32), torch.float32)
    assert {*rows.tolist()} <= {*range(8)}


def outputs(notebook: nbformat.NotebookNode) -> list[list[dict[str, object]]]:
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_keeps_what_it_showed_and_is_small() -> None:
    """Pictures are of drawn people: it draws all that it shows."""
    notebook = nbformat.read(TOUR, as_version=4)
    nbformat.validate(notebook)
    shown = outputs(notebook)
    assert all(shown[1:]), "the first cell imports"
    assert not [each for cell in shown for each in cell if each["output_type"] == "error"]
    kinds = [kind for cell in shown for each in cell for kind in each.get("data", {})]  # type: ignore[attr-defined]
    assert kinds.count("image/png") == 3
    assert TOUR.stat().st_size < 400_000
    assert not {"/tmp/", "site-packages"} & {*re.findall("/tmp/|site-packages", json.dumps(shown))}
    assert "write_sample(" in TOUR.read_text()


@pytest.mark.slow
def test_the_notebook_runs_again(tmp_path: Path) -> None:
    notebook = nbformat.read(TOUR, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(TOUR.parent)}}
    )
    client.execute()
    before, after = (outputs(each) for each in (nbformat.read(TOUR, as_version=4), notebook))
    assert [len(cell) > 0 for cell in before] == [len(cell) > 0 for cell in after]
