"""Text is UTF-8 whatever the locale: what a person writes, what is read, and what is printed."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from faces.command import load_toml
from faces.files import settings_text

ROOT = Path(__file__).parents[1]
STAGES = ("faces", "preprocess", "pipeline", "train", "infer", "bench")
TEXT_MODE = re.compile(r"[rwax]\+?t?|t?[rwax]\+?")
OPENERS = {"open", "fdopen", "NamedTemporaryFile", "TemporaryFile", "TextIOWrapper"}
OTHERS = {"os", "tarfile", "Image"}
"""Whose `open` gives no text."""
MAY_OPEN = re.compile("open[(]|_text[(]|TextIO|Temporary|text=|universal_newlines")


def by_locale(source: str) -> list[int]:
    """Lines that open text in the encoding of the locale."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        if isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") in OTHERS:
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = {each.arg: each.value for each in call.keywords}
        values = [each.value for each in (*call.args, *given.values()) if isinstance(each, ast.Constant)]
        modes = [each for each in values if isinstance(each, str) and TEXT_MODE.fullmatch(each)]
        nameless = name == "open" and (isinstance(call.func, ast.Name) or not call.args) and not values
        text = name in ("read_text", "write_text") or (name in OPENERS and (modes or nameless))
        told = any(getattr(given.get(key), "value", False) is True for key in ("text", "universal_newlines"))
        if (text or told) and not {"encoding", "fileno"} & {*given}:
            found.append(call.lineno)
    return found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("path.read_text()", True),
        ("path.read_text(errors='replace')", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.write_text(words)", True),
        ("open(path)", True),
        ("path.open()", True),
        ("path.open('rb')", False),
        ("path.open('w+')", True),
        ("open(path, mode='a', encoding='utf-8')", False),
        ("Image.open(path)", False),
        ("os.open(path, os.O_RDONLY)", False),
        ("NamedTemporaryFile('w')", True),
        ("NamedTemporaryFile()", False),
        ("subprocess.run(line, text=True)", True),
        ("subprocess.run(line, encoding='utf-8')", False),
    ],
)
def test_what_opens_text_by_the_locale_is_found(line: str, found: bool) -> None:
    assert by_locale(line) == ([1] if found else [])


def test_no_text_is_opened_in_the_encoding_of_the_locale() -> None:
    paths = [path for stage in STAGES for path in (ROOT / stage).rglob("*.py")]
    sources = {path: text for path in paths if MAY_OPEN.search(text := path.read_text(encoding="utf-8"))}
    assert len(sources) > 50
    assert {path: lines for path, text in sources.items() if (lines := by_locale(text))} == {}


WORDS = 'about = "Größe, 사진"\n'


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "a mark"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_settings_file_is_read_with_a_mark_and_without(mark: bytes, ends: str, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(mark + WORDS.replace("\n", ends).encode())
    assert load_toml(path) == {"about": "Größe, 사진"}


@pytest.mark.parametrize(
    ("encoding", "line"), [("utf-16", 1), ("utf-16-le", 2), ("utf-16-be", 2), ("cp949", 2), ("latin-1", 2)]
)
def test_another_encoding_is_refused_with_its_line(encoding: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    words = "Größe" if encoding == "latin-1" else "사진"
    path.write_bytes(f'fold = 1\nabout = "{words}"\n'.encode(encoding))
    with pytest.raises(ValueError, match=f"x.toml: line {line} is not in UTF-8; save it as UTF-8"):
        settings_text(path)


ABOUT = """
import sys
from dataclasses import dataclass
from pathlib import Path
from rich import get_console
from faces.command import load_toml, run_command

@dataclass(frozen=True, kw_only=True)
class Shown:
    file: Path

def show(settings):
    about = load_toml(settings.file)["about"]
    print(about)
    get_console().print(about)
    raise ValueError(about)

run_command(Shown, show)
"""


def test_nothing_depends_on_the_locale(tmp_path: Path) -> None:
    """In a process whose locale knows ASCII alone, and which may not guess an encoding."""
    path = tmp_path / "사진.toml"
    path.write_text(WORDS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-X", "warn_default_encoding", "-W", "error::EncodingWarning:faces",
         "-c", ABOUT, "--file", path],
        cwd=ROOT, env={"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "HOME": str(tmp_path)},
        capture_output=True, check=False,
    )  # fmt: skip
    escaped = b"Gr\\xf6\\xdfe, \\uc0ac\\uc9c4"
    assert done.stderr.splitlines() == [b"error: " + escaped]
    first, *shown = done.stdout.splitlines()
    assert shown == [escaped] * 2
    assert first.startswith(b"names of files are read in ascii, ") and first.endswith(b"; set PYTHONUTF8=1")
    assert done.returncode == 2
