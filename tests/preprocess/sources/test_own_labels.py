"""Labels of people's own: by a label file, or proposed and confirmed; nothing is dropped without a word."""

from pathlib import Path

import numpy as np
import pytest

from faces.labelling.kept import labels_text
from faces.labelling.label_file import read_labels
from faces.labels import CONTEST
from preprocess.settings import Columns
from preprocess.sources.corrections import apply
from preprocess.sources.persons import check_persons
from preprocess.sources.scan import propose_labels, scan
from tests.helpers import published
from tests.helpers.layouts import STEMS, touch

LABELS = """
mask = "contest"
glasses = ["yes", "no"]

[weight]
edges = [60, 80]
unit = "kg"
range = [20, 300]
column = "Weight in kg"
per = "person"
"""
TABLE = """path,person,Mask,glasses,weight in KG
a.jpg,p,wear,Yes,55
b.jpg,p,normal,no,58
c.jpg,q,wear,,80+
"""


def table(folder: Path, text: str = TABLE, labels: str = LABELS) -> Path:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        touch(folder / name)
    (folder / "photos.csv").write_text(text)
    if labels:
        (folder / "labels.toml").write_text(labels)
    return folder / "photos.csv"


def test_a_label_file_beside_a_table_is_its_label_set(tmp_path: Path) -> None:
    listing = scan(table(tmp_path))
    assert listing.labels.names == ("mask", "glasses", "weight")
    photos = listing.photos
    assert [*photos.columns] == [
        *("position", "image_id", "source", "person"),
        *("mask", "glasses", "weight"),
        *("bytes", "problem"),
    ]
    assert [*photos["mask"]] == [0, 2, 0] and [*photos.glasses] == [0, 1, -1]
    np.testing.assert_equal([*photos.weight], [55.0, 58.0, 85.0])
    assert photos.glasses.dtype == np.int64 and photos.weight.dtype == np.float64
    assert listing.notes == ()
    check_persons(listing)


def test_a_label_file_given_by_name_comes_before_the_one_beside(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('glasses = ["yes", "no"]\n')
    listing = scan(table(tmp_path), Columns(), other)
    assert listing.labels.names == ("glasses",)
    [note] = listing.notes
    assert "not taken" in note and "Mask (normal, wear)" in note, "the user hears what the file leaves out"
    with pytest.raises(ValueError, match=r"nowhere.toml: no such file"):
        scan(tmp_path / "photos.csv", Columns(), tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("yess", "photos.csv, row 3, column glasses: glasses 'yess' is none of yes, no; did you mean 'yes'"),
        ("maybe", "photos.csv, row 3, column glasses: glasses 'maybe' is none of yes, no"),
    ],
)
def test_a_word_that_a_declared_factor_does_not_know_is_an_error(
    tmp_path: Path, cell: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        scan(table(tmp_path, TABLE.replace("normal,no,", f"normal,{cell},")))


def test_a_column_that_a_label_file_names_must_be_there(tmp_path: Path) -> None:
    text = TABLE.replace("weight in KG", "kilos")
    with pytest.raises(
        ValueError, match=r"no column Weight in kg of labels; .*kilos: correct the label file"
    ):
        scan(table(tmp_path, text))
    listing = scan(table(tmp_path, text.replace(",glasses", ",specs"), LABELS.split("[weight]")[0]))
    assert listing.notes[0].startswith("no column glasses: not known; the table also has specs, kilos")


def test_a_column_is_asked_for_by_a_factor_that_there_is(tmp_path: Path) -> None:
    data = table(tmp_path, TABLE.replace("Mask", "wears"))
    assert [*scan(data, Columns(mask="wears")).photos["mask"]] == [0, 2, 0]
    with pytest.raises(
        ValueError, match=r"columns.age: these labels have no factor age, but mask, glasses, weight"
    ):
        scan(data, Columns(age="glasses"))


def test_two_columns_of_one_name_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="columns Glasses and GLASSES are both called 'glasses'"):
        scan(table(tmp_path, "path,Glasses,GLASSES\na.jpg,yes,no\n", 'glasses = ["yes", "no"]\n'))


def test_none_is_a_value_where_one_is_called_so_and_never_taken_for_not_known(tmp_path: Path) -> None:
    text = "path,glasses\na.jpg,None\nb.jpg,sun\nc.jpg,\n"
    with pytest.raises(ValueError, match=r"row 2, column glasses: glasses 'None' is none of sun, reading"):
        scan(table(tmp_path, text, 'glasses = ["sun", "reading"]\n'))
    listing = scan(table(tmp_path, text, 'glasses = ["none", "sun"]\n'))
    assert listing.photos["glasses"].tolist() == [0, 1, -1]


