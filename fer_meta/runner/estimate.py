"""How long a plan takes here: a few steps and episodes of each method are timed, the rest is
multiplication.
"""

import heapq
import sys
import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

import click
import torch
from tqdm import tqdm

from fer_meta.evaluation.answers import answer_episodes, embedder, is_shared
from fer_meta.evaluation.contexts import contexts
from fer_meta.evaluation.features import Features, features_once
from fer_meta.methods import registry
from fer_meta.oneline import one_line
from fer_meta.runner.executors.workers import Workers
from fer_meta.runner.plan import Model, Run
from fer_meta.runner.run import Bench, new_method
from fer_meta.runner.selection import trained_on, validated
from fer_meta.streams import unwatched
from fer_meta.tasks.episodes import FixedEpisodes
from fer_meta.tasks.pools import Pool
from fer_meta.tasks.protocol import Protocol
from fer_meta.training import batches, loop
from fer_meta.training.batches import step_count
from fer_meta.words import many

# Images embedded and episodes scored to time one. Where a bench answers many episodes at once, the same few
# are asked until there are so many queries.
SAMPLE_IMAGES = 64
SAMPLE_EPISODES = 2
SAMPLE_QUERIES = 4000

# Calls are timed for so many seconds, and so many of them at least.
TIMED_SECONDS = 1.5
TIMED_CALLS = 2


class Cost(NamedTuple):
    """Expected seconds of a run: of its model's training, if that is not done before, and of its
    evaluation.
    """

    train: float
    evaluate: float


UNTIMED = Cost(0.0, 0.0)
"""Of a run whose method could not be timed: nobody knows how long it takes."""


class _Unit(NamedTuple):
    """Seconds per training step, per embedded image, per scored episode (by shots) and per validation
    episode; the number of readouts.
    """

    step: float
    image: float
    episode: dict[int, float]
    validation: float = 0.0
    readouts: int = 1


def estimate(bench: Bench, runs: list[Run], workers: Workers) -> dict[str, Cost]:
    """The cost of each of `runs` that is not done, by its id; a model's training counts with the first run
    that needs it.

    Each method is timed once a protocol, by `workers` as busy as they will be.
    """
    todo = [run for run in runs if not bench.is_done(run)]
    samples: dict[tuple, Run] = {}
    for run in todo:
        samples.setdefault(_kind(run), run)
    # What fails when it is timed, or kills its worker, has none; its runs report the error.
    units: dict[tuple, _Unit] = {}
    if samples:
        click.echo(f"timing a few steps of {many(len(samples), 'method')}, some seconds each ...", err=True)

    def hear(kind: tuple, message) -> None:
        bar.update()
        if isinstance(message, _Unit):
            units[kind] = message
        else:
            why = one_line(str(message), 200)
            bar.write(f"{kind[0]} could not be timed ({why}); how long it takes is unknown", file=sys.stderr)

    def measure(kind: tuple, tell: Callable[[object], None]) -> None:
        try:
            tell(_measure(bench, samples[kind]))
        except torch.cuda.OutOfMemoryError:
            tell("the GPU's memory is full")
        except Exception as error:
            tell(f"{type(error).__name__}: {error}")

    with tqdm(total=len(samples), unit="method", leave=False, dynamic_ncols=True, disable=unwatched()) as bar:
        workers.each(samples, measure, hear)
    costs: dict[str, Cost] = {}
    trained: set[str] = set()
    for run in todo:
        model, unit, seconds = run.model, units.get(_kind(run)), 0.0
        if unit is None:
            costs[run.id] = UNTIMED
            continue
        if model.id not in trained and not bench.is_trained(model):
            trained.add(model.id)
            steps = step_count(registry.load(model.method), model.config, model.train)
            seconds = model.seconds or steps * unit.step
            seconds += _validations(model, model.protocol, model.val, unit)
        costs[run.id] = Cost(seconds, _scoring(bench, run, unit))
    return costs


def makespan(seconds: Iterable[float], jobs: int) -> float:
    """When the last of tasks ends that are begun in this order, at most `jobs` at a time."""
    ends = [0.0] * jobs
    for one in seconds:
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)


def _kind(run: Run) -> tuple:
    """The same for runs whose steps and episodes take equally long: rates, decays and the number of steps
    change no time.
    """
    config = tuple(
        (name, value)
        for name, value in run.model.config
        if not isinstance(value, float) and name not in ("steps", "max_epochs")
    )
    return run.model.key, config, run.setting.protocol.model_dump_json()


