"""The tables of a recipe that set what it trains on: rows, sampler, mixing, labels of numbers, teacher."""

from __future__ import annotations

import math
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from faces.command import nearest

SENIOR: Final = 60.0
"""The edge between bands that training may put lower."""
LEAST_SENIOR: Final = 57.0
"""Least number that training may count as 60 or more."""
# Listed, not imported: they need torch, for which nobody who only reads a recipe should wait.
CODINGS: Final = tuple(
    module.name for module in pkgutil.iter_modules([str(Path(__file__).parents[1] / "network" / "codings")])
)
"""How a head may tell a number: the names of the files in train/network/codings/."""

SamplerName = Literal[
    "shuffle",
    "class_balanced",
    "effective_number",
    "inverse_sqrt",
    "custom",
    "undersample",
    "person_balanced",
]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Which of a fold's training photos are trained on; every photo is validated all the same."""

    drop_ages: tuple[int, ...] = ()
    """Whole numbers, such as ages in years, left out, for example those next to the boundaries: 27, 28, 29,
    57, 58, 59. Of several numbers the first that the recipe's tasks tell is meant."""
    only: str = ""
    """Train on the photos of this task only: `senior`, or `age>=30[60]`, leaves out those younger than 30."""

    def __post_init__(self) -> None:
        if any(age < 0 for age in self.drop_ages):
            raise ValueError(f"rows.drop_ages={list(self.drop_ages)}: ages are 0 or more")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which training photos make an epoch, and how often each comes."""

    name: SamplerName = "shuffle"
    """shuffle: every photo once. class_balanced, effective_number, inverse_sqrt: as many draws with
    replacement, weighted by how many training photos of the fold have the photo's class in `task`; custom:
    by the user's weights. undersample: of every class as many photos as the rarest has, other ones each
    epoch. person_balanced: every person equally often."""
    task: str = ""
    """Whose classes are balanced; the recipe's first task when left out. Photos without a class in it come
    as often as without a sampler, but never in undersample."""
    beta: float = 0.999
    """How much effective_number balances, in [0, 1): 0 not at all, near 1 as class_balanced does."""
    table: str = ""
    """Table that custom takes the weight of each training photo from, named by its column `key`, `source` or
    `person` (the cache's index.parquet has these); when left out, the weights stand in that index."""
    column: str = "weight"
    """The numeric column with custom's weights, of any scale; 0 leaves a photo out."""

    def __post_init__(self) -> None:
        if not 0 <= self.beta < 1:
            raise ValueError(f"sampler.beta={self.beta}: must be in [0, 1); 0.999 is usual")


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """How training photos are joined in pairs within their batch, and their labels with them."""

    name: Literal["none", "mixup", "cutmix", "half_face"] = "none"
    """mixup blends two photos; cutmix pastes a box of the partner over the photo; half_face joins the photo's
    left part with the partner's right part."""
    probability: float = 1.0
    """Probability with which each photo of a batch, apart from the others, is mixed; in (0, 1]."""
    alpha: float = 1.0
    """Both parameters of the Beta distribution of a photo's own share, for mixup and cutmix; above 0. At 1
    all shares are equally likely, at 0.2 most photos are almost whole."""
    ratio: tuple[float, float] = (0.5, 0.5)
    """Least and greatest place of the cut, as a fraction of the width, for half_face; in (0, 1). The left of
    the cut is the photo's own share; 0.5 cuts a centred face through its middle."""
    partner: Literal["any", "rare_age"] = "any"
    """Whom a photo is joined with: any other of its batch, or one of the band of age (or another number, see
    `rows.drop_ages`) rarest in training; a batch without one of that band is joined as by any."""

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError(
                f'mixing.probability={self.probability}: must be in (0, 1]; name = "none" turns mixing off'
            )
        if not self.alpha > 0:
            raise ValueError(f"mixing.alpha={self.alpha}: must be above 0")
        low, high = self.ratio
        if not 0 < low <= high < 1:
            raise ValueError(f"mixing.ratio={low}, {high}: need two fractions 0 < low <= high < 1")


@dataclass(frozen=True, kw_only=True)
class Age:
    """What heads that tell a number, such as age, are taught, and how. Scores never depend on it."""

    coding: str = "classes"
    """Output of heads that tell one number alone. classes: a softmax over the bands. ordinal: a threshold
    between any two neighbouring bands on one common scale (CORAL). years: a distribution over whole numbers,
    summed to bands. regression: the number itself and how far it may be off, a normal distribution."""
    sigma: float = 0.0
    """Standard deviation, in the number's unit, of the Gaussian by which a label is spread, so that 59 and 60
    are neighbours and not opposites; 0 spreads nothing. coding = "years" needs it, 2 to 5 is usual."""
    clipped_at: float | Literal["auto", "top"] = "auto"
    """Number from which on a label says "so much or more" and never teaches lower numbers, as the contest's
    60. top is the beginning of the last band, whatever is known beyond it. auto looks whether the training
    photos' numbers end so (train/data/clipped.py); 0 is nowhere, for people who truly are no older than an
    edge."""
    senior_from: float = SENIOR
    """Number from which a training photo counts as 60 or more, 57 to 60; of bands with an edge at 60."""
    uncertain: tuple[int, ...] = ()
    """Whole numbers whose labels count less in heads that tell the number, for example those next to the
    boundaries: 27, 28, 29, 57, 58, 59. `rows.drop_ages` leaves such photos out altogether."""
    uncertain_weight: float = 0.5
    """How much those count, in [0, 1); at 0 they teach the other factors only."""
    regression: float = 0.0
    """Weight of an auxiliary loss: the squared error of the number, guessed by an output of its own, in the
    number's unit, such as years; 0 is none. See `rows.drop_ages` for which of several."""

    def __post_init__(self) -> None:
        if self.coding not in CODINGS:
            raise ValueError(f"age.coding={self.coding!r} is unknown: {nearest(self.coding, CODINGS)}")
        if not self.sigma >= 0 or not self.regression >= 0:
            raise ValueError(f"age.sigma={self.sigma}, regression={self.regression}: must be 0 or more")
        if not LEAST_SENIOR <= self.senior_from <= SENIOR:
            raise ValueError(f"age.senior_from={self.senior_from}: must be in 57 to 60")
        wrong_end = not isinstance(self.clipped_at, str) and not self.clipped_at >= 0
        if wrong_end or any(age < 0 for age in self.uncertain):
            raise ValueError(
                f"age.clipped_at={self.clipped_at}, uncertain={list(self.uncertain)}: ages are 0 or more"
            )
        if not 0 <= self.uncertain_weight < 1:
            raise ValueError(f"age.uncertain_weight={self.uncertain_weight}: must be in [0, 1)")

    @property
    def end(self) -> float:
        """`clipped_at`; infinite where numbers do not end, and as long as nobody looked."""
        return math.inf if isinstance(self.clipped_at, str) else self.clipped_at or math.inf


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Predictions of trained models to learn from, beside or in place of labels (train/data/teacher.py)."""

    predictions: tuple[str, ...] = ()
    """Parquet files of predictions of one task, which must tell all of the recipe's, at paths relative to the
    working folder, for example predictions/<ensemble>/probabilities.parquet; none when left out. Photos are
    found by their column `key`, or without one by ImageID. Answers out of fold and those to photos without
    labels are two files."""
    share: float = 0.0
    """Part of a labelled photo's target that is the teacher's answer, where it has one, in [0, 1]: the target
    becomes (1 - share) label + share teacher (distillation, Hinton et al. 2015)."""
    weight: float = 0.0
    """Weight in the loss, in [0, 1], of photos without labels that the teacher is sure of; they are trained
    on with its answers as labels (pseudo-labels, Lee 2013). 0 trains on none."""
    above: float = 0.9
    """Least probability, in (0, 1], that the teacher gives the class it answers with where it is sure."""
    labels: Literal["soft", "hard"] = "soft"
    """What the teacher's answer is: its probabilities, or 1 for the class it answers with."""
    temperature: float = 1.0
    """Its probabilities are raised to 1 / temperature and scaled to a sum of 1 first; above 1 flattens them.
    `above` is compared with the probability in the file."""

    def __post_init__(self) -> None:
        if not all(self.predictions):
            raise ValueError(f"teacher.predictions={[*self.predictions]}: '' is no file; leave it out")
        if not 0 <= self.share <= 1 or not 0 <= self.weight <= 1:
            raise ValueError(f"teacher.share={self.share}, weight={self.weight}: must be in [0, 1]")
        if not 0 < self.above <= 1:
            raise ValueError(f"teacher.above={self.above}: must be in (0, 1]; 0.9 is usual")
        if not self.temperature > 0:
            raise ValueError(f"teacher.temperature={self.temperature}: must be above 0; 1 changes nothing")
        if bool(self.predictions) != (self.share > 0 or self.weight > 0):
            raise ValueError(
                f"teacher.predictions={[*self.predictions]}, share={self.share}, weight={self.weight}: a "
                "file of predictions teaches with a share or a weight above 0, and these need a file"
            )
