"""A recipe: everything that decides a trained system but the photos and the fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from faces.command import nearest
from pipeline.augment import LEAST_CENTRE, POLICIES, Policy, policy_named
from train.recipe.data import Age, Mixing, Rows, Sampling, Teacher
from train.recipe.network import Averaging, Head, Loss, Optimiser, Schedule

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Keep = Literal["last", "best"]
BestBy = Literal["macro_f1", "loss"]
ALL: Final = "*"
"""Stands for a head of each factor that the photos are labelled with."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One trained system: what a recipe file may say. What cannot be is refused with a ValueError."""

    about: str = ""
    """One line on what it is and when to use it."""
    tasks: tuple[str, ...] = ("class18",)
    """What is predicted, one head each on a shared backbone; their losses are summed. A task is a factor of
    the photos' labels, a product (mask*gender), or a number cut elsewhere (age[20, 40]); ["*"] is all factors
    that they have labels of, and leaves [age] out where none of these is called age."""
    backbone: str = "resnet18"
    """Name of a timm model, of any family, at an image_size that timm runs it at."""
    pretrained: bool = False
    """Start from the weights of timm's hub, or facenet-pytorch's; needs the network once."""
    weights: str = ""
    """Start from weights known by name (face, efficientnet_lite0, efficientnet_lite1, efficientnet_lite2), or
    from this file: safetensors, what torch.save wrote, or a run's best.safetensors."""
    begin_with: str = ""
    """Start from the backbone that the recipe of this name, a file beside this one, trained on the same fold
    in the same folder of runs; where it did not, it is trained first. With frozen_epochs = epochs the heads
    alone are fitted anew, which gives rare classes back what a whole training takes from them (Kang et al.,
    Decoupling Representation and Classifier, 2020)."""
    image_size: int = 224
    """Height and width of the network's input, pixels."""
    centre: float = 1.0
    """Share of the crop's side that the centre crop keeps, in training and evaluation, in [0.25, 1]: 0.875 at
    224 is torchvision's Resize(256) and CenterCrop(224)."""
    normalise: bool = True
    """Whether the input is shifted and scaled as that of the backbone's weights was; if not, it is 0 to 1."""
    augment: str | Policy = "light"
    """Augmentation of the training photos: a named policy, or one of the recipe's own."""
    epochs: int = 20
    """Passes over the training photos."""
    batch_size: int = 32
    """Photos a step, of all processes together."""
    keep: Keep = "last"
    """Which epoch's weights the run keeps: last, those of the last epoch trained; best, those of the epoch
    that is best by `best_by`, which flatters its scores."""
    best_by: BestBy = "macro_f1"
    """What makes an epoch better than another: a higher macro_f1, or a lower loss, of the photos that
    validate. For keep = "best", `stop_after` and the schedule plateau."""
    stop_after: int = 0
    """Epochs without a better one by `best_by` after which training ends early; 0 is never. The last epoch
    is then the one that it ended with."""
    seed: int = 0
    """Seed of initial weights, order and augmentation."""
    precision: Precision = "auto"
    """Arithmetic of forward and backward passes; auto measures what is fastest on this machine."""
    compile: bool = False
    """Compile the training step with torch.compile; what that gains is printed at the start."""
    head: Head = Head()
    """What stands between feature maps and classes."""
    loss: Loss = Loss()
    """What training minimises."""
    age: Age = Age()
    """What heads that tell a number, such as age, are taught."""
    optimiser: Optimiser = Optimiser()
    """How gradients become steps."""
    schedule: Schedule = Schedule()
    """How the learning rate changes."""
    averaging: Averaging = Averaging()
    """Which weights are validated and kept."""
    sampler: Sampling = Sampling()
    """Which training photos make an epoch."""
    rows: Rows = Rows()
    """Which training photos are trained on at all."""
    mixing: Mixing = Mixing()
    """How training photos are joined in pairs."""
    teacher: Teacher = Teacher()
    """Whose predictions are learned beside labels, or in their place."""

    def __post_init__(self) -> None:
        if isinstance(self.augment, str) and self.augment not in POLICIES:
            raise ValueError(f"augment: {self.augment!r} is unknown: {nearest(self.augment, list(POLICIES))}")
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks={list(self.tasks)}: name at least one task, each once")
        if ALL in self.tasks and len(self.tasks) > 1:
            raise ValueError(f"tasks={list(self.tasks)}: '*' is all factors; name nothing beside it")
        if self.pretrained and self.weights:
            raise ValueError(f"pretrained=true and weights={self.weights!r}: choose one of them")
        if self.begin_with and (self.pretrained or self.weights):
            raise ValueError(
                f"begin_with={self.begin_with!r}, pretrained={self.pretrained}, weights={self.weights!r}: "
                'choose one of them; weights = "" takes back those of a base'
            )
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"epochs={self.epochs}, batch_size={self.batch_size}: need at least 1 of each")
        if not LEAST_CENTRE <= self.centre <= 1:
            raise ValueError(f"centre={self.centre}: must be in {LEAST_CENTRE} to 1; 1 keeps the whole crop")
        if self.stop_after < 0:
            raise ValueError(f"stop_after={self.stop_after}: must be 0 (never) or more")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: must be 0 or more")
        _check_tables(self)

    @property
    def policy(self) -> Policy:
        """Augmentation of the training photos."""
        return policy_named(self.augment) if isinstance(self.augment, str) else self.augment

    @property
    def policy_name(self) -> str:
        """The policy's name, or that it is the recipe's own."""
        return self.augment if isinstance(self.augment, str) else "of its own"


