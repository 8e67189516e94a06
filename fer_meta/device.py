"""The device that computes, by the name a user gives it."""

import torch

from fer_meta.errors import FerMetaError


def choose_device(name: str) -> torch.device:
    """The device called `name` (`cpu`, `cuda`, `cuda:1`, `mps`), or the best there is for `auto`. FerMetaError if it cannot be used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise FerMetaError(f"--device {name} cannot be used ({str(error).splitlines()[0]}); try --device auto") from error
    return device


def renderer_device(device: torch.device) -> str:
    """What renders where `device` trains: warp knows CUDA and the CPU."""
    return str(device) if device.type == "cuda" else "cpu"
