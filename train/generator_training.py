"""Training the generator of one fold: resumable between any two steps, to the same bits on a CPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save
from timm.optim import Muon
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from faces.labels import CLASS_COUNT
from faces.settings import flat_table, to_table
from faces.writer import write_atomically
from pipeline.augment import Policy
from pipeline.loader import Loader
from pipeline.sampling import Weighted, class_weights
from train.checkpoint import StateFile, load_state
from train.generator import Generator, flow_loss, sample
from train.generator_plan import STEP_STREAM, WEIGHTS, GeneratorPlan, crops_of, noise
from train.generator_sheet import draw_classes

STATE, LOSSES, SHEET = "last.pt", "losses.csv", "training.png"
CLIP = 1.0
"""Greatest norm of a step's gradient."""
LINEAR_CROPS = 4000
"""Most training crops from which the closed form of a generator is computed."""
_ADAM_SHARE = 0.4
"""Adam's learning rate, as a share of Muon's."""
_SAVE_MINUTES = 1.0
_PROGRESS_SHEETS = 5
"""Times in a training that `SHEET` is drawn."""
_ROW_STEPS = 25
"""Steps that a row of `LOSSES` is the mean of."""
Tell = Callable[[int, float], object]
"""Told of how many more crops were shown, and of the last rows' mean loss."""


