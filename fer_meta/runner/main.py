"""A bench in three steps, each usable alone: plan, work, finish.

Several processes may work on one plan at the same time, in one results folder: each takes models that no
other has.
"""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click

from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.registry import names, resolve
from fer_meta.device import choose_device
from fer_meta.errors import MachineError, ResultsError, SuiteError
from fer_meta.fileio import full_disk, sweep
from fer_meta.memory import keep_freed_memory
from fer_meta.records.base import read_record
from fer_meta.records.freshness import forget_finished, note_finished
from fer_meta.records.history import HISTORY
from fer_meta.records.plan import Plan, write_plan
from fer_meta.records.run import RUN, RunRecord
from fer_meta.records.seals import DONE, broken_seal
from fer_meta.refused import FULL
from fer_meta.report import write_report
from fer_meta.runner import search
from fer_meta.runner.again import key_of
from fer_meta.runner.crossing import cross
from fer_meta.runner.data_notes import data_notes
from fer_meta.runner.describe import MadeBy, left_out, plan_record, remarks, with_runs
from fer_meta.runner.dry_run import print_plan
from fer_meta.runner.estimate import estimate
from fer_meta.runner.executors import remote
from fer_meta.runner.executors.engines import engine
from fer_meta.runner.executors.local import run_all
from fer_meta.runner.executors.outcomes import failures_in_words
from fer_meta.runner.executors.remote import Submit
from fer_meta.runner.executors.workers import Workers, choose_workers
from fer_meta.runner.identity import bench_hashes
from fer_meta.runner.loading import load_all, rendering_seconds, to_render
from fer_meta.runner.locks import LOCKS, held, part_in
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.plan import Run, by_model, make_plan
from fer_meta.runner.progress import Counted, Progress, seconds_of
from fer_meta.runner.run import Bench
from fer_meta.runner.select import cast_of, chosen_suite, domains_of, needs_files
from fer_meta.runner.settings import Setting
from fer_meta.runner.shards import of_shard
from fer_meta.runner.staging import stage
from fer_meta.runner.vocabulary import with_vocabulary
from fer_meta.runner.words import write_all_episodes
from fer_meta.suites.folders import results_folder
from fer_meta.suites.overruled import overruled
from fer_meta.suites.schema import Suite, read_suite
from fer_meta.suites.text import is_path
from fer_meta.tracking import require
from fer_meta.tracking.follow import followed
from fer_meta.training.checkpoints import RESUME

# While other processes write, temporary files that were not written for an hour are taken for those of a
# killed bench.
HOUR = 3600


@dataclass(frozen=True)
class Planned:
    """A bench before anything is computed or written. `run.model.id` of each of `runs` names its model."""

    bench: Bench  # what all runs share: suite, folder, device
    settings: list[Setting]
    runs: list[Run]
    record: Plan  # what `plan.json` says
    workers: Workers
    data: list[str]  # the data sets that are read from folders
    trials: list[Run]  # of the suite's search, whose picks `runs` need; see `decided`
    key: str  # of `again.key_of`
    options: BenchOptions
    rendering: float  # seconds of what a dry run has left to be rendered

    @property
    def folder(self) -> Path:
        """Of the results."""
        return self.bench.folder


def run_bench(options: BenchOptions) -> int:
    """Plan, work and report; returns the number of runs that failed.

    Raises FerMetaError for anything wrong before the first run.
    """
    planned = plan(options)
    if options.dry_run:
        planned.bench.damaged |= _damaged(planned.bench, planned.runs)
        print_plan(
            planned.bench,
            planned.settings,
            planned.trials,
            _expected(planned),
            planned.workers,
            planned.rendering,
        )
        return 0
    with followed(planned.folder, options.track):
        failed = _work_and_finish(planned)
    if failed:
        planned = decided(planned)
        every = [*planned.trials, *planned.runs]
        click.echo(failures_in_words(planned.bench, every, options.again), err=True)
    return failed


def _work_and_finish(planned: Planned) -> int:
    failed = work(planned)
    planned = decided(planned)
    shard = planned.options.shard
    if shard and not _all_done(planned):
        click.echo(
            f"shard {'/'.join(map(str, shard))} of {planned.folder} has done what it can; the report"
            " follows when all shards are done: give a shard's command once more"
        )
        return failed
    click.echo("writing the report ...", err=True)
    try:
        click.echo(finish(planned))
    except ResultsError:
        if failed < len(planned.runs):
            raise
    return failed


