"""Data flows one way: faces -> preprocess -> cache -> pipeline -> train -> infer."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "faces": set(),
    "preprocess": {"faces"},
    "pipeline": {"faces"},
    "train": {"faces", "pipeline"},
    "infer": {"faces", "pipeline", "train"},
    "bench": {"faces", "preprocess", "pipeline", "train", "infer"},
}
HEAVY = {"torch", "torchvision", "nvidia", "timm", "facenet_pytorch", "rembg", "lightning_fabric"}


def imports(path: Path) -> set[str]:
    """Top-level names of all modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_stages_import_only_what_comes_before_them(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        known = MAY_IMPORT[package] | {package}
        strangers = imports(path) & MAY_IMPORT.keys() - known
        assert not strangers, f"{path.relative_to(ROOT)} imports {strangers}"


def test_words_shared_by_all_stages_need_no_network_library() -> None:
    for path in sorted((ROOT / "faces").rglob("*.py")):
        assert not imports(path) & HEAVY, path.relative_to(ROOT)


def test_every_package_is_installed_by_name() -> None:
    listed = (ROOT / "setup.cfg").read_text().split("packages =")[1].split("#")[0].split()
    rooms = {
        ".".join(p.parent.relative_to(ROOT).parts) for top in MAY_IMPORT for p in (ROOT / top).rglob("*.py")
    }
    assert {*listed} == rooms
    with_code = {p.parent.relative_to(ROOT).parts[0] for p in ROOT.glob("*/*.py")} - {"tests"}
    assert with_code == {*MAY_IMPORT}
