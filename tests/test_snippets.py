"""What the documents tell readers to type: make lines, options and Python, checked and, where cheap, run."""

import argparse
import ast
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import tyro

from faces.sample.dataset import write_sample
from preprocess import PreprocessSettings, preprocess

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
DERIVED = {"COMPARED": "RUNS", "LEAK_RUNS": "RUNS", "GIVEN_DATA": "DATA"}
CODE = ("faces", "preprocess", "pipeline", "train", "infer", "serve", "report", "bench", "doctor")
OTHERS = ("docker ", "torchrun ", "tritonserver ")
"""Programs that are not ours."""
EVERYWHERE = {"ARGS", "PYTHON"}
"""Variables that any target takes."""
RUN = {"sample", "preprocess", "labels", "look", "verify"}
"""Targets that are run as the README has them, with fewer people: the others train, or want a trained run."""
ALONE = {"help", "recipes", "ensembles"}
"""The same of targets that need nothing."""
EXTRAS = {"datasets", "ray"}
"""What blocks of code may need beyond `make setup`; where it is not installed they are left out."""
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def fenced(page: Path, language: str) -> list[str]:
    """The blocks of code of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command of a page: lines of blocks, parts of lines, and code within sentences."""
    text = page.read_text()
    lines = re.sub(r"\\\n", " ", "\n".join(fenced(page, "sh"))).splitlines()
    lines += re.findall(r"^    (make .*)$", text, re.M)
    lines += re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    for line in lines:
        if not re.search(r"\bmake [a-z]|python -m ", line):
            continue
        for part in re.split(r"&&|;|\|", line):
            words = shlex.split(re.sub(r"[\[\]]", " ", part), comments=True)
            while words and (words[0] in ("do", "then") or re.match(r"[A-Z_]+=", words[0])):
                words = words[1:]
            if words:
                yield words


def recipe_of(target: str) -> str:
    """The lines that a target runs."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)*)", MAKEFILE, re.M)
    assert found, f"make {target}: no such target"
    return found[1]


def variables(target: str) -> set[str]:
    """What may be given to a target."""
    lines = recipe_of(target)
    for name in re.findall(r"\$\(([a-z_]+)\)", lines):
        lines += "".join(re.findall(rf"^{name} = (.*)$", MAKEFILE, re.M))
    named = set(re.findall(r"\b[A-Z_]{3,}\b", lines))
    for name in named & {"TRAINED_BY"}:
        named |= set(re.findall(rf"^{name} := (.*)$", MAKEFILE, re.M)[0].split())
    return {DERIVED.get(name, name) for name in named} | EVERYWHERE


def modules_of(target: str) -> list[str]:
    """The commands that a target may run."""
    words = re.findall(r"(?<![\w/.])[a-z_]+(?:\.[a-z_]+)*(?![\w/=])", recipe_of(target))
    return [word for word in dict.fromkeys(words) if is_command(word)]


def is_command(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return (path / "__main__.py").is_file() or (
        "." in name
        and path.with_suffix(".py").is_file()
        and "def main" in path.with_suffix(".py").read_text()
    )


@cache
def options(name: str) -> set[str]:
    """The options of `python -m name`: what its parser takes, be it tyro's or argparse's."""
    started = ROOT / name.replace(".", "/") / "__main__.py"
    named = (
        re.search(r"^from ([\w.]+) import main$", started.read_text(), re.M) if started.is_file() else None
    )
    module = importlib.import_module(named[1] if named else f"{name}.__main__" if started.is_file() else name)
    seen: list[argparse.ArgumentParser] = []

    def stop(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        seen.append(parser)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        if hasattr(module, "run_command"):
            patch.setattr(module, "run_command", lambda kind, *_: stop(tyro.extras.get_parser(kind)))
        with pytest.raises(KeyboardInterrupt):
            module.main()
    return {option for action in seen[0]._actions for option in action.option_strings}


def wrong_options(names: list[str], words: list[str]) -> set[str]:
    """Those among the words of a command line that none of these commands has."""
    given = {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)}
    return given - set().union(*map(options, names)) if given else set()


@by_page
def test_make_lines_name_targets_variables_and_options_that_exist(page: Path) -> None:
    for words in commands(page):
        if words[0] != "make" or len(words) < 2 or not re.fullmatch(r"[a-z-]+", words[1]):
            continue
        target, given = words[1], [word.partition("=") for word in words[2:] if re.match(r"[A-Z_]+=", word)]
        unknown = {name for name, _, _ in given} - variables(target)
        assert not unknown, f"{shlex.join(words)}: make {target} takes no {', '.join(unknown)}"
        for name, _, value in given:
            if name == "ARGS" and (wrong := wrong_options(modules_of(target), shlex.split(value))):
                raise AssertionError(f"{shlex.join(words)}: no such option: {', '.join(wrong)}")


@by_page
def test_python_commands_have_the_options_that_they_are_given(page: Path) -> None:
    for words in commands(page):
        if "-m" in words[:3] and is_command(name := words[words.index("-m") + 1]):
            assert not wrong_options([name], words) - {"--help"}, shlex.join(words)


@cache
def fields() -> set[str]:
    """The options that settings of any command would have: a field is one of the same name."""
    found = {"--help"}
    for path in (path for top in CODE for path in (ROOT / top).rglob("*.py")):
        text = path.read_text()
        found |= set(re.findall(r'"(--[a-z][a-z-]+)"', text))
        classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
        for node in (node for each in classes for node in each.body):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                name = node.target.id.replace("_", "-")
                found |= {f"--{name}", f"--no-{name}"}
    return found


@by_page
def test_options_named_in_sentences_are_some_commands(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for span in re.findall(r"`([^`\n]+)`", text):
        if not span.startswith(OTHERS):
            assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", span)) <= fields(), span


def test_a_wrong_target_variable_or_option_would_be_found() -> None:
    with pytest.raises(AssertionError, match="no such target"):
        recipe_of("preproces")
    assert "CACHE" in variables("preprocess")
    assert {"CACHES", "ENSEMBLE"}.isdisjoint(variables("preprocess"))
    assert {"FOLD_SCHEME", "RESUME"} <= variables("train-all")
    assert modules_of("preprocess") == ["preprocess"]
    assert wrong_options(["preprocess"], ["--margin", "0.4", "--margins=2", "x"]) == {"--margins"}
    assert {"--fold-scheme", "--no-clamp", "--faces"} <= fields()
    assert "--margine" not in fields()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what commands need, drawn people, their cache where the pages have one, and a photo."""
    folder = tmp_path_factory.mktemp("typed")
    for name in ("recipes", "ensembles", "Makefile", "setup.cfg", "requirements.lock"):
        (folder / name).symlink_to(ROOT / name)
    write_sample(folder / "demo/data", people=24, seed=0, workers=1)
    data, kept = folder / "demo/data/train", folder / "demo/caches/train"
    preprocess(PreprocessSettings(data=data, cache=kept, workers=1))
    (folder / "caches").mkdir()
    (folder / "caches/mine").symlink_to(kept)
    photo = next(
        path for path in sorted((folder / "demo/data/eval/images").glob("*.jpg")) if path.name[0] != "."
    )
    shutil.copy(photo, folder / "photo.jpg")
    return folder


