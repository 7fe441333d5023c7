"""Serve the page of an audit until it is stopped."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import uvicorn

from faces.files import exclusive
from report.audit.confirm.server import HOST, app_of
from report.audit.folder import DRAFT, KEEP, next_lines, open_audit, read_decisions


def confirm(folder: Path, port: int) -> None:
    """Serve the page, and print where it is and, at the end, what was decided and what comes next.

    Raises:
        ValueError: as `open_audit`, another process confirms this audit, or the port is taken.
    """
    audit = open_audit(folder)
    with exclusive(folder, doing="confirming it", cure="confirm another audit"):
        app = app_of(audit)
        try:
            listening = socket.create_server((HOST, port))
        except OSError as error:
            raise ValueError(
                f"port={port}: {error.strerror}; give another, or ARGS='--port 0' for any that is free"
            ) from error
        place = f"http://{HOST}:{listening.getsockname()[1]}/"
        print(
            f"{len(audit.numbers):,} suggestions at {place} (this machine only); Ctrl-C when done", flush=True
        )
        settings = uvicorn.Config(app, log_level="warning", access_log=False)
        with suppress(KeyboardInterrupt):  # which uvicorn raises again once it has ended its work
            uvicorn.Server(settings).run(sockets=[listening])
    decisions = read_decisions(audit)
    changed = sum(said != KEEP for said in decisions.values())
    print(f"{len(decisions):,} of {len(audit.numbers):,} decided, {changed:,} changes in {folder / DRAFT}")
    print("\n".join(next_lines(folder, audit.cache, audit.card.data)))
