"""How many processor cores this process may use: in a container fewer than the machine has."""

from __future__ import annotations

import os
from pathlib import Path

_MEMBERSHIP = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that this process may keep busy at once, at least 1.

    Those of its affinity (`taskset`, `docker --cpuset-cpus`, Slurm), and no more than the processor time of
    its control group and those around it (`docker --cpus`, Kubernetes' limits), rounded down: threads beyond
    it are stopped in the middle of their work, and the others wait for them.
    """
    return max(1, int(min([len(os.sched_getaffinity(0)), *_limits()])))


def _limits() -> list[float]:
    """Cores' worth of processor time of each limited control group around this process.

    A container may see the path that its group has outside: what is not there has no limit, and the top is
    always looked at.
    """
    try:
        memberships = _MEMBERSHIP.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in memberships:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = _CGROUPS / "cpu" if controllers else _CGROUPS
        group = top / path.lstrip("/")
        groups = [group, *group.parents]
        found += [_limit(each, version=1 if controllers else 2) for each in groups[: groups.index(top) + 1]]
    return [limit for limit in found if limit]


def _limit(group: Path, *, version: int) -> float:
    """Seconds of processor time in each second; 0 without a limit.

    https://docs.kernel.org/admin-guide/cgroup-v2.html: `cpu.max` holds quota and period; in version 1 each
    has a file, and a quota of -1 is none.
    """
    names = ["cpu.max"] if version == 2 else ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
    try:
        quota, period = " ".join((group / name).read_text(encoding="utf-8") for name in names).split()
    except (OSError, ValueError):
        return 0
    return 0 if quota in ("max", "-1") else int(quota) / int(period)
