"""What precision, memory layout, our loops and torch.compile gain in training, backbone by backbone."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from bench.measure import circumstances, save_report
from bench.train.step_rows import StepRow, best_row
from faces.command import nearest, run_command
from faces.plots import save_figure
from faces.terminal.progress import step_progress

PACKAGES = ("torch", "timm", "lightning-fabric")


@dataclass(frozen=True, kw_only=True)
class BenchStepSettings:
    """Measure training images a second of backbones: fp32, bf16 and fp16, channels last, our loops, compiled.

    Each step is a training step on random pixels: forward, losses, backward and optimiser. The loader has no
    part in it; `make bench-train` measures that. Ratios are to fp32 in PyTorch's default layout (contiguous
    NCHW) in the turn beside.

    Example: make bench-step BACKBONES="resnet18 efficientnet_b0"
    """

    backbones: tuple[str, ...] = (
        "mobilenetv1_025",
        "mobilenetv1_100",
        "tf_efficientnet_lite0",
        "lcnet_050",
        "resnet10t",
        "resnet18",
        "efficientnet_b0",
        "densenet121",
    )
    """Names of timm models."""
    image_size: int = 112
    """Height and width of the images, pixels."""
    batch_size: int = 16
    """Images a step."""
    steps: int = 4
    """Timed steps a turn."""
    repetitions: int = 5
    """Counted turns of each variant, after one to warm up."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU where there is one."""
    torch_threads: int = 0
    """CPU threads of the network; 0 is what training takes."""
    frozen_layers: int = 0
    """Also measure our loops with so many of the backbone's first groups of layers frozen."""
    compile: bool = True
    """Also measure torch.compile, which takes about a minute a backbone on a CPU."""
    out: Path = Path("bench/results/step.json")
    """The report; a picture is written beside it."""

    def __post_init__(self) -> None:
        least = {"image_size": 1, "batch_size": 2, "steps": 1, "repetitions": 1}
        least |= {"torch_threads": 0, "frozen_layers": 0}
        for name, limit in least.items():
            if getattr(self, name) < limit:
                raise ValueError(f"{name} must be at least {limit}, got {getattr(self, name)}")
        if not self.backbones or len(set(self.backbones)) < len(self.backbones):
            raise ValueError(f"backbones={list(self.backbones)}: name at least one, each once")


def bench(settings: BenchStepSettings) -> list[StepRow]:
    """Measure and write the report.

    Raises:
        ValueError: an unknown backbone, or a GPU was demanded and there is none.
    """
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    import timm
    import torch

    from bench.train.step_speed import HEADS, Work, measure_backbone, turns
    from train.engine.precision import choose_device

    for name in settings.backbones:
        if not timm.is_model(name):
            raise ValueError(f"backbone {name!r} is unknown: {nearest(name, timm.list_models())}")
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    sizes = {
        name: getattr(settings, name)
        for name in ("image_size", "batch_size", "steps", "repetitions", "frozen_layers")
    }
    work = Work(device=choose_device(settings.device), **sizes)
    rows: list[StepRow] = []
    with step_progress("turns", console=Console(highlight=False)) as progress:
        total = turns(work, compiled=settings.compile) * len(settings.backbones)
        bar = progress.add_task("", total=total)

        def begin(turn: str) -> None:
            progress.update(bar, description=turn)

        def end(count: int) -> None:
            progress.advance(bar, count)

        for name in settings.backbones:
            found = measure_backbone(name, work, compiled=settings.compile, begin=begin, end=end)
            progress.console.print(backbone_table(found))
            rows += found
    conditions = {
        "image": work.image_size,
        "batch": work.batch_size,
        "heads": ", ".join(HEADS),
        "device": work.device,
        "network threads": torch.get_num_threads(),
        "steps": work.steps,
        "repetitions": work.repetitions,
        "frozen layers": work.frozen_layers,
        "compile": settings.compile,
    }
    _report(settings.out, rows, conditions)
    return rows


