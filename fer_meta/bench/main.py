"""`fer-meta bench`, from its options to the report."""

import contextlib
import errno
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

import click
import torch

from fer_meta.bench.dry_run import print_plan
from fer_meta.bench.executor import bar, clock, run_all
from fer_meta.bench.finished import forget_finished, hash_with_data, write_finished
from fer_meta.bench.plan import Run, Setting, bench_hashes, cross, make_plan, pairs, stage
from fer_meta.bench.runner import Bench
from fer_meta.bench.store import left_out, remarks, write_episodes, write_plan
from fer_meta.bench.workers import Died, Workers, choose_workers
from fer_meta.datasets.cache import CachedFaces, unreadable_line
from fer_meta.datasets.registry import is_here, load, names, resolve
from fer_meta.datasets.synthetic.rendered import is_cached, planned
from fer_meta.device import choose_device, renderer_device
from fer_meta.errors import MachineError, ResultsError, SuiteError
from fer_meta.fileio import DONE, FULL, broken_seal, full_disk, sweep
from fer_meta.memory import keep_freed_memory
from fer_meta.methods import registry
from fer_meta.report import write_report
from fer_meta.suites.folders import results_folder
from fer_meta.suites.schema import Suite, read_suite
from fer_meta.training.checkpoints import RESUME
from fer_meta.words import people

try:
    import fcntl
except ImportError:  # Windows: there a second bench is not turned away
    fcntl = None

# Without a lock, temporary files that were not written for an hour are taken for those of a killed bench.
HOUR = 3600

# Images of 64 px a second on two CPU cores (benchmarks/rendering.py), for the time that a bench announces.
RENDERED_A_SECOND = 80


def run_bench(
    suite_name: str,
    asked_domains: list[str] | None,
    given: dict[str, Path],
    asked: dict,
    device_name: str,
    out: Path,
    dry_run: bool,
    command: str,
    roles: Mapping[str, str] = MappingProxyType({}),
    jobs: int | None = None,
    asked_hash: str | None = None,
) -> int:
    """Plan, run and report; returns the number of failed runs. `asked` holds the options that change the
    suite, `roles` the data sets that play a role of its experiments, `jobs` how many models go side by side,
    `asked_hash` (of `finished.hash_of_asked`) all of these.

    Raises FerMetaError for anything wrong before the first run.
    """
    suite = _suite(suite_name, **asked)
    device = choose_device(device_name)
    keep_freed_memory()
    # All are located before any is decoded: a misspelt name should not cost minutes.
    if suite.experiments:
        cast = _cast(suite, given, roles, asked_domains)
        roots = resolve(dict.fromkeys(cast.values()), given)
    else:
        suite, roots = _domains(suite, asked_domains, given, roles)
    folders = {name: root for name, root in roots.items() if root is not None}
    # Before they are read: what changes from now on is noticed the next time.
    made_from = hash_with_data(asked_hash, folders, names(given))
    workers = choose_workers(jobs, device)
    loaded = _load(suite, roots, device, dry_run, workers)
    if suite.experiments:
        faces = dict(zip(dict.fromkeys(cast.values()), loaded))
        settings, not_run = stage(suite, {role: faces[name] for role, name in cast.items()})
        _tell_not_run(suite, settings, not_run)
    else:
        settings, not_run = cross(suite, loaded), {}
    _tell_left_out(suite, loaded, settings)
    runs = make_plan(suite, settings)
    rendered = {name: one for setting in settings for name, one in setting.rendered.items()}
    as_written = read_suite(suite_name, suite.preset)
    hashes = bench_hashes(
        suite, as_written, weights=asked.get("weights"), data=cast if suite.experiments else sorted(roots)
    )
    bench = Bench(
        suite,
        results_folder(out, suite.name, suite.preset),
        device,
        bar,
        made_by={"command": command, **hashes},
    )
    bench.damaged = damaged(bench, runs)
    if dry_run:
        print_plan(bench, settings, runs, workers)
        return 0
    with _full_disk_named(bench.folder), _alone(bench.folder) as alone:
        forget_finished(bench.folder)
        tidy(bench, alone)
        _tell_precision(bench, runs)
        write_plan(bench.folder, suite, as_written, settings, runs, rendered, not_run, bench.made_by)
        for setting in settings:
            write_episodes(bench.folder, setting)
        failed = run_all(bench, runs, workers)
        _report(bench, nothing_done=failed == len(runs))
        if not failed and not _weights_files(suite):
            write_finished(bench.folder, made_from, folders, [run.id for run in runs])
    return failed


