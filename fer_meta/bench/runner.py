"""From a plan to results on disk: train what is not trained, ask what is not asked, go on after a failure."""

import functools
import json
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch

from fer_meta.bench.environment import environment, peak_memory_mb
from fer_meta.bench.plan import Model, Run
from fer_meta.bench.selection import pick, validator
from fer_meta.bench.store import episodes_file, write_predictions
from fer_meta.device import precision_on
from fer_meta.errors import FerMetaError, MachineError
from fer_meta.evaluation.answers import Shown, answer_all, answer_episodes, embedder
from fer_meta.evaluation.features import Features
from fer_meta.fileio import DONE, FULL, full_disk, seal, write_json
from fer_meta.methods import registry
from fer_meta.methods.base import FewShotMethod
from fer_meta.report.failed import failure, in_words
from fer_meta.report.load import history
from fer_meta.suites.schema import Suite
from fer_meta.tasks.pools import restrict
from fer_meta.training import batches, checkpoints, loop

# Selection rule -> readout -> the step of the checkpoint that it is tested with.
Selected = dict[str, dict[str, int]]


@dataclass
class Bench:
    """What every run of a bench shares."""

    suite: Suite
    folder: Path  # of `results_folder`
    device: torch.device
    show: Callable[[str, int], object]  # (label, total) -> a tqdm bar
    jobs: int = 1  # models trained and tested side by side
    say: Callable[[str], None] = click.echo  # a line for the user
    failed_models: dict[str, str] = field(default_factory=dict)
    made_by: dict[str, str] = field(default_factory=dict)  # its command, and its `bench_hashes`
    damaged: dict[str, str] = field(default_factory=dict)  # run -> what is wrong with its finished folder
    embedded: dict[tuple, Features] = field(default_factory=dict)

    def run_folder(self, run: Run) -> Path:
        return self.folder / "runs" / run.id

    def model_folder(self, model: Model) -> Path:
        return self.folder / "models" / model.id

    def features(self, run: Run, step: int, method: FewShotMethod, images: np.ndarray) -> Features:
        """The features of `images` under a checkpoint, which `method` has loaded: those that an earlier run
        of the same checkpoint made, by whatever protocol, and then new ones. Another model's are forgotten.
        """
        for other in [key for key in self.embedded if key[0] != run.model.id]:
            del self.embedded[other]
        key = run.model.id, step, id(images)  # a data set's map lives as long as the bench
        if key not in self.embedded:
            self.embedded[key] = Features(method, images, self.device, self.precision(run.model))
        return self.embedded[key]

    def precision(self, model: Model) -> str:
        """What a model is trained and its images are embedded in on this machine: fp32 or bf16."""
        return precision_on(model.config.precision, self.device)

    def is_done(self, run: Run) -> bool:
        return run.id not in self.damaged and (self.run_folder(run) / DONE).exists()

    def is_trained(self, model: Model) -> bool:
        return (self.model_folder(model) / DONE).exists()


class _Clock:
    """Seconds of the stages within a run's `train_s` (drawing and fetching batches, validating) and
    `evaluate_s` (selecting).
    """

    def __init__(self):
        self.seconds = dict.fromkeys(("data_s", "validate_s", "select_s"), 0.0)

    def timed(self, stage: str, function: Callable) -> Callable:
        def run(*arguments):
            began = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds[stage] += time.perf_counter() - began

        return run

    def rounded(self) -> dict[str, float]:
        return {stage: round(seconds, 2) for stage, seconds in self.seconds.items()}


def execute(bench: Bench, run: Run) -> str | None:
    """Do one run and leave DONE or FAILED.json in its folder; returns the error's line if it failed.

    An interrupt passes through, and so does a full disk: no other run could write its results either.
    """
    folder = bench.run_folder(run)
    (folder / "FAILED.json").unlink(missing_ok=True)
    try:
        _execute(bench, run, folder)
        return None
    except Exception as error:
        if _disk_is_full(error):
            place = getattr(error, "filename", None) or bench.folder
            raise MachineError(f"{place}: {full_disk(place)}; then run the same command again") from error
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        line = line if isinstance(error, FerMetaError) else f"{type(error).__name__}: {line}"
        fail(bench, run, line, traceback.format_exc())
        return line


def fail(bench: Bench, run: Run, line: str, trace: str = "") -> None:
    """Leave FAILED.json in the folder of a run."""
    write_json(bench.run_folder(run) / "FAILED.json", {"error": line, "traceback": trace})


