"""huggingface_hub, with what it raises turned into one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from fer_meta.commands import with_extra
from fer_meta.errors import FerMetaError, MachineError
from fer_meta.oneline import one_line


@contextmanager
def library(
    page: str,
    *,
    what: str,
    command: str,
    action: str = "download",
    revision: str = "main",
    refused: type[FerMetaError] = FerMetaError,
) -> Iterator[ModuleType]:
    """huggingface_hub, for a block that asks the hub for `page`, which is of a `what` ("data set").

    Raises `refused` for what the hub does not have or give, and MachineError if it cannot be reached or
    huggingface_hub, which `command` needs, is not installed. What the disk refuses stays as it is.
    """
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise MachineError(f"{command} needs the package huggingface_hub; run: {with_extra('hub')}") from None
    try:
        yield huggingface_hub
    except FerMetaError:
        raise
    except errors.GatedRepoError:
        raise refused(
            f"{page}: its owner gives access by name; ask for it on that page, log in with"
            " `hf auth login`, then run again"
        ) from None
    except errors.RepositoryNotFoundError:
        raise refused(
            f"{page}: the hub has no such {what}, or not for you; see the page, and log in with"
            " `hf auth login` if it is private"
        ) from None
    except errors.RevisionNotFoundError:
        raise refused(f"{page}: has no revision {revision}; see its history for others") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            may = " with a token that may write there" if action == "upload" else ""
            raise refused(f"{page}: refused (status {status}); log in with `hf auth login`{may}") from None
        raise MachineError(f"{page}: the hub failed (status {status}); try again later") from None
    except Exception as error:  # of the network, by the names of whatever library it uses
        if (
            isinstance(error, OSError)
            and error.errno
            and not isinstance(error, ConnectionError | TimeoutError)
        ):
            raise
        reason = one_line(str(error.__cause__ or error), 200) or type(error).__name__
        raise MachineError(
            f"{page}: the hub could not be reached, or the {action} broke off ({reason}); see that this"
            " machine has a network, then run again: files that are whole are kept"
        ) from None
