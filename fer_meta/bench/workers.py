"""Work side by side: a forked process for each task, so that nothing is pickled on the way in and memory maps are shared.

A fork copies no thread of OpenMP's, and a child that looks for its parent's hangs: the parent must not have computed with torch. So all
that computes before (rendering, timing) goes through here too.
"""

import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection, get_context

import torch

# Beyond, the memory that each takes counts for more than the cores that threads leave idle.
MOST_JOBS = 4

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Died:
    """A worker ended in the middle of its task: killed by a signal (`code` is negative), as for want of memory, or by a bug."""

    code: int

    def __str__(self) -> str:
        if self.code == -signal.SIGKILL:
            return "its process was killed, perhaps for want of memory; try --jobs 1"
        return f"its process was ended by signal {-self.code}" if self.code < 0 else f"its process ended with status {self.code}"


def can_fork(device: torch.device) -> bool:
    """Whether tasks may run side by side: a GPU's context is not forked, nor are Apple's libraries made for it."""
    return device.type == "cpu" and sys.platform == "linux"


def jobs_and_threads(asked: int | None, device: torch.device, tasks: int) -> tuple[int, int]:
    """How many of `tasks` go side by side, if `asked` or by default, and torch's threads of each.

    The number of threads decides the order of sums, so that other jobs may give other last digits.
    """
    cores = len(os.sched_getaffinity(0)) if can_fork(device) else 1
    jobs = max(1, min(asked or min(cores, MOST_JOBS), tasks)) if can_fork(device) else 1
    return jobs, max(1, torch.get_num_threads() // jobs)


def side_by_side(
    tasks: Iterable, work: Callable[[object, Callable], None], hear: Callable[[object, object], None], jobs: int, threads: int
) -> None:
    """`work(task, tell)` for each task, in processes of `threads` torch threads, at most `jobs` at a time and begun in order.

    `hear(task, message)` is called here for whatever a worker tells, in the order told, and with Died for a worker that did not
    end well. An exception raised by `work` is raised here, and ends the others, as an interrupt does. With `jobs` 1 all is done in
    this process.
    """
    if jobs == 1:
        for task in tasks:
            work(task, partial(hear, task))
    else:
        fork_each(tasks, work, hear, jobs, threads)


def fork_each(tasks, work, hear, jobs: int, threads: int) -> None:
    """As `side_by_side`, in processes of their own even if `jobs` is 1."""
    waiting, busy = deque(tasks), {}
    try:
        while waiting or busy:
            while waiting and len(busy) < jobs:
                task = waiting.popleft()
                pipe, process = _start(work, task, threads)
                busy[pipe] = task, process
            for pipe in connection.wait(busy):
                task, process = busy[pipe]
                try:
                    message = pipe.recv()
                except (EOFError, OSError):  # it has ended, perhaps in the middle of a message
                    del busy[pipe]
                    process.join()
                    if process.exitcode:
                        hear(task, Died(process.exitcode))
                    continue
                if isinstance(message, Exception):
                    raise message
                hear(task, message)
    finally:
        for _, process in busy.values():
            process.terminate()
        for _, process in busy.values():
            process.join()


def _start(work, task, threads: int):
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, task, theirs, threads, os.getpid()), daemon=True)
    # A Ctrl-C reaches the whole group: workers leave it to the parent, which ends them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return ours, process


def _work(work, task, pipe: connection.Connection, threads: int, parent: int) -> None:
    # Ends by unwinding, so that no temporary file stays; and with its parent, however that ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(-signal.SIGTERM))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return
    torch.set_num_threads(threads)
    try:
        work(task, pipe.send)
    except Exception as error:
        pipe.send(error)
