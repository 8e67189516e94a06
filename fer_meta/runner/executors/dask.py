"""Jobs to a dask cluster: the one at `--scheduler`, or processes of this machine.

Dask gives a job to another worker if its worker dies. https://distributed.dask.org
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click
import joblib
from distributed import Client, Future, LocalCluster

from fer_meta.errors import FerMetaError
from fer_meta.oneline import one_line
from fer_meta.runner.executors.remote import Silent, Submit
from fer_meta.runner.executors.workers import MOST_JOBS
from fer_meta.runner.options import BenchOptions


@contextmanager
def engine(options: BenchOptions) -> Iterator[Submit]:
    """A client of the cluster. Settings of `--cluster` go to LocalCluster, if there is no scheduler yet."""
    with _cluster(options) as cluster, Client(cluster) as client:
        if not client.scheduler_info()["workers"]:
            address = client.scheduler.address
            click.echo(f"{address} has no worker yet; waiting for one: dask worker {address} --nthreads 1")

        def submit(job: Callable[[str], object], models: Sequence[str]) -> list[Future]:
            return client.map(Silent(job), models, pure=False)

        yield submit


@contextmanager
def _cluster(options: BenchOptions) -> Iterator[str | LocalCluster]:
    if options.scheduler:
        yield options.scheduler
        return
    workers = options.jobs or min(joblib.cpu_count(), MOST_JOBS)
    usual = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    before = dict(os.environ)
    try:
        cluster = LocalCluster(**{**usual, **options.cluster})
    except (RuntimeError, TypeError, ValueError) as error:
        raise FerMetaError(
            f"--executor dask: no cluster begins here ({one_line(str(error), 200)}); correct --cluster"
        ) from error
    try:
        with cluster:
            yield cluster
    finally:  # what is for its workers, such as their numbers of threads, it leaves in this process too
        os.environ.clear()
        os.environ.update(before)
