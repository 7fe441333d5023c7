"""Metadata of an exported model, and whether photos can be cropped for it outside of FaceFold."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

from faces.cache.crops import crop_differences
from faces.cache.description import file_sha256
from faces.labelling.kept import stored_labels
from infer.export.network import Exported, described_outputs
from infer.export.program.description import FORMAT, RULES
from infer.predict.runs import CROP_FREE, Run

DESCRIPTION, DETECTOR = "facefold", "facefold_detector"
"""Keys of the ONNX file's metadata: JSON, and JSON from network to the base64 of an ONNX file."""
HONOURED = {"align": False, "background": "keep", "sharpen": 0.0}
"""The only values of these crop settings that the predictor can follow."""
BEYOND = {"border": "repeat"}
"""The same of crops that may reach beyond the photo."""
NEEDED = ("size", "margin", "min_face", "detect_size")
"""Crop settings that the predictor reads where it searches faces."""


def describe(
    model: Exported, runs: Sequence[Run], views: Sequence[str], ensemble: Mapping[str, Any] | None
) -> str:
    """The JSON of the key `facefold`: `format`, and

    - `inputs`: in order, `name`, `size` (pixels) and `centre` (share of the crop's side that is shown);
    - `outputs`: those of probabilities, `name`, `task`, `classes` and `factors`, the values of each factor of
      the task by its name, in the order of class = (mask * 2 + gender) * 3 + age, so of any factors; of a
      vote also `choice`, the output that holds the class voted for;
    - `labels`: the factors that the runs were trained on, where they are not those of the contest;
    - `drawn`: true where some of the training photos show drawn people;
    - `crop`: how the faces of training were cropped; `views`; `ensemble`: its TOML, "" of a single run;
    - `runs`: sha256 of each member's best.safetensors by `<recipe>/fold<k>`.
    """
    labels = stored_labels(model.labels)
    return json.dumps(
        {
            "format": FORMAT,
            "inputs": [
                {"name": each.name, "size": each.size, "centre": each.centre} for each in model.inputs
            ],
            "outputs": described_outputs(model),
            **({"labels": labels} if labels else {}),
            **({"drawn": True} if any(run.card.drawn for run in runs) else {}),
            "crop": dict(runs[0].card.crop),
            "views": list(views),
            "ensemble": tomli_w.dumps(ensemble) if ensemble else "",
            "runs": {run.name: file_sha256(run.path) for run in runs},
        }
    )


def describe_detector(networks: Mapping[str, bytes]) -> str:
    """The JSON of the key `facefold_detector`."""
    return json.dumps({name: base64.b64encode(data).decode() for name, data in networks.items()})


def check_same_crops(runs: Sequence[Run]) -> None:
    """Refuse runs whose training faces were cropped differently: a photo is cropped once, for all.

    Raises:
        ValueError: naming two runs, and each setting with both values.
    """
    first = runs[0]
    for run in runs[1:]:
        words = (f"in {first.name}", f"in {run.name}")
        differing = crop_differences(first.card.crop, run.card.crop, CROP_FREE, words)
        if differing:
            raise ValueError(
                f"runs {first.name} and {run.name} were trained on faces that were cropped differently "
                f"({'; '.join(differing)}): export them apart, or train them on one cache"
            )


def check_predictor(run: Run) -> None:
    """Refuse what the single-file predictor cannot do as preprocessing does it.

    Raises:
        ValueError: naming each setting, and the cure.
    """
    crop = run.card.crop
    searched = crop.get("faces") != "as_is"
    beyond = searched and not crop.get("clamp")  # older runs have no such setting, and did not clamp
    followed = {**(BEYOND if beyond else {}), **HONOURED, **RULES}
    wrong = [
        f"{key}={crop.get(key)!r} (it does {value!r})"
        for key, value in followed.items()
        if crop.get(key, value) != value
    ]
    wrong += [f"no {key}" for key in (NEEDED if searched else ("size",)) if key not in crop]
    if searched and "mtcnn" not in crop.get("steps", ()):
        wrong.append(f"steps={list(crop.get('steps', ()))} (it does mtcnn)")
    if wrong:
        raise ValueError(
            f"run {run.name} was trained on faces cropped as predict.py cannot: {', '.join(wrong)}. Train it "
            "on a cache without these settings, or export the networks alone with --no-predictor and give "
            "them crops of `make preprocess`"
        )
