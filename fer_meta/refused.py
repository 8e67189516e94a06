"""What the machine refuses, in words: a disk that cannot be read or written, memory that is full."""

import errno
import tempfile

from fer_meta.oneline import one_line

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk, or of a full quota."""

# What a path that is given can be the cause of (exit status 2), and what the machine is the cause of (1),
# each with the fix.
_PATHS = {
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "give another path, this link leads back to itself",
    errno.ENOTDIR: "give another path, a part of this one is a file",
    errno.EISDIR: "a file is expected here; remove the folder, or give a file",
}
_MACHINE = {
    errno.ENOENT: "see that this place is still there, then run the same command again",
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there",
    errno.EFBIG: "raise the limit of the size of files (ulimit -f)",
    errno.EROFS: "name a folder that can be written",
    errno.EACCES: "see who may read and write there",
    errno.EPERM: "see who may read and write there",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}

# What torch and its libraries say without memory, on a CPU: their errors have no type of their own.
_NO_MEMORY = (
    "DefaultCPUAllocator",
    "could not create a primitive",
    "could not create a memory",
    "bad_alloc",
    "bad allocation",
    "Cannot allocate memory",
)


def disk_in_words(error: OSError) -> tuple[str, int]:
    """What went wrong with which path, the fix, and the exit status."""
    reason = error.strerror or str(error)
    named = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    number = error.errno or 0  # one that is raised with words alone has no number
    fix = _PATHS.get(number) or _MACHINE.get(number)
    if number in FULL and str(error.filename) == tempfile.gettempdir():
        fix = f"{fix}, or set TMPDIR to another folder"
    status = 2 if number in _PATHS else 1
    return f"{one_line(named, 300)}{': ' if named else ''}{reason}{f'; {fix}' if fix else ''}", status


def memory_in_words(error: Exception) -> str | None:
    """What to do if an error says that memory is full; None if it says something else."""
    said = one_line(str(error))
    if not (isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY)):
        return None
    return (
        f"not enough memory ({said[:200] or 'no memory left'}); close other programs, or ask for less (fewer"
        " --jobs, smaller images or batches)"
    )
