"""The same against an S3 server on this machine, with a proxy before it that spoils answers."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from faces.cache.reader import Cache
from faces.command import run_command
from faces.remote.address import RemoteError, address_of
from faces.remote.retries import BUDGET_VARIABLE
from faces.remote.store import Store
from infer.command import InferSettings
from infer.command import run as infer
from pipeline.loader import Loader
from preprocess.run import preprocess
from preprocess.settings import PreprocessSettings
from tests.helpers.faulty_proxy import FAULTS, FaultyProxy, faulty_proxy
from tests.helpers.stage1 import content, small_photos
from train.command import TrainSettings
from train.command import run as train

pytest.importorskip("s3fs", reason="s3fs is not installed: make setup EXTRAS=remote")
server = pytest.importorskip("moto.server", reason="moto is not installed: make setup EXTRAS=others")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_pictures")]
BUCKET = "photos"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    store = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    yield store.get_host_and_port()[1]
    store.stop()


@pytest.fixture
def proxy(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """An empty bucket behind a proxy without faults yet."""
    with faulty_proxy(port, ".tar") as made:
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
        for name, value in {**keys, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": made.url}.items():
            monkeypatch.setenv(name, value)
        fsspec.filesystem("s3").clear_instance_cache()
        system = fsspec.filesystem("s3")
        if not system.exists(BUCKET):
            system.mkdir(BUCKET)
        elif left := system.find(BUCKET):
            system.rm(left)
        yield made


def put(folder: Path, address: str) -> str:
    there = address_of(address)
    assert there is not None
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            Store(there).put(path, path.relative_to(folder).as_posix())
    return address


def batches(cache: Cache) -> list[tuple[Any, Any]]:
    options = {"batch_size": 16, "image_size": 32, "mean": (0.5,) * 3, "std": (0.25,) * 3, "shuffle": True}
    loader = Loader(cache, range(len(cache)), policy="light", **options)  # type: ignore[arg-type]
    return [*loader.epoch(0)]


@pytest.mark.parametrize("fault", FAULTS)
def test_after_every_fault_batches_are_the_same_bits(
    coloured: Cache, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("faces.remote.address.SILENT_SECONDS", 1)
    address = put(coloured.folder, f"s3://{BUCKET}/caches/x")
    proxy.faults = [fault] * 5
    far = batches(Cache.open(address))
    for (images, rows), (wanted, order) in zip(far, batches(coloured), strict=True):
        assert (images == wanted).all() and (rows == order).all()
    assert proxy.done[fault] == (2 if fault == "slow" else 5)  # slow is no fault: each of 2 shards came once


def test_the_budget_is_spent_and_then_one_line_names_the_file(
    coloured: Cache, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUDGET_VARIABLE, "3")
    cache = Cache.open(put(coloured.folder, f"s3://{BUCKET}/caches/x"))
    proxy.faults = ["flip", "cut", "503", "short"] * 2
    with pytest.raises(RemoteError, match=r"s3://photos/caches/x/shards/0000[01].tar: .* last of 4 attempts"):
        cache.encoded(np.arange(len(cache)))
    assert sum(proxy.done.values()) >= 4


def test_no_rights_and_no_bucket_are_told_at_once(coloured: Cache, proxy: FaultyProxy) -> None:
    cache = Cache.open(put(coloured.folder, f"s3://{BUCKET}/caches/x"))
    proxy.faults = ["403"] * 9
    with pytest.raises(RemoteError, match=r"s3://photos/caches/x/shards/\d+.tar: no right to this"):
        cache.encoded(np.arange(len(cache)))
    assert proxy.done["403"] <= 2  # one for each shard
    with pytest.raises(RemoteError, match="s3://nowhere/x: there is no bucket nowhere; make it"):
        Cache.open("s3://nowhere/x")


Command = Callable[..., None]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    def call(kind: type[Any], action: Callable[[Any], object], **options: object) -> None:
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        monkeypatch.setattr(sys, "argv", ["command", *words])
        run_command(kind, action)

    return call


def files(address: str) -> dict[str, bytes]:
    system = fsspec.filesystem("s3")
    place = address.removeprefix("s3://")
    return {path.removeprefix(f"{place}/"): system.cat_file(path) for path in system.find(place)}


def test_photos_become_the_same_cache_at_an_address(
    tmp_path: Path, proxy: FaultyProxy, command: Command
) -> None:
    options = {"size": 16, "workers": 1, "max_lost": 1, "shard_size": 5}
    photos = small_photos(tmp_path / "photos", 12)
    command(PreprocessSettings, preprocess, data=photos, cache=tmp_path / "cache", **options)
    there = put(photos, f"s3://{BUCKET}/photos")
    for _ in range(2):  # and once more, which has nothing to do
        command(PreprocessSettings, preprocess, data=there, cache=f"s3://{BUCKET}/made", **options)
        made = files(f"s3://{BUCKET}/made")
        here = content(tmp_path / "cache")
        assert made.keys() == here.keys()
        assert all(made[name] == here[name] for name in here if name.endswith((".tar", ".parquet", ".json")))


def test_train_and_infer_at_addresses_give_the_same_answers(
    coloured: Cache, tmp_path: Path, proxy: FaultyProxy, command: Command
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'about = "tiny"\ntasks = ["mask", "gender", "age3"]\nbackbone = "test_resnet"\nimage_size = 32\n'
        'epochs = 2\nbatch_size = 16\nprecision = "fp32"\n'
    )
    ensemble = tmp_path / "vote.toml"
    ensemble.write_text('about = "vote"\nvote = ["tiny"]\n')
    far = put(coloured.folder, f"s3://{BUCKET}/caches/x")
    places = [(coloured.folder, tmp_path), (far, f"s3://{BUCKET}")]
    proxy.faults = ["503", "cut", "flip"]
    for cache, place in places:
        runs, out = f"{place}/runs", f"{place}/predictions"
        trained = {"recipe": recipe, "cache": cache, "runs": runs, "folds": 3, "fold": 0}
        command(TrainSettings, train, **trained, device="cpu")
        asked = {"ensemble": ensemble, "cache": cache, "runs": runs, "predictions": out}
        command(InferSettings, infer, **asked, device="cpu")
    assert proxy.done.total() == 3
    made, here = files(f"s3://{BUCKET}/predictions"), content(tmp_path / "predictions")
    assert made.keys() == here.keys()
    assert made["vote/answers.csv"] == here["vote/answers.csv"]
    runs = [{*files(f"s3://{BUCKET}/runs")}, {*content(tmp_path / "runs")}]
    there, kept = ({name for name in names if "/events/" not in name} for names in runs)
    assert there == kept  # names of events hold the time
