"""A data card counts what a cache holds."""

import re
from pathlib import Path

import pytest
import yaml

from faces.cache.reader import Cache
from faces.factors import Categories
from faces.labelling.label_file import label_set
from preprocess.look.data_card import DATA_CARD, write_data_card
from tests.helpers.shown import LOST, fields, write


def rows(card: str, head: str) -> dict[str, list[str]]:
    """Cells of the table whose head begins so, by the first of each row."""
    block = re.findall(rf"^\| {re.escape(head)} \|.*\n\|[-|]+\n((?:\|.*\n)+)", card, re.M)[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
    return {first: rest for first, *rest in lines}


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of 12 photos of 6 people: two without a face, three without an age."""
    folder = tmp_path_factory.mktemp("card")
    photos = [
        fields(n, **(LOST if n < 2 else {}), **({"age": float("nan")} if n > 8 else {})) for n in range(12)
    ]
    return write_data_card(write(folder / "my cache", photos)).read_text()


def test_crops_people_and_labels_are_counted(card: str) -> None:
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["pretty_name"] == "my cache" and head["size_categories"] == ["n<1K"]
    assert {"mask", "gender", "age"} < {*head["tags"]} and head["license"] == "unknown"
    assert re.search(r"with a face that was found \| 10 \|", card)
    assert re.search(r"cropped at the centre, without a face \| 2 \|", card)
    assert re.search(r"\| people \| 6 \|", card) and "2 to 2, median 2" in card
    assert rows(card, "mask") == {name: ["4", "4", "33.3%"] for name in ("wear", "incorrect", "normal")}
    age = rows(card, "age")
    assert age["no label"][:2] == ["3", "2"] and "from 20 to 28, median 24" in age
    assert age["&lt;30"][0] == "9"


def test_the_same_cache_gives_the_same_card(coloured: Cache, tmp_path: Path) -> None:
    first = write_data_card(coloured).read_text()
    assert write_data_card(coloured).read_text() == first and coloured.identity in first


def test_labels_of_ones_own_stand_in_it_whatever_they_are_called(tmp_path: Path) -> None:
    own = label_set("own", (Categories(name="hat", categories=("a|b", "<b>")),))
    cache = write(tmp_path / 'x: "y"', [fields(n, hat=n % 2) for n in range(4)], labels=own)
    card = write_data_card(cache).read_text()
    assert (cache.folder / DATA_CARD).is_file()
    assert yaml.safe_load(card.split("---\n")[1])["pretty_name"] == 'x: "y"'
    assert "| a\\|b | 2 |" in card and "| &lt;b> | 2 |" in card