def test_columns_that_no_factor_knows_are_told_with_a_label_file_that_reads_them(tmp_path: Path) -> None:
    text = "path,person,mask,glasses,name\na.jpg,p,wear,yes,1\nb.jpg,p,normal,no,1\nc.jpg,q,wear,no,1\n"
    listing = scan(table(tmp_path, text, ""))
    assert listing.labels == CONTEST
    note = listing.notes[-1]
    assert note.startswith(
        "not taken, since no factor of these labels is called so: glasses (no, yes). To take"
    )
    (tmp_path / "labels.toml").write_text(note.partition(":\n")[2])
    listing = scan(tmp_path / "photos.csv")
    assert listing.labels.names == ("mask", "glasses") and [*listing.photos.glasses] == [1, 0, 0]


def test_a_proposal_has_what_may_be_a_label_and_says_what_is_none(tmp_path: Path) -> None:
    people = [
        f"{number}.jpg,p{number % 20},{number},{number % 3},{number % 20 % 2}\n" for number in range(40)
    ]
    for number in range(40):
        touch(tmp_path / f"{number}.jpg")
    (tmp_path / "t.csv").write_text("path,person,weight,2nd Look,left-handed\n" + "".join(people))
    proposed, left_out = propose_labels(tmp_path / "t.csv")
    assert proposed is not None and proposed.names == ("label_2nd_look", "left_handed")
    look, hand = proposed.factors
    assert (look.column, look.per, look.classes) == ("2nd Look", "photo", ("0", "1", "2"))
    assert (hand.column, hand.per) == ("", "person"), "every person has one value"
    assert left_out == ["weight: 40 different values"]
    (tmp_path / "labels.toml").write_text(labels_text(proposed))
    assert read_labels(tmp_path / "labels.toml").factors == proposed.factors
    photos = scan(tmp_path / "t.csv").photos
    assert [*photos.label_2nd_look[:4]] == [0, 1, 2, 0] and [*photos.left_handed[:2]] == [0, 1]


def test_values_of_a_contest_column_that_it_does_not_know_are_proposed_as_a_factor_of_its_name(
    tmp_path: Path,
) -> None:
    text = "path,mask,gender\na.jpg,N95,m\nb.jpg,cloth,f\nc.jpg,N95,m\n"
    with pytest.raises(ValueError, match=r"row 2, column mask: mask 'N95' is none of .*make labels DATA="):
        scan(table(tmp_path, text, ""))
    proposed, _ = propose_labels(tmp_path / "photos.csv")
    assert proposed is not None
    assert {factor.name: factor.classes for factor in proposed.factors} == {
        "gender": ("male", "female"),
        "mask": ("N95", "cloth"),
    }


def test_folders_that_no_factor_knows_are_proposed_and_read_once_they_are_declared(tmp_path: Path) -> None:
    published.photos(
        tmp_path / "fer", *(f"{p}/{e}/1.png" for p in ("train", "test") for e in ("sad", "happy"))
    )
    listing = scan(tmp_path)
    assert listing.layout == "folder" and (listing.photos.person == "").all()
    assert 'label = ["happy", "sad"]' in listing.notes[-1]
    (tmp_path / "labels.toml").write_text('emotion = ["happy", "sad"]\n')
    listing = scan(tmp_path)
    assert listing.layout == "classes" and [*listing.photos.emotion] == [0, 1, 0, 1]
    assert [*listing.photos.split] == ["test", "test", "train", "train"]
    published.photos(tmp_path / "fer", "train/angry/1.png")
    message = r"folders happy, sad mean emotion, but angry mean no label; found: .*angry 1.*correct the label"
    with pytest.raises(ValueError, match=message):
        scan(tmp_path)
    (tmp_path / "labels.toml").write_text('emotion = ["cheerful", "sorry"]\n')
    with pytest.raises(
        ValueError, match=r"folders angry, happy, sad mean no label|happy, sad, angry mean no"
    ):
        scan(tmp_path)


def test_folders_and_objects_of_which_some_are_known_are_proposed_whole(tmp_path: Path) -> None:
    published.photos(tmp_path / "folders", "wear/a.png", "beach/b.png")
    published.voc(tmp_path / "boxes", {"a": [("with_mask", 1, 1, 9, 9), ("helmet", 1, 1, 9, 9)]})
    for name, values in (("folders", ("beach", "wear")), ("boxes", ("helmet", "with_mask"))):
        proposed, _ = propose_labels(tmp_path / name)
        assert proposed is not None
        assert [(factor.name, factor.classes) for factor in proposed.factors] == [("label", values)]


def test_numbered_folders_are_words_of_a_declared_factor(tmp_path: Path) -> None:
    published.photos(tmp_path, "0/a.png", "1/b.png")
    (tmp_path / "labels.toml").write_text(
        '[helmet]\ncategories = ["no", "yes"]\nwords = {no = ["0"], yes = ["1"]}\n'
    )
    assert [*scan(tmp_path).photos.helmet] == [0, 1]


