"""The order that is computed from places: each row once, uniform, new in every epoch, in no memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare, spearmanr

from pipeline import samplers
from pipeline.order import ORDER_STREAM, Permutation, epoch_order
from pipeline.samplers import LISTED, Shuffled
from tests.helpers.crops import COUNT, training, write_cache

PRIMES = (2, 3, 5, 7, 11, 97, 101, 257, 65_521, 65_537, 99_991, 999_983)
AROUND = [2**power + more for power in (8, 12, 16, 20) for more in (-1, 0, 1)]
LEAST_P = 1e-4
"""Seeds are fixed, so a sound permutation that passes once passes always."""


@pytest.mark.parametrize("rows", [*range(1, 130), *PRIMES, *AROUND, 300 * 7, 1_000_000])
def test_every_row_comes_exactly_once(rows: int) -> None:
    permutation = Permutation(rows, rows % 5, 3, ORDER_STREAM)
    assert len(permutation) == rows
    assert (np.bincount(permutation[np.arange(rows)], minlength=rows) == 1).all()


def test_a_row_is_that_of_its_place_whatever_is_asked_beside_it() -> None:
    permutation = Permutation(10_007, 1, 2, 0)
    whole = permutation[np.arange(10_007)]
    some = np.array([10_006, 0, 5, 5, 4_000])
    assert (permutation[some] == whole[some]).all()
    assert [int(permutation[np.array([place])][0]) for place in some] == whole[some].tolist()


def test_each_place_has_every_row_equally_often_over_seeds_and_so_have_neighbours() -> None:
    rows, seeds = 53, 1_500
    drawn = np.stack([Permutation(rows, seed, 0, 0)[np.arange(rows)] for seed in range(seeds)])
    for place in (0, 1, 26, 51, 52):
        assert chisquare(np.bincount(drawn[:, place], minlength=rows)).pvalue > LEAST_P
    for step in (1, 7, 8):  # 8 x 7 are the sides that 53 rows are put on
        apart = (drawn[:, step] - drawn[:, 0]) % rows
        assert chisquare(np.bincount(apart, minlength=rows)[1:]).pvalue > LEAST_P
    fixed = (drawn == np.arange(rows)).sum(1)  # of a random permutation 1 in the mean, with variance 1
    assert fixed.mean() == pytest.approx(1, abs=5 / np.sqrt(seeds))
    assert fixed.var() == pytest.approx(1, abs=0.3)


def test_epochs_seeds_and_neighbouring_places_are_uncorrelated() -> None:
    rows = 200_003
    places = np.arange(rows)
    first = Permutation(rows, 0, 0, 0)[places]
    others = [Permutation(rows, seed, epoch, 0)[places] for seed, epoch in ((0, 1), (1, 0), (1, 1))]
    limit = 4 / np.sqrt(rows)
    for other in (*others, places, np.roll(first, 1), np.roll(first, 448)):  # 448 is one of its sides
        assert abs(spearmanr(first, other).statistic) < limit
    for part in np.array_split(first, 20):  # any stretch of an epoch is a sample of the whole cache
        assert chisquare(np.bincount(part * 50 // rows, minlength=50)).pvalue > LEAST_P


def test_an_epoch_of_a_hundred_million_takes_no_memory() -> None:
    rows, batch = 100_000_000, 1024
    tracemalloc.start()
    order = epoch_order(Shuffled(rows), epoch=2, seed=0, rank=3, world=8)
    taken = [order.samples_of(np.arange(first, first + batch)) for first in (0, 6_000_000, rows // 8 - batch)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6
    assert len(order) == rows // 8 and len(np.unique(taken)) == 3 * batch
    assert 0 <= np.min(taken) < rows / 1000 and rows * 0.999 < np.max(taken) < rows


def test_up_to_the_limit_an_epoch_is_the_list_that_it_always_was() -> None:
    listed = np.random.default_rng((7, 4, 0)).permutation(1_000)
    assert (epoch_order(Shuffled(1_000), epoch=4, seed=7).samples == listed).all()
    assert LISTED == 2**24 and isinstance(Shuffled(LISTED + 1).samples(epoch=0, seed=0), Permutation)


@pytest.mark.parametrize("key", [(-1, 0), (0, -1)])
def test_a_negative_seed_or_epoch_is_named(key: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Shuffled(LISTED + 1).samples(seed=key[0], epoch=key[1])


def test_a_loader_goes_through_it_by_ranks_and_resumes_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(samplers, "LISTED", 4)
    cache = write_cache(tmp_path / "cache", "jpeg")
    whole = Permutation(COUNT, 5, 1, ORDER_STREAM)[np.arange(COUNT)]
    for rank in range(2):
        own = training(cache, policy="none", rank=rank, world=2)
        images, rows = zip(*own.epoch(1), strict=True)
        assert torch.cat(rows).tolist() == whole[rank::2][: len(own) * own.batch_size].tolist()
        assert [own.batch_rows(1, number).tolist() for number in range(len(own))] == [
            r.tolist() for r in rows
        ]
        again = [image for image, _ in own.epoch(1, start_batch=1)]
        assert len(again) == len(own) - 1
        assert all(torch.equal(*pair) for pair in zip(again, images[1:], strict=True))
