"""Ensembles that were fitted on another cache are not replaced."""

from pathlib import Path

import pytest

from faces.cache.reader import Cache
from infer.ensemble.file import read_ensemble, write_ensemble
from infer.ensemble.tree import Ensemble, Leaf, Vote
from infer.predict.others import check_fitted, check_not_of_another, fitted_on, title_of


def test_an_ensemble_fitted_elsewhere_is_not_replaced(coloured: Cache, unseen: Cache, tmp_path: Path) -> None:
    out = tmp_path / "tuned.toml"
    check_fitted(out, coloured)
    root = Vote(members=(Leaf("a"), Leaf("b")))
    write_ensemble(Ensemble(name="tuned", about=f"x tuned on {fitted_on(coloured)}, 3 folds", root=root), out)
    check_fitted(out, coloured)
    with pytest.raises(ValueError, match=rf"{out}: holds the ensemble of another cache \(coloured, .*--out"):
        check_fitted(out, unseen)
    write_ensemble(Ensemble(name="tuned", about="written by hand (0123456789ab)", root=root), out)
    check_fitted(out, unseen)
    assert read_ensemble(out).root == root


def test_a_cache_is_known_wherever_it_lies(coloured: Cache, unseen: Cache, tmp_path: Path) -> None:
    moved = title_of(tmp_path / "elsewhere", coloured.identity)
    check_not_of_another(tmp_path, "the scores", moved, coloured, "")
    with pytest.raises(ValueError, match=r"the scores of another cache .*elsewhere.*; do this, or move"):
        check_not_of_another(tmp_path, "the scores", moved, unseen, "do this")
