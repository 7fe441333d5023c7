"""The task that an ensemble votes on, and trees that do not fit the labels or heads of their runs."""

import re
from collections.abc import Mapping, Sequence

import pytest

from faces.factors import Categories, Number
from faces.labels import CONTEST, LabelSet
from infer.ensemble.space import space_of, task_of_base
from infer.ensemble.tree import Compose, Ensemble, Leaf, Node, Override, Vote
from tests.helpers.own_labels import OWN

WIDE = LabelSet(
    name="wide",
    factors=tuple(Categories(name=name, categories=tuple("abcdefghi")) for name in ("k", "m", "n")),
)
"""Three factors of nine values: 729 combinations."""
SENIORS = Override(base=Leaf("a"), by=Leaf("b"), task="senior", category=">=60", above=0.5)


def space(root: Node, heads: Mapping[str, Sequence[str]], labels: LabelSet, task: str = "") -> str:
    return space_of(Ensemble(name="x", root=root, task=task), heads, labels)


def vote(*names: str) -> Vote:
    return Vote(members=tuple(map(Leaf, names)))


@pytest.mark.parametrize(
    ("labels", "heads", "wanted"),
    [
        (CONTEST, {"a": ["mask", "gender", "age3"], "b": ["class18"]}, "class18"),
        (CONTEST, {"a": ["mask", "gender", "age6"], "b": ["age3", "mask_gender", "senior"]}, "class18"),
        (CONTEST, {"a": ["mask"], "b": ["mask"]}, "mask"),
        (CONTEST, {"a": ["gender", "mask"], "b": ["mask_gender"]}, "mask_gender"),
        (CONTEST, {"a": ["age6"], "b": ["age"]}, "age3"),
        (CONTEST, {"a": ["senior"], "b": ["senior"]}, "senior"),
        (CONTEST, {"a": ["senior", "age[50]"], "b": ["age[50]"]}, "age[50]"),
        (OWN, {"a": ["glasses"], "b": ["glasses"]}, "glasses"),
        (OWN, {"a": ["years", "glasses"], "b": ["glasses*years"]}, "glasses*years"),
        (OWN, {"a": ["years[20, 40]", "helmet"], "b": ["helmet", "years"]}, "helmet*years"),
    ],
)
def test_a_vote_is_on_all_factors_that_its_members_tell_or_on_the_task_that_they_share(
    labels: LabelSet, heads: dict[str, list[str]], wanted: str
) -> None:
    assert space(vote("a", "b"), heads, labels) == wanted


def test_a_composition_is_on_the_product_of_its_parts_and_an_override_on_what_its_base_tells() -> None:
    pair = Compose(parts=(("years", Leaf("a")), ("glasses", Leaf("b"))))
    heads = {"a": ["years", "helmet"], "b": ["glasses"]}
    assert space(pair, heads, OWN) == "glasses*years"
    over = Override(base=pair, by=Leaf("c"), task="years[40]", category=">=40", above=0.5)
    assert space(over, {**heads, "c": ["years[20, 40]", "helmet"]}, OWN) == "glasses*years"
    masks = Compose(parts=(("mask", Leaf("a")), ("gender", Leaf("a"))))
    assert space(masks, {"a": ["class18"]}, CONTEST) == "mask_gender"


def test_the_file_of_an_ensemble_may_name_a_narrower_task() -> None:
    heads = {"a": ["glasses", "helmet"], "b": ["helmet"]}
    assert space(vote("a", "b"), heads, OWN, task="helmet") == "helmet"
    with pytest.raises(ValueError, match=r"^ensemble x: member 'b' was trained on helmet, but is asked for"):
        space(vote("a", "b"), heads, OWN)
    with pytest.raises(ValueError, match=r"^ensemble x: 'helmt' is no task .*did you mean 'helmet'\?"):
        space(vote("a", "b"), heads, OWN, task="helmt")
    assert space(Leaf("a"), {"a": ["class18"]}, CONTEST, task="senior") == "senior"


def test_no_vote_is_on_more_than_512_classes() -> None:
    heads = {"a": ["k", "m", "n"]}
    with pytest.raises(ValueError, match=r'^ensemble x: .*k, m, n, together 729 classes.*task = "k\*m"'):
        space(Leaf("a"), heads, WIDE)
    with pytest.raises(ValueError, match="729 classes"):
        space(Leaf("a"), heads, WIDE, task="k*m*n")
    assert space(Leaf("a"), heads, WIDE, task="k*n") == "k*n"
    # The base of an override then votes on what matters.
    over = Override(base=Leaf("a"), by=Leaf("a"), task="m", category="b", above=0.5)
    assert space(over, heads, WIDE, task="k") == "k"
    assert task_of_base(over, heads, "k", WIDE).name == "k*m"
    years = Number(name="years", edges=tuple(float(n) for n in range(1, 601)), most=900)
    assert space(Leaf("a"), {"a": ["years"]}, LabelSet(name="many", factors=(years,))) == "years"


