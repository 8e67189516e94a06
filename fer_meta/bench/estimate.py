"""How long a plan takes here: one step and one episode of each method are timed, the rest is multiplication."""

import time

import torch

from fer_meta import training
from fer_meta.bench.plan import Run
from fer_meta.bench.runner import Bench, new_method
from fer_meta.evaluation.episodes import answer_episodes, embedder, is_shared
from fer_meta.evaluation.features import Features
from fer_meta.tasks.episodes import FixedEpisodes
from fer_meta.tasks.pools import Pool
from fer_meta.tasks.protocol import Protocol

# Images embedded and episodes scored to time one.
SAMPLE_IMAGES = 64
SAMPLE_EPISODES = 2


def estimate(bench: Bench, runs: list[Run]) -> dict[str, float]:
    """Seconds for each of `runs` that is not done, by its id; a model's training counts with the first run that needs it."""
    seconds, costs, trained = {}, {}, set()
    for run in runs:
        model, setting = run.model, run.setting
        if bench.is_done(run):
            continue
        key = model.algorithm, setting.experiment or setting.source.name
        if key not in costs:
            costs[key] = _measure(bench, run)
        step, image, episode, steps = costs[key]
        seconds[run.id] = _scoring(bench, run, image, episode)
        if model.id not in trained and not (bench.model_folder(model) / "DONE").exists():
            trained.add(model.id)
            seconds[run.id] += steps * step + _validations(bench, model.algorithm, model.protocol, model.source.val, image, episode)
    return seconds


def _scoring(bench: Bench, run: Run, image: float, episode: dict[int, float]) -> float:
    """Each selection's checkpoint on the test episodes, and each checkpoint on the oracle's."""
    setting = run.setting
    once = image * len(setting.test) + sum(len(e) * episode[shots] for shots, e in setting.episodes.items())
    oracle = "oracle" in bench.suite.selection and setting.target is not setting.source
    validations = _validations(bench, run.model.algorithm, setting.protocol, setting.val, image, episode)
    return once * len(bench.suite.selection) + oracle * validations


def _validations(bench: Bench, algorithm: str, protocol: Protocol, val: Pool, image: float, episode: dict[int, float]) -> float:
    seconds = image * len(val) + protocol.validation.episodes * max(episode.values())
    return bench.suite.algorithms[algorithm].validations * seconds


def _measure(bench: Bench, run: Run) -> tuple[float, float, dict[int, float], int]:
    """Seconds a training step, an image embedded, an episode scored (by shots); and how many steps there are."""
    model, setting = run.model, run.setting
    config = bench.suite.algorithms[model.algorithm]
    method = new_method(bench, model)
    steps, batch_at = training.batches(method, config, model.source, model.protocol, model.seed, bench.device)
    method.train()

    def step():
        with torch.autocast(bench.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            loss, _ = method.loss(batch_at(0))
        loss.backward()
        return loss.item()

    seconds_a_step = _second_time(step)
    method.eval()
    seconds_an_image = 0.0
    if is_shared(method, setting.protocol.batchnorm):
        some = setting.test.rows[:SAMPLE_IMAGES]
        seconds_an_image = _second_time(lambda: Features(method, setting.target.images, bench.device)(some)) / len(some)
    return seconds_a_step, seconds_an_image, {shots: _episode_seconds(bench, run, method, shots) for shots in setting.episodes}, steps


def _episode_seconds(bench: Bench, run: Run, method, shots: int) -> float:
    setting, batchnorm = run.setting, run.setting.protocol.batchnorm
    whole = setting.episodes[shots]
    sample = FixedEpisodes(whole.support[:SAMPLE_EPISODES], whole.queries[:SAMPLE_EPISODES])
    support = setting.support or setting.query
    embed = embedder(method, support, setting.query, batchnorm, bench.device)
    return _second_time(
        lambda: list(answer_episodes(method, embed, support.pool, setting.test, sample, batchnorm))
    ) / len(sample)


def _second_time(function) -> float:
    """Seconds of the second call: the first pays for set-up."""
    function()
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
