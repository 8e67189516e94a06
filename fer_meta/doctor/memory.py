"""How much memory this process may take: the machine's, or what its container leaves."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")

# Names of the limit, of what is used, and of that part of it which is files that can be dropped.
_V1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
_V2 = "memory.max", "memory.current", "inactive_file"


@dataclass(frozen=True)
class Memory:
    """Bytes. `limited`: who sets the total, in words, if it is not the machine."""

    total: int
    free: int
    limited: str = ""


def memory() -> Memory | None:
    """What may be taken now; None where the system does not say."""
    machine = _machine()
    if machine is None:
        return None
    limits = [(total, free) for total, free in container_limits() if total < machine.total]
    if not limits:
        return machine
    free = min(machine.free, *(free for _, free in limits))
    return Memory(min(total for total, _ in limits), free, ", the limit of this container")


def container_limits() -> Iterator[tuple[int, int]]:
    """Limit and what is left of it, in each control group that this process is in and that has one. A
    container may not see the group that it is named to be in, but sees its own at the root.
    """
    try:
        told = (PROC / "self/cgroup").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    for line in told.splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if kinds and "memory" not in kinds.split(","):
            continue
        root, names = (CGROUPS / "memory", _V1) if kinds else (CGROUPS, _V2)
        inside = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(inside) + 1):
            yield from _limit(root.joinpath(*inside[:depth]), *names)


def _limit(group: Path, limit: str, used: str, files: str) -> Iterator[tuple[int, int]]:
    try:
        most = int((group / limit).read_text())
        taken = int((group / used).read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        yield most, max(0, most - taken + int(stat.get(files, 0)))
    except (OSError, ValueError):  # no such group, or "max"
        return


def _machine() -> Memory | None:
    try:
        lines = (PROC / "meminfo").read_text().splitlines()
        kilobytes = {key: int(rest.split()[0]) for key, _, rest in (line.partition(":") for line in lines)}
        return Memory(1024 * kilobytes["MemTotal"], 1024 * kilobytes["MemAvailable"])
    except (OSError, ValueError, KeyError, IndexError):
        return None
