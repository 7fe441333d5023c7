"""Whether damage to a cache is found, whatever it is."""

import io
import math
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from faces.cache.description import file_sha256
from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from faces.storage.documents import read_document, write_document
from preprocess.crop.render import encode
from preprocess.faults import find_faults
from preprocess.verify import VerifySettings, verify
from tests.helpers.own_labels import write_own
from tests.helpers.pictures import picture

SIZE, COUNT = 16, 7


def sample(position: int, *, rejected: bool, size: int = SIZE, codec: str = "png") -> Sample:
    detected = position % 2 == 0
    fields = {
        "key": f"{position:08d}",
        "position": position,
        "person": f"p{position}",
        "gender": position % 2,
        "age": math.nan if position == 2 else 20.5 + position,
        "height": SIZE,
        "width": SIZE,
        "face_box": [1.5, 2.0, 9.1, 10.0] if detected else None,
        "crop_box": [0.0, -4.0, 16.0, 12.0],
        "crop_angle": 0.0,
        "true_pixels": 0.75,
        "turned": 0,
        "face": 0,
        "score": 0.875 if detected else math.nan,
        "status": "detected" if detected else "fallback",
    }
    if rejected:
        return Sample(fields={**fields, "status": "rejected", "reason": "empty file"}, data=None)
    return Sample(fields=fields, data=encode(picture(size, size, position), codec, 90))  # type: ignore[arg-type]


def write(folder: Path, codec: str = "png", **changed: int) -> Path:
    """Photos 0 to 6 in two shards, photo 5 rejected."""
    settings = {"codec": codec, "size": SIZE}
    source = {"photos": COUNT}
    writer = CacheWriter(folder, settings=settings, labels=CONTEST, source=source, shard_count=2)
    for shard, positions in enumerate((range(4), range(4, COUNT))):
        writer.write(shard, [sample(p, rejected=p == 5, codec=codec, **changed) for p in positions])
    writer.finish()
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("written") / "cache")


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A cache that a test may spoil."""
    return Path(shutil.copytree(written, tmp_path / "cache"))


def record(folder: Path) -> None:
    """Describe shards and tables as they are now, as if they had been written so."""
    description = described(folder)
    for shard in description["shards"]:
        tar = folder / "shards" / shard["name"]
        shard |= {"bytes": tar.stat().st_size, "sha256": file_sha256(tar)}
    description["files"] = {n: file_sha256(folder / n) for n in ("index.parquet", "rejects.csv")}
    write_document(folder / "cache.json", description)


def described(folder: Path) -> dict[str, Any]:
    return read_document(folder / "cache.json", "")


def in_shard(old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "shards" / "00000.tar"
        data = path.read_bytes()
        assert old in data and len(old) == len(new)
        path.write_bytes(data.replace(old, new))
        record(folder)

    return change


def in_index(edit: Callable[[pd.DataFrame], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        index = pd.read_parquet(folder / "index.parquet")
        edited = edit(index)
        (index if edited is None else edited).to_parquet(folder / "index.parquet", index=False)
        record(folder)

    return change


def in_description(edit: Callable[[dict], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        description = described(folder)
        edit(description)
        write_document(folder / "cache.json", description)

    return change


def cut_off(name: str, count: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:-count])

    return change


def put(name: str, data: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)

    return change


def swap_rejects(folder: Path) -> None:
    path = folder / "rejects.csv"
    rejects = pd.read_csv(path)
    rejects["position"] = 4
    rejects.to_csv(path, index=False)
    record(folder)


def member(change: Callable[[tarfile.TarInfo], object]) -> Callable[[Path], None]:
    """The second sample's crop, in the header of the tar, as something else; its content stays."""

    def damage(folder: Path) -> None:
        path = folder / "shards" / "00000.tar"
        with tarfile.open(path) as tar:
            info = tar.getmembers()[2]
        change(info)
        data = bytearray(path.read_bytes())
        data[info.offset : info.offset + 512] = info.tobuf(tarfile.GNU_FORMAT)[:512]
        path.write_bytes(data)
        record(folder)

    return damage


