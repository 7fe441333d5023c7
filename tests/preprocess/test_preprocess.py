"""Whole runs of stage 1."""

import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut

from faces.cache.reader import Cache
from preprocess.engines.pool import run_shards
from preprocess.look.sheet import LEGEND, NAME
from preprocess.run import plan_shards, preprocess
from preprocess.settings import PreprocessSettings
from preprocess.shard import Tools, make_samples
from preprocess.sources.scan import scan
from tests.helpers.pictures import picture, save
from tests.helpers.stage1 import content, run_program, small, small_photos


def test_shards_are_an_even_split_of_a_shuffle() -> None:
    plan = plan_shards(700, 512, 0)
    assert [len(shard) for shard in plan] == [350, 350]
    assert sorted(plan[0] + plan[1]) == [*range(700)]
    assert plan == plan_shards(700, 512, 0) != plan_shards(700, 512, 1)
    assert plan[0] != sorted(plan[0])
    assert [len(shard) for shard in plan_shards(512, 512, 0)] == [512]
    assert plan_shards(1, 512, 0) == [[0]]


def test_one_worker_uses_one_thread_and_leaves_the_callers_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("preprocess.engines.pool._do_shard", lambda *_: seen.append(cv2.getNumThreads()))
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        settings = small(small_photos(tmp_path / "data", 2), tmp_path / "cache")
        run_shards({0: [], 1: []}, Tools(settings, tmp_path), None, 1, lambda *_: None)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)
    assert seen == [1, 1]


def test_several_threads_make_the_same_samples(tmp_path: Path) -> None:
    """As beside a GPU, where they cut crops too."""
    data = small_photos(tmp_path / "data", 9)
    save(data / "face.png", astronaut())
    (data / "bad.png").write_bytes(b"no photo")
    settings = small(data, tmp_path / "cache", batch=4)
    rows = scan(data).photos.to_dict("records")
    made, counts = [], []
    for threads in (1, 3):
        tools, count = Tools(settings, data, threads=threads), []
        made.append(make_samples(rows, tools, lambda done, bad, count=count: count.append((done, len(bad)))))
        counts.append(np.sum(count, 0).tolist())
        assert {*tools.seconds} == {"read and decode", "detect", "crop and encode"}
    assert [sample.data for sample in made[0]] == [sample.data for sample in made[1]]
    assert [sample.fields["status"] for sample in made[1]].count("rejected") == 1
    assert counts == [[11, 1]] * 2


def test_a_run_writes_every_photo_once_and_counts_the_bad_ones(tmp_path: Path) -> None:
    data = tmp_path / "data"
    person = data / "images" / "p1"
    for stem in ("mask1", "mask2", "mask4", "mask5", "incorrect_mask"):
        save(person / f"{stem}.png", picture(19, 18, seed=len(stem)))
    save(person / "normal.jpeg", astronaut())
    (person / "mask4.png").write_bytes(b"no photo")
    (data / "train.csv").write_text("id,gender,race,age,path\n1,female,Asian,61,p1\n")

    cache = preprocess(small(data, tmp_path / "cache", size=64, shard_size=3))

    assert sorted(cache.index.position) == [0, 1, 4, 5, 6]
    assert [*cache.rejects.reason] == [
        "missing: no mask3.jpg, .jpeg or .png in images/p1",
        "no photo but a text file",
    ]
    assert [*cache.rejects.source] == ["images/p1/mask3.jpg", "images/p1/mask4.png"]
    rows = cache.index.set_index("position")
    assert [*rows.status[[0, 1, 4, 5, 6]]] == ["fallback"] * 4 + ["detected"]
    assert [*rows.detector[[0, 6]]] == ["centre", "mtcnn"] and [*rows.faces[[0, 6]]] == [0, 1]
    assert rows.face_box[0] is None and rows.landmarks[0] is None and np.isnan(rows.score[0])
    assert [*rows["mask"][[0, 1, 4, 5, 6]]] == [0, 0, 0, 1, 2]
    assert (rows.gender == 1).all() and (rows.age == 61).all() and (rows.person == "p1").all()
    assert (rows.height[6], rows.width[6]) == (512, 512) and rows.height.dtype == np.int64
    assert rows.key[6] == "00000006" and len(rows.source_sha256[6]) == 64

    row = int(np.flatnonzero(cache.index.position == 6)[0])
    left, top, right, bottom = rows.crop_box[6]
    expected = Image.fromarray(astronaut()).resize(
        (64, 64), Image.Resampling.BILINEAR, (left, top, right, bottom)
    )
    crop = Image.open(io.BytesIO(cache.encoded(np.array([row]))[0].tobytes()))
    assert np.abs(np.asarray(crop, float) - np.asarray(expected, float)).mean() < 4
    face_left, face_top, face_right, face_bottom = rows.face_box[6]
    assert left < face_left < face_right < right and top < face_top < face_bottom < bottom


