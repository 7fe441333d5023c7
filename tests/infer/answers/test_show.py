"""Photos, their faces and the answers as a picture."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faces.cache.reader import Cache
from faces.labels import CLASS_NAMES, CONTEST, TASKS
from faces.projection import split_classes
from infer.answers.photo_sheet import factor_shares
from infer.answers.show import ShowSettings, show, typical
from infer.answers.written import BASIS, Basis

TASK = TASKS["class18"]


def answers(cache: Cache, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).dirichlet(np.ones(18), len(cache))
    names = cache.index["image_id"].to_numpy()
    return pd.DataFrame(values, columns=[*CLASS_NAMES]).assign(
        ImageID=names, ans=values.argmax(1), answered_by="face crop", agreement=1.0
    )


def write(cache: Cache, folder: Path) -> ShowSettings:
    """Predictions of a cache, and photos where it found them."""
    predictions, data = folder / "predictions", folder / "data"
    predictions.mkdir()
    data.mkdir()
    answers(cache).to_parquet(predictions / "probabilities.parquet")
    basis = Basis(task=TASK, labels=CONTEST, follows={})
    (predictions / BASIS).write_text(json.dumps(basis.entries))
    for name in cache.index["source"]:
        Image.new("RGB", (90, 120), "green").save(data / name)
    return ShowSettings(predictions=predictions, cache=cache.folder, data=data, out=folder / "answers.png")


def test_shares_of_a_factor_sum_the_classes_that_have_it() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(18))
    shares = factor_shares(probabilities, TASK)
    assert {name: len(values) for name, values in shares.items()} == {"mask": 3, "gender": 2, "age": 3}
    for values in shares.values():
        assert sum(values.values()) == pytest.approx(1)
    assert shares["gender"]["female"] == pytest.approx(probabilities.reshape(3, 2, 3)[:, 1].sum())


def test_one_photo_of_each_mask_state_with_the_median_certainty(unseen: Cache) -> None:
    table = answers(unseen).set_index("ImageID")
    masks = split_classes(table["ans"].to_numpy(), TASK)["mask"]
    chosen = typical(table, TASK)
    assert len(chosen) == len(np.unique(masks))
    certainty = table[[*CLASS_NAMES]].max(axis=1)
    for name, mask in zip(chosen, np.unique(masks), strict=True):
        group = certainty[masks == mask]
        assert (group < certainty[name]).sum() == len(group) // 2


def test_draws_a_row_a_photo(unseen: Cache, tmp_path: Path) -> None:
    settings = write(unseen, tmp_path)
    show(settings)
    tall = Image.open(settings.out).height
    first = str(unseen.index["image_id"].iloc[0])
    one = ShowSettings(**{**vars(settings), "photos": (first,)})
    show(one)
    rows = len(typical(answers(unseen).set_index("ImageID"), TASK))
    assert rows > 1 and tall == pytest.approx(rows * Image.open(settings.out).height, abs=rows)


def test_a_table_stands_for_the_photos_beside_it(unseen: Cache, tmp_path: Path) -> None:
    settings = write(unseen, tmp_path)
    (settings.data / "labels.csv").touch()
    show(ShowSettings(**{**vars(settings), "out": tmp_path / "folder.png"}))
    show(ShowSettings(**{**vars(settings), "data": settings.data / "labels.csv"}))
    assert settings.out.read_bytes() == (tmp_path / "folder.png").read_bytes()


def test_names_what_is_missing(unseen: Cache, tmp_path: Path) -> None:
    settings = write(unseen, tmp_path)
    with pytest.raises(ValueError, match=r"photos='x\.jpg': not a photo of"):
        show(ShowSettings(**{**vars(settings), "photos": ("x.jpg",)}))
    first = str(unseen.index["image_id"].iloc[0])
    (settings.data / str(unseen.index["source"].iloc[0])).unlink()
    with pytest.raises(ValueError, match="no such photo; give what the cache was made from"):
        show(ShowSettings(**{**vars(settings), "photos": (first,)}))
    (settings.predictions / "probabilities.parquet").write_bytes(b"PAR1 but cut")
    with pytest.raises(ValueError, match=r"probabilities\.parquet: not readable .*answers anew"):
        show(settings)
    (settings.predictions / "probabilities.parquet").unlink()
    with pytest.raises(ValueError, match=r"probabilities\.parquet: no such file; .*answers anew"):
        show(settings)
