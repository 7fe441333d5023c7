"""Sets of drawn faces, small, as they lie in each layout of docs/layouts.md."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from faces.sample.people import person_look, photo_shot
from faces.sample.portrait import portrait
from tests.helpers.pictures import save
from tests.helpers.published import ADIENCE, FAIRFACE

MASKS = ("with_mask", "mask_weared_incorrect", "without_mask")
AGES = ((22, "20-29", "(15, 20)"), (45, "40-49", "(38, 43)"), (67, "60-69", "(60, 100)"))
"""Years, and what FairFace and Adience call an age of the same band."""
PARTS = ("Train",) * 8 + ("Validation", "Test") * 2

Truth = dict[str, dict[str, str]]
"""Words of each photo's labels by factor, by the name of the photo."""


@dataclass(frozen=True)
class Face:
    """A drawn photo. Of each person there is one of each way to wear a mask."""

    person: int
    mask: int
    file: Path

    @property
    def female(self) -> bool:
        return self.person % 2 == 1

    @property
    def ages(self) -> tuple[int, str, str]:
        return AGES[self.person % 3]

    @property
    def glasses(self) -> bool:
        return self.person % 4 in (1, 2)

    @property
    def gender(self) -> str:
        return ("Male", "Female")[self.female]

    def copy(self, data: Path, name: str) -> str:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.file, data / name)
        return name


def bare(faces: Sequence[Face]) -> list[Face]:
    return [face for face in faces if face.mask == 2]


def in_folders(*folders: str) -> Callable[[Path, Sequence[Face]], Truth]:
    """A layout whose folders tell the mask: their names by its codes, "" for those that it has not."""

    def make(data: Path, faces: Sequence[Face]) -> Truth:
        names = {
            face.copy(data, folders[face.mask].format(f"{face.person:05d}", PARTS[face.person])): face
            for face in faces
            if folders[face.mask]
        }
        return {name: {"mask": MASKS[face.mask]} for name, face in names.items()}

    return make


def voc(data: Path, faces: Sequence[Face]) -> Truth:
    """Pictures of one person three times, side by side, each with a box about the head."""
    truth = {}
    (data / "annotations").mkdir(parents=True)
    for person in range(12):
        mine, boxes = [face for face in faces if face.person == person], ""
        row = np.hstack([np.asarray(Image.open(face.file)) for face in mine])
        save(data / "images" / f"{person}.jpg", row)
        for place, face in enumerate(mine):
            left, top, right, bottom = 384 * place + 95, 120, 384 * place + 290, 365
            boxes += (
                f"<object><name>{MASKS[face.mask]}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
                f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            )
            truth[f"images/{person}.jpg#{place + 1}"] = {"mask": MASKS[face.mask]}
        (data / "annotations" / f"{person}.xml").write_text(f"<annotation>{boxes}</annotation>")
    return truth


def utkface(data: Path, faces: Sequence[Face]) -> Truth:
    races, truth = ("white", "black", "asian", "indian", "others"), {}
    for face in bare(faces):
        race = face.person % 4
        stem = f"{face.ages[0]}_{int(face.female)}_{race}_20170109{face.person:09d}"
        name = face.copy(data, f"part1/{stem}.jpg.chip.jpg")
        truth[name] = {"age": str(face.ages[0]), "gender": face.gender, "race": races[race]}
    (data / "labels.toml").write_text(
        f'gender = "contest"\nage = "contest"\nrace = {[*races]}\n'.replace("'", '"')
    )
    return truth


def fairface(data: Path, faces: Sequence[Face]) -> Truth:
    truth, rows = {}, {"train": FAIRFACE, "val": FAIRFACE}
    for face in bare(faces):
        part = "train" if PARTS[face.person] == "Train" else "val"
        name = face.copy(data, f"{part}/{face.person}.jpg")
        rows[part] += f"{name},{face.ages[1]},{face.gender},White,False\n"
        truth[name] = {"age": face.ages[1], "gender": face.gender}
    for part, text in rows.items():
        (data / f"fairface_label_{part}.csv").write_text(text)
    return truth


def adience(data: Path, faces: Sequence[Face]) -> Truth:
    """Two people in each of five folds, and two more in the first."""
    truth, rows = {}, [ADIENCE] * 5
    for face in bare(faces):
        user, age = f"{face.person}@N00", face.ages[2]
        name = face.copy(data, f"faces/{user}/coarse_tilt_aligned_face.{face.person}.a.jpg")
        rows[face.person // 2 % 5] += f"{user}\ta.jpg\t{face.person}\t{age}\t{face.gender[0].lower()}\t0\t0\n"
        truth[name] = {"age": age, "gender": face.gender}
    for fold, text in enumerate(rows):
        (data / f"fold_{fold}_data.txt").write_text(text)
    return truth


def celeba(data: Path, faces: Sequence[Face]) -> Truth:
    truth, text = {}, {"list_attr_celeba": "", "identity_CelebA": "", "list_eval_partition": ""}
    for number, face in enumerate(faces, 1):
        file = Path(face.copy(data, f"img_align_celeba/{number:06d}.jpg")).name
        text["list_attr_celeba"] += f"{file} {1 if face.glasses else -1} {-1 if face.female else 1}\n"
        text["identity_CelebA"] += f"{file} {face.person}\n"
        part = ("Train", "Validation", "Test").index(PARTS[face.person])
        text["list_eval_partition"] += f"{file} {part}\n"
        truth[file] = {
            "gender": face.gender,
            "eyeglasses": "yes" if face.glasses else "no",
        }
    text["list_attr_celeba"] = f"{len(faces)}\nEyeglasses Male\n{text['list_attr_celeba']}"
    for name, lines in text.items():
        (data / f"{name}.txt").write_text(lines)
    return truth


def table(data: Path, faces: Sequence[Face]) -> Truth:
    """Of every fourth person no age is known."""
    truth = {}
    for face in faces:
        age = "" if face.person % 4 == 3 else str(face.ages[0])
        words = {"mask": MASKS[face.mask], "gender": face.gender, "age": age}
        name = face.copy(data.parent, f"{face.person}/{face.mask}.jpg")
        truth[name] = {**words, "glasses": "yes" if face.glasses else "no"}
    rows = [{"path": name, "person": name.partition("/")[0], **words} for name, words in truth.items()]
    pd.DataFrame(rows).to_csv(data, index=False)
    return truth


def draw(folder: Path) -> list[Face]:
    """Three photos of each of twelve people."""
    faces = [Face(person, mask, folder / f"{person}-{mask}.jpg") for person in range(12) for mask in range(3)]
    for face in faces:
        look = person_look(0, face.person + 1, face.female, face.ages[0])
        shot = photo_shot(0, face.person + 1, face.mask, face.mask)
        save(face.file, portrait(replace(look, glasses=2 * face.glasses), shot), quality=92)
    return faces
