import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut

from faces.cache.reader import Cache
from faces.sample.dataset import write_sample
from infer import command as infer
from infer.export import command as export
from pipeline.loader import Loader
from preprocess.run import preprocess
from preprocess.settings import PreprocessSettings
from tests.helpers import pictures
from tests.helpers.own_labels import OWN
from tests.helpers.pictures import picture, save
from tests.helpers.runs.untrained_runs import write_run
from tests.helpers.stage1 import small
from tests.infer.export.program import predict
from train.engine.compute import PredictCompute
from train.recipe.recipe import Recipe

RECIPE = Recipe(
    tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=64, centre=0.8, precision="fp32"
)
ALONE = """
import runpy, sys
for name in ("torch", "torchvision", "timm", "pandas", "scipy", "numba", "onnx", "rich",
             "facenet_pytorch", "faces", "infer", "train", "pipeline", "preprocess"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """Two drawn people, 14 photos; one larger than what is searched, one of nobody, one on its side, and one
    cut so tight that the crop must be clamped."""
    folder = tmp_path_factory.mktemp("drawn")
    write_sample(folder / "people", people=2, seed=0, workers=1)
    photos = folder / "photos"
    photos.mkdir()
    for file in sorted((folder / "people").rglob("*/images/**/*.*")):
        if not file.name.startswith("."):
            (photos / f"{file.parent.name}-{file.name}").write_bytes(file.read_bytes())
    first = Image.open(min(photos.iterdir()))
    first.resize((first.width * 2, first.height * 2)).save(photos / "large.png")
    save(photos / "nobody.png", picture(90, 70))
    save(photos / "side.png", np.rot90(astronaut()[:300, 80:380], 3))
    save(photos / "tight.png", astronaut()[70:190, 165:275])
    crops = {"steps": ("mtcnn", "turned"), "codec": "raw", "size": 96}
    return preprocess(PreprocessSettings(data=photos, cache=folder / "cache", workers=1, **crops))


ENSEMBLE = 'vote = ["some"]\nviews = ["original", "flip"]\n'


@pytest.fixture(scope="module")
def exported(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on such faces, and its export."""
    folder = tmp_path_factory.mktemp("deployed")
    path = write_run(folder / "runs" / "some", RECIPE, crop=cache.description["settings"])
    export.run(export.ExportSettings(run=path.parent, views=("original", "flip"), out=folder / "out"))
    return folder / "out"