@pytest.mark.parametrize("codec", ["jpeg", "png", "raw"])
def test_a_sound_cache_has_no_findings(tmp_path: Path, codec: str) -> None:
    seen: list[tuple[int, int]] = []
    folder = write(tmp_path / "cache", codec)
    assert [*find_faults(folder, lambda *numbers: seen.append(numbers))] == []
    assert seen == [(done, 6) for done in range(1, 7)]


def test_a_sound_cache_of_cut_out_crops_has_no_findings(tmp_path: Path) -> None:
    settings = {"codec": "raw", "size": SIZE, "background": "alpha"}
    writer = CacheWriter(tmp_path / "cache", settings=settings, labels=CONTEST, source={}, shard_count=1)
    fields = sample(0, rejected=False).fields
    writer.write(0, [Sample(fields=fields, data=bytes(SIZE * SIZE * 4))])
    writer.finish()
    assert [*find_faults(tmp_path / "cache")] == []


@pytest.mark.parametrize(
    ("damage", "place", "what"),
    [
        (put("cache.json", b"{"), "cache.json", "not readable as JSON"),
        (in_description(lambda d: d.pop("status")), "cache.json", "status is missing; expected a table"),
        (cut_off("shards/00001.tar", 100), "shards/00001.tar", "truncated"),
        (lambda f: (f / "shards" / "00001.tar").unlink(), "shards/00001.tar", "missing"),
        (in_description(lambda d: d["shards"][0].update(sha256="0" * 64)), "00000.tar", "recorded sha256"),
        (put("rejects.csv", b"position\n"), "rejects.csv", "recorded sha256"),
        (lambda f: (f / "rejects.csv").unlink(), "rejects.csv", "missing"),
        (put("index.parquet", b"no table"), "index.parquet", "not readable as Parquet"),
        (in_index(lambda t: t.drop(columns="offset")), "index.parquet", "no column offset"),
        (in_index(lambda t: t.head(5)), "index.parquet", "5 rows where cache.json counts 6"),
        (in_description(lambda d: d["status"].update(detected=9)), "cache.json", "samples: 6, though status"),
        (
            in_description(lambda d: d["status"].update(fallback=1, detected=5)),
            "index.parquet",
            "'detected': 5",
        ),
        (in_index(lambda t: t.assign(key="00000000")), "index.parquet", "key 00000000 occurs more than once"),
        (in_index(lambda t: t.assign(position=3)), "index.parquet", "position 3 occurs more than once"),
        (swap_rejects, "index.parquet", "position 4 is in rejects.csv too"),
        (in_index(lambda t: t.assign(shard=2)), "index.parquet", "shards are not 0 to 1"),
        (in_index(lambda t: t.iloc[[1, 0, 2, 3, 4, 5]]), "00000.tar", "file 0 in it is 00000000.png where"),
        (in_shard(b"00000001.png", b"00000009.png"), "00000.tar", "file 2 in it is nothing where"),
        (in_index(lambda t: t.assign(offset=t.offset + 1)), "sample 00000000", "not as in index.parquet"),
        (in_index(lambda t: t.assign(length=t.length - 1)), "sample 00000006", "not as in index.parquet"),
        (member(lambda m: setattr(m, "size", 2**60)), "00000.tar", "not readable as a tar"),
        (member(lambda m: setattr(m, "size", -512)), "00000.tar", "not readable as a tar"),
        (member(lambda m: setattr(m, "type", tarfile.SYMTYPE)), "00000.tar", "file 2 in it is no plain file"),
        (member(lambda m: setattr(m, "type", tarfile.CHRTYPE)), "00000.tar", "file 2 in it is no plain file"),
        (member(lambda m: setattr(m, "type", tarfile.GNUTYPE_LONGNAME)), "00000.tar", ""),
        (
            member(lambda m: setattr(m, "name", "../../etc/x")),
            "00000.tar",
            "is ../../etc/x where index.parquet",
        ),
        (
            in_index(lambda t: t.assign(shard="0")),
            "index.parquet",
            "column shard of the index holds no whole",
        ),
        (in_index(lambda t: t.assign(codec="jpeg")), "index.parquet", "its codec is not png; 6 of 6"),
        (in_index(lambda t: t.assign(length=-1)), "index.parquet", "no crop lies there; 6 of 6"),
        (in_index(lambda t: t.assign(age="old")), "index.parquet", "does not belong there"),
        (in_index(lambda t: t.assign(crop_box="old")), "sample 00000000", "crop_box in its JSON differs"),
        (in_shard(b"\x89PNG", b"\x89PUG"), "sample 00000002", "does not decode as png"),
        (in_shard(b'"age": 23.5', b'"age": 24.5'), "sample 00000003", "age in its JSON differs"),
        (in_index(lambda t: t.assign(gender=2)), "index.parquet", "gender 2 of sample 00000000 is no label"),
        (in_index(lambda t: t.assign(age=121.0)), "index.parquet", "age 121.0 of sample 00000000 is no"),
        (in_index(lambda t: t.assign(true_pixels=1.5)), "sample 00000000", "true_pixels 1.5 of"),
        (in_index(lambda t: t.assign(true_pixels=-0.5)), "sample 00000000", "is no share from 0 to 1"),
        (in_index(lambda t: t.assign(true_pixels=np.nan)), "sample 00000000", "is no share from 0 to 1"),
        (
            in_index(lambda t: t.assign(true_pixels=0.752)),
            "sample 00000000",
            "is not what crop_box, crop_angle",
        ),
        (in_index(lambda t: t.assign(height=8)), "sample 00000000", "height and width say, as of 5 more"),
        (
            in_index(lambda t: t.assign(crop_angle=45.0)),
            "sample 00000000",
            "is not what crop_box, crop_angle",
        ),
        (in_description(lambda d: d["settings"].update(clamp=True)), "00000000", "though crops are clamped"),
        (in_index(lambda t: t.assign(turned=45)), "sample 00000000", "turned 45 of"),
        (in_index(lambda t: t.assign(face=1)), "sample 00000000", "are numbered 1, not from 0 on"),
        (
            in_index(lambda t: t.assign(position=[0, 0, 0, 3, 4, 6], face=[0, 1, 3, 0, 0, 0])),
            "index.parquet",
            "position 0 (sample 00000002) are numbered 0, 1, 3, not",
        ),
        (in_description(lambda d: d.update(labels=3)), "cache.json", "labels: 3 is a whole number"),
        (
            in_description(lambda d: d.update(labels={"name": "x", "factors": {"a": ["b"]}})),
            "cache.json",
            "a has one",
        ),
        (in_shard(b'"age": null', b'"age": 20.0'), "sample 00000002", "age in its JSON differs"),
        (in_shard(b"[1.5, 2.0", b"[1.5, 3.0"), "sample 00000000", "face_box in its JSON differs"),
        (in_shard(b'{"key"', b'["key"'), "sample 00000000", "its JSON is not readable"),
        (cut_off("shards/00000.idx", 1), "00000.idx", "does not fit its tar"),
        (lambda f: (f / "shards" / "00000.idx").unlink(), "00000.idx", "not readable"),
        (put("shards/00001.tar.tmp", b""), "00001.tar.tmp", "left over"),
        (put("parts/00000.parquet", b""), "parts/00000.parquet", "left over"),
        (put("shards/00002.tar", b""), "00002.tar", "no file of a cache"),
        (put("holiday.jpg", b""), "holiday.jpg", "no file of a cache"),
    ],
)
def test_damage_is_found_with_its_place_and_a_cure(
    folder: Path, damage: Callable[[Path], None], place: str, what: str
) -> None:
    damage(folder)
    findings = [*find_faults(folder)]
    assert any(place in line.replace(what, "") and what in line for line in findings), findings
    cures = (f"delete {folder} and preprocess again", "; delete it", "; move it elsewhere")
    assert all(line.endswith(cures) for line in findings)


