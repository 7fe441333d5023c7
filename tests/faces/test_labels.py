import numpy as np
import pytest

from faces.labels import CLASS_NAMES, CONTEST, TASKS, Categories, LabelSet, Number


def every_photo() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mask, gender, age = np.meshgrid(range(3), range(2), [18, 29, 30, 59, 60, 80], indexing="ij")
    return mask.ravel(), gender.ravel(), age.ravel().astype(float)


def test_class18_is_the_contests_formula() -> None:
    mask, gender, age = every_photo()
    band = np.select([age < 30, age < 60], [0, 1], 2)
    assert (
        TASKS["class18"].encode({"mask": mask, "gender": gender, "age": age}).tolist()
        == (mask * 6 + gender * 3 + band).tolist()
    )
    assert CLASS_NAMES[0] == "wear male <30"
    assert CLASS_NAMES[17] == "normal female >=60"
    assert [len(task.classes) for task in TASKS.values()] == [18, 3, 2, 3, 6, 6, 2]


def test_age_edges_and_people_who_are_not_the_tasks() -> None:
    ages = [19.0, 20, 29, 30, 46, 47, 54, 55, 59, 60, np.nan]
    unknown = np.full(len(ages), -1)
    photos = {"mask": unknown, "gender": unknown, "age": ages}
    assert TASKS["age6"].encode(photos).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, -1]
    assert TASKS["senior"].encode(photos).tolist() == [-1, -1, -1, 0, 0, 0, 0, 0, 0, 1, -1]
    assert TASKS["class18"].encode(photos).tolist() == [-1] * len(ages)


HEIGHT = Number(name="height", edges=(160.0, 180.0), unit="cm", most=250.0)
GLASSES = Categories(name="glasses", categories=("yes", "no"))
OWN = LabelSet(name="own", factors=(GLASSES, HEIGHT))


def test_tasks_are_expressions_over_the_factors() -> None:
    photos = {"glasses": [0, 1, -1, 0], "height": [150.0, 185.0, 170.0, np.nan]}
    assert OWN.task("glasses").encode(photos).tolist() == [0, 1, -1, 0]
    assert OWN.task("height").classes == ("<160", "160-179", ">=180")
    assert OWN.task("height").encode(photos).tolist() == [0, 2, 1, -1]
    assert OWN.task("height*glasses").encode(photos).tolist() == [0, 5, -1, -1]
    assert OWN.task("height*glasses").classes[5] == ">=180 no"
    assert OWN.task("glasses*height[170]").encode(photos).tolist() == [0, 3, -1, -1]
    grown = OWN.task("height>=160[175]")
    assert grown.classes == ("160-174", ">=175") and grown.encode(photos).tolist() == [-1, 1, 0, -1]
    assert grown.known(photos).tolist() == [True, True, True, False]
    assert not grown.whole and grown.number is not None and OWN.task("height*glasses").number is None


def test_numbers_below_zero_are_cut_and_bounded() -> None:
    labels = LabelSet(name="own", factors=(Number(name="cold", edges=(0.0,), least=-20.0, most=50.5),))
    task = labels.task("cold>=-10.5[-2.5, 20]")
    assert task.classes == ("-10.5 to -2.5", "-2.5 to 20", ">=20")
    assert task.encode({"cold": [-11.0, -10.5, -2.5, 20.0]}).tolist() == [-1, 0, 1, 2]


def test_the_contests_names_stand_for_expressions() -> None:
    for name, expression in CONTEST.named.items():
        assert CONTEST.task(name).parts == CONTEST.task(expression).parts
    assert CONTEST.task("mask*age6").classes[:2] == ("wear <20", "wear 20-29")
    assert CONTEST.headline == "class18" and OWN.headline == ""
    products = [("age", "gender", "mask"), ("gender", "mask"), ("age",), ("mask",), ("age", "mask")]
    assert [CONTEST.product(names).name for names in products] == [
        "class18",
        "mask_gender",
        "age3",
        "mask",
        "mask*age",
    ]


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("glases", "did you mean 'glasses'"),
        ("glasses*glasses", "tells glasses twice"),
        ("glasses[3]", "has categories, no edges"),
        ("height[180, 160]", "must ascend"),
        ("height[tall]", "edges are numbers"),
        ("height[", "is no task"),
        ("", "is no task"),
        ("height>=180[160]", "must be above 180"),
        ("height[nan]", "must be numbers"),
        ("height[170, inf]", "must be numbers"),
        ("height[170, 251]", "no height of 0 to 250 is on both sides"),
        ("height[0]", "cut it within its range"),
        ("class18", "is no task of these labels: known are glasses, height"),
    ],
)
def test_what_is_no_task_is_named_with_the_cure(expression: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("[", r"\[")):
        OWN.task(expression)


def test_only_the_eighteen_classes_have_columns_without_their_task() -> None:
    assert TASKS["class18"].columns == [*CLASS_NAMES]
    assert OWN.task("glasses").columns == ["glasses:yes", "glasses:no"]


def test_a_product_of_many_factors_is_counted_without_a_list_of_its_classes() -> None:
    names = [f"a{number}" for number in range(40)]
    labels = LabelSet(name="many", factors=tuple(Categories(name=n, categories=("no", "yes")) for n in names))
    product = labels.product(names)
    assert product.count == 2**40 and product.factors == labels.names


def test_two_factors_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two factors are called 'glasses'"):
        LabelSet(name="own", factors=(GLASSES, GLASSES))


def test_products_whose_classes_would_be_called_alike_are_refused() -> None:
    first = Categories(name="first", categories=("a", "a b"))
    second = Categories(name="second", categories=("c", "b c"))
    labels = LabelSet(name="own", factors=(first, second))
    with pytest.raises(
        ValueError, match="two of its classes are called 'a b c'; rename values of first or second"
    ):
        labels.task("first*second")
