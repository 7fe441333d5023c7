"""Searches whose scores are known, and so are their trials, however often they are stopped."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from faces.cache.reader import Cache
from faces.command import read_toml, write_toml
from faces.labels import CONTEST
from faces.storage.documents import document
from pipeline.augment import Policy, policy_named
from tests.helpers.own_labels import OWN, write_own
from train.assemble import FoldPlan
from train.engine.compute import Compute
from train.engine.watch import Watch
from train.recipe.data import Age, Teacher
from train.recipe.file import read_recipe
from train.recipe.fit import check_fit
from train.recipe.network import Head, Optimiser
from train.recipe.recipe import Recipe
from train.sweep.command import SweepSettings, run
from train.sweep.fields import Choices, Span
from train.sweep.file import check_sweep, read_sweep, with_values
from train.sweep.study import FAILED

TRIALS = 12
"""Two more than are drawn at random."""
ROOT = Path(__file__).parents[3]
LR = '[fields."optimiser.lr"]\nlow = 1e-4\nhigh = 1e-1\nlog = true\n'
HEAD = '[fields."head.hidden"]\nlow = 0\nhigh = 256\nstep = 64\n'
MIXING = '[fields."mixing.name"]\nchoices = ["none", "half_face"]\n'
TINY = Recipe(
    about="tiny",
    tasks=("mask", "gender", "age3"),
    backbone="test_resnet",
    image_size=32,
    epochs=1,
    batch_size=16,
    precision="fp32",
)


def fits(recipe: Recipe) -> None:
    """Whether it fits the contest's labels."""
    check_fit(recipe, CONTEST)


def write_sweep(folder: Path, fields: str = LR + HEAD + MIXING, **plan: object) -> Path:
    """A sweep file, and beside it the tiny recipe that it searches."""
    recipe, path = folder / "tiny.toml", folder / "x.toml"
    write_toml(TINY, recipe)
    lines = [f"{key} = {value}" for key, value in {"trials": TRIALS, "folds": [0, 2], **plan}.items()]
    path.write_text("\n".join([f'recipe = "{recipe}"', *lines, fields]))
    return path


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a sweep file: arguments of `write_sweep` after the first."""
    return lambda *fields, **plan: write_sweep(tmp_path, *fields, **plan)


class Training:
    """Stands in for `train_fold`: the score says how near the learning rate is to 1e-2."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.left = stop_after
        self.trained: list[tuple[str, int, Recipe]] = []

    def __call__(self, plan: FoldPlan, watch: Watch) -> dict[str, float]:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        self.trained.append((plan.folder.parent.name, plan.fold, plan.recipe))
        plan.folder.mkdir(parents=True, exist_ok=True)
        mixed = 0.1 if plan.recipe.mixing.name == "half_face" else 0.0
        return {"macro_f1": 1 / (1 + abs(plan.recipe.optimiser.lr - 1e-2) * 100) - mixed + 0.01 * plan.fold}


def run_search(
    training: Training, sweep: Path, cache: Cache, runs: Path, **settings: Any
) -> list[FrozenTrial]:
    """Run the command with a stand-in for training; the trials that are there afterwards."""
    compute = Compute(device="cpu")
    given: dict[str, Any] = {"cache": cache.folder, "folds": 4, "runs": runs, "compute": compute}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.fold.train_fold", training)
        run(SweepSettings(sweep=sweep, **(given | settings)))
    return trials_in(runs)


@pytest.fixture
def search(
    coloured: Cache, monkeypatch: pytest.MonkeyPatch, write: Callable[..., Path]
) -> Callable[..., list[FrozenTrial]]:
    """`run_search` on a sweep file of the test's own, without its picture."""
    monkeypatch.setattr("train.sweep.report.draw_sweep", lambda *_: None)

    def search(
        training: Training, runs: Path, sweep: Path | None = None, **settings: Any
    ) -> list[FrozenTrial]:
        return run_search(training, sweep or write(), coloured, runs, **settings)

    return search


@dataclass
class Whole:
    """A search that was never stopped."""

    runs: Path
    training: Training
    trials: list[FrozenTrial]