def test_a_cache_of_other_factors_is_sound_or_its_wrong_labels_are_named(tmp_path: Path) -> None:
    folder = write_own(tmp_path / "cache", people=4).folder
    assert [*find_faults(folder)] == []
    in_index(lambda t: t.assign(helmet=3, years=-1.0))(folder)
    findings = "\n".join(find_faults(folder))
    assert "helmet 3 of sample" in findings and "years -1.0 of sample" in findings
    assert "helmet, years in its JSON differs" in findings
    in_index(lambda t: t.drop(columns="glasses"))(folder)
    assert any("has no column glasses" in line for line in find_faults(folder))


def test_shares_within_rounding_faces_in_any_order_and_aligned_crops_beyond_the_photo_are_sound(
    folder: Path,
) -> None:
    sound = {"position": [0, 0, 0, 3, 4, 6], "face": [2, 0, 1, 0, 0, 0], "true_pixels": 0.7505}
    in_index(lambda t: t.assign(**sound))(folder)
    in_description(lambda d: d["settings"].update(clamp=True, align=True))(folder)
    path = folder / "index.parquet"
    assert not [line for line in find_faults(folder) if line.startswith(f"{path}: ")]


def test_crops_of_another_size_are_found(tmp_path: Path) -> None:
    write(tmp_path / "cache", size=SIZE + 1)
    findings = [*find_faults(tmp_path / "cache")]
    assert len(findings) == 6 and all("is 17 x 17 RGB where 16 x 16 RGB was due" in f for f in findings)
    raw = [*find_faults(write(tmp_path / "raw", "raw", size=SIZE + 1))]
    assert "raw crops of this cache have 768; 6 of 6 crops are so" in raw[0]
    assert len(raw) == 7 and all("867 bytes where 16 x 16 x 3 were due" in f for f in raw[1:])


