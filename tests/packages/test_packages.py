"""No locked package is below the lowest version without a known hole, and what says so can say otherwise."""

import configparser
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packages import command
from tests.packages.command import PackagesSettings, audit_packages
from tests.packages.database import Told, audit
from tests.packages.floors import Floor, check, locked_versions, read_floors

ROOT = Path(__file__).parents[2]
LOCK, DOCKER = ROOT / "requirements.lock", ROOT / "docker/requirements.lock"
KNOWN = {"name": "torch", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.6"]}]}


def test_no_locked_version_is_below_its_floor() -> None:
    versions = locked_versions(LOCK)
    assert len(versions) > 100
    checked = check(read_floors(), {LOCK.name: versions})
    assert [f"{each.floor.package} {each.locked}" for each in checked if not each.is_safe] == []
    # A floor of what is not locked any more would only look like a check.
    assert {each.floor.package for each in checked} == {floor.package for floor in read_floors()}


@pytest.mark.parametrize(
    ("section", "name", "lock"),
    [
        ("options", "install_requires", LOCK),
        ("options.extras_require", "dev", LOCK),
        ("options.extras_require", "weights", ROOT / "requirements-weights.lock"),
        ("options.extras_require", "service", DOCKER),
    ],
)
def test_the_lock_has_what_setup_cfg_asks_for(section: str, name: str, lock: Path) -> None:
    """Whoever edits setup.cfg runs `make lock` as well."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    versions = locked_versions(lock)
    asked = [Requirement(line) for line in settings[section][name].split("\n") if line and line[0] != "#"]
    assert len(asked) >= 4
    for each in asked:
        locked = versions.get(canonicalize_name(each.name), [])
        assert locked, f"{each.name} is not in {lock.name}; run make lock"
        assert all(version in each.specifier for version in locked), f"{each}: {lock.name} has {locked}"


def test_a_container_has_the_versions_that_are_tested_here() -> None:
    """So that what is audited of the one lock holds for the other."""
    ours = locked_versions(LOCK)
    for package, versions in locked_versions(DOCKER).items():
        assert {*versions} <= {*ours[package]}, package


def test_each_floor_names_its_hole_once() -> None:
    floors = read_floors()
    assert floors == sorted(floors, key=lambda floor: floor.package)
    assert all(re.fullmatch(r"(CVE|PYSEC)-\d{4}-\d+", floor.reference) and floor.below for floor in floors)
    assert len({(floor.package, floor.reference) for floor in floors}) == len(floors)


def test_the_lowest_of_several_versions_counts(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text(
        "# x==1\nSome_Thing==2.10 ; python_version < '3.12' \\\n    --hash=sha256:0\nsome-thing==2.9\n"
    )
    versions = locked_versions(lock)
    assert versions == {"some-thing": [Version("2.10"), Version("2.9")]}
    for version, is_safe in (("2.9", True), ("2.9.1", False)):
        [found] = check([Floor("some-thing", Version(version), "CVE-1", "x")], {"a": versions})
        assert found.is_safe is is_safe


def answering(**answers: list[dict]) -> tuple[list[Sequence[str]], object]:
    """A pip-audit whose services answer so."""
    asked: list[Sequence[str]] = []

    def run(options: Sequence[str]) -> str:
        asked.append(options)
        found = answers.get(options[options.index("--vulnerability-service") + 1])
        return "" if found is None else json.dumps({"dependencies": found})

    return asked, run


def test_the_database_is_believed_only_where_it_knows_something(tmp_path: Path) -> None:
    skipped = {"name": "torch", "skip_reason": "not found"}
    for silent in ([skipped], [], None):
        asked, run = answering(**({} if silent is None else {"pypi": silent}))
        assert audit(tmp_path / "x.lock", run) is None  # type: ignore[arg-type]
        assert len(asked) == 2, "each service is asked for one package, and no more"
    asked, run = answering(osv=[KNOWN, skipped])
    told = audit(tmp_path / "x.lock", run)  # type: ignore[arg-type]
    assert told == Told(1, 1, ("torch 2.0: CVE-1, fixed in 2.6",))
    assert "--require-hashes" in asked[-1]


def test_a_hole_ends_with_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text("torch==2.10.0\nown==1\n")
    monkeypatch.setattr(command, "audit", lambda lock: None)
    audit_packages(PackagesSettings(locks=(lock,)))
    printed = capsys.readouterr().out
    assert "does not answer here" in printed
    assert "of 1 further packages: own" in printed
    monkeypatch.setattr(command, "audit", lambda lock: Told(1, 0, ("torch 2.10.0: CVE-1",)))
    with pytest.raises(SystemExit, match="1"):
        audit_packages(PackagesSettings(locks=(lock,)))
    audit_packages(PackagesSettings(locks=(lock,), offline=True))
    lock.write_text("torch==2.9.1\n")
    with pytest.raises(SystemExit, match="1"):
        audit_packages(PackagesSettings(locks=(lock,), offline=True))
    assert "torch 2.9.1 is below 2.10.0 (CVE-2026-24747)" in capsys.readouterr().out.replace("\n", " ")
