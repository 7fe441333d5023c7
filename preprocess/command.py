"""`python -m preprocess --data DIR --cache DIR`: photos to a cache of face crops."""

from __future__ import annotations

from faces.command import run_command
from preprocess.crop.matte import models_help
from preprocess.settings import PreprocessSettings


def run(settings: PreprocessSettings) -> None:
    """Make the cache, or complete it, or make a share of its shards."""
    # What reads and finds takes a second to import, for which --help should not wait.
    from preprocess.run import preprocess
    from preprocess.share import preprocess_share

    if settings.shard:
        preprocess_share(settings)
    else:
        preprocess(settings)


def main() -> None:
    """The command line."""
    # A blank line between them, or the help would run the lines together.
    models = "\n\n".join(" ".join(line.split()) for line in models_help().splitlines())
    run_command(PreprocessSettings, run, f"Models for --matting-model:\n\n{models}")