def backbone_table(rows: list[StepRow]) -> Table:
    """One backbone's rows for the terminal, the best in bold; below them, what failed and why."""
    best = best_row(rows)
    notes = [f"best: {best.label}"] if best else []
    notes += _gain(rows)
    notes += [f"{row.label}: {row.failure}" for row in rows if row.failure]
    table = Table(title=rows[0].backbone, caption="\n".join(notes), caption_justify="left")
    table.add_column("", no_wrap=True)
    for heading in ("images/s", "ratio", "of laps", "CPU ms", "compile"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.label,
            "failed" if row.images_per_s is None else f"{row.images_per_s:,.1f}",
            "" if row.ratio is None else f"{row.ratio:.2f}",
            "" if row.ratio is None else f"{row.ratio_min:.2f} to {row.ratio_max:.2f}",
            "" if row.cpu_ms is None else f"{row.cpu_ms:,.1f}",
            "" if row.compile_s is None else f"{row.compile_s:.0f} s",
            style="bold" if row is best else None,
        )
    return table


def _gain(rows: list[StepRow]) -> list[str]:
    """Lines on what training takes by itself, and on what our loops gain over torch's in the same layout."""
    named = {row.name: row for row in rows if row.ratio and row.cpu_ms}
    ours, same = named.get("fp32, our loops"), named.get("fp32, channels_last")
    if not (ours and same and ours.ratio and same.ratio and ours.cpu_ms and same.cpu_ms):
        return []
    half = named.get("bf16, channels_last")
    auto = half if half and half.ratio and half.ratio > ours.ratio else ours
    return [
        f'precision = "auto" takes {auto.name}',
        f"our loops over torch's, both channels_last: {ours.ratio / same.ratio:.2f} times the images/s, "
        f"{same.cpu_ms / ours.cpu_ms:.2f} times by CPU time",
    ]


def _report(path: Path, rows: list[StepRow], conditions: dict[str, Any]) -> None:
    versions = {name: version(name) for name in PACKAGES}
    report = save_report(path, conditions=conditions, versions=versions, rows=[vars(row) for row in rows])
    _draw(path.with_suffix(".png"), rows, conditions, report["machine"])
    console = Console(highlight=False)
    console.print(circumstances(report))
    console.print(f"wrote {path} and {path.with_suffix('.png')}")


def _draw(path: Path, rows: list[StepRow], conditions: dict[str, Any], machine: str) -> None:
    from matplotlib.figure import Figure

    backbones = list(dict.fromkeys(row.backbone for row in rows))
    names = list(dict.fromkeys(row.name for row in rows))[1:]
    figure = Figure(figsize=(8, 2 + 0.25 * len(names) * len(backbones)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(names)
    for place, name in enumerate(names):
        mine = [row for row in rows if row.name == name]  # one of each backbone
        centres = [i + (place - (len(names) - 1) / 2) * height for i in range(len(backbones))]
        ratios = [row.ratio or 0 for row in mine]
        low = [(row.ratio or 0) - (row.ratio_min or 0) for row in mine]
        high = [(row.ratio_max or 0) - (row.ratio or 0) for row in mine]
        axes.barh(centres, ratios, height, xerr=[low, high], capsize=2, label=name)
        for centre, row in zip(centres, mine, strict=True):
            text = "failed" if row.ratio is None else f"{row.ratio:.2f}{row.label.removeprefix(name)}"
            axes.text(row.ratio_max or 0, centre, f"  {text}", va="center", fontsize=8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(backbones)), backbones)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2 * max([1.0, *(row.ratio_max or 0 for row in rows)]))
    axes.set_xlabel(
        f"training speed, fp32 contiguous = 1; median and range of laps\n{conditions['device']}; {machine}"
    )
    axes.set_title(f"Training {conditions['batch']} images of {conditions['image']} pixels a step")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=len(names))
    save_figure(figure, path, dpi=120)


def main() -> None:
    """The command line."""
    run_command(BenchStepSettings, bench)


if __name__ == "__main__":
    main()