@pytest.fixture(scope="module")
def whole(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """With all trials, and its picture."""
    runs, training = tmp_path_factory.mktemp("whole"), Training()
    return Whole(runs, training, run_search(training, write_sweep(runs), coloured, runs))


def trials_in(runs: Path) -> list[FrozenTrial]:
    return optuna.load_study(
        study_name="sweep_x", storage=f"sqlite:///{runs / 'sweep_x' / 'study.db'}"
    ).get_trials()


def outcome(trials: list[FrozenTrial]) -> list[tuple[object, ...]]:
    return [(t.number, t.state, t.params, t.intermediate_values) for t in trials]


def test_a_search_writes_its_best_recipe_and_a_picture(whole: Whole) -> None:
    trials, folder = whole.trials, whole.runs / "sweep_x"
    assert [t.number for t in trials] == list(range(TRIALS))
    best = max((t for t in trials if t.state == TrialState.COMPLETE), key=lambda t: t.value or 0)
    found = read_toml(Recipe, folder / "best.toml")
    assert found.optimiser.lr == best.params["optimiser.lr"]
    assert (found.head.hidden, found.mixing.name) == (best.params["head.hidden"], best.params["mixing.name"])
    assert (found.backbone, found.weights) == ("test_resnet", "")
    assert found.about == f"tiny; trial {best.number}, the best of {TRIALS}, of {whole.runs / 'x.toml'}"
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    trained = [recipe for name, _, recipe in whole.training.trained if name == f"trial{best.number}"]
    assert {recipe.optimiser.lr for recipe in trained} == {found.optimiser.lr}


def test_trials_below_the_median_are_given_up_after_their_first_fold(whole: Whole) -> None:
    trials = whole.trials
    folds = {t.number: [f for n, f, _ in whole.training.trained if n == f"trial{t.number}"] for t in trials}
    pruned = [t for t in trials if t.state == TrialState.PRUNED]
    assert pruned
    assert all(folds[t.number] == ([0] if t in pruned else [0, 2]) for t in trials)
    assert all(t.state == TrialState.COMPLETE for t in trials[:5])
    for trial in pruned:
        before = [t.intermediate_values[0] for t in trials[: trial.number] if t.state == TrialState.COMPLETE]
        assert trial.intermediate_values[0] < np.median(before)


@pytest.mark.parametrize("stops", [pytest.param((3,), marks=pytest.mark.slow), (0, 1, 4, 7)])
def test_a_stopped_search_goes_on_to_the_same_trials(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]], whole: Whole, stops: tuple[int, ...]
) -> None:
    trained = []
    for stop in stops:
        training = Training(stop_after=stop)
        with pytest.raises(KeyboardInterrupt):
            search(training, tmp_path / "cut")
        trained += training.trained
    last = Training()
    assert outcome(search(last, tmp_path / "cut")) == outcome(whole.trials)
    assert trained + last.trained == whole.training.trained  # no fold twice, none left out


@pytest.mark.slow
def test_a_stop_between_two_values_of_a_trial_changes_nothing(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]], whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    suggest, suggested = Choices.suggest, []

    def stopping(self: Choices, trial: optuna.Trial, name: str) -> None:
        suggested.append(name)
        if len(suggested) == 11:
            raise KeyboardInterrupt
        suggest(self, trial, name)

    monkeypatch.setattr(Choices, "suggest", stopping)
    with pytest.raises(KeyboardInterrupt):
        search(Training(), tmp_path / "cut")
    assert len(trials_in(tmp_path / "cut")[-1].params) == 1
    assert outcome(search(Training(), tmp_path / "cut")) == outcome(whole.trials)


def test_more_trials_may_be_asked_for_later(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]], write: Callable[..., Path], whole: Whole
) -> None:
    expected = outcome(whole.trials)
    assert outcome(search(Training(), tmp_path, sweep=write(trials=2))) == expected[:2]
    assert outcome(search(Training(), tmp_path, sweep=write(trials=4, about='"more"'))) == expected[:4]
    idle = Training()
    assert outcome(search(idle, tmp_path, sweep=write(trials=3))) == expected[:4]
    assert not idle.trained


def test_another_seed_is_another_search(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]], write: Callable[..., Path]
) -> None:
    one = search(Training(), tmp_path / "one", sweep=write(trials=2, seed=1))
    two = search(Training(), tmp_path / "two", sweep=write(trials=2, seed=2))
    assert one[0].params != two[0].params
    assert one[0].params != one[1].params


def test_a_changed_search_is_refused_with_what_changed(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]], write: Callable[..., Path]
) -> None:
    search(Training(), tmp_path, sweep=write(trials=1))
    changed = write(LR.replace("1e-1", "1.0") + HEAD + MIXING, trials=1)
    message = r"holds a search of something else \(sweep.fields.optimiser.lr.high: 0.1 there, 1.0 now\)"
    with pytest.raises(ValueError, match="sweep_x: " + message):
        search(Training(), tmp_path, sweep=changed)
    with pytest.raises(ValueError, match=r"\(fold_seed: 0 there, 1 now\); rename the sweep file"):
        search(Training(), tmp_path, sweep=write(trials=1), fold_seed=1)
    (tmp_path / "sweep_x" / "study.db").unlink()
    with pytest.raises(ValueError, match=r"holds trials but no study\.db"):
        search(Training(), tmp_path, sweep=write(trials=1))


