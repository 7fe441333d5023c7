"""Steps that run commands of the project: stage 1 with more feeders, benchmarks, tests that need a GPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.preprocess.detect import overlap
from doctor.finding import Finding
from doctor.gpu_check.place import Place, drawn_cache, run_module
from doctor.process import ROOT
from faces.cache.reader import Cache

PHOTOS: Final = 512
FEEDERS: Final = (1, 4, 16)
"""Processes of stage 1 that share the GPU."""
LEAST_OVERLAP: Final = 0.9
"""Of boxes found by CPU and GPU, in all but one photo of a hundred."""


def draw(place: Place) -> Finding:
    """The people whom the steps after it train on."""
    cache = drawn_cache(place)
    return Finding(words=f"{len(cache)} crops of {place.people} drawn people, faces searched on the CPU")


def detect(place: Place) -> Finding:
    """The same photos by CPU and GPU, with several numbers of feeders."""
    drawn_cache(place)
    folder = place.folder / "detect"
    shutil.rmtree(folder, ignore_errors=True)
    data = folder / "photos"
    data.mkdir(parents=True)
    for photo in islice(sorted(place.photos.glob("images/*/[!.]*")), PHOTOS):
        (data / f"{photo.parent.name}_{photo.name}").symlink_to(photo.resolve())
    ways = {"CPU": ("cpu", 0)}
    if place.device == "cuda":
        ways |= {f"GPU with {feeders}": ("cuda", feeders) for feeders in FEEDERS}
    caches, told = {}, []
    for number, (name, (device, workers)) in enumerate(ways.items()):
        # Each in a folder of its own: faces of caches beside it would be taken over.
        cache = folder / str(number) / "cache"
        options = (f"--data={data}", f"--cache={cache}", f"--device={device}", f"--workers={workers}")
        seconds = run_module("preprocess", *options, "--shard-size=32")
        caches[name] = Cache.open(cache)
        told.append(f"{name} {seconds:.1f} s")
    apart = {name: _agreement(caches["CPU"], cache) for name, cache in caches.items() if name != "CPU"}
    words = f"{len(caches['CPU'])} photos: {', '.join(told)}, imports and all"
    if apart:
        least = min(apart.values())
        words += f"; boxes overlap by {least:.4f} or more in 99 of 100 photos"
        if least < LEAST_OVERLAP:
            return Finding(words=words, cure="see its log")
    return Finding(words=words)


def _agreement(first: Cache, second: Cache) -> float:
    """The overlap (intersection over union) that boxes of the same photos reach in all but a hundredth."""
    boxes: list[dict[str, Any]] = [
        dict(zip(cache.index.source, cache.index.face_box, strict=True)) for cache in (first, second)
    ]
    found = [overlap(box, boxes[1].get(source, (0, 0, 0, 0))) for source, box in boxes[0].items()]
    return float(np.quantile(found, 0.01))


def bench_train(place: Place) -> Finding:
    """Does training wait for its loader?"""
    out = place.folder / "bench-train.json"
    recipe = ROOT / "recipes" / ("resnet18.toml" if place.device == "cuda" else "small.toml")
    options = (f"--cache={drawn_cache(place).folder}", f"--out={out}", f"--device={place.device}")
    run_module("bench.train", f"--recipe={recipe}", *options, "--steps=12", "--repetitions=2")
    report = json.loads(out.read_text(encoding="utf-8"))
    how = f"{report['conditions']['backbone']} in {report['conditions']['precision']}"
    return Finding(words=f"{how}: {_rates(report)}")


def bench_loaders(place: Place) -> Finding:
    """Our loader on both devices beside torchvision's."""
    out = place.folder / "bench.json"
    options = (
        f"--cache={drawn_cache(place).folder}",
        f"--out={out}",
        f"--threads={min(8, os.cpu_count() or 1)}",
    )
    run_module("bench.loaders", *options, "--repetitions=2", "--images=1024")
    return Finding(words=_rates(json.loads(out.read_text(encoding="utf-8"))))


def _rates(report: dict[str, Any]) -> str:
    """Images a second of each row, and its ratio to the row that all are compared with."""
    rows = report["rows"]
    return ", ".join(f"{row['name']} {row['images_per_s']:,.0f}/s ({row['ratio']:.2f})" for row in rows)


def tests(place: Place) -> Finding:
    """Every test that needs a GPU; those of the graph, which take longest, come last."""
    files = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if _is_of_gpu(path)]
    files.sort(key=lambda path: path.name == "test_graph.py")
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-v", "-p", "no:cacheprovider", *map(str, files)]
    last = "nothing was printed"
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        for line in run.stdout or ():
            print(line, end="", flush=True)  # at once: what hangs is the last in the log
            last = line.strip("= \n") or last
    good = run.returncode == 0 and "passed" in last
    return Finding(words=f"pytest -m gpu: {last}", cure="" if good else "see its log")


def _is_of_gpu(path: Path) -> bool:
    return "mark.gpu" in path.read_text(encoding="utf-8")
