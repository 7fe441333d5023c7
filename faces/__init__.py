"""Words that all stages share: labels, the cache's format, folds, scores, settings.

Nothing here needs a network library or knows a stage.
"""

import os
from collections.abc import Callable, Mapping
from importlib import import_module

import faces.home  # noqa: F401 - it decides where libraries keep things, so before any is imported
from faces.cores import usable_cores

# While torch's CPU threads (libgomp) wait for each other they spin for milliseconds, and against each other
# as soon as another process wants a core. After 5,000 turns they sleep: `make bench-busy` measures both ways.
# It is read once, when libgomp is loaded, so before anything imports torch; what a user has set stays.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")

# Libraries take a thread for each core of the affinity, and know nothing of a control group's limit.
if "OMP_NUM_THREADS" not in os.environ and usable_cores() < len(os.sched_getaffinity(0)):
    os.environ["OMP_NUM_THREADS"] = str(usable_cores())


def public_names(places: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a stage: its public names are imported when they are first asked for.

    torch takes seconds to import, which neither `--help` nor `import train` should wait for.

    Args:
        places: the module that defines each name.
    """

    def found(name: str) -> object:
        if name not in places:
            raise AttributeError(f"no public name {name!r}; there are {', '.join(sorted(places))}", name=name)
        return getattr(import_module(places[name]), name)

    return found
