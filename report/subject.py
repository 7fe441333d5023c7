"""What a page is on: runs or an ensemble, the photos that their networks had not seen, and the answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from faces.cache.description import CacheError, read_description
from faces.cache.reader import Cache
from faces.command import typed
from faces.terminal.progress import step_progress
from infer.ensemble.file import read_ensemble
from infer.ensemble.space import space_of
from infer.ensemble.tree import Ensemble, Leaf
from infer.ensemble.vote import Verdict
from infer.evaluate.panels import Scored, heads_of_recipes, plan_of_ensemble, predict_out_of_fold, scored_in
from infer.evaluate.scores import count_groups
from infer.evaluate.table import Evaluation
from infer.evaluate.work import evaluated
from infer.predict.half_done import say_half_done
from infer.predict.out_of_fold import ORIGINAL, check_runs, plan_of_runs
from infer.predict.runs import Run, find_runs, read_run
from train.engine.card import BEST_FILE
from train.engine.compute import PredictCompute
from train.recipe.request import REQUEST_FILE, read_request


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Answers to photos whose class is known, and their scores."""

    title: str
    scored: Scored
    verdict: Verdict
    """Answers to the photos scored, in their order."""
    evaluation: Evaluation

    @property
    def every_run(self) -> list[Run]:
        """The trained folds that answered."""
        return self.scored.plan.every_run


def of_runs(folder: Path, cache: Path | None, compute: PredictCompute, console: Console) -> Subject:
    """A trained fold, or all that are trained of a recipe, by the answers that training stored.

    Args:
        folder: runs/x/fold0 or runs/x.
        cache: on which they were trained; looked for where it is None.
        compute: where to predict.
        console: where lines and bars are shown.

    Raises:
        ValueError: no trained fold, one that left nobody out, or no such cache.
    """
    runs, name = _runs_in(folder)
    opened = Cache.open(cache or _cache_of(runs[0]))
    check_runs(runs, opened)
    recipe = runs[0].name.partition("/")[0]
    plan = plan_of_runs({recipe: runs}, opened)
    ensemble = Ensemble(name=name, views=ORIGINAL, root=Leaf(recipe))
    scored = scored_in(plan, space_of(ensemble, heads_of_recipes(plan), opened.label_set))
    return _subject(ensemble, scored, compute, console)


def of_ensemble(
    file: Path, cache: Path, runs: Path, compute: PredictCompute, console: Console
) -> tuple[Subject, Ensemble]:
    """An ensemble, out of fold.

    Raises:
        ValueError: as `read_ensemble` and `plan_of_ensemble`.
    """
    ensemble = read_ensemble(file)
    scored = plan_of_ensemble(ensemble, runs, Cache.open(cache))
    return _subject(ensemble, scored, compute, console), ensemble


def _subject(ensemble: Ensemble, scored: Scored, compute: PredictCompute, console: Console) -> Subject:
    say_half_done(scored.plan.every_run, console, scored.plan.cache)
    panels = predict_out_of_fold(scored.plan, ensemble.views, compute, console, ensemble.views_rule)
    verdict = scored.vote(ensemble.root, panels)
    with step_progress("groups", console=console, transient=True) as progress:
        bar = progress.add_task("drawing people", total=count_groups(scored.truth, scored.task))
        evaluation = evaluated(ensemble, scored, panels, verdict, lambda: progress.advance(bar))
    return Subject(title=ensemble.name, scored=scored, verdict=scored.part(verdict), evaluation=evaluation)


def _runs_in(folder: Path) -> tuple[list[Run], str]:
    """The trained folds of a folder, in their order, and what to call them."""
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: no such folder; give a trained fold, runs/x/fold0, or a recipe's, runs/x"
        )
    # What `.` and links stand for is what runs are called by.
    folder = folder.resolve()
    if (folder / BEST_FILE).is_file():
        name = f"{folder.parent.name}/{folder.name}"
        return [read_run(name, folder / BEST_FILE)], name
    if (folder / REQUEST_FILE).is_file():
        raise ValueError(f"{folder}: was begun and has no {BEST_FILE} yet; train the fold to its end")
    inside = sorted({path.parent.parent for path in folder.glob(f"*/fold*/{BEST_FILE}")})
    if inside and not any(folder.glob(f"fold*/{BEST_FILE}")):
        names = ", ".join(path.name for path in inside)
        raise ValueError(
            f"{folder}: holds runs of several recipes ({names}); give one, RUN={typed(inside[0])}"
        )
    return find_runs([folder.name], folder.parent)[folder.name], folder.name


def _cache_of(run: Run) -> Path:
    """The cache on which a run was trained, in caches/ here or beside the folder of all runs."""
    wanted = read_request(run.path.with_name(REQUEST_FILE)).cache
    places = dict.fromkeys(Path(root) / "caches" for root in (".", run.path.parents[3]))
    for path in [path.parent for place in places for path in sorted(place.glob("*/cache.json"))]:
        try:
            found = Cache(path, read_description(path)).identity
        except CacheError:  # another, damaged or of another version
            continue
        if found == wanted:
            return path
    raise ValueError(
        f"{run.path.parent}: the cache that it was trained on ({wanted[:12]}) is in none of "
        f"{', '.join(map(str, places))}; give it: make report RUN={typed(run.path.parent)} CACHE=..."
    )