def lacking(block: str) -> set[str]:
    """Packages of extras that are imported there and not installed."""
    imported = set(re.findall(r"^(?:import|from) (\w+)", block, re.M))
    return {name for name in imported & EXTRAS if not find_spec(name)}


@pytest.mark.slow
def test_python_of_the_pages_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page share their names. The first page exports the model that others open."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("HF_HOME", str(place / "hugging-face"))
    pages = sorted((page for page in PAGES if fenced(page, "python")), key=lambda page: page.name != "api.md")
    assert pages[0].name == "api.md"
    for page in pages:
        names: dict[str, object] = {}
        for block in fenced(page, "python"):
            if lacking(block):
                continue
            exec(compile(block, str(page), "exec"), names)
        if page.name == "api.md":
            shutil.copy(place / "exports/small-fold0/model.onnx", place)


@pytest.mark.slow
def test_cheap_lines_of_the_readme_run(place: Path) -> None:
    """`path/to/photos` are then drawn people, too."""
    (place / "path/to").mkdir(parents=True)
    (place / "path/to/photos").symlink_to(place / "demo/data/train")
    lines = [words for words in commands(ROOT / "README.md") if words[0] == "make" and len(words) > 1]
    # In sentences targets stand alone, or with dots: those that need something are told by the blocks.
    lines = [words for words in lines if "..." not in words]
    run = [words[1:] for words in lines if words[1] in (RUN if "=" in "".join(words) else ALONE)]
    assert {words[0] for words in run} >= {"sample", "preprocess", "look"}
    surroundings = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    for words in run:
        done = subprocess.run(
            ["make", f"MODULE={sys.executable} -m", "READY=Makefile",
             *(re.sub(r"^PEOPLE=.*", "PEOPLE=12", word) for word in words)],
            cwd=place, env={**surroundings, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"make {shlex.join(words)}: {done.stdout}{done.stderr}"
