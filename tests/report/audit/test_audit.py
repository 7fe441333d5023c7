"""An audit from the command line: what it finds, writes, refuses, and what stage 1 makes of it."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.factors import Categories
from faces.labels import CONTEST, LabelSet
from preprocess.sources.corrections import apply
from report.audit import command
from report.audit.folder import open_audit
from tests.helpers.coloured import write_told
from tests.helpers.own_labels import write_own
from tests.helpers.runs.fold_runs import change_card, write_runs
from tests.report.audit.wrongly_labelled import (
    LONELY,
    SWAPPED,
    WRONG_PERSON,
    listing_of,
    right_labels,
    write_wrong,
    wrong_labels,
)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cache some labels of which are wrong, and runs that know better."""
    folder = tmp_path_factory.mktemp("wrong")
    write_wrong(folder)
    return folder


@pytest.fixture(scope="module")
def audited(wrong: Path) -> Path:
    """The folder of its audit."""
    photos, out = wrong / "photos of mine", wrong / "audit"
    photos.mkdir()
    command.run(
        command.AuditSettings(cache=wrong / "cache", runs=wrong / "runs" / "sure", data=photos, out=out)
    )
    return out


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
    """What the command says where it refuses."""
    monkeypatch.setattr(sys, "argv", ["report.audit", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1, errors
    return errors


def test_each_wrong_label_is_suggested_once(audited: Path) -> None:
    table = open_audit(audited).table
    swap = table[table["kind"] == "swap"]
    assert {*swap["path"]} == {f"{photo}.jpg" for photo in SWAPPED} and swap["number"].nunique() == 1
    assert dict(zip(swap["given"], swap["value"], strict=True)) == {
        "normal": "incorrect",
        "incorrect": "normal",
    }
    masks = table[(table["column"] == "mask") & (table["kind"] == "label")]
    assert masks["path"].iloc[0] == f"{LONELY}.jpg"
    genders = table[table["column"] == "gender"]
    assert genders["person"].iloc[0] == WRONG_PERSON
    assert table["number"].tolist()[0] == 1 and swap["number"].iloc[0] == 1


def test_the_draft_is_what_stage_1_reads_and_puts_right(audited: Path) -> None:
    right = right_labels()
    listing = listing_of(wrong_labels(right), CONTEST, audited)
    corrected, done = apply(listing, audited / "corrections.csv")
    assert (done["photos"] > 0).all()
    assert len(done) == (open_audit(audited).table["flagged"] == "yes").sum()
    assert corrected.photos["mask"][[*SWAPPED]].tolist() == right["mask"][[*SWAPPED]].tolist()
    assert corrected.photos["gender"].tolist() == right["gender"].tolist()


def test_the_page_stands_alone_and_shows_what_is_suggested(audited: Path) -> None:
    page = (audited / "audit.html").read_text()
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page) and "://" not in page
    assert WRONG_PERSON in page and f"{LONELY}.jpg" in page
    assert all(re.findall(r"<img [^>]*alt=\"[^\"]+\"", page))
    assert page.count("<img ") == len(re.findall(r"<img [^>]*alt=\"[^\"]+\"", page))


def test_an_ensemble_judges_as_its_only_recipe_does(wrong: Path, audited: Path, tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text('vote = ["sure"]\nviews = ["original"]\n')
    command.run(
        command.AuditSettings(
            cache=wrong / "cache",
            runs=wrong / "runs",
            ensemble=tmp_path / "one.toml",
            out=tmp_path / "audit",
        )
    )
    one, other = open_audit(audited).table, open_audit(tmp_path / "audit").table
    first = other[other["kind"] == "label"].groupby("column").head(1)
    mine = one[one["kind"] == "label"].groupby("column").head(1)
    assert (
        first[["path", "person", "value"]].to_numpy().tolist()
        == mine[["path", "person", "value"]].to_numpy().tolist()
    )


def test_labels_of_ones_own_are_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = write_own(tmp_path / "cache")
    write_runs(tmp_path / "runs", cache, "own", tasks=("glasses", "helmet", "years"), skill=3)
    command.run(command.AuditSettings(cache=cache.folder, runs=tmp_path / "runs" / "own", out=tmp_path / "a"))
    told = capsys.readouterr().out
    known = int((cache.labels("glasses") >= 0).sum())
    assert re.search(rf"glasses: \d+ of {known} labels of photos", told)
    assert re.search(r"helmet: \d+ of 18 labels of people", told)
    table = open_audit(tmp_path / "a").table
    listing = listing_of(cache.index, cache.label_set, tmp_path)
    _, done = apply(listing, tmp_path / "a" / "corrections.csv")
    assert len(done) == (table["flagged"] == "yes").sum() and (done["photos"] > 0).all()


def test_a_mask_alone_of_nobody_named_is_audited(tmp_path: Path) -> None:
    mask = LabelSet(name="masks", factors=(Categories(name="mask", categories=("on", "off")),))
    photos = pd.DataFrame({"mask": np.arange(60) % 2})
    photos["image_id"] = photos["source"] = photos["person"] = [f"{place}.jpg" for place in range(60)]
    cache = write_told(tmp_path / "cache", photos, mask)
    write_runs(tmp_path / "runs", cache, "mask", tasks=("mask",), skill=3)
    command.run(
        command.AuditSettings(cache=cache.folder, runs=tmp_path / "runs" / "mask", out=tmp_path / "a")
    )
    table = open_audit(tmp_path / "a").table
    assert len(table) and (table["person"] == "").all() and (table["kind"] == "label").all()


def test_decisions_are_not_thrown_away(wrong: Path, audited: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(audited, tmp_path / "audit"))
    (out / "decisions.csv").write_text("number,decision\n1,keep\n")
    before = (out / "corrections.csv").read_bytes()
    same = command.AuditSettings(cache=wrong / "cache", runs=wrong / "runs" / "sure", out=out)
    command.run(same)  # of the same answers it is the same audit
    assert (out / "corrections.csv").read_bytes() == before
    write_runs(wrong / "runs", Cache.open(wrong / "cache"), "other", skill=1, seed=3)
    with pytest.raises(ValueError, match=r"decisions\.csv: decisions on another audit.*OUT="):
        command.run(command.AuditSettings(cache=wrong / "cache", runs=wrong / "runs" / "other", out=out))
    assert (out / "decisions.csv").read_text() == "number,decision\n1,keep\n"


def test_what_cannot_be_audited_is_said_in_one_line(
    wrong: Path,
    coloured: Cache,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(runs: Path, cache: Path = wrong / "cache") -> str:
        return said(capsys, monkeypatch, "--cache", cache, "--runs", runs, "--out", tmp_path / "out")

    assert "no folder of one recipe's trained folds" in told(wrong / "runs")
    assert "give the cache it was trained on" in told(wrong / "runs" / "sure", coloured.folder)
    lost = Path(shutil.copytree(wrong / "runs" / "sure", tmp_path / "runs" / "lost"))
    (lost / "fold1" / "oof.parquet").unlink()
    assert "fold1/oof.parquet: no such file" in told(lost)
    shutil.rmtree(lost / "fold1")
    assert "fold 1 of 3 is not trained" in told(lost)
    write_runs(tmp_path / "runs", Cache.open(wrong / "cache"), "single", folds=[0])
    change_card(tmp_path / "runs" / "single" / "fold0", scheme="holdout")
    assert "left out the 24 photos of one fold" in told(tmp_path / "runs" / "single")
    one = write_told(tmp_path / "one", right_labels().assign(mask=0, gender=1, age=30.0))
    write_runs(tmp_path / "runs", one, "one")
    assert "mask is wear in all photos" in told(tmp_path / "runs" / "one", one.folder)
    assert not (tmp_path / "out").exists()
