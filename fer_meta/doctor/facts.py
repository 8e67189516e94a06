"""What torch and learn2learn say of this machine. It is asked in processes of their own (`children`), for a
library may crash where it is imported or computes.
"""

import json
import os
import platform
import warnings
from collections.abc import Callable, Iterator

from fer_meta.oneline import one_line

Facts = Iterator[dict[str, object]]


def tell(name: str) -> None:
    """Print the facts of TOLD[name], a line of JSON each, as soon as they are known."""
    for fact in TOLD[name]():
        print(json.dumps(fact), flush=True)


def of_learn2learn() -> Facts:
    """Nothing; it imports learn2learn as a bench does."""
    yield {"at": "it is imported"}
    try:
        import fer_meta.l2l  # noqa: F401  whether this is possible is what is asked
    except Exception as error:
        cause = error.__cause__ or error
        yield {"refused": one_line(f"{type(cause).__name__}: {cause}", 300)}


def of_torch() -> Facts:
    """Versions and instructions of torch, what a bench takes here, and each device with its fault."""
    yield {"at": "torch is imported"}
    import torch

    yield {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "apple": (platform.system(), platform.machine()) == ("Darwin", "arm64"),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    yield {"at": "the processor computes"}
    yield {"fault": fault_of("cpu")}
    yield {"at": "fer-meta chooses jobs and precision"}
    yield _chosen()
    yield {"at": "GPUs are looked for"}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    yield {"said": [str(one.message) for one in said]}
    devices: list[dict[str, object]] = []
    for name in [
        *(f"cuda:{number}" for number in range(count)),
        *["mps"] * torch.backends.mps.is_available(),
    ]:
        yield {"at": f"{name} computes"}
        devices.append({"device": name, **_described(name), "fault": fault_of(name)})
        yield {"devices": devices}


def fault_of(device: str) -> str | None:
    """Why a device does not compute, or that it computes something else than the processor does in float64;
    None if all is well.
    """
    import torch
    from torch.nn.functional import conv2d

    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 16, 16, generator=generator)
    kernels = torch.randn(8, 3, 3, 3, generator=generator)
    try:
        found = conv2d(images.to(device), kernels.to(device)).cpu().double()
    except Exception as error:
        return f"cannot compute ({one_line(str(error) or repr(error), 200)})"
    # Far above what TF32 rounds off.
    same = torch.allclose(found, conv2d(images.double(), kernels.double()), rtol=0.05, atol=0.05)
    return None if same else "computes wrong numbers"


def _described(device: str) -> dict[str, object]:
    """Name, memory in bytes and precision of a GPU, as far as it says so."""
    import torch

    from fer_meta.device import precision_on

    told: dict[str, object] = {}
    asked: dict[str, Callable[[], object]] = {
        "precision": lambda: precision_on("auto", torch.device(device)),
        "name": lambda: torch.cuda.get_device_name(device) if device != "mps" else "Apple's GPU",
        "memory": lambda: torch.cuda.mem_get_info(device) if device != "mps" else None,
    }
    for key, ask in asked.items():
        try:
            told[key] = ask()
        except Exception:  # computing on it fails too, and that is a finding
            told[key] = None
    return told


def _chosen() -> dict[str, object]:
    """What a bench takes on the processor."""
    import joblib
    import torch

    from fer_meta.device import precision_on
    from fer_meta.runner.executors.workers import choose_workers

    processor = torch.device("cpu")
    return {
        "cores": joblib.cpu_count(),
        "all_cores": os.cpu_count(),
        "jobs": choose_workers(None, processor).jobs,
        "precision": precision_on("auto", processor),
    }


TOLD: dict[str, Callable[[], Facts]] = {"torch": of_torch, "learn2learn": of_learn2learn}
