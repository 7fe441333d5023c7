"""Who learned from drawings says so, from the photos to the answers."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from faces.cache.description import FINISHED
from faces.cache.reader import Cache
from faces.sample.mark import MARK, is_drawn
from faces.sample.note import drawn_note
from faces.storage.documents import read_document, write_document
from infer.export.metadata import describe
from infer.export.network import Exported
from infer.export.subject import subject_of_run
from preprocess.join_caches import join_caches
from preprocess.run import preprocess
from preprocess.settings import PreprocessSettings
from tests.helpers.coloured import write_coloured
from tests.helpers.pictures import save
from tests.helpers.runs.fold_runs import change_card, write_runs
from train.engine.card import card_text, parse_card, read_card

SAMPLE = json.dumps({"people": 2, "seed": 0, "version": 2})


def photos(folder: Path, mark: str = "") -> Path:
    """A folder of two photos in a sample, or with what is no sample's mark."""
    below = folder / "train"
    below.mkdir(parents=True)
    for number in range(2):
        save(below / f"{number}.png", np.full((40, 40, 3), 60 * number, np.uint8))
    if mark:
        (folder / MARK).write_text(mark)
    return below


def made(data: Path, folder: Path) -> Cache:
    return preprocess(PreprocessSettings(data=data, cache=folder, faces="as_is", size=48, workers=1))


@pytest.mark.parametrize(
    ("mark", "drawn"),
    [
        (SAMPLE, True),
        ("", False),
        ("{", False),
        ('{"people": 2}', False),
        ("[1]", False),
        ("[" * 9999, False),
    ],
)
def test_a_sample_is_known_by_its_own_mark_alone(mark: str, drawn: bool, tmp_path: Path) -> None:
    below = photos(tmp_path / "data", mark)
    assert is_drawn(below) is drawn
    assert is_drawn(tmp_path / "data") is drawn


def test_a_cache_knows_that_its_photos_were_drawn(tmp_path: Path) -> None:
    drawn = made(photos(tmp_path / "drawn", SAMPLE), tmp_path / "caches" / "drawn")
    real = made(photos(tmp_path / "real"), tmp_path / "caches" / "real")
    assert drawn.drawn
    assert not real.drawn
    assert "drawn" not in real.description["source"]
    joined = join_caches([real.folder, drawn.folder], tmp_path / "caches" / "both")
    assert joined.drawn


def test_a_cache_of_before_opens_and_goes_on_as_one_of_photos(tmp_path: Path) -> None:
    data = photos(tmp_path / "data", SAMPLE)
    cache = made(data, tmp_path / "cache")
    description = dict(read_document(cache.folder / FINISHED, ""))
    del description["source"]["drawn"]
    write_document(cache.folder / FINISHED, {k: v for k, v in description.items() if k != "seal"})
    again = made(data, cache.folder)
    assert not again.drawn
    assert again.identity == cache.identity


def test_a_run_keeps_it_and_an_export_tells_it(tmp_path: Path) -> None:
    cache = write_coloured(tmp_path / "cache", people=6)
    run = write_runs(tmp_path, cache, "tiny") / "fold0"
    best = run / "best.safetensors"
    assert not read_card(best).drawn
    assert "drawn" not in card_text(read_card(best))
    assert '"drawn"' not in _described(run)
    card = dataclasses.replace(read_card(best), drawn=True)
    assert parse_card(card_text(card), best) == card
    change_card(run, drawn=True)
    assert json.loads(_described(run))["drawn"] is True


def _described(run: Path) -> str:
    subject = subject_of_run(run, ("original",))
    model = Exported(subject.members, subject.views, subject.root, subject.task, subject.labels)
    return describe(model, subject.runs, subject.views, None)


def test_only_networks_of_drawings_say_so() -> None:
    assert "drawings" in drawn_note(True)
    assert drawn_note(False) == ""