def _disk_is_full(error: Exception) -> bool:
    """safetensors says it in words of its own."""
    return getattr(error, "errno", None) in FULL or "No space left on device" in str(error)


def _execute(bench: Bench, run: Run, folder: Path) -> None:
    model, setting, suite = run.model, run.setting, bench.suite
    clock, began = _Clock(), time.perf_counter()
    method = new_method(bench, model)
    _train(bench, model, method, clock)
    trained = time.perf_counter()
    selected, target_val = clock.timed("select_s", _select)(bench, run, method)
    probabilities = setting.protocol.queries == "all" or method.own_head(setting.test.classes) is not None
    write_predictions(
        folder / "predictions.parquet", _answers(bench, run, method, selected), setting, probabilities
    )
    finished = time.perf_counter()
    write_json(
        folder / "run.json",
        {
            "id": run.id,
            "suite": suite.name,
            "preset": suite.preset,
            **bench.made_by,
            "experiment": setting.experiment,
            "algorithm": model.algorithm,
            "source": setting.source.name,
            "target": setting.target.name,
            "fold": setting.fold,
            "seed": model.seed,
            "model": model.id,
            "identity": run.identity,
            "config": model.config.model_dump(mode="json"),
            "protocol": setting.protocol.model_dump(mode="json"),
            "image_size": suite.image_size,
            "classes": list(setting.test.classes),
            "excluded": setting.test.excluded,
            "excluded_from_training": setting.source.train.excluded,
            "copies_removed": setting.test.copies_removed,
            "training_chance": batches.training_chance(
                method, model.config, setting.source.train, model.protocol
            ),
            "train_images": len(setting.source.train),
            "mixed_in": setting.mixed_in,
            "test_images": len(setting.test),
            "unreadable": setting.unreadable,
            "episodes": {str(shots): episodes_file(setting, shots) for shots in setting.episodes},
            "selected": selected,
            "target_validation": target_val,
            "environment": {
                **environment(bench.device, bench.jobs),
                "precision": bench.precision(model),
                "trained_in": _trained_in(bench, model),
            },
            "timings": {
                "train_s": round(trained - began, 2),
                "evaluate_s": round(finished - trained, 2),
                **clock.rounded(),
            },
            "peak_memory_mb": peak_memory_mb(bench.device),
        },
    )
    seal(folder, ["run.json", "predictions.parquet"])


def _trained_in(bench: Bench, model: Model) -> str | None:
    """The precision that a training began in, perhaps on another machine; None if an older version
    made it.
    """
    try:
        return json.loads((bench.model_folder(model) / "model.json").read_text(encoding="utf-8")).get(
            "precision"
        )
    except (OSError, ValueError, AttributeError):
        return None


def new_method(bench: Bench, model: Model) -> FewShotMethod:
    """The untrained method of a model, on the bench's device."""
    module, classes = registry.load(model.algorithm), model.source.train.classes
    return loop.build(
        module, model.config, model.protocol, classes, bench.suite.image_size, model.seed, bench.device
    )


def _train(bench: Bench, model: Model, method: FewShotMethod, clock: _Clock) -> None:
    """Train `method` unless its folder says that this is done. A training that failed is not tried again for
    the next target.
    """
    folder, source, protocol = bench.model_folder(model), model.source, model.protocol
    if model.id in bench.failed_models:
        raise FerMetaError(bench.failed_models[model.id])
    if bench.is_trained(model):
        wrong = checkpoints.damage(folder)
        if wrong is None:
            return
        _begin_anew(bench, model, wrong)
    # a training that goes on is named after the machine that began it
    if not (folder / checkpoints.RESUME).exists():
        write_json(
            folder / "model.json",
            {"id": model.id, "identity": model.identity, "precision": bench.precision(model)},
        )
    config = model.config
    steps, batch_at = batches.steps_and_batches(method, config, source, protocol, model.seed, bench.device)
    val = restrict(source.val, source.train.classes, source.index, protocol.validation.way)
    validate = validator(protocol, method, Shown(source.images, val), bench.device, bench.precision(model))
    try:
        with bench.show("train", steps) as bar:

            def progress(done, accuracy, validation):
                bar.update(done - bar.n)
                metric = {method.head_name: "UAR"}
                values = (
                    f", val {name} {metric.get(name, 'acc')} {value:.3f}"
                    for name, value in validation.items()
                )
                bar.set_postfix_str(f"train acc {accuracy:.3f}{''.join(values)}", refresh=False)

            fetched, validated = clock.timed("data_s", batch_at), clock.timed("validate_s", validate)
            fit = functools.partial(loop.fit, method, config, steps, fetched, validated, folder, progress)
            try:
                fit()
            except checkpoints.ResumeError as error:
                _begin_anew(bench, model, str(error))
                fit()
    except Exception as error:
        bench.failed_models[model.id] = str(error)
        raise
    checkpoints.finish(folder)
    failed = failure(
        history(folder / "history.jsonl"),
        batches.training_chance(method, model.config, source.train, protocol),
    )
    if failed:
        bench.say(
            f"    model {model.id}: did not learn: {in_words(failed)}; the report flags it and claims nothing"
            " of it"
        )


