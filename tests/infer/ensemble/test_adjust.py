from pathlib import Path

import numpy as np
import pytest
import torch

from faces.intervals import mean_f1, person_counts
from faces.labels import CONTEST, TASKS
from infer.ensemble.adjust import adjusted, class_factors
from infer.ensemble.catalogue import EnsemblesSettings, list_ensembles
from infer.ensemble.expected import TAUS, calibration, class_times, expected_f1, fit_adjust
from infer.ensemble.file import read_ensemble, write_ensemble
from infer.ensemble.rules import poll
from infer.ensemble.space import space_of
from infer.ensemble.tree import Compose, Ensemble, Leaf, Vote
from infer.ensemble.vote import count_votes

AGE, CLASS18 = TASKS["age3"], TASKS["class18"]
OLD = (("age", ((">=60", 2.0),)), ("mask", (("normal", 3.0),)))
TWICE = Vote(members=(Leaf("one"),), adjust=OLD[:1])
PANEL = {"one": [{"age3": np.array([[0.1, 0.5, 0.4], [0.1, 0.7, 0.2], [0.5, 0.2, 0.3]])}]}


def counted(times: float, copies: int = 1_000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three ages, of each of which just so many photos are of a class as they say, once the
    last class counts so many times."""
    rows = np.array([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1], [0.0, 0.6, 0.4], [0.2, 0.8, 0.0]])
    truth = np.concatenate([np.repeat(np.arange(3), np.rint(row * 10).astype(int)) for row in rows])
    said = adjusted(rows, [1, 1, 1 / times])
    return np.tile(np.repeat(said, 10, 0), (copies, 1)), np.tile(truth, copies)


def test_a_value_that_counts_twice_is_chosen_and_probabilities_stay() -> None:
    plain = count_votes(Vote(members=TWICE.members), PANEL, "age3", CONTEST)
    found = count_votes(TWICE, PANEL, "age3", CONTEST)
    assert plain.classes.tolist() == [1, 1, 0]
    assert found.classes.tolist() == [2, 1, 2]  # .8 against .5, .4 against .7, .6 against .5
    np.testing.assert_array_equal(found.probabilities, plain.probabilities)


def test_numbers_of_several_factors_are_multiplied() -> None:
    vote = Vote(members=(Leaf("one"),), adjust=OLD)
    times = np.array(class_factors(vote, CLASS18)).reshape(3, 2, 3)
    assert times[2, 0].tolist() == [3, 3, 6] and times[0, 1].tolist() == [1, 1, 2]
    assert class_times(
        {"mask": np.array([1, 1, 3.0]), "gender": np.ones(2), "age": np.array([1, 1, 2])}, CLASS18
    ) == (times.ravel().tolist())


def test_a_composition_keeps_the_adjusted_choices_of_its_parts() -> None:
    panels = {"one": [{**PANEL["one"][0], "gender": np.array([[0.9, 0.1]] * 3)}]}
    root = Compose(parts=(("age3", TWICE), ("gender", Leaf("one"))))
    assert count_votes(root, panels, "gender*age", CONTEST).classes.tolist() == [2, 1, 2]


def test_exported_votes_choose_the_same() -> None:
    tensors = {"one": [{"age3": torch.from_numpy(PANEL["one"][0]["age3"])}]}
    found = poll(TWICE, tensors, "age3", CONTEST).result
    assert found.choices.tolist() == [2, 1, 2] and found.choices.dtype == torch.int64


def test_it_is_written_and_read_back_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vote = Vote(members=(Leaf("one"),), rule="log", adjust=OLD)
    path = tmp_path / "mine.toml"
    write_ensemble(Ensemble(name="mine", root=vote), path)
    assert read_ensemble(path).root == vote
    path.write_text('vote = ["one"]\n[adjust.age]\n">=60" = 2\n')
    assert read_ensemble(path).root == TWICE
    list_ensembles(EnsemblesSettings(ensembles=tmp_path, runs=tmp_path))
    assert "age >=60 counts 2 times" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (
            'rule = "hard"\nadjust = { age = { ">=60" = 2 } }',
            "adjust: weighs probabilities, by which rule='hard'",
        ),
        ('adjust = { age = { ">=60" = 0 } }', r"adjust.age.>=60=0.*: must be above 0 and finite"),
        ('adjust = { age = { ">=60" = inf } }', "must be above 0 and finite"),
        ("adjust = { age = 2 }", "adjust.age"),
    ],
)
def test_numbers_that_are_none_are_refused(tmp_path: Path, table: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'vote = ["one"]\n{table}\n')
    with pytest.raises(ValueError, match=told) as caught:
        read_ensemble(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("adjust", "told"),
    [
        ((("glasses", (("yes", 2.0),)),), "adjust.glasses: the vote is on class18"),
        ((("age", (("60+", 2.0),)),), "adjust.age: '60\\+'"),
    ],
)
def test_factors_and_values_that_a_vote_does_not_tell_are_refused(adjust: tuple, told: str) -> None:  # type: ignore[type-arg]
    ensemble = Ensemble(name="mine", root=Vote(members=(Leaf("one"),), adjust=adjust))
    with pytest.raises(ValueError, match=told):
        space_of(ensemble, {"one": ("class18",)}, CONTEST)


@pytest.mark.parametrize("times", [0.25, 1, 4])
def test_a_known_shift_of_shares_is_undone(times: float) -> None:
    found = calibration(*counted(times), AGE)["age"]
    assert found[2] / found[1] == pytest.approx(times, rel=5e-3)
    assert found[0] / found[1] == pytest.approx(1, rel=5e-3)


def test_what_is_fitted_is_the_same_whatever_the_shift() -> None:
    fitted = [fit_adjust(*counted(times), AGE)["age"] * [1, 1, 1 / times] for times in (0.25, 1, 4)]
    for other in fitted[1:]:
        np.testing.assert_allclose(other, fitted[0], rtol=5e-3)
    assert fitted[0][2] > 1.2 and fitted[0][0] >= 1 and fitted[0][1] == 1  # the most common value counts once


def test_the_expected_score_is_that_of_labels_that_are_as_probable_as_said() -> None:
    probabilities, truth = counted(1)
    for times in ([1, 1, 1], [1, 1, 3], [2, 1, 5]):
        said = (probabilities * times).argmax(1)
        real = mean_f1(person_counts(np.zeros_like(truth), truth, said, 1, 3)[0])
        assert expected_f1(probabilities, times) == pytest.approx(float(real), abs=1e-9)


def test_of_all_powers_of_the_shares_the_best_is_taken() -> None:
    probabilities, truth = counted(1)
    share = np.bincount(truth) / np.bincount(truth).max()
    scores = [expected_f1(probabilities, (share**-tau).tolist()) for tau in TAUS]
    found = fit_adjust(probabilities, truth, AGE)["age"]
    assert expected_f1(probabilities, found.tolist()) == pytest.approx(max(scores), abs=1e-6)
    assert max(scores) > scores[0] + 0.02


def test_a_value_that_nobody_has_stays_finite() -> None:
    probabilities, truth = counted(1, copies=5)
    kept = truth != 2
    times = fit_adjust(probabilities[kept], truth[kept], AGE)["age"]
    assert np.isfinite(times).all() and (times > 0).all()