def train_generator(plan: GeneratorPlan, tell: Tell = lambda *_: None) -> None:
    """Train to the end, going on from the last saved state; nothing is done where the end was reached.

    Every draw is a pure function of seed, fold and step. Writes generator.json (what this is), last.pt,
    losses.csv, training.png (samples on the way) and at last generator.safetensors, the mean weights.

    Args:
        plan: what to train.
        tell: told of crops shown, first of those shown before an interruption.

    Raises:
        ValueError: the folder holds a generator of something else, the loss is not finite, or a crop does not
            decode.
    """
    _adopt(plan)
    run = _Training(plan)
    file = StateFile(plan.folder / STATE, _SAVE_MINUTES)
    if state := load_state(file.path):
        run.restore(state)
    else:
        run.begin()
    tell(run.step * plan.design.batch_size, run.loss)
    if (plan.folder / WEIGHTS).is_file():
        return
    every = -(-plan.design.steps // _PROGRESS_SHEETS)
    for images, classes in run.batches():
        run.learn(images, classes)
        tell(plan.design.batch_size, run.loss)
        if run.step % every == 0 and run.step < plan.design.steps:
            _show(run.average, plan)
        if file.due:
            run.keep_losses()
            file.save(run.state())
    run.keep_losses()
    file.save(run.state())
    state = {name: tensor.contiguous() for name, tensor in run.average.state_dict().items()}
    write_atomically(plan.folder / WEIGHTS, save(state))


class _Training:
    """The moving parts. Everything that changes is in `state`."""

    def __init__(self, plan: GeneratorPlan) -> None:
        self.plan, self.design = plan, plan.design
        torch.manual_seed(plan.seed)
        self.network = Generator(self.design).to(memory_format=torch.channels_last)
        self.average = Generator(self.design).requires_grad_(False).eval()
        self.average.to(memory_format=torch.channels_last)
        self.optimiser = _optimiser(self.network, self.design.lr)
        self.losses: list[float] = []

    def begin(self) -> None:
        """Compute the part that needs no training from up to `LINEAR_CROPS` of the training crops."""
        plan = self.plan
        rng = np.random.default_rng(plan.seed)
        rows = rng.permutation(plan.rows)[:LINEAR_CROPS]
        crops = torch.cat(list(crops_of(plan.cache, rows, self.design.image_size)))
        classes = torch.from_numpy(plan.cache.labels("class18")[rows])
        self.network.linear.fit(crops, classes, seed=plan.seed % 2**32)
        self.average.load_state_dict(self.network.state_dict())

    @property
    def step(self) -> int:
        """The step to make next, from 0."""
        return len(self.losses)

    @property
    def loss(self) -> float:
        """Mean of the last steps' loss; NaN before the first."""
        return float(np.mean(self.losses[-_ROW_STEPS:])) if self.losses else float("nan")

    def state(self) -> dict[str, Any]:
        """All that the next step depends on."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "losses": self.losses,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a saved state."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.losses = list(state["losses"])

    def batches(self) -> Any:
        """Images and 18-class codes of all steps still to be made."""
        plan, design = self.plan, self.design
        classes = torch.from_numpy(plan.cache.labels("class18"))
        bands = plan.cache.labels("age3")[plan.rows]
        loader = Loader(
            plan.cache,
            plan.rows,
            batch_size=design.batch_size,
            image_size=design.image_size,
            mean=(0.5,) * 3,
            std=(0.5,) * 3,
            policy=Policy(flip=0.5),
            layout="channels_last",
            seed=plan.seed,
            # Half-way between as they come and equally often: seniors are seen twice as often as they come.
            sampler=Weighted(class_weights(bands, "inverse_sqrt")),
        )
        while self.step < design.steps:
            epoch, batch = divmod(self.step, len(loader))
            for images, rows in loader.epoch(epoch, start_batch=batch):
                yield images, classes[rows]
                if self.step == design.steps:
                    return

    def learn(self, images: Tensor, classes: Tensor) -> None:
        """One step on a batch."""
        done = self.step / self.design.steps
        for group in self.optimiser.param_groups:
            group["lr"] = self.design.lr * min(1, 50 * (done + 1 / self.design.steps)) * (1 - done)
        random = self.plan.random(STEP_STREAM, self.step)
        loss = flow_loss(
            self.network, images, classes, label_dropout=self.design.label_dropout, random=random
        )
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        self.losses.append(float(loss.detach()))
        if not np.isfinite(self.losses[-1]):
            raise ValueError(f"step {self.step}: the loss is not finite; lower design.lr={self.design.lr}")
        # Early weights are far from all later ones, so the mean forgets them sooner.
        decay = min(self.design.average, self.step / (self.step + 10))
        mix = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        mix(list(self.average.parameters()), [p.detach() for p in self.network.parameters()], None)

    def keep_losses(self) -> None:
        """Write the loss so far as rows of means."""
        values = pd.Series(self.losses, name="loss")
        rows = values.groupby(values.index // _ROW_STEPS).mean()
        shown = np.minimum((rows.index + 1) * _ROW_STEPS, len(values)) * self.design.batch_size
        table = pd.DataFrame({"photos": shown, "loss": rows.to_numpy()})
        write_atomically(self.plan.folder / LOSSES, table.to_csv(index=False).encode())


def _optimiser(network: Generator, lr: float) -> Muon:
    """Muon for matrices and kernels, Adam for all else (Jordan et al., Muon, 2024).

    In the same 75 s of one core, without the closed form, Muon came to a held-out loss of 0.26 where Adam
    came to 0.35 (one run each).
    """
    tables = {id(network.place), *(id(parameter) for parameter in network.labels.parameters())}
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if id(p) not in tables]},
        {"params": [p for p in parameters if id(p) in tables], "use_fallback": True},
    ]
    return Muon(groups, lr=lr, fallback_lr_scale=_ADAM_SHARE, betas=(0.9, 0.99))


def _adopt(plan: GeneratorPlan) -> None:
    """Begin the folder, or check that it holds this very generator."""
    asked = {"design": to_table(plan.design), "cache": plan.cache.identity, **plan.division}
    asked = json.loads(json.dumps(asked))
    path = plan.folder / "generator.json"
    if path.is_file():
        found, wanted = flat_table(json.loads(path.read_text())), flat_table(asked)
        differing = [
            f"{key}: {found.get(key)!r} there, {wanted.get(key)!r} now"
            for key in sorted({*found, *wanted})
            if found.get(key) != wanted.get(key)
        ]
        if differing:
            raise ValueError(
                f"{plan.folder}: holds a generator of something else ({'; '.join(differing)}); "
                "choose another OUT folder, or delete this one"
            )
        return
    plan.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asked, indent=1).encode())


def _show(generator: Generator, plan: GeneratorPlan) -> None:
    """Draw `SHEET`: four samples of each class, made in few steps."""
    classes = torch.arange(CLASS_COUNT).repeat_interleave(4)
    images = sample(generator, classes, noise(plan, range(len(classes))), steps=8, guidance=1.0)
    draw_classes(images, classes.numpy(), plan.folder / SHEET, "samples on the way")
