from pathlib import Path

import numpy as np
import pytest

from faces.cache.reader import Cache
from faces.labels import CONTEST, TASKS, UNKNOWN
from faces.scores import macro_f1
from infer.ensemble.calibration import log_loss, tempered
from infer.ensemble.file import read_ensemble
from infer.ensemble.tree import Compose, Leaf, Node, Override, Vote
from infer.ensemble.vote import Verdict, count_votes
from infer.predict.heads import Panels
from infer.tune import command as tune_command
from infer.tune.answered import Answered
from infer.tune.choices import FITTED
from infer.tune.fit import check_fittable, fit, flips_of
from infer.tune.nested import tune
from infer.tune.table import values_of
from tests.helpers.runs.fold_runs import guesses, out_of_fold_panels, write_runs
from train.engine.compute import PredictCompute

FACTORS = ("mask", "gender", "age3")
OLD = Override(
    base=Vote(members=(Leaf("good"), Leaf("fair"), Leaf("noise"))),
    by=Leaf("senior"),
    task="senior",
    category=">=60",
    above=0.5,
    where=(("age", ("30-59", ">=60")),),
)
COMPOSED = Compose(
    parts=tuple((task, Vote(members=(Leaf("good"), Leaf("noise")), rule="log")) for task in FACTORS)
)
HARD = Vote(members=(Leaf("noise"), Leaf("good"), Leaf("fair")), rule="hard")


