"""Words that all stages share: labels, the cache's format, folds, scores, settings.

Nothing here needs a network library or knows a stage.
"""

import os

# While torch's CPU threads (libgomp) wait for each other they spin, and against each other as soon as another
# process wants a core. Here they sleep: `make bench-busy` measures what that gains, and costs alone.
# libgomp reads this once, when it is loaded, so it is set before anything imports torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
