"""Data flows one way, faces -> preprocess -> cache -> pipeline -> train -> infer, from room to room too."""

import ast
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "faces": set(),
    "preprocess": {"faces"},
    "pipeline": {"faces"},
    "train": {"faces", "pipeline"},
    "infer": {"faces", "pipeline", "train"},
    "serve": {"faces", "preprocess", "pipeline", "train", "infer"},
    "report": {"faces", "preprocess", "pipeline", "train", "infer"},
    "bench": {"faces", "preprocess", "pipeline", "train", "infer", "serve", "report"},
    "doctor": {"faces", "preprocess", "pipeline", "train", "infer", "bench"},
}
ROOMS = {
    "faces": (
        "faces.terminal",
        "faces.files",
        "faces.remote",
        "faces.photos",
        "faces.framing",
        "faces",
        "faces.storage",
        "faces.labelling",
        "faces.foreign",
        "faces.cache",
        "faces.pages",
        "faces.sample",
    ),
    "preprocess": (
        "preprocess.settings",
        "preprocess.sources",
        "preprocess.sources.layouts",
        "preprocess.sources.scan",
        "preprocess.detect.mtcnn",
        "preprocess.detect",
        "preprocess.crop",
        "preprocess.look.explain",
        "preprocess.look",
        "preprocess.shard",
        "preprocess.engines",
        "preprocess",
    ),
    "pipeline": (
        "pipeline.order",
        "pipeline.ranges",
        "pipeline.definition",
        "pipeline.operators",
        "pipeline.augmentations",
        "pipeline",
    ),
    "train": (
        "train.recipe",
        "train.data",
        "train.network.weights_file",
        "train.weights",
        "train.loops",
        "train.network.losses",
        "train.network.coding",
        "train.network.codings",
        "train.network",
        "train.descent",
        "train.engine",
        "train.results",
        "train.look",
        "train",
        "train.sweep",
        "train.leak",
    ),
    "infer": (
        "infer.predict",
        "infer.ensemble",
        "infer.evaluate.scores",
        "infer.evaluate.table",
        "infer.cards",
        "infer.evaluate",
        "infer.tune",
        "infer.answers",
        "infer.export.program",
        "infer.export",
        "infer.explain",
        "infer",
    ),
    "serve": ("serve.photo", "serve.one", "serve"),
    "report": ("report", "report.audit", "report.audit.confirm", "report.audit.planted"),
    "bench": (
        "bench",
        "bench.scale",
        "bench.remote",
        "bench.soak",
        "bench.engines",
        "bench.loaders",
        "bench.loaders.rivals",
        "bench.preprocess",
        "bench.train",
        "bench.infer",
        "bench.serve",
        "bench.whole",
    ),
    "doctor": (
        "doctor",
        "doctor.gpu_check",
    ),
}
"""Rooms of each stage in their order: each may import those before it. Files named here stand alone."""
HEAVY = {"torch", "torchvision", "nvidia", "timm", "facenet_pytorch", "rembg", "lightning_fabric"}
MOST_FILES = 16


@cache
def modules() -> dict[str, Path]:
    """Every module of the project, by its dotted name; packages by theirs."""
    paths = [path for top in MAY_IMPORT for path in sorted((ROOT / top).rglob("*.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return {name.removesuffix(".__init__"): path for name, path in zip(names, paths, strict=True)}


@cache
def imports(module: str) -> frozenset[str]:
    """All that a module imports, anywhere in it, under TYPE_CHECKING too: modules, of ours and of others."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            package = node.module or ""
            inside = {f"{package}.{alias.name}" for alias in node.names}
            found |= (inside & modules().keys()) or {package}
    return frozenset(found - {"faces"} if module in MAY_IMPORT else found)


def ours(module: str) -> set[str]:
    return {*imports(module)} & modules().keys()


def room(module: str) -> str:
    """The folder of a module, or the module itself where it stands alone in `ROOMS`."""
    alone = {name for names in ROOMS.values() for name in names}
    is_package = modules()[module].name == "__init__.py"
    return module if module in alone or is_package else module.rpartition(".")[0]


def circle(imported: Mapping[str, set[str]]) -> list[str]:
    """Files that import each other, however many steps apart: one such circle, or none."""
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("stage", MAY_IMPORT)
def test_stages_import_only_what_comes_before_them(stage: str) -> None:
    mine = [name for name in modules() if name.split(".")[0] == stage]
    assert mine
    for module in mine:
        strangers = {name.split(".")[0] for name in imports(module)} & MAY_IMPORT.keys()
        assert strangers <= MAY_IMPORT[stage] | {stage}, f"{module} imports {strangers}"


@pytest.mark.parametrize("stage", ROOMS)
def test_rooms_import_only_rooms_before_them(stage: str) -> None:
    order = {name: place for place, name in enumerate(ROOMS[stage])}
    assert order.keys() >= {room(name) for name in modules() if name.split(".")[0] == stage}
    for module in modules():
        if module.split(".")[0] != stage:
            continue
        for other in ours(module):
            if other.split(".")[0] == stage and room(other) != room(module):
                assert order[room(other)] < order[room(module)], f"{module} imports {other}"


def test_no_two_files_import_each_other_in_however_many_steps() -> None:
    assert circle({name: ours(name) for name in modules()}) == []


def test_a_circle_of_any_length_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert {*circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})} == {"a", "b", "c"}


def test_work_never_imports_a_command() -> None:
    """A command is a module with `main`; only `__main__` may import it."""
    commands = {
        name
        for name, path in modules().items()
        if any(isinstance(n, ast.FunctionDef) and n.name == "main" for n in ast.parse(path.read_text()).body)
    }
    assert len(commands) > 20
    for module in modules():
        if not module.endswith("__main__"):
            assert not ours(module) & commands, f"{module} imports a command: {ours(module) & commands}"


def test_words_shared_by_all_stages_need_no_network_library() -> None:
    for module in modules():
        if module.split(".")[0] == "faces":
            assert not {name.split(".")[0] for name in imports(module)} & HEAVY, module


def test_every_package_is_installed_by_name_and_says_what_it_is_for() -> None:
    listed = (ROOT / "setup.cfg").read_text().split("packages =")[1].split("#")[0].split()
    packages = {name for name, path in modules().items() if path.name == "__init__.py"}
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in modules().values()}
    assert {*listed} == packages == folders
    for package in packages:
        words = ast.get_docstring(ast.parse(modules()[package].read_text())) or ""
        assert len([line for line in words.splitlines() if line.strip()]) >= 2, package
    with_code = {path.parent.relative_to(ROOT).parts[0] for path in ROOT.glob("*/*.py")} - {"tests"}
    assert with_code == {*MAY_IMPORT}


def test_no_folder_is_crowded() -> None:
    folders = [path.parent for path in modules().values()]
    folders += [path.parent for path in (ROOT / "tests").rglob("*.py")]
    for folder in {*folders}:
        assert folders.count(folder) <= MOST_FILES, folder