def test_a_search_of_before_goes_on_with_what_its_recipe_meant_then(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]], write: Callable[..., Path]
) -> None:
    """Neither the study nor its trials said which epoch is kept, or where ages end."""
    search(Training(), tmp_path, sweep=write(trials=1))
    folder = tmp_path / "sweep_x"
    study = optuna.load_study(study_name="sweep_x", storage=f"sqlite:///{folder / 'study.db'}")
    request = study.user_attrs["request"]
    del request["recipe"]["keep"], request["recipe"]["age"]["clipped_at"]
    study.set_user_attr("request", request)
    (folder / "trial0" / "fold0" / "request.json").write_bytes(document({"recipe": request["recipe"]}))
    more = Training()
    assert len(search(more, tmp_path, sweep=write(trials=2))) == 2
    assert {(recipe.keep, recipe.age.clipped_at) for _, _, recipe in more.trained} == {("best", 0.0)}


def test_a_trial_that_breaks_down_is_the_worst_and_three_in_a_row_end_the_search(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]], write: Callable[..., Path]
) -> None:
    class Fragile(Training):
        def __call__(self, plan: FoldPlan, watch: Watch) -> dict[str, float]:
            if plan.recipe.optimiser.lr > self.most:
                raise ValueError("the loss is not finite")
            return super().__call__(plan, watch)

        most = 3e-2

    trials = search(Fragile(), tmp_path, sweep=write(trials=8))
    failed = [t for t in trials if FAILED in t.user_attrs]
    assert failed
    assert {t.number for t in failed} == {t.number for t in trials if t.params["optimiser.lr"] > 3e-2}
    assert all(t.user_attrs[FAILED] == "the loss is not finite" for t in failed)
    assert all(t.state == TrialState.PRUNED and not t.intermediate_values for t in failed)
    hopeless = Fragile()
    hopeless.most = 0.0
    with pytest.raises(
        ValueError, match="3 trials in a row failed, the last one thus: the loss is not finite"
    ):
        search(hopeless, tmp_path / "other")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            '[fields."optimiser.lrr"]\nlow = 1\nhigh = 2',
            r'lrr"\]: no field of a recipe: did you mean \'optim',
        ),
        ("[fields.optimiser.lr]\nlow = 1\nhigh = 2", r'write \[fields."optimiser.name"\], quotes included'),
        ("", "nothing to search"),
        ("[fields]\nepochs = 3", "must be a table of low, high, log, step, choices, not 3"),
        ("[fields.epochs]\nlow = 1\nhihg = 2", "unknown setting 'hihg': did you mean 'high'"),
        ("[fields.epochs]\nlow = 1", "high is missing"),
        ("[fields.epochs]\nlow = 1.5\nhigh = 2", "low: 1.5 is a decimal number, expected a whole number"),
        ('[fields.epochs]\nlow = "1"\nhigh = 2', 'low: "1" is text, expected a whole number; leave out the'),
        ("[fields.epochs]\nlow = 1\nhigh = 2\nlog = 1", "log: 1 is a whole number, expected true or false"),
        ("[fields.epochs]\nchoices = 3", "choices: 3 is a whole number, expected a list of values"),
        ('[fields."augment.rotaton"]\nlow = 1\nhigh = 2', r"did you mean 'augment\.rotation'\?"),
        ("[fields.epochs]\nlow = 4\nhigh = 4", "low must be below high"),
        ("[fields.epochs]\nlow = 1\nhigh = 4\nchoices = [1, 2]", "has both choices and low, high"),
        ("[fields.epochs]\nchoices = [1]", "at least 2 values"),
        ("[fields.epochs]\nchoices = [1, 1]", "each once"),
        ('[fields."optimiser.name"]\nlow = 1\nhigh = 2', "takes no numbers; give choices"),
        ("[fields.compile]\nlow = 0\nhigh = 1", "takes no numbers"),
        ('[fields."optimiser.lr"]\nlow = 0\nhigh = 1\nlog = true', "log needs low above 0"),
        ("[fields.epochs]\nlow = 1\nhigh = 8\nstep = 2", "step=2: must divide high - low = 7"),
        ("[field.epochs]\nlow = 1\nhigh = 2", r"unknown setting 'field': did you mean 'fields'\?"),
    ],
)
def test_mistakes_in_a_sweep_file_are_named(write: Callable[..., Path], fields: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read_sweep(write(fields))
    assert str(error.value).startswith(str(write(fields)))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("[fields.augment]\nchoices = ['light', 'lite']", r"'lite' is unknown: did you mean 'light'\?"),
        ("[fields.precision]\nchoices = ['fp32', 'fp8']", 'precision: "fp8" is unknown, expected auto, fp32'),
        ("[fields.epochs]\nchoices = [1, 'ten']", 'epochs: "ten" is text, expected a whole number'),
        ("[fields.epochs]\nlow = 0\nhigh = 4", "epochs=0"),
        (
            '[fields."head.dropout"]\nlow = 0.0\nhigh = 0.5\n[fields."head.samples"]\nchoices = [1, 4]',
            r"could have head.dropout=0.0, head.samples=4, which no recipe may: .*all samples would be equal",
        ),
        (
            "\n".join(f'[fields."loss.{name}"]\nlow = 1.0\nhigh = 2.0' for name in ("gamma", "margin"))
            + "\n[fields.epochs]\nchoices = [" + ", ".join(map(str, range(1, 20_001))) + "]",
            "its fields have 80,000 combinations",
        ),
    ],
)  # fmt: skip
def test_what_no_recipe_may_have_is_refused_before_anything_is_trained(
    write: Callable[..., Path], fields: str, message: str
) -> None:
    path = write(fields)
    with pytest.raises(ValueError, match=message):
        check_sweep(read_sweep(path), TINY, fits, path)


