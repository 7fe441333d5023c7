"""Photos called as nobody should: each is a crop or a named reject, and nothing that is printed steers."""

import re
import shlex
from pathlib import Path

import pytest

from faces.cache.reader import Cache
from faces.failures import complaint
from faces.photos.names import source_path
from faces.terminal.output import escaped_output
from preprocess.faults import find_faults
from preprocess.look.page import write_page
from preprocess.run import preprocess
from preprocess.sources.scan import scan
from preprocess.verify import VerifySettings, verify
from tests.helpers.pictures import picture, save
from tests.helpers.stage1 import small, small_photos

NAMES = (
    *("a\nerror: b", "t\tb", "\x1b[2J\x1b]0;t\x07", "c\x9bm", "\u202egpj", "x\udcff\udc80", "\r", "\u2028z"),
    *(
        "=cmd|' C'!A0",
        "-rf",
        "'\"$(x)`;&|",
        "<script>",
        "\\x1b",
        "사진",
        "a,b",
        "{{7}}",
        "[red]",
        "%s{0}",
        "~",
        "#",
    ),
)
"""Ends of lines, marks of terminals, no text, formulas, flags, shells, pages, escapes, tables, templates."""
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]")


def put(folder: Path, name: str, number: int, bad: bool = False) -> None:
    """A photo, or a file that is none, of any name."""
    plain = save(folder / f"plain{number}.png", picture(20, 20, number))
    if bad:
        plain.write_bytes(b"no photo")
    plain.rename(folder / name)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_photos(tmp_path_factory.mktemp("names") / "data", 2)
    for number, name in enumerate(NAMES):
        put(folder, f"{name}.png", number)
        put(folder, f"bad {name}.jpg", 100 + number, bad=True)
        put(folder, f"left out {name}.txt", 200 + number, bad=True)
        (folder / f"folder {name}").mkdir()
        put(folder / f"folder {name}", f"{name}.png", 300 + number)
    return folder


def test_every_photo_is_a_crop_or_a_reject(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "it's [/red] {0} $(x)"
    with escaped_output():
        cache = preprocess(small(data, folder, codec="raw"))
        assert preprocess(small(data, folder, codec="raw")).rejects.equals(cache.rejects)
        (cache.folder / "x\x1b[2J\nsound").touch()
        with pytest.raises(SystemExit):
            verify(VerifySettings(cache=cache.folder))
    printed = capsys.readouterr().out
    assert not STEERING.search(printed)
    assert f"make look CACHE={shlex.quote(str(folder))}" in printed
    assert re.search(r"x\\x1b\[2J.{1,2}sound: no file of a cache", printed)
    assert "\nerror: b" not in printed
    (cache.folder / "x\x1b[2J\nsound").unlink()

    opened = Cache.open(cache.folder)
    used = {f"{name}.png" for name in NAMES} | {f"folder {name}/{name}.png" for name in NAMES}
    assert {*map(source_path, opened.index.source)} == used | {"000.png", "001.png"}
    assert {*map(source_path, opened.rejects.source)} == {f"bad {name}.jpg" for name in NAMES}
    assert [*find_faults(cache.folder)] == []
    write_page(cache.folder, tmp_path / "look.html", 0)
    assert "<script>.png" not in (tmp_path / "look.html").read_text()


def test_a_mistake_among_such_names_is_one_line(data: Path) -> None:
    (data / "labels.toml").write_text('glasses = ["folder ~", "no"]\n')
    try:
        with pytest.raises(ValueError, match="mean no label") as refused:
            scan(data)
    finally:
        (data / "labels.toml").unlink()
    line = complaint(refused.value)
    assert r"folder \x1b[2J" in line and "\n" not in line and not STEERING.search(line)
