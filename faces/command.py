"""Settings as frozen dataclasses, from TOML files and the command line, judged by one parser (tyro)."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import errno
import inspect
import io
import os
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
import tyro

T = TypeVar("T")


def read_toml(kind: type[T], path: Path) -> T:
    """Read a settings file.

    Args:
        kind: a frozen keyword-only dataclass, at most two levels deep.
        path: the TOML file; each table is a field that is itself a dataclass.

    Raises:
        ValueError: not TOML, an unknown key (the nearest known one is named), or a value that does not fit.
    """
    return from_table(kind, load_toml(path), path)


def load_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a table, whatever its keys.

    Raises:
        ValueError: no such file, or not TOML.
    """
    if not path.is_file():
        beside = ", ".join(sorted(str(p) for p in path.parent.glob("*.toml"))) or "no .toml file is there"
        raise ValueError(f"{path}: no such file; there are: {beside}")
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not TOML: {error}") from error


def from_table(kind: type[T], table: Mapping[str, Any], path: Path) -> T:
    """A settings dataclass from a parsed TOML or JSON table; `path` is named in errors as in `read_toml`."""
    check_keys(kind, table, path)
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(complaint):
            return tyro.cli(kind, args=_arguments(table), prog=str(path))
    except SystemExit as error:
        raise ValueError(f"{path}: {_first_block(complaint.getvalue())}") from error


def to_table(settings: Any) -> dict[str, Any]:
    """A settings dataclass as a TOML and JSON table: paths as text, None left out."""
    return {key: _plain(value) for key, value in dataclasses.asdict(settings).items() if value is not None}


def flat_table(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= flat_table(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def write_toml(settings: Any, path: Path) -> None:
    """Write a settings dataclass so that `read_toml` gives it back."""
    path.write_text(tomli_w.dumps(to_table(settings)))


def run_command(kind: type[T], action: Callable[[T], object], more: str = "") -> None:
    """Parse the command line into `kind` and act on it; a user's mistake ends in one line, not a trace.

    `FACEFOLD_TRACE=1` shows the trace too. `more` is shown by `--help`, below the description of `kind`.
    """
    main = sys.modules["__main__"].__spec__
    prog = f"python -m {main.name.removesuffix('.__main__')}" if main else None
    settings = tyro.cli(kind, prog=prog, description=f"{inspect.getdoc(kind)}\n\n{more}")
    try:
        action(settings)
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
    except (ValueError, OSError) as error:
        if os.environ.get("FACEFOLD_TRACE"):
            raise
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "; make room, and the same command goes on from here" if full else ""
        print(f"error: {error}{hint}", file=sys.stderr)
        sys.exit(2)


def nearest(name: str, known: Mapping[str, Any] | list[str] | tuple[str, ...]) -> str:
    """The end of an error message: ` (did you mean 'x'?)`, or the known names when none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def check_keys(kind: Any, table: Mapping[str, Any], path: Path, prefix: str = "") -> None:
    """Refuse a key that is no field of `kind` or its tables, as `read_toml` does; values are not judged."""
    hints = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in table.items():
        if key not in hints:
            raise ValueError(f"{path}: unknown setting {prefix + key!r}: {nearest(key, list(hints))}")
        default = hints[key].default
        if dataclasses.is_dataclass(default) and not isinstance(value, dict):
            raise ValueError(f"{path}: {prefix + key!r} is a table, not one value")
        if isinstance(value, dict):
            if not dataclasses.is_dataclass(default):
                raise ValueError(f"{path}: {prefix + key!r} is one value, not a table")
            check_keys(type(default), value, path, f"{prefix}{key}.")


def _arguments(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    """A TOML table as the command line that says the same."""
    arguments: list[str] = []
    for key, value in table.items():
        name = prefix + key.replace("_", "-")
        if isinstance(value, dict):
            arguments += _arguments(value, f"{name}.")
        elif isinstance(value, bool):
            head, _, tail = name.rpartition(".")
            arguments.append(f"--{name}" if value else f"--{head}{'.' if head else ''}no-{tail}")
        elif isinstance(value, list):
            arguments += [f"--{name}", *map(str, value)]
        else:
            arguments.append(f"--{name}={value}")
    return arguments


def _first_block(text: str) -> str:
    """What tyro complains of, without its frame and its hint at --help."""
    blocks = re.split(r"-{5,}", text)
    return " ".join((blocks[1] if len(blocks) > 1 else text).split()).replace("--", "")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
