"""Whether the settings of two caches cut faces alike, and what cuts them alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from faces.command import typed


def crop_differences(
    one: Mapping[str, Any], other: Mapping[str, Any], free: Collection[str], words: tuple[str, str]
) -> list[str]:
    """Where two caches' settings cut the same face of the same photo differently, in words.

    Args:
        one: settings of cache.json, as runs keep them too.
        other: those to compare.
        free: settings that make no difference here, beside how many faces of a photo are wanted.
        words: said of a value of one and of the other: there, here.
    """
    first, second = _with_defaults(one), _with_defaults(other)
    keys = {*first, *second}
    if first["faces"] != second["faces"]:  # what is taken as it is has no settings of a search
        keys = {*first} & {*second}
    return [
        f"{key}: {first.get(key)!r} {words[0]}, {second.get(key)!r} {words[1]}"
        for key in sorted(keys - {*free, "every_face"})
        if first.get(key) != second.get(key)
    ]


def crop_cure(wanted: Mapping[str, Any], other: Mapping[str, Any], free: Collection[str]) -> str:
    """What makes `make preprocess` cut faces as settings of cache.json say, where others differ from them.

    No option tells the program's own rules or the weights of a matting model.
    """
    first, second = _with_defaults(wanted), _with_defaults(other)
    fixed = ("rules", "detection_rules", "matting_sha256")
    if any(first[key] != second[key] for key in fixed if key in first and key in second):
        return "the program and the models that were used there"
    options = []
    for key, value in first.items():
        name = key.replace("_", "-")
        if value == second.get(key) or key in (*free, *fixed, "every_face"):
            continue
        if key == "yunet_sha256":
            options += ["--yunet", "MODEL.onnx"]
        elif isinstance(value, bool):
            options.append(f"--{name}" if value else f"--no-{name}")
        else:
            values = value if isinstance(value, list | tuple) else [value]
            options += [f"--{name}", *map(str, values)]
    return f"ARGS={typed(options)}"


def _with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What was done before there were settings for it, or is done where they are not noted."""
    return {"clamp": False, "faces": "best", **settings}
