"""Settings as frozen dataclasses, from TOML files and the command line."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import os
import shlex
import sys
import threading
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import tomli_w
import tyro

from faces.failures import complaint
from faces.files import settings_text, write_atomically
from faces.home import NOTE
from faces.remote.arguments import at_addresses
from faces.remote.stage import with_addresses
from faces.terminal.output import escaped_output, print_in_any_locale, print_notes
from faces.typed import convert, is_open, tables_in

T = TypeVar("T")
_MOST_LISTED = 30
"""Names in one error message."""
_DEEPEST = 16
"""Tables within tables of a file; recipes have four."""


def read_toml(kind: type[T], path: Path) -> T:
    """Read a settings file.

    Args:
        kind: a frozen keyword-only dataclass; see `faces.typed.convert`.
        path: the TOML file; each table is a field that is itself a dataclass.

    Raises:
        ValueError: not TOML, an unknown key (the nearest known one is named), or a value that does not fit.
    """
    return from_table(kind, load_toml(path), path)


def load_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a table, whatever its keys.

    Raises:
        ValueError: no such file (the nearest names are given), not TOML, or as in `settings_text`.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file; {nearest_files(path)}")
    text = settings_text(path)
    try:
        return parse_toml(text)
    except ValueError as error:
        raise ValueError(f"{path}: not TOML: {error}; correct it there") from error


def parse_toml(text: str) -> dict[str, Any]:
    """The table of a TOML text, whoever wrote it.

    Raises:
        ValueError: not TOML, a number of thousands of digits, or more than `_DEEPEST` tables or lists within
            each other.
    """
    deep = f"more than {_DEEPEST} tables or lists within each other"
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(deep) from error
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        inner = [value for each in level for value in (each.values() if isinstance(each, dict) else each)]
        level = [value for value in inner if isinstance(value, dict | list)]
    if level:
        raise ValueError(deep)
    return table


def from_table(kind: type[T], table: Mapping[str, Any], source: Path | str) -> T:
    """A settings dataclass from a parsed TOML or JSON table.

    Args:
        kind: the dataclass.
        table: its fields, as far as they differ from their defaults.
        source: the file, or the place in it, named in errors.

    Raises:
        ValueError: an unknown key, or a value that does not fit.
    """
    check_keys(kind, table, source)
    try:
        return convert(kind, table)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


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
    """Write a settings dataclass, atomically, so that `read_toml` gives it back."""
    write_atomically(path, tomli_w.dumps(to_table(settings)).encode())


def run_command(kind: type[T], action: Callable[[T], object], more: str = "") -> None:
    """Parse the command line into `kind` and act on it; a user's mistake ends in one line, not a trace.

    `FACEFOLD_TRACE=1` shows the trace too. `more` is shown by `--help`, below the description of `kind`.
    """
    print_in_any_locale()
    threading.excepthook = _fail_in_thread
    main = sys.modules["__main__"].__spec__
    prog = f"python -m {main.name.removesuffix('.__main__')}" if main else None
    try:
        with at_addresses(sys.argv[1:]) as arguments:
            about = f"{inspect.getdoc(kind)}\n\n{more}"
            settings = tyro.cli(kind, prog=prog, description=about, args=arguments)
            with escaped_output():
                # Of several processes that train together, the first one tells.
                print_notes(_surroundings() if os.environ.get("RANK", "0") == "0" else [])
                action(settings)
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic in Rust, as where safetensors gets no memory, is no Exception
        told = complaint(error)
        if not told or os.environ.get("FACEFOLD_TRACE"):
            raise
        print(f"error: {with_addresses(told)}", file=sys.stderr)
        sys.exit(2)


def _fail_in_thread(failed: threading.ExceptHookArgs) -> None:
    """Print what stopped a thread, such as a tracker's that writes; the work goes on, or stops by itself."""
    told = complaint(failed.exc_value) if failed.exc_value else ""
    if told:
        print(f"note: {told}", file=sys.stderr)
    else:
        threading.__excepthook__(failed)


def _surroundings() -> list[str]:
    """What of this machine or its user is to be known: each a line."""
    names = sys.getfilesystemencoding()
    other = f"names of files are read in {names}, as the locale says, and those in UTF-8 are not understood; "
    return [*([NOTE] if NOTE else []), *([] if names == "utf-8" else [f"{other}set PYTHONUTF8=1"])]


def typed(value: object) -> str:
    """A value as it is typed after a variable of `make`, for commands in messages: CACHE={typed(folder)}.

    Whatever a name holds, a shell and make hand it to the program as it is. A list or tuple is what a
    variable of several values takes. What was brought here from an address is called by that.
    """
    if isinstance(value, list | tuple):
        value = shlex.join([str(each) for each in value])
    return shlex.quote(with_addresses(str(value)))


def nearest(name: str, known: Mapping[str, Any] | list[str] | tuple[str, ...]) -> str:
    """The end of an error message: `did you mean 'x'?`, or the known names when none is near."""
    close = difflib.get_close_matches(name, [each for each in known if each != name], n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {_listed(list(known))}"


def nearest_files(path: Path) -> str:
    """The end of an error message on a TOML file that is not there: those beside it with names like its own,
    or some of all when none is like it."""
    there = {file.stem: str(file) for file in sorted(path.parent.glob("*.toml"))}
    close = [there[stem] for stem in difflib.get_close_matches(path.stem, list(there), n=3)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"there are: {_listed(list(there.values()))}" if there else "no .toml file is there"


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def check_keys(
    kind: type, table: Mapping[str, Any], source: Path | str, *, also: Collection[str] = (), prefix: str = ""
) -> None:
    """Refuse a key that is no field of `kind` or its tables, as `read_toml` does; values are not checked.

    Args:
        kind: the dataclass.
        table: what was read.
        source: the file, or the place in it, named in errors.
        also: further keys, with dots, that are known.
        prefix: what stands before the keys in errors, with its dot.
    """
    hints = get_type_hints(kind)
    for key, value in table.items():
        name = prefix + key
        if name in also:
            continue
        if key not in hints:
            beside = [other.removeprefix(prefix) for other in also if other.rpartition(".")[0] == prefix[:-1]]
            raise ValueError(f"{source}: unknown setting {name!r}: {nearest(key, [*hints, *beside])}")
        kinds = tables_in(hints[key])
        if isinstance(value, dict) and not is_open(hints[key]):
            if not kinds:
                raise ValueError(f"{source}: {name!r} is one value, not a table")
            check_keys(kinds[0], value, source, also=also, prefix=f"{name}.")
        elif hints[key] in kinds and not isinstance(value, dict):
            raise ValueError(f"{source}: {name!r} is a table, not one value")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
