"""The drawn sample: the contest's layout, reproducible bytes, and faces that a detector finds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from facenet_pytorch import MTCNN

from faces.labels import MASKS, TASKS
from faces.sample.command import SampleSettings
from faces.sample.dataset import PHOTOS, VERSION, cell_counts, plan_people, write_sample
from faces.sample.drawing import HEIGHT, WIDTH
from faces.sample.people import INCORRECT, NORMAL, WORN, person_look, photo_shot
from faces.sample.portrait import portrait


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("sample") / "data"
    write_sample(data, people=6, seed=3, workers=1)
    return data


def test_layout_is_the_contests(sample: Path) -> None:
    labels = pd.read_csv(sample / "train" / "train.csv", dtype={"id": str})
    assert list(labels.columns) == ["id", "gender", "race", "age", "path", "glasses"]
    assert len(labels) == 4
    assert labels.path.is_unique
    for row in labels.itertuples():
        assert row.path == f"{row.id}_{row.gender}_Asian_{row.age}"
        folder = sample / "train" / "images" / str(row.path)
        names = [path.name for path in folder.iterdir()]
        assert sorted(Path(name).stem for name in names if not name.startswith(".")) == sorted(dict(PHOTOS))
        junk = [folder / name for name in names if name.startswith("._")]
        assert len(junk) == 1
        assert cv2.imdecode(np.frombuffer(junk[0].read_bytes(), np.uint8), cv2.IMREAD_COLOR) is None


def test_every_photo_decodes_at_the_contests_size(sample: Path) -> None:
    photos = [p for p in sample.rglob("*.*") if p.suffix in {".jpg", ".jpeg", ".png"} and p.name[0] != "."]
    assert len(photos) == 6 * 7
    for photo in photos:
        image = cv2.imread(str(photo))
        assert image is not None
        assert image.shape == (HEIGHT, WIDTH, 3) == (512, 384, 3)


def test_hidden_answers_match_the_listed_photos(sample: Path) -> None:
    info = pd.read_csv(sample / "eval" / "info.csv")
    answers = pd.read_csv(sample / "eval" / ".answers.csv")
    assert list(info.columns) == ["ImageID", "ans"]
    assert (info.ans == 0).all()
    assert list(info.ImageID) == list(answers.ImageID)
    assert all((sample / "eval" / "images" / name).is_file() for name in info.ImageID)
    assert list(answers.ans) == list(TASKS["class18"].encode(answers))
    assert (answers.groupby("person")["mask"].value_counts().unstack() == [5, 1, 1]).all(axis=None)
    assert not answers.person.is_monotonic_increasing


def test_the_tables_say_who_is_drawn_with_glasses(sample: Path) -> None:
    train, unseen = plan_people(6, seed=3)
    drawn = {p.number: person_look(3, p.number, p.gender == 1, p.age).glasses > 0 for p in train + unseen}
    labels = pd.read_csv(sample / "train" / "train.csv", dtype=str).set_index("path")
    for person in train:
        assert (labels.glasses[person.folder] == "yes") == drawn[person.number]
    answers = pd.read_csv(sample / "eval" / ".answers.csv")
    assert {*answers.person} == {person.number for person in unseen}
    assert [*(answers.glasses == "yes")] == [drawn[number] for number in answers.person]
    assert {*labels.glasses} | {*answers.glasses} == {"yes", "no"}


def test_about_a_quarter_wear_glasses() -> None:
    train, unseen = plan_people(1000, seed=0)
    worn = [person_look(0, p.number, p.gender == 1, p.age).glasses > 0 for p in train + unseen]
    assert 0.2 < np.mean(worn) < 0.32


@pytest.mark.parametrize("mask", [WORN, INCORRECT, NORMAL])
@pytest.mark.parametrize("frame", [1, 2])
def test_glasses_are_seen_whatever_the_mask(mask: int, frame: int) -> None:
    look, shot = person_look(1, 2, True, 40), photo_shot(1, 2, 3, mask)
    with_them, without = (portrait(replace(look, glasses=kind), shot).astype(int) for kind in (frame, 0))
    assert (np.abs(with_them - without).max(2) > 30).sum() > 800


def test_bytes_depend_on_the_seed_alone(sample: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        write_sample(tmp_path / f"{workers}", people=2, seed=4, workers=workers)
    assert _digests(tmp_path / "1") == _digests(tmp_path / "2")
    assert set(_digests(tmp_path / "1").values()) & set(_digests(sample).values()) == {
        hashlib.sha256(next(sample.rglob("._*")).read_bytes()).hexdigest()
    }


def test_a_stopped_run_is_completed_and_what_is_there_is_kept(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_sample(data, people=2, seed=3, workers=1)
    whole = _digests(data)
    photos = sorted(data.rglob("*mask*.jpg"))
    times = {path: path.stat().st_mtime_ns for path in photos if path.name[0] != "."}
    gone = next(iter(times))
    gone.unlink()
    (data / "sample.json").rename(data / "sample.partial.json")
    write_sample(data, people=2, seed=3, workers=1)
    assert _digests(data) == whole
    assert {p for p, t in times.items() if p.stat().st_mtime_ns != t} == {gone}


@pytest.mark.parametrize(
    ("marker", "change"), [("sample.json", {"seed": 4}), ("sample.partial.json", {"people": 3})]
)
def test_a_sample_of_other_settings_is_refused(tmp_path: Path, marker: str, change: dict[str, int]) -> None:
    (tmp_path / marker).write_text(json.dumps({"people": 2, "seed": 3, "version": VERSION}))
    (key,) = change
    with pytest.raises(ValueError, match=rf"{key}=\d, not {change[key]}.*--data"):
        write_sample(tmp_path, **{"people": 2, "seed": 3, "workers": 1, **change})


def test_a_sample_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sample.json").write_text(json.dumps({"people": 2, "seed": 3, "version": VERSION - 1}))
    with pytest.raises(ValueError, match=rf"version={VERSION - 1}, not {VERSION}.*--data"):
        write_sample(tmp_path, people=2, seed=3, workers=1)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="something else"):
        write_sample(tmp_path, people=2, seed=0, workers=1)


@pytest.mark.parametrize("wrong", [{"people": 1}, {"people": 0}, {"seed": -1}, {"workers": 0}])
def test_impossible_settings_echo_the_value(wrong: dict[str, int]) -> None:
    ((key, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{key}={value}"):
        SampleSettings(**wrong)  # type: ignore[arg-type]


def test_shares_are_exact_and_no_cell_is_empty() -> None:
    assert cell_counts(24).tolist() == [[4, 4, 1], [7, 7, 1]]
    for people in range(1, 200):
        counts = cell_counts(people)
        assert counts.sum() == people
        assert counts.min() >= (people >= 20)
    contest = cell_counts(2700)
    assert contest.sum(0).tolist() == [1269, 1242, 189]
    assert contest.sum(1).tolist() == [1053, 1647]


@pytest.mark.parametrize("people", [2, 3, 8, 60])
def test_the_contests_odd_ids_never_share_a_folder(people: int) -> None:
    train, unseen = plan_people(people, seed=0)
    assert len(train) + len(unseen) == people
    assert min(len(train), len(unseen)) >= 1
    assert len({person.folder for person in train}) == len(train)
    assert sum(person.id.endswith("-1") for person in train) == 1
    if people >= 8:
        assert len({person.id for person in train}) == len(train) - 1


def test_the_mask_does_not_change_the_photo_around_it() -> None:
    bare, worn, wrong = (photo_shot(1, 2, 3, mask) for mask in (NORMAL, WORN, INCORRECT))
    same = {"mask": NORMAL, "mask_top": 0.0, "mask_bottom": 0.0}
    assert len({str(replace(shot, **same)) for shot in (bare, worn, wrong)}) == 1
    look = person_look(1, 2, True, 40)
    changed = (portrait(look, bare) != portrait(look, worn)).any(2)
    rows = np.flatnonzero(changed.any(1))
    assert changed.any()
    assert rows.min() > bare.centre[1] - 0.15 * look.head[1] * bare.scale


@pytest.mark.slow
def test_a_detector_finds_the_faces() -> None:
    detector = MTCNN(keep_all=True)
    train, unseen = plan_people(6, seed=3)
    found: dict[int, list[bool]] = {WORN: [], INCORRECT: [], NORMAL: []}
    for person in train + unseen:
        look = person_look(3, person.number, person.gender == 1, person.age)
        for photo, (_, mask) in enumerate(PHOTOS):
            boxes, _ = detector.detect(portrait(look, photo_shot(3, person.number, photo, mask)))
            found[mask].append(boxes is not None)
    rates = {MASKS[mask]: np.mean(hits) for mask, hits in found.items()}
    assert rates["normal"] >= 0.99, rates
    assert rates["wear"] >= 0.95, rates
    assert rates["incorrect"] >= 0.95, rates
