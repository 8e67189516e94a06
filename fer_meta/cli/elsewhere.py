"""The options of a bench that say where its models are trained: on several GPUs, on a cluster, in parts."""

import re
from collections.abc import Callable

import click

from fer_meta.commands import names_in
from fer_meta.oneline import one_line

MOST_DEVICES = 64


def _devices(context, parameter, value: str | None) -> list[str] | None:
    """`2` means the first two; `0,3` means these; names of slices are as they are."""
    if value is None:
        return None
    if value.isdecimal() and 1 <= int(value) <= MOST_DEVICES:
        return [str(number) for number in range(int(value))]
    devices = names_in(value)
    if not devices or ("," not in value and not re.fullmatch("(GPU|MIG)-.+", value)):
        raise click.BadParameter(
            f"{one_line(value, 60)!r} is no number of GPUs (1 to {MOST_DEVICES}) and no list (0,1; one: 0,)"
        )
    return devices


def _cluster(context, parameter, values: tuple[str, ...]) -> dict[str, str | int]:
    """KEY=VALUE, repeatable; whole numbers are numbers."""
    pairs = dict(value.partition("=")[::2] for value in values)
    if len(pairs) < len(values):
        raise click.BadParameter("a setting is given twice")
    if not all(pairs) or not all(pairs.values()):
        raise click.BadParameter("give KEY=VALUE, such as timeout_min=60")
    return {key: int(value) if value.isdecimal() else value for key, value in pairs.items()}


def _shard(context, parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    found = re.fullmatch("([0-9]{1,6})/([0-9]{1,6})", value)
    number, of = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= of:
        raise click.BadParameter(f"{one_line(value, 60)!r} is no part such as 1/4, 2/4, 3/4 or 4/4")
    return number, of


_OPTIONS = [
    click.option(
        "--devices",
        callback=_devices,
        metavar="N|ID,...",
        help=(
            "Several GPUs of this machine, or slices (MIG) of one, named as in CUDA_VISIBLE_DEVICES: a model"
            " at a time on each. With --jobs, so many models share them."
        ),
    ),
    click.option(
        "--devices-per-model",
        type=click.IntRange(1, MOST_DEVICES),
        default=1,
        show_default=True,
        help="So many of --devices train a model together, each with its share of every step.",
    ),
    click.option(
        "--executor",
        type=click.Choice(["dask", "slurm"]),
        help=(
            "Give the models to a cluster, a job for each. All its machines need the data and --out at the"
            " same place.  [default: this machine]"
        ),
    ),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Of dask, such as tcp://node1:8786.  [default: a new one on this machine]",
    ),
    click.option(
        "--cluster",
        multiple=True,
        callback=_cluster,
        metavar="KEY=VALUE",
        help=(
            "A setting of the cluster. For slurm one of submitit: slurm_partition=gpu, gpus_per_node=1,"
            " timeout_min=60. Repeatable."
        ),
    ),
    click.option(
        "--shard",
        callback=_shard,
        metavar="K/N",
        help="Do only the K-th of N parts of the models, on machines that know nothing of each other.",
    ),
]


def elsewhere_options(command: Callable) -> Callable:
    """`--devices`, `--devices-per-model`, `--executor`, `--scheduler`, `--cluster` and `--shard`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
