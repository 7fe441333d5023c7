"""The graph on the device: every kind of crop, every augmentation beside the CPU's, places in batches."""

from __future__ import annotations

import numpy as np

from doctor.crops import draw_crops, encoded, with_alpha
from doctor.finding import Finding
from doctor.gpu_check.place import Place
from doctor.pixels import COUNT, MOST_APART, difference, graph_of, levels, place_matters, told
from pipeline.augment import POLICIES, REGISTERED, Policy

KINDS = (("raw", 3), ("jpeg", 3), ("png", 3), ("raw", 4), ("png", 4))
"""Codec and channels of every sort of cache, the commonest first."""


def graphs(place: Place) -> Finding:
    """Graphs of every sort of crop, plain and augmented."""
    spread = {}
    for codec, channels in KINDS:
        crops = [with_alpha(crop) if channels == 4 else crop for crop in draw_crops(COUNT)]
        stored = crops if codec == "raw" else [encoded(crop, codec.upper()) for crop in crops]
        for policy in ("none", "strong"):
            form = {"codec": codec, "channels": channels, "centre": 0.8}
            found = levels(graph_of(POLICIES[policy], place.dali, size=160, **form), stored)
            spread[f"{codec} {channels} {policy}"] = float(found.std())
            print(f"{codec} {channels} {policy}: mean {found.mean():.1f}, deviation {found.std():.1f}")
    dull = [name for name, deviation in spread.items() if not np.isfinite(deviation) or deviation < 10]
    if dull:
        return Finding(words=f"no picture comes out of {', '.join(dull)}", cure="see its log")
    return Finding(words=f"{len(spread)} graphs built and run: {', '.join(spread)}")


def parity(place: Place) -> Finding:
    """Every named policy and every example of an augmentation, beside the CPU's pixels."""
    crops = draw_crops(COUNT)
    examples = {
        name: Policy(**settings)
        for augmentation in REGISTERED
        for name, settings in augmentation.examples.items()
    }
    forms = {"at 96, centre 1.0": (96, 1.0), "at 160, centre 0.8": (160, 0.8)}
    apart = {}
    for name, policy in (POLICIES | examples).items():
        for form, (size, centre) in forms.items():
            settings = {"codec": "raw", "size": size, "centre": centre}
            found = difference(policy, crops, settings, ("cpu", place.dali))
            apart[f"{name} {form}"] = found
            print(f"{name} {form}: mean {found[0]:.3f}, most {found[1]:.1f} grey levels", flush=True)
    wrong = [name for name, (mean, _) in apart.items() if mean > MOST_APART]
    if wrong:
        return Finding(words=f"{told(apart)}; too much: {', '.join(wrong)}", cure="see its log")
    return Finding(words=f"{len(apart)} graphs, {told(apart)}")


def places(place: Place) -> Finding:
    """The same JPEG at other places of other batches."""
    apart = place_matters(place.dali)
    if apart:
        return Finding(
            words=f"pixels of a JPEG differ {', '.join(apart)}", cure="see pipeline/graph.py, decode"
        )
    return Finding(words="a JPEG has the same pixels, bit for bit, at any place of any batch")
