"""What the documents name is there: files, links, headings, make targets, recipes."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.augment import Policy

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = "faces|preprocess|pipeline|train|infer|serve|report|bench|doctor"
TOPS = f"{CODE}|tests|recipes|ensembles|sweeps|docs|docker"
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


def anchors(page: Path) -> set[str]:
    """Names under which a page's headings can be linked."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@by_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"(?:\]\(|src=\")([^)\"\s]+)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), link
        assert not anchor or anchor in anchors(place), link


@by_page
def test_files_named_in_code_type_exist(page: Path) -> None:
    for name in re.findall(rf"`((?:{TOPS})/[\w/.-]+)`", page.read_text()):
        made_by_commands = "<" in name or name.startswith("bench/results/compare")
        assert made_by_commands or (ROOT / name).exists(), name


@by_page
def test_make_targets_and_their_files_exist(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"(?:`|^)(?:\.\./)?make ([a-z][a-z-]*)", text, re.M):
        assert target in targets(), target
    for kind in ("RECIPE", "ENSEMBLE", "SWEEP"):
        for name in re.findall(rf"{kind}=([\w/]+\.toml)", text):
            assert (ROOT / name).is_file() or Path(name).stem in ("x", "mine"), name


def test_commands_named_anywhere_run() -> None:
    """`python -m name` in documents, code and Makefile is a module with a command line."""
    texts = [*PAGES, ROOT / "Makefile"]
    for top in CODE.split("|"):
        texts += sorted((ROOT / top).rglob("*.py"))
    for text in texts:
        for name in re.findall(rf"python -m ((?:{TOPS})[\w.]*\w)", text.read_text()):
            place = ROOT / name.replace(".", "/")
            runs = (place / "__main__.py").is_file() or (
                place.with_suffix(".py").is_file()
                and '__name__ == "__main__"' in place.with_suffix(".py").read_text()
            )
            assert runs, f"{text.relative_to(ROOT)}: python -m {name}"


def test_every_field_of_an_augmentation_is_documented() -> None:
    table = (ROOT / "docs" / "pipeline.md").read_text().partition("| field | range |")[2].partition("\n\n")[0]
    documented = re.findall(
        r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines() if "`" in row)
    )
    assert sorted(documented) == sorted(field.name for field in fields(Policy))


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    first_screen = "\n".join(lines[:25])
    assert "make demo" in first_screen and "make test" in first_screen


def test_every_target_explains_itself() -> None:
    text = (ROOT / "Makefile").read_text()
    assert not re.findall(r"^[a-z-]+:(?!.*## ).*$", text, re.M)
