"""`fer-meta bench`, from its options to the report."""

import contextlib
import errno
import time
from pathlib import Path

import click
import filelock
import torch
from tqdm import tqdm

from fer_meta import algorithms as methods
from fer_meta.bench.environment import keep_freed_memory
from fer_meta.bench.estimate import estimate
from fer_meta.bench.plan import Run, make_plan, make_targets, source_names
from fer_meta.bench.runner import Bench, execute, write_plan
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.catalogue import is_here, load, names, resolve
from fer_meta.datasets.synthetic.rendered import is_cached, planned
from fer_meta.device import choose_device, renderer_device
from fer_meta.errors import ResultsError, SuiteError
from fer_meta.report import write_report
from fer_meta.suites.schema import Suite, read_suite
from fer_meta.tasks.pools import Domain, divide

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
) -> int:
    """Plan, run and report; returns the number of failed runs. `asked` holds the options that change the suite.

    Raises FerMetaError for anything wrong before the first run.
    """
    suite = _suite(suite_name, **asked)
    device = choose_device(device_name)
    keep_freed_memory()
    # All are located before any is decoded: a misspelt name should not cost minutes.
    wanted = asked_domains or [name for name in names(given) if is_here(name, given)]
    if not wanted:
        wanted = suite.rendered.domains
        suite = suite.model_copy(update={"sources": suite.sources or suite.rendered.sources})
    roots = resolve(wanted, given)
    source_names(suite, roots)  # nor should a source that is no domain
    faces = _load(suite, roots, device, dry_run)
    domains = divide(faces, suite.protocol, suite.classes)
    targets = make_targets(suite, domains)
    if not targets:
        raise SuiteError(f"{suite.name} does not test a source on itself and needs two domains; got {', '.join(domains)}")
    runs = make_plan(suite, domains, targets)
    rendered = {one.name: one.spec.rendered for one in faces if one.spec.rendered}
    bench = Bench(suite, domains, targets, out / suite.name, device, _bar, rendered)
    if dry_run:
        _print_plan(bench, runs)
        return 0
    with _alone(bench.folder):
        write_plan(bench, runs, command)
        failed = _run_all(bench, runs)
        try:
            click.echo(write_report(bench.folder))
        except ResultsError:
            if failed < len(runs):
                raise
    return failed


def _suite(name: str, preset: str, sources, algorithms, seeds, image_size, weights) -> Suite:
    suite = read_suite(name, preset, sources=sources, seeds=seeds, image_size=image_size)
    chosen = dict(suite.algorithms)
    if algorithms is not None:
        unknown = [a for a in algorithms if a not in chosen]
        if unknown:
            raise SuiteError(f"{suite.name} has no algorithm {unknown[0]!r}; it has {', '.join(chosen)} "
                             f"(fer-meta knows {', '.join(methods.names())})")
        chosen = {a: chosen[a] for a in algorithms}
    if weights is not None:
        if "supervised" not in chosen:
            raise SuiteError("--weights is for the supervised network, which is not among the algorithms of this bench")
        chosen["supervised"] = chosen["supervised"].model_copy(update={"weights": weights})
    return suite.model_copy(update={"algorithms": chosen})


def _load(suite: Suite, roots: dict[str, Path | None], device: torch.device, dry_run: bool) -> list[CachedFaces]:
    """Decode or render every data set; in a dry run, what would have to be rendered is only planned."""
    size, number = suite.image_size, suite.rendered.images
    drawn = suite.rendered.model_dump(include={"subjects", "images", "seed"})
    rendered = [name for name, root in roots.items() if root is None]
    if rendered:
        click.echo(f"rendered faces: {', '.join(rendered)}; for photographs give --data NAME=PATH (see `fer-meta data list`)")
    faces = []
    for name, root in roots.items():
        missing = root is None and not is_cached(name, size=size, **drawn)
        if missing:
            click.echo(f"{'to be rendered' if dry_run else 'rendering'}: {name}, {number:,} images of {suite.rendered.subjects:,} people, "
                       f"{size} px; about {_clock(number / RENDERED_A_SECOND)} on two CPU cores, once")
        if missing and dry_run:
            faces.append(planned(name, size=size, **drawn))
        else:
            faces.append(load(name, root, size, device=renderer_device(device), **drawn))
    return faces


