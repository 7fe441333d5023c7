"""Recipes, ensembles, sweeps and label files that nobody should write: a line each, and nothing is read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from faces.files import SETTINGS_BYTES
from faces.labelling.label_file import read_labels
from infer.ensemble.file import read_ensemble
from train.recipe.file import read_recipe
from train.sweep.file import read_sweep

READERS: dict[str, Callable[[Path], object]] = {
    "recipe": read_recipe,
    "ensemble": read_ensemble,
    "sweep": read_sweep,
    "labels": read_labels,
}
NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "a named pipe"),
    "folder": (Path.mkdir, "a folder"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device"),
    "circle": (lambda path: path.symlink_to(path.name), "no such file|symbolic links"),
}
TEXTS = {
    "lists in lists": ("a = " + "[" * 100_000, "more than 16"),
    "tables in tables": (".".join("a" * 3_000) + " = 1", "more than 16"),
    "inline tables": ("a = " + "{a = " * 40 + "1" + "}" * 40, "more than 16"),
    "a number without end": ("a = " + "9" * 10_000, "not TOML"),
    "no text": ("a = \udcff", "line 1 is not in UTF-8; save it as UTF-8"),
    "a program": ("\x7fELF\0\0", "not TOML"),
}


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("what", NO_FILES)
def test_what_is_no_file_is_not_opened(kind: str, what: str, tmp_path: Path) -> None:
    make, said = NO_FILES[what]
    make(tmp_path / "x.toml")
    with pytest.raises((ValueError, OSError), match=said):
        READERS[kind](tmp_path / "x.toml")


@pytest.mark.parametrize("kind", READERS)
def test_a_file_beyond_any_settings_is_not_read(kind: str, tmp_path: Path) -> None:
    with (tmp_path / "x.toml").open("wb") as file:
        file.truncate(100 * 2**30)
    with pytest.raises(ValueError, match=rf"x\.toml: 107,374,182,400 bytes, .*{SETTINGS_BYTES:,}"):
        READERS[kind](tmp_path / "x.toml")


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("what", TEXTS)
def test_a_text_that_is_no_settings_is_a_line(kind: str, what: str, tmp_path: Path) -> None:
    text, said = TEXTS[what]
    (tmp_path / "x.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=said) as refused:
        READERS[kind](tmp_path / "x.toml")
    assert str(refused.value).startswith(f"{tmp_path / 'x.toml'}: ") and len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("../../../../../../../../etc/passwd", "no recipe file"),
        ("/dev/zero", "no recipe file"),
        ("pipe.toml", "no such file"),
        ("zero.toml", "no such file"),
        ("a.toml", "leads back to itself"),
        ("a\\u0000.toml", "no such file|null"),
    ],
)
def test_a_base_is_a_recipe_file_and_nothing_else(base: str, said: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    (tmp_path / "a.toml").write_text(f'base = "{base}"\n')
    with pytest.raises(ValueError, match=said) as refused:
        read_recipe(tmp_path / "a.toml")
    assert "root:" not in str(refused.value)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", "x\\u001b[2J", ""])
def test_an_ensemble_includes_those_beside_it_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(f'ensemble = "{name}"\n')
    with pytest.raises(ValueError, match=r"no name of a file beside this one|no such file"):
        read_ensemble(tmp_path / "a.toml")


def test_ensembles_of_ensembles_do_not_grow_without_end(tmp_path: Path) -> None:
    """Eight small files may stand for 50**8 members."""
    for number in range(8):
        inner = ", ".join([f'{{ensemble = "e{number + 1}"}}'] * 50) if number < 7 else '"small"'
        (tmp_path / f"e{number}.toml").write_text(f"vote = [{inner}]\n")
    with pytest.raises(ValueError, match="included more than 1,000 times"):
        read_ensemble(tmp_path / "e0.toml")
