"""What the predictor that is exported answers of folders where not all is a good photo with a plain name."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from faces.photos.names import FORMULAS, cell_path, path_cell, source_name
from infer.export.compose import compose
from infer.export.program.description import SEAL
from tests.helpers.pictures import picture
from tests.infer.export.program import predict
from tests.infer.export.test_predictor_damage import model_bytes


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(model_bytes())
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(np.full((20, 20, 3), 204, np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_names_of_photos_are_no_formulas_and_name_the_same_files(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    monkeypatch.chdir(folder)
    names = ["=1+1.png", "+a.png", "-a.png", "@a.png", "\ta.png", "\ra.png", "사진, \"'\n.png", "a=b.png"]
    for name in names:
        Image.fromarray(picture(8, 8)).save(name)
    broken = os.fsdecode(b"\xff=.png")
    Image.fromarray(picture(8, 8)).save(broken)
    assert predict.main([str(model), ".", "--out", str(tmp_path / "a.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "a.csv").open(newline="", encoding="utf-8")))
    paths = [row["path"] for row in rows]
    assert not any(path.startswith(FORMULAS) for path in paths)
    assert sorted(cell_path(path) for path in paths) == sorted([*names, "\\xff=.png"])
    assert {path for path in paths if Path(path).is_file()} == {*paths} - {"\\xff=.png"}


def test_good_photos_are_answered_and_each_other_is_named_with_its_reason(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "z.png"):
        Image.fromarray(picture(8, 8)).save(folder / name)
    whole = (folder / "a.png").read_bytes()
    bad = {"three.jpg": b"\xff\xd8\xff", "empty.jpg": b"", "text.jpg": b"no picture", "cut.png": whole[:-30]}
    for name, data in bad.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "folder.jpg").mkdir()
    (folder / "gone.jpg").symlink_to("nowhere")
    out = tmp_path / "a.csv"
    assert predict.main([str(model), str(folder), str(folder / "named.jpg"), "--out", str(out)]) == 1
    assert [row["path"] for row in csv.DictReader(out.open())] == [
        str(folder / n) for n in ("a.png", "z.png")
    ]
    *lines, last = capsys.readouterr().err.splitlines()
    named = dict(line.removeprefix(f"skipped {folder}/").split(": ", 1) for line in lines)
    assert named.keys() == {*bad, "pipe.jpg", "folder.jpg", "gone.jpg", "named.jpg"} and all(named.values())
    assert last.startswith("2 photos answered") and f"{len(named)} skipped" in last


def test_names_are_those_of_stage_1_whatever_the_locale(model: Path, tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text(compose(), encoding="utf-8")
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [
        b"\xff.png",
        b"a\nb.png",
        b'c,"d".png',
        b"=e.png",
        "사진.png".encode(),
        b"f\\g.png",
        b"\x1b[2J.png",
    ]
    for name in names:
        Image.fromarray(picture(8, 8)).save(folder / os.fsdecode(name))
    (folder / os.fsdecode(b"\xfe\n.jpg")).write_bytes(b"\xff\xd8\xff")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "predict.py"), str(model), "."],
        cwd=folder, env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode("utf-8"), newline="")))
    expected = [path_cell(source_name(os.fsdecode(name))) for name in names]
    assert sorted(row["path"] for row in rows) == sorted(expected)
    assert b"skipped \\xfe\\n.jpg: damaged: begins as a JPEG" in done.stderr.splitlines()[0]


def test_numbers_that_are_not_finite_are_no_answer(
    model: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proto = onnx.load(model)
    [most] = [each for each in proto.graph.initializer if each.name == "most"]
    most.CopyFrom(helper.make_tensor("most", TensorProto.FLOAT, [], [0.0]))
    [prop] = [prop for prop in proto.metadata_props if prop.key == SEAL]
    proto.metadata_props.remove(prop)
    onnx.save(proto, model)
    assert predict.main([str(model), str(photo), "--out", str(tmp_path / "a.csv")]) == 2
    assert "its network gives numbers that are not finite" in capsys.readouterr().err


def test_a_photo_for_which_there_is_no_memory_is_named(
    model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: Path) -> None:
        raise MemoryError

    monkeypatch.setattr(predict, "open_photo", full)
    assert predict.main([str(model), str(photo)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {photo}: not enough memory")


def test_a_closed_output_is_told(
    model: Path, photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert predict.main([str(model), str(photo)]) == 2
    assert capsys.readouterr().err == "error: standard output is closed; give --out answers.csv\n"
