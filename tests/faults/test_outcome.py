"""The harness's own judgement, on closed examples of each outcome."""

from pathlib import Path

import pytest

from tests.faults.outcome import Outcome, Seen, judge
from tests.faults.reference import Reference, SoundRun, has_lines, patterns, reference
from tests.faults.zygote.client import HUNG, Ended

SOUND = Reference(
    results={"out/a.csv": "1", "out/b.json": "2"},
    texts={},
    gone=frozenset(),
    loose=frozenset({"out/log"}),
    lines=(r"\s*7\s+photos\s*",),
    errors=frozenset({"a library's words"}),
)
BEFORE = {"in/x.json": "damaged", "out/b.json": "old", "out/log": "l"}
AFTER = {**BEFORE, "out/a.csv": "1", "out/b.json": "2"}
REFUSAL = "error: in/x.json: edited or damaged; train again\n"


def outcome(
    ended: Ended, after: dict[str, str] = AFTER, *, fault: str = "in/x.json", given: bool = False
) -> Outcome:
    return judge(Seen(ended, fault, BEFORE, after, Path("nowhere"), given=given), SOUND)[0]


def test_equal_results_are_survived_whatever_is_said_beside_them() -> None:
    assert outcome(Ended(0, "7 photos\n")) == Outcome.SURVIVED
    assert outcome(Ended(0, "warning: slow\n7 photos\n", "warning: in/x.json is old")) == Outcome.SURVIVED


def test_a_result_that_was_damaged_and_is_named_is_made_again() -> None:
    said = "warning: out/b.json: damaged; made again\n7 photos\n"
    assert outcome(Ended(0, said), fault="out/b.json") == Outcome.MADE_AGAIN
    assert outcome(Ended(0, "7 photos\n"), fault="out/b.json") == Outcome.SURVIVED


@pytest.mark.parametrize(
    ("ended", "after"),
    [
        (Ended(0, "7 photos\n"), {**AFTER, "out/a.csv": "3"}),
        (Ended(0, "7 photos\n"), BEFORE),
        (Ended(0, "8 photos\n"), AFTER),
        (Ended(0, "7 photos\n", "warning: in/x.json: damaged"), {**AFTER, "out/b.json": "old"}),
    ],
)
def test_other_results_are_silently_wrong_but_of_a_file_that_people_write(
    ended: Ended, after: dict[str, str]
) -> None:
    assert outcome(ended, after) == Outcome.WRONG
    assert outcome(ended, after, given=True) == Outcome.ASKED
    valid = Seen(ended, "in/x.json", BEFORE, after, Path("nowhere"), maybe_valid=True)
    assert judge(valid, SOUND)[0] == Outcome.ASKED
    assert judge(valid, SOUND.but(("out/*",)), printed=False)[0] == Outcome.SURVIVED


def test_what_is_left_out_with_a_file_and_a_cure_is_said() -> None:
    after = {**AFTER, "out/a.csv": "3"}
    said = "warning: in/x.json: damaged, so left out; train again\n7 photos\n"
    assert outcome(Ended(0, said), after) == Outcome.SAID
    assert outcome(Ended(0, said.replace("x.json", "y.json")), after) == Outcome.WRONG


def test_a_world_that_is_whole_again_was_made_again_whatever_is_printed() -> None:
    sound = {"in/x.json": "sound", "out/a.csv": "1"}
    seen = Seen(Ended(0, "8 photos\n"), "in/x.json", BEFORE, {**AFTER, **sound}, Path("nowhere"), sound)
    assert judge(seen, SOUND)[0] == Outcome.MADE_AGAIN
    seen = Seen(Ended(0, "8 photos\n"), "in/x.json", BEFORE, AFTER, Path("nowhere"), sound)
    assert judge(seen, SOUND)[0] == Outcome.WRONG


def test_where_people_write_the_file_its_name_is_the_cure() -> None:
    told = Ended(2, "", "error: in/x.json: not TOML: at line 3\n")
    assert outcome(told, BEFORE, given=True) == Outcome.REFUSED
    assert outcome(told, BEFORE) == Outcome.UNCLEAR


def test_one_line_with_a_file_and_a_cure_is_a_clear_refusal() -> None:
    assert outcome(Ended(2, "", REFUSAL), BEFORE) == Outcome.REFUSED
    assert outcome(Ended(2, "", "warning: old\na library's words\n" + REFUSAL), BEFORE) == Outcome.REFUSED
    assert outcome(Ended(2, "", REFUSAL), {**BEFORE, "out/log": "longer"}) == Outcome.REFUSED


@pytest.mark.parametrize(
    ("ended", "after"),
    [
        (Ended(1, "", REFUSAL), BEFORE),
        (Ended(-11), BEFORE),
        (Ended(HUNG), BEFORE),
        (Ended(2, "", "error: 'prior'\n"), BEFORE),
        (Ended(2, "", "error: in/x.json: damaged\n"), BEFORE),
        (Ended(2, "", "error: it is damaged; train again\n"), BEFORE),
        (Ended(2, "", REFUSAL + REFUSAL), BEFORE),
        (Ended(2, "", "Traceback (most recent call last):\n" + REFUSAL), BEFORE),
        (Ended(2, "", REFUSAL), {**BEFORE, "out/b.json": "cut"}),
        (Ended(2, "", REFUSAL), {"in/x.json": "damaged"}),
        (Ended(2, "", REFUSAL), {**BEFORE, "out/a.csv.1.tmp": "half"}),
    ],
)
def test_all_else_is_unclear(ended: Ended, after: dict[str, str]) -> None:
    assert outcome(ended, after) == Outcome.UNCLEAR


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("in/x.json: damaged; make it again\nin/y.tar: gone; make it again\n", Outcome.REFUSED),
        ("in/x.json: damaged\n", Outcome.UNCLEAR),
        ("", Outcome.UNCLEAR),
    ],
)
def test_a_command_that_checks_lists_what_is_wrong(said: str, wanted: Outcome) -> None:
    seen = Seen(Ended(1, said), "in/x.json", BEFORE, BEFORE, Path("nowhere"), verifies=True)
    assert judge(seen, SOUND)[0] == wanted


def test_words_that_differ_between_sound_runs_may_be_any() -> None:
    wanted = patterns("a 1.5 s\nmean 3\n", "a 1.7 s\nmean 3\n")
    assert not has_lines("a  9 s\na note\nmean 3\n", wanted)
    assert not has_lines("a 8 s\nmean 3\n", patterns("a 7 s\nmean 3\n", "a 7 s\nmean 3\n")), "by chance"
    assert has_lines("a 9 s\nmean 4\n", wanted)
    assert has_lines("x,1,4\n", patterns("x,1,3\n", "x,2,3\n"))
    assert has_lines("mean 3\na 9 s\n", wanted), "in another order"


def test_what_two_sound_runs_write_alike_is_the_reference() -> None:
    one = SoundRun(Ended(0, "a\n"), {"x": "1", "t.csv": "2"}, frozenset({"p"}), {"t.csv": "s,1.0\n"})
    other = SoundRun(Ended(0, "a\n"), {"x": "1", "t.csv": "3"}, frozenset({"p"}), {"t.csv": "s,1.0\n"})
    found = reference(one, other)
    assert (dict(found.results), found.gone, found.loose) == ({"x": "1"}, {"p"}, {"t.csv"})
    assert [*found.texts] == ["t.csv"]
