"""How much of where a head looks is face, over many photos: does it look at hair, collar, wall?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from faces.cache.writer import DETECTED
from faces.intervals import Estimate
from faces.labels import FloatArray, IntArray
from infer.answers.words import headings
from infer.explain.maps import Maps, head_maps, likeliest
from infer.explain.network import TrainedNetwork, load_trained
from infer.explain.regions import GREY, box_in_crop, person_of, regions_of
from infer.predict.out_of_fold import OutOfFold
from train.network.model import build_model

PASSES = 3
"""Maps of each head and photo: as it is, without background, of random weights."""
COARSE = 16
"""Pixels of a side between those whose ranks are compared."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """n photos of n people, with what lies where on their crops."""

    rows: IntArray
    """Of the cache."""
    folds: IntArray
    """The fold that left each person out."""
    crops: NDArray[np.uint8]
    """[n, size, size, 3]."""
    bare: NDArray[np.uint8]
    """The same with all but the person painted grey."""
    regions: NDArray[np.bool_]
    """[n, 4, size, size] of `REGIONS`."""
    matted: bool
    """Whether the cache tells the person by a matte; else face and hair count as the person."""


@dataclass(frozen=True, kw_only=True)
class HeadShares:
    """Where the head of one recipe looks on n photos, each by the network that did not see the person."""

    recipe: str
    task: str
    name: str
    """Of the task for people: `age`."""
    area: FloatArray
    """[n, 4] how much of what the network is shown is of each region: the shares of an even look."""
    shares: FloatArray
    """[n, 4] of the map; NaN of an empty one."""
    bare: FloatArray
    """[n, 4] the same without background."""
    same: NDArray[np.bool_]
    """[n] whether the answer is the same without background."""
    right: FloatArray
    """[n, 2] 1 where the answer is right, with background and without; NaN where that is not known."""
    random: FloatArray
    """[n] rank correlation of the map with that of random weights; near 1 maps would tell of no training."""
    mean_map: NDArray[np.float32]
    """[size, size] mean over the photos."""


def draw_sample(plan: OutOfFold, count: int, seed: int = 0) -> Sample:
    """Photos whose face was found upright, one of each person, people at random.

    Args:
        plan: photos that every recipe may answer.
        count: of people, or as many as there are.
        seed: of the draw.

    Raises:
        ValueError: there is no such photo.
    """
    index, cache = plan.cache.index, plan.cache
    if lacking := [name for name in ("crop_box", "crop_angle") if name not in index]:
        raise ValueError(
            f"{cache.folder}: no {lacking[0]} in its index, so where faces lie in its crops is not known; "
            "preprocess its photos again into another folder"
        )
    usable = ((index["status"] == DETECTED) & (index["crop_angle"] == 0)).to_numpy()
    photos = plan.photos[usable[plan.photos["row"].to_numpy()]].sample(frac=1, random_state=seed)
    chosen = photos.drop_duplicates("person").head(count).sort_values("row")
    if chosen.empty:
        raise ValueError(f"{cache.folder}: no photo whose face was found upright, so none to look at")
    rows = chosen["row"].to_numpy(np.int64)
    stored = np.stack([np.asarray(cache.image(int(row))) for row in rows])
    size = stored.shape[1]
    boxes = [box_in_crop(index["face_box"][row], index["crop_box"][row], size) for row in rows]
    regions = np.stack([regions_of(box, size) for box in boxes])
    person = np.stack([person_of(*each) for each in zip(regions, stored, strict=True)])
    crops = stored[..., :3]
    return Sample(
        rows=rows,
        folds=chosen["fold"].to_numpy(np.int64),
        crops=crops,
        bare=np.where(person[..., None], crops, np.uint8(GREY)),
        regions=regions,
        matted=stored.shape[3] == 4,
    )


def shares_of(
    plan: OutOfFold,
    recipe: str,
    sample: Sample,
    advance: Callable[[int], object] = lambda _: None,
) -> list[HeadShares]:
    """The shares of each of a recipe's heads.

    Args:
        plan: of the sample.
        recipe: one of its recipes.
        sample: of `draw_sample`.
        advance: called with numbers of photos, `PASSES` times those of the sample for each head.

    Raises:
        ValueError: a run that cannot be used, or a backbone that keeps no map of places.
    """
    found: dict[str, list[_Looked]] = {}
    for run in plan.runs[recipe]:
        mine = np.flatnonzero(sample.folds == run.card.fold)
        if len(mine):
            network = load_trained(run.path)
            random = _random_weights(network)
            for task in network.tasks:
                found.setdefault(task, []).append(_look(network, random, sample, mine, task, advance))
    return [_head(plan, recipe, task, sample, looked) for task, looked in found.items()]


@dataclass(frozen=True)
class _Looked:
    mine: IntArray
    maps: tuple[Maps, Maps, Maps]
    classes: tuple[IntArray, IntArray]
    centre: float


def _look(
    network: TrainedNetwork,
    random: TrainedNetwork,
    sample: Sample,
    mine: IntArray,
    task: str,
    advance: Callable[[int], object],
) -> _Looked:
    crops, bare = sample.crops[mine], sample.bare[mine]
    answered, without = likeliest(network, crops, task), likeliest(network, bare, task)
    asked = [*map(int, answered)]
    maps = (
        head_maps(network, crops, task, asked, advance),
        head_maps(network, bare, task, asked, advance),
        head_maps(random, crops, task, asked, advance),
    )
    return _Looked(mine, maps, (answered, without), network.card.recipe.centre)


def _head(plan: OutOfFold, recipe: str, task: str, sample: Sample, looked: Sequence[_Looked]) -> HeadShares:
    order = np.argsort(np.concatenate([each.mine for each in looked]))
    plain, bare, random = (
        np.concatenate([each.maps[place] for each in looked])[order] for place in range(PASSES)
    )
    answered, without = (
        np.concatenate([each.classes[place] for each in looked])[order] for place in range(2)
    )
    truth = plan.cache.labels(task)[sample.rows]
    right = np.stack([answered == truth, without == truth], 1).astype(np.float64)
    right[truth < 0] = np.nan
    return HeadShares(
        recipe=recipe,
        task=task,
        name=", ".join(headings(plan.cache.label_set.task(task))),
        area=region_shares(_seen(plain.shape, looked[0].centre), sample.regions),
        shares=region_shares(plain, sample.regions),
        bare=region_shares(bare, sample.regions),
        same=answered == without,
        right=right,
        random=rank_correlations(*(_shown(maps, looked[0].centre) for maps in (plain, random))),
        mean_map=plain.mean(0),
    )


def region_shares(maps: Maps, regions: NDArray[np.bool_]) -> FloatArray:
    """[n, 4] shares of each map [n, H, W] that lie on its regions [n, 4, H, W]; NaN of an empty one."""
    sums = np.einsum("nhw,nrhw->nr", maps, regions, optimize=True).astype(np.float64)
    whole = sums.sum(1, keepdims=True)
    found: FloatArray = np.divide(sums, whole, out=np.full_like(sums, np.nan), where=whole > 0)
    return found


def rank_correlations(maps: Maps, others: Maps) -> FloatArray:
    """[n] Spearman's correlation of maps [n, H, W] at points `COARSE` pixels apart; NaN of a flat one."""
    from scipy.stats import rankdata  # takes long to import, for which --help should not wait

    half = COARSE // 2
    one, other = (
        rankdata(each[:, half::COARSE, half::COARSE].reshape(len(each), -1), axis=1)
        for each in (maps, others)
    )
    one, other = (each - each.mean(1, keepdims=True) for each in (one, other))
    size = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    none = np.full(len(maps), np.nan)
    found: FloatArray = np.divide((one * other).sum(1), size, out=none, where=size > 0)
    return found


def mean_of(values: FloatArray) -> Estimate:
    """The mean of values of n people, NaN left out, with its 95 % interval: 1.96 standard errors each way."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Estimate(float("nan"), float("nan"), float("nan"))
    mean = float(known.mean())
    reach = 1.96 * float(known.std(ddof=1)) / len(known) ** 0.5 if len(known) > 1 else float("nan")
    return Estimate(mean, mean - reach, mean + reach, len(known))


def _seen(shape: tuple[int, ...], centre: float) -> Maps:
    """An even look at the middle that a network is shown."""
    even = np.zeros(shape, np.float32)
    _shown(even, centre)[...] = 1
    return even


def _shown(maps: Maps, centre: float) -> Maps:
    """The part of maps [n, H, W] on what a network is shown; beyond it all are 0."""
    side = round(maps.shape[1] * centre)
    first = (maps.shape[1] - side) // 2
    return maps[:, first : first + side, first : first + side]


def _random_weights(network: TrainedNetwork) -> TrainedNetwork:
    """The same network before any training, its weights drawn by seed 0."""
    torch.manual_seed(0)
    card = network.card
    drawn = build_model(card.recipe, card.labels, initialise=False).requires_grad_(False).eval()
    return TrainedNetwork(drawn, network.card)
