"""The measurement of the whole job: both ways do the same; its form and arithmetic; no speed is asserted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import tyro
from PIL import Image

from bench.whole import dataset, race, teams
from bench.whole.command import BenchWholeSettings, bench
from bench.whole.dataset import cut_face
from bench.whole.people import People, choose, lay_out, write_table
from bench.whole.plain import check_plain
from bench.whole.race import OURS, TEAMS, Job, Turn, ours, run_turns, split_stages, turn_of
from bench.whole.report import ratios, write_results
from bench.whole.teams import TeamsSettings
from faces.command import write_toml
from faces.labels import CONTEST
from faces.storage.cells import csv_bytes
from infer.command import InferSettings
from preprocess.run import preprocess
from preprocess.settings import PreprocessSettings
from preprocess.sources.contest import PERSON_PHOTOS
from tests.helpers.pictures import picture, save
from train.command import TrainSettings
from train.data.rows import fold_rows
from train.network.model import build_model
from train.recipe.data import Mixing, Sampling
from train.recipe.network import Optimiser
from train.recipe.recipe import Recipe

RECIPE = Recipe(
    tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=32, epochs=1, precision="fp32"
)
AGES = (25, 45, 65)


def contest(folder: Path, people: int) -> Path:
    """Labelled people in the contest's layout, two genders and three age bands in turn."""
    rows = []
    for number in range(people):
        gender, age = ("male", "female")[number % 2], AGES[number // 2 % 3]
        name = f"{number:06d}_{gender}_Asian_{age}"
        rows.append((f"{number:06d}", gender, "Asian", age, name))
        for place, stem in enumerate(PERSON_PHOTOS):
            save(folder / "images" / name / f"{stem}.png", picture(40, 30, seed=7 * number + place))
    table = pd.DataFrame(rows, columns=["id", "gender", "race", "age", "path"])
    (folder / "train.csv").write_bytes(csv_bytes(table))
    return folder


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    folder = tmp_path_factory.mktemp("people")
    return lay_out(contest(folder / "labelled", 24), 20, folder / "data")


@pytest.fixture(scope="module")
def job(people: People, tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    write_toml(RECIPE, folder / "net.toml")
    table = write_table(people.train, RECIPE, 2, folder)
    return Job(people=people, recipe=folder / "net.toml", folds=2, table=table)


class NoFaces:
    """A detector that finds a face at a fixed place, and in every third photo none."""

    seen = 0

    def detect(self, image: Image.Image) -> tuple[Any, Any]:
        NoFaces.seen += 1
        return (None if self.seen % 3 == 0 else np.array([[5.0, 5.0, 25.0, 30.0]])), None


def run_teams_here(job: Job, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MTCNN", NoFaces)
    out.mkdir()
    paths = {"recipe": job.recipe, "photos": job.table, "unseen": job.people.unseen, "out": out}
    teams.run(TeamsSettings(**paths, workers=0))


def test_people_train_or_are_held_back_and_names_tell_nothing(people: People) -> None:
    trains = pd.read_csv(people.train / "train.csv").path
    assert len(trains) == 12 and len(people.truth) == 8 * 7
    held = {(people.unseen / "images" / name).resolve().parent.name for name in people.truth.ImageID}
    assert len(held) == 8 and not held & {*trains}
    assert sorted(pd.read_csv(people.unseen / "info.csv").ImageID) == sorted(people.truth.ImageID)
    assert {*pd.read_csv(people.unseen / "info.csv").ans} == {0}
    assert not any(name.startswith(("mask", "normal", "incorrect")) for name in people.truth.ImageID)


def test_answers_are_those_of_the_photo(people: People) -> None:
    for name, answer in people.truth.itertuples(index=False):
        photo = (people.unseen / "images" / name).resolve()
        _, gender, _, age = photo.parent.name.split("_")
        mask = PERSON_PHOTOS[photo.stem]
        assert answer == mask * 6 + (gender == "female") * 3 + AGES.index(int(age))


def test_people_are_spread_evenly_over_genders_and_ages() -> None:
    photos = pd.DataFrame({"person": [f"p{n}" for n in range(90)], "ans": np.arange(90) % 6 + 6})
    trains, tests = choose(photos, 60, Path("data"))
    assert len({*trains, *tests}) == 60
    cells = photos.set_index("person").ans
    assert cells[trains].value_counts().tolist() == [6] * 6
    assert cells[tests].value_counts().tolist() == [4] * 6
    with pytest.raises(ValueError, match="people=91: data has 90"):
        choose(photos, 91, Path("data"))


def test_both_ways_validate_the_same_photos_in_each_fold(job: Job, tmp_path: Path) -> None:
    data = job.people.train
    cache = preprocess(
        PreprocessSettings(data=data, cache=tmp_path / "c", faces="as_is", size=32, shard_size=9, workers=1)
    )
    table = pd.read_csv(job.table)
    assert len(table) == 12 * 7 and {*table.fold} <= {-1, 0, 1}
    for fold in range(2):
        rows = fold_rows(cache, RECIPE.tasks, fold=fold, folds=2, seed=0)
        product = {str(data / source) for source in cache.index.source.iloc[rows.validation]}
        assert {*table.path[table.fold == fold]} == product
        assert {*table.path[table.fold != fold]} == {
            str(data / source) for source in cache.index.source.iloc[rows.training]
        }


def test_the_teams_script_trains_the_product_s_network_and_answers_every_photo(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []
    train_fold = teams.train_fold
    monkeypatch.setattr(teams, "train_fold", lambda *given: trained.append(train_fold(*given)) or trained[-1])
    NoFaces.seen = 0
    run_teams_here(job, tmp_path / "out", monkeypatch)
    same = build_model(RECIPE, CONTEST).eval()
    shapes = {name: value.shape for name, value in same.state_dict().items()}
    image = torch.zeros(1, 3, 32, 32)
    assert len(trained) == 2
    for network in trained:
        assert {name: value.shape for name, value in network.state_dict().items()} == shapes
        outputs = {task: found.shape for task, found in network.eval()(image).items()}
        assert outputs == {task: found.shape for task, found in same(image).items()}
    # A face is searched in every photo of every epoch of both folds, once to validate, once to predict.
    table = pd.read_csv(job.table)
    validated = (table.fold >= 0).sum()
    assert NoFaces.seen == 2 * len(table) - validated + validated + len(job.people.truth)
    answered = pd.read_csv(tmp_path / "out" / "submission.csv")
    assert answered.ImageID.tolist() == pd.read_csv(job.people.unseen / "info.csv").ImageID.tolist()
    assert answered.ans.between(0, 17).all()
    stages = json.loads((tmp_path / "out" / "stages.json").read_text())
    assert 0 <= stages["prediction_search"] <= stages["search"] and stages["prediction_wall"] > 0


def test_the_product_gets_the_commands_that_a_user_types(job: Job, tmp_path: Path) -> None:
    commands = ours(job, tmp_path / "turn")
    (first, second), [train], [infer] = commands.values()
    kinds = {"preprocess": PreprocessSettings, "train": TrainSettings, "infer": InferSettings}
    read = [tyro.cli(kinds[each[0]], args=each[1:]) for each in (first, second, train, infer)]
    assert (read[0].data, read[1].data) == (job.people.train, job.people.unseen)
    assert (read[2].folds, read[2].fold, read[2].cache) == (2, (), read[0].cache)
    assert (read[3].cache, read[3].runs) == (read[1].cache, read[2].runs)
    plain = PreprocessSettings(data=read[0].data, cache=read[0].cache)
    assert read[0] == plain and read[2].recipe == job.recipe and read[3].ensemble.is_file()


def test_a_face_is_cut_as_a_square_with_a_margin() -> None:
    photo = Image.fromarray(picture(200, 100))
    assert cut_face(photo, (40, 60, 60, 100)).size == (60, 60)  # 40 and a quarter of it on either side
    assert cut_face(photo, None).size == (100, 100)
    whole = np.asarray(photo)
    assert np.array_equal(np.asarray(cut_face(photo, (40, 60, 60, 100))), whole[50:110, 20:80])
    assert np.array_equal(np.asarray(cut_face(photo, None)), whole[50:150])


def test_stages_of_the_script_add_up_to_it() -> None:
    stages = {"prediction_wall": 10.0, "prediction_cpu": 15.0, "prediction_search": 12.0, "search": 60.0}
    split = split_stages(50.0, 90.0, stages)
    assert split["wall"] == {"faces": 0, "training": 40, "prediction": 10}
    assert split["cpu"] == {"faces": 60, "training": 27, "prediction": 3}


def test_cpu_time_is_that_of_processes_below_too() -> None:
    burn = "import time\nwhile time.process_time() < .2: pass"
    start = f"subprocess.run([sys.executable, '-S', '-c', {burn!r}])"
    _, cpu = race._timed(["timeit", "-n1", "-r1", "-s", "import subprocess, sys", start])
    assert cpu >= 0.2
    with pytest.raises(OSError, match="python -m no_such_module: ended with exit code 1"):
        race._timed(["no_such_module"])


def turn(way: str, wall: float, cpu: float) -> Turn:
    def split(whole: float) -> dict[str, float]:
        return {"faces": 0.0, "training": whole - 1, "prediction": 1.0}

    return Turn(way=way, wall=split(wall), cpu=split(cpu), macro_f1=0.5, accuracy=0.625)


def test_ratios_are_of_medians_and_the_report_has_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [turn(TEAMS, 80, 100), turn(OURS, 10, 12), turn(OURS, 30, 28), turn(TEAMS, 120, 200)]
    assert ratios(turns) == {"wall": 5.0, "cpu": 7.5}
    write_results(tmp_path / "whole.json", turns, {"people": 60})
    report = json.loads((tmp_path / "whole.json").read_text())
    assert report["ratios"] == {"wall": 5.0, "cpu": 7.5} and len(report["turns"]) == 4
    assert report["turns"][0]["wall"] == {"faces": 0, "training": 79, "prediction": 1}
    assert (tmp_path / "whole.png").stat().st_size > 1000
    assert "5.0 times as long, 7.5 times the CPU time" in capsys.readouterr().out


def test_turns_change_who_comes_first(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "WAYS", {way: lambda _, folder, way=way: (way, folder) for way in race.WAYS})
    done = run_turns(job, tmp_path, 3, lambda _: None)
    assert [way for way, _ in done] == [TEAMS, OURS, OURS, TEAMS, TEAMS, OURS]
    assert len({folder for _, folder in done}) == 6


def test_a_submission_is_scored_and_must_answer_what_was_asked(tmp_path: Path) -> None:
    truth = pd.DataFrame({"ImageID": ["a", "b", "c"], "ans": [0, 1, 1]})
    stages = {"wall": {"faces": 1.0}, "cpu": {"faces": 1.0}}
    path = tmp_path / "submission.csv"
    pd.DataFrame({"ImageID": ["c", "a", "b"], "ans": [1, 0, 0]}).to_csv(path, index=False)
    found = turn_of(OURS, **stages, submission=path, truth=truth)
    assert found.accuracy == pytest.approx(2 / 3) and found.macro_f1 == pytest.approx(2 / 3)
    pd.DataFrame({"ImageID": ["c", "a"], "ans": [1, 0]}).to_csv(path, index=False)
    with pytest.raises(ValueError, match="answers other photos than were asked for"):
        turn_of(OURS, **stages, submission=path, truth=truth)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (replace(RECIPE, mixing=Mixing(name="mixup")), "mixing: the script"),
        (replace(RECIPE, sampler=Sampling(name="class_balanced")), "sampler: the script"),
        (replace(RECIPE, optimiser=Optimiser(accumulate=2)), "optimiser.accumulate: the script"),
        (replace(RECIPE, augment="randaugment"), "augment: the script"),
        (replace(RECIPE, tasks=("mask", "gender")), "do not tell mask, gender and age"),
    ],
)
def test_recipes_that_only_the_product_can_follow_are_refused(recipe: Recipe, message: str) -> None:
    check_plain(replace(RECIPE, augment="strong"), Path("x.toml"))
    with pytest.raises(ValueError, match=message):
        check_plain(recipe, Path("x.toml"))


def test_bad_settings_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="folds must be at least 2, got 1"):
        BenchWholeSettings(folds=1)
    with pytest.raises(ValueError, match="name a folder with labels"):
        lay_out(tmp_path, 20, tmp_path / "made")


@pytest.mark.slow
def test_bench_does_both_ways_for_real(tmp_path: Path) -> None:
    write_toml(RECIPE, tmp_path / "net.toml")
    data = contest(tmp_path / "labelled", 12)
    out = tmp_path / "made" / "whole.json"
    bench(BenchWholeSettings(recipe=tmp_path / "net.toml", data=data, people=12, out=out))
    report = json.loads(out.read_text())
    assert [each["way"] for each in report["turns"]] == [TEAMS, OURS]
    for each in report["turns"]:
        assert all(each["cpu"][stage] > 0 for stage in race.STAGES) and 0 <= each["macro_f1"] <= 1
    assert report["conditions"]["held-back photos"] == 4 * 7
