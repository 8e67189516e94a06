"""Jobs to SLURM: an array of a task for each model, through submitit. https://github.com/facebookincubator/submitit

A task that reaches its time limit, or is preempted, is queued again, and its training goes on where it was.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import submitit
from submitit.helpers import DelayedSubmission

from fer_meta.errors import FerMetaError
from fer_meta.oneline import one_line
from fer_meta.runner.executors.remote import Submit
from fer_meta.runner.options import BenchOptions

LOGS = ".slurm"
_MINUTES = 60
MOST_TIMEOUTS = 100
"""So often a task may reach its time limit: submitit's three are four hours of training, and no more."""


class _Requeued:
    """A job that submitit may hand in again."""

    def __init__(self, job: Callable[[str], object]):
        self.job = job

    def __call__(self, model: str) -> None:
        self.job(model)

    def checkpoint(self, model: str) -> DelayedSubmission:
        """What is queued when the time is over: the same."""
        return DelayedSubmission(self, model)


@contextmanager
def engine(options: BenchOptions) -> Iterator[Submit]:
    """Settings of `--cluster` are submitit's, such as slurm_partition=gpu, gpus_per_node=1, timeout_min=60;
    cluster=local runs the tasks on this machine, all at once. The logs of the tasks are in `.slurm` of --out.
    """
    settings = {"timeout_min": _MINUTES, "name": f"fer-meta-{options.preset}", **options.cluster}
    cluster = str(settings.pop("cluster", "slurm"))
    try:
        executor = submitit.AutoExecutor(
            options.out / LOGS, cluster=cluster, slurm_max_num_timeout=MOST_TIMEOUTS
        )
        executor.update_parameters(**settings)
    except (NameError, RuntimeError, TypeError, ValueError) as error:
        raise FerMetaError(f"--executor slurm: {one_line(str(error), 200)}; correct --cluster") from error

    def submit(job: Callable[[str], object], models: Sequence[str]) -> list[submitit.Job]:
        return executor.map_array(_Requeued(job), list(models))

    yield submit
