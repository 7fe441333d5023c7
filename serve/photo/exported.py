"""An ensemble as an exported model, which is made once and then opened like any other."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from serve.photo.model import MODEL

if TYPE_CHECKING:
    from infer.export.subject import Subject

EXPORTS = Path("exports")
"""Where exports lie."""


def exported(ensemble: Path, runs: Path, exports: Path = EXPORTS) -> Path:
    """The folder of an ensemble's export, written if it is not there yet: `<name>-<digest>`.

    The digest is that of the ensemble's tree and of the weights of every run, so that what was trained or
    changed since is exported anew.

    Args:
        ensemble: its file.
        runs: folder of all runs.
        exports: folder that the export is put into.

    Raises:
        ValueError: an ensemble that cannot be read, has no runs, or cannot be exported.
        OSError: the folder cannot be written.
    """
    # Runs take pandas to read, which an exported model does without.
    from infer.ensemble.file import read_ensemble
    from infer.export.subject import subject_of_ensemble

    return _written(subject_of_ensemble(read_ensemble(ensemble), runs), exports)


def exported_run(run: Path, exports: Path = EXPORTS) -> Path:
    """The same of one trained fold, `runs/<recipe>/fold<k>`, alone.

    Raises:
        ValueError: no run that can be used, or one that cannot be exported.
        OSError: the folder cannot be written.
    """
    from infer.export.subject import subject_of_run

    return _written(subject_of_run(run, ("original",)), exports)


def _written(subject: Subject, exports: Path) -> Path:
    folder = exports / f"{subject.name}-{_digest(subject)}"
    if not (folder / MODEL).is_file():
        # torch takes seconds to import, and is needed only here.
        from infer.export.files import export

        export(subject, folder, predictor=True, cache=None)
    return folder


def _digest(subject: Subject) -> str:
    from faces.cache.description import file_sha256

    members = {run.name: file_sha256(run.path) for run in subject.runs}
    told = json.dumps([subject.table, members], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]
