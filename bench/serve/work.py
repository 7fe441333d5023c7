"""The service and the predictor in turns, and the service's memory over many requests."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.measure import Rival, Row, draw_rows, measure, save_report
from bench.serve.load import Asked, ask, read_photos, resident_mb
from bench.serve.processes import PredictorProcess, running
from faces.plots import save_figure
from faces.terminal.output import print_whole
from faces.terminal.progress import step_progress

ALONE = "the predictor alone"
GOAL = 0.9
"""Share of the predictor's photos/s that the most clients should get."""
PHOTOS, SMALL, LOOKS = 64, 96, 10
"""Photos that are sent; side of the small ones, pixels; and looks at the memory."""
PACKAGES = ("fastapi", "uvicorn", "onnxruntime", "opencv-python-headless", "pillow", "numpy")


@dataclass(frozen=True)
class Results:
    """What was measured."""

    rows: list[Row]
    """The predictor, then each number of clients; a request is a photo."""
    quantiles: dict[str, tuple[float, float]]
    """Milliseconds in which half and 99 % of the requests of a row were answered."""
    memory: list[tuple[int, float]]
    """Requests so far, and MB of the service."""
    conditions: dict[str, Any]


def measure_service(
    model: Path, data: Path, *, clients: Sequence[int], requests: int, repetitions: int, small: int
) -> Results:
    """Ask a service of a model from so many clients, in turns with the predictor alone.

    Args:
        model: model.onnx.
        data: folder of photos.
        clients: how many ask at once.
        requests: a turn, and photos of the predictor's.
        repetitions: counted turns of each, after one to warm up.
        small: requests with small photos, over which memory is looked at.

    Raises:
        ValueError: no photos, a service that does not begin, or a request that was not answered.
    """
    photos = read_photos(data, PHOTOS)
    asked = {f"{count} client{'s' if count > 1 else ''}": Asked() for count in clients}
    with _predictor(model, photos, requests) as predictor, running(model) as port:
        rivals = [Rival(name=ALONE, work=predictor.run)]
        for (name, mine), count in zip(asked.items(), clients, strict=True):
            rivals.append(Rival(name=name, work=partial(ask, port, photos, requests, count, mine)))
        rows = measure(rivals, repetitions=repetitions, compared_with=ALONE)
        over = Asked()
        memory = _memory(port, photos, small, over)
    for name, each in {**asked, "small photos": over}.items():
        if each.failed:
            raise ValueError(f"{name}: {len(each.failed)} requests failed, the first with {each.failed[0]}")
    # The first turn warms up.
    counted = {name: Asked(each.seconds[requests:]) for name, each in asked.items()}
    return Results(
        rows=rows,
        quantiles={name: (each.quantile(0.5), each.quantile(0.99)) for name, each in counted.items()},
        memory=memory,
        conditions={
            "model": model.parent.name,
            "photos": f"{len(photos)} of {data}",
            "requests a turn": requests,
            "repetitions": repetitions,
            "cores, shared by clients, service and predictor": len(os.sched_getaffinity(0)),
        },
    )


@contextmanager
def _predictor(model: Path, photos: list[bytes], requests: int) -> Iterator[PredictorProcess]:
    """The predictor, which ends with the context."""
    predictor = PredictorProcess(model, photos, requests)
    try:
        yield predictor
    finally:
        predictor.stop()


def _memory(port: int, photos: Sequence[bytes], count: int, asked: Asked) -> list[tuple[int, float]]:
    """The service's memory after each tenth of many requests with small photos."""
    if not count:
        return []
    shrunk = [_shrunk(photo) for photo in photos]
    looks = [(0, resident_mb(port))]
    with step_progress("requests", console=Console(highlight=False)) as progress:
        bar = progress.add_task("small photos", total=count)
        for step in range(1, LOOKS + 1):
            until = count * step // LOOKS
            ask(port, shrunk, until - looks[-1][0], 8, asked)
            looks.append((until, resident_mb(port)))
            progress.update(bar, completed=until)
    return looks


def _shrunk(photo: bytes) -> bytes:
    with Image.open(io.BytesIO(photo)) as image:
        small = image.convert("RGB")
    small.thumbnail((SMALL, SMALL))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG")
    return buffer.getvalue()


def write_results(path: Path, results: Results) -> None:
    """Print the tables, write the JSON and the picture beside it."""
    console = Console(highlight=False)
    print_whole(_table(results), console)
    most = results.rows[-1]
    met = "met" if most.ratio >= GOAL else "NOT met"
    console.print(f"goal: {most.name} at least {GOAL} of {ALONE}: {most.ratio:.2f}, {met}")
    for count, mb in results.memory:
        console.print(f"{count:>7,} requests: {mb:,.0f} MB")
    report = save_report(
        path,
        conditions=results.conditions,
        versions={name: version(name) for name in PACKAGES},
        rows=[{**asdict(row), **_milliseconds(results, row.name)} for row in results.rows],
        memory_mb=[{"requests": count, "mb": round(mb, 1)} for count, mb in results.memory],
    )
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.2 + 0.5 * len(results.rows)), layout="constrained")
    draw_rows(figure.subplots(), results.rows, "photos answered by the service", report["machine"])
    save_figure(figure, path.with_suffix(".png"), dpi=120)
    console.print(f"wrote {path} and {path.with_suffix('.png')}")


def _table(results: Results) -> Table:
    table = Table(title="requests of one photo each; none failed")
    table.add_column("")
    for name in ("requests/s", "slowest", "fastest", "p50 ms", "p99 ms", "of the predictor"):
        table.add_column(name, justify="right")
    for row in results.rows:
        quantiles = results.quantiles.get(row.name)
        times = [f"{ms:,.0f}" for ms in quantiles] if quantiles else ["", ""]
        table.add_row(
            row.name,
            *(f"{speed:,.1f}" for speed in (row.images_per_s, row.min, row.max)),
            *times,
            f"{row.ratio:.2f}",
        )
    return table


def _milliseconds(results: Results, name: str) -> dict[str, float]:
    if name not in results.quantiles:
        return {}
    return {key: round(ms, 1) for key, ms in zip(("p50_ms", "p99_ms"), results.quantiles[name], strict=True)}
