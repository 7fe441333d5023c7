import dataclasses
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from faces.cache.reader import Cache
from faces.files import exclusive
from faces.labels import CLASS_NAMES, CONTEST, TASKS
from infer import command as infer_command
from infer.answers import score
from infer.answers.known import read_truth
from infer.command import InferSettings
from tests.helpers.runs.undrawn import undrawn
from train.assemble import FoldPlan
from train.engine.checkpoint import load_best
from train.engine.compute import PredictCompute
from train.engine.watch import Watch
from train.fold import train_fold
from train.recipe.recipe import Recipe

RECIPE = Recipe(
    tasks=("mask", "gender", "age3"),
    backbone="test_resnet",
    image_size=32,
    epochs=2,
    batch_size=16,
    precision="fp32",
)


@pytest.fixture(scope="session")
def runs(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of a three-head recipe and one fold of a mask-only one."""
    folder = tmp_path_factory.mktemp("runs")
    wanted = [
        ("heads", 0, RECIPE),
        ("heads", 1, RECIPE),
        ("only_mask", 0, dataclasses.replace(RECIPE, tasks=("mask",))),
    ]
    for name, fold, recipe in wanted:
        place = folder / name / f"fold{fold}"
        plan = FoldPlan(
            recipe=recipe,
            cache=coloured,
            fold=fold,
            folds=3,
            fold_seed=0,
            folder=place,
            device="cpu",
            threads=1,
        )
        with undrawn():
            train_fold(plan, Watch())
    return folder


def settings(folder: Path, cache: Cache, runs: Path, text: str) -> InferSettings:
    ensemble = folder / "vote.toml"
    ensemble.write_text(text)
    return InferSettings(
        ensemble=ensemble,
        cache=cache.folder,
        runs=runs,
        predictions=folder / "predictions",
        compute=PredictCompute(device="cpu", batch_size=8),
    )


def pixels_as_the_network_sees(cache: Cache, position: int, path: Path) -> torch.Tensor:
    from PIL import Image

    [row] = np.flatnonzero(cache.index.position == position)
    image = Image.fromarray(cache.image(int(row))).resize((32, 32), Image.Resampling.BILINEAR)
    scaling = load_best(path)[1].normalisation
    values = torch.from_numpy(np.asarray(image, np.float32) / 255)
    return ((values - torch.tensor(scaling.mean)) / torch.tensor(scaling.std)).permute(2, 0, 1)[None]


@pytest.mark.parametrize("rule", ["soft", pytest.param("hard", marks=pytest.mark.slow)])
def test_every_photo_is_answered_in_the_order_of_its_source(
    unseen: Cache, runs: Path, tmp_path: Path, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    infer_command.run(settings(tmp_path, unseen, runs, f'vote = ["heads"]\nrule = "{rule}"'))
    folder = tmp_path / "predictions" / "vote"
    submission = pd.read_csv(folder / "submission.csv")
    assert [*submission.columns] == ["ImageID", "ans"]
    assert [*submission.ImageID] == [f"{position}.jpg" for position in range(14)]
    assert submission.ans.between(0, 17).all()
    table = pd.read_parquet(folder / "probabilities.parquet")
    np.testing.assert_allclose(table[[*CLASS_NAMES]].sum(1), 1, atol=1e-5)
    assert [*table.answered_by] == ["fallback crop" if p == 3 else "face crop" for p in range(12)] + [
        "training prior"
    ] * 2
    prior = table[[*CLASS_NAMES]].iloc[-1]
    assert submission.ans.iloc[-1] == prior.argmax()
    assert "commonest training class: 2 (12.jpg, 13.jpg)" in capsys.readouterr().out
    assert (folder / "gallery.png").is_file()


@pytest.mark.usefixtures("no_pictures")
def test_probabilities_are_the_mean_over_runs_and_views(unseen: Cache, runs: Path, tmp_path: Path) -> None:
    infer_command.run(settings(tmp_path, unseen, runs, 'vote = ["heads"]'))
    table = pd.read_parquet(tmp_path / "predictions" / "vote" / "probabilities.parquet")
    for position in (0, 5, 11):
        joints = []
        for fold in (0, 1):
            path = runs / "heads" / f"fold{fold}" / "best.safetensors"
            network, _ = load_best(path)
            image = pixels_as_the_network_sees(unseen, position, path)
            with torch.inference_mode():
                looks = [[*network(view).values()] for view in (image, image.flip(3))]
            mask, gender, age = (
                torch.stack([look[k].softmax(1) for look in looks]).mean(0)[0] for k in range(3)
            )
            joints.append(torch.einsum("m,g,a->mga", mask, gender, age).flatten())
        expected = torch.stack(joints).mean(0).numpy()
        np.testing.assert_allclose(table[[*CLASS_NAMES]].iloc[position], expected, atol=0.02)


@pytest.mark.usefixtures("no_pictures")
def test_batch_size_changes_no_answer(unseen: Cache, runs: Path, tmp_path: Path) -> None:
    tables = []
    for size in (1, 8):
        for kept in runs.glob("*/*/predicted"):
            shutil.rmtree(kept)
        wanted = settings(tmp_path, unseen, runs, 'vote = ["heads"]')
        compute = PredictCompute(device="cpu", batch_size=size)
        infer_command.run(dataclasses.replace(wanted, compute=compute, predictions=tmp_path / str(size)))
        tables.append(pd.read_parquet(tmp_path / str(size) / "vote" / "probabilities.parquet"))
    for table in tables[1:]:
        np.testing.assert_allclose(table[[*CLASS_NAMES]], tables[0][[*CLASS_NAMES]], atol=1e-5)


@pytest.mark.usefixtures("no_pictures")
def test_answers_are_kept_until_what_they_follow_from_changes(
    unseen: Cache, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submission = tmp_path / "predictions" / "vote" / "submission.csv"
    infer_command.run(settings(tmp_path, unseen, runs, 'vote = ["heads"]'))
    first = submission.stat().st_mtime_ns
    infer_command.run(settings(tmp_path, unseen, runs, 'vote = ["heads"]'))
    assert "nothing to do" in capsys.readouterr().out
    assert submission.stat().st_mtime_ns == first
    infer_command.run(settings(tmp_path, unseen, runs, 'vote = ["heads"]\nrule = "hard"'))
    assert "nothing to do" not in capsys.readouterr().out
    assert submission.stat().st_mtime_ns > first


@pytest.mark.usefixtures("no_pictures")
def test_answers_of_another_cache_are_never_replaced(
    unseen: Cache,
    runs: Path,
    tmp_path: Path,
    make_cache: Callable[..., Cache],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "predictions" / "vote"
    first = settings(tmp_path, unseen, runs, 'vote = ["only_mask"]')
    infer_command.run(first)
    answers = {path: path.read_bytes() for path in folder.iterdir()}
    other = make_cache("other", people=2, labelled=False)
    wanted = dataclasses.replace(first, cache=other.folder)
    said = rf"^{folder}: holds the answers of another cache \({unseen.folder}, {unseen.identity[:12]}\)"
    with pytest.raises(
        ValueError, match=said + rf".*{other.folder}.*PREDICTIONS={tmp_path}/predictions/other"
    ):
        infer_command.run(wanted)
    assert {path: path.read_bytes() for path in folder.iterdir()} == answers
    infer_command.run(dataclasses.replace(wanted, predictions=tmp_path / "predictions" / "other"))
    assert len(pd.read_csv(tmp_path / "predictions" / "other" / "vote" / "answers.csv")) == 6
    # The same photos by other runs are the newer answer, and what it replaces is said.
    capsys.readouterr()
    infer_command.run(settings(tmp_path, unseen, runs, 'vote = ["heads"]'))
    assert (
        f"{folder}: replacing the answers of 1 runs to these photos (heads/fold0 is new, heads/fold1 is new, "
        "only_mask/fold0 votes no more)" in capsys.readouterr().out
    )


def test_two_cannot_answer_into_one_folder(unseen: Cache, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "predictions" / "vote"
    with exclusive(folder), pytest.raises(ValueError, match=rf"^{folder}: another process is answering into"):
        infer_command.run(settings(tmp_path, unseen, runs, 'vote = ["heads"]'))
    assert not [*folder.iterdir()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'vote = ["head"]',
            r"member 'head': no trained fold .*did you mean 'heads'.*make train-all",
        ),
        (
            'vote = ["heads", "only_mask"]',
            r"ensemble vote: member 'only_mask' was trained on mask, but is asked for class18",
        ),
        ('vote = ["heads", "heads"]', "named twice"),
        ('vote = ["heads"]\nrules = "soft"', r"vote\.toml: unknown setting 'rules': did you mean 'rule'"),
        ('vote = ["heads"]\nviews = ["mirror"]', "mirror"),
    ],
)
def test_ensembles_that_cannot_be(unseen: Cache, runs: Path, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        infer_command.run(settings(tmp_path, unseen, runs, text))
    assert not (tmp_path / "predictions").exists()


def test_photos_cropped_unlike_those_of_training_are_refused(
    runs: Path, tmp_path: Path, make_cache: Callable[..., Cache]
) -> None:
    wide = make_cache(people=4, labelled=False, margin=0.5, shard_size=99)
    message = r"cropped differently.*\(margin: 0.3 in training, 0.5 here\).*ARGS='--margin 0.3'$"
    with pytest.raises(ValueError, match=message):
        infer_command.run(settings(tmp_path, wide, runs, 'vote = ["heads"]'))


@pytest.mark.usefixtures("no_pictures")
def test_scoring_needs_the_very_photos(
    coloured: Cache, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    infer_command.run(settings(tmp_path, coloured, runs, 'vote = ["heads"]'))
    folder = tmp_path / "predictions" / "vote"
    truth = pd.DataFrame({"ImageID": coloured.index.image_id, "ans": coloured.labels("class18")})
    answers = tmp_path / "answers.csv"
    truth.to_csv(answers, index=False)
    score.run(score.ScoreSettings(predictions=folder, answers=answers, cache=coloured.folder))
    assert (folder / "score.png").is_file()
    assert re.search(r"one network, mean of \d", capsys.readouterr().out)
    given = pd.read_csv(folder / "submission.csv").merge(truth, on="ImageID", suffixes=("", "_true"))
    read = read_truth(answers, pd.read_parquet(folder / "probabilities.parquet"), TASKS["class18"], CONTEST)
    assert read.classes.tolist() == given.ans_true.tolist()
    truth.iloc[1:].to_csv(answers, index=False)
    with pytest.raises(ValueError, match=r"csv: 1 of the 72 photos have no row \("):
        score.run(score.ScoreSettings(predictions=folder, answers=answers, cache=coloured.folder))
    truth.rename(columns={"ans": "class"}).to_csv(answers, index=False)
    with pytest.raises(
        ValueError, match="no column 'ans', nor 'mask', 'gender', 'age'; it has ImageID, class"
    ):
        score.run(score.ScoreSettings(predictions=folder, answers=answers, cache=coloured.folder))


@pytest.mark.usefixtures("no_pictures")
def test_an_edited_answer_is_said_and_another_cache_is_refused(
    unseen: Cache,
    coloured: Cache,
    runs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted, folder = settings(tmp_path, unseen, runs, 'vote = ["heads"]'), tmp_path / "predictions" / "vote"
    infer_command.run(wanted)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "answers.csv").write_bytes(whole["answers.csv"].replace(b"female", b"male"))
    (folder / "basis.json").write_bytes(b"")
    capsys.readouterr()
    infer_command.run(wanted)
    said = capsys.readouterr().out
    assert f"replacing damaged answers to these photos ({folder}/basis.json: empty; answering anew)" in said
    (folder / "submission.csv").write_text("ImageID,ans\n0.jpg,1\n")
    infer_command.run(wanted)
    said = capsys.readouterr().out
    assert f"{folder}/submission.csv: not as `make infer` wrote it" in said and "nothing to do" not in said
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    # Without the basis nobody knows whose answers there are, unless their table says so.
    (folder / "basis.json").write_bytes(b"")
    (folder / "probabilities.parquet").unlink()
    with pytest.raises(ValueError, match=rf"basis.json: empty; give another folder.*, or move {folder} else"):
        infer_command.run(wanted)
    # Nor are unfinished answers of other photos replaced.
    (folder / "probabilities.parquet").write_bytes(whole["probabilities.parquet"])
    (folder / "basis.json").unlink()
    with pytest.raises(ValueError, match=rf"^{folder}: holds the answers of another cache \(no name noted"):
        infer_command.run(dataclasses.replace(wanted, cache=coloured.folder))
    capsys.readouterr()
    infer_command.run(wanted)
    assert f"replacing unfinished answers to these photos ({folder}/basis.json: no" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    answers = tmp_path / "answers.csv"
    pd.read_csv(folder / "submission.csv").to_csv(answers, index=False)
    with pytest.raises(ValueError, match=rf"not the cache whose photos {folder} answers"):
        score.run(score.ScoreSettings(predictions=folder, answers=answers, cache=coloured.folder))
