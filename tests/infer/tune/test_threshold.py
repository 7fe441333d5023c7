import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.labels import TASKS
from faces.scores import macro_f1
from infer.tune.threshold import Flips, score_thresholds

CLASS18 = TASKS["class18"]


def test_the_best_threshold_of_a_hand_case() -> None:
    # 60+ is class 2 of 0, 1 and 2; photo 0 must be changed, 1 must not, 2 must and is less sure than 1.
    flips = Flips(
        probability=np.array([0.9, 0.5, 0.3, 0.7]),
        before=np.array([1, 1, 1, 0]),
        after=np.array([2, 2, 2, 0]),
    )
    truth = np.array([2, 1, 2, 0])
    found = score_thresholds(flips, truth, CLASS18, "age", 2)
    np.testing.assert_allclose(found.above, [0.15, 0.4, 0.7, 0.95])
    # class 0 is always right; F1 of classes 1 and 2 at each threshold:
    pairs = [(0, 4 / 5), (0, 2 / 4), (2 / 3, 2 / 3), (2 / 4, 0)]
    np.testing.assert_allclose(found.macro_f1, [(1 + one + two) / 3 for one, two in pairs])
    np.testing.assert_allclose(found.recall, [1, 0.5, 0.5, 0])
    np.testing.assert_allclose(found.precision, [2 / 3, 0.5, 1, np.nan])
    assert found.above[found.best] == pytest.approx(0.7)


def test_of_equal_thresholds_the_one_that_changes_least_is_taken() -> None:
    # The surer photo is changed for the better, the other one for the worse; below, both stay wrong.
    flips = Flips(probability=np.array([0.2, 0.4]), before=np.array([2, 1]), after=np.array([1, 2]))
    found = score_thresholds(flips, np.array([2, 2]), CLASS18, "age", 2)
    np.testing.assert_allclose(found.above, [0.1, 0.3, 0.7])
    np.testing.assert_allclose(found.macro_f1, [1 / 3, 1, 1 / 3])
    assert found.best == 1
    flips = Flips(probability=np.array([0.2, 0.4]), before=np.array([0, 0]), after=np.array([1, 2]))
    found = score_thresholds(flips, np.array([4, 4]), CLASS18, "age", 2)
    assert found.macro_f1.tolist() == [0, 0, 0] and found.best == 2


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 40), levels=st.integers(1, 8), seed=st.integers(0, 1000))
def test_all_thresholds_at_once_score_as_each_by_itself(count: int, levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, truth = rng.integers(0, 18, count), rng.integers(0, 18, count)
    after = np.where(rng.random(count) < 0.7, before // 3 * 3 + 2, before)
    flips = Flips(probability=rng.integers(0, levels, count) / levels, before=before, after=after)
    found = score_thresholds(flips, truth, CLASS18, "age", 2)
    assert (np.diff(found.above) > 0).all() and ((found.above >= 0) & (found.above < 1)).all()
    for place, above in enumerate(found.above):
        answers = flips.answers(above)
        assert found.macro_f1[place] == pytest.approx(macro_f1(truth, answers, 18))
        old, called = truth % 3 == 2, answers % 3 == 2
        if old.any():
            assert found.recall[place] == pytest.approx((old & called).sum() / old.sum())
        if called.any():
            assert found.precision[place] == pytest.approx((old & called).sum() / called.sum())
    everything = [macro_f1(truth, flips.answers(t), 18) for t in np.linspace(0, 0.999, 16)]
    assert found.macro_f1[found.best] >= max(everything) - 1e-9
