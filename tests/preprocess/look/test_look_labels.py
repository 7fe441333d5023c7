"""The page of caches of any labels: what is counted, said and drawn of each factor."""

import re
from pathlib import Path

import pytest

from faces.cache.reader import Cache
from faces.factors import Categories, Factor, Number
from faces.labelling.label_file import label_set
from faces.labels import CONTEST, LabelSet
from tests.helpers.own_labels import write_own
from tests.helpers.shown import LOST, Page, fields, page_of, write

GLASSES = Categories(name="glasses", categories=("yes", "no"))
NAN = float("nan")


def of(*factors: Factor) -> LabelSet:
    return label_set("own", factors)


def row(position: int, **changes: object) -> dict[str, object]:
    """A detected face with these labels and no others."""
    plain = {name: value for name, value in fields(position).items() if name not in CONTEST.names}
    return plain | changes


def made(folder: Path, labels: LabelSet, rows: list[dict[str, object]]) -> Page:
    return page_of(write(folder / "cache", rows, labels=labels))


def card(page: Page, name: str) -> dict[str, int]:
    """The counts of a factor by value."""
    [inner] = re.findall(rf'<div class="card" id="{name}">(.*?)</div>', page.html, re.DOTALL)
    names = re.findall(r'<th scope="row"[^>]*>(.*?)</th>', inner)
    counts = re.findall(r'<td class="count">([\d,]+)</td>', inner)
    return {name: int(count) for name, count in zip(names, counts, strict=True)}


def findings(page: Page) -> list[str]:
    return re.findall(r'<li class="\w+"><a href="#[\w-]+">(.*?)</a></li>', page.html)


def sound(page: Page) -> None:
    """Every link leads somewhere and nothing unknown is shown as a number."""
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"].removeprefix("#") for a in page.every("a")} <= {*ids}
    assert not re.search(r"\b(nan|None|inf|NaN|NaT)\b", page.text.replace("None.", ""))


def test_a_cache_of_masks_alone_speaks_of_masks_alone(tmp_path: Path) -> None:
    mask = of(CONTEST.factor("mask"))
    page = made(tmp_path, mask, [row(n, mask=min(n, 1)) for n in range(5)])
    sound(page)
    assert card(page, "factor-mask") == {"wear": 1, "incorrect": 4, "normal": 0}
    assert findings(page) == ["mask: 1 value of 3 without a crop: normal."]
    assert "gender" not in page.text and 'id="classes"' not in page.html
    assert "1 of 1" in page.section("overview") and "4 of 4" in page.section("overview")


def test_a_cache_of_glasses_says_where_faces_are_found_and_what_each_photo_is(tmp_path: Path) -> None:
    rows = [row(n, glasses=n % 2) for n in range(8)] + [row(8, glasses=-1), row(10, glasses=0, **LOST)]
    page = made(tmp_path, of(GLASSES), rows)
    sound(page)
    assert card(page, "factor-glasses") == {"yes": 5, "no": 4}
    overview = page.section("overview")
    assert "Faces found, by glasses" in overview and "4 of 5" in overview and "4 of 4" in overview
    assert "glasses: 1 crop lacks a label." in findings(page)
    assert any(
        text.startswith("Faces are found in 80.0 % of glasses yes but in 100.0 % of glasses no")
        for text in findings(page)
    )
    captions = dict(
        re.findall(r'alt="crop of people/(\d+).jpg".*?<figcaption>(.*?)</figcaption>', page.html, re.DOTALL)
    )
    assert "glasses yes" in captions["0"] and "glasses no" in captions["1"]
    assert "glasses" not in captions["8"]


