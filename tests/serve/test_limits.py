"""What is too much, too slow or no photo gets a 4xx with its reason, and the next request works."""

import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from serve.app import make_app
from serve.limits import Limits
from serve.photo.model import PhotoModel
from serve.work import make_service
from tests.preprocess.odd_files import LOST, USED, bomb
from tests.serve.conftest import FEW, asked, files, grey, listening, png


def works(client: TestClient) -> bool:
    told = client.post("/predict", files=files(grey(204))).json()
    return bool(told["photos"][0]["faces"][0]["answers"]["hat"]["probability"] == 0.8)


@pytest.mark.parametrize("name", LOST)
def test_a_bad_file_is_refused_with_the_reason_of_stage_1(client: TestClient, name: str) -> None:
    contents, reason = LOST[name]
    answer = client.post("/predict", files=files(contents()))
    assert answer.status_code in (413, 415)
    assert answer.json()["code"] == answer.status_code
    if name != "20,000 x 20,000 PNG":  # the service has a limit of its own
        assert re.search(reason, answer.json()["reason"])
    assert works(client)


@pytest.mark.parametrize("name", USED)
def test_an_odd_file_is_answered(client: TestClient, name: str) -> None:
    [photo] = client.post("/predict", files=files(USED[name][0]())).json()["photos"]
    assert photo["status"] == "detected"