@pytest.fixture(scope="module")
def of_own_labels(cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of two factors of somebody's own, voted on by two folds."""
    folder = tmp_path_factory.mktemp("own")
    recipe = dataclasses.replace(RECIPE, tasks=("helmet", "years"))
    for fold in (0, 1):
        crop = cache.description["settings"]
        write_run(folder / "runs" / "some", recipe, crop=crop, fold=fold, labels=OWN)
    (folder / "vote.toml").write_text(ENSEMBLE)
    export.run(
        export.ExportSettings(
            ensemble=folder / "vote.toml", runs=folder / "runs", out=folder / "out", cache=cache.folder
        )
    )
    return folder / "out"


def photos_of(cache: Cache) -> Path:
    return cache.folder.parent / "photos"


def run_alone(exported: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """predict.py in a process that has neither torch nor FaceFold."""
    command = [sys.executable, "-P", "-c", ALONE, str(exported / "predict.py"), str(exported / "model.onnx")]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=exported
    )


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("exported", ["mask", "gender", "age"]),
        pytest.param("of_own_labels", ["helmet", "years"], marks=pytest.mark.slow),
    ],
)
def test_the_predictor_alone_answers_as_facefold_does(
    cache: Cache, name: str, factors: list[str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(name)
    (tmp_path / "vote.toml").write_text(ENSEMBLE)
    infer.run(
        infer.InferSettings(
            ensemble=tmp_path / "vote.toml",
            cache=cache.folder,
            runs=folder.parent / "runs",
            predictions=tmp_path,
            compute=PredictCompute(device="cpu", threads=1, batch_size=8),
        )
    )
    theirs = pd.read_csv(tmp_path / "vote" / "answers.csv")
    out = tmp_path / "answers.csv"
    done = run_alone(folder, photos_of(cache), "--out", out, "--batch", 4, "--threads", 1)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    mine = pd.read_csv(out)
    assert [*mine.columns] == [*theirs.columns]
    mine = mine.assign(path=[Path(path).name for path in mine.path])
    assert {*mine.path} == {*theirs.path}
    mine = mine.set_index("path").loc[theirs.path].reset_index()
    assert mine.status.tolist() == theirs.status.tolist()
    assert (mine.status == "fallback").sum() == 1
    rows = cache.index.set_index("source")
    assert rows.turned["side.png"] == 90 and rows.crop_box["tight.png"][0] == 0
    edges = ["left", "top", "right", "bottom"]
    np.testing.assert_allclose(mine[edges], theirs[edges], atol=1)
    shares = [f"{factor} probability" for factor in factors]
    same = (mine[factors] == theirs[factors]).all(axis=1)
    assert same.sum() >= len(cache) - 1
    np.testing.assert_allclose(mine[shares][same], theirs[shares][same], atol=0.011)
    assert len(theirs[factors].drop_duplicates()) > 1, "the photos should not all be alike"


@pytest.mark.slow
def test_a_run_of_heads_that_form_no_task_answers_each(cache: Cache, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, tasks=("mask", "age[20, 40]"))
    path = write_run(tmp_path / "runs" / "some", recipe, crop=cache.description["settings"])
    export.run(export.ExportSettings(run=path.parent, out=tmp_path / "out"))
    done = run_alone(tmp_path / "out", photos_of(cache) / "nobody.png")
    header, answer = csv.reader(done.stdout.splitlines())
    assert header[5:] == ["mask", "mask probability", "age[20, 40]", "age[20, 40] probability", "status"]
    assert answer[1:5] == [""] * 4
    assert answer[7] in ("<20", "20-39", ">=40")


def test_broken_files_are_named_and_skipped(cache: Cache, exported: Path, tmp_path: Path) -> None:
    whole = next(path for path in sorted(photos_of(cache).iterdir()) if path.suffix == ".jpg")
    data = whole.read_bytes()
    bad = {"cut.jpg": data[: len(data) // 2], "empty.png": b"", "text.jpg": b"not a picture"}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "._whole.jpg").write_bytes(b"hidden")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints" / "whole-checkpoint.jpg").write_bytes(data)
    (tmp_path / "whole.jpg").write_bytes(data + b"what a phone adds after the picture" * 999)
    done = run_alone(exported, tmp_path, tmp_path / "missing.jpg")
    assert done.returncode == 1
    assert [row["path"] for row in csv.DictReader(done.stdout.splitlines())] == [str(tmp_path / "whole.jpg")]
    for name, reason in (
        ("cut.jpg", "damaged: "),
        ("empty.png", "empty file"),
        ("text.jpg", "no photo but a text file"),
        ("gone.jpg", "broken link: No such file or directory"),
        ("missing.jpg", "missing: no such file"),
    ):
        assert f"skipped {tmp_path / name}: {reason}" in done.stderr
    assert "1 photos answered (0 of them without a face, by their middle), 5 skipped" in done.stderr
    assert f"left out, since no photos: 2 ({tmp_path / '._whole.jpg'}, " in done.stderr
    assert f"hidden folders or a tool's: 1 ({tmp_path / '.ipynb_checkpoints'})" in done.stderr


def test_wrong_use_has_another_exit_code_than_broken_photos(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(b"no model")
    for arguments, message in (
        (["model.onnx"], "the following arguments are required: photos"),
        (["model.onnx", tmp_path], f"no photos in {tmp_path}"),
        (["gone.onnx", tmp_path], "gone.onnx: missing: no such file; give a model.onnx"),
        ([tmp_path / "other.onnx", exported / "predict.py"], "other.onnx"),
    ):
        command = [sys.executable, str(exported / "predict.py"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=exported)
        assert done.returncode == 2
        assert message in done.stderr


def test_help_teaches(exported: Path) -> None:
    done = run_alone(exported, "--help")
    for part in ("pip install onnxruntime", "--out answers.csv", "exit code", "fallback"):
        assert part in done.stdout


def recropped(exported: Path, folder: Path, settings: dict[str, object]) -> Path:
    """The exported model, as if its training faces had been cropped otherwise."""
    model = onnx.load(exported / "model.onnx")
    [described] = [prop for prop in model.metadata_props if prop.key == "facefold"]
    described.value = json.dumps({**json.loads(described.value), "crop": settings})
    [seal] = [prop for prop in model.metadata_props if prop.key == predict.SEAL]
    model.metadata_props.remove(seal)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of three faces; one with its face on a side, one on its head, one cut tight."""
    folder = tmp_path_factory.mktemp("group")
    save(folder / "group.png", pictures.group())
    save(folder / "head.png", np.rot90(astronaut()[:300, 80:380], 2))
    save(folder / "side.png", np.rot90(astronaut()[:300, 80:380]))
    save(folder / "tight.png", astronaut()[70:190, 165:275])
    return folder


@pytest.mark.parametrize(
    "settings",
    [
        {"faces": "all", "min_face": 40},
        {"clamp": False, "border": "repeat"},
        {"steps": ("mtcnn",)},
        {"faces": "as_is"},
    ],
)
def test_every_kind_of_crop_is_that_of_preprocessing(
    group: Path, exported: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    plain = {"steps": ("mtcnn", "turned"), "codec": "raw", "size": 96}
    cache = preprocess(small(group, tmp_path / "cache", **{**plain, **settings}))
    write = recropped(exported, tmp_path, cache.description["settings"])
    predictor = predict.Predictor(write, threads=1)
    every = settings.get("faces") == "all"
    for name in ("group.png", "head.png", "side.png", "tight.png"):
        mine = predictor.see(group / name, every)
        rows = np.flatnonzero(cache.index["source"] == name)
        assert len(mine) == len(rows)
        for (seen, box), row in zip(mine, rows, strict=True):
            theirs = cache.index["face_box"][row]
            assert (box is None) == (theirs is None)
            np.testing.assert_allclose(box or (), () if theirs is None else theirs, atol=0.3)
            assert np.abs(seen.astype(int) - cache.image(int(row))).mean() < 3


def test_every_face_is_a_row_where_it_is_asked_for(
    group: Path, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(exported / "model.onnx"), str(group), "--batch", "2", "--threads", "1"]
    for extra, faces in (([], 1), (["--faces", "all"], 2)):  # from 60 pixels up
        assert predict.main([*arguments, "--out", str(tmp_path / "a.csv"), *extra]) == 0
        answers = pd.read_csv(tmp_path / "a.csv")
        assert (answers.path == str(group / "group.png")).sum() == faces
        assert len(answers.drop_duplicates(["path", "left"])) == len(answers)
        assert answers.path.is_monotonic_increasing
    assert f"4 photos answered ({len(answers)} faces; 0 of them without a face" in capsys.readouterr().err
    as_is = recropped(exported, tmp_path, {"size": 96, "faces": "as_is"})
    assert predict.main([str(as_is), *arguments[1:], "--faces", "all"]) == 2
    assert "was trained on photos as they are, and searches no faces" in capsys.readouterr().err


def test_networks_see_what_the_loader_shows(cache: Cache) -> None:
    for size, centre in ((64, 1.0), (64, 0.8), (96, 1.0), (80, 0.625)):
        loader = Loader(
            cache, [0, 1], batch_size=2, image_size=size, centre=centre, mean=(0, 0, 0), std=(1, 1, 1)
        )
        [(images, _)] = loader.epoch(0)
        mine = np.stack([predict.look(cache.image(row), size, centre) for row in (0, 1)])
        np.testing.assert_allclose(mine, 255 * images.numpy(), atol=1.01)
