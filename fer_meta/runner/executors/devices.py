"""Jobs to processes of this machine that each have a GPU, or a slice of one, for themselves.

A process that has computed on a GPU cannot be forked, so these begin anew; each then does job after job. With
`--devices-per-model`, several do each job together, and live for that job.
"""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue

import joblib
import torch

from fer_meta.runner.executors.remote import Silent, Submit
from fer_meta.runner.executors.workers import PR_SET_PDEATHSIG, SECONDS_TO_END, Died
from fer_meta.runner.options import BenchOptions

VISIBLE = "CUDA_VISIBLE_DEVICES"
_OF_THE_GROUP = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]


class _Process:
    """A process with a device, which does a job at a time; begun when it is needed, and again if it died."""

    def __init__(self, device: str, threads: int, variables: Mapping[str, str] | None = None):
        self._threads, self._variables = threads, {VISIBLE: device, **(variables or {})}
        self._process: BaseProcess | None = None

    def do(self, job: Callable[[str], object], model: str) -> None:
        """Raises what the job raises, and RuntimeError if its process dies."""
        process = self._process or self._begin()
        try:
            self._pipe.send((job, model))
            error = self._pipe.recv()
        except (EOFError, OSError):
            process.join()
            self._process = None
            raise RuntimeError(str(Died(process.exitcode or 0))) from None
        if error is not None:
            raise error

    def _begin(self) -> BaseProcess:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_work, args=(theirs, self._variables, self._threads, os.getpid()), daemon=True
        )
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._pipe, self._process = ours, process
        return process

    def end(self, seconds: float = SECONDS_TO_END) -> None:
        process = self._process  # the thread that waits for it forgets it when it ends
        if process is not None:
            process.terminate()
            process.join(seconds)
            process.kill()


class _Together:
    """Processes, each with a device, that do a job together: the first leads, the others follow it."""

    def __init__(self, devices: Sequence[str], threads: int):
        self._devices, self._threads = devices, threads
        self._members: list[_Process] = []

    def do(self, job: Silent, model: str) -> None:
        """Raises what the job raises, and RuntimeError if one of the processes dies."""
        from fer_meta.training.team import place

        port, ended = _free_port(), SimpleQueue[Future]()
        self._members = [
            _Process(device, self._threads, place(k, port)) for k, device in enumerate(self._devices)
        ]
        # Each in a thread that lives as long as its process; see `engine`.
        with ThreadPoolExecutor(len(self._members)) as threads:
            begun = [
                threads.submit(member.do, job.follow if k else job, model)
                for k, member in enumerate(self._members)
            ]
            for one in begun:
                one.add_done_callback(ended.put)
            try:
                while (first := ended.get()) is not begun[0] and not first.exception():
                    pass  # the training is over, and the first goes on to test
            finally:
                self.end()
        first.result()

    def end(self) -> None:
        """The first ends in order; the others have nothing to put in order, and may wait for it for ever."""
        for k, member in reversed(list(enumerate(self._members))):
            member.end(0 if k else SECONDS_TO_END)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _work(pipe: Connection, variables: Mapping[str, str], threads: int, parent: int) -> None:
    for number in _OF_THE_GROUP:  # they reach all: the parent ends this one
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    os.environ.update(variables)
    torch.set_num_threads(threads)
    with suppress(EOFError):
        while True:
            job, model = pipe.recv()
            try:
                job(model)
                pipe.send(None)
            except Exception as error:
                pipe.send(error)


@contextmanager
def engine(options: BenchOptions) -> Iterator[Submit]:
    """A process for each of `--devices`, or a team of so many as a model needs; with `--jobs`, so many, which
    share the devices in turn.
    """
    devices, size = list(options.devices or ()), options.devices_per_model
    in_turn = cycle(devices)
    teams = [list(islice(in_turn, size)) for _ in range(options.jobs or len(devices) // size)]
    # Of the processor, each has a share: together, they would wait for each other's threads.
    threads = max(1, min(joblib.cpu_count(), torch.get_num_threads()) // (size * len(teams)))
    processes = [_Together(team, threads) if size > 1 else _Process(team[0], threads) for team in teams]
    free: SimpleQueue[_Process | _Together] = SimpleQueue()
    for process in processes:
        free.put(process)

    def do(job: Silent, model: str) -> None:
        process = free.get()
        try:
            process.do(job, model)
        finally:
            free.put(process)

    threads = ThreadPoolExecutor(len(processes))

    def submit(job: Callable[[str], object], models: Sequence[str]) -> list[Future]:
        return [threads.submit(do, Silent(job), model) for model in models]

    try:
        yield submit
    finally:
        # The processes first: Linux kills one at once when the thread that began it ends.
        for process in processes:
            process.end()
        threads.shutdown(cancel_futures=True)
