"""A recipe: everything that decides a trained system but the photos and the fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faces.command import nearest
from faces.labels import TASKS, covers
from pipeline.augment import LEAST_CENTRE, POLICIES, Policy, policy_named
from train.recipe.data import Age, Mixing, Rows, Sampling, Teacher
from train.recipe.network import Averaging, Head, Loss, Optimiser, Schedule

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One trained system."""

    about: str = ""
    """One line on what it is and when to use it."""
    tasks: tuple[str, ...] = ("class18",)
    """What is predicted, one head each on a shared backbone; their losses are summed."""
    backbone: str = "resnet18"
    """Name of a timm model."""
    pretrained: bool = False
    """Start from the weights of timm's hub; needs the network once."""
    weights: str = ""
    """Start from this local file of backbone weights (safetensors, or a state dict saved by torch)."""
    image_size: int = 224
    """Height and width of the network's input, pixels."""
    centre: float = 1.0
    """Share of the crop's side that the centre crop keeps, in training and evaluation, in [0.25, 1]: 0.875 at
    224 is torchvision's Resize(256) and CenterCrop(224)."""
    augment: str | Policy = "light"
    """Augmentation of the training photos: a named policy, or one of the recipe's own."""
    epochs: int = 20
    """Passes over the training photos."""
    batch_size: int = 32
    """Photos a step, of all processes together."""
    stop_after: int = 0
    """Epochs without a better validation macro F1 after which training ends early; 0 is never."""
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
    """What heads that predict age are taught."""
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
        for task in self.tasks:
            if task not in TASKS:
                raise ValueError(f"tasks: {task!r} is unknown: {nearest(task, list(TASKS))}")
        if isinstance(self.augment, str) and self.augment not in POLICIES:
            raise ValueError(f"augment: {self.augment!r} is unknown: {nearest(self.augment, list(POLICIES))}")
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks={list(self.tasks)}: name at least one task, each once")
        if self.pretrained and self.weights:
            raise ValueError(f"pretrained=true and weights={self.weights!r}: choose one of them")
        if self.epochs < 1 or self.batch_size < 2:
            raise ValueError(
                f"epochs={self.epochs}, batch_size={self.batch_size}: "
                "need at least 1 epoch, and 2 photos a batch for batch normalisation"
            )
        if not LEAST_CENTRE <= self.centre <= 1:
            raise ValueError(f"centre={self.centre}: must be in {LEAST_CENTRE} to 1; 1 keeps the whole crop")
        if self.stop_after < 0:
            raise ValueError(f"stop_after={self.stop_after}: must be 0 (never) or more")
        check_fit(self)

    @property
    def policy(self) -> Policy:
        """Augmentation of the training photos."""
        return policy_named(self.augment) if isinstance(self.augment, str) else self.augment

    @property
    def policy_name(self) -> str:
        """The policy's name, or that it is the recipe's own."""
        return self.augment if isinstance(self.augment, str) else "of its own"


def age_alone(task: str) -> bool:
    """Whether a task is about age and nothing else."""
    return TASKS[task].factors == ("age",)


def check_fit(recipe: Recipe) -> None:
    """Refuse tables that do not fit the tasks or each other.

    Raises:
        ValueError: naming both and the cure.
    """
    loss, tasks = recipe.loss, recipe.tasks
    named = f"tasks={list(tasks)}"
    if loss.task_weights and len(loss.task_weights) != len(tasks):
        raise ValueError(f"loss.task_weights={list(loss.task_weights)}: give one for each of {named}")
    if loss.custom and (len(tasks) > 1 or len(loss.custom) != len(TASKS[tasks[0]].classes)):
        raise ValueError(
            f"loss.custom has {len(loss.custom)} weights, {named}: it weighs the classes of one task, "
            f"{tasks[0]} has {len(TASKS[tasks[0]].classes)}"
        )
    _check_age(recipe, named)
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
    if recipe.teacher.predictions:
        _check_teacher(recipe)


def _check_age(recipe: Recipe, named: str) -> None:
    """Refuse a coding of ages that no head takes, or one that leaves no head for the table [loss]."""
    if recipe.age.coding != "classes" and not any(age_alone(task) for task in recipe.tasks):
        raise ValueError(
            f"age.coding={recipe.age.coding!r}: none of {named} tells age alone; use age3, age6 or senior, "
            "whose loss it replaces"
        )
    if recipe.age.coding != "classes" and all(age_alone(task) for task in recipe.tasks):
        plain = Loss(task_weights=recipe.loss.task_weights)
        if recipe.loss != plain:
            raise ValueError(
                f"age.coding={recipe.age.coding!r} has a loss of its own, and {named} have no other head: "
                'leave the table [loss] out, or use age.coding = "classes"'
            )


def _check_teacher(recipe: Recipe) -> None:
    """Refuse tasks that do not follow from 18 classes, and samplers that never draw photos without labels."""
    named = f"teacher.predictions={[*recipe.teacher.predictions]}"
    finer = [task for task in recipe.tasks if not covers(("class18",), task)]
    if finer:
        raise ValueError(
            f"{named}, tasks={list(recipe.tasks)}: predictions of 18 classes do not tell {', '.join(finer)}; "
            "use age3 or senior instead, or train without a teacher"
        )
    if recipe.age.coding == "years" or recipe.age.regression:
        raise ValueError(
            f"{named}, age.coding={recipe.age.coding!r}, regression={recipe.age.regression}: predictions of "
            '18 classes tell no years; use coding = "classes" or "ordinal" and regression = 0'
        )
    if recipe.teacher.weight and recipe.sampler.name in ("undersample", "person_balanced"):
        raise ValueError(
            f"teacher.weight={recipe.teacher.weight}, sampler.name={recipe.sampler.name!r}: photos without "
            'labels have no class or person to balance; use "shuffle" or "class_balanced"'
        )
