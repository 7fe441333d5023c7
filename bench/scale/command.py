"""`python -m bench.scale`: what grows with the cache and what does not: memory, start-up, the order."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

from bench.measure import save_report
from bench.scale.sizes import CROP, Sizes
from faces.command import run_command

LARGE = 100_000_000
"""Rows that the order's memory is stated for."""
FLAT = (
    "To keep the order flat too: compute a batch's rows from (seed, epoch, place) with a Feistel network "
    "(weighted: draw the class, then a row of it)."
)


@dataclass(frozen=True, kw_only=True)
class BenchScaleSettings:
    """Measure how memory and start-up grow with a cache, on caches of tiny crops made for it.

    Each figure comes from a fresh process. Takes some minutes and about 1 GB of temporary files.

    Example: make bench-scale
    """

    out: Path = Path("bench/results/scale.json")
    """The report."""
    sizes: tyro.conf.OmitArgPrefixes[Sizes] = field(default_factory=Sizes)


def bench(settings: BenchScaleSettings) -> dict[str, Any]:
    """Measure, print the tables and write the report."""
    # torch and DALI take seconds to import, for which --help should not wait.
    from nvidia.dali import __version__ as dali_version

    from bench.scale.work import measure

    found = measure(settings.sizes)
    report = save_report(
        settings.out,
        conditions=asdict(settings.sizes) | {"crop": CROP, "codec": "jpeg", "policy": "strong"},
        versions={"nvidia-dali": dali_version}
        | {name: version(name) for name in ("torch", "numpy", "pandas")},
        **found,
        flat=FLAT,
    )
    console = Console(highlight=False)
    console.print(memory_table(found["memory_mb"]))
    console.print(start_table(found["start_up_s"]))
    console.print(order_table(found["order_bytes_a_row"], settings.sizes.order_rows))
    draws = found["draws_mb"]
    console.print(
        f"Random draws are made {draws['places']:,.0f} places at a time: {draws['kept']:.1f} MB of them and "
        f"their matrices, whatever the number of rows. {FLAT}\n"
        f"{report['machine']}; wrote {settings.out}"
    )
    return report


def memory_table(found: dict[str, Any]) -> Table:
    """Memory of the small and the large cache, and what a row more takes."""
    table = Table(title="Memory of loading, MB above the process with all libraries warm")
    names = ("rows", "cache opened", "loader made", "most, own", "most, mapped files", "own, whole process")
    for name in names:
        table.add_column(name, justify="right")
    few, many = found["few"], found["many"]
    kinds = ("opened", "built", "own", "mapped")
    for row in (few, many):
        own = (f"{row[kind]:,.1f}" for kind in kinds)
        table.add_row(f"{row['rows']:,}", *own, f"{row['before'] + row['own']:,.1f}")
    more = many["rows"] - few["rows"]
    growth = (f"{(many[kind] - few[kind]) * 1e6 / more:,.0f}" for kind in kinds)
    ratio = (many["before"] + many["own"]) / (few["before"] + few["own"])
    table.add_section()
    table.add_row("bytes a row more", *growth, f"{ratio:.3f} times")
    return table


def start_table(found: dict[str, Any]) -> Table:
    """Start-up with the same rows in one shard and in many, and with the large cache."""
    table = Table(title="Start-up in seconds, libraries imported, files in the page cache")
    names = ("rows", "shards", "Cache.open", "of it hashing shards", "Loader", "first batch", "together")
    for name in names:
        table.add_column(name, justify="right")
    for row in found.values():
        times = (f"{row[key]:.3f}" for key in ("open", "hash", "loader", "first_batch", "total"))
        table.add_row(f"{row['rows']:,}", f"{row['shards']:,}", *times)
    return table


def order_table(found: dict[str, Any], rows: int) -> Table:
    """Bytes a row counted at `rows` rows, and what that makes of 100 million."""
    table = Table(title=f"Order of an epoch, bytes a row (counted at {rows:,} rows)")
    table.add_column("", no_wrap=True)
    for name in ("sampler", "kept", "peak", "seconds", "100 M rows: kept", "peak"):
        table.add_column(name, justify="right")
    for name, row in found.items():
        large = (f"{(row['sampler'] + row[key]) * LARGE / 1e9:.1f} GB" for key in ("kept", "peak"))
        cells = (f"{row['sampler']:.0f}", f"{row['kept']:.0f}", f"{row['peak']:.0f}", f"{row['seconds']:.2f}")
        table.add_row(name, *cells, *large)
    return table


def main() -> None:
    """The command line."""
    run_command(BenchScaleSettings, bench)