@pytest.mark.parametrize(
    ("labels", "heads", "message"),
    [
        (CONTEST, {"a": ["senior"], "b": ["age[50]"]}, "share no task: name the one"),
        (CONTEST, {"a": ["senior", "age[50]"], "b": ["age[50]", "senior"]}, r"share senior, age\[50\]: name"),
        (CONTEST, {"a": ["class18"], "b": ["mask"]}, "'b' was trained on mask, but is asked for class18"),
        (OWN, {"a": ["glasses"], "b": ["glases"]}, r"'glases' is no task .*did you mean 'glasses'\?"),
    ],
)
def test_members_without_a_task_in_common_are_refused(
    labels: LabelSet, heads: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^ensemble x: .*{message}"):
        space(vote("a", "b"), heads, labels)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("mask", "mask_gender", "age3"), "compose of mask, mask_gender, age3: mask is said 2 times"),
        (
            ("mask", "age[45]"),
            r"'age\[45\]' does not tell age by its own values, <30, 30-59, >=60; .* such as 'age'",
        ),
        (("mask", "senior"), "'senior' does not tell age by its own values"),
        (("mask", "gendre"), r"'gendre' is no task of these labels: did you mean 'gender'\?"),
    ],
)
def test_compositions_that_cannot_be(parts: tuple[str, ...], message: str) -> None:
    tree = Compose(parts=tuple((part, Leaf("a")) for part in parts))
    with pytest.raises(ValueError, match=f"^ensemble x: .*{message}"):
        space(Vote(members=(tree,)), {"a": ["class18", "age6"]}, CONTEST)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "age6"}, r"override.task='age6': did you mean 'age'\?; it is to tell one factor"),
        ({"task": "class18"}, "override.task='class18': known are age3, senior, mask, gender, age"),
        ({"task": "age[60]", "category": "<60"}, "override.category='<60' is no value of task age"),
        (
            {"otherwise": ">=60"},
            r"override.otherwise='>=60' is no other value of age than >=60: known are <30",
        ),
        ({"category": "60"}, r"override.category='60' is no value of task senior: did you mean '>=60'\?"),
        ({"where": (("age", ("30",)),)}, "override.where.age: '30': did you mean '<30'"),
        ({"where": (("height", ("30",)),)}, "override.where: 'height': known are mask, gender, age"),
    ],
)
def test_overrides_that_do_not_fit_the_labels(changes: dict[str, object], message: str) -> None:
    tree = Override(**{**vars(SENIORS), **changes})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"^ensemble x: {message}"):
        space(tree, {"a": ["class18"], "b": ["senior"]}, CONTEST)


def test_overrides_change_and_look_at_factors_that_their_base_tells() -> None:
    heads = {"a": ["mask", "gender"], "b": ["senior"]}
    with pytest.raises(ValueError, match="override of age: its base tells mask, gender alone"):
        space(SENIORS, heads, CONTEST)
    guarded = Override(
        base=Leaf("a"), by=Leaf("a"), task="mask", category="wear", above=0.5, where=(("age", ("<30",)),)
    )
    with pytest.raises(ValueError, match="override of age: its base tells mask, gender alone"):
        space(guarded, heads, CONTEST)
    with pytest.raises(ValueError, match=r"override.base: b tell no factor's own values.* tell age"):
        space(Override(**{**vars(SENIORS), "base": Leaf("b")}), heads, CONTEST)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'a' was trained on mask, gender, but is asked for senior"):
        space(
            Override(**{**vars(SENIORS), "by": Leaf("a"), "base": Leaf("c")}),
            {**heads, "c": ["class18"]},
            CONTEST,
        )  # type: ignore[arg-type]


def test_whoever_must_answer_what_they_do_not_tell_is_named() -> None:
    with pytest.raises(ValueError, match=r"'m' was trained on mask, but is asked for class18"):
        space(vote("m"), {"m": ("mask",)}, CONTEST, "class18")
    parts = (("mask", Leaf("m")), ("gender", Leaf("m")), ("age3", Leaf("a")))
    with pytest.raises(ValueError, match=r"'m' .* asked for gender"):
        space(Compose(parts=parts), {"m": ("mask",), "a": ("age6",)}, CONTEST, "class18")
    with pytest.raises(ValueError, match=re.escape("a composition of mask, gender is asked for class18")):
        space(Compose(parts=parts[:2]), {"m": ("mask_gender",)}, CONTEST, "class18")
    masks = Override(base=Leaf("m"), by=Leaf("m"), task="mask", category="wear", above=0.5)
    with pytest.raises(ValueError, match="an override of mask is asked for class18"):
        space(masks, {"m": ("mask",)}, CONTEST, "class18")