NAMES = [
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\a.png",
    "a\0b",
    "",
    "x" * 5000,
    "사진.png",
    "\udcff",
    "a\r\nb: c",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files_are_not_looked_at(client: TestClient, name: str) -> None:
    raw = name.encode("utf-8", "surrogateescape").replace(b"\r", b"%0D").replace(b"\n", b"%0A")
    body = b'--b\r\nContent-Disposition: form-data; name="photos"; filename="' + raw + b'"\r\n\r\n'
    body += grey(204) + b"\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post("/predict", content=body, headers=headers)
    assert answer.status_code == 200 or (answer.status_code == 400 and len(name) > 4000)
    assert "passwd" not in answer.text
    assert works(client)


FORM = {"Content-Type": "multipart/form-data; boundary=b"}
WRONG: dict[str, tuple[dict[str, object], int, str]] = {
    "JSON": ({"json": {"photos": ["a.png"]}}, 400, "not multipart/form-data"),
    "a form of text": ({"data": {"photos": "a.png"}}, 400, "not multipart/form-data"),
    "a photo as the body": ({"content": grey(9), "headers": {"Content-Type": "image/png"}}, 400, "not multi"),
    "no body": ({}, 400, "not multipart"),
    "a form without a boundary": (
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        400,
        "",
    ),
    "no form after all": ({"content": b"\0" * 99, "headers": FORM}, 400, "no readable form"),
    "a form that ends at once": ({"content": b"--b--\r\n", "headers": FORM}, 422, "no photo"),
    "another field": ({"files": {"file": grey(9)}}, 422, "no photo"),
    "text in the field": ({"files": {"photos": (None, "a.png")}}, 422, "no photo"),
    "too many photos": ({"files": files(*[grey(9)] * 5)}, 413, "5 photos; a request may have 4"),
    "far too many photos": ({"files": files(*[b""] * 50)}, 413, "Too many files"),
    "too large a photo": ({"files": files(bytes(1_000_001))}, 413, "the limit is 1 MB"),
    "too large a request": ({"files": files(*[bytes(900_000)] * 4)}, 413, "a request may have 3 MB"),
    "too many pixels": (
        {"files": files(png(np.zeros((1001, 1000), np.uint8)))},
        413,
        "the limit is 1 million",
    ),
    "a bomb": ({"files": files(bomb())}, 413, "400000000 pixels"),
    "an empty file": ({"files": files(b"")}, 415, "empty file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_refused_with_its_reason(strict: TestClient, name: str) -> None:
    request, code, reason = WRONG[name]
    answer = strict.post("/predict", **request)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (code, code)
    assert reason in answer.json()["reason"]
    assert works(strict)


def test_a_wrong_query_is_refused(strict: TestClient) -> None:
    answer = strict.post("/predict?faces=none", files=files(grey(9)))
    assert answer.status_code == 422 and answer.json()["reason"].startswith("faces: ")
    answer = strict.post("/explain?factor=hat", files=files(grey(9)))
    assert answer.status_code == 404 and "ENSEMBLE" in answer.json()["reason"]
    assert strict.get("/predict").status_code == 405
    assert works(strict)


def test_a_full_queue_is_told(plain: Path) -> None:
    with asked(plain, FEW) as client:
        answerer = client.app.state.service.answerer  # type: ignore[attr-defined]
        answerer.photos = 8
        answer = client.post("/predict", files=files(grey(9)))
        assert answer.status_code == 429 and "busy: 8 photos wait" in answer.json()["reason"]
        assert answer.headers["retry-after"] == "1"
        answerer.photos = 0
        uploads = client.app.state.service.uploads  # type: ignore[attr-defined]
        uploads.held = 3_000_000
        assert client.post("/predict", files=files(grey(9))).status_code == 429
        assert uploads.held == 3_000_000, "what is refused is held no more"
        uploads.held = 0
        assert works(client) and uploads.held == 0


def test_an_answer_that_takes_too_long_is_refused(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    see = PhotoModel.see
    monkeypatch.setattr(PhotoModel, "see", lambda *args, **more: stop.wait(20) and see(*args, **more))
    with asked(plain, Limits(answer_s=0.2)) as client:
        answer = client.post("/predict", files=files(grey(9)))
        assert answer.status_code == 429 and "not answered in 0.2 s" in answer.json()["reason"]
        stop.set()
        monkeypatch.undo()
        assert works(client)


@pytest.fixture(scope="module")
def port(plain: Path) -> Iterator[int]:
    few = Limits(photo_mb=1, request_mb=3, upload_s=0.5, held_mb=3)
    with listening(lambda: make_app(make_service(plain, few))) as port:
        yield port


def spoken(port: int, *parts: bytes) -> bytes:
    """What is answered to bytes on a connection that is then left open."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        connection.settimeout(5)
        answer = b""
        while not re.search(rb"\r\n\r\n\{.*\}$", answer, re.DOTALL) and (more := connection.recv(65536)):
            answer += more
        return answer


HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n"


def test_a_slow_client_is_told_so(port: int) -> None:
    answer = spoken(port, HEAD + b"Content-Length: 500\r\n\r\n", b"--b\r\n")
    assert answer.startswith(b"HTTP/1.1 408") and b"not sent within 0.5 s" in answer
    assert b"connection: close" in answer.lower()
    spoken_after(port)


def spoken_after(port: int) -> None:
    """A good request is answered as ever."""
    body = b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a"\r\n\r\n'
    body += grey(204) + b"\r\n--b--\r\n"
    assert spoken(port, HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body).startswith(b"HTTP/1.1 200")


def test_100_mb_are_refused_by_their_announcement_and_as_they_come(port: int) -> None:
    announced = spoken(port, HEAD + b"Content-Length: 100000000\r\n\r\n")
    assert announced.startswith(b"HTTP/1.1 413")
    piece = b"%x\r\n%s\r\n" % (1_000_000, bytes(1_000_000))
    begun = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    part = b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a"\r\n\r\n'
    chunk = b"%x\r\n%s\r\n" % (len(part), part)
    assert spoken(port, begun, chunk, *[piece] * 100).startswith(b"HTTP/1.1 413")
    spoken_after(port)


def test_a_client_that_leaves_and_what_is_no_http_change_nothing(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HEAD + b"Content-Length: 500\r\n\r\n--b")
    assert spoken(port, b"\x16\x03\x01\0\xff hello\r\n\r\n").startswith(b"HTTP/1.1 400")
    spoken_after(port)
