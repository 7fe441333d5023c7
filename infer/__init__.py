"""Stage 3: an ensemble of runs votes on a cache and becomes predictions: `python -m infer`.

The command and the way from an ensemble to answers; the rooms hold the parts.
"""

import faces as _before_torch  # noqa: F401
