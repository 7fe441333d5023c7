"""Clients that ask a service, and how long each request took."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np

BOUNDARY: Final = "a-part-of-a-form"
PATIENCE_S: Final = 120


@dataclass
class Asked:
    """What became of requests.

    Attributes:
        seconds: of each that was answered.
        failed: code and reason of each that was not.
    """

    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Milliseconds within which that share was answered; NaN where none was."""
        return 1000 * float(np.quantile(self.seconds, share)) if self.seconds else float("nan")


def form_of(photo: bytes) -> bytes:
    """The body of a request for one photo."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photos"; filename="a"\r\n\r\n'
    return head.encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def read_photos(folder: Path, count: int) -> list[bytes]:
    """The files of the first photos below a folder, in the order of their names.

    Raises:
        ValueError: there is none.
    """
    found = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    photos = [path.read_bytes() for path in itertools.islice(found, count)]
    if not photos:
        raise ValueError(f"{folder}: no JPEG or PNG below it; give a folder of photos (DATA=)")
    return photos


def ask(port: int, photos: Sequence[bytes], requests: int, clients: int, asked: Asked) -> int:
    """Send requests of one photo each from so many clients, each of which waits for its answer.

    Args:
        port: of the service, on this machine.
        photos: sent in turn, again and again.
        requests: in all.
        clients: at once.
        asked: what became of them is added.

    Returns:
        How many were answered.
    """
    numbers, lock = iter(range(requests)), Lock()
    forms = [form_of(photo) for photo in photos]

    def client() -> int:
        answered = 0
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return answered
                start = time.perf_counter()
                code, text = _post(connection, forms[number % len(forms)])
                seconds = time.perf_counter() - start
                with lock:
                    if code == 200:
                        asked.seconds.append(seconds)
                        answered += 1
                    else:
                        asked.failed.append(f"{code}: {text}")
        finally:
            connection.close()

    with ThreadPoolExecutor(clients) as pool:
        return sum(future.result() for future in [pool.submit(client) for _ in range(clients)])


def _post(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, str]:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    try:
        connection.request("POST", "/predict?faces=best", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return 0, f"{type(error).__name__}: {error}"


def resident_mb(port: int) -> float:
    """Memory of the service that is resident, MB, as its own metrics tell."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    told = next(line for line in lines if line.startswith("process_resident_memory_bytes "))
    return float(told.split()[1]) / 1e6


def is_up(port: int) -> bool:
    """Whether a service answers there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/health")
        return bool(json.loads(connection.getresponse().read())["status"] == "ok")
    except OSError:
        return False
    finally:
        connection.close()
