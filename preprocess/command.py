"""`python -m preprocess --data DIR --cache DIR`: photos to a cache of face crops."""

from __future__ import annotations

from faces.command import run_command
from preprocess.crop.matte import models_help
from preprocess.run import preprocess
from preprocess.settings import PreprocessSettings
from preprocess.share import preprocess_share


def _run(settings: PreprocessSettings) -> None:
    if settings.shard:
        preprocess_share(settings)
    else:
        preprocess(settings)


def main() -> None:
    """The command line."""
    # A blank line between them, or the help would run the lines together.
    models = "\n\n".join(" ".join(line.split()) for line in models_help().splitlines())
    run_command(PreprocessSettings, _run, f"Models for --matting-model:\n\n{models}")