def test_every_damaged_shard_is_named(folder: Path) -> None:
    for name in ("00000.tar", "00001.tar"):
        data = bytearray((folder / "shards" / name).read_bytes())
        data[600] ^= 1
        (folder / "shards" / name).write_bytes(data)
    findings = "\n".join(find_faults(folder))
    assert "00000.tar: content differs" in findings and "00001.tar: content differs" in findings


def test_the_command_ends_with_code_1_and_a_line_a_finding(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(VerifySettings(cache=folder))
    assert f"{folder}: sound; 6 crops in 2 shards" in capsys.readouterr().out
    (folder / "rejects.csv").write_text("position\n")
    (folder / "left.tmp").touch()
    with pytest.raises(SystemExit) as ended:
        verify(VerifySettings(cache=folder))
    assert ended.value.code == 1
    damaged = capsys.readouterr().out
    assert f"{folder}/rejects.csv: content differs" in damaged
    assert f"{folder}/left.tmp: left over" in damaged and "sound" not in damaged


def test_edited_tables_are_refused_when_a_cache_is_opened(folder: Path) -> None:
    path = folder / "rejects.csv"
    good = path.read_bytes()
    path.write_bytes(good + b"\n")
    with pytest.raises(ValueError, match=rf"{path}: content differs .*delete {folder}"):
        Cache.open(folder)
    path.write_bytes(good)
    assert len(Cache.open(folder)) == 6
    index = pd.read_parquet(folder / "index.parquet")
    buffer = io.BytesIO()
    index.assign(gender=1).to_parquet(buffer, index=False)
    (folder / "index.parquet").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match=r"index.parquet: content differs"):
        Cache.open(folder)


def test_a_cache_without_hashes_of_its_tables_still_opens(folder: Path) -> None:
    in_description(lambda d: d.pop("files"))(folder)
    assert len(Cache.open(folder)) == 6
    assert [*find_faults(folder)] == []


def test_crops_are_numbered_as_in_the_index(folder: Path) -> None:
    cache = Cache.open(folder)
    for row, position in enumerate(cache.index.position):
        np.testing.assert_array_equal(cache.image(row), picture(SIZE, SIZE, int(position)))
