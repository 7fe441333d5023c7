"""Where the networks look, on demand; and an ensemble that is exported once."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from faces.framing.face import Pixels
from infer.explain.overlay import DIMMED, GLOW, STRENGTH
from infer.export.program.predictor import Told
from serve.app import make_app
from serve.explain import Explainer
from serve.limits import Limits, Refusal
from serve.photo.exported import exported
from serve.photo.model import PhotoModel
from serve.work import make_service
from tests.helpers.pictures import picture
from tests.helpers.runs.untrained_runs import write_run
from tests.serve.conftest import files, grey
from train.recipe.recipe import Recipe

RECIPE = Recipe(
    tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=64, centre=0.5, precision="fp32"
)
MASK = Told(["wear", "incorrect", "normal"], 1, np.array([0.2, 0.5, 0.3], np.float32))


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of two untrained folds, with its runs beside it."""
    folder = tmp_path_factory.mktemp("ensemble")
    for fold in range(2):
        write_run(folder / "runs" / "some", RECIPE, fold=fold)
    (folder / "some.toml").write_text('vote = ["some"]\n')
    return folder / "some.toml"


def test_a_map_lights_up_what_the_networks_see_and_nothing_else(ensemble: Path) -> None:
    crop: Pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    explainer = Explainer(ensemble, ensemble.parent / "runs")
    dimmed, lit = crop * DIMMED, 0
    for place in range(3):
        told = MASK._replace(place=place)
        shown = np.asarray(Image.open(io.BytesIO(explainer.picture(crop, "mask", told))))
        assert shown.shape == crop.shape
        changed = (np.abs(shown - dimmed) > 0.6).any(2)
        beyond = np.ones_like(changed)
        beyond[24:72, 24:72] = False  # half of the crop's side is what they are shown
        assert not changed[beyond].any()
        if changed.any():  # of an untrained network all may speak against a class
            lit += 1
            brightest = np.abs(shown - (crop * (1 - STRENGTH) + np.array(GLOW) * STRENGTH)).max(2).min()
            assert brightest <= 0.6, "the brightest place takes its whole share"
    assert lit


def test_what_no_head_tells_is_refused(ensemble: Path) -> None:
    explainer = Explainer(ensemble, ensemble.parent / "runs")
    with pytest.raises(Refusal, match="glasses cannot be explained"):
        explainer.picture(picture(96, 96), "glasses", MASK)


class Bright(Explainer):
    """Tells what it was asked."""

    def picture(self, crop: Pixels, factor: str, told: Told) -> bytes:
        return f"{factor} {told.values[told.place]} {crop.mean():.0f}".encode()


def test_a_face_and_a_factor_are_asked_for(plain: Path, ensemble: Path) -> None:
    service = make_service(plain, Limits(), Bright(ensemble, ensemble.parent))
    with TestClient(make_app(service)) as client:
        assert client.get("/model").json()["explains"]
        answer = client.post("/explain?factor=hat", files=files(grey(204)))
        assert (answer.headers["content-type"], answer.text) == ("image/png", "hat yes 204")
        for query, reason in (
            ("factor=shoe", "known are hat"),
            ("factor=hat&face=1", "this photo has 1"),
            ("", ""),
        ):
            refused = client.post(f"/explain?{query}", files=files(grey(9)))
            assert refused.status_code == 422 and reason in refused.json()["reason"]
        assert client.post("/explain?factor=hat", files=files(b"")).status_code == 415


@pytest.mark.slow
def test_an_ensemble_is_exported_once_and_anew_when_its_runs_change(ensemble: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_run(runs / "some", RECIPE)
    first = exported(ensemble, runs, tmp_path / "exports")
    written = (first / "model.onnx").stat().st_mtime_ns
    assert exported(ensemble, runs, tmp_path / "exports") == first
    assert (first / "model.onnx").stat().st_mtime_ns == written
    assert [*PhotoModel(first, 1, 1).factors] == ["mask", "gender", "age"]
    write_run(runs / "some", RECIPE, fold=1)
    assert exported(ensemble, runs, tmp_path / "exports") != first
