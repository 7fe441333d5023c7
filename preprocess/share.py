"""One share of a cache's shards, for arrays of jobs on one shared folder, and the step that finishes it."""

from __future__ import annotations

from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.cache.writer import SHARES, CacheWriter
from faces.files import exclusive
from preprocess.engines.left import all_rejects, lacking_line
from preprocess.run import Job, as_it_is, finished, job_of, make
from preprocess.settings import FINISH, PreprocessSettings, share_of
from preprocess.sources.listing import counted
from preprocess.summary import Budget, Work


def preprocess_share(settings: PreprocessSettings) -> Cache | None:
    """Make the shards of one share, in any order and beside any other shares; whoever finds all shards there
    finishes the cache.

    Returns:
        The cache, or None where shards of others are still to be made.

    Raises:
        ValueError: as in `preprocess.run.preprocess`, another process makes the same share, or `finish` finds
            shards that are still to be made.
        OSError: as there.
    """
    job = job_of(settings)
    writer = job.writer()
    work = Work()
    if settings.shard != FINISH and not writer.finished:
        own = share_of(settings.shard, range(len(job.plan)))
        if {*own} & {*writer.parts.lacking()}:
            work = _make(job, writer, own)
        lacking = writer.pending()
        job.note(_line(settings, job, work, len(own), lacking))
        if lacking:
            return None
    return _finish(job, work)


def _make(job: Job, writer: CacheWriter, own: list[int]) -> Work:
    folder, share = job.settings.cache, job.settings.shard
    # Beside other shares, and never beside the plain command, or while a cache is finished.
    with (
        exclusive(folder, beside=True),
        exclusive(
            folder / SHARES / share.replace("/", "-of-"),
            doing=f"making share {share}",
            cure="give each process a share of its own",
        ),
    ):
        return make(job, writer, own)


def _finish(job: Job, work: Work) -> Cache:
    """Make a cache of all shards, once, also where several processes try it together."""
    settings = job.settings
    with exclusive(settings.cache, wait=True):
        writer = job.writer()
        if writer.finished:
            return as_it_is(job)
        if lacking := writer.pending():
            raise ValueError(
                f"{settings.cache}: {lacking_line(writer.parts, lacking)}; give their shares, or leave "
                "--shard out, which makes all that is left"
            )
        # Each share knew only its own.
        budget = Budget(settings.cache, len(job.listing.photos), settings.max_lost, [], job.listing.labels)
        budget.spend(all_rejects(writer))
        try:
            return finished(job, writer, work)
        except CacheError as error:
            what = str(error).partition("; ")[0]
            raise CacheError(f"{what}; leave --shard out, which makes again what is damaged") from error


def _line(settings: PreprocessSettings, job: Job, work: Work, own: int, lacking: list[int]) -> str:
    rate = f", {work.photos / work.seconds:.1f} photos/s" if work.photos else ""
    mine = f"{settings.cache}: share {settings.shard} is done: {counted(own, 'shard')}, "
    rest = f"{len(lacking)} of {len(job.plan)} left to other shares" if lacking else "all are there"
    return f"{mine}{counted(work.photos, 'photo')} now{rate}; {rest}"
