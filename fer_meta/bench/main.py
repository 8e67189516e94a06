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
from fer_meta.bench.plan import Run, make_plan, make_targets
from fer_meta.bench.runner import Bench, execute, write_plan
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.catalogue import CATALOGUE, data_home, locate, names, spec_for
from fer_meta.errors import DatasetError, FerMetaError, ResultsError, SuiteError
from fer_meta.report import write_report
from fer_meta.suites.schema import Suite, read_suite
from fer_meta.tasks.pools import Domain, divide


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
    device = _device(device_name)
    keep_freed_memory()
    # All are located before any is decoded: a misspelt name should not cost minutes.
    roots = {name: locate(name, given) for name in asked_domains or _domains_here(given)}
    faces = [load_images(spec_for(name, root), root, suite.image_size) for name, root in roots.items()]
    domains = divide(faces, suite.protocol, suite.classes)
    targets = make_targets(suite, domains)
    if not targets:
        raise SuiteError(f"{suite.name} does not test a source on itself and needs two domains; got {', '.join(domains)}")
    runs = make_plan(suite, domains, targets)
    bench = Bench(suite, domains, targets, out / suite.name, device, _bar)
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


def _suite(name: str, preset: str, algorithms, seeds, image_size, weights) -> Suite:
    suite = read_suite(name, preset, seeds=seeds, image_size=image_size)
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


def _domains_here(given: dict[str, Path]) -> list[str]:
    """Every data set that was given or lies in $FER_META_DATA. Raises DatasetError if there is none."""
    home = data_home()
    here = [name for name in names(given) if name in given or (home and (home / name).is_dir())]
    if not here:
        raise DatasetError(
            f"no data set is here: give --data NAME=PATH or set FER_META_DATA to the folder that holds them "
            f"(known: {', '.join(CATALOGUE)}; any other name is read as <label>/ folders; see `fer-meta data list`)"
        )
    return here


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise FerMetaError(f"--device {name} cannot be used ({str(error).splitlines()[0]}); try --device auto") from error
    return device


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
        click.echo(f"  {_domain_line(domain)}")
    expected = estimate(bench, todo)
    for run in runs:
        click.echo(f"  {_title(run):60s} {_clock(expected[run.id]) if run.id in expected else 'done':>9s}")
    click.echo(f"{len(runs)} runs, {len(runs) - len(todo)} done; about {_clock(sum(expected.values()))} to go "
               "(from one timed step and episode of each method)")


def _domain_line(domain: Domain) -> str:
    pools = ", ".join(f"{role} {len(pool)} images of {len(pool.classes)} classes"
                      for role, pool in (("train", domain.train), ("val", domain.val), ("test", domain.test)))
    removed = domain.val.copies_removed + domain.test.copies_removed
    small = f"; test classes too small: {', '.join(f'{c} ({n})' for c, n in domain.test.excluded.items())}" if domain.test.excluded else ""
    return f"{domain.name}: {pools}; {removed} copies removed from val and test{small}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
