"""Weights of a file in a backbone: found among whatever stands beside them, fitted by timm, and told."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import timm
import torch
from torch import Tensor

from train.network.backbone import Backbone
from train.network.weights_file import State, WeightsError, read_weights, tensors_in
from train.weights.card import WeightsCard, read_weights_card
from train.weights.kept import refuse_other


def load_weights(path: Path, backbone: Backbone, name: str) -> str:
    """Load a file's weights into a backbone, all but a classifier's.

    They may stand in tables (`state_dict`, `model`; of `state_dict_ema` or `model_ema` beside them those are
    taken), under prefixes (`module.`, `backbone.`) and beside anything else, as in a run's best.safetensors.
    timm's own function for the backbone sets right the names of other sources and, where it can, tensors that
    depend on the input's size. What the card of known weights says of their input is the backbone's then.

    Args:
        path: safetensors, or what torch.save wrote; no code in it is run.
        backbone: what they are for.
        name: its name in timm.

    Returns:
        A line on what was taken, left and missed.

    Raises:
        WeightsError: no such file, no weights, several networks that fit, weights of another backbone, shapes
            that differ, or values that are not finite.
    """
    state, own = read_weights(path), backbone.network.state_dict()
    if card := read_weights_card(path):
        _follow(card, path, backbone, name)
    prefix = _prefix(state, own, path)
    inner = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    beside = [key for key in state if not key.startswith(prefix)]
    _check_finite(inner, own, path)
    fitted = _fitted(inner, own, backbone, name)
    classifier = _classifier(backbone)
    heads = [key for key in fitted if key not in own and key.startswith(classifier)]
    taken = {key: tensor for key, tensor in fitted.items() if _agrees(key, tensor, own)}
    rest = [key for key in fitted if key not in own and key not in heads]
    missing = [key for key in _needed(own) if key not in fitted]
    _check_names(path, name, own, fitted, rest)
    _check_shapes(path, name, own, fitted)
    _check_blocks(path, name, [key for key in fitted if key not in heads], own)
    backbone.network.load_state_dict(taken, strict=False)
    resampled = [key for key in taken if key in inner and inner[key].shape != taken[key].shape]
    line = f"weights={str(path)!r}: {len(taken)} tensors taken, {len(heads)} of the classifier left"
    line += f"; resampled to this input size: {_few(resampled)}" if resampled else ""
    line += f"; {len(beside)} beside the backbone left: {_few(beside)}" if beside else ""
    line += f"; {len(rest)} left, as the backbone has no such: {_few(rest)}" if rest else ""
    return line + (f"; {len(missing)} missing, which begin at random: {_few(missing)}" if missing else "")


def _follow(card: WeightsCard, path: Path, backbone: Backbone, name: str) -> None:
    """Refuse a backbone that the weights of a card are not for, and have timm tell what input they expect."""
    refuse_other(str(path), card.backbone, name)
    config = dict(backbone.network.pretrained_cfg)  # type: ignore[arg-type]
    backbone.network.pretrained_cfg = config | {"mean": card.mean, "std": card.std}  # type: ignore[assignment]


def _prefix(state: State, own: State, path: Path) -> str:
    """What stands before the backbone's names in most tensors."""
    names: Counter[str] = Counter()
    for key, tensor in state.items():
        parts = key.split(".")
        for cut in range(len(parts)):
            name = ".".join(parts[cut:])
            if name in own:
                names[key.removesuffix(name)] += 1 + _agrees(name, tensor, own)
    most = max(names.values(), default=0)
    prefixes = [prefix for prefix, count in names.items() if count == most]
    if most < len(_needed(own)):  # names of another source, which timm may know
        shared = {key.partition(".")[0] + "." for key in state}
        prefixes = [*shared] if len(shared) == 1 else [""]
    elif len(prefixes) > 1:
        raise WeightsError(
            f"weights={str(path)!r}: {len(prefixes)} networks in it fit, under {_few(prefixes)}: "
            "save one of them alone"
        )
    return prefixes[0]


def _fitted(state: State, own: State, backbone: Backbone, name: str) -> State:
    """The tensors as they are where they are the backbone's, or else as timm makes them."""
    if all(key in state and _agrees(key, state[key], own) for key in _needed(own)):
        return state
    found = _timms_filter(name, backbone.options)
    if found is None:
        return state
    try:
        with warnings.catch_warnings(action="ignore"):  # of how timm computes
            try:
                made = found(dict(state), backbone.network)
            except TypeError:  # some take the tensors alone
                made = found(dict(state))
        made = dict(tensors_in(made))
    except Exception:  # written for this backbone's weights, it stumbles over those of another
        return state
    return max(state, made, key=lambda each: sum(_agrees(key, tensor, own) for key, tensor in each.items()))


