"""What benches left in the folder of results: how far each is, what failed, what is damaged."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fer_meta.commands import command, with_option
from fer_meta.doctor import Asked
from fer_meta.doctor.disk import disk_findings
from fer_meta.doctor.findings import BROKEN, Finding, broken, looked_at, note, ok, warning
from fer_meta.fileio import TEMPORARY
from fer_meta.records.published import PLAN, is_published, makes
from fer_meta.suites.folders import RESULTS
from fer_meta.words import many, storage

ELSEWHERE = "give another --out"
SECONDS = 2.0
"""How long finished runs are compared with their seals, over all benches."""


@dataclass
class Runs:
    """The runs of a plan, by how they are; each that is not well with the reason."""

    planned: int
    done: int = 0
    unread: int = 0  # done, and not compared with their seals
    failed: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)


def findings(asked: Asked) -> Iterator[Finding]:
    """The folder of all results, and each bench in it."""
    yield from results_findings(asked.out)


def results_findings(out: Path, seconds: float = SECONDS) -> Iterator[Finding]:
    """The folder of all results, and each bench in it. Seals are compared for so long."""
    yield from looked_at(str(out), lambda: disk_findings(out, TEMPORARY, ELSEWHERE, False))
    if os.path.exists(out / PLAN):
        yield warning(
            f"{out}: is the folder of one bench", f"give {command('--out', str(out.absolute().parent))}"
        )
    inside = sorted(out.iterdir()) if out.is_dir() else []
    # Where this user may not look, there is no bench of theirs.
    benches = [one for one in inside if os.path.exists(one / PLAN) or os.path.isdir(one / "runs")]
    if not benches:
        yield note("no bench has left results here")
    if tables := [one for one in inside if is_published(one)]:
        yield note(
            f"{many(len(tables), 'folder')} of published tables without their runs, first {tables[0].name}",
            f"to make its runs, `{makes(tables[0])}`",
        )
    end = time.monotonic() + seconds
    for folder in benches:
        yield from looked_at(str(folder), partial(bench_findings, folder, out, end))


def bench_findings(folder: Path, out: Path, end: float) -> Iterator[Finding]:
    """How far a bench is, and what is wrong with it. Seals are read until `end`, by time.monotonic()."""
    from fer_meta.records.plan import read_plan
    from fer_meta.runner.locks import working

    plan = read_plan(folder)
    again = with_option(plan.command, "--out", None if out == RESULTS else str(out))
    runs = runs_of(folder, dict.fromkeys(run.id for run in plan.runs), end)
    trials = {trial.model for trial in plan.search.trials} if plan.search else set()
    tried = sum(_is_done(folder / "models" / model) for model in trials)
    searched = f"{tried} of {len(trials)} search trainings and " if trials else ""
    line = f"{folder}: {searched}{runs.done} of {runs.planned} runs are done"
    whole = runs.done == runs.planned > 0 and tried == len(trials) and not runs.damaged
    yield ok(line) if whole else note(line, f"to go on, run `{again}`")
    yield from _harm(folder, runs)
    # How full the disk is was said of the folder of all results.
    faults = [one for one in disk_findings(folder, TEMPORARY, ELSEWHERE, False) if one.state == BROKEN]
    yield from faults
    workers = 0 if faults else working(folder)
    if workers:
        yield note(f"{folder}: {many(workers, 'process', 'processes')} at work there now")
    else:
        yield from _temporary(folder)


def runs_of(folder: Path, planned: dict[str, None], end: float) -> Runs:
    """How each planned run is."""
    from fer_meta.records.seals import FAILED, broken_seal, why_unfinished

    runs = Runs(len(planned))
    for run in planned:
        home = folder / "runs" / run
        if not _is_done(home):
            if (home / FAILED).is_file():
                runs.failed[run] = why_unfinished(home).removeprefix("failed: ")
            continue
        runs.done += 1
        if time.monotonic() > end:
            runs.unread += 1
            continue
        try:
            fault = broken_seal(home)
        except OSError as error:
            fault = f"cannot be read ({error.strerror or error})"
        if fault:
            runs.damaged[run] = fault
    return runs


def _harm(folder: Path, runs: Runs) -> Iterator[Finding]:
    """What is wrong with runs, after a line that has the command of the bench."""
    if runs.damaged:
        first, fault = next(iter(runs.damaged.items()))
        yield broken(
            f"{folder}: {many(len(runs.damaged), 'finished run')} damaged, first {first}: {fault}",
            "the command above makes what is damaged again",
        )
    if runs.failed:
        first, why = next(iter(runs.failed.items()))
        yield warning(
            f"{folder}: {many(len(runs.failed), 'run')} failed, first {first}: {why}",
            "put that right, then the command above tries again",
        )
    if runs.unread:
        yield note(
            f"{folder}: {many(runs.unread, 'finished run')} not compared with their seals",
            "that takes long; `fer-meta report` compares all",
        )


def _temporary(folder: Path) -> Iterator[Finding]:
    """What lies in the folder of a bench that nobody works on."""
    left = [path for path in folder.rglob(f"{TEMPORARY}*") if path.is_file()]
    if left:
        size = storage(sum(path.stat().st_size for path in left))
        yield note(
            f"{folder}: {many(len(left), 'temporary file')} of a killed bench, {size}",
            "nothing to do: the next bench there removes them",
        )


def _is_done(home: Path) -> bool:
    return (home / "DONE").is_file()