def plan(options: BenchOptions) -> Planned:
    """Read the suite and the data, and find the runs. If there is no data, faces are rendered, once. Nothing
    is written to the results.

    Raises FerMetaError for an option, a suite or data that do not fit.
    """
    require(options.track)
    suite = chosen_suite(options)
    device = choose_device(options.device)
    keep_freed_memory()
    # All are located before any is decoded, so that a misspelt name does not cost minutes.
    cast: dict[str, str] = {}
    if suite.experiments:
        cast = cast_of(suite, options)
        roots = resolve(dict.fromkeys(cast.values()), options.data)
    else:
        suite, roots = domains_of(suite, options)
        suite = with_vocabulary(suite, roots, own=is_path(options.suite))
    folders = {name: root for name, root in roots.items() if root is not None}
    # Before they are read: what changes from now on is noticed the next time.
    key = key_of(options, folders, names(options.data))
    workers = choose_workers(options.jobs, device)
    missing = to_render(suite, roots)
    faces = load_all(suite, roots, missing, device, options, workers)
    notes = data_notes(faces, suite.classes, roots)
    for line in notes:
        click.echo(line)
    settings, not_run = _settings(suite, cast, faces)
    runs, trials = make_plan(suite, settings), search.trials(suite, settings)
    as_written = read_suite(options.suite, suite.preset)
    if line := overruled(options.suite, as_written):
        click.echo(line, err=True)
    data = cast if suite.experiments else sorted(roots)
    hashes = bench_hashes(suite, as_written, **_network(options), data=data)
    made_by = MadeBy(options.again, **hashes)
    bench = Bench(suite, results_folder(options.out, suite.name, suite.preset), device, made_by)
    bench.damaged |= _damaged(bench, trials)
    searched = search.planned_search(suite, settings, trials)
    record = plan_record(suite, as_written, settings, runs, not_run, made_by, searched, notes)
    rendering = rendering_seconds(suite, len(missing) if options.dry_run else 0)
    return decided(
        Planned(bench, settings, runs, record, workers, list(folders), trials, key, options, rendering)
    )


def decided(planned: Planned) -> Planned:
    """With the runs that are known by now: those whose setting the search has picked."""
    suite, searched = planned.bench.suite, planned.record.search
    if searched is None:
        return planned
    done = {trial.id for trial in planned.trials if planned.bench.is_done(trial)}
    runs = make_plan(suite, planned.settings, search.picks(suite, searched, planned.folder, done))
    return replace(planned, runs=runs, record=with_runs(planned.record, runs))


def work(planned: Planned, models: Collection[str] | None = None, quiet: bool = False) -> int:
    """Do the trials and the runs of `models` (ids; None: all of the plan, or of its shard) that are not done,
    first the search and then the runs that it decides; returns how many failed. If another process has a
    model, wait until it is done there. `quiet`: without an estimate of the time left.

    Raises ResultsError if other processes work on another plan in the folder, MachineError if the disk is
    full.
    """
    planned = decided(planned)
    with _part_in(planned), engine(planned.options) as submit:
        do = partial(_run, models=models, submit=submit, quiet=quiet)
        write_all_episodes(planned.folder, planned.settings)
        failed = do(planned, planned.trials, "search trainings")
        if planned.trials:
            planned = decided(planned)
            write_plan(planned.folder, planned.record)
        return failed + do(planned, planned.runs, "runs")


def finish(planned: Planned) -> str:
    """Write the report of what is done, and return its text. If all is done, the same bench has nothing to do
    the next time.

    Raises ResultsError if no run is done, or if a file of one is damaged.
    """
    bench, planned = planned.bench, decided(planned)
    with _part_in(planned), held(planned.folder / LOCKS / "report", wait=True):
        text = write_report(planned.folder)
        if _all_done(planned) and not needs_files(bench.suite):
            note_finished(planned.folder, planned.key, planned.data, len({run.id for run in planned.runs}))
    return text


def _all_done(planned: Planned) -> bool:
    return all(map(planned.bench.is_done, [*planned.trials, *planned.runs]))


def _run(
    planned: Planned,
    runs: Sequence[Run],
    what: str,
    models: Collection[str] | None,
    submit: Submit | None,
    quiet: bool,
) -> int:
    bench = planned.bench
    wanted = [run for run in runs if models is None or run.model.id in models]
    if planned.options.shard:
        every = runs if runs is planned.trials else make_plan(bench.suite, planned.settings)
        wanted = of_shard(wanted, every, planned.options.shard)
    # Only these: a job of a cluster, one of thousands, does not read what all others have answered.
    bench.damaged |= _damaged(bench, wanted)
    _remove_damaged(bench, wanted)
    _say_precision(bench, wanted)
    todo = [run for run in wanted if not bench.is_done(run)]
    done = len(wanted) - len(todo)
    if done:
        click.echo(f"{done} of {len(wanted)} {what} are done already and are not redone")
    if not todo:
        return 0
    units = by_model(todo)
    if submit or quiet:
        with Counted(todo, done) as counted:
            if submit:
                remote.run_all(
                    bench, units, submit, remote.job_of(planned.options, bench.device.type), counted.hear
                )
            else:
                run_all(bench, units, planned.workers.at_most(1), counted.hear)
        return counted.failed
    workers = planned.workers.at_most(len(units))
    bench = replace(bench, jobs=workers.jobs)
    costs = estimate(bench, todo, workers)
    if workers.jobs > 1:
        # a long one begun last would keep the others waiting
        units.sort(key=lambda unit: -seconds_of(unit, costs))
    with Progress(units, costs, workers.jobs, done) as progress:
        run_all(bench, units, workers, progress.hear)
    return progress.failed


