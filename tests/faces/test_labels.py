import numpy as np
import pytest

from faces.labels import CLASS_NAMES, TASKS, compose, covers_classes, split_classes


def every_photo() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mask, gender, age = np.meshgrid(range(3), range(2), [18, 29, 30, 59, 60, 80], indexing="ij")
    return mask.ravel(), gender.ravel(), age.ravel().astype(float)


def test_class18_is_the_contests_formula() -> None:
    mask, gender, age = every_photo()
    band = np.select([age < 30, age < 60], [0, 1], 2)
    assert TASKS["class18"].encode(mask, gender, age).tolist() == (mask * 6 + gender * 3 + band).tolist()
    assert CLASS_NAMES[0] == "wear male <30"
    assert CLASS_NAMES[17] == "normal female >=60"
    assert [len(task.classes) for task in TASKS.values()] == [18, 3, 2, 3, 6, 6, 2]


def test_age_edges_and_people_who_are_not_the_tasks() -> None:
    ages = [19.0, 20, 29, 30, 46, 47, 54, 55, 59, 60, np.nan]
    unknown = np.full(len(ages), -1)
    assert TASKS["age6"].encode(unknown, unknown, ages).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, -1]
    assert TASKS["senior"].encode(unknown, unknown, ages).tolist() == [-1, -1, -1, 0, 0, 0, 0, 0, 0, 1, -1]
    assert TASKS["class18"].encode(unknown, unknown, ages).tolist() == [-1] * len(ages)


@pytest.mark.parametrize(
    "tasks",
    [("class18",), ("mask", "gender", "age3"), ("mask_gender", "age6"), ("mask", "mask_gender", "age3")],
)
def test_composed_one_hot_heads_give_exactly_the_class(tasks: tuple[str, ...]) -> None:
    mask, gender, age = every_photo()
    heads = {t: np.eye(len(TASKS[t].classes))[TASKS[t].encode(mask, gender, age)] for t in tasks}
    if tasks[0] == "mask":
        heads["mask"] = np.eye(3)[mask]
    expected = np.eye(18)[TASKS["class18"].encode(mask, gender, age)]
    np.testing.assert_allclose(compose(heads), expected)


def test_composed_probabilities_are_products_of_marginals() -> None:
    heads = {
        "mask_gender": np.array([[0.1, 0.2, 0.0, 0.3, 0.15, 0.25]]),
        "age6": np.array([[0.1, 0.2, 0.3, 0.1, 0.1, 0.2]]),
    }
    joint = compose(heads)
    np.testing.assert_allclose(joint.sum(), 1)
    # wear .3, female .75, under 30 .3 (two of the six age classes)
    np.testing.assert_allclose(joint[0, 3], 0.3 * 0.75 * 0.3)


def test_heads_that_leave_a_factor_open_are_refused() -> None:
    assert not covers_classes(("mask", "age3"))
    assert not covers_classes(("mask_gender", "senior"))
    with pytest.raises(ValueError, match="do not say class18"):
        compose({"mask_gender": np.ones((1, 6)) / 6, "senior": np.ones((1, 2)) / 2})


def test_split_classes_inverts_the_code() -> None:
    parts = split_classes(np.arange(18))
    assert (parts["mask"] * 6 + parts["gender"] * 3 + parts["age"]).tolist() == [*range(18)]
