"""The page that asks: what is decided is on the disk before the next question, and nobody else decides."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from faces.labels import CONTEST
from preprocess.sources.corrections import apply
from report.audit import command
from report.audit.confirm.server import app_of
from report.audit.folder import Audit, next_lines, open_audit, read_decisions
from tests.report.audit.wrongly_labelled import SWAPPED, listing_of, right_labels, write_wrong, wrong_labels

OURS, PLACE = {"X-Audit": "1"}, "http://127.0.0.1"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("confirm")
    write_wrong(folder)
    out = folder / "audit"
    command.run(command.AuditSettings(cache=folder / "cache", runs=folder / "runs" / "sure", out=out))
    return out


@pytest.fixture
def audit(fresh: Path, tmp_path: Path) -> Audit:
    return open_audit(Path(shutil.copytree(fresh, tmp_path / "audit")))


@pytest.fixture
def page(audit: Audit) -> Iterator[TestClient]:
    with TestClient(app_of(audit), PLACE, headers=OURS) as client:
        yield client


def decide(page: TestClient, number: int, decision: str | None) -> int:
    return page.post("/decisions", json={"number": number, "decision": decision}).status_code


def corrections(audit: Audit) -> pd.DataFrame:
    return pd.read_csv(audit.folder / "corrections.csv", keep_default_na=False)


def test_each_decision_is_saved_and_a_new_server_goes_on(audit: Audit, page: TestClient) -> None:
    questions = page.get("/state").json()["questions"]
    assert [each["number"] for each in questions] == audit.numbers
    swap, mask = questions[0], next(each for each in questions if each["kind"] == "label")
    assert decide(page, swap["number"], "change") == 200
    assert {*corrections(audit)["path"]} == {f"{photo}.jpg" for photo in SWAPPED}
    assert decide(page, mask["number"], "keep") == 200
    assert len(corrections(audit)) == 2  # of the draft nothing is left that nobody looked at
    assert decide(page, mask["number"], mask["other"][0]) == 200
    assert corrections(audit)["value"].tolist()[2] == mask["other"][0]
    with TestClient(app_of(open_audit(audit.folder)), PLACE, headers=OURS) as again:
        decided = dict(again.get("/state").json()["decisions"])
        assert decided == {swap["number"]: "change", mask["number"]: mask["other"][0]}
        assert decide(again, swap["number"], None) == 200
    assert read_decisions(audit) == {mask["number"]: mask["other"][0]}
    assert len(corrections(audit)) == 1


def test_what_is_confirmed_is_what_stage_1_changes(audit: Audit, page: TestClient) -> None:
    for each in page.get("/state").json()["questions"]:
        assert decide(page, each["number"], "change" if each["factor"] == "gender" else "keep") == 200
    listing = listing_of(wrong_labels(right_labels()), CONTEST, audit.folder)
    corrected, _ = apply(listing, audit.folder / "corrections.csv")
    assert corrected.photos["gender"].tolist() == right_labels()["gender"].tolist()
    assert corrected.photos["mask"].tolist() == wrong_labels(right_labels())["mask"].tolist()


def test_photos_are_shown_and_a_number_of_none_is_refused(page: TestClient) -> None:
    photos = page.get("/photos/1").json()
    assert [each["note"] for each in photos] == ["normal → incorrect", "incorrect → normal"]
    assert all(each["image"].startswith("data:image/webp;base64,") for each in photos)
    assert page.get("/photos/99999").status_code == 404
    assert decide(page, 99999, "keep") == 422 and decide(page, 1, "perhaps") == 422
    assert decide(page, 1, "wear") == 422  # two photos have no one value


def test_other_sites_neither_read_nor_decide(audit: Audit) -> None:
    with TestClient(app_of(audit), PLACE) as stranger:
        assert decide(stranger, 1, "keep") == 403
        assert stranger.get("/state", headers={"Host": "evil.example"}).status_code == 400
    assert read_decisions(audit) == {}


def test_a_damaged_folder_is_said(audit: Audit) -> None:
    decided = audit.folder / "decisions.csv"
    decided.write_text("number,decision\n1,keep\n²,keep\n")
    with pytest.raises(ValueError, match=r"decisions\.csv, row 3: '²', 'keep' decides on no suggestion"):
        app_of(audit)
    table = audit.folder / "audit.csv"
    table.write_bytes(table.read_bytes()[:-10])
    with pytest.raises(
        ValueError, match=r"audit\.csv: missing, or not as the audit wrote it; make the audit"
    ):
        open_audit(audit.folder)
    (audit.folder / "audit.json").unlink()
    with pytest.raises(ValueError, match=r"audit\.json: no such file"):
        open_audit(audit.folder)


def test_the_next_command_takes_the_crop_settings_along(audit: Audit) -> None:
    [*notes, line] = next_lines(audit.folder, audit.cache, "my photos")
    assert line.startswith("next: make preprocess DATA='my photos' CACHE=")
    assert f"--corrections {audit.folder / 'corrections.csv'}" in line and "--margin 0.3" in line
    assert not any("DATA" in note for note in notes)
    assert any("DATA is the folder" in note for note in next_lines(audit.folder, audit.cache, ""))
