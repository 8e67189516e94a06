"""The engine that `--executor` or `--devices` names."""

from collections.abc import Iterator
from contextlib import contextmanager

from fer_meta.errors import FerMetaError
from fer_meta.runner.executors.remote import Submit
from fer_meta.runner.options import BenchOptions


@contextmanager
def engine(options: BenchOptions) -> Iterator[Submit | None]:
    """What gives a bench's jobs to processes elsewhere, while it is open; None if this process and its forks
    do the work. Raises FerMetaError if the engine's package is not installed.
    """
    try:
        with _engine(options) as submit:
            yield submit
    except ModuleNotFoundError as error:
        if options.executor is None or not (error.name or "").startswith(_PACKAGES[options.executor]):
            raise
        raise FerMetaError(
            f"--executor {options.executor} needs the package {error.name}; install it with"
            f" pip install 'fer-meta[{options.executor}]'"
        ) from error


_PACKAGES = {"dask": ("dask", "distributed"), "slurm": ("submitit",)}


@contextmanager
def _engine(options: BenchOptions) -> Iterator[Submit | None]:
    if options.executor == "dask":
        from fer_meta.runner.executors import dask

        with dask.engine(options) as submit:
            yield submit
    elif options.executor == "slurm":
        from fer_meta.runner.executors import slurm

        with slurm.engine(options) as submit:
            yield submit
    elif options.devices:
        from fer_meta.runner.executors import devices

        with devices.engine(options) as submit:
            yield submit
    else:
        yield None
