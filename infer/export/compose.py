"""predict.py of an export: one file, composed of the sources of this project that it shares with stage 1."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PARTS: Final = (
    "faces/terminal/text.py",
    "faces/storage/seal.py",
    "faces/photos/kinds.py",
    "faces/photos/ration.py",
    "faces/photos/names.py",
    "faces/photos/files.py",
    "faces/photos/gate.py",
    "faces/sample/note.py",
    "faces/framing/face.py",
    "faces/framing/square.py",
    "faces/framing/sideways.py",
    "infer/export/program/boxes.py",
    "infer/export/program/crops.py",
    "infer/export/program/sessions.py",
    "infer/export/program/detector.py",
    "infer/export/program/faces.py",
    "infer/export/program/description.py",
    "infer/export/program/predictor.py",
    "infer/export/program/folders.py",
    "infer/export/program/run.py",
)
"""What it is composed of, each after those that it imports; the last has `main`, and says what it does.

A part imports of this project other parts alone, at its beginning and by `from module import name`; no two
define the same name.
"""
OURS: Final = ("faces", "infer")
"""The packages of the parts, whose imports are left out."""


def compose(parts: Sequence[str] = PARTS) -> str:
    """The source of a program of some parts, each after those that it imports; the same give the same text.

    The last says what it does.
    """
    sources = {part: (ROOT / part).read_text(encoding="utf-8") for part in parts}
    trees = {part: ast.parse(source) for part, source in sources.items()}
    about = ast.get_docstring(trees[parts[-1]], clean=False)
    sections = []
    for part, tree in trees.items():
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        code = "\n".join(sources[part].splitlines()[imports[-1].end_lineno :]).strip("\n")
        what = (ast.get_docstring(tree) or "").partition("\n")[0]
        sections.append(f"# {part}\n# {what}\n\n{code}\n")
    head = (
        f'#!/usr/bin/env python3\n"""{about}"""\n\n'
        "# Composed by FaceFold from its own sources, each named below: change those, and export again.\n\n"
        f"from __future__ import annotations\n\n{_imports(trees.values())}\n"
    )
    return f"{head}\n" + "\n\n".join(sections)


def _imports(trees: Iterable[ast.Module]) -> str:
    """All that the parts import of others, each once: the standard library, then packages."""
    plain: set[str] = set()
    names: dict[str, set[str]] = {}
    for node in (node for tree in trees for node in tree.body):
        if isinstance(node, ast.Import):
            plain |= {ast.unparse(alias) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.setdefault(node.module, set()).update(map(ast.unparse, node.names))
    lines = {f"import {name}": name for name in plain}
    lines |= {f"from {name} import {', '.join(sorted(some))}": name for name, some in names.items()}
    groups: dict[bool, list[str]] = {True: [], False: []}
    for line, name in sorted(lines.items(), key=lambda item: (item[0][:4] == "from", item[1].lower())):
        package = name.partition(".")[0].partition(" ")[0]
        if package not in (*OURS, "__future__"):
            groups[package in sys.stdlib_module_names].append(line)
    return "\n".join(groups[True]) + "\n\n" + "\n".join(groups[False])
