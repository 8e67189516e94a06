"""Jobs to processes of this machine that each have a GPU, or a slice of one, for themselves.

A process that has computed on a GPU cannot be forked, so these begin anew; each then does job after job.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue

from fer_meta.runner.executors.remote import Silent, Submit
from fer_meta.runner.executors.workers import PR_SET_PDEATHSIG, SECONDS_TO_END, Died
from fer_meta.runner.options import BenchOptions

VISIBLE = "CUDA_VISIBLE_DEVICES"
_OF_THE_GROUP = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]


class _Process:
    """A process with a device, which does a job at a time; begun when it is needed, and again if it died."""

    def __init__(self, device: str):
        self._device = device
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
        process = context.Process(target=_work, args=(theirs, self._device, os.getpid()), daemon=True)
        try:
            process.start()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._pipe, self._process = ours, process
        return process

    def end(self) -> None:
        process = self._process  # the thread that waits for it forgets it when it ends
        if process is not None:
            process.terminate()
            process.join(SECONDS_TO_END)
            process.kill()


def _work(pipe: Connection, device: str, parent: int) -> None:
    for number in _OF_THE_GROUP:  # they reach all: the parent ends this one
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    os.environ[VISIBLE] = device
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
    """A process for each of `--devices`; with `--jobs`, so many, which share the devices in turn."""
    devices = list(islice(cycle(options.devices or ()), options.jobs or len(options.devices or ())))
    processes = [_Process(device) for device in devices]
    free: SimpleQueue[_Process] = SimpleQueue()
    for process in processes:
        free.put(process)

    def do(job: Callable[[str], object], model: str) -> None:
        process = free.get()
        try:
            process.do(job, model)
        finally:
            free.put(process)

    threads = ThreadPoolExecutor(len(devices))

    def submit(job: Callable[[str], object], models: Sequence[str]) -> list[Future]:
        return [threads.submit(do, Silent(job), model) for model in models]

    try:
        yield submit
    finally:
        # The processes first: Linux kills one at once when the thread that began it ends.
        for process in processes:
            process.end()
        threads.shutdown(cancel_futures=True)
