"""Work side by side: a forked process for each task, so that nothing is pickled on the way in and memory maps
are shared.

A fork copies no thread of OpenMP's, and a child that waits for its parent's hangs: a process that forks must
not have computed with torch. So rendering, timing and a bench's only training go through here too; where one
job is all there may be, nothing is forked.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import joblib
import torch

Task = TypeVar("Task")

# Beyond, the memory that each takes counts for more than the cores that threads leave idle.
MOST_JOBS = 4

# A worker that gets the signal to end finishes its step first; one that does not end is killed.
SECONDS_TO_END = 20

PR_SET_PDEATHSIG = 1
_NO_MORE = object()
_ENDING = {getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)}


@dataclass(frozen=True)
class Died:
    """A worker ended in the middle of its task: killed by a signal (`code` is negative), as for want of
    memory, or by a bug.
    """

    code: int

    def __str__(self) -> str:
        if self.code == -signal.SIGKILL:
            return "its process was killed, perhaps for want of memory; try --jobs 1"
        if self.code == -signal.SIGBUS:
            return "a file that it was reading became shorter, or its disk failed; run the same command again"
        return (
            f"its process was ended by signal {-self.code}"
            if self.code < 0
            else f"its process ended with status {self.code}"
        )


@dataclass(frozen=True)
class Workers:
    """Up to `jobs` forked processes of `threads` torch threads each; or this process, if they are not
    `forked`.
    """

    jobs: int
    threads: int
    forked: bool

    def at_most(self, tasks: int) -> "Workers":
        """Those that `tasks` tasks keep busy, with a share of the threads each."""
        jobs = max(1, min(self.jobs, tasks))
        return replace(self, jobs=jobs, threads=max(1, torch.get_num_threads() // jobs))

    def each(
        self,
        tasks: Iterable[Task | None],
        work: Callable[[Task, Callable[[Any], None]], object],
        hear: Callable[[Task, Any], None],
    ) -> None:
        """`work(task, tell)` for each task, begun in order. While a worker is busy, the next may be None: not
        yet; it is asked for again when something was heard.

        `hear(task, message)` is called in this process for each message of a worker, in order, and with Died
        for a worker that did not end well. An exception raised by `work` is raised here, and ends the others,
        as an interrupt does.
        """
        if self.forked:
            self._fork(iter(tasks), work, hear)
        else:
            for task in tasks:
                if task is not None:
                    work(task, partial(hear, task))

    def _fork(self, tasks: Iterator, work, hear) -> None:
        busy: dict[Connection, tuple[Any, Any]] = {}
        more = True
        try:
            while more or busy:
                while more and len(busy) < self.jobs:
                    task = next(tasks, _NO_MORE)
                    more = task is not _NO_MORE
                    if task is None or not more:
                        break
                    pipe, process = _start(work, task, self.threads)
                    busy[pipe] = task, process
                if not busy:  # those that were busy ended together, and were the last
                    break
                for pipe in [pipe for pipe in connection.wait(busy) if isinstance(pipe, Connection)]:
                    task, process = busy[pipe]
                    try:
                        message = pipe.recv()
                    except (EOFError, OSError):  # it has died, perhaps in the middle of a message
                        process.join()
                        message = Died(process.exitcode or 0)
                    if isinstance(message, Exception):
                        raise message
                    if message is None or isinstance(message, Died):
                        del busy[pipe]
                        process.join()
                    if message is not None:
                        hear(task, message)
        finally:
            for _, process in busy.values():
                process.terminate()
            for _, process in busy.values():
                process.join(SECONDS_TO_END)
                process.kill()


def choose_workers(asked: int | None, device: torch.device) -> Workers:
    """Workers for `--jobs`: that many; by default one per core, at most MOST_JOBS. A GPU does one thing at a
    time, and neither its context nor Apple's libraries can be forked.

    The threads of each decide the order of sums, so that another number of jobs may give other last digits.
    """
    can_fork = device.type == "cpu" and sys.platform == "linux"
    cores = joblib.cpu_count()  # those that this process may use, by its affinity and its container
    torch.set_num_threads(min(torch.get_num_threads(), cores))
    jobs = (asked or min(cores, MOST_JOBS)) if can_fork else 1
    return Workers(jobs, torch.get_num_threads(), forked=jobs > 1)


def _start(work, task, threads: int):
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, task, theirs, threads, os.getpid()), daemon=True)
    # A Ctrl-C reaches the whole group: workers leave it to the parent, which ends them.
    # The others wait until it has its own handlers.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *_ENDING})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return ours, process


def _work(work, task, pipe: Connection, threads: int, parent: int) -> None:
    # Ended, it unwinds, so that no temporary file stays; it never outlives its parent, however that ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it too reaches the whole group
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    torch.set_num_threads(threads)
    try:
        work(task, pipe.send)
        pipe.send(None)  # it has not died
    except Exception as error:
        pipe.send(error)
