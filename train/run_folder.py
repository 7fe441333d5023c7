"""The folder of a run: begin it, or check that it holds this very run."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from faces.cache.description import file_sha256
from faces.command import flat_table, from_table, load_toml, to_table, write_toml
from faces.files import exclusive, write_atomically
from faces.labelling.kept import stored_labels
from faces.labels import LabelSet
from train.assemble import FoldPlan
from train.beginning import digest_of_beginning
from train.data.beside import extra_folds
from train.engine.card import BEST_FILE, NESTED, read_card
from train.engine.exhaustion import Exhausted, let_go
from train.engine.precision import measure_compiled, measure_fastest
from train.engine.watch import Watch
from train.network.model import build_model
from train.recipe.before import as_meant
from train.recipe.begun import recipe_as_begun
from train.recipe.recipe import Precision, Recipe
from train.recipe.request import REQUEST_FILE, Request, read_request, recipe_differences

RECIPE_FILE: Final = "recipe.toml"
STATE_FILE: Final = "last.pt"
_STATES = (STATE_FILE, "last.previous.pt")
_TRAINED = (*_STATES, BEST_FILE)
"""What a folder holds once something was trained; until then it may become another run's."""
_MEASURED: dict[tuple[Recipe, LabelSet, int, str], Precision] = {}
"""What trains fastest, by recipe, labels, batch size and device."""


@contextmanager
def hold_folder(plan: FoldPlan) -> Iterator[None]:
    """Keep other trainings out of the run's folder; of several processes that train together the first does
    so for all.

    Raises:
        ValueError: another process trains there.
        OSError: the folder cannot be made.
    """
    held = exclusive(
        plan.folder,
        doing="training this fold",
        cure="train another FOLD, rename the recipe or give another RUNS folder",
    )
    with ExitStack() as stack:
        refusal: Exception | None = None
        if plan.processes.first:
            try:
                stack.enter_context(held)
            except (ValueError, OSError) as error:
                refusal = error
        plan.processes.raise_first(refusal)
        yield


def adopt_folder(plan: FoldPlan, watch: Watch) -> FoldPlan:
    """Begin the run's folder or check that it holds this very run; the plan with its precision resolved.

    Raises:
        ValueError: something else was trained there (the message names the differing keys), or nobody knows
            what; or recipe.toml is not the request's.
    """
    requested = request_of(plan)
    path, resolved = plan.folder / REQUEST_FILE, plan.folder / RECIPE_FILE
    same, recipe = _held_recipe(plan, requested, watch.say)
    plan.processes.wait()  # all have looked before the first begins to write
    if plan.processes.first and recipe is None:
        recipe = _trained_recipe(plan) or resolve_precision(plan, watch)
        if recipe.compile:
            _say_gain(plan, recipe, watch)
        write_toml(recipe, resolved)
        if not same:
            write_atomically(path, requested.document())
    # Not by its file, which other machines may see later.
    resolved_recipe = plan.processes.of_first(recipe)
    assert resolved_recipe
    return dataclasses.replace(plan, recipe=resolved_recipe)


def as_begun(plan: FoldPlan) -> tuple[FoldPlan, tuple[str, ...]]:
    """A plan with the recipe as `recipe_as_begun` by the folds of the same recipe, of which a nested training
    is one, and a line where that differs from what it means now."""
    folder = plan.folder.parent
    before = recipe_as_begun(plan.recipe, folder.parent if folder.name == NESTED else folder, "fold*")
    if before == plan.recipe:
        return plan, ()
    now = flat_table(to_table(plan.recipe))
    told = ", ".join(
        f"{k} = {value!r}" for k, value in flat_table(to_table(before)).items() if value != now[k]
    )
    return dataclasses.replace(plan, recipe=before), (
        f"goes on with {told}, which {folder} was begun with; to train it as it reads now, rename the recipe "
        "or choose another RUNS folder",
    )


def check_folder(plan: FoldPlan) -> None:
    """Refuse what `adopt_folder` would, and nothing to resume where that is insisted on, writing nothing.

    Raises:
        ValueError: as `adopt_folder`, or there is no saved state.
    """
    if plan.resume and not any((plan.folder / name).is_file() for name in _STATES):
        raise ValueError(
            f"resume: {plan.folder} has no {STATE_FILE}, so there is nothing to go on from; leave --resume "
            "(RESUME=1) out to begin"
        )
    _held_recipe(plan, request_of(plan), lambda _: None)


