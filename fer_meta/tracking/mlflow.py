"""MLflow: a run for each training, in the store that MLFLOW_TRACKING_URI names, in the experiment
MLFLOW_EXPERIMENT_NAME.

https://mlflow.org/docs/latest/api_reference/python_api/mlflow.client.html
"""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from fer_meta.tracking.updates import Send, Update

logging.getLogger("mlflow").setLevel(logging.WARNING)  # not each table that it makes

EXPERIMENT = "fer-meta"
_MOST_METRICS, _MOST_PARAMS = 1000, 100  # that a server takes at a time
_STATUS = {"finished": "FINISHED", "failed": "FAILED"}
_NOT_IN_A_NAME = re.compile(r"[^\w\-. :/]", re.ASCII)


def place(folder: Path) -> str:
    """Where runs are kept: in another place, trainings are sent anew."""
    return f"{mlflow.get_tracking_uri()} {_experiment()}"


@contextmanager
def open_tracker(folder: Path) -> Iterator[Send]:
    """Curves against steps; `images` has the images seen at each. A point has the time at which it was
    logged. So one that is sent twice, because a process was killed, is stored once.
    """
    client = MlflowClient()
    experiment = client.get_experiment_by_name(_experiment())
    number = experiment.experiment_id if experiment else client.create_experiment(_experiment())
    running: set[str] = set()

    def send(update: Update) -> str:
        run = update.run or _create(client, number, folder, update)
        if run not in running:
            client.update_run(run, status="RUNNING")
            running.add(run)
        metrics = _metrics(update)
        for start in range(0, len(metrics), _MOST_METRICS):
            client.log_batch(run, metrics=metrics[start : start + _MOST_METRICS])
        if update.ended:
            client.set_terminated(run, _STATUS[update.ended])
            running.discard(run)
        return run

    try:
        yield send
    finally:
        for run in running:
            client.set_terminated(run, "KILLED")  # a training that goes on later is RUNNING again


def _experiment() -> str:
    return os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)


def _create(client: MlflowClient, experiment: str, folder: Path, update: Update) -> str:
    tags = {"kind": update.kind, "results": folder.name}
    run = client.create_run(experiment, run_name=update.name, tags=tags).info.run_id
    params = [Param(name, str(value)) for name, value in update.config.items()]
    for start in range(0, len(params), _MOST_PARAMS):
        client.log_batch(run, params=params[start : start + _MOST_PARAMS])
    return run


def _metrics(update: Update) -> list[Metric]:
    """In milliseconds, as MLflow has them."""
    found = [
        Metric(_name(name), value, round(1000 * point.time), point.step)
        for point in update.points
        for name, value in [*point.values.items(), ("images", point.images)]
        if value is not None
    ]
    when = max((metric.timestamp for metric in found), default=0)
    return found + [Metric(_name(name), value, when, 0) for name, value in update.results.items()]


def _name(text: str) -> str:
    """A name that MLflow takes: synthetic-wild@0.5 is synthetic-wild_0.5."""
    return _NOT_IN_A_NAME.sub("_", text)
