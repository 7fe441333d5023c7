"""What the service answers: as the exported program does, each photo by itself."""

import csv
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from serve.app import NOT_FOR, make_app
from serve.batches import Answerer
from serve.limits import Limits
from serve.photo.model import PhotoModel
from serve.work import make_service
from tests.helpers.pictures import picture
from tests.infer.export.program import predict
from tests.infer.export.test_predictor_damage import DESCRIPTION
from tests.serve.conftest import PAIR, PORTRAIT, asked, files, grey, png, written


def test_probabilities_are_those_of_the_network(client: TestClient) -> None:
    told = client.post("/predict", files=files(grey(204))).json()
    assert (told["model"], told["drawn"]) == ("hats", False)
    [photo] = told["photos"]
    assert (photo["status"], photo["code"], photo["width"], photo["height"]) == ("detected", 200, 20, 20)
    assert photo["faces"][0]["box"] == [0, 0, 20, 20]
    hat = photo["faces"][0]["answers"]["hat"]
    assert hat == {"word": "yes", "probability": 0.8, "probabilities": {"yes": 0.8, "no": 0.2}}


def test_answers_are_those_of_the_exported_program(
    looking: TestClient, searching: Path, tmp_path: Path
) -> None:
    photos = {"large.png": PORTRAIT.repeat(2, 0).repeat(2, 1), "side.png": np.rot90(PORTRAIT)}
    photos["nobody.png"] = picture(90, 70)
    for name, pixels in photos.items():
        (tmp_path / name).write_bytes(png(pixels))
    paths = [str(tmp_path / name) for name in photos]
    assert predict.main([str(searching / "model.onnx"), *paths, "--out", str(tmp_path / "a.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    sent = files(*(Path(path).read_bytes() for path in paths))
    answers = looking.post("/predict?faces=best", files=sent).json()["photos"]
    assert [each["status"] for each in answers] == [row["status"] for row in rows]
    assert {row["status"] for row in rows} == {"detected", "fallback"}
    for answer, row in zip(answers, rows, strict=True):
        [face] = answer["faces"]
        assert [f"{edge:.1f}" for edge in face["box"] or []] == [row[e] for e in predict.EDGES if row[e]]
        assert face["answers"]["hat"]["word"] == row["hat"]
        assert face["answers"]["hat"]["probability"] == pytest.approx(float(row["hat probability"]), abs=2e-4)


def test_a_photo_without_a_face_is_said_so(looking: TestClient) -> None:
    [photo] = looking.post("/predict", files=files(png(picture(90, 70)))).json()["photos"]
    assert (photo["status"], photo["found"], photo["faces"][0]["box"]) == ("fallback", 0, None)
    assert "no face was found" in photo["reason"]


def test_every_face_is_answered_or_the_best_alone(looking: TestClient, searching: Path) -> None:
    [photo] = looking.post("/predict", files=files(png(PAIR))).json()["photos"]
    assert photo["found"] == len(photo["faces"]) == 2
    lefts = sorted(face["box"][0] for face in photo["faces"])
    assert lefts[0] < PORTRAIT.shape[1] < lefts[1] < PAIR.shape[1]
    [alone] = looking.post("/predict?faces=best", files=files(png(PAIR))).json()["photos"]
    assert alone["faces"] == photo["faces"][:1]
    with asked(searching, Limits(faces=1)) as client:
        refused = client.post("/predict", files=files(png(PAIR)))
        assert refused.status_code == 422 and "2 faces, the limit is 1" in refused.json()["reason"]


def test_one_bad_photo_fails_alone(client: TestClient) -> None:
    answer = client.post("/predict", files=files(grey(255), b"hello", grey(0)))
    assert answer.status_code == 200
    first, bad, last = answer.json()["photos"]
    assert (bad["status"], bad["code"]) == ("refused", 415) and "text file" in bad["reason"]
    assert [each["faces"][0]["answers"]["hat"]["word"] for each in (first, last)] == ["yes", "no"]


def test_concurrent_photos_go_through_the_network_together_and_each_gets_its_own_answer(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    answer = PhotoModel.answer
    monkeypatch.setattr(
        PhotoModel, "answer", lambda self, crops: sizes.append(len(crops)) or answer(self, crops)
    )
    values = [*range(0, 250, 5)]

    def ask(value: int) -> float:
        told = client.post("/predict", files=files(grey(value))).json()
        return float(told["photos"][0]["faces"][0]["answers"]["hat"]["probabilities"]["yes"])

    with ThreadPoolExecutor(16) as pool:
        assert [*pool.map(ask, values)] == pytest.approx([value / 255 for value in values], abs=1e-4)
    assert sum(sizes) == len(values) and max(sizes) > 1


def test_what_it_counts_is_told_and_nothing_else(client: TestClient) -> None:
    before = counts(client)
    client.post("/predict", files=files(grey(9), b""))
    client.get("/nothing/here")
    after = counts(client)
    more = {name: after[name] - before.get(name, 0) for name in after}
    assert more['facefold_photos_total{status="detected"}'] == 1
    assert more['facefold_photos_total{status="refused"}'] == 1
    assert more['facefold_requests_total{code="404",path="other"}'] == 1
    assert after["facefold_waiting_photos"] == 0
    assert not [name for name in after if "yes" in name or "hat" in name]


def counts(client: TestClient) -> Counter[str]:
    lines = client.get("/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("facefold_"))
    return Counter({name: float(value) for name, value in pairs})  # type: ignore[arg-type]


def test_health_model_and_documentation_tell_what_there_is(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok", "model": "hats", "waiting": 0}
    card = client.get("/model").json()
    assert card["factors"] == {"hat": ["yes", "no"]} and not card["explains"] and card["not_for"] == NOT_FOR
    described = client.get("/openapi.json").json()
    assert {*described["paths"]} == {"/predict", "/explain", "/model", "/health", "/metrics"}
    assert {"400", "408", "413", "415", "422", "429"} <= {
        *described["paths"]["/predict"]["post"]["responses"]
    }
    page = client.get("/docs").text
    assert all(path in page for path in described["paths"])


def test_nothing_is_loaded_from_elsewhere_and_nothing_kept(client: TestClient) -> None:
    for path in ("/", "/docs", "/page.css", "/photo.css", "/photo.js", "/health", "/nothing"):
        answer = client.get(path, headers={"Origin": "http://elsewhere"})
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
        assert not re.search(r"(src|href)=.?https?://|url\(|@import", answer.text), path
        assert not re.search(r"<style|<script>|\son\w+=|style=", answer.text), path


def test_a_mark_of_drawings_reaches_every_answer(tmp_path: Path) -> None:
    with asked(written(tmp_path / "drawn", {**DESCRIPTION, "drawn": True})) as client:
        for told in (client.post("/predict", files=files(grey(9))), client.get("/model")):
            assert told.json()["drawn"] and "learned from drawings" in told.json()["note"]


def test_a_network_that_fails_is_told_and_the_next_request_works(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(make_service(plain, Limits()))
    with TestClient(app, raise_server_exceptions=False) as client, monkeypatch.context() as patched:
        patched.setattr(Answerer, "_in_parts", lambda *_: 1 / 0)
        assert client.post("/predict", files=files(grey(9))).status_code == 500
        patched.undo()
        assert client.post("/predict", files=files(grey(9))).status_code == 200


def test_it_answers_without_torch_and_pandas(plain: Path) -> None:
    script = """
import sys
for name in ("torch", "torchvision", "timm", "pandas", "pyarrow", "scipy", "numba", "onnx", "nvidia"):
    sys.modules[name] = None
from pathlib import Path
import serve.command
from serve.limits import Limits
from serve.work import make_service
from serve.app import make_app
make_app(make_service(Path(sys.argv[1]), Limits()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(plain)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