def _check_tables(recipe: Recipe) -> None:
    """Refuse tables that do not fit each other, whatever the labels.

    Raises:
        ValueError: naming both and the cure.
    """
    loss, tasks = recipe.loss, recipe.tasks
    if loss.task_weights and len(loss.task_weights) != len(tasks) and tasks != (ALL,):
        raise ValueError(
            f"loss.task_weights={list(loss.task_weights)}: give one for each of tasks={list(tasks)}"
        )
    if recipe.optimiser.sam and recipe.precision == "fp16":
        raise ValueError(
            f"optimiser.sam={recipe.optimiser.sam} with precision='fp16': its two gradients would need two "
            "loss scales; use bf16 or fp32"
        )
    if recipe.averaging.name != "none" and recipe.averaging.start_epoch >= recipe.epochs:
        raise ValueError(
            f"averaging.start_epoch={recipe.averaging.start_epoch}: with epochs={recipe.epochs} the last one "
            f"is number {recipe.epochs - 1}, so nothing would be averaged"
        )
    if recipe.optimiser.layer_decay < 1 and 0 < recipe.epochs <= recipe.optimiser.frozen_epochs:
        raise ValueError(
            f"optimiser.layer_decay={recipe.optimiser.layer_decay}: with frozen_epochs="
            f"{recipe.optimiser.frozen_epochs} of {recipe.epochs} epochs no layer of the backbone is trained"
        )
    if recipe.optimiser.name == "lbfgs":
        _check_whole(recipe)
    _check_teacher(recipe)


def _check_whole(recipe: Recipe) -> None:
    """Refuse what has no meaning where heads are fitted to all photos at once."""
    optimiser = recipe.optimiser
    wanted = {
        "epochs = 1": recipe.epochs == 1,
        'augment = "none"': recipe.augment == "none",
        "optimiser.frozen_epochs = 1": optimiser.frozen_epochs >= 1,
        "optimiser.layer_decay = 1, clip = 0, accumulate = 1 and sam = 0": (
            optimiser.layer_decay == 1
            and optimiser.accumulate == 1
            and not optimiser.clip
            and not optimiser.sam
        ),
        "head.dropout = 0": not recipe.head.dropout,
        'mixing.name = "none"': recipe.mixing.name == "none",
        'averaging.name = "none"': recipe.averaging.name == "none",
        'sampler.name = "shuffle"': recipe.sampler.name == "shuffle",
    }
    if missing := [setting for setting, there in wanted.items() if not there]:
        raise ValueError(
            "optimiser.name='lbfgs' fits the heads to all photos at once, on features of a frozen backbone: "
            f"it needs {'; '.join(missing)}; or train with another optimiser"
        )


def _check_teacher(recipe: Recipe) -> None:
    """Refuse a regression that no teacher tells, and samplers that never draw photos without labels."""
    if recipe.teacher.predictions and recipe.age.regression:
        raise ValueError(
            f"teacher.predictions={[*recipe.teacher.predictions]}, age.regression={recipe.age.regression}: "
            "predictions of classes tell no numbers; use regression = 0"
        )
    if recipe.teacher.weight and recipe.sampler.name in ("undersample", "person_balanced"):
        raise ValueError(
            f"teacher.weight={recipe.teacher.weight}, sampler.name={recipe.sampler.name!r}: photos without "
            'labels have no class or person to balance; use "shuffle" or "class_balanced"'
        )
