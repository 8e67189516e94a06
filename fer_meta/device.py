"""The device that computes, by the name a user gives it, and the precision that it is fast in."""

import functools
import platform
from typing import Literal

import torch

from fer_meta.errors import FerMetaError

Precision = Literal["auto", "fp32", "bf16"]


def choose_device(name: str) -> torch.device:
    """The device called `name` (`cpu`, `cuda`, `cuda:1`, `mps`), or the best there is for `auto`. Raises
    FerMetaError if it cannot be used.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise FerMetaError(
            f"--device {name} cannot be used ({str(error).splitlines()[0]}); try --device auto"
        ) from error
    return device


def precision_on(asked: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """The precision in which `device` computes: that of `asked`; for `auto`, bf16 only if it has units for
    it.
    """
    return ("bf16" if _has_bf16_units(device) else "fp32") if asked == "auto" else asked


def autocast(asked: Precision, device: torch.device) -> torch.autocast:
    """A block in which networks compute in `precision_on(asked, device)`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision_on(asked, device) == "bf16")


@functools.cache
def _has_bf16_units(device: torch.device) -> bool:
    """CUDA has them from Ampere on. On a processor, oneDNN says whether it *can* compute in bf16; without
    units for it that is up to six times slower than fp32, so an x86 processor also needs AVX512-BF16 or AMX.
    Where torch cannot say, there are none.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if (
        device.type != "cpu"
        or not torch.backends.mkldnn.is_available()
        or not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    ):
        return False
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    return any(
        getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


def renderer_device(device: torch.device) -> str:
    """What renders where `device` trains: warp knows CUDA and the CPU."""
    return str(device) if device.type == "cuda" else "cpu"
