"""One run on disk: begin or resume it, train it to the end, keep one of its epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from faces.command import to_table
from faces.labels import UNKNOWN, FloatArray
from train.assemble import FoldPlan, assemble
from train.damage_notes import DamageNotes, without_damaged
from train.data.rows import FoldRows
from train.data.taught import absent_classes, not_validated
from train.engine.card import BEST_FILE, CURE, OOF_FILE, RunCard, RunError, read_card
from train.engine.checkpoint import load_weights, save_best
from train.engine.exhaustion import Exhausted, let_go
from train.engine.loop import FoldTraining
from train.engine.state import StateFile, check_state
from train.engine.watch import SILENT, Watch
from train.environment import write_environment
from train.loops.memory import keep_memory
from train.memory import exhausted, reserve
from train.ready import ReadyFold, ready_fold
from train.recipe.request import REQUEST_FILE, read_request
from train.results.metrics import write_metrics
from train.results.oof import oof_table
from train.results.together import check_answers, check_request, check_there
from train.results.trackers import Tracker, open_trackers
from train.run_folder import STATE_FILE, adopt_folder, digest_of_run, hold_folder


def train_fold(plan: FoldPlan, watch: Watch = SILENT) -> dict[str, float]:
    """Train a fold to its last epoch, going on from its last saved state if there is one.

    Writes recipe.toml, environment.json, best.safetensors, oof.parquet, metrics.csv, TensorBoard events and
    last.pt into the run's folder. At an epoch's end last.pt comes after all others: a kill in between goes on
    from the state before it and rewrites the same. Of several processes the first writes.

    Args:
        plan: what to train.
        watch: gets every step, epoch and line; a `BarWatch` shows them.

    Returns:
        The row of metrics.csv of the epoch that is kept.

    Raises:
        ValueError: the folder holds a run of something else or another process trains there, the recipe does
            not fit data or machine, the loss is not finite, memory does not suffice, or last.pt is damaged.
        OSError: the folder cannot be written.
    """
    return train_ready(ready_fold(plan), watch)


def train_ready(ready: ReadyFold, watch: Watch) -> dict[str, float]:
    """`train_fold` of a fold that was looked at before."""
    for note in ready.notes:
        watch.say(f"fold {ready.plan.left_out}: {note}")
    if ready.plan.device == "cpu":
        keep_memory()
    with hold_folder(ready.plan):
        return _train_held(adopt_folder(ready.plan, watch), ready.rows, watch)


def _train_held(plan: FoldPlan, rows: FoldRows, watch: Watch) -> dict[str, float]:
    """Train a fold whose folder is held and adopted."""
    notes = DamageNotes(plan.folder, plan.cache, watch)
    if plan.on_damage == "skip":
        if plan.processes.world > 1:
            raise ValueError("on_damage=skip: processes would lose step of each other; train in one process")
        rows = without_damaged(plan.cache, rows, plan.recipe.image_size, plan.device, notes)
    try:
        return let_go(partial(_train_assembled, plan, rows, notes, watch))
    except Exhausted as error:
        raise exhausted(plan, rows, str(error)) from None


def _train_assembled(plan: FoldPlan, rows: FoldRows, notes: DamageNotes, watch: Watch) -> dict[str, float]:
    """All of a fold's training that takes memory by its batches."""
    training = assemble(plan, rows)
    file = StateFile(plan.folder / STATE_FILE, plan.checkpoint_minutes, digest_of_run(plan))
    _resume(plan, training, file, watch)
    # No process may replace the file that another has yet to read, and another machine may see an older one.
    plan.processes.check_same(
        {"epoch": training.epoch, "next_batch": training.part.next_batch},
        f"{file.path} was read before all machines saw the last one; give the same command again",
    )
    watch.begin(f"fold {plan.left_out}", training.photos_an_epoch * plan.recipe.epochs, training.photos_done)
    if training.history and plan.processes.first:
        write_metrics(training.history, plan.folder)  # which may have been lost or spoilt meanwhile
    if not training.finished:
        if not training.photos_done:  # afterwards last.pt stands in the place of the weights begun with
            for note in training.network.notes:
                watch.say(f"fold {plan.left_out}: {note}")
        _say_rows(plan, rows, watch)
        reserve(training)
        _train(plan, training, notes, file, watch)
    return training.kept


def spread(by: Sequence[str], not_by: Mapping[str, str]) -> str:
    """In words, the factors over which people were spread evenly, and why not over others: the first five."""
    evenly = f"spread evenly over {', '.join(by)}" if by else "spread at random"
    reasons = [f"{factor}: {why}" for factor, why in not_by.items()]
    if len(reasons) > 5:
        reasons[5:] = [f"and {len(reasons) - 5} more"]
    return f"{evenly}; not over {'; '.join(reasons)}" if reasons else evenly