def test_a_folder_whose_name_means_two_things_is_an_error(tmp_path: Path) -> None:
    published.photos(tmp_path, "yes/a.png", "no/b.png")
    (tmp_path / "labels.toml").write_text('helmet = ["no", "yes"]\ngloves = ["no", "yes"]\n')
    with pytest.raises(ValueError, match="is a word of helmet and gloves; rename it"):
        scan(tmp_path)


def contest(data: Path) -> Path:
    for person in ("p1", "p2"):
        for stem in STEMS:
            touch(data / "images" / person / f"{stem}.jpg")
    (data / "train.csv").write_text(
        "id,gender,race,age,path,glasses\n1,female,Asian,45,p1,yes\n2,male,Asian,20,p2,no\n"
    )
    return data


def test_the_contests_table_may_tell_more_of_its_people(tmp_path: Path) -> None:
    listing = scan(contest(tmp_path))
    before = listing.photos
    [note] = listing.notes
    assert (
        "glasses (no, yes)" in note
        and "race" not in note
        and "id" not in note.split("glasses")[0].split(":")[1]
    )
    (tmp_path / "labels.toml").write_text(note.partition(":\n")[2])
    listing = scan(tmp_path)
    assert listing.labels.names == (*CONTEST.names, "glasses") and listing.notes == ()
    assert [*listing.photos.glasses] == [1] * 7 + [0] * 7
    assert [*listing.photos["mask"]] == [*before["mask"]] and [*listing.photos.age] == [*before.age]


def test_the_parts_of_a_table_are_read_from_its_column(tmp_path: Path) -> None:
    text = "path,mask,Split,fold\na.jpg,wear,Training,fold1\nb.jpg,wear,valid,fold0\nc.jpg,wear,,\n"
    data = table(tmp_path, text, "")
    assert [*scan(data).photos.split] == ["train", "val", ""]
    assert [*scan(data, Columns(split="fold")).photos.split] == ["fold1", "fold0", ""]
    data.write_text(text.replace("valid", "morning"))
    listing = scan(data)
    assert "split" not in listing.photos and "Split (Training, morning)" in listing.notes[-1]


def test_corrections_reach_any_factor(tmp_path: Path) -> None:
    (tmp_path / "corrections.csv").write_text(
        "path,person,column,value,why\nb.jpg,,glasses,yes,seen\n,p,weight,61,asked\n"
    )
    corrected, done = apply(scan(table(tmp_path)), None)
    assert [*corrected.photos.glasses] == [0, 0, -1] and [*corrected.photos.weight[:2]] == [61, 61]
    assert [*done.before] == ["no", "55, 58"] and [*done.after] == ["yes", "61"]
    (tmp_path / "corrections.csv").write_text("path,column,value,why\nb.jpg,glases,yes,seen\n")
    with pytest.raises(ValueError, match="row 2: column 'glases': did you mean 'glasses'"):
        apply(scan(tmp_path / "photos.csv"), None)


def test_one_face_of_a_picture_is_corrected_by_its_own_name(tmp_path: Path) -> None:
    listing = scan(published.masks(tmp_path))
    file = tmp_path / "corrections.csv"
    file.write_text(
        "path,column,value,why\nimages/a.png#2,mask,incorrect,seen\nimages/b.png,mask,wear,seen\n"
    )
    assert [*apply(listing, None)[0].photos["mask"]] == [0, 1, 0]
    file.write_text("path,column,value,why\nimages/a.png,mask,incorrect,seen\n")
    with pytest.raises(ValueError, match=r"no path 'images/a.png' .*did you mean 'images/a.png#"):
        apply(listing, None)


def test_a_person_of_two_values_is_refused_unless_they_are_of_one_band(tmp_path: Path) -> None:
    text = "path,person,age,gender\na.jpg,p,31,f\nb.jpg,p,{},{}\nc.jpg,q,5,m\n"
    for age, gender in (("59", "f"), ("", "f"), ("31", "unknown")):
        check_persons(scan(table(tmp_path, text.format(age, gender), "")))
    with pytest.raises(
        ValueError, match=r"person p has two values of age, 31 in a.jpg and 60 in b.jpg \(1 such"
    ):
        check_persons(scan(table(tmp_path, text.format("60", "f"), "")))
    with pytest.raises(ValueError, match=r"two values of gender, female in a.jpg and male .*per = \"photo\""):
        check_persons(scan(table(tmp_path, text.format("31", "m"), "")))


def test_albums_of_several_people_are_proposed_as_labels_of_photos(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="person 30601258@N03 has two values of gender, female in"):
        check_persons(scan(published.adience(tmp_path)))
    proposed, _ = propose_labels(tmp_path)
    assert proposed is not None and [factor.per for factor in proposed.factors] == ["photo", "photo"]
    (tmp_path / "labels.toml").write_text(labels_text(proposed))
    listing = scan(tmp_path)
    check_persons(listing)
    assert [*listing.photos.gender] == [1, 0, -1, 1]
