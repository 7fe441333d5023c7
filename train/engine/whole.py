"""Heads fitted to all photos of a fold at once, on features of a backbone that is never trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from faces.labels import FloatArray
from train.data.rows import FoldRows
from train.engine.features import VIEWS, FrozenFeatures
from train.engine.finite import FiniteOutputs
from train.network.coding import Coding
from train.network.heads import Heads
from train.network.objective import Objective


@dataclass(frozen=True, kw_only=True)
class WholeFit:
    """Fits heads by the objective of all training photos and their mirror images together.

    Added to it is `decay` / 2 times the sum of the squares of the weights, biases excepted, on features of
    mean 0 and standard deviation 1: of one head with cross-entropy, multinomial logistic regression.
    """

    heads: Heads
    objective: Objective
    targets: Mapping[str, Tensor]
    """float32 [rows of the cache, outcomes] by output, on the device."""
    features: FrozenFeatures
    rows: FoldRows
    decay: float

    @property
    def photos(self) -> int:
        """That train or validate."""
        return len(self.rows.training) + len(self.rows.validation)

    def fit(self, optimiser: Optimizer, advance: Callable[[int], object]) -> float:
        """Fit the heads.

        Args:
            optimiser: torch's LBFGS over their parameters.
            advance: called with numbers of photos whose features are there.

        Returns:
            The objective where it ended, without the penalty.
        """
        seen = self.features.of(self.rows.training, advance).flatten(0, 1)
        rows = torch.from_numpy(np.tile(self.rows.training, VIEWS)).to(seen.device)
        targets = {name: values[rows] for name, values in self.targets.items()}
        self.heads.train()
        self.heads.scale_by(seen)
        weights = [parameter for parameter in self.heads.parameters() if parameter.ndim > 1]
        loss = torch.tensor(math.nan)

        def closure() -> float:
            nonlocal loss
            optimiser.zero_grad()
            loss = self.objective(self.heads(seen), targets, epoch=0, total=lambda mass: mass)
            penalty = torch.stack([each.square().sum() for each in weights]).sum()
            whole: Tensor = loss + self.decay / 2 * penalty
            whole.backward()  # type: ignore[no-untyped-call]
            return float(whole.detach())

        optimiser.step(closure)
        return float(loss.detach())

    @torch.inference_mode()
    def predict(
        self, codings: Mapping[str, Coding], where: str, cure: str, advance: Callable[[int], object]
    ) -> tuple[dict[str, FloatArray], Mapping[str, Tensor]]:
        """What the heads answer of the photos that validate, as they are.

        Returns:
            float32 [n, classes] probabilities by task; outputs by name.

        Raises:
            ValueError: outputs are not finite.
        """
        validation = self.rows.validation
        outputs = self.heads.eval()(self.features.of(validation, advance)[0])
        found = {task: coding.probabilities(outputs[task]) + 0.0 for task, coding in codings.items()}
        finite = FiniteOutputs(len(validation))
        for task, probabilities in found.items():
            finite.look(task, outputs[task], probabilities, slice(0, len(validation)))
        finite.check(where, cure, lambda at: validation[at])
        return {task: probabilities.cpu().numpy() for task, probabilities in found.items()}, outputs
