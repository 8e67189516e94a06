"""The engine that `--executor` or `--devices` names."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

from fer_meta.commands import with_extra
from fer_meta.errors import FerMetaError
from fer_meta.runner.executors.remote import Submit
from fer_meta.runner.options import BenchOptions


@contextmanager
def engine(options: BenchOptions) -> Iterator[Submit | None]:
    """What gives a bench's jobs to processes elsewhere, while it is open; None if this process and its forks
    do the work. Raises FerMetaError if the engine's package is not installed.
    """
    module = _module(options)
    if module is None:
        yield None
        return
    with module.engine(options) as submit:
        yield submit


def _module(options: BenchOptions) -> ModuleType | None:
    # each imports its package, which may be missing
    try:
        if options.executor == "dask":
            from fer_meta.runner.executors import dask

            return dask
        if options.executor == "slurm":
            from fer_meta.runner.executors import slurm

            return slurm
    except ModuleNotFoundError as error:
        raise FerMetaError(
            f"--executor {options.executor} needs the package {error.name}; run:"
            f" {with_extra(str(options.executor))}"
        ) from error
    if options.devices_per_model > 1 and find_spec("lightning_fabric") is None:
        raise FerMetaError(
            f"--devices-per-model needs the package lightning-fabric; run: {with_extra('fabric')}"
        )
    if options.devices:
        from fer_meta.runner.executors import devices

        return devices
    return None
