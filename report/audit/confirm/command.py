"""`python -m report.audit.confirm`: a local page that asks a person about each suggestion of an audit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.command import run_command


@dataclass(frozen=True, kw_only=True)
class ConfirmSettings:
    """Decide on the suggestions of an audit in a browser on this machine: left keeps a label, right changes
    it, Backspace goes back, numbers give another value.

    Each decision is saved before the next is asked, so the command can be stopped and given again at any
    time. corrections.csv then holds what was confirmed, and nothing else of the draft.

    Example: make audit-confirm AUDIT=audits/mine
    """

    audit: Path
    """Folder of an audit."""
    port: int = 8765
    """Where the page is served, on 127.0.0.1 alone; 0 for any that is free."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port={self.port}: must be from 0 to 65535")


def run(settings: ConfirmSettings) -> None:
    """Serve the page until Ctrl-C, then say what comes next."""
    from report.audit.confirm.work import confirm

    confirm(settings.audit, settings.port)


def main() -> None:
    """The command line."""
    run_command(ConfirmSettings, run)