def _begin_anew(bench: Bench, model: Model, wrong: str) -> None:
    bench.say(f"    model {model.id}: {wrong}; it is trained anew")
    checkpoints.forget(bench.model_folder(model))


def _select(bench: Bench, run: Run, method: FewShotMethod) -> tuple[Selected, dict[int, dict[str, float]]]:
    """The training step that each selection rule picks for each readout, and what the oracle saw (step ->
    readout -> value).

    `source-val`: best on the source's val; `last`: the last; `oracle`: best on the target's val, which is the
    source's val where the target is the source, and picks nothing where that is too small. The own head is
    left out where it cannot answer the target's classes.
    """
    folder, setting = bench.model_folder(run.model), run.setting
    steps, source_val = checkpoints.snapshots(folder), checkpoints.read_validations(folder)
    target_val = {}
    if setting.val is not None:
        target_val = (
            source_val if setting.source is setting.target else _validate_on_target(bench, run, method, steps)
        )
    readouts = list(source_val[max(steps)])
    if not method.own_head(setting.test.classes):
        readouts = [name for name in readouts if name != method.head_name]
    last = {max(steps): dict.fromkeys(readouts, 1.0)}
    validations = {"source-val": source_val, "last": last, "oracle": target_val}
    return {rule: pick(validations[rule], readouts) for rule in bench.suite.selection}, target_val


def _validate_on_target(
    bench: Bench, run: Run, method: FewShotMethod, steps: dict[int, Path]
) -> dict[int, dict[str, float]]:
    setting, found = run.setting, {}
    shown = Shown(setting.target.images, setting.val)
    validate = validator(setting.protocol, method, shown, bench.device, bench.precision(run.model))
    with bench.show("oracle", len(steps)) as bar:
        for step, path in steps.items():
            checkpoints.load_snapshot(method, path)
            found[step] = checkpoints.validation_of(validate())
            bar.update()
    return found


def _answers(bench: Bench, run: Run, method: FewShotMethod, selected: Selected) -> Iterator[pd.DataFrame]:
    """What each readout answers with the checkpoint that each rule picked for it, part by part; what two
    rules picked comes twice.
    """
    snapshots = checkpoints.snapshots(bench.model_folder(run.model))
    for step in sorted({step for picked in selected.values() for step in picked.values()}):
        rules = {}  # readout -> the rules that picked this step for it
        for rule, picked in selected.items():
            for readout in (name for name, chosen in picked.items() if chosen == step):
                rules.setdefault(readout, []).append(rule)
        checkpoints.load_snapshot(method, snapshots[step])
        for part in _ask(bench, run, method, step, rules):
            for rule in rules[part["method"].iloc[0]]:
                yield part.assign(selection=rule)


def _ask(
    bench: Bench, run: Run, method: FewShotMethod, step: int, readouts: Collection[str]
) -> Iterator[pd.DataFrame]:
    """What `readouts` of one checkpoint answer: to the fixed episodes, and to each test image once by the own
    head (0 shots).
    """
    setting, protocol = run.setting, run.setting.protocol
    query = setting.query
    support = setting.support or query
    features = functools.partial(bench.features, run, step, method)
    embed = embedder(
        method, support, query, protocol.batchnorm, bench.device, features, bench.precision(run.model)
    )
    for shots, episodes in setting.episodes.items():
        with bench.show(f"test {shots}-shot (step {step})", len(episodes)) as bar:

            def progress(done, accuracy):
                bar.update(done - bar.n)
                bar.set_postfix_str(f"acc {accuracy:.3f}", refresh=False)

            every = protocol.queries == "all"
            parts = answer_episodes(
                method,
                embed,
                support.pool,
                query.pool,
                episodes,
                protocol.batchnorm,
                progress,
                every,
                readouts,
            )
            for part in parts:
                yield part.assign(shots=shots)
    if method.head_name in readouts:
        for part in answer_all(method, embed, query.pool):
            yield part.assign(shots=0)