def test_values_that_the_labels_do_not_allow_are_refused_before_anything_is_trained(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]], write: Callable[..., Path]
) -> None:
    sweep = write('[fields.tasks]\nchoices = [["mask", "age[20, 40]"], ["mask", "glasses"]]')
    with pytest.raises(
        ValueError, match=r"x\.toml: a trial could have tasks=\['mask', 'glasses'\].*'glasses' is no task"
    ):
        search(Training(), tmp_path, sweep=sweep)
    sweep, teacher = write(), Teacher(predictions=("p.parquet",), share=0.5)
    write_toml(replace(TINY, age=Age(coding="years", sigma=3.0), teacher=teacher), tmp_path / "tiny.toml")
    training = Training()
    with pytest.raises(ValueError, match=r"x\.toml: a trial could have .*predictions of classes do not tell"):
        search(training, tmp_path, sweep=sweep)
    assert not training.trained


def test_own_labels_are_searched_and_their_factors_told_apart(tmp_path: Path) -> None:
    cache = write_own(tmp_path / "own")
    sweep, training = write_sweep(tmp_path, LR, trials=2), Training()
    write_toml(replace(TINY, tasks=("*",)), tmp_path / "tiny.toml")
    assert len(run_search(training, sweep, cache, tmp_path)) == 2
    assert {recipe.tasks for _, _, recipe in training.trained} == {OWN.names}
    assert read_toml(Recipe, tmp_path / "sweep_x" / "best.toml").tasks == ("*",)
    cache.description["labels"]["factors"]["years"]["edges"] = [50.0]
    (cache.folder / "cache.json").write_text(json.dumps(cache.description))
    with pytest.raises(ValueError, match=r"labels\.years\.edges: \[40\.0\] there, \[50\.0\] now"):
        run_search(training, sweep, cache, tmp_path)


def test_a_fold_without_a_labelled_photo_is_no_score(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]], write: Callable[..., Path]
) -> None:
    class Silent(Training):
        def __call__(self, plan: FoldPlan, watch: Watch) -> dict[str, float]:
            return {**super().__call__(plan, watch), "macro_f1": math.nan}

    with pytest.raises(
        ValueError,
        match=r"3 trials in a row failed.*fold 0 cannot score mask, gender, age3: no photo that valid",
    ):
        search(Silent(), tmp_path)


def test_values_that_need_each_other_are_set_together() -> None:
    """Four samples are refused without dropout, and a task's weights without the task."""
    values = {
        "head.samples": 4,
        "head.dropout": 0.5,
        "tasks": ["mask", "age3"],
        "loss.task_weights": [1.0, 2.0],
    }
    found = with_values(Recipe(optimiser=Optimiser(lr=0.1)), values)
    assert found.head == Head(samples=4, dropout=0.5)
    assert (found.tasks, found.loss.task_weights) == (("mask", "age3"), (1.0, 2.0))
    assert found.optimiser.lr == 0.1


