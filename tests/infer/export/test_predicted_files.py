"""Which files the predictor that is exported takes for photos: it has the gate of stage 1."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces.photos.files import BadPhoto
from preprocess.sources.photo import read_photo
from tests.helpers.pictures import jpeg, picture
from tests.infer.export.program import predict
from tests.preprocess.sources import test_bombs as bombs
from tests.preprocess.sources import test_photo as photos

PNG, WHOLE = photos.png_with(pixels=picture(30, 20)), jpeg(picture(30, 20))
ODD = {
    **{name: (lambda data=data: data) for name, (data, _) in photos.BAD.items()},
    **{
        name: (lambda part=part: photos.png_with(part, pixels=picture(30, 20)))
        for name, part in photos.TEXTS.items()
    },
    **{name: make for name, (make, _) in bombs.REFUSED.items()},
    **bombs.USED,
    **{f"{count} bytes of a JPEG": (lambda count=count: WHOLE[:count]) for count in (0, 1, 2, 3, 4, 20, 300)},
    **{f"{count} bytes of a PNG": (lambda count=count: PNG[:count]) for count in (7, 8, 33, 60)},
    "a pointer": lambda: b"version https://git-lfs.github.com/spec/v1\n",
    "a page": lambda: b"\n<!DOCTYPE html><title>404</title>",
    "a JPEG XL": lambda: b"\0\0\0\x0cJXL \r\n\x87\n",
    "a raw photo": lambda: b"II*\0\x08\0\0\0\1\0" + bytes([0x12, 0xC6, 1, 0, 4, 0, 0, 0, 1, 4, 0, 0]),
}


def verdict(read: object, path: Path) -> object:
    """The reason of a refusal, or the pixels."""
    try:
        return read(path)
    except (BadPhoto, predict.BadPhoto) as bad:
        return bad.reason


@pytest.mark.parametrize(
    "name",
    [
        # A second each way.
        pytest.param(name, marks=pytest.mark.slow if name == "PNG of a million texts" else ())
        for name in ODD
    ],
)
def test_the_program_and_stage_1_say_the_same_of_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(ODD[name]())
    theirs = verdict(lambda path: read_photo(path).pixels, path)
    mine = verdict(lambda path: np.asarray(predict.open_photo(path)[0]), path)
    assert type(mine) is type(theirs)
    np.testing.assert_array_equal(mine, theirs)


def test_what_is_no_file_has_the_same_reason_too(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    for name in ("folder.jpg", "pipe.jpg", "zero.jpg", "gone.jpg", "missing.jpg", "a" * 300):
        mine = verdict(predict.open_photo, tmp_path / name)
        assert isinstance(mine, str) and mine == verdict(read_photo, tmp_path / name)


def test_photos_of_a_folder_are_told_by_their_content(tmp_path: Path) -> None:
    """Whatever they are called; nothing that claims to be one is passed over."""
    kinds = {"a.jpe": "JPEG", "b": "PNG", "c.JPG_1": "JPEG", "d.gif": "GIF", "e.x": "JPEG2000", "f.y": "WEBP"}
    for name, kind in kinds.items():
        Image.fromarray(picture(20, 30)).save(tmp_path / name, kind)
    (tmp_path / "BM.csv").write_text("BMI,age\n20,30\n")
    (tmp_path / "empty.dng").touch()
    for folder in ("@eaDir", ".Trash-0", "inner", "full.jpg", "hollow.jpg"):
        (tmp_path / folder).mkdir()
        if folder != "hollow.jpg":
            Image.fromarray(picture(20, 30)).save(tmp_path / folder / "z.png")
    (tmp_path / "inner" / "circle").symlink_to(tmp_path)
    (tmp_path / "none").mkdir()
    files, lines, closed = predict.photos_of([tmp_path, tmp_path / "named.txt", tmp_path / "none"])
    names = (*kinds, "empty.dng", "inner/z.png", "full.jpg/z.png", "hollow.jpg")
    assert (files, closed) == ([*sorted(tmp_path / name for name in names), tmp_path / "named.txt"], 0)
    assert lines == [
        f"no photos in {tmp_path / 'none'}",
        f"left out, since hidden folders or a tool's: 2 ({tmp_path / '.Trash-0'}, {tmp_path / '@eaDir'})",
        f"left out, since no photos: 1 ({tmp_path / 'BM.csv'})",
    ]


def test_a_folder_that_may_not_be_looked_at_is_left_to_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert predict.photos_of([tmp_path / "a.jpg"]) == ([tmp_path / "a.jpg"], [], 0)
    with pytest.raises(predict.BadPhoto, match="unreadable: Permission denied"):
        predict.open_photo(tmp_path / "a.jpg")
