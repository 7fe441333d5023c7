"""The trials of a sweep: chosen by Optuna, kept in a file, and the same ones however often it is stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from faces.command import flat_table
from faces.storage.documents import DamagedError
from train.engine.card import RunError
from train.engine.watch import BarWatch
from train.recipe.before import with_meant
from train.sweep.file import Sweep

Score = Callable[[int, Mapping[str, Any], int], float]
"""Trains the fold (third) of the trial of a number (first) with what it chose (second); macro F1 of the epoch
that it keeps."""
FAILED = "failed"
"""Attribute of a trial: why its training broke down."""
SCORES = "fold_scores"
"""Attribute of a trial: macro F1 of the folds trained, in the sweep's order."""
_MOST_FAILURES = 3
"""Failures in a row after which it is not the trial's values that are at fault."""


class TrialWatch(BarWatch):
    """A progress bar that names the trial, without a line for each epoch."""

    name = ""

    def begin(self, name: str, photos: int, done: int) -> None:
        super().begin(self.name, photos, done)

    def scored(self, name: str, epochs: int, row: Mapping[str, float], best: bool) -> None:
        self.progress.update(self.task, score=f"macro F1 {row['macro_f1']:.3f}")


def open_study(folder: Path, request: Mapping[str, Any]) -> optuna.Study:
    """The study kept in a folder's study.db, begun if there is none.

    Args:
        folder: exists, and is held by this process alone.
        request: all that its trials and their scores depend on, as a JSON table.

    Raises:
        ValueError: a study that was begun with another request, or trials without their study.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / "study.db"
    if not path.is_file() and any(folder.glob("trial*")):
        raise ValueError(
            f"{folder}: holds trials but no study.db; delete the folder, or rename the sweep file"
        )
    # Pruning starts after five trials: before, a median says little.
    study = optuna.create_study(
        storage=f"sqlite:///{path}",
        study_name=folder.name,
        direction="maximize",
        pruner=MedianPruner(n_startup_trials=5),
        load_if_exists=True,
    )
    before = flat_table(with_meant(study.user_attrs.get("request", request)))
    now = flat_table(request)
    differing = [
        f"{key}: {before.get(key)!r} there, {now.get(key)!r} now"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    if differing:
        raise ValueError(
            f"{folder}: holds a search of something else ({'; '.join(differing)}); "
            "rename the sweep file, choose another RUNS folder, or delete this one"
        )
    study.set_user_attr("request", dict(request))
    return study


def run_trials(study: optuna.Study, sweep: Sweep, score: Score, say: Callable[[str], None]) -> None:
    """Make the trials that are still to be made, first the one that was interrupted.

    Args:
        study: where they are kept.
        sweep: what they choose from.
        score: trains a fold, going on from where it was stopped.
        say: called with a line at each trial's beginning and end.

    Raises:
        ValueError: three trials in a row broke down.
    """
    failures = 0
    while (trial := _next_trial(study, sweep)) is not None:
        # Told apart by number and field, what is drawn depends neither on when the search was stopped nor on
        # what else was drawn; drawn jointly, it would.
        for place, (name, field) in enumerate(sweep.fields.items()):
            seed = np.random.SeedSequence([sweep.plan.seed, trial.number, place]).generate_state(1)[0]
            study.sampler = TPESampler(seed=int(seed), multivariate=False)
            field.suggest(trial, name)
        head = f"trial {trial.number} of 0–{sweep.plan.trials - 1}"
        say(f"{head}: {values_text(trial.params)}")
        try:
            say(f"{head}: {_score_folds(study, trial, sweep, score)}")
            failures = 0
        except (RunError, DamagedError):
            raise  # which is no fault of the trial's values
        except ValueError as error:
            failures += 1
            _fail(study, trial, str(error))
            say(f"{head}: failed: {error}")
            if failures == _MOST_FAILURES:
                raise ValueError(f"{failures} trials in a row failed, the last one thus: {error}") from error


def values_text(params: Mapping[str, Any]) -> str:
    """`optimiser.lr 0.00123, mixing.name none`."""
    shown = {k: f"{v:.3g}" if isinstance(v, float) else v for k, v in sorted(params.items())}
    return ", ".join(f"{name} {value}" for name, value in shown.items())


def _next_trial(study: optuna.Study, sweep: Sweep) -> Trial | None:
    """The trial that a stopped process left behind, or a new one; None when all are made."""
    trials = study.get_trials(deepcopy=False)
    left: list[FrozenTrial] = [trial for trial in trials if trial.state == TrialState.RUNNING]
    if left:
        # A trial is handed out by its id in the storage, which Optuna has no public name for.
        return Trial(study, left[0]._trial_id)
    return study.ask() if len(trials) < sweep.plan.trials else None


def _score_folds(study: optuna.Study, trial: Trial, sweep: Sweep, score: Score) -> str:
    """Train the folds of a trial until all are trained or it is given up; how it ended."""
    scores = list(trial.user_attrs.get(SCORES, []))
    reported = study.get_trials(deepcopy=False)[trial.number].intermediate_values
    for step, fold in enumerate(sweep.plan.folds):
        if step == len(scores):
            scores.append(score(trial.number, trial.params, fold))
            trial.set_user_attr(SCORES, scores)
        if step not in reported:
            trial.report(float(np.mean(scores[: step + 1])), step)
        if step + 1 < len(sweep.plan.folds) and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return f"macro F1 {np.mean(scores):.3f}, given up after fold {fold}"
    study.tell(trial, float(np.mean(scores)))
    best = " (best)" if study.best_trial.number == trial.number else ""
    return f"macro F1 {np.mean(scores):.3f}{best}"


def _fail(study: optuna.Study, trial: Trial, reason: str) -> None:
    """Keep a trial that broke down as one worse than all others, so that the search stays away from it."""
    trial.set_user_attr(FAILED, reason)
    study.tell(trial, state=TrialState.PRUNED)
