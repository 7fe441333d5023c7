"""`python -m bench.scale`: what grows with the cache and what does not: memory, start-up, the order."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from bench.measure import save_report
from bench.scale.sizes import CROP, Sizes
from faces.command import run_command
from faces.cores import usable_cores
from faces.terminal.output import print_whole
from pipeline.samplers import LISTED

LARGE = 100_000_000
"""Rows that the order's memory is stated for."""
Part = Literal["caches", "growth"]
STEPS = {
    "open": "open, no shard read",
    "sampled": "open, sampled",
    "hash_one": "hashing, one core",
    "hash_all": "hashing, all cores",
    "labels": "labels of a task",
    "index": "all columns",
    "folds": "people dealt to folds",
    "loader": "loader made",
    "order": "order and a batch of it",
    "first_batch": "first batch",
    "evaluate": "macro F1 and interval",
    "index_mb": "MB of all columns",
    "built_mb": "MB with the loader made",
    "own_mb": "most MB while loading",
}
"""What is measured of growth, in words."""


@dataclass(frozen=True, kw_only=True)
class BenchScaleSettings:
    """Measure how memory and start-up grow with a cache, on caches of tiny crops made for it.

    Each figure comes from a fresh process. Takes some minutes and about 1 GB of temporary files. Caches of up
    to a million rows are made of a small one by hard links.

    Example: make bench-scale
    """

    out: Path = Path("bench/results/scale.json")
    """The report on few and many rows."""
    growth: Path = Path("bench/results/growth.json")
    """The report on growth."""
    parts: tuple[Part, ...] = ("caches", "growth")
    """What to measure: memory and start-up of few and many rows, and orders; growth up to a million rows."""
    sizes: tyro.conf.OmitArgPrefixes[Sizes] = field(default_factory=Sizes)


def bench(settings: BenchScaleSettings) -> None:
    """Measure, print the tables and write the reports."""
    if "caches" in settings.parts:
        bench_caches(settings)
    if "growth" in settings.parts:
        bench_growth(settings)


def _report(path: Path, sizes: Sizes, found: dict[str, Any]) -> dict[str, Any]:
    # torch and DALI take seconds to import, for which --help should not wait.
    from nvidia.dali import __version__ as dali_version

    return save_report(
        path,
        conditions=asdict(sizes) | {"crop": CROP, "codec": "jpeg", "policy": "strong"},
        versions={"nvidia-dali": dali_version}
        | {name: version(name) for name in ("torch", "numpy", "pandas")},
        **found,
    )


def bench_caches(settings: BenchScaleSettings) -> dict[str, Any]:
    """Few rows beside many, and orders."""
    from bench.scale.work import measure

    found = measure(settings.sizes)
    report = _report(settings.out, settings.sizes, found)
    console = Console(highlight=False)
    console.print(memory_table(found["memory_mb"]))
    console.print(start_table(found["start_up_s"]))
    console.print(order_table(found["order_bytes_a_row"], settings.sizes.order_rows))
    draws, flat = found["draws_mb"], found["order_flat"]
    console.print(
        f"Random draws are made {draws['places']:,.0f} places at a time: {draws['kept']:.1f} MB of them and "
        f"their matrices, whatever the number of rows. Beyond {LISTED:,} rows a shuffled epoch is computed "
        f"from its places: of {flat['rows']:,} it takes {flat['peak_mb']:.2f} MB at most and "
        f"{flat['ns_a_row']:.0f} ns a row.\n"
        f"{report['machine']}; wrote {settings.out}"
    )
    return report


def bench_growth(settings: BenchScaleSettings) -> dict[str, Any]:
    """Caches of more and more rows."""
    from bench.scale.work import measure_growth

    found = measure_growth(settings.sizes)
    report = _report(settings.growth, settings.sizes, found)
    console = Console(highlight=False)
    print_whole(growth_table(found), console)
    rates = (
        f"{row['rows']:,} rows {row['gigabytes'] / row['hash_one'] * 1e3:,.0f} and "
        f"{row['gigabytes'] / row['hash_all'] * 1e3:,.0f}"
        for row in found["growth"]
    )
    console.print(
        f"Hashing, MB/s on one core and on all {usable_cores()}: {'; '.join(rates)}\n"
        f"{report['machine']}; wrote {settings.growth}"
    )
    return report


def growth_table(found: dict[str, Any]) -> Table:
    """Seconds and MB of each cache, and the power of the rows that they grow with."""
    table = Table(title="Growth with the rows of a cache, seconds and MB, files in the page cache")
    table.add_column("rows", no_wrap=True)
    for row in found["growth"]:
        table.add_column(f"{row['rows']:,}", justify="right")
    for name in ("power of the rows", "at the end"):
        table.add_column(name, justify="right")
    for name, words in STEPS.items():
        slopes = found["exponents"].get(name)
        ends = (f"{slopes['all']:.2f}", f"{slopes['last']:.2f}") if slopes else ("", "")
        table.add_row(words, *(f"{row[name]:,.3f}" for row in found["growth"]), *ends)
    return table


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
