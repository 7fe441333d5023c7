"""Every compiled loop and every path beside memory that may not be touched: a process that may die of it."""

from __future__ import annotations

import resource

from tests.memory import detector, graphs, operators

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    operators.check()  # first, since it forks and DALI's threads are not yet there
    detector.check()
    graphs.check()
    print("nothing else was touched")
