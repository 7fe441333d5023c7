"""The program that an export writes is one file, composed of what stage 1 uses too."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from infer.export.compose import OURS, PARTS, ROOT, compose

TREE = ast.parse(compose())


def defined(tree: ast.Module) -> Iterator[str]:
    """Names that a module's own statements give a value."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for each in targets for name in ast.walk(each) if isinstance(name, ast.Name))


def test_the_program_imports_nothing_of_ours_and_defines_no_name_twice() -> None:
    for node in ast.walk(TREE):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {name.partition(".")[0] for name in names} & {*OURS, "preprocess", "train", "torch"}
    assert [name for name, count in Counter(defined(TREE)).items() if count > 1] == []


def test_each_part_imports_parts_before_it_alone() -> None:
    seen: dict[str, set[str]] = {}
    for part in PARTS:
        tree = ast.parse((ROOT / part).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OURS:
                assert node in tree.body and {alias.name for alias in node.names} <= seen[str(node.module)]
                assert not any(alias.asname for alias in node.names)
            if isinstance(node, ast.Import):
                assert not {alias.name.partition(".")[0] for alias in node.names} & {*OURS}
        seen[part.removesuffix(".py").replace("/", ".")] = {*defined(tree)}


def test_each_part_is_named_where_it_begins() -> None:
    lines = [line.removeprefix("# ") for line in compose().splitlines()]
    assert [line for line in lines if line in PARTS] == [*PARTS]


def test_only_the_gate_opens_a_photo() -> None:
    """An Image.open or a cv2.imread elsewhere would let in what the gate refuses."""
    calls = [ast.unparse(node.func) for node in ast.walk(TREE) if isinstance(node, ast.Call)]
    assert calls.count("Image.open") == 1
    assert not [call for call in calls if "imread" in call or "imdecode" in call]


def test_the_program_is_clean_to_a_linter(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text(compose(), encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
