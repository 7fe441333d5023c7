"""The epoch's order: exact, disjoint, weighted, and a function of its arguments alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.order import epoch_order

counts = st.integers(1, 200)
seeds = st.integers(0, 2**32)


@settings(deadline=None)
@given(n=counts, epoch=st.integers(0, 1000), seed=seeds)
def test_shuffled_epoch_is_a_permutation(n: int, epoch: int, seed: int) -> None:
    order = epoch_order(n, epoch=epoch, seed=seed)
    assert sorted(order.samples) == list(range(n))
    assert order.positions.tolist() == list(range(n)) and order.total == n


@settings(deadline=None)
@given(n=counts, world=st.integers(1, 9), seed=seeds)
def test_training_ranks_are_disjoint_equally_long_and_cover_everything(n: int, world: int, seed: int) -> None:
    shares = [epoch_order(n, epoch=3, seed=seed, rank=rank, world=world) for rank in range(world)]
    places = np.concatenate([share.positions for share in shares])
    assert sorted(places) == list(range(shares[0].total))
    assert len({len(share.samples) for share in shares}) == 1
    counts = np.bincount(np.concatenate([share.samples for share in shares]), minlength=n)
    padded = shares[0].total - n
    assert padded < world and counts.min() >= 1 and counts.sum() == n + padded


@settings(deadline=None)
@given(n=counts, world=st.integers(1, 9))
def test_scoring_takes_every_sample_once_in_order(n: int, world: int) -> None:
    shares = [epoch_order(n, epoch=0, seed=0, shuffle=False, rank=r, world=world) for r in range(world)]
    joined = np.full(n, -1)
    for share in shares:
        joined[share.positions] = share.samples
    assert joined.tolist() == list(range(n))
    assert sum(len(share.samples) for share in shares) == n


@settings(deadline=None)
@given(n=counts, world=st.integers(1, 5), seed=seeds)
def test_place_holds_the_same_sample_whatever_the_world(n: int, world: int, seed: int) -> None:
    alone = epoch_order(n, epoch=1, seed=seed).samples
    for rank in range(world):
        share = epoch_order(n, epoch=1, seed=seed, rank=rank, world=world)
        assert (share.samples == alone[share.positions % n]).all()


def test_epochs_and_seeds_differ_and_repeat() -> None:
    orders = {(e, s): tuple(epoch_order(50, epoch=e, seed=s).samples) for e in range(3) for s in range(3)}
    assert len(set(orders.values())) == 9
    assert orders[1, 2] == tuple(epoch_order(50, epoch=1, seed=2).samples)


@settings(deadline=None, max_examples=20)
@given(seed=seeds, scale=st.floats(1e-6, 1e6))
def test_weights_set_frequencies_and_their_scale_does_not_matter(seed: int, scale: float) -> None:
    weights = np.repeat([0.0, 1.0, 3.0], 1000) * scale
    samples = epoch_order(3000, epoch=0, seed=seed, weights=weights).samples
    share = np.bincount(samples // 1000, minlength=3) / 3000
    # Six standard deviations of a binomial share at n = 3000 are 0.048.
    assert share[0] == 0 and abs(share[1] - 0.25) < 0.048 and abs(share[2] - 0.75) < 0.048


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "at least one sample"),
        ({"n": 3, "rank": 2, "world": 2}, "rank 2 of world 2"),
        ({"n": 3, "seed": -1}, "0 or more"),
        ({"n": 3, "weights": [1.0, 2.0]}, r"shape \(2,\), need \(3,\)"),
        ({"n": 2, "weights": [1.0, -2.0]}, "-2.0"),
        ({"n": 2, "weights": [0.0, 0.0]}, "all 0"),
        ({"n": 2, "weights": [1.0, float("nan")]}, "finite"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        epoch_order(**{"epoch": 0, "seed": 0, **arguments})
