"""docker/Dockerfile, without Docker: its steps in a clean root, and the service that then runs there."""

import io
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from skimage.data import astronaut

from infer.export.detector import detector_networks
from infer.export.metadata import describe_detector
from tests.infer.export.test_predictor_damage import DESCRIPTION, SEARCHED, model_bytes

ROOT = Path(__file__).parents[1]
DOCKERFILE = re.sub(r"\\\n", " ", (ROOT / "docker/Dockerfile").read_text())
MOST_MB = 600
BASE_MB = 130
"""Of python:3.11-slim, unpacked: published, not measured here."""
ABSENT = (
    "torch",
    "torchvision",
    "timm",
    "pandas",
    "pyarrow",
    "numba",
    "scipy",
    "nvidia",
    "onnx",
    "matplotlib",
)


def steps(kind: str) -> list[str]:
    """What follows each instruction of a kind, in order."""
    return re.findall(rf"^{kind} +(.*)$", DOCKERFILE, re.M)


def copied(root: Path) -> Path:
    """A root with what the image's /app has."""
    for step in steps("COPY"):
        source, target = step.split()
        place = root / target.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)
    return root / "app"


def test_what_is_copied_suffices_for_the_service(tmp_path: Path) -> None:
    app = copied(tmp_path)
    code = (
        f"import sys; sys.modules |= dict.fromkeys({ABSENT!r}); sys.path.insert(0, {str(app)!r})\n"
        "import serve.__main__, serve.work, serve.app, serve.explain, faces\n"
        f"assert faces.__file__.startswith({str(app)!r})\nassert not serve.explain.can_explain()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_sent_to_docker_but_what_is_copied() -> None:
    lines = (ROOT / "docker/Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in lines
    sent = [line[1:] for line in lines if line.startswith("!")]
    for step in steps("COPY"):
        assert any(step.split()[0].startswith(each) for each in sent), step


def test_the_image_runs_as_nobody_and_tells_its_health() -> None:
    [user], [health], [entry] = steps("USER"), steps("HEALTHCHECK"), steps("ENTRYPOINT")
    assert int(user.split(":")[0]) > 0
    assert "/health" in health and f":{steps('EXPOSE')[0]}/" in health
    assert json.loads(entry)[:3] == ["python", "-m", "serve"]
    assert "torch" not in (ROOT / "docker/requirements.lock").read_text()


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root after the image's steps: /app, and a Python with nothing but its packages."""
    root = tmp_path_factory.mktemp("image")
    app = copied(root)
    subprocess.run([sys.executable, "-m", "venv", str(root / "python")], check=True)
    for step in steps("RUN"):
        words = shlex.split(step)
        command = ["-m", "pip", *words[1:]] if words[0] == "pip" else words[1:]
        done = subprocess.run(
            [str(root / "python/bin/python"), *command], cwd=app, capture_output=True, text=True, check=False
        )
        if "Could not fetch" in done.stderr or "NewConnectionError" in done.stderr:
            pytest.skip("packages cannot be fetched here")
        assert done.returncode == 0, done.stderr
    networks = json.loads(describe_detector(detector_networks()))
    (root / "model").mkdir()
    described = {**DESCRIPTION, "crop": {**SEARCHED, "clamp": True}}
    (root / "model/model.onnx").write_bytes(model_bytes(described, networks))
    return root


@pytest.fixture
def service(clean: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The image's entry point, at a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [word.replace("/model", str(clean / "model")) for word in json.loads(steps("ENTRYPOINT")[0])]
    process = subprocess.Popen(
        [str(clean / "python/bin/python"), *words[1:], "--port", str(port)],
        cwd=clean / "app", env={"HOME": str(clean)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    yield process, port
    process.kill()
    process.wait()


def fetched(url: str, data: bytes | None = None, kind: str = "") -> dict[str, object]:
    """The JSON at an address, once the service is up."""
    request = urllib.request.Request(url, data, {"Content-Type": kind} if kind else {})
    for _ in range(100):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                found: dict[str, object] = json.loads(answer.read())
                return found
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url}: nobody answers")


@pytest.mark.slow
def test_the_service_answers_a_photo_in_a_clean_root(
    clean: Path, service: tuple[subprocess.Popen[str], int], capsys: pytest.CaptureFixture[str]
) -> None:
    process, port = service
    fetched(f"http://127.0.0.1:{port}/health")
    picture = io.BytesIO()
    Image.fromarray(astronaut()).save(picture, "JPEG")
    form = (
        b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + picture.getvalue() + b"\r\n--x--\r\n"
    )
    answer = fetched(f"http://127.0.0.1:{port}/predict", form, "multipart/form-data; boundary=x")
    [photo] = answer["photos"]  # type: ignore[misc]
    assert (photo["status"], photo["found"]) == ("detected", 1)
    assert photo["faces"][0]["answers"]["hat"]["word"] in ("yes", "no")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    packages = next((clean / "python/lib").glob("python*/site-packages"))
    # The base image has pip and setuptools, too.
    own = megabytes(packages) - sum(megabytes(packages / name) for name in ("pip", "setuptools"))
    sizes = f"packages {own:.0f} MB + code {megabytes(clean / 'app'):.1f} MB (measured) + base {BASE_MB} MB"
    with capsys.disabled():
        print(f"\n{sizes} (assumed) = {own + megabytes(clean / 'app') + BASE_MB:.0f} MB")
    assert own + megabytes(clean / "app") + BASE_MB < MOST_MB
