"""What a model says of itself, checked."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

from faces.storage.seal import MARK
from infer.export.program.detector import SCORES
from infer.export.program.sessions import AGAIN

FORMAT = 1
"""Version of the metadata of models that this program reads."""
RULES = {"rules": 2, "detection_rules": 1}
"""Versions of FaceFold's own rules for crops and detection that this program follows."""
SEAL = "facefold_seal"
"""Key of a model's metadata that holds its seal."""
MOST_SIDE = 10_000
"""Pixels of a side, in a model's metadata."""


def described(path: Path, session: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a model says of itself, and the networks of its detector.

    Raises:
        ValueError: it says nothing, something else than such models do, or what its network contradicts.
    """
    try:
        properties = session.get_modelmeta().custom_metadata_map
        told = json.loads(properties.get("facefold", "{}"))
        networks = {
            name: base64.b64decode(network, validate=True)
            for name, network in json.loads(properties.get("facefold_detector", "{}")).items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: its metadata are not readable ({error}); {AGAIN}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT or "facefold_detector" not in properties:
        raise ValueError(f"{path}: FaceFold exported no such model, with its detector, in format {FORMAT}")
    if SEAL in properties and not properties[SEAL].startswith(MARK.decode()):
        raise ValueError(f"{path}: edited or damaged, the sha256 in it is not marked as such; {AGAIN}")
    wrong = wrong_inputs(told.get("inputs"), session) or wrong_crop(told.get("crop"), networks)
    wrong = wrong or wrong_outputs(told.get("outputs"), session)
    if wrong:
        raise ValueError(f"{path}: its metadata are not those of an export: {wrong}; {AGAIN}")
    return told, networks


def wrong_inputs(inputs: Any, session: Any) -> str:
    """What is wrong with the description of a network's inputs, or ""."""
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        return "inputs: not a list of tables"
    taken = {each.name: each.shape for each in session.get_inputs()}
    if sorted(str(each.get("name")) for each in inputs) != sorted(taken):
        return f"inputs: their names are not those of its network ({', '.join(taken)})"
    for each in inputs:
        size, centre = each.get("size"), each.get("centre")
        if not is_side(size) or taken[each["name"]][1:] != [3, size, size]:
            return f"inputs: size {size!r} is not that of its network"
        if type(centre) not in (int, float) or not 0.1 <= centre <= 1:
            return f"inputs: centre {centre!r} is no share from 0.1 to 1"
    return ""


def wrong_crop(crop: Any, networks: dict[str, bytes]) -> str:
    """What is wrong with the settings of crops, or ""."""
    if not isinstance(crop, dict) or not is_side(crop.get("size")):
        return f"crop: no table with a size from 1 to {MOST_SIDE}"
    if crop.get("faces") == "as_is":
        return ""
    for name in ("min_face", "detect_size"):
        if not is_side(crop.get(name)):
            return f"crop.{name}: {crop.get(name)!r} is no whole number from 1 to {MOST_SIDE}"
    margin: Any = crop.get("margin")
    if type(margin) not in (int, float) or not 0 <= margin <= 10:
        return f"crop.margin: {margin!r} is no number from 0 to 10"
    if not isinstance(crop.get("steps"), list):
        return "crop.steps: not a list"
    if sorted(networks) != sorted(SCORES):
        return f"its detector has not the networks {', '.join(SCORES)}"
    return ""


def wrong_outputs(outputs: Any, session: Any) -> str:
    """What is wrong with the description of a network's outputs, or ""; one of before gets its factors."""
    if not isinstance(outputs, list) or not outputs or not all(isinstance(each, dict) for each in outputs):
        return "outputs: not a list of tables"
    given = {each.name: each.shape for each in session.get_outputs()}
    for output in outputs:
        name, choice = output.get("name"), output.get("choice")
        choices = [each for each, shape in given.items() if len(shape) == 1]
        if name not in [*given] or ("choice" in output and choice not in choices):
            return f"outputs: {name!r} with choice {choice!r} is none of its network's"
        # Models of before named no factors of a single head.
        factors = output.setdefault("factors", {str(output.get("task")): output.get("classes")})
        if not isinstance(factors, dict) or not all(map(is_names, factors.values())):
            return f"outputs: the factors of {name!r} are no lists of names"
        if given[name][1:] != [math.prod(map(len, factors.values()))]:
            return f"outputs: {name!r} has not as many classes as its network gives"
    return ""


def is_side(value: Any) -> bool:
    """Whether a value of the metadata is a number of pixels."""
    return type(value) is int and 1 <= value <= MOST_SIDE


def is_names(value: Any) -> bool:
    """Whether a value of the metadata is a list of names."""
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)