def test_fields_of_the_augmentation_are_searched_on_top_of_a_named_policy(write: Callable[..., Path]) -> None:
    sweep = read_sweep(
        write(
            '[fields.augment]\nchoices = ["light", "strong"]\n'
            '[fields."augment.rotation"]\nlow = 0\nhigh = 30\n'
            '[fields."augment.crop_area"]\nchoices = [[0.25, 1], [0.5, 1]]'
        )
    )
    check_sweep(sweep, TINY, fits, Path("x.toml"))
    chosen = {"augment": "strong", "augment.rotation": 20.0, "augment.crop_area": "[0.25, 1]"}
    strong = policy_named("strong")
    assert sweep.recipe(TINY, chosen).policy == replace(strong, rotation=20.0, crop_area=(0.25, 1.0))
    own = Recipe(augment=Policy(blur=0.5))
    assert with_values(own, {"augment.rotation": 3}).augment == Policy(blur=0.5, rotation=3.0)
    with pytest.raises(
        ValueError, match=r"augment\.rotation.=200.*rotation must be in 0 .* to 180|rotation=200"
    ):
        check_sweep(
            read_sweep(write('[fields."augment.rotation"]\nlow = 0\nhigh = 200')), TINY, fits, Path("x.toml")
        )


def test_values_keep_their_types_and_become_the_fields(write: Callable[..., Path]) -> None:
    found = with_values(Recipe(), {"optimiser.lr": 1, "rows.drop_ages": [1]})
    assert (found.optimiser.lr, type(found.optimiser.lr), found.rows.drop_ages) == (1.0, float, (1,))
    with pytest.raises(ValueError, match=r'optimiser\.lr: "1" is text, expected a number'):
        with_values(Recipe(), {"optimiser.lr": "1"})


def test_lists_and_numbers_may_be_chosen_from(write: Callable[..., Path]) -> None:
    sweep = read_sweep(
        write(
            '[fields."loss.terms"]\nchoices = [["focal"], ["focal", "f1"]]\n[fields.seed]\nchoices = [1, 2]'
        )
    )
    check_sweep(sweep, TINY, fits, Path("x.toml"))
    found = sweep.recipe(TINY, {"loss.terms": '["focal", "f1"]', "seed": "2"})
    assert (found.loss.terms, found.seed) == (("focal", "f1"), 2)


def test_a_span_is_whole_where_the_field_is(write: Callable[..., Path]) -> None:
    fields = read_sweep(write('[fields."age.sigma"]\nlow = 0\nhigh = 4\n' + HEAD)).fields
    sigma, hidden = fields["age.sigma"], fields["head.hidden"]
    assert isinstance(sigma, Span)
    assert isinstance(hidden, Span)
    assert (sigma.whole, hidden.whole) == (False, True)


def test_folds_that_are_not_there_are_refused(
    tmp_path: Path, search: Callable[..., list[FrozenTrial]]
) -> None:
    with pytest.raises(ValueError, match=r"folds=\[0, 2\]: with --folds 2 .* numbered 0 to 1"):
        search(Training(), tmp_path, folds=2)
    with pytest.raises(ValueError, match="somebody must validate"):
        search(Training(), tmp_path, fold_scheme="everything")
    assert not (tmp_path / "sweep_x").exists()


def test_every_sweep_of_the_project_fits_its_recipe() -> None:
    paths = sorted((ROOT / "sweeps").glob("*.toml"))
    assert len(paths) >= 2
    for path in paths:
        sweep = read_sweep(path)
        check_sweep(sweep, read_recipe(ROOT / sweep.plan.recipe), fits, path)
        assert sweep.plan.about


@pytest.mark.usefixtures("no_pictures")
def test_a_real_trial_leaves_a_run(tmp_path: Path, coloured: Cache, write: Callable[..., Path]) -> None:
    path = write(HEAD.replace("0\n", "64\n", 1), trials=1, folds=[1])
    compute = Compute(device="cpu", threads=1)
    run(SweepSettings(sweep=path, cache=coloured.folder, folds=3, runs=tmp_path, compute=compute))
    (trial,) = trials_in(tmp_path)
    folder = tmp_path / "sweep_x" / "trial0" / "fold1"
    assert (folder / "best.safetensors").is_file()
    assert read_toml(Recipe, folder / "recipe.toml").head.hidden == trial.params["head.hidden"] >= 64
    assert trial.value is not None
    assert 0 <= trial.value <= 1
