"""What befalls the process: numbers that are none, no memory, a clock that jumps, signals, closed streams."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .fault import Fault, end_by, striking
from .places import SUITE, Home
from .processes import MASTER

# --- numbers and memory -------------------------------------------------------------------------------------


def numbers() -> Iterator[Fault]:
    said = "the loss became .*; lower `lr`"
    yield Fault("the loss is no number", "training", said, before=hot, repair=usual, failed=1, done=1)
    said = r"weights\.pth: .* holds values that are no finite numbers"
    yield Fault("weights that are no numbers", "plan", said, 2, before=torn_weights, repair=usual)


def usual(home: Home) -> None:
    home.suite.write_text(SUITE)


def hot(home: Home) -> None:
    home.suite.write_text(SUITE.replace("protonet: {", "protonet: {lr: 1.0e+30, "))


def torn_weights(home: Home) -> None:
    import torch
    from torchvision.models import resnet18

    state, file = resnet18(num_classes=2).state_dict(), home.folder / "weights.pth"
    state["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, file)
    network = f"protonet: {{backbone: resnet18, weights: {file}, "
    home.suite.write_text(SUITE.replace("protonet: {", network))


def memory() -> Iterator[Fault]:
    said = "its process was killed, perhaps for want of memory; try --jobs 1"
    for stage in ("second checkpoint, 2 jobs", "record of a run, 2 jobs"):
        yield striking("a worker is killed", stage, kill_worker, said, jobs=2, failed=1, done=1)
    for stage in ("decoding", "record of a model"):
        yield striking("no memory left", stage, no_more_memory, "FAILED: not enough memory", failed=2)


def kill_worker(home: Home) -> None:
    """As the kernel does when memory is full."""
    os.kill(os.getpid(), signal.SIGKILL)


def no_more_memory(home: Home) -> None:
    """The process gets no more than it has, and a little."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (1 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


# --- the clock ----------------------------------------------------------------------------------------------

DAY = 24 * 3600


def clocks() -> Iterator[Fault]:
    for name, seconds in (("back a day", -DAY), ("on a year", 365 * DAY)):
        name = f"the clock jumps {name}"
        for stage in ("decoding", "second checkpoint", "report"):
            yield striking(name, stage, partial(jump, seconds=seconds), status=0, done=2)
        older = partial(written_before, seconds=seconds)
        yield Fault(name, "between two benches", status=0, finished=True, before=older)
        for stage in ("decoding", "second checkpoint"):
            killed = end_by(signal.SIGKILL)
            yield striking(name, f"{stage}, after a kill", killed, status=-signal.SIGKILL, repair=older)


def jump(home: Home, seconds: float) -> None:
    real = time.time
    time.time = lambda: real() + seconds


def written_before(home: Home, seconds: float) -> None:
    """All that is there was written before the clock jumped."""
    for path in [path for place in (home.results, home.cache) for path in place.rglob("*")]:
        when = path.stat().st_mtime - seconds
        os.utime(path, (when, when))


# --- signals and streams ------------------------------------------------------------------------------------


def signals() -> Iterator[Fault]:
    said = "interrupted.*; the same command goes on where it was"
    stages = ("decoding", "plan", "second checkpoint", "record of a run", "report", "plots")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        for stage in (*stages, "second checkpoint, 2 jobs"):
            jobs = 1 + ("2 jobs" in stage)
            yield striking(number.name, stage, end_by(number), said, 128 + number, jobs=jobs)
    yield striking("SIGTERM", "rendering", end_by(signal.SIGTERM), said, 128 + signal.SIGTERM)
    yield striking("SIGKILL", "rendering", end_by(signal.SIGKILL), status=-signal.SIGKILL)


def streams() -> Iterator[Fault]:
    ways = {
        "the reader of the output is gone (`| head`)": "head",
        "the output's disk is full (`> /dev/full`)": "full",
        "no output (`>&-`)": "no stdout",
        "no errors (`2>&-`)": "no stderr",
        "no stream at all (`<&- >&- 2>&-`)": "no stdin no stdout no stderr",
    }
    for name, how in ways.items():
        yield Fault(name, "from the start", status=0, streams=how, done=2)
    hang_up = striking(
        "the terminal closes", "second checkpoint", lambda home: os.close(MASTER), status=128 + signal.SIGHUP,
        streams="terminal",
    )  # fmt: skip
    yield hang_up