def _scoring(bench: Bench, run: Run, unit: _Unit) -> float:
    """Each selection's checkpoints on the test episodes, and each checkpoint on the oracle's.

    Each readout may pick a checkpoint of its own, for which the images are embedded again.
    """
    setting = run.setting
    if run.trial:
        return 0.0
    images = unit.image * len(setting.test) * min(unit.readouts, run.model.config.validations)
    once = images + sum(len(e) * unit.episode[shots] for shots, e in setting.episodes.items())
    seconds = once * len(bench.suite.selection)
    if setting.val is not None and setting.target is not setting.source:
        seconds += _validations(run.model, setting.protocol, setting.val, unit)
    return seconds


def _validations(model: Model, protocol: Protocol, val: Pool, unit: _Unit) -> float:
    seconds = unit.image * len(val) + protocol.validation.episodes * unit.validation
    return model.config.validations * seconds


def _measure(bench: Bench, run: Run) -> _Unit:
    model, setting = run.model, run.setting
    config = model.config
    method = new_method(bench, model)
    steps, batch_at = batches.steps_and_batches(
        method, config, model.source, model.protocol, model.seed, bench.device
    )
    method.train()

    if method.trained:
        optimiser = loop.new_optimiser(method, config)

    def step():
        return loop.train_step(method, config, optimiser, batch_at(0)).tolist()

    seconds_a_step = _mean_time(step, steps) if method.trained else 0.0
    method.eval()
    seconds_an_image = 0.0
    if is_shared(method, setting.protocol.batchnorm):
        some = setting.test.rows[:SAMPLE_IMAGES]
        seconds_an_image = _mean_time(
            lambda: Features(method, setting.target.images, bench.device, bench.precision(model))(some),
            len(setting.test) / len(some),
        ) / len(some)
    episodes = {shots: _episode_seconds(bench, run, method, shots) for shots in setting.episodes}
    seconds, readouts = zip(*episodes.values())
    validation, answers = max(seconds), validated(method)
    if answers is not None:
        validation, _ = _episode_seconds(bench, run, method, max(setting.episodes), answers)
    return _Unit(seconds_a_step, seconds_an_image, dict(zip(episodes, seconds)), validation, readouts[0])


def _episode_seconds(
    bench: Bench, run: Run, method, shots: int, answers: Collection[str] | None = None
) -> tuple[float, int]:
    """Seconds per episode, and how many readouts answer it: all, or those of `answers`."""
    setting, batchnorm = run.setting, run.setting.protocol.batchnorm
    sample = sample_of(setting.episodes[shots], is_shared(method, batchnorm))
    support = setting.support or setting.query
    precision = bench.precision(run.model)
    features = features_once(method, bench.device, precision)
    seen = support, setting.query, batchnorm, bench.device, features, precision
    embed, more = embedder(method, *seen), contexts(method, trained_on(run.model), *seen)
    counts = []
    seconds = _mean_time(
        lambda: counts.append(
            len(
                list(
                    answer_episodes(
                        method,
                        embed,
                        support.pool,
                        setting.test,
                        sample,
                        batchnorm,
                        readouts=answers,
                        contexts=more,
                    )
                )
            )
        ),
        len(setting.episodes[shots]) / len(sample),
    )
    return seconds / len(sample), counts[0]


def sample_of(whole: FixedEpisodes, together: bool) -> FixedEpisodes:
    """A few of the episodes `whole`; if they are answered `together`, again and again."""
    few = min(SAMPLE_EPISODES, len(whole))
    many = min(len(whole), SAMPLE_QUERIES // len(whole.queries[0])) if together else few
    again = [number % few for number in range(max(few, many))]
    return FixedEpisodes(whole.support[again], [whole.queries[number] for number in again])


def _mean_time(function: Callable[[], object], most: float) -> float:
    """Mean seconds of calls after the first, which pays for set-up; of no more than the bench will make
    (`most`), so that a short one is not timed for longer than it takes.

    The mean, over seconds, and not what is typical: where another process takes the core now and then, it
    will do so in the bench too.
    """
    function()
    calls, began = 0, time.perf_counter()
    while calls < TIMED_CALLS or (calls < most and time.perf_counter() - began < TIMED_SECONDS):
        function()
        calls += 1
    return (time.perf_counter() - began) / calls