def _bar(label: str, total: int) -> tqdm:
    """A progress bar with the time left; none where no one watches, so that a log file holds a line a run."""
    return tqdm(total=total, desc=f"    {label}", leave=False, mininterval=0.5, dynamic_ncols=True, disable=None)


@contextlib.contextmanager
def _alone(folder: Path):
    """Two benches writing one folder would train everything twice: the second is turned away."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise ResultsError(f"{folder}: another bench is writing here; wait for it or give another --out") from None
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC):
            raise
        raise ResultsError(f"{folder}: cannot be written ({error.strerror}); give another --out") from error


def _run_all(bench: Bench, runs: list[Run]) -> int:
    """Do what is not done yet, in order; returns how many failed."""
    todo = [run for run in runs if not bench.is_done(run)]
    if len(todo) < len(runs):
        click.echo(f"{len(runs) - len(todo)} of {len(runs)} runs are done already and are not redone")
    if not todo:
        return 0
    click.echo("timing one step of each method ...", err=True)
    expected = estimate(bench, todo)
    total, spent, failed, began = sum(expected.values()), 0.0, 0, time.perf_counter()
    for number, run in enumerate(todo, start=len(runs) - len(todo) + 1):
        elapsed = time.perf_counter() - began
        # The estimate is corrected by how it has fared so far.
        left = (total - spent) * (elapsed / spent if spent else 1.0)
        click.echo(f"[{number}/{len(runs)}] {_title(run)}   ({_clock(elapsed)} so far, about {_clock(left)} left)")
        error = execute(bench, run)
        spent += expected[run.id]
        if error:
            failed += 1
            click.echo(f"    FAILED: {error}", err=True)
        else:
            click.echo(f"    {_result(bench, run)}")
    return failed


def _title(run: Run) -> str:
    return f"{run.model.algorithm}  {run.model.source} -> {run.target}  seed {run.model.seed}"


def _result(bench: Bench, run: Run) -> str:
    """The accuracies of a finished run in one line."""
    import pandas as pd

    scores = pd.read_parquet(bench.run_folder(run) / "episodes.parquet")
    scores = scores[scores["selection"] == bench.suite.selection[0]]
    means = scores.groupby(["method", "shots"], sort=False)["accuracy"].mean()
    return ", ".join(f"{method} {shots}-shot {100 * mean:.1f} %" for (method, shots), mean in means.items())


def _print_plan(bench: Bench, runs: list[Run]) -> None:
    suite, todo = bench.suite, [run for run in runs if not bench.is_done(run)]
    click.echo(f"{suite.name} ({suite.preset}): {suite.title}; {suite.image_size} px, {bench.device.type}")
    for domain in bench.domains.values():
        click.echo(f"  {_domain_line(domain, domain.name in bench.rendered)}")
    expected = estimate(bench, todo)
    for run in runs:
        click.echo(f"  {_title(run):60s} {_clock(expected[run.id]) if run.id in expected else 'done':>9s}")
    click.echo(f"{len(runs)} runs, {len(runs) - len(todo)} done; about {_clock(sum(expected.values()))} to go "
               "(from one timed step and episode of each method)")


def _domain_line(domain: Domain, rendered: bool) -> str:
    pools = ", ".join(f"{role} {len(pool)} images of {len(pool.classes)} classes"
                      for role, pool in (("train", domain.train), ("val", domain.val), ("test", domain.test)))
    removed = domain.val.copies_removed + domain.test.copies_removed
    small = f"; test classes too small: {', '.join(f'{c} ({n})' for c, n in domain.test.excluded.items())}" if domain.test.excluded else ""
    return f"{domain.name}{' (rendered)' if rendered else ''}: {pools}; {removed} copies removed from val and test{small}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
