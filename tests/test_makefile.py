"""What is given to `make` reaches the command as it was given: nothing in it is executed or split."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from faces.command import typed

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Makefile").read_text()
SURROUNDINGS = {name: value for name, value in os.environ.items() if "MAKE" not in name}
HOSTILE = {
    "spaces": "my  photos ",
    "single quotes": "it's 'mine'",
    "double quotes": 'the "best"',
    "a quote that closes": "'; touch pwned; '",
    "a function of make": "$(shell touch pwned)",
    "a variable": "${HOME}$$x$",
    "backticks": "`touch pwned`",
    "a substitution": "$(touch pwned)",
    "semicolon": "a;touch pwned",
    "ampersands": "a&&touch pwned&",
    "a comment": "a # b",
    "percent": "%d%",
    "a home of another": "~root",
    "a flag": "--cache",
    "Korean": "사진 모음",
    "backslashes": "a\\ \\n\\",
    "wildcards": "* ? [a]",
    "brackets": "a) (b {c,d} >pwned <x |y",
}
"""Texts that mean something to make or to a shell."""
TRIOS = [[*HOSTILE][first : first + 3] for first in range(0, len(HOSTILE), 3)]
"""Names of them by three, for targets of three variables: each call of make starts a dozen processes."""


def listed(name: str) -> list[str]:
    """Words of a variable of the Makefile."""
    words: str = re.findall(rf"^{name} := (.*)$", TEXT, re.M)[0]
    return words.split()


SEVERAL = set(listed("SEVERAL")) | {"RUNS"}
"""Variables that hold several values in some target."""


def targets() -> list[tuple[str, list[str]]]:
    """Each target that runs a command, and the variables it takes."""
    found = []
    for name, recipe in re.findall(r"^([a-z-]+): .*\n((?:\t.*\n)+)", TEXT, re.M):
        if "$(call run," in recipe or "$(call with," in recipe:
            taken = set(re.findall(r"\b[A-Z_]{3,}\b", recipe)) - {"READY", "MODULE"}
            derived = {"COMPARED": ["RUNS"], "LEAK_RUNS": ["RUNS"], "GIVEN_DATA": ["DATA"]}
            derived["TRAINED_BY"] = listed("TRAINED_BY")
            found.append((name, sorted({each for one in taken for each in derived.get(one, [one])})))
    return found


def arguments(target: str, given: dict[str, str], *, by_environment: bool = False) -> list[str]:
    """What a shell makes of the line that a target would run; nothing is run."""
    variables = [] if by_environment else [f"{name}={value}" for name, value in given.items()]
    surroundings = {**SURROUNDINGS, **(given if by_environment else {})}
    told = subprocess.run(
        ["make", "-n", "--no-print-directory", target, "MODULE=MODULE", "READY=Makefile", *variables],
        cwd=ROOT,
        env=surroundings,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = "MODULE() { printf '\\1'; printf '%s\\0' \"$@\"; }\n" + told.stdout
    done = subprocess.run(["sh", "-c", shown], env=SURROUNDINGS, capture_output=True, text=True, check=True)
    return done.stdout.rpartition("\1")[2].split("\0")[:-1]


@pytest.mark.parametrize("kinds", TRIOS, ids=", ".join)
def test_a_value_reaches_the_command_as_it_was_given(kinds: list[str]) -> None:
    given = dict(zip(("DATA", "CACHE", "LABELS"), (HOSTILE[kind] for kind in kinds), strict=True))
    for by_environment in (False, True):
        found = arguments("preprocess", given, by_environment=by_environment)
        assert found == ["preprocess", *(f"--{name.lower()}={value}" for name, value in given.items())]
    assert not (ROOT / "pwned").exists()


@pytest.mark.parametrize(
    ("target", "names"), targets(), ids=lambda each: each if isinstance(each, str) else ""
)
def test_every_variable_of_every_target_is_one_word(target: str, names: list[str]) -> None:
    """But those that hold several, which are split as a shell does and no further."""
    value = "a'b \"$(shell touch pwned)`touch pwned`;touch pwned & # % 사진"
    given = {name: shlex.quote(value) if name in SEVERAL else value for name in names}
    if target not in ("compare", "leak-demo") and "RUNS" in given:
        given["RUNS"] = value
    if target == "leak-demo":
        given["RUNS"] = value
    if target == "export":
        del given["RUN"]
    found = arguments(target, given)
    values = [each.partition("=")[2] if each.startswith("--") else each for each in found]
    held = [each.removesuffix("/leak-demo") for each in values].count(value)
    assert held == len(given) - ("RESUME" in given) - ("POLICY" in given)
    assert not (ROOT / "pwned").exists()


def test_several_values_are_split_as_a_shell_splits_them() -> None:
    home = Path.home()
    found = arguments("join", {"CACHES": "a 'b c' \"d e\" ~/f $(x)", "CACHE": "g", "ARGS": "--size 3"})
    assert found == [
        "preprocess.join", "--caches", "a", "b c", "d e", f"{home}/f", "$(x)", "--cache=g", "--size", "3"
    ]  # fmt: skip
    assert arguments("train", {"FOLD": "0 1", "RECIPE": "r", "CACHE": "c", "RESUME": "1"}) == [
        "train", "--fold", "0", "1", "--recipe=r", "--cache=c", "--resume"
    ]  # fmt: skip


def test_the_home_is_the_users_also_where_its_shell_left_it_to_make() -> None:
    home = Path.home()
    assert arguments("look", {"CACHE": "~/my caches/x"}) == ["preprocess.look", f"--cache={home}/my caches/x"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"CACHE": "a\ntouch pwned"}, "--cache holds a line break"),
        ({"CACHE": "a", "ARGS": "it's"}, "--args it's: a quote in it is not closed"),
        ({}, "CACHE is missing"),
    ],
)
def test_what_no_target_takes_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        arguments("look", given)
    assert message in refused.value.stderr
    assert not (ROOT / "pwned").exists()


@pytest.mark.parametrize(
    "target", ["bench", "bench-train", "bench-busy", "bench-preprocess", "leak-demo", "look-augment"]
)
def test_people_are_drawn_where_nothing_of_ones_own_is_named(target: str) -> None:
    def lines(*given: str) -> list[str]:
        told = subprocess.run(
            ["make", "-n", "--no-print-directory", target, "MODULE=MODULE", "READY=Makefile",
             "DRAWN=nowhere/cache.json", *given],
            cwd=ROOT, env=SURROUNDINGS, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        return [line.split()[1] for line in told.splitlines() if line.startswith("MODULE ")]

    own = lines("DATA=x" if target == "bench-preprocess" else "CACHE=x")
    assert len(own) == 1
    assert lines() == ["faces.sample", "preprocess", *own]


def test_a_missing_variable_is_named_with_one_that_is_there() -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        arguments("infer", {})
    first = min((ROOT / "ensembles").glob("*.toml")).name
    assert (
        f"ENSEMBLE is missing; give one, as in `make infer ENSEMBLE=ensembles/{first}`"
        in refused.value.stderr
    )


def test_the_demo_and_cleaning_up_after_it_take_any_folder() -> None:
    """Its steps are further makes; a shell reads what is given twice."""
    folder = 'it\'s "my" $(shell touch pwned) `touch pwned`; 사진'
    told = subprocess.run(
        ["make", "-n", "--no-print-directory", "demo", "clean", f"DEMO={folder}", "MODULE=MODULE"],
        cwd=ROOT, env=SURROUNDINGS, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    steps = [shlex.split(line) for line in told if line.startswith("MODULE ")]
    assert len(steps) == 7
    for step in steps:
        assert all(part.startswith(("--", "MODULE")) or "/" not in part for part in step)
        assert any(part.partition("=")[2].startswith(f"{folder}/") for part in step)
    assert folder in shlex.split(told[-1])
    assert not (ROOT / "pwned").exists()


@pytest.mark.parametrize("kinds", TRIOS, ids=", ".join)
def test_a_command_in_a_message_can_be_typed_as_it_stands(kinds: list[str]) -> None:
    *values, value = (HOSTILE[kind] for kind in kinds)
    line = f"join CACHES={typed(values)} CACHE={typed(value)}"
    _, *parts = shlex.split(f"make {line}")
    target, given = parts[0], dict(part.split("=", 1) for part in parts[1:])
    assert arguments(target, given) == ["preprocess.join", "--caches", *values, f"--cache={value}"]