def _held_recipe(
    plan: FoldPlan, requested: Request, say: Callable[[str], None]
) -> tuple[bool, Recipe | None]:
    """Whether the folder's request is this one, and its recipe with the precision resolved, if it has one.

    Raises:
        ValueError: as `adopt_folder`.
    """
    path, resolved = plan.folder / REQUEST_FILE, plan.folder / RECIPE_FILE
    trained = any((plan.folder / name).is_file() for name in _TRAINED)
    begun = trained or (path.is_file() and resolved.is_file())
    found = _found_request(path, trained) if begun else None
    differing = found.differences(requested) if found else []
    if differing and trained:
        raise ValueError(
            f"{plan.folder}: holds a run of something else ({'; '.join(differing)}); "
            "rename the recipe, choose another RUNS folder, or delete this run"
        )
    if found is None or differing:
        return False, None
    return True, _kept_recipe(resolved, found, trained, say)


def request_of(plan: FoldPlan) -> Request:
    """What a plan asks for."""
    extra = extra_folds(plan.cache, plan.folds)
    teacher = [file_sha256(Path(path)) for path in plan.recipe.teacher.predictions]
    return Request(
        recipe=plan.recipe,
        cache=plan.cache.identity,
        fold=plan.fold,
        folds=plan.folds,
        fold_seed=plan.fold_seed,
        scheme=plan.scheme,
        also_out=plan.also_out,
        rows=plan.rows.identity if plan.rows else "",
        labels=stored_labels(plan.cache.label_set) or {},
        predictions=" ".join(teacher),
        beginning=digest_of_beginning(plan.beginning) if plan.beginning else "",
        extra=hashlib.sha256("|".join(extra).encode()).hexdigest() if (extra != "").any() else "",
    )


def digest_of_run(plan: FoldPlan) -> str:
    """Hex sha256 of what the folder's run was asked to train, and in which precision it does."""
    kept = plan.processes.of_first((plan.folder / REQUEST_FILE).read_bytes() if plan.processes.first else b"")
    return hashlib.sha256(kept + plan.recipe.precision.encode()).hexdigest()


def _found_request(path: Path, trained: bool) -> Request | None:
    """The folder's request; None where it is damaged and nothing was trained by it, so that it can be made
    again."""
    try:
        return read_request(path)
    except ValueError:
        if trained:
            raise
        return None


def _kept_recipe(path: Path, request: Request, trained: bool, say: Callable[[str], None]) -> Recipe | None:
    """The recipe as it was resolved when the run began; None where it is to be resolved again.

    Raises:
        ValueError: it is another than the request's, or it is gone, and no weights tell the precision that
            was measured.
    """
    asked = path.with_name(REQUEST_FILE)
    cure = f"write it as {asked} has it, but for precision, or move the folder elsewhere and train anew"
    try:
        kept = _read_resolved(path)
    except ValueError as error:
        if trained and request.recipe.precision == "auto" and not path.with_name(BEST_FILE).is_file():
            raise ValueError(f"{error}; {cure}") from error
        if trained:
            say(f"{error}; written again as {asked} has it")
        return None
    if differing := recipe_differences(request.recipe, kept):
        raise ValueError(f"{path}: edited, not the recipe of {asked} ({'; '.join(differing)}); {cure}")
    # What nothing follows from, as its `about`, is the request's, too.
    return dataclasses.replace(request.recipe, precision=kept.precision)


def _read_resolved(path: Path) -> Recipe:
    """recipe.toml of a run.

    Raises:
        ValueError: as `read_toml`.
    """
    return from_table(Recipe, as_meant(load_toml(path)), path)


def _trained_recipe(plan: FoldPlan) -> Recipe | None:
    """The plan's recipe in the precision that the folder's run was trained in, by its weights; None without
    such."""
    best = plan.folder / BEST_FILE
    if not best.is_file():
        return None
    return dataclasses.replace(plan.recipe, precision=read_card(best).recipe.precision)


def resolve_precision(plan: FoldPlan, watch: Watch) -> Recipe:
    """The recipe with `auto` replaced by what trains fastest on this device. A process measures it once: the
    other folds of a recipe take what the first of them found."""
    recipe = plan.recipe
    if recipe.precision != "auto":
        return recipe
    asked = (recipe, plan.cache.label_set, plan.processes.share(recipe.batch_size), plan.device)
    if asked in _MEASURED:
        told = f"was measured for this recipe before: {_MEASURED[asked]}"
    else:
        _MEASURED[asked], told = measure_fastest(*asked)
    watch.say(f"fold {plan.left_out}: precision auto {told}")
    return dataclasses.replace(recipe, precision=_MEASURED[asked])


def _say_gain(plan: FoldPlan, recipe: Recipe, watch: Watch) -> None:
    network = build_model(recipe, plan.cache.label_set, initialise=False)
    size = plan.processes.share(recipe.batch_size)
    measure = partial(measure_compiled, network, size, recipe.image_size, plan.device, recipe.precision)
    try:
        gain, seconds = let_go(measure)
    except Exhausted as error:
        watch.say(f"fold {plan.left_out}: what torch.compile gains is not measured: out of memory ({error})")
        return
    watch.say(
        f"fold {plan.left_out}: torch.compile trains {gain:.2f} times as fast here, after {seconds:.0f} s of "
        "compiling that each run pays again"
    )