def test_the_box_of_a_large_photo_is_in_its_own_pixels(tmp_path: Path) -> None:
    save(tmp_path / "data" / "large.jpg", np.asarray(Image.fromarray(astronaut()).resize((1536, 1536))))
    save(tmp_path / "data" / "small.jpg", astronaut())
    cache = preprocess(small(tmp_path / "data", tmp_path / "cache"))
    boxes = cache.index.set_index("source").face_box
    np.testing.assert_allclose(boxes["large.jpg"] / 3, boxes["small.jpg"], atol=5)


def test_workers_and_resuming_do_not_change_a_byte(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 6)
    for number, x in enumerate((100, 130, 160)):
        save(data / f"face{number}.jpg", astronaut()[20:220, x : x + 160])
    one = small(data, tmp_path / "one", shard_size=3)
    preprocess(one)
    preprocess(small(data, tmp_path / "two", shard_size=3, workers=2))
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert (Cache.open(tmp_path / "one").index.status == "detected").sum() == 3


def test_a_finished_cache_needs_no_work_and_no_torch(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 3)
    preprocess(small(data, tmp_path / "cache"))
    before = content(tmp_path / "cache")
    script = (
        "import sys; sys.argv[0] = 'preprocess'; from preprocess.command import main; main(); "
        "assert not {'torch', 'rembg', 'facenet_pytorch'} & {*sys.modules}"
    )
    arguments = ["--data", data, "--cache", tmp_path / "cache", "--size", 16, "--workers", 2, "--batch", 3]
    command = [sys.executable, "-c", script, *map(str, arguments)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "nothing to do" in output
    assert content(tmp_path / "cache") == before


def test_other_settings_or_photos_are_refused_with_the_difference(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 3)
    preprocess(small(data, tmp_path / "cache"))
    with pytest.raises(ValueError, match=r"settings.margin: 0.25 there, 0.5 now"):
        preprocess(small(data, tmp_path / "cache", margin=0.5))
    (data / "001.png").rename(data / "009.png")
    with pytest.raises(ValueError, match=r"1 photo is new \(the first 009.png\), and 1 photo is gone"):
        preprocess(small(data, tmp_path / "cache"))


def test_a_photo_that_changed_after_its_cache_was_finished_is_named(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 3)
    preprocess(small(data, tmp_path / "cache"))
    save(data / "001.png", picture(10, 10))
    with pytest.raises(
        ValueError, match=r"cache: since it was made, 1 photo changed, the first 001.png; choose"
    ):
        preprocess(small(data, tmp_path / "cache"))


def test_a_moved_folder_still_continues_its_cache(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    preprocess(small(small_photos(tmp_path / "data", 3), tmp_path / "cache"))
    (tmp_path / "data").rename(tmp_path / "new" / "data")
    assert len(preprocess(small(tmp_path / "new" / "data", tmp_path / "cache"))) == 3


def test_an_eval_cache_can_be_put_in_the_order_of_its_table(tmp_path: Path) -> None:
    data = tmp_path / "data"
    small_photos(data / "images", 20)
    names = [f"{number:03d}.png" for number in np.random.default_rng(0).permutation(20)]
    pd.DataFrame({"ImageID": names, "ans": 0}).to_csv(data / "info.csv", index=False)
    cache = preprocess(small(data, tmp_path / "cache", shard_size=8))
    assert [*cache.index.image_id] != names
    assert [*cache.index.sort_values("position").image_id] == names


def test_raw_crops_are_their_pixels(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 1)
    cache = preprocess(small(data, tmp_path / "cache", codec="raw"))
    crop = cache.encoded(np.array([0]))[0]
    assert crop.shape == (16, 16, 3)
    left, top, right, bottom = map(int, cache.index.crop_box[0])
    expected = Image.fromarray(picture(19, 18)[top:bottom, left:right]).resize(
        (16, 16), Image.Resampling.BILINEAR
    )
    np.testing.assert_array_equal(crop, np.asarray(expected))


def test_the_sheet_of_faces_shows_crops_and_rejects(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 12)
    (data / "bad.jpg").write_bytes(b"")
    preprocess(small(data, tmp_path / "cache"))
    sheet = np.asarray(Image.open(tmp_path / "cache" / "faces.jpg"))
    assert sheet.shape == (LEGEND + 2 * (128 + NAME), 10 * 128, 3)
    np.testing.assert_allclose(sheet[LEGEND + 2, 64], (200, 40, 40), atol=25)
    np.testing.assert_allclose(sheet[LEGEND + 2, 128 + 64], (240, 160, 20), atol=25)


def test_when_no_photo_can_be_used_the_run_fails_with_the_reasons(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.jpg").write_bytes(b"")
    (data / "b.jpg").write_bytes(b"text")
    with pytest.raises(ValueError, match=r"none of 2 photos could be used: .*empty file"):
        preprocess(small(data, tmp_path / "cache"))


def test_missing_matting_weights_stop_the_run_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    data = small_photos(tmp_path / "data", 3)
    with pytest.raises(ValueError, match=r"no u2netp.onnx"):
        preprocess(small(data, tmp_path / "cache", background="white"))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size=0: must be from 16 to 2048"),
        ({"margin": -0.1}, "margin=-0.1"),
        ({"quality": 101}, "quality=101"),
        ({"shard_size": 0}, "shard_size=0"),
        ({"cache": "data/cache"}, "lies inside data="),
        ({"max_lost": 1.5}, "max_lost=1.5"),
        ({"steps": ("mtcnn", "mtcnn")}, "steps=mtcnn mtcnn: a step is named twice"),
        ({"background": "alpha"}, "a JPEG cannot be transparent; use --codec png or raw"),
        ({"yunet": Path("nowhere.onnx")}, "yunet=nowhere.onnx: no such file"),
    ],
)
def test_settings_are_checked(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    if "cache" in settings:
        settings = {"cache": tmp_path / str(settings["cache"])}
    with pytest.raises(ValueError, match=message):
        PreprocessSettings(**{"data": tmp_path / "data", "cache": tmp_path / "cache", **settings})  # type: ignore[arg-type]


def test_the_command_line_reports_a_mistake_in_one_line(tmp_path: Path) -> None:
    result = run_program("--data", tmp_path / "nowhere", "--cache", tmp_path / "cache")
    assert result.returncode == 2
    assert (
        result.stderr.startswith(f"error: data={tmp_path}/nowhere: no such folder")
        and result.stderr.count("\n") == 1
    )


def test_the_plan_of_a_cache_holds_what_decides_its_bytes(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 2)
    preprocess(small(data, tmp_path / "cache"))
    settings = json.loads((tmp_path / "cache" / "cache.json").read_text())["settings"]
    assert settings["margin"] == 0.25 and settings["steps"] == ["mtcnn", "again", "turned"]
    assert settings["clamp"] and "every_face" not in settings and "faces" not in settings
    assert not {"workers", "batch", "device", "matting_model"} & {*settings}
    preprocess(small(data, tmp_path / "as_is", faces="as_is"))
    settings = json.loads((tmp_path / "as_is" / "cache.json").read_text())["settings"]
    assert settings["faces"] == "as_is" and not {"steps", "min_face", "detection_rules"} & {*settings}
