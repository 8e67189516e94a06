"""What can go wrong for a user. Each message is one line: what is wrong, where, and the fix."""

from fer_meta.oneline import escaped


class FerMetaError(Exception):
    """Shown as its one-line message; the traceback only with `--debug`. `status` is the command's exit
    status.
    """

    status = 2

    def __str__(self) -> str:
        return escaped(super().__str__())


class DatasetError(FerMetaError):
    """A data set is missing, laid out in an unknown way, or holds nothing usable."""


class DamagedError(DatasetError):
    """Decoded images on disk are no longer what was written."""


class ImageError(FerMetaError):
    """An image is damaged: the message is the reason. It is left out of its data set and named."""


class ProtocolError(FerMetaError):
    """The data cannot serve the protocol, such as a class too small for a task."""


class TooSmallError(ProtocolError):
    """A class or a split is too small for its episodes. What helps is a line of a suite file, or an argument
    from Python.
    """

    def __init__(self, fault: str, in_suite: str, in_python: str):
        super().__init__(fault, in_suite, in_python)

    def __str__(self) -> str:
        fault, in_suite, _ = self.args
        return escaped(f"{fault}; {in_suite}")

    def from_python(self) -> ProtocolError:
        """The same for who has no suite file."""
        fault, _, in_python = self.args
        return ProtocolError(f"{fault}; {in_python}")


class DivergedError(FerMetaError):
    """The loss of a training is no longer finite."""


class SuiteError(FerMetaError):
    """A suite file is wrong; the message names the file, the line and the key."""


class MachineError(FerMetaError):
    """The machine cannot go on, such as with a full disk."""

    status = 1


class ResultsError(FerMetaError):
    """A results folder is missing, empty or damaged."""