def _timms_filter(name: str, options: Mapping[str, Any]) -> Callable[..., Any] | None:
    """What timm does to weights of this backbone before it loads them: it tells nobody but its own loader."""
    found: list[Callable[..., Any] | None] = []

    def loader(*_: Any, filter_fn: Callable[..., Any] | None = None, **__: Any) -> None:
        found.append(filter_fn)

    with patch("timm.models._builder.load_pretrained", loader), torch.device("meta"):
        timm.create_model(name, pretrained=True, **options)
    return found[0] if found else None


def _classifier(backbone: Backbone) -> tuple[str, ...]:
    names = backbone.network.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr,operator]
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))


def _agrees(key: str, tensor: Tensor, own: State) -> bool:
    return key in own and own[key].shape == tensor.shape


def _needed(own: State) -> list[str]:
    """Names of what a file should hold: counts of batches are not used."""
    return [key for key in own if not key.endswith("num_batches_tracked")]


def _check_finite(state: State, own: State, path: Path) -> None:
    wrong = [key for key, tensor in state.items() if tensor.is_floating_point() and not _finite(tensor)]
    wrong = [key for key in wrong if key not in own or _finite(own[key])]
    if wrong:
        values = state[wrong[0]].float()
        more = f" (and {len(wrong) - 1} tensors more)" if wrong[1:] else ""
        raise WeightsError(
            f"weights={str(path)!r}: {wrong[0]} has {int((~values.isfinite()).sum()):,} values of "
            f"{values.numel():,} that are NaN or infinite{more}: "
            "whatever is trained from it is NaN too; take an earlier or an undamaged file"
        )


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.float().isfinite().all())


def _check_names(path: Path, name: str, own: State, state: State, rest: list[str]) -> None:
    """Refuse a file with less than half of the backbone's names."""
    needed = _needed(own)
    found = [key for key in needed if key in state]
    if 2 * len(found) < len(needed):
        absent = [key for key in needed if key not in state]
        raise WeightsError(
            f"weights={str(path)!r} do not fit backbone {name!r}: {len(found)} of its {len(needed)} tensors "
            f"are there; it has {_few(absent)}, the file {_few(rest) or 'nothing else'}: weights of another "
            "architecture?"
        )


def _check_shapes(path: Path, name: str, own: State, state: State) -> None:
    """Refuse a file whose tensors have the backbone's names and other shapes."""
    wrong = [key for key in own if key in state and not _agrees(key, state[key], own)]
    if wrong:
        shapes = [f"{key} is {[*state[key].shape]} there, {[*own[key].shape]} here" for key in wrong[:2]]
        more = f" and {len(wrong) - 2} more" if wrong[2:] else ""
        raise WeightsError(
            f"weights={str(path)!r} do not fit backbone {name!r}: {len(wrong)} shapes differ "
            f"({'; '.join(shapes)}{more}): weights of another width, or of an input size that timm does not "
            "resample for this backbone"
        )


def _check_blocks(path: Path, name: str, given: Iterable[str], own: State) -> None:
    """Refuse a file whose numbered blocks are more or fewer than the backbone's: it would be half random."""
    there, here = _blocks(given), _blocks(own)
    rows = {block.rpartition(".")[0] for block in here} & {block.rpartition(".")[0] for block in there}
    differing = [
        block
        for block, tensors in {**there, **here}.items()
        if (block in there) != (block in here) and tensors > 2 and block.rpartition(".")[0] in rows
    ]
    if differing:
        where = "the file" if differing[0] in there else f"backbone {name!r}"
        raise WeightsError(
            f"weights={str(path)!r} do not fit backbone {name!r}: only {where} has {_few(differing)}: "
            "weights of a deeper or shallower one of its family?"
        )


def _blocks(names: Iterable[str]) -> Counter[str]:
    """Numbers of tensors of each numbered part, such as layer1.0."""
    found: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        found.update(".".join(parts[: n + 1]) for n, part in enumerate(parts[:-1]) if part.isdigit())
    return found


def _few(names: list[str]) -> str:
    """The first two, and how many more."""
    return ", ".join(map(repr, names[:2])) + (f" and {len(names) - 2} more" if names[2:] else "")
