"""`python -m infer.answers.check`: a submission checked against the info.csv that requests it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.command import run_command
from faces.foreign.paths import requested_photos
from faces.terminal.output import print_notes
from infer.answers.submission_checks import SUBMISSION, changed_notes, check_submission, submission_file


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """Check a submission against the info.csv that asked for it: the same photos, in its order, each answered
    once with a class from 0 to 17, in plain CSV as graders read it.

    Example: python -m infer.answers.check --submission predictions/quick --info info.csv
    """

    submission: Path
    """A predictions folder, or a submission.csv."""
    info: Path
    """The info.csv whose photos were to be answered."""


def run(settings: CheckSettings) -> None:
    """Check, and print what was checked.

    Raises:
        ValueError: as `check_submission`.
    """
    file = submission_file(settings.submission)
    notes = changed_notes(file.parent) if file.name == SUBMISSION else []
    check_submission(settings.submission, settings.info, notes)
    print_notes(notes)
    count = len(requested_photos(settings.info))
    print(f"{file}: answers the {count:,} photos of {settings.info}, in order")


def main() -> None:
    """`python -m infer.answers.check`."""
    run_command(CheckSettings, run)


if __name__ == "__main__":
    main()
