"""Send what is new in a results folder to a tracker, once or for as long as a bench goes on."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from fer_meta.commands import command
from fer_meta.errors import FerMetaError, MachineError, ResultsError
from fer_meta.fileio import write_json
from fer_meta.oneline import one_line
from fer_meta.records.base import Stored, read_record
from fer_meta.records.freshness import fresh_report, report_key
from fer_meta.records.published import PLAN, without_plan
from fer_meta.runner.locks import LOCKS, held
from fer_meta.tracking import require
from fer_meta.tracking.updates import SentRun, Update, of_bench, updates

_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}
"""Of the environment, unless the user has set them. Nothing goes to the makers of a client but what the user
sends there; and a server that is away is said soon, for it is tried again from here.
"""

SENT = ".tracking"
"""The folder in a results folder that has what each tracker was sent."""

POLL = 2.0
"""Seconds between two looks at a results folder."""

AGAIN = 30.0
"""Seconds until a tracker that failed is tried again."""

PATIENCE = 60
"""Seconds that a bench waits, when it ends, for what is still to be sent."""


class Sent(Stored):
    """`<tracker>.json` in SENT. `place`: of the tracker, such as a server; elsewhere, all is sent anew.
    `report`: the key of the report whose tables were sent.
    """

    place: str
    report: str = ""
    runs: dict[str, SentRun] = {}


@contextlib.contextmanager
def followed(folder: Path, trackers: Sequence[str]) -> Iterator[None]:
    """Let each tracker follow a results folder while the block runs, in a process of its own, which is told
    the end by its standard input: also if this process is killed.
    """
    processes = {name: process for name in trackers if (process := _begin(folder, name))}
    try:
        yield
    except BaseException:
        _close(processes.values())
        raise
    _close(processes.values())
    for name, process in processes.items():
        if wrong := _how_it_ended(process):
            _say(folder, name, wrong)


def _begin(folder: Path, tracker: str) -> subprocess.Popen | None:
    words = [sys.executable, "-m", "fer_meta", "track", str(folder), "--follow", "--to", tracker]
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the bench
        )
    except OSError as error:
        _say(folder, tracker, f"has no process ({error.strerror})")
        return None


def _say(folder: Path, tracker: str, wrong: str) -> None:
    """What is wrong with a tracker, which is no error of the bench."""
    later = command("fer-meta", "track", str(folder), "--to", tracker)
    click.echo(f"fer-meta: {tracker} {wrong}; the bench goes on. To send the rest later: {later}", err=True)


def _how_it_ended(process: subprocess.Popen) -> str:
    """In words; "" if it has sent all, or has said why not."""
    try:
        status = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.terminate()
        return f"did not end in {PATIENCE} s"
    return f"ended with status {status}" if status else ""


def _close(processes: Iterable[subprocess.Popen]) -> None:
    for process in processes:
        assert process.stdin
        with contextlib.suppress(OSError):
            process.stdin.close()


def track(folder: Path, tracker: str, follow: bool) -> None:
    """Send what is new to a tracker; with `follow`, until standard input ends, and then once more.

    Raises FerMetaError for a tracker that is missing, ResultsError for a folder without results, and
    MachineError for what the tracker refuses; when it follows, this is a line, and it is tried again.
    """
    if not follow and not (folder / PLAN).exists():
        raise ResultsError(without_plan(folder))
    require([tracker])
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    over = _end_of_input() if follow else threading.Event()
    if not follow:
        over.set()
    with _alone(folder, tracker, over) as alone:
        if alone:
            _until(over, folder, tracker, follow)
        elif not follow:
            raise ResultsError(f"{folder}: another process sends it to {tracker}; wait for that")
    if not follow and not _report(folder):
        click.echo(
            "the tables were not sent: they are not those of these runs and this version of fer-meta;"
            " make them with `fer-meta report`, and give the command again"
        )


def _end_of_input() -> threading.Event:
    """Set when standard input ends."""
    over = threading.Event()

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            while sys.stdin.buffer.read(1 << 10):
                pass
        over.set()

    threading.Thread(target=read, daemon=True).start()
    return over


@contextlib.contextmanager
def _alone(folder: Path, tracker: str, over: threading.Event) -> Iterator[bool]:
    """Hold the tracker's lock; False if another process has it until this one is over: then that sends
    all.
    """
    (folder / LOCKS).mkdir(parents=True, exist_ok=True)
    while True:
        with held(folder / LOCKS / f"track-{tracker}") as mine:
            if mine or over.is_set():
                yield mine
                return
        over.wait(POLL)


def _until(over: threading.Event, folder: Path, tracker: str, again: bool) -> None:
    """Send until it is over; what the tracker refuses is said, and tried `again`."""
    said = ""
    while True:
        try:
            _passes(over, folder, tracker)
            return
        except Exception as error:
            line = _in_words(error)
            if not again:
                raise MachineError(f"{tracker}: {line}") from error
        if line != said:
            _say(folder, tracker, f"takes nothing now ({line})")
            said = line
        if over.is_set():
            return
        over.wait(AGAIN)


def _in_words(error: Exception) -> str:
    reason = str(error) if isinstance(error, FerMetaError | OSError) else f"{type(error).__name__}: {error}"
    return one_line(reason, 300)


def _passes(over: threading.Event, folder: Path, tracker: str) -> None:
    """Look at the folder now and then, and once when it is over; then send the tables too."""
    module: Any = import_module(f"fer_meta.tracking.{tracker}")
    path, place = folder / SENT / f"{tracker}.json", module.place(folder)
    sent = _read(path, place)
    with module.open_tracker(folder) as send:

        def note(update: Update, report: str = sent.report) -> None:
            run = send(update)
            before = sent.runs.get(update.name, SentRun())
            step = max([before.step, *(point.step for point in update.points)])
            sent.runs[update.name] = SentRun(run=run, step=step, ended=update.ended)
            sent.report = report
            write_json(path, sent.model_dump())

        while True:
            last = over.is_set()
            for update in updates(folder, sent.runs):
                note(update)
            if last:
                break
            over.wait(POLL)
        report = _report(folder)
        if report and report != sent.report:
            note(of_bench(folder, sent.runs.get(folder.name, SentRun())), report)


def _read(path: Path, place: str) -> Sent:
    """What was sent to a place; nothing if that is not known."""
    try:
        sent = read_record(path, Sent)
    except ValueError:
        return Sent(place=place)
    return sent if sent.place == place else Sent(place=place)


def _report(folder: Path) -> str:
    """The key of the report of a folder; "" unless it is as its runs are."""
    keys = (report_key(folder, published) for published in (False, True))
    return next((key for key in keys if fresh_report(folder, key)), "")