def _say_rows(plan: FoldPlan, rows: FoldRows, watch: Watch) -> None:
    """Lines on how people were divided, how many photos each head has, and classes that none has."""
    name = f"fold {plan.left_out}"
    if rows.by or rows.not_by:
        who = "photos" if plan.scheme == "image" else "people"
        watch.say(f"{name}: {who} {spread(rows.by, rows.not_by)}")
    for note in rows.notes:
        watch.say(f"{name}: {note}")
    counts = []
    for task in plan.recipe.tasks:
        known = plan.cache.labels(task) != UNKNOWN
        counts.append(f"{task} {known[rows.training].sum():,} / {known[rows.validation].sum():,}")
    unknown = len(plan.cache) - np.any([plan.cache.known(task) for task in plan.recipe.tasks], axis=0).sum()
    watch.say(
        f"{name}: photos of each head, training / validation: {', '.join(counts)}"
        f"{f'; {unknown:,} of {len(plan.cache):,} photos have a label for none' if unknown else ''}"
    )
    if len(rows.validation) and (
        unseen := not_validated(plan.cache, plan.recipe.tasks, rows.training, rows.validation)
    ):
        watch.say(f"{name}: no photo that validates here is of {unseen}: its scores do not tell of them")
    if absent := absent_classes(plan.cache, plan.recipe.tasks):
        watch.say(f"{name}: no photo of the cache is of {', '.join(absent)}: never taught or scored")


def _resume(plan: FoldPlan, training: FoldTraining, file: StateFile, watch: Watch) -> None:
    state = file.load(watch.say)
    if state is None:
        return
    try:
        check_state(state, plan.recipe.epochs, len(training.training))
        training.restore(state)
    except Exception as error:  # torch raises whatever it stumbles over
        told = next(iter(str(error).splitlines()), "")
        raise RunError(
            f"{file.path}: not the state of this training ({type(error).__name__}: {told}); {CURE}"
        ) from error
    if training.history:
        _check_kept(plan, training)
    if not training.finished:
        watch.say(
            f"fold {plan.left_out}: resuming in epoch {training.epoch + 1} of {plan.recipe.epochs}, "
            f"after {training.part.next_batch} of its {len(training.training)} batches"
        )


def _check_kept(plan: FoldPlan, training: FoldTraining) -> None:
    """Refuse to go on beside weights that are not those of the epoch that is kept so far."""
    path = plan.folder / BEST_FILE
    _, card = load_weights(path)
    check_request(path, card, read_request(path.with_name(REQUEST_FILE)))
    if card.epoch >= training.epoch:  # kept right before a kill: that epoch is trained and written again
        return
    if card.epoch != training.kept["epoch"]:
        raise RunError(
            f"{path}: weights of epoch {card.epoch + 1}, and by {STATE_FILE} beside it those of epoch "
            f"{int(training.kept['epoch']) + 1} are kept; {CURE}"
        )
    check_there(path, card, OOF_FILE)
    if training.finished:  # before, a kill may have left answers of the epoch that is trained next
        check_answers(path, card)


def _train(plan: FoldPlan, training: FoldTraining, notes: DamageNotes, file: StateFile, watch: Watch) -> None:
    epochs, name = plan.recipe.epochs, f"fold {plan.left_out}"
    if not plan.processes.first:
        while not training.finished:
            training.run_epoch(watch, file)
        return
    write_environment(plan.folder)
    with open_trackers(plan.trackers, plan.folder, to_table(plan.recipe), training.epoch) as tracker:
        while not training.finished:
            predictions = training.run_epoch(watch, file)
            notes.add("training", training.training.skipped)
            _keep_epoch(plan, training, predictions, tracker)
            file.save(training.state())
            row = training.history[-1]
            watch.scored(name, epochs, row, row is training.best)
    check_answers(plan.folder / BEST_FILE, read_card(plan.folder / BEST_FILE))
    if training.epoch < epochs:
        watch.say(
            f"{name}: stopped after epoch {training.epoch}, {plan.recipe.stop_after} epochs after the best "
            f"by {plan.recipe.best_by}; kept is epoch {int(training.kept['epoch']) + 1}"
        )


def _keep_epoch(
    plan: FoldPlan, training: FoldTraining, predictions: Mapping[str, FloatArray], tracker: Tracker
) -> None:
    row, labels = training.history[-1], plan.cache.label_set
    tracker.epoch(row)
    if training.kept is row:
        card = RunCard(
            recipe=plan.recipe,
            normalisation=training.normalisation,
            classes={task: labels.task(task).classes for task in plan.recipe.tasks},
            fold=plan.fold,
            folds=plan.folds,
            fold_seed=plan.fold_seed,
            scheme=plan.scheme,
            also_out=plan.also_out,
            epoch=int(row["epoch"]),
            score=row.get("macro_f1", float("nan")),
            crop=plan.cache.description["settings"],
            labels=labels,
            prior=training.rows.prior,
            cache=plan.cache.identity,
            drawn=plan.cache.drawn,
        )
        table = None
        if predictions:
            table = oof_table(plan.cache, training.rows.validation, predictions, plan.fold)
        save_best(training.kept_network, card, plan.folder / BEST_FILE, table)
        if table is not None:
            tracker.kept(table, plan.cache, int(row["epoch"]))
    write_metrics(training.history, plan.folder)
