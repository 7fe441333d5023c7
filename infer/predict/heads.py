"""Answers of networks as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from faces.labels import FloatArray

Heads = dict[str, FloatArray]
"""One network's answers to n photos: float32 [n, classes] probabilities by head task."""
Panels = Mapping[str, Sequence[Mapping[str, FloatArray]]]
"""By recipe, for each of its voters: the [n, classes] probabilities of each head, by task. A voter is a
trained fold or, out of fold, the models of all folds, each answering for the people that it did not see."""