def test_a_number_is_cut_and_drawn_at_its_own_edges(tmp_path: Path) -> None:
    age = Number(name="age", edges=(20.0, 40.0, 65.0), unit="years", per="person")
    page = made(
        tmp_path, of(age), [row(n, age=value) for n, value in enumerate((10.0, 39.0, 40.0, 70.0, NAN))]
    )
    sound(page)
    assert card(page, "factor-age") == {"&lt;20": 1, "20-39": 1, "40-64": 1, "&gt;=65": 1}
    assert re.findall(r'<text class="mark"[^>]*>(.*?)</text>', page.section("counts")) == ["20", "40", "65"]
    assert "Age, years" in page.section("counts")
    # No factor differs among the photos of a person, so all are shown.
    assert "Faces found, by age" in page.section("overview")
    assert findings(page) == ["age: 1 crop lacks a label."]


def test_factors_of_ones_own_stand_beside_each_other(tmp_path: Path) -> None:
    page = page_of(write_own(tmp_path / "cache"))
    sound(page)
    assert card(page, "factor-glasses") == {"yes": 24, "no": 24}
    assert card(page, "factor-helmet") == {"yes": 18, "no": 18, "unsure": 18}
    assert card(page, "factor-years") == {"&lt;40": 36, "&gt;=40": 36}
    assert "helmet yes" in page.text and "glasses yes" in page.text and "years 25" in page.text


def test_two_of_the_contests_factors_have_the_classes_of_both(tmp_path: Path) -> None:
    labels = of(CONTEST.factor("mask"), CONTEST.factor("gender"))
    page = made(tmp_path, labels, [row(n, mask=n % 3, gender=n // 2 % 2) for n in range(4)])
    sound(page)
    assert "The 6 classes" in page.section("counts")
    assert sum(card(page, "classes").values()) == 4
    assert findings(page) == ["2 classes of 6 without a crop: incorrect female, normal male."]


def test_the_contests_page_has_its_classes_though_only_masks_are_labelled(tmp_path: Path) -> None:
    page = made(tmp_path, CONTEST, [fields(n, mask=n % 2, gender=-1, age=NAN) for n in range(4)])
    sound(page)
    assert findings(page)[1:] == [
        "No photo is labelled with all of mask, gender and age.",
        "No photo is labelled with gender.",
        "No photo is labelled with age.",
    ]
    assert findings(page)[0] == "mask: 1 value of 3 without a crop: normal."


def test_a_cache_without_any_label_says_so_once(unseen: Cache, tmp_path: Path) -> None:
    none = "No photo is labelled with mask, gender and age."
    assert [text for text in findings(page_of(unseen)) if "labelled" in text] == [none]
    page = made(tmp_path, of(GLASSES), [row(n, glasses=-1) for n in range(3)])
    sound(page)
    assert findings(page) == ["No photo is labelled with glasses."]
    assert "No photo's glasses is labelled." in page.section("overview")


def test_of_many_factors_those_are_shown_by_which_faces_are_found_unevenly(tmp_path: Path) -> None:
    factors = [Categories(name=f"a{n}", categories=("yes", "no")) for n in range(9)]
    rows = [
        row(n, **{f"a{k}": int(k == 7 and n < 2) for k in range(9)}, **(LOST if n < 2 else {}))
        for n in range(10)
    ]
    page = made(tmp_path, of(*factors), rows)
    sound(page)
    shown = re.findall(r"Faces found, by (\w+)", page.section("overview"))
    assert len(shown) == 4 and "a7" in shown
    assert [text for text in findings(page) if text.startswith("Faces are found in 0.0 % of a7 no")]
    assert len(re.findall(r'id="factor-a\d"', page.html)) == 9


def test_names_of_values_are_shown_as_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=y>"
    page = made(tmp_path, of(Categories(name="odd", categories=(evil, "plain"))), [row(0, odd=0)])
    assert not page.every("script") and evil in page.text
    assert not [image for image in page.every("img") if "onerror" in image]


@pytest.mark.parametrize("split", [("train", "val"), ("fold0", "")])
def test_the_parts_of_the_data_are_counted(tmp_path: Path, split: tuple[str, str]) -> None:
    page = made(tmp_path, of(GLASSES), [row(n, glasses=n % 2, split=split[n > 2]) for n in range(5)])
    assert card(page, "parts") == {split[0]: 3, split[1] or "not named": 2}
