import numpy as np
import pytest

from faces.labels import TASKS
from faces.scores import class_f1, class_scores, confusion, macro_f1


def test_macro_f1_closed_form() -> None:
    # class 0: precision 2/3, recall 1, F1 .8; class 1: precision 1, recall 1/2, F1 2/3; no class 2
    assert macro_f1([0, 0, 1, 1], [0, 0, 0, 1], 3) == pytest.approx((0.8 + 2 / 3) / 2)
    # a class that is only guessed counts, with F1 0
    assert macro_f1([0, 0], [0, 2], 3) == pytest.approx((2 / 3 + 0) / 2)


def test_scores_of_factors() -> None:
    scores = class_scores([0, 4, 11, 17], [0, 4, 9, 5], TASKS["class18"])
    assert scores["accuracy"] == 0.5
    assert (scores["mask"], scores["gender"], scores["age"]) == (0.75, 1.0, 0.75)


def test_one_factor_alone_has_the_scores_of_its_classes_only() -> None:
    scores = class_scores([0, 0, 1, 1], [0, 0, 0, 1], TASKS["gender"])
    assert scores == {"macro_f1": pytest.approx((0.8 + 2 / 3) / 2), "accuracy": 0.75}


def test_confusion_rows_are_the_truth() -> None:
    np.testing.assert_array_equal(confusion([0, 0, 1], [0, 2, 1], 3), [[1, 0, 1], [0, 1, 0], [0, 0, 0]])


def test_f1_of_each_class_is_its_closed_form_and_nan_where_the_class_occurs_nowhere() -> None:
    # class 0: precision and recall 2/3; class 1: precision 1, recall 1/2; 2: only guessed; 3: nowhere
    scores = class_f1([0, 0, 1, 1, 0], [0, 0, 0, 1, 2], 4)
    np.testing.assert_allclose(scores, [2 / 3, 2 / 3, 0, np.nan])


def test_f1_of_a_class_never_guessed_is_zero() -> None:
    np.testing.assert_array_equal(class_f1([0, 1], [0, 0], 2)[1], 0)


def test_the_mean_over_classes_that_occur_is_the_macro_f1() -> None:
    rng = np.random.default_rng(3)
    truth, guess = rng.integers(0, 15, (2, 60))
    assert np.nanmean(class_f1(truth, guess, 18)) == pytest.approx(macro_f1(truth, guess, 18))
