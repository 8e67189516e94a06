"""What can go wrong for a user. Each message is one line: what is wrong, where, and the mend."""


class FerMetaError(Exception):
    """Shown as its one-line message; the traceback only with `--debug`."""


class DatasetError(FerMetaError):
    """A data set is missing, laid out in an unknown way, or holds nothing usable."""


class ProtocolError(FerMetaError):
    """The data cannot serve the protocol, such as a class too small for a task."""


class SuiteError(FerMetaError):
    """A suite file is wrong; the message names the file, the line and the key."""


class ResultsError(FerMetaError):
    """A results folder is missing, empty or damaged."""
