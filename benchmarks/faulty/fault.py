"""One fault, and the stages of a bench at which it may come."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from .places import Home

Do = Callable[[Home], object]


def nothing(home: Home) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """One fault. It comes `before` the bench, or as `strike` where the bench does what `at` says (a pattern
    of an event and a path, see `processes`). `repair` removes it.

    The bench must end with `status` (negative: the signal that kills it), say a line that has `said` (a
    pattern), and leave `failed` runs with FAILED.json and at least `done` finished ones. Then the same
    command goes on; it must end well and say `again`.
    """

    name: str
    stage: str
    said: str = ""
    status: int = 1
    before: Do = nothing
    at: str = ""
    strike: Do | None = None
    repair: Do = nothing
    failed: int = 0
    done: int = 0
    again: str = ""
    finished: bool = False  # the bench begins where another one has finished
    rendered: bool = False  # on rendered faces, not on the data set
    plots: bool = False
    jobs: int = 1
    streams: str = "files"
    by_user: bool = False  # without root's rights
    paths: dict[str, str] = field(default_factory=dict)  # other than usual: `out`, `data`, `suite`, `cache`


STAGES = {
    "decoding": r"open .*/data/day/neutral/1\.png",
    "index of the images": r"open .*/cache/\.building-.*/index\.parquet",
    "drawing of episodes": r"open .*/home/tmp$",
    "plan": r"open .*/tiny/\.tmp-[^/]*\.json",
    "episodes": r"os\.mkdir .*/episodes",
    "record of a model": r"open .*/models/[^/]*/\.tmp-[^/]*\.json",
    "checkpoint": r"os\.mkdir .*/checkpoints",
    "history": r"open .*/models/[^/]*/\.tmp-[^/]*\.jsonl",
    "state of a training": r"open .*/models/[^/]*/\.tmp-[^/]*\.pt",
    "second checkpoint": r"os\.rename .*/step-000004\.safetensors",
    "seal of a model": r"open .*/models/[^/]*/\.tmp-[^/.]*$",
    "answers": r"os\.mkdir .*/runs/[^/]*",
    "record of a run": r"open .*/runs/[^/]*/\.tmp-[^/]*\.json",
    "seal of a run": r"open .*/runs/[^/]*/\.tmp-[^/.]*$",
    "report": r"open .*/tiny/\.tmp-[^/]*\.csv",
    "plots": r"open .*/plots/\.tmp-[^/]*\.png",
    "note of the end": r"os\.rename .*/report\.json",
    "rendering": r"open .*/cache/\.building-.*images\.npy",
}
"""In order, and by what each is known: mostly the first file that it writes."""


def striking(name: str, stage: str, strike: Do, said: str = "", status: int = 1, **more) -> Fault:
    """A fault that comes at a stage, of which `stage` may say more: "plan, 2 jobs"."""
    plain = stage.partition(",")[0]
    how = {"plots": plain == "plots", "rendered": plain == "rendering"}
    return Fault(name, stage, said, status, at=STAGES[plain], strike=strike, **how | more)


def end_by(number: int) -> Do:
    """A signal to the bench; Ctrl-C reaches its workers too."""
    send = os.killpg if number == signal.SIGINT else os.kill
    return lambda home: send(os.getsid(0), number)
