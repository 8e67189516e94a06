"""Where a run was made: versions, machine, commit and memory. None of it enters a run's identity."""

import os
import platform
import sys

import torch

from fer_meta.commit import commit
from fer_meta.records.freshness import versions

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def environment(device: torch.device, jobs: int, processes: int = 1) -> dict:
    """Versions of what computes, the device by name, how many trainings went side by side, of how many
    processes each, torch's threads of each, and the commit of fer-meta if it is run from a clone.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cpus": os.cpu_count(),
        "jobs": jobs,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "git_commit": commit(),
    }


def peak_memory_mb(device: torch.device) -> dict[str, float]:
    """The process's largest resident set so far (`process`, not known under Windows), and the GPU's largest
    allocation (`gpu`), in MB.
    """
    peak = {}
    if resource:
        unit = 1 if sys.platform == "darwin" else 1024  # macOS counts in bytes, Linux in KiB
        peak["process"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
    if device.type == "cuda":
        peak["gpu"] = round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    return peak
