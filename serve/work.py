"""From a model to a running service."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import uvicorn
from rich.console import Console

from faces.cores import usable_cores
from faces.sample.note import drawn_note
from serve.app import make_app
from serve.explain import Explainer
from serve.limits import Limits
from serve.photo.model import PhotoModel
from serve.service import Service

GRACE_S = 10
"""Seconds that requests which are being answered get when the service is told to end."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def make_service(model: Path, limits: Limits, explainer: Explainer | None = None) -> Service:
    """A service of a model.

    Faces are searched in one thread a photo, as many photos side by side as there are cores; networks use
    all.

    Args:
        model: model.onnx, or the folder of an export.
        limits: of requests.
        explainer: who shows where networks look; None where that is not offered.

    Raises:
        ValueError: no such model.
    """
    return Service(PhotoModel(model, usable_cores(), detector_threads=1), limits, explainer)


def serve(service: Service, host: str, port: int) -> None:
    """Answer requests until Ctrl+C or SIGTERM; what is being answered then is answered to its end.

    Args:
        service: who answers.
        host: address to listen at.
        port: 0 for any that is free.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(service),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,  # nothing is kept of who asked
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    console = Console(markup=False, highlight=False, soft_wrap=True)
    shown = f"[{host}]" if ":" in host else host
    console.print(f"{service.model.name} answers at http://{shown}:{port}/ until Ctrl+C")
    if service.model.drawn:
        console.print(f"note: {drawn_note(True)}")
    if host not in LOOPBACK:
        console.print(f"note: whoever reaches {host} may ask; there is no password and no encryption")
    # uvicorn raises the signal once more when all is done, which would end the process as if it had crashed.
    signal.signal(signal.SIGTERM, _end)
    with suppress(KeyboardInterrupt):
        server.run()
    console.print("stopped")


def _end(*_: object) -> None:
    raise KeyboardInterrupt
