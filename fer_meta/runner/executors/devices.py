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


class _Process:
    """A process with a device, which does a job at a time; begun when it is needed, and again if it died."""

    def __init__(self, device: str):
        self._device = device
        self._process: BaseProcess | None = None

    def do(self, job: Callable[[str], object], model: str) -> None:
        """Raises what the job raises, and RuntimeError if its process dies."""
        if self._process is None:
            context = get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(
                target=_work, args=(theirs, self._device, os.getpid()), daemon=True
            )
            self._process.start()
            theirs.close()
        try:
            self._pipe.send((job, model))
            error = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            died, self._process = Died(self._process.exitcode or 0), None
            raise RuntimeError(str(died)) from None
        if error is not None:
            raise error

    def end(self) -> None:
        process = self._process  # the thread that waits for it forgets it when it ends
        if process is not None:
            process.terminate()
            process.join(SECONDS_TO_END)
            process.kill()


def _work(pipe: Connection, device: str, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C reaches all: the parent ends this one
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
        threads.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.end()
        threads.shutdown()
