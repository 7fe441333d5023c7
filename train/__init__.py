"""Stage 2: a recipe trained on folds of a cache becomes runs: `python -m train`.

A fold's training from its plan to its folder; the rooms hold the parts.
"""

import faces as _before_torch  # noqa: F401
