"""The factors of runs that vote together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from faces.factors import Categories, Number
from faces.labels import CONTEST, Factor, LabelSet
from infer.predict.runs import Run, find_runs, labels_of_runs
from tests.helpers.own_labels import OWN

GLASSES, HELMET, YEARS = OWN.factors
FEW = Categories(name="helmet", categories=("yes", "no"))
EARLY = Number(name="years", edges=(30.0,), per="person")


def run(name: str, tasks: Sequence[str], *factors: Factor, named: Mapping[str, str] = {}) -> Run:
    labels = LabelSet(name=name, factors=factors, named=named)
    card = SimpleNamespace(recipe=SimpleNamespace(tasks=tuple(tasks)), labels=labels)
    return Run(f"{name}/fold0", Path(name), card)  # type: ignore[arg-type]


def test_the_labels_of_a_vote_are_those_of_the_first_run_that_has_all_that_is_told() -> None:
    contest = run("c", ["class18"], *CONTEST.factors, named=CONTEST.named)
    assert labels_of_runs([contest, contest]) == contest.card.labels
    narrow, wide = run("n", ["glasses"], GLASSES, FEW), run("w", ["helmet", "glasses"], *OWN.factors)
    # What no head of the first tells may differ.
    assert labels_of_runs([narrow]) == narrow.card.labels
    assert labels_of_runs([narrow, wide]) == wide.card.labels
    assert labels_of_runs([wide, narrow]) == wide.card.labels
    words = replace(GLASSES, words=(("oui",), ("non",)), column="Brille")
    assert labels_of_runs([run("f", ["glasses"], words), narrow]).factors == (words,)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            run("b", ["helmet"], GLASSES, FEW),
            r"runs a/fold0 and b/fold0 cannot vote together: helmet is yes, no, unsure in the first, yes, no "
            "in the second; train both on caches of the same labels",
        ),
        (
            run("b", ["years[20, 50]"], EARLY),
            "years is <40, >=40 in the first, <30, >=30 in the second; train both",
        ),
        (
            run("b", ["mask"], *CONTEST.factors),
            "mask is not labelled in the first, wear, incorrect, normal in the second; train both on caches "
            "labelled with glasses, helmet, years, mask",
        ),
    ],
)
def test_runs_of_different_factors_do_not_vote_together(other: Run, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        labels_of_runs([run("a", ["glasses*helmet", "years"], *OWN.factors), other])


def test_a_factor_that_no_run_has_with_all_the_others_is_named() -> None:
    first = run("a", ["glasses"], GLASSES, FEW)
    second = run("b", ["helmet"], HELMET)
    with pytest.raises(
        ValueError, match=r"a/fold0 and b/fold0 .* helmet is yes, no in the first, yes, no, u"
    ):
        labels_of_runs([first, second])


def test_a_fold_that_was_only_begun_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "small" / "fold0").mkdir(parents=True)
    (tmp_path / "small" / "fold0" / "best.safetensors").touch()
    (tmp_path / "small" / "fold1").mkdir()
    (tmp_path / "small" / "fold1" / "request.json").touch()
    with pytest.raises(ValueError, match=r"small/fold1: was begun and has no best.*; train it to"):
        find_runs(["small"], tmp_path)


def test_a_folder_without_a_trained_fold_is_told_from_none(tmp_path: Path) -> None:
    """And is not what may have been meant."""
    trained = tmp_path / "name" / "fold0" / "best.safetensors"
    trained.parent.mkdir(parents=True)
    trained.touch()
    with pytest.raises(
        ValueError, match=r"no trained fold in \S+/nam \(did you mean 'name'\?\); train it with"
    ):
        find_runs(["nam"], tmp_path)
    (tmp_path / "nam").mkdir()
    (tmp_path / "nams").mkdir()
    with pytest.raises(
        ValueError, match=r"in \S+/nam, which is there \(did you mean 'name'\?\); train it with"
    ):
        find_runs(["nam"], tmp_path)
    with pytest.raises(ValueError, match=r"in \S+/none/nam \(nor is there any in \S+/none\); train it with"):
        find_runs(["nam"], tmp_path / "none")
    (tmp_path / "nam" / "fold1").mkdir()
    (tmp_path / "nam" / "fold1" / "request.json").touch()
    with pytest.raises(ValueError, match=r"nam/fold1: was begun and has no best.safetensors"):
        find_runs(["nam"], tmp_path)
