"""Stage 2's input: from a cache to batches of augmented tensors, through DALI.

The order of samples, what is drawn for them, the graph and the loader; labels and networks stay out.

Public: `Loader`, batches of a cache; `Policy`, what happens to a training photo; `policy_named`, one by its
name.
"""

from typing import TYPE_CHECKING

import faces.home  # noqa: F401 - before numba, which reads where to keep things when it is imported
from faces import public_names

if TYPE_CHECKING:
    from pipeline.augment import Policy, policy_named
    from pipeline.loader import Loader

__all__ = ["Loader", "Policy", "policy_named"]
__getattr__ = public_names(
    {"Loader": "pipeline.loader", "Policy": "pipeline.augment", "policy_named": "pipeline.augment"}
)