def _expected(planned: Planned) -> list[Run]:
    """The runs. While the search goes on, those of the suite's own settings, which take about as long."""
    if all(map(planned.bench.is_done, planned.trials)):
        return planned.runs
    return make_plan(planned.bench.suite, planned.settings)


@contextlib.contextmanager
def _part_in(planned: Planned) -> Iterator[None]:
    """Take part in the work on the plan, which is written if nobody works on it yet."""
    with _full_disk_named(planned.folder), part_in(planned.folder, planned.record, partial(_begin, planned)):
        yield


def _begin(planned: Planned, alone: bool) -> None:
    """Remove what killed benches left, and write the plan."""
    folder = planned.folder
    forget_finished(folder)
    sweep(folder, older_than=0 if alone else HOUR)
    for resume in folder.glob(f"models/*/{RESUME}"):
        if (resume.parent / DONE).exists():  # killed just before it was removed
            resume.unlink(missing_ok=True)
    if alone:
        write_plan(folder, planned.record)


def _network(options: BenchOptions) -> dict[str, str | None]:
    """What the options say of networks; the backbone is younger than the first results."""
    return {"weights": options.weights} | ({"backbone": options.backbone} if options.backbone else {})


def _settings(
    suite: Suite, cast: dict[str, str], faces: list[CachedFaces]
) -> tuple[list[Setting], dict[str, str]]:
    """What is trained and tested, and why some experiments are not run. Prints what a user must know."""
    if not suite.experiments:
        settings, not_run = cross(suite, faces), dict[str, str]()
    else:
        by_name = dict(zip(dict.fromkeys(cast.values()), faces))
        settings, not_run = stage(suite, {role: by_name[name] for role, name in cast.items()})
        _say_not_run(suite, settings, not_run)
    _say_left_out(suite, faces, settings)
    return settings, not_run


def _say_not_run(suite: Suite, settings: list[Setting], not_run: dict[str, str]) -> None:
    for key, why in not_run.items():
        click.echo(f"{key} is not run: {why}")
    lines = (f"{setting.experiment}: {line}" for setting in settings for line in remarks(setting))
    for line in dict.fromkeys(lines):
        click.echo(line)
    if not settings:
        raise SuiteError(
            f"no experiment of {suite.name} can be run with these data sets; give those that the lines above"
            " name"
        )


def _say_left_out(suite: Suite, faces: list[CachedFaces], settings: list[Setting]) -> None:
    """Say what a cross-validation does not look at, official splits and pairs of two domains, and for which
    targets the oracle is left out.
    """
    # the last is the largest
    folds = {setting.source.name: setting.fold for setting in settings if setting.fold}
    for one in faces:
        if one.name in folds:
            official = "; its official splits are ignored" if one.index["split"].notna().any() else ""
            click.echo(
                f"{one.name}: cross-validation in {folds[one.name]} folds by person (else clip, else"
                f" image){official}"
            )
    if len(folds) > 1 and suite.across and not suite.experiments:
        click.echo("each data set is tested on itself alone: cross-validation has no pairs of two")
    for line in left_out(settings):
        click.echo(line)


def _damaged(bench: Bench, runs: Sequence[Run]) -> dict[str, str]:
    """What is wrong with those of `runs` that were finished and whose files are no longer as they were, by
    id.
    """
    # a trial's checkpoints are of no use
    found = {
        run.id: broken_seal(bench.run_folder(run), only=HISTORY if run.trial else "")
        for run in runs
        if bench.is_done(run)
    }
    return {run: wrong for run, wrong in found.items() if wrong}


def _remove_damaged(bench: Bench, runs: Sequence[Run]) -> None:
    """Remove the seals of those of `runs` that are damaged, which are then done again, unless another bench
    has done that.
    """
    for run in [run for run in runs if run.id in bench.damaged]:
        folder = bench.run_folder(run)
        click.echo(f"run {run.id}: {bench.damaged.pop(run.id)}; it is done again")
        if (folder / DONE).exists() and broken_seal(folder):
            (folder / DONE).unlink(missing_ok=True)


def _say_precision(bench: Bench, runs: Sequence[Run]) -> None:
    """A run keeps its name, and so its answers, in any precision: print how many finished runs have another
    one.
    """
    forced = [run for run in runs if bench.is_done(run) and run.model.config.precision != "auto"]
    found = [(_precision_of(bench.run_folder(run)), bench.precision(run.model)) for run in forced]
    if number := sum(computed not in ("", wanted) for computed, wanted in found):
        click.echo(
            f"{number} finished run{' was' if number == 1 else 's were'} computed in another precision than"
            " this bench and will not be redone; to redo, give another --out"
        )


def _precision_of(folder: Path) -> str:
    """What a run was computed in; "" if its file does not say so or cannot be read, which the report will
    say.
    """
    try:
        return read_record(folder / RUN, RunRecord).environment.precision
    except (OSError, ValueError):
        return ""


@contextlib.contextmanager
def _full_disk_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = error.filename or folder
        raise MachineError(f"{place}: {full_disk(place)}; then run the same command again") from error
