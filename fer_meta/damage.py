"""What libraries raise for a damaged file, in one line.

Each has errors of its own, and most raise others too where bytes are hostile. So all that is neither the
disk's (an OSError with a number) nor the memory's is the file's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from fer_meta.errors import DatasetError, FerMetaError
from fer_meta.oneline import escaped

_REASON = 200


@contextmanager
def expected(
    place: object, what: str, fix: str = "obtain it again", kind: type[FerMetaError] = DatasetError
) -> Iterator[None]:
    """Turn all that is raised for a damaged file into an error of this `kind`: `place`, `what` is wrong, the
    reason and the fix.
    """
    try:
        yield
    except (FerMetaError, ImportError):  # a package that is not installed
        raise
    except Exception as error:
        raise kind(f"{place}: {what} ({reason_of(error)}); {fix}") from None


def reason_of(error: Exception) -> str:
    """The reason for a damaged file. Raises the error itself if it is the disk's or the memory's, also a
    GPU's, or that of a package that is not installed.
    """
    full = (
        isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    )  # torch's, not imported
    if full or isinstance(error, ImportError) or getattr(error, "errno", None) is not None:
        raise error
    return escaped(" ".join(str(error).split()) or type(error).__name__)[:_REASON]
