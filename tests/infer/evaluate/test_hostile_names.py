"""Names of ensembles, factors and classes are text: in a terminal and in a picture."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from faces.factors import Categories
from faces.labels import LabelSet
from faces.storage.documents import write_document
from infer.evaluate import work
from infer.evaluate.picture import draw_evaluation
from infer.evaluate.scores import score
from infer.evaluate.table import Evaluation, Member, print_sections, sections

NAMES = ("<script>alert('a')</script>", '[/b] "x" & $\\frac{$ a_b^c')
TASK = LabelSet(name="own", factors=(Categories(name="hat", categories=NAMES),)).task("hat")
PERSON, TRUTH, GUESS = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])


def evaluation() -> Evaluation:
    found = score(PERSON, TRUTH, GUESS, TASK)
    one = found.overall.scores["macro_f1"]
    return Evaluation(
        ensemble=f"e{NAMES[0]}",
        conditions={f"of{NAMES[0]}": NAMES[1]},
        scores=found,
        ece=0.1,
        log_loss=0.5,
        members=(Member(recipe=NAMES[0], macro_f1=one, accuracy=one, gain=one),) * 2,
        views=None,
    )


def test_no_name_is_markup_of_the_terminal() -> None:
    text = io.StringIO()
    print_sections(sections(evaluation(), TASK), Console(file=text, markup=False, width=200))
    assert all(name in text.getvalue() for name in NAMES)


def test_no_name_is_a_formula_of_the_picture(tmp_path: Path) -> None:
    found, chance = evaluation().scores, np.full(4, 0.9)
    draw_evaluation(NAMES[1], PERSON, TRUTH, GUESS, chance, found, TASK, tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png").convert("L")).std() > 10


@pytest.mark.parametrize("damage", ["edited", "cut", "emptied", "another", "whole", "missing"])
def test_damaged_scores_are_said_and_written_anew(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Mine:
        folder, identity = tmp_path / "caches" / "mine", "ab" * 32

    path = tmp_path / "scores.json"
    write_document(path, {"conditions": {"cache": f"caches/mine, {Mine.identity[:12]}"}})
    whole = path.read_bytes()
    found = {
        "edited": whole.replace(b"mine", b"mind"),
        "cut": whole[:20],
        "emptied": b"",
        "another": b'{"conditions": []}',
        "whole": whole,
    }
    path.unlink() if damage == "missing" else path.write_bytes(found[damage])
    work._check_folder(tmp_path, tmp_path, Mine(), Console(width=1000))  # type: ignore[arg-type]
    said = capsys.readouterr().out
    if damage in ("whole", "missing"):
        assert not said
    else:
        assert said.startswith(f"{path}: ") and said.endswith("; writing it anew\n")