def damaged(bench: Bench, runs: list[Run]) -> dict[str, str]:
    """What is wrong with those of `runs` that were finished and whose files are no longer as they were, by
    id.
    """
    found = {run.id: broken_seal(bench.run_folder(run)) for run in runs if bench.is_done(run)}
    return {run: wrong for run, wrong in found.items() if wrong}


def tidy(bench: Bench, alone: bool) -> None:
    """Remove what killed benches left in the folder, and the seals of damaged runs, which are then
    done anew.
    """
    sweep(bench.folder, older_than=0 if alone else HOUR)
    for resume in bench.folder.glob(f"models/*/{RESUME}"):
        if (resume.parent / DONE).exists():  # killed just before it was removed
            resume.unlink()
    for run, wrong in bench.damaged.items():
        click.echo(f"run {run}: {wrong}; it is done anew")
        (bench.folder / "runs" / run / DONE).unlink(missing_ok=True)
    bench.damaged.clear()


def _tell_precision(bench: Bench, runs: list[Run]) -> None:
    """A run keeps its name and so its answers, whatever precision is asked for: say where that is another
    one.
    """
    forced = [run for run in runs if bench.is_done(run) and run.model.config.precision != "auto"]
    found = [(_precision_of(bench.run_folder(run)), bench.precision(run.model)) for run in forced]
    if number := sum(computed not in (None, asked) for computed, asked in found):
        click.echo(
            f"{number} finished run{' was' if number == 1 else 's were'} computed in another precision than"
            " is asked for, and will not be redone; to redo, give another --out"
        )


