"""What a command says of itself: an example that can be typed, without waiting for libraries of networks."""

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

from tests import test_layers
from tests.test_docs import targets
from tests.test_makefile import targets as commands_of_make

ROOT = Path(__file__).parents[1]
SLOW = {
    "torch", "torchvision", "nvidia", "timm", "facenet_pytorch", "rembg", "lightning_fabric", "captum",
    "matplotlib", "scipy", "sklearn", "numba", "onnxruntime", "cleanlab", "fastapi", "uvicorn", "optuna",
}  # fmt: skip
"""Packages that take a quarter of a second and more to import."""
EVERY_DAY = {"train.command", "infer.command", "infer.evaluate.command", "infer.export.command"}
"""Programs with many modules of their own: with pandas beside them, their help would take over a second."""
CHILDREN = {"bench.whole.teams", "infer.export.program.run"}
"""Programs with a command line of which nobody asks that: a rival in a benchmark, and predict.py."""


FILLED = "§"
"""Stands for what a message is filled with."""


@cache
def begun_with(module: str) -> frozenset[str]:
    """What is imported when a module is, but for types: modules of ours and of others."""
    found: set[str] = set()
    body = list(ast.parse(test_layers.modules()[module].read_text()).body)
    while body:
        node = body.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            body += node.orelse
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inside & test_layers.modules().keys()) or {node.module or ""}
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            body += [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]
    parts = [name.split(".") for name in found]
    return frozenset(".".join(part[:length]) for part in parts for length in range(1, len(part) + 1))


@cache
def commands() -> list[str]:
    """Modules with a command line that people type."""
    return [
        name
        for name, path in test_layers.modules().items()
        if name not in CHILDREN and re.search(r"^def main\(", path.read_text(), re.M)
    ]


@pytest.mark.parametrize("command", commands())
def test_help_waits_for_no_library_of_networks(command: str) -> None:
    """Their imports take seconds; a command that needs them imports them where it works."""
    slow = SLOW | ({"pandas"} if command in EVERY_DAY else set())
    came_by, left = {command: ""}, [command]
    while left:
        module = left.pop()
        for name in begun_with(module):
            assert name.split(".")[0] not in slow, f"{name} by {module}, by {came_by[module]}"
            if name in test_layers.modules() and name not in came_by:
                came_by[name] = module
                left.append(name)


def settings_of(command: str) -> type:
    """The dataclass whose docstring `--help` shows."""
    module = importlib.import_module(command)
    called = re.findall(r"run_command\(\s*(\w+)", inspect.getsource(module))
    assert called, f"{command}: reads no command line, so --help does its work"
    found: type = getattr(module, called[0])
    return found


@pytest.mark.parametrize("command", commands())
def test_help_has_an_example_that_can_be_typed(command: str) -> None:
    last = (inspect.getdoc(settings_of(command)) or "").rpartition("\n\n")[2]
    assert last.startswith("Example: "), f"{command}: the last paragraph of its docstring begins so"
    if last.startswith("Example: python -m "):
        assert last.split()[3] == command.removesuffix(".command")
        return
    can_be_typed(last)


def can_be_typed(text: str) -> None:
    """Each `make` in a text names a target, variables that it takes, and files of the project that exist."""
    taken = dict(commands_of_make())
    lines = re.split(r"(?=\bmake [a-z])", text)[1:]
    assert lines
    for line in lines:
        target = re.findall(r"^make ([a-z-]+)", line)[0]
        assert target in targets(), target
        for variable, value in re.findall(r'\b([A-Z_]+)=("[^"]*"|[^\s,]+)', line):
            known = {*taken.get(target, ()), "ARGS"} | ({"RUNS"} if target == "compare" else set())
            assert variable in known or target not in taken, f"{target}: {variable}"
            for path in value.strip('"').split():
                if re.match(r"(recipes|ensembles|sweeps)/", path) and FILLED not in path:
                    assert (ROOT / path).is_file(), path


def said_next() -> list[str]:
    """What the sources print as `next:`, where they name a target; what stands in braces is `FILLED`."""
    found = re.findall(r"next: (make [^\n\"`]+)", (ROOT / "Makefile").read_text())
    sources = [path.read_text() for path in test_layers.modules().values()]
    for source in (each for each in sources if "next: make" in each):
        for node in ast.walk(ast.parse(source)):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [str(each.value) if isinstance(each, ast.Constant) else FILLED for each in parts]
            found += re.findall(r"next: (make .+)", "".join(texts)) if isinstance(node, ast.expr) else []
    return found


def test_every_next_line_can_be_typed() -> None:
    lines = said_next()
    assert len(lines) > 5
    for line in lines:
        can_be_typed(line.replace("\\n", ""))
