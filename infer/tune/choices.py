"""What can be chosen of a fit, in names that settings share with the work."""

from typing import Final, Literal

Fitted = Literal["weights", "threshold", "temperature", "adjust"]
"""Values of an ensemble that can be fitted."""
FITTED: Final[tuple[Fitted, ...]] = ("weights", "threshold", "temperature", "adjust")
Criterion = Literal["macro_f1", "log_loss"]
"""What greedy selection improves; the other one decides between equals."""