def _precision_of(folder: Path) -> str | None:
    """What a run was computed in; None if its file does not say so or cannot be read, which the report will
    say.
    """
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))["environment"]["precision"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def _full_disk_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = error.filename or folder
        raise MachineError(f"{place}: {full_disk(place)}; then run the same command again") from error


def _report(bench: Bench, nothing_done: bool) -> None:
    try:
        click.echo(write_report(bench.folder))
    except ResultsError:
        if not nothing_done:
            raise


def _weights_files(suite: Suite) -> bool:
    """Whether a training starts from a user's file, whose content is part of a run's identity."""
    return any(
        getattr(config, "weights", "none") not in ("none", "imagenet") for config in suite.algorithms.values()
    )


def _domains(
    suite: Suite, asked: list[str] | None, given: dict[str, Path], roles: Mapping[str, str]
) -> tuple[Suite, dict[str, Path | None]]:
    """What a suite without experiments crosses: what is asked for, else its sources and targets if it names
    both, else what is here, else rendered domains; of these, what is trained or tested on.
    """
    if roles:
        raise SuiteError(f"{suite.name} has no roles to fill; name its domains with --domains")
    both = [*suite.sources, *suite.targets] if suite.sources and suite.targets else []
    wanted = asked or both or [name for name in names(given) if is_here(name, given)]
    if not wanted:
        wanted = suite.rendered.domains
        suite = suite.model_copy(update={"sources": suite.sources or suite.rendered.sources})
    roots = resolve(wanted, given)
    # nor should a source that is no domain cost minutes
    used = {name for pair in pairs(suite, roots) for name in pair}
    return suite, {name: root for name, root in roots.items() if name in used}


def _cast(
    suite: Suite, given: dict[str, Path], asked: Mapping[str, str], domains: list[str] | None
) -> dict[str, str]:
    """Who plays which role: what is asked for, else the data set the role was written for, if it is here.

    Rendered stand-ins come only all together, when there is no other data set for any role: a table half of
    photographs would mislead.
    """
    if domains or suite.sources or suite.targets:
        raise SuiteError(
            f"the data sets of {suite.name} play roles; fill them with --role {next(iter(suite.roles))}=NAME"
        )
    unknown = [role for role in asked if role not in suite.roles]
    if unknown:
        raise SuiteError(f"{suite.name} has no role {unknown[0]!r}; it has {', '.join(suite.roles)}")
    cast = {**asked} | {
        name: role.data
        for name, role in suite.roles.items()
        if name not in asked and is_here(role.data, given)
    }
    return cast or {name: role.rendered for name, role in suite.roles.items()}


def _tell_not_run(suite: Suite, settings: list[Setting], not_run: dict[str, str]) -> None:
    for key, why in not_run.items():
        click.echo(f"{key} is not run: {why}")
    for line in dict.fromkeys(
        f"{setting.experiment}: {line}" for setting in settings for line in remarks(setting)
    ):
        click.echo(line)
    if not settings:
        raise SuiteError(f"no experiment of {suite.name} can be run with these data sets (see above)")


def _tell_left_out(suite: Suite, faces: list[CachedFaces], settings: list[Setting]) -> None:
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


def _suite(
    name: str,
    preset: str,
    sources,
    algorithms,
    seeds,
    image_size,
    weights,
    experiments=None,
    precision=None,
    targets=None,
    split=None,
) -> Suite:
    suite = read_suite(
        name, preset, split, sources=sources, targets=targets, seeds=seeds, image_size=image_size
    )
    if experiments is not None:
        unknown = [key for key in experiments if key not in suite.experiments]
        if unknown:
            raise SuiteError(
                f"{name} has no experiment {unknown[0]!r}; it has {', '.join(suite.experiments) or 'none'}"
            )
        suite = suite.model_copy(
            update={"experiments": {key: one for key, one in suite.experiments.items() if key in experiments}}
        )
    chosen = dict(suite.algorithms)
    if algorithms is not None:
        unknown = [a for a in algorithms if a not in chosen]
        if unknown:
            raise SuiteError(
                f"{suite.name} has no algorithm {unknown[0]!r}; it has {', '.join(chosen)} "
                f"(fer-meta knows {', '.join(registry.names())})"
            )
        chosen = {a: chosen[a] for a in algorithms}
        left = dict(_only(suite.experiments, algorithms))
        if suite.experiments and not left:
            raise SuiteError(
                f"no experiment of {suite.name} has one of the algorithms {', '.join(algorithms)}"
            )
        suite = suite.model_copy(update={"experiments": left})
    if weights is not None:
        if "supervised" not in chosen:
            raise SuiteError(
                "--weights is for the supervised network, which is not among the algorithms of this bench"
            )
        chosen["supervised"] = chosen["supervised"].model_copy(update={"weights": weights})
    if precision is not None:
        chosen = {name: config.model_copy(update={"precision": precision}) for name, config in chosen.items()}
    return suite.model_copy(update={"algorithms": chosen})


def _only(experiments: dict, algorithms: list[str]):
    """The experiments that are left when only some methods are asked for, each with its own of these."""
    for key, one in experiments.items():
        own = [a for a in algorithms if one.algorithms is None or a in one.algorithms]
        if own:
            yield key, one.model_copy(update={"algorithms": tuple(own)})


def _load(
    suite: Suite, roots: dict[str, Path | None], device: torch.device, dry_run: bool, workers: Workers
) -> list[CachedFaces]:
    """Decode or render every data set, the latter by a worker; in a dry run, what would have to be rendered
    is only planned.
    """
    size, number = suite.image_size, suite.rendered.images
    drawn = suite.rendered.model_dump(include={"subjects", "images", "seed"})
    rendered = [name for name, root in roots.items() if root is None]
    if rendered:
        click.echo(
            f"rendered faces: {', '.join(rendered)}; for photographs give --data NAME=PATH (see `fer-meta"
            " data list`)"
        )
    faces = []
    for name, root in roots.items():
        missing = root is None and not is_cached(name, size=size, **drawn)
        if missing:
            click.echo(
                f"{'to be rendered' if dry_run else 'rendering'}: {name}, {number:,} images of"
                f" {people(suite.rendered.subjects)}, {size} px; about {clock(number / RENDERED_A_SECOND)} on"
                " two CPU cores, once"
            )
        if missing and dry_run:
            faces.append(planned(name, size=size, **drawn))
            continue
        if missing:
            workers.at_most(1).each(
                [name],
                lambda name, _: load(name, None, size, device=renderer_device(device), **drawn),
                _not_rendered,
            )
        faces.append(load(name, root, size, **drawn))
        if line := unreadable_line(faces[-1]):
            click.echo(line)
    return faces


def _not_rendered(name: str, died: Died) -> None:
    raise MachineError(f"{name}: was not rendered ({died})")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Two benches writing one folder would train everything twice: the second is turned away. False where
    there are no locks.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as error:
        if error.errno in FULL:
            raise
        raise ResultsError(f"{folder}: cannot be written ({error.strerror}); give another --out") from error
    with file:
        # Forked workers share it: it holds until the last of them is gone, even if this process was killed.
        yield _lock(file, folder)


def _lock(file: TextIO, folder: Path) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ResultsError(
            f"{folder}: another bench is writing here; wait for it or give another --out"
        ) from None
    except OSError as error:
        # some network drives have no locks
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP):
            raise
        return False
    return True
