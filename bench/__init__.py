"""Everything that measures time and memory, above all stages; results in bench/results.

No stage imports from here.
"""

import faces as _before_torch  # noqa: F401
