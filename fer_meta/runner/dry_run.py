"""What a bench would do, in lines: the images of each domain, the runs, and how long they take here."""

from collections.abc import Callable, Iterable

import click

from fer_meta.runner.budget import budget_lines
from fer_meta.runner.estimate import UNTIMED, Cost, estimate, makespan
from fer_meta.runner.executors.workers import Workers
from fer_meta.runner.plan import Run, Unit, by_model
from fer_meta.runner.progress import clock, how_long, seconds_of, title
from fer_meta.runner.run import Bench
from fer_meta.runner.settings import Setting, needed
from fer_meta.runner.shards import fewest_shards
from fer_meta.sources import called
from fer_meta.tasks.pools import Domain

HOUR = 3600


def print_plan(
    bench: Bench,
    settings: list[Setting],
    trials: list[Run],
    runs: list[Run],
    workers: Workers,
    rendering: float,
) -> None:
    """Print the plan; a few steps and episodes of each method are timed for it. `rendering`: the seconds that
    the faces take which are still to be rendered.
    """
    suite, todo = bench.suite, [run for run in [*trials, *runs] if not bench.is_done(run)]
    click.echo(f"{suite.name} ({suite.preset}): {suite.title}; {suite.image_size} px, {bench.device.type}")
    for line in _data_lines(settings):
        click.echo(f"  {line}")
    units = by_model(todo)
    workers = workers.at_most(len(units))
    costs = estimate(bench, todo, workers)
    for run, wrong in bench.damaged.items():
        click.echo(f"  run {run}: {wrong}; it will be done again")
    for line in budget_lines(suite.budget, runs):
        click.echo(f"  {line}")
    for line in [*_trial_lines(trials, costs), *_run_lines(runs, costs)]:
        click.echo(f"  {line}")
    seconds = makespan(sorted((seconds_of(unit, costs) for unit in units), reverse=True), workers.jobs)
    together = f", {workers.jobs} models side by side" if workers.jobs > 1 else ""
    first = f"about {clock(rendering)} to render faces, once, then " if rendering else ""
    click.echo(
        f"{f'{len(trials)} search trainings and ' if trials else ''}{len(runs)} runs,"
        f" {len(trials) + len(runs) - len(todo)} done;"
        f" {first}{how_long(todo, costs, seconds)} to go{together}"
        " (from a few timed steps and episodes of each method)"
    )
    units = [unit for unit in units if seconds_of(unit, costs)]  # those that could be timed
    if units:
        click.echo(_divided(units, costs, workers.jobs))


def _divided(units: list[Unit], costs: dict[str, Cost], jobs: int) -> str:
    """The longest model, and in how many shards no machine works over an hour."""
    seconds = [seconds_of(unit, costs) for unit in units]
    longest, parts = max(seconds), fewest_shards(seconds, HOUR, jobs)
    model = units[seconds.index(longest)][0].model
    line = f"longest model: {model.key}, {model.source.name}, seed {model.seed}, about {clock(longest)}"
    if parts is None:
        return f"{line}; a job that ends before goes on where it was when it is given again"
    return line if parts == 1 else f"{line}; with --shard K/{parts} no machine works over an hour"


def _data_lines(settings: list[Setting]) -> list[str]:
    """A line for each domain; one for all folds of a cross-validation."""
    lines = [
        _domain_line(_called(domain, setting), domain)
        for setting in settings
        if not setting.fold
        for domain in (setting.source, setting.target)
    ]
    folds = _together(
        (setting for setting in settings if setting.fold),
        lambda setting: (setting.experiment, setting.source.name),
    )
    lines += [
        _folds_line(_called(own[0].source, own[0]), [setting.source for setting in own]) for own in folds
    ]
    return list(dict.fromkeys(lines))


def _called(domain: Domain, setting: Setting) -> str:
    return called(domain.name, setting.rendered)


def _domain_line(name: str, domain: Domain) -> str:
    all_roles = [
        ("train", domain.train),
        ("held out of train", domain.held),
        ("val", domain.val),
        ("test", domain.test),
    ]
    roles = [(role, pool) for role, pool in all_roles if pool is not None]
    pools = ", ".join(f"{role} {len(pool)} images of {len(pool.classes)} classes" for role, pool in roles)
    removed = sum(pool.copies_removed for _, pool in roles)
    too_small = domain.test.excluded if domain.test else {}
    small = (
        f"; test classes too small: {', '.join(f'{c} ({n})' for c, n in too_small.items())}"
        if too_small
        else ""
    )
    return f"{name}: {pools}; {removed} copies removed from val and test{small}"


def _folds_line(name: str, domains: list[Domain]) -> str:
    sizes = {
        role: sorted(len(getattr(domain, role)) for domain in domains) for role in ("train", "val", "test")
    }
    pools = ", ".join(
        f"{role} {counts[0]}{f' to {counts[-1]}' if counts[-1] > counts[0] else ''}"
        for role, counts in sizes.items()
    )
    tested = needed(domains[0].test).classes
    removed = sum(needed(pool).copies_removed for domain in domains for pool in (domain.val, domain.test))
    small = sorted({name for domain in domains for name in needed(domain.test).excluded})
    return (
        f"{name}, {len(domains)} folds: {pools} images of {len(tested)} classes; {removed} copies removed"
        " from val and test" + (f"; test classes too small in some fold: {', '.join(small)}" if small else "")
    )


def _run_lines(runs: list[Run], costs: dict[str, Cost]) -> list[str]:
    """A line for each run; one for all folds and seeds of a method in a cross-validation."""
    lines = [_timed(title(run), [run], costs) for run in runs if not run.setting.fold]
    for own in _together(
        (run for run in runs if run.setting.fold),
        lambda run: (run.setting.experiment, run.model.key, run.setting.source.name),
    ):
        key = f"{own[0].setting.experiment}  " if own[0].setting.experiment else ""
        trainings = len({run.model.id for run in own})
        lines.append(
            _timed(
                f"{key}{own[0].model.key}  {own[0].setting.source.name}  {trainings} trainings, one a"
                " fold and seed",
                own,
                costs,
            )
        )
    return lines


def _trial_lines(trials: list[Run], costs: dict[str, Cost]) -> list[str]:
    """A line for each method and source that is searched, all folds together."""
    together = _together(trials, lambda run: (run.model.key, run.setting.source.name))
    return [
        _timed(f"search  {own[0].model.key}  {own[0].setting.source.name}  {len(own)} trainings", own, costs)
        for own in together
    ]


def _timed(what: str, runs: list[Run], costs: dict[str, Cost]) -> str:
    left = [costs[run.id] for run in runs if run.id in costs]
    time = "unknown" if UNTIMED in left else clock(sum(map(sum, left)))
    return f"{what:60s} {time if left else 'done':>9s}"


def _together(items: Iterable, key: Callable[..., tuple]) -> list[list]:
    """`items` of one key each, in the order in which the keys come."""
    found: dict[tuple, list] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())
