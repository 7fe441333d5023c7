"""Stage 3: an ensemble of runs votes on a cache and becomes predictions: `python -m infer`.

The command and the way from an ensemble to answers; the rooms hold the parts.

Public: `read_ensemble` and `answer_cache`, which lets it answer a cache; `export_run`, a run as a file that
needs no torch; `Predictor`, such a file opened, and `answer_photo`, its answers to one photo.
"""

from typing import TYPE_CHECKING

from faces import public_names  # before torch, whose waiting it settles

if TYPE_CHECKING:
    from infer.ensemble.file import read_ensemble
    from infer.export.program.predictor import Predictor
    from infer.photo import answer_photo, export_run
    from infer.work import answer_cache

__all__ = ["Predictor", "answer_cache", "answer_photo", "export_run", "read_ensemble"]
__getattr__ = public_names(
    {
        "Predictor": "infer.export.program.predictor",
        "answer_cache": "infer.work",
        "answer_photo": "infer.photo",
        "export_run": "infer.photo",
        "read_ensemble": "infer.ensemble.file",
    }
)
