"""Why a run failed, in one line."""

import os

import torch

from fer_meta.errors import FerMetaError
from fer_meta.refused import FULL, disk_in_words, memory_in_words


def in_one_line(error: Exception) -> str:
    """What went wrong, and the fix where it is known."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return (
            "the GPU's memory was full; leave it to fewer processes, or take a smaller --image-size, batch or"
            " --backbone"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return disk_in_words(error)[0]
    if full := memory_in_words(error):
        return full
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return line if isinstance(error, FerMetaError) else f"{type(error).__name__}: {line}"


def disk_is_full(error: Exception) -> bool:
    """safetensors says it in words of its own, the system's."""
    return getattr(error, "errno", None) in FULL or any(os.strerror(one) in str(error) for one in FULL)
