import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from faces.cache.reader import Cache
from faces.labelling.kept import labels_stored
from faces.labels import AGE_BANDS, CLASS_NAMES, CONTEST, GENDERS, MASKS, TASKS, FloatArray
from infer.ensemble import vote
from infer.ensemble.tree import Compose, Leaf
from infer.export.command import ExportSettings, run
from infer.export.metadata import check_predictor
from infer.export.network import Exported, described_outputs
from infer.export.onnx import OnnxModel
from infer.export.subject import subject_of_run
from infer.predict.networks import form_of
from infer.predict.passes import predict_runs
from infer.predict.runs import Run, find_runs
from pipeline.formats import MultiFormatLoader
from preprocess.settings import PreprocessSettings
from tests.helpers.own_labels import OWN
from tests.helpers.runs.untrained_runs import CROP, write_run
from train.engine.checkpoint import load_best
from train.engine.compute import PredictCompute
from train.recipe.data import Age
from train.recipe.recipe import Recipe

SMALL = Recipe(tasks=("class18",), backbone="test_vit", image_size=32, precision="fp32", epochs=1)
RECIPES = {
    "vit": dataclasses.replace(SMALL, image_size=48, centre=0.75),
    "ten": dataclasses.replace(
        SMALL,
        tasks=("mask", "gender", "age3", "senior"),
        backbone="test_resnet",
        age=Age(coding="years", sigma=3.0),
    ),
    "mobile": dataclasses.replace(
        SMALL, tasks=("mask_gender", "age6"), backbone="test_resnet", age=Age(coding="ordinal")
    ),
}
ENSEMBLE = """
about = "one of everything"
views = ["original", "flip", "crops", "scales", "light"]
views_rule = "log"
vote = [
    "vit",
    { vote = ["ten", "mobile"], rule = "log", weights = [2, 1], temperature = 1.5 },
    { override = { base = "mobile", by = "ten", OVERRIDE } },
]
rule = "hard"
weights = [2, 2, 3]
"""
ENSEMBLE = ENSEMBLE.replace(
    "OVERRIDE",
    'task = "senior", category = ">=60", above = 0.4, where = { age = ["30-59", ">=60"] }',
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each recipe."""
    folder = tmp_path_factory.mktemp("runs")
    for name, recipe in RECIPES.items():
        write_run(folder / name, recipe, seed=len(name))
    return folder


@pytest.fixture(scope="module")
def exported(runs: Path, coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ensemble of all of them, exported without the predictor."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "all.toml").write_text(ENSEMBLE)
    run(
        ExportSettings(
            ensemble=folder / "all.toml",
            runs=runs,
            out=folder / "out",
            predictor=False,
            cache=coloured.folder,
        )
    )
    return folder / "out"


def levels_seen(cache: Cache, rows: np.ndarray, runs: Sequence[Run]) -> dict[str, FloatArray]:
    """What the networks see of crops, as grey levels, for each input of the export."""
    forms = list(dict.fromkeys(form_of(run.card) for run in runs))
    [(images, _)] = MultiFormatLoader(cache, rows, forms, batch_size=len(rows)).batches()
    found = {}
    for form, seen in zip(forms, images, strict=True):
        scaling = [255 * torch.tensor(values)[:, None, None] for values in (form.std, form.mean)]
        name = f"faces_{form.image_size}" + ("_centre_0_75" if form.centre == 0.75 else "")
        found[name] = (seen * scaling[0] + scaling[1]).round().contiguous().numpy()
    return found


@pytest.mark.slow
def test_the_onnx_file_answers_as_the_ensemble_does(exported: Path, runs: Path, coloured: Cache) -> None:
    from infer.ensemble.file import read_ensemble

    ensemble = read_ensemble(exported.parent / "all.toml")
    found = find_runs(list(RECIPES), runs)
    members = [run for folds in found.values() for run in folds]
    rows = np.arange(0, len(coloured), 3)
    compute = PredictCompute(device="cpu", threads=1, batch_size=8)
    answered = predict_runs(members, coloured, rows, ensemble.views, compute, rule="log")
    panels: dict[str, list[dict[str, FloatArray]]] = {}
    for member, heads in zip(members, answered, strict=True):
        panels.setdefault(member.name.split("/")[0], []).append(heads)
    verdict = vote.count_votes(ensemble.root, panels, "class18", CONTEST)
    model = OnnxModel(exported / "model.onnx", threads=1)
    assert model.sizes == {"faces_32": 32, "faces_48_centre_0_75": 48}
    answers = model(levels_seen(coloured, rows, members))
    np.testing.assert_allclose(answers["probabilities"], verdict.probabilities, atol=1e-4)
    np.testing.assert_array_equal(answers["choice"], verdict.classes)
    assert len({*verdict.classes}) > 2, "the photos should not all be alike"
    assert (verdict.classes != verdict.probabilities.argmax(1)).any(), (
        "a hard vote and a soft one should differ"
    )


@pytest.mark.slow
def test_the_file_describes_what_it_is_made_of(exported: Path, runs: Path) -> None:
    import hashlib

    from infer.ensemble.file import read_ensemble

    description = json.loads(OnnxModel(exported / "model.onnx").metadata["facefold"])
    assert description["inputs"] == [
        {"name": "faces_32", "size": 32, "centre": 1.0},
        {"name": "faces_48_centre_0_75", "size": 48, "centre": 0.75},
    ]
    [output] = description["outputs"]
    assert output["classes"] == [*CLASS_NAMES]
    assert output["choice"] == "choice"
    assert output["factors"] == {"mask": [*MASKS], "gender": [*GENDERS], "age": [*AGE_BANDS]}
    assert "labels" not in description
    assert description["crop"] == CROP
    assert description["views"] == ["original", "flip", "crops", "scales", "light"]
    assert description["runs"] == {
        f"{path.parent.parent.name}/{path.parent.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in runs.glob("*/*/best.safetensors")
    }
    (exported.parent / "again.toml").write_text(description["ensemble"])
    again, first = (read_ensemble(exported.parent / name) for name in ("again.toml", "all.toml"))
    assert (again.root, again.views) == (first.root, first.views)
    assert not (exported / "predict.py").exists()


@pytest.mark.slow
def test_a_run_of_some_heads_has_an_output_for_each(runs: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(SMALL, tasks=("mask", "age[20, 40]"), backbone="test_resnet")
    path = write_run(tmp_path / "some", recipe)
    run(ExportSettings(run=path.parent, out=tmp_path / "out", predictor=False))
    model = OnnxModel(tmp_path / "out" / "model.onnx", threads=1)
    answers = model({"faces_32": np.full((3, 3, 32, 32), 99, np.float32)})
    assert {task: values.shape for task, values in answers.items()} == {
        "mask": (3, 3),
        "age[20, 40]": (3, 3),
    }
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    mask, age = program(torch.full((3, 3, 32, 32), 99.0))
    np.testing.assert_allclose(mask.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(age.detach(), answers["age[20, 40]"], atol=1e-5)
    outputs = json.loads(model.metadata["facefold"])["outputs"]
    assert [output["factors"] for output in outputs] == [
        {"mask": [*MASKS]},
        {"age[20, 40]": ["<20", "20-39", ">=40"]},
    ]


@pytest.mark.parametrize(
    ("tasks", "space", "factors"),
    [
        (("mask", "age6"), "mask*age", {"mask": [*MASKS], "age": [*AGE_BANDS]}),
        (("senior",), "senior", {"senior": ["30-59", ">=60"]}),
    ],
)
def test_a_run_answers_as_an_ensemble_of_it_alone(
    tmp_path: Path, tasks: tuple[str, ...], space: str, factors: dict[str, list[str]]
) -> None:
    path = write_run(tmp_path / "some", dataclasses.replace(SMALL, tasks=tasks, backbone="test_resnet"))
    subject = subject_of_run(path.parent, ("original",))
    model = Exported(subject.members, subject.views, subject.root, subject.task, subject.labels, "log")
    [output] = described_outputs(model)
    assert (output["task"], output["choice"]) == (space, "choice")
    assert output["factors"] == {name: tuple(values) for name, values in factors.items()}


@pytest.mark.slow
def test_factors_of_other_labels_are_in_the_file(tmp_path: Path) -> None:
    recipe = dataclasses.replace(SMALL, tasks=("years", "glasses"), backbone="test_resnet")
    write_run(tmp_path / "runs" / "own", recipe, labels=OWN)
    (tmp_path / "two.toml").write_text('vote = ["own"]\n')
    run(
        ExportSettings(
            ensemble=tmp_path / "two.toml", runs=tmp_path / "runs", out=tmp_path / "out", predictor=False
        )
    )
    description = json.loads(OnnxModel(tmp_path / "out" / "model.onnx").metadata["facefold"])
    [output] = description["outputs"]
    assert output["task"] == "glasses*years"
    assert output["classes"] == ["yes <40", "yes >=40", "no <40", "no >=40"]
    assert output["factors"] == {"glasses": ["yes", "no"], "years": ["<40", ">=40"]}
    assert labels_stored(description["labels"], "").factors == OWN.factors


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"align": True}, r"align=True \(it does False\).*--no-predictor"),
        ({"border": "blur", "sharpen": 1.0}, r"border='blur'.*sharpen=1\.0"),
        ({"background": "white"}, "background='white'"),
        ({"steps": ["yunet"]}, r"steps=\['yunet'\] \(it does mtcnn\)"),
        ({"rules": 3}, r"rules=3 \(it does 2\)"),
        ({"clamp": False, "border": "blur"}, r"border='blur' \(it does 'repeat'\)"),
        ({"faces": "as_is", "background": "white"}, "background='white'"),
    ],
)
def test_faces_that_the_predictor_cannot_crop_are_refused(
    tmp_path: Path, changed: dict[str, object], message: str
) -> None:
    path = write_run(tmp_path / "other", RECIPES["vit"], crop={**CROP, **changed})
    with pytest.raises(ValueError, match=message):
        run(ExportSettings(run=path.parent, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"faces": "all"},
        {"faces": "as_is", "border": "reflect"},
        {"border": "reflect"},
        {"clamp": False, "border": "repeat"},
    ],
)
def test_faces_as_stage_1_crops_them_by_itself_can_be_cropped(
    runs: Path, tmp_path: Path, changed: dict[str, Any]
) -> None:
    [some] = find_runs(["vit"], runs)["vit"]
    settings = PreprocessSettings(data=tmp_path / "data", cache=tmp_path / "cache", **changed)
    check_predictor(
        dataclasses.replace(some, card=dataclasses.replace(some.card, crop=settings.crop_settings()))
    )


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that do not go together."""
    folder = tmp_path_factory.mktemp("unlike")
    tiny = dataclasses.replace(SMALL, backbone="test_resnet")
    write_run(folder / "whole", tiny)
    write_run(folder / "wide", tiny, crop={**CROP, "margin": 0.5})
    for fold in range(3):
        write_run(folder / "half", dataclasses.replace(tiny, tasks=("mask",)), fold=fold)
        write_run(folder / "rest", dataclasses.replace(tiny, tasks=("gender", "age3")), fold=fold)
    for fold in range(2):
        write_run(folder / "short", dataclasses.replace(tiny, tasks=("gender",)), fold=fold)
    return folder


@pytest.mark.slow
def test_each_fold_has_its_voice(unlike: Path) -> None:
    root = Compose(parts=(("mask", Leaf("half")), ("gender", Leaf("rest")), ("age3", Leaf("rest"))))
    found = find_runs(["half", "rest"], unlike)
    images = 255 * torch.rand(9, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    panels: dict[str, list[dict[str, FloatArray]]] = {}
    with torch.inference_mode():
        for recipe, folds in found.items():
            for fold in folds:
                network, card = load_best(fold.path)
                mean, std = (torch.tensor(v)[:, None, None] for v in dataclasses.astuple(card.normalisation))
                outputs = network((images / 255 - mean) / std)
                heads = {task: outputs[task].softmax(1).numpy() for task in card.recipe.tasks}
                panels.setdefault(recipe, []).append(heads)
        probabilities, choice = Exported(found, ("original",), root, TASKS["class18"], CONTEST)(images)
    verdict = vote.count_votes(root, panels, "class18", CONTEST)
    np.testing.assert_allclose(probabilities, verdict.probabilities, atol=1e-5)
    np.testing.assert_array_equal(choice, verdict.classes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'vote = ["whole"]\nrule = "rank"',
            r'ensemble bad: rule = "rank" .*on the other photos.*"soft"',
        ),
        ('vote = ["whole", { vote = ["wide"], rule = "rank" }]', "depends on the other photos"),
        ('vote = ["whole", "half"]', "'half' was trained on mask, but is asked for class18"),
        (
            'vote = ["whole", "wide"]',
            r"runs whole/fold0 and wide/fold0 .*\(margin: 0\.25 in whole/fold0, 0\.5 in wide/fold0\)",
        ),
        ('compose = { mask = "half", gender = "short", age3 = "rest" }', "have 3, 2, 3 folds"),
    ],
)
def test_ensembles_that_cannot_be_exported_are_refused(
    unlike: Path, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        run(ExportSettings(ensemble=tmp_path / "bad.toml", runs=unlike, out=tmp_path / "out"))
    assert not (tmp_path / "out" / "model.onnx").exists()


def test_a_run_or_an_ensemble_is_needed() -> None:
    for given in ({}, {"run": Path("x"), "ensemble": Path("y.toml")}):
        with pytest.raises(ValueError, match=r"either --run .* or --ensemble"):
            ExportSettings(**given)  # type: ignore[arg-type]
