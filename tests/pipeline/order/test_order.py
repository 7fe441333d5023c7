"""The epoch's order and its division among ranks, for every sampler."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.balanced import person_balanced, undersampled
from pipeline.order import Sampler, epoch_order
from pipeline.samplers import InOrder, Shuffled, Weighted

counts = st.integers(1, 200)
seeds = st.integers(0, 2**32)
worlds = st.integers(1, 9)


@st.composite
def training_samplers(draw: st.DrawFn) -> Sampler:
    """Any sampler for training, over up to 200 rows in up to 9 uneven groups."""
    n = draw(counts)
    groups = np.asarray(draw(st.lists(st.integers(0, 8), min_size=n, max_size=n)))
    kinds = {
        "shuffled": lambda: Shuffled(n),
        "weighted": lambda: Weighted(groups + 0.1),
        "undersampled": lambda: undersampled(groups),
        "person_balanced": lambda: person_balanced(groups),
    }
    return kinds[draw(st.sampled_from(list(kinds)))]()


@settings(deadline=None)
@given(n=counts, epoch=st.integers(0, 1000), seed=seeds)
def test_shuffled_epoch_is_a_permutation(n: int, epoch: int, seed: int) -> None:
    order = epoch_order(Shuffled(n), epoch=epoch, seed=seed)
    assert sorted(order.samples) == list(range(n))
    assert order.positions.tolist() == list(range(n)) and order.total == n


@settings(deadline=None)
@given(sampler=training_samplers(), world=worlds, seed=seeds, epoch=st.integers(0, 50))
def test_training_ranks_are_disjoint_equally_long_and_together_the_epoch(
    sampler: Sampler, world: int, seed: int, epoch: int
) -> None:
    whole = sampler.samples(epoch=epoch, seed=seed)
    shares = [epoch_order(sampler, epoch=epoch, seed=seed, rank=rank, world=world) for rank in range(world)]
    places = np.concatenate([share.positions for share in shares])
    assert sorted(places) == list(range(shares[0].total))
    assert len({len(share.samples) for share in shares}) == 1
    padded = shares[0].total - len(whole)
    assert 0 <= padded < world
    together = Counter(np.concatenate([share.samples for share in shares]).tolist())
    repeated = np.resize(whole, shares[0].total)[len(whole) :]
    assert together == Counter(whole.tolist()) + Counter(repeated.tolist())


@settings(deadline=None)
@given(n=counts, world=worlds)
def test_scoring_takes_every_sample_once_in_order(n: int, world: int) -> None:
    shares = [epoch_order(InOrder(n), epoch=0, seed=0, rank=r, world=world) for r in range(world)]
    joined = np.full(n, -1)
    for share in shares:
        joined[share.positions] = share.samples
    assert joined.tolist() == list(range(n))
    assert sum(len(share.samples) for share in shares) == n


@settings(deadline=None)
@given(sampler=training_samplers(), world=worlds, seed=seeds)
def test_place_holds_the_same_sample_whatever_the_world(sampler: Sampler, world: int, seed: int) -> None:
    alone = epoch_order(sampler, epoch=1, seed=seed).samples
    for rank in range(world):
        share = epoch_order(sampler, epoch=1, seed=seed, rank=rank, world=world)
        assert (share.samples == alone[share.positions % len(alone)]).all()


@settings(deadline=None)
@given(sampler=training_samplers(), seed=seeds, epochs=st.lists(st.integers(0, 99), min_size=1, max_size=4))
def test_an_epoch_does_not_depend_on_those_before_it_and_all_are_equally_long(
    sampler: Sampler, seed: int, epochs: list[int]
) -> None:
    for epoch in epochs:
        sampler.samples(epoch=epoch, seed=seed + 1)
    last, again = (sampler.samples(epoch=epochs[-1], seed=seed) for _ in range(2))
    assert (last == again).all()
    assert len(last) == len(sampler.samples(epoch=0, seed=seed)) >= 1
    assert last.min() >= 0 and last.max() < sampler.rows


@pytest.mark.parametrize(
    "sampler",
    [
        Shuffled(50),
        Weighted(np.arange(50.0)),
        undersampled(np.arange(50) % 5),
        person_balanced(np.arange(50) // 9),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_epochs_and_seeds_differ(sampler: Sampler) -> None:
    orders = {tuple(epoch_order(sampler, epoch=e, seed=s).samples) for e in range(3) for s in range(3)}
    assert len(orders) == 9


@pytest.mark.parametrize("sampler", [Shuffled(3), InOrder(3), Weighted([1, 2]), undersampled([0, 1])])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 2, "world": 2}, "rank 2 of world 2"),
        ({"seed": -1}, "0 or more"),
        ({"epoch": -1}, "0 or more"),
    ],
)
def test_bad_arguments_are_named(sampler: Sampler, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        epoch_order(sampler, **{"epoch": 0, "seed": 0, **arguments})