def labelled(count: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Truth by task and fold of photos of people of all ages."""
    rng = np.random.default_rng(seed)
    mask, gender = rng.integers(0, 3, count), rng.integers(0, 2, count)
    age = rng.choice([25.0, 45.0, 65.0], count)
    photos = {"mask": mask, "gender": gender, "age": age}
    truths = {name: task.encode(photos) for name, task in TASKS.items()}
    return truths, np.arange(count) % 4


def made_panels(truths: dict[str, np.ndarray], seed: int = 0) -> Panels:
    def heads(tasks: tuple[str, ...], skill: float, first: int) -> list[dict[str, np.ndarray]]:
        return [
            {
                task: guesses(truths[task], len(TASKS[task].classes), skill=skill, seed=seed + first + place)
                for place, task in enumerate(tasks)
            }
        ]

    return {
        "good": heads(FACTORS, 2.5, 0),
        "fair": heads(("class18",), 2.5, 10),
        "noise": heads(FACTORS, 0.0, 20),
        "senior": heads(("senior",), 2.0, 30),
    }


def answered(panels: Panels, truths: dict[str, np.ndarray]) -> Answered:
    return Answered(panels=panels, truth=truths.__getitem__, labels=CONTEST, space="class18")


def voted(root: Node, panels: Panels) -> Verdict:
    return count_votes(root, panels, "class18", CONTEST)


@pytest.mark.parametrize("root", [OLD, pytest.param(COMPOSED, marks=pytest.mark.slow), HARD])
def test_what_is_fitted_for_a_fold_never_sees_its_labels(root: Node) -> None:
    truths, fold = labelled(240, 0)
    panels = made_panels(truths)
    clean = tune(root, answered(panels, truths), fold)
    for number in range(4):
        poisoned = {
            name: np.where(
                (fold == number) & (truth != UNKNOWN), (truth + 1) % len(TASKS[name].classes), truth
            )
            for name, truth in truths.items()
        }
        again = tune(root, answered(panels, poisoned), fold)
        assert again.folds[number] == clean.folds[number]
        mine = fold == number
        assert again.nested.classes[mine].tolist() == clean.nested.classes[mine].tolist()
        assert again.whole != clean.whole  # where it may look, it does


def test_each_fold_is_answered_by_its_own_values() -> None:
    truths, fold = labelled(240, 1)
    panels = made_panels(truths)
    tuned = tune(OLD, answered(panels, truths), fold)
    for number, tree in tuned.folds.items():
        own = voted(tree, panels)
        mine = fold == number
        assert tuned.nested.classes[mine].tolist() == own.classes[mine].tolist()
        np.testing.assert_array_equal(tuned.nested.probabilities[mine], own.probabilities[mine])
    assert tuned.apparent.classes.tolist() == voted(tuned.whole, panels).classes.tolist()


@pytest.mark.parametrize("rule", ["soft", "log", "hard"])
def test_a_member_that_knows_nothing_gets_no_weight(rule: str) -> None:
    truths, _ = labelled(600, 2)
    panels = made_panels(truths)
    vote = Vote(members=(Leaf("noise"), Leaf("good")), rule=rule)  # type: ignore[arg-type]
    found = fit(vote, answered(panels, truths), np.arange(600), ("weights",))
    assert isinstance(found, Vote)
    shares = dict(zip(found.members, found.shares, strict=True))
    assert shares[Leaf("good")] > 0.85


def test_only_what_is_named_is_fitted() -> None:
    truths, _ = labelled(240, 3)
    given, rows = answered(made_panels(truths), truths), np.arange(240)
    before = values_of(OLD, given)
    for fitted in FITTED:
        after = values_of(fit(OLD, given, rows, (fitted,)), given)
        changed = {name for name in {*before, *after} if after.get(name, 0.0) != before.get(name)}
        kinds = {"weight": "weights", "temperature": "temperature", ">=60": "threshold"}
        assert changed and {kinds.get(name.split()[0], "adjust") for name in changed} == {fitted}


def test_a_vote_finds_the_temperature_by_which_its_member_was_sharpened() -> None:
    rng = np.random.default_rng(0)
    honest = rng.dirichlet(np.full(18, 0.2), 8_000)
    truth = (honest.cumsum(1) > rng.random((8_000, 1))).argmax(1)
    panels = {"sharp": [{"class18": tempered(honest, 1 / 1.8)}]}
    vote = Vote(members=(Leaf("sharp"),))
    found = fit(vote, answered(panels, {"class18": truth}), np.arange(8_000), ("temperature",))
    assert isinstance(found, Vote) and found.temperature == pytest.approx(1.8, rel=0.05)
    assert log_loss(voted(found, panels).probabilities, truth) < log_loss(
        voted(vote, panels).probabilities, truth
    )


@pytest.mark.parametrize("above", [0.0, 0.13, 0.5, 0.87])
def test_flips_are_what_the_override_does(above: float) -> None:
    truths, _ = labelled(240, 5)
    panels = made_panels(truths)
    node = Override(
        base=OLD.base, by=OLD.by, task=OLD.task, category=OLD.category, above=above, where=OLD.where
    )
    given = answered(panels, truths)
    found = flips_of(OLD, given, "class18").answers(above)
    assert found.tolist() == given.ballot(node, "class18").choices.tolist()


def test_a_fitted_threshold_is_never_worse_where_it_was_fitted() -> None:
    for seed in range(5):
        truths, _ = labelled(120, 10 + seed)
        given, rows = answered(made_panels(truths, seed), truths), np.arange(120)
        found = fit(OLD, given, rows, ("threshold",))
        scores = [macro_f1(truths["class18"], given.ballot(n, "class18").choices, 18) for n in (OLD, found)]
        assert scores[1] >= scores[0]


def test_parts_of_a_composition_are_fitted_on_their_own_task() -> None:
    truths, _ = labelled(400, 6)
    panels = dict(made_panels(truths))
    # Good at masks only, so that its weight must differ from part to part.
    panels["noise"] = [{**panels["noise"][0], "mask": guesses(truths["mask"], 3, skill=9, seed=7)}]
    given = answered(panels, truths)
    values = values_of(fit(COMPOSED, given, np.arange(400), ("weights",)), given)
    assert values["mask: weight noise"] > 0.7
    assert values["gender: weight good"] > 0.85 and values["age3: weight good"] > 0.85


@pytest.mark.parametrize(
    ("root", "fitted"),
    [
        (Leaf("good"), ("weights", "threshold", "temperature")),
        (Vote(members=(Leaf("good"),)), ("weights", "threshold")),
        (HARD, ("threshold",)),
    ],
)
def test_an_ensemble_without_anything_to_fit_is_refused(root: Node, fitted: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="this ensemble has none of them; weights need a vote"):
        check_fittable(root, fitted)  # type: ignore[arg-type]


def test_one_fold_alone_cannot_be_nested() -> None:
    truths, fold = labelled(24, 7)
    with pytest.raises(ValueError, match="only fold 0 validates"):
        tune(HARD, answered(made_panels(truths), truths), np.zeros_like(fold))


def test_the_command_writes_an_ensemble_with_its_honest_score(
    coloured: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    write_runs(runs, coloured, "good", skill=3, seed=1)
    write_runs(runs, coloured, "fair", tasks=("class18",), skill=2, seed=2)
    write_runs(runs, coloured, "senior", tasks=("senior",), seed=3)
    path = tmp_path / "old.toml"
    path.write_text(
        'views = ["original"]\n[override]\nbase = { vote = ["good", "fair"] }\nby = "senior"\n'
        'task = "senior"\ncategory = ">=60"\nabove = 0.99\n'
    )
    tune_command.run(
        tune_command.TuneSettings(
            ensemble=path,
            cache=coloured.folder,
            runs=runs,
            predictions=tmp_path / "p",
            compute=PredictCompute(device="cpu"),
        )
    )
    written = read_ensemble(tmp_path / "p" / "old" / "tuned.toml")
    assert (tmp_path / "p" / "old" / "tuned.png").is_file()
    panels, photos = out_of_fold_panels(["good", "fair", "senior"], runs, coloured, ("original",))
    truths = {n: t.encode(photos) for n, t in TASKS.items()}
    given = answered(panels, truths)
    kept = [name for name in FITTED if name != "adjust"]  # by which nothing is gained here
    found = tune(read_ensemble(path).root, given, photos["fold"].to_numpy(), kept)
    assert values_of(written.root, given) == pytest.approx(values_of(found.whole, given))
    honest = macro_f1(truths["class18"], found.nested.classes, 18)
    assert f"macro F1 {honest:.3f}" in written.about
    assert written.views == ("original",) and written.task == ""
    out = capsys.readouterr().out
    assert "choices are not adjusted" in out
    assert "one network a photo" in out and "0 of the 3 nested trainings of good are there" in out
    assert "tuned, nested folds" in out and "tuned, apparent" in out and "recall 60+" in out
