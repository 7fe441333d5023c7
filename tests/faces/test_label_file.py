"""labels.toml: what it may say, what it refuses, and that sets come back from files as they went in."""

import tomllib
from pathlib import Path

import pytest

from faces.factors import Categories, Number
from faces.labelling.kept import differences, labels_stored, labels_text, stored_labels
from faces.labelling.label_file import from_factors, read_labels
from faces.labels import CONTEST, LabelSet

WHOLE = """
glasses = ["yes", "no"]
gender = "contest"

[mask]
categories = ["worn", "wrong", "none at all"]
words = { worn = ["1", "getragen"], "none at all" = ["ohne"] }
column = "Wears mask"

[tall]
edges = [150, 172.5]
unit = "cm"
range = [50, 250]
per = "person"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.toml"
    path.write_text(text)
    return path


def test_every_form_of_a_factor(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, WHOLE))
    mask = Categories(
        name="mask",
        categories=("worn", "wrong", "none at all"),
        words=(("1", "getragen"), (), ("ohne",)),
        column="Wears mask",
    )
    tall = Number(name="tall", edges=(150.0, 172.5), unit="cm", least=50.0, most=250.0, per="person")
    glasses = Categories(name="glasses", categories=("yes", "no"))
    assert {*labels.factors} == {glasses, CONTEST.factor("gender"), mask, tall}
    assert mask.read("Getragen") == 0 and mask.read("none-at-all") == 2


def test_sets_come_back_from_text_and_from_what_is_stored(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, WHOLE))
    again = read_labels(written(tmp_path, labels_text(labels)))
    assert {*again.factors} == {*labels.factors}
    assert labels_stored(stored_labels(labels), "x") == labels
    assert stored_labels(CONTEST) is None and labels_stored(None, "x") is CONTEST


def test_all_of_the_contests_factors_are_the_contest_with_its_tasks(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, 'age = "contest"\nmask = "contest"\ngender = "contest"\n'))
    assert labels.factors == CONTEST.factors and labels.named == CONTEST.named
    assert stored_labels(labels) is None


def test_tasks_of_the_contest_are_there_whose_factors_are(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, 'glasses = ["yes", "no"]\nage = "contest"\n'))
    assert [*labels.named] == ["age3", "age6", "senior"] and labels.headline == ""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no factor"),
        ("glasses = [", "not TOML"),
        ('glasses = ["yes"]', "glasses has one value, 'yes'"),
        ('glasses = ["yes", 0]', "0 is a whole number, expected text"),
        ('glasses = ["a", "b"]\nglasses = ["c", "d"]', "two factors are called 'glasses', in lines 1 and 2"),
        ('[g]\ncategories = ["a", "b"]\n[g]\nedges = [1]', "two factors are called 'g', in lines 1 and 3"),
        ("[age]\nedges = [40, 20]", "edges 40, 20 must ascend"),
        ("[age]\nedges = []", "no edges"),
        ("[age]\nedges = [30]\nrange = [40, 50]", "range 40 to 50"),
        ("[age]\nedges = [30]\nunits = 'years'", "unknown setting 'units'.*unit"),
        ("[age]\nedges = [30]\nper = 'people'", "expected photo or person"),
        ('glasses = ["a", "b"]\nGlasses = ["a", "b"]', "'glasses' and 'Glasses', one column"),
        ("[age]\nedges = [30, nan]", "edges 30, nan must be numbers"),
        ("[age]\nedges = [30]\nrange = [0, inf]", "range 0 to inf has no end; give numbers"),
        ('[g]\ncategorys = ["a", "b"]', "g: unknown setting 'categorys': did you mean 'categories'"),
        ('brille = ["a", "b"]\ngefühl = ["a", "b"]', 'put in quotes, "gefühl"'),
        ("[gefühl]\nedges = [30]", 'put in quotes, "gefühl"'),
        ("[age]\nunit = 'years'", "categories or, for a number, with edges"),
        ('age = "contst"', 'only mask = "contest"'),
        ('glasses = "contest"', 'only mask = "contest"'),
        ('person = ["a", "b"]', "'person' cannot be a factor's name"),
        ('"a b" = ["a", "b"]', "'a b' cannot be a factor's name"),
        ('[g]\ncategories = ["a", "b"]\nwords = { c = ["x"] }', "words of 'c'"),
    ],
)
def test_what_is_no_label_file_is_named_with_file_and_cure(tmp_path: Path, text: str, complaint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=complaint) as caught:
        read_labels(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such file; write one"):
        read_labels(tmp_path / "labels.toml")


def test_a_folder_and_bytes_that_are_no_text_are_told_from_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder and not a file"):
        read_labels(tmp_path)
    path = tmp_path / "labels.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"labels\.toml: line 1 is not in UTF-8; save it as UTF-8$"):
        read_labels(path)


def test_names_and_values_in_any_language_come_back_from_text(tmp_path: Path) -> None:
    labels = LabelSet(
        name="labels",
        factors=(
            Categories(name="表情", categories=("笑, 大", 'müde/"faul"')),
            Number(name="größe", edges=(-2.5, 10.25), least=-20.0, unit="°C"),
        ),
    )
    assert read_labels(written(tmp_path, labels_text(labels))) == labels


def test_differences_name_the_factor_and_both_sides() -> None:
    one = from_factors("one", {"glasses": ["yes", "no"], "age": "contest"}, "x")
    other = from_factors("other", tomllib.loads('glasses = ["no", "yes"]\nhelmet = ["on", "off"]'), "x")
    assert differences(one, other) == [
        "glasses: no, yes there, yes, no here",
        "age: none there, <30, 30-59, >=60 here",
        "helmet: on, off there, none here",
    ]
    assert differences(one, LabelSet(name="else", factors=one.factors)) == []
    words = from_factors(
        "w", {"glasses": {"categories": ["yes", "no"], "words": {"yes": ["ja"]}}, "age": "contest"}, "x"
    )
    assert "ja" in differences(words, one)[0]


def test_stored_labels_that_were_edited_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cache\.json: its labels lack a name or factors"):
        labels_stored({"factors": {}}, "cache.json")


def test_words_for_what_is_not_known_are_read_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "labels.toml"
    file.write_text('[glasses]\ncategories = ["yes", "no"]\nunknown = ["?"]\n')
    [glasses] = read_labels(file).factors
    assert [glasses.read(word) for word in ("yes", "?", "")] == [0, -1, -1]
    file.write_text(labels_text(read_labels(file)))
    assert read_labels(file).factors == (glasses,)


@pytest.mark.parametrize("value", ["=1+1", "+a", "-x", "@a", "\\ta"])
def test_a_value_that_spreadsheets_run_is_refused_in_files_and_kept_where_it_is_stored(
    tmp_path: Path, value: str
) -> None:
    path = written(tmp_path, f'hat = ["{value}", "no"]')
    with pytest.raises(ValueError, match=r"labels.toml: hat: spreadsheets would take .* for a formula; give"):
        read_labels(path)
    stored = {"name": "labels", "factors": tomllib.loads(path.read_text())}
    assert labels_stored(stored, "cache.json").factors[0].classes[1] == "no"
    words = written(tmp_path, f'hat = {{ categories = ["a", "-1"], words = {{ a = ["{value}"] }} }}')
    assert read_labels(words).factor("hat").classes == ("a", "-1")
