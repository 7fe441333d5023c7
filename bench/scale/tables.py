"""The tables in which `bench.scale` prints what it found."""

from __future__ import annotations

from typing import Any

from rich.table import Table

LARGE = 100_000_000
"""Rows that the order's memory is stated for."""


def memory_table(found: dict[str, Any]) -> Table:
    """Of the small and the large cache, and what a row more takes."""
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
    """Of the same rows in one shard and in many, and of the large cache."""
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
