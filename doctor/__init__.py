"""Is this machine fit, and what is installed on it? `python -m doctor`.

Short looks at everything that a machine must have, each in a process of its own. Stands above all stages.
"""

import faces as _before_torch  # noqa: F401
