"""The C library's memory."""

import ctypes
import platform


def keep_freed_memory() -> None:
    """Let the C library keep large freed blocks instead of handing them back to the kernel.

    A training frees and takes the same activations at every step, a report the same arrays for every method;
    fresh ones cost a page fault and a zeroing for each 4 kB. Only glibc knows this call; elsewhere nothing
    happens.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD
