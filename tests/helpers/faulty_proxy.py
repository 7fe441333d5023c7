"""A proxy before an HTTP store that spoils answers in the ways that networks do, by a list that is given."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("drop", "503", "cut", "short", "flip", "slow", "silent")
SILENT_SECONDS = 3.0


class FaultyProxy(ThreadingHTTPServer):
    """Passes everything on to a port of this machine.

    The next requests for a body (GET of a file named by `suffix`) each meet the next fault of `faults`; what
    comes after the last is passed on whole. drop: the connection ends without an answer; 503 and 403: of the
    store; cut: the connection ends in the midst of the body; short: the same with a header that calls it
    whole; flip: a bit differs; slow: comes in small pieces; silent: comes only after `SILENT_SECONDS`.
    """

    daemon_threads = True

    def __init__(self, port: int, suffix: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port, self.suffix = port, suffix
        self.faults: list[str] = []
        self.done: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: clients leave connections that they give up."""

    def next_fault(self, method: str, path: str) -> str:
        with self.lock:
            if method != "GET" or not path.split("?")[0].endswith(self.suffix) or not self.faults:
                return ""
            fault = self.faults.pop(0)
            self.done[fault] += 1
            return fault


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def _pass_on(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.next_fault(self.command, self.path)
        if fault == "drop":
            self.close_connection = True
            return
        if fault in ("503", "403"):
            code = {"503": "ServiceUnavailable", "403": "AccessDenied"}[fault]
            self._answer(int(fault), {}, f"<Error><Code>{code}</Code></Error>".encode(), "")
            return
        if fault == "silent":
            time.sleep(SILENT_SECONDS)
        upstream = HTTPConnection("127.0.0.1", self.server.port)
        upstream.request(self.command, self.path, sent, dict(self.headers))
        answer = upstream.getresponse()
        self._answer(answer.status, _headers(answer), answer.read(), fault)
        upstream.close()

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass_on

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fault: str) -> None:
        if fault == "flip" and body:
            body = body[:-1] + bytes([body[-1] ^ 1])
        length = len(body)
        if fault in ("cut", "short"):
            body = body[: length // 2]
        if fault == "short":
            length = len(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        piece = max(1, len(body) // 20) if fault == "slow" else len(body) or 1
        for start in range(0, len(body), piece):
            self.wfile.write(body[start : start + piece])
            self.wfile.flush()
            time.sleep(0.02 if fault == "slow" else 0)
        if fault == "cut":
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def _headers(answer: HTTPResponse) -> dict[str, str]:
    left_out = {"transfer-encoding", "connection", "date", "server"}
    if answer.getheader("Content-Length") and answer.length:
        left_out.add("content-length")  # of a body, whose length is that of what is sent
    return {name: value for name, value in answer.getheaders() if name.lower() not in left_out}


@contextmanager
def faulty_proxy(port: int, suffix: str, faults: Sequence[str] = ()) -> Iterator[FaultyProxy]:
    """A proxy that runs."""
    proxy = FaultyProxy(port, suffix)
    proxy.faults += faults
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
