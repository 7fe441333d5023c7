"""Heads of any factors joined, narrowed and folded to the classes of another task."""

import numpy as np
import pytest

from faces.labels import CONTEST, TASKS, Categories, LabelSet, Number
from faces.projection import covers, project, split_classes

OWN = LabelSet(
    name="own",
    factors=(
        Categories(name="glasses", categories=("yes", "no")),
        Categories(name="mood", categories=("a", "b", "c")),
        Number(name="height", edges=(160.0, 180.0), most=250.0),
    ),
)


def every_photo() -> dict[str, np.ndarray]:
    mask, gender, age = np.meshgrid(range(3), range(2), [18, 29, 30, 59, 60, 80], indexing="ij")
    return {"mask": mask.ravel(), "gender": gender.ravel(), "age": age.ravel().astype(float)}


def drawn(task: str, labels: LabelSet, n: int = 50, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(len(labels.task(task).classes)), n)


@pytest.mark.parametrize(
    "tasks",
    [("class18",), ("mask", "gender", "age3"), ("mask_gender", "age6"), ("mask", "mask_gender", "age3")],
)
def test_composed_one_hot_heads_give_exactly_the_class(tasks: tuple[str, ...]) -> None:
    photos = every_photo()
    heads = {t: np.eye(len(TASKS[t].classes))[TASKS[t].encode(photos)] for t in tasks}
    expected = np.eye(18)[TASKS["class18"].encode(photos)]
    np.testing.assert_allclose(project(heads, "class18", CONTEST), expected)


def test_composed_probabilities_are_products_of_marginals() -> None:
    heads = {
        "mask_gender": np.array([[0.1, 0.2, 0.0, 0.3, 0.15, 0.25]]),
        "age6": np.array([[0.1, 0.2, 0.3, 0.1, 0.1, 0.2]]),
    }
    joint = project(heads, "class18", CONTEST)
    np.testing.assert_allclose(joint.sum(), 1)
    # wear .3, female .75, under 30 .3 (two of the six age classes)
    np.testing.assert_allclose(joint[0, 3], 0.3 * 0.75 * 0.3)


def test_heads_that_leave_a_factor_open_are_refused() -> None:
    assert not covers(("mask", "age3"), "class18", CONTEST)
    assert not covers(("mask_gender", "senior"), "class18", CONTEST)
    heads = {"mask_gender": np.ones((1, 6)) / 6, "senior": np.ones((1, 2)) / 2}
    with pytest.raises(ValueError, match="do not say class18"):
        project(heads, "class18", CONTEST)


def test_split_classes_inverts_the_code() -> None:
    parts = split_classes(np.arange(18), TASKS["class18"])
    assert (parts["mask"] * 6 + parts["gender"] * 3 + parts["age"]).tolist() == [*range(18)]
    assert [*parts] == ["mask", "gender", "age"]


def test_a_product_of_own_factors_is_an_outer_product_in_the_order_asked_for() -> None:
    heads = {"glasses": drawn("glasses", OWN), "mood": drawn("mood", OWN, seed=1)}
    expected = np.einsum("ni,nj->nij", heads["mood"], heads["glasses"]).reshape(50, -1)
    np.testing.assert_allclose(project(heads, "mood*glasses", OWN), expected)


def test_the_joint_probabilities_of_one_head_are_kept_and_turned_round() -> None:
    joint = drawn("glasses*mood*height", OWN)
    cube = joint.reshape(50, 2, 3, 3)
    heads = {"glasses*mood*height": joint}
    np.testing.assert_allclose(
        project(heads, "height*glasses", OWN), cube.sum(2).transpose(0, 2, 1).reshape(50, -1)
    )
    np.testing.assert_allclose(project(heads, "mood", OWN), cube.sum((1, 3)))


def test_several_heads_on_one_factor_are_averaged() -> None:
    heads = {"glasses*mood": drawn("glasses*mood", OWN), "glasses*height": drawn("glasses*height", OWN)}
    first, second = heads["glasses*mood"].reshape(50, 2, 3), heads["glasses*height"].reshape(50, 2, 3)
    np.testing.assert_allclose(project(heads, "glasses", OWN), (first.sum(2) + second.sum(2)) / 2)


def test_finer_bands_are_folded_and_coarser_ones_or_a_part_of_the_people_follow_from_whole_ones() -> None:
    fine = drawn("height[150, 160, 170, 180]", OWN)
    heads = {"height[150, 160, 170, 180]": fine}
    whole = np.stack([fine[:, :2].sum(1), fine[:, 2:4].sum(1), fine[:, 4]], 1)
    np.testing.assert_allclose(project(heads, "height", OWN), whole)
    np.testing.assert_allclose(
        project(heads, "height[180]", OWN), np.stack([whole[:, :2].sum(1), whole[:, 2]], 1)
    )
    grown = project({"height": whole}, "height>=160[180]", OWN)
    np.testing.assert_allclose(grown, whole[:, 1:] / whole[:, 1:].sum(1, keepdims=True))
    assert not covers(["height[170]"], "height", OWN) and not covers(["height"], "height[170]", OWN)
    assert not covers(["height>=160[180]"], "height", OWN)


def test_senior_is_over_sixty_as_against_thirty_to_fifty_nine() -> None:
    np.testing.assert_allclose(
        project({"age3": np.array([[0.5, 0.3, 0.2]])}, "senior", CONTEST), [[0.6, 0.4]]
    )
