"""One run, from its plan to results on disk: train what is not trained, and answer the test episodes."""

import functools
import math
import time
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch

from fer_meta.datasets.stacked import Images
from fer_meta.datasets.watched import expect_unchanged
from fer_meta.device import Precision, precision_on
from fer_meta.errors import DivergedError, FerMetaError, MachineError, ResultsError
from fer_meta.evaluation.adapted import adapted, adapted_features
from fer_meta.evaluation.answers import answer_all, answer_episodes, embedder
from fer_meta.evaluation.contexts import contexts
from fer_meta.evaluation.features import Features
from fer_meta.fileio import full_disk
from fer_meta.methods import registry
from fer_meta.methods.base import FewShotMethod, NetworkConfig
from fer_meta.methods.labels import answer_in
from fer_meta.records.answers import ANSWERS
from fer_meta.records.history import HISTORY, history, read_history
from fer_meta.records.model import read_model, write_model
from fer_meta.records.run import RUN, Environment, Timings, Trained, write_run
from fer_meta.records.seals import DONE, FAILED, seal, write_failure
from fer_meta.runner.budget import trained_in_words
from fer_meta.runner.describe import MadeBy, model_record, run_record
from fer_meta.runner.environment import environment, peak_memory_mb
from fer_meta.runner.failing import disk_is_full, in_one_line
from fer_meta.runner.identity import own_network, scientific, short_hash
from fer_meta.runner.messages import Message, Said, Stage
from fer_meta.runner.plan import Model, Run
from fer_meta.runner.selection import Selected, on_source, select, trained_on
from fer_meta.runner.words import write_predictions
from fer_meta.statistics.failed import failure, in_words
from fer_meta.suites.schema import Suite
from fer_meta.training import batches, checkpoints, loop
from fer_meta.training.ends import Moment

if TYPE_CHECKING:
    from fer_meta.training.team import Team


@dataclass
class Bench:
    """What every run of a bench shares."""

    suite: Suite
    folder: Path  # of `results_folder`
    device: torch.device
    made_by: MadeBy
    jobs: int = 1  # models trained and tested side by side
    team: "Team | None" = None  # processes that train each model together, of which this one leads
    tell: Callable[[Message], None] = lambda message: None  # what happens
    failed_models: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)  # run -> what is wrong with its finished folder
    embedded: dict[tuple, Features] = field(default_factory=dict)
    # Model -> step -> readout -> its value on the source's val, of readouts that its log has not.
    validated: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)

    def run_folder(self, run: Run) -> Path:
        return self.model_folder(run.model) if run.trial else self.folder / "runs" / run.id

    def model_folder(self, model: Model) -> Path:
        return self.folder / "models" / model.id

    def features(self, run: Run, step: int, method: FewShotMethod, images: Images) -> Features:
        """The features of `images` under a checkpoint, which `method` has loaded: those that an earlier run
        of the same checkpoint made, by whatever protocol, and then new ones. Other weights' are forgotten.
        """
        weights = _weights_of(run.model, method)
        for other in [key for key in self.embedded if key[0] != weights]:
            del self.embedded[other]
        key = weights, step, id(images)  # a data set's map lives as long as the bench
        if key not in self.embedded:
            self.embedded[key] = Features(method, images, self.device, self.precision(run.model))
        # What is still to be embedded is embedded by this one: an earlier run's has gone on to other weights.
        self.embedded[key].method = method
        return self.embedded[key]

    def say(self, line: str) -> None:
        self.tell(Said(line))

    def stage(self, run: Run, name: str, total: int) -> Stage:
        """A part of a run, of `total` steps, which reports how far it is."""
        return Stage(self.tell, run.id, name, total)

    def precision(self, model: Model) -> Precision:
        """What a model is trained and its images are embedded in on this machine: fp32 or bf16."""
        return precision_on(model.config.precision, self.device)

    def is_done(self, run: Run) -> bool:
        return run.id not in self.damaged and (self.run_folder(run) / DONE).exists()

    def is_trained(self, model: Model) -> bool:
        return (self.model_folder(model) / DONE).exists()


def _weights_of(model: Model, method: FewShotMethod) -> str:
    """What tells the weights of a model apart from those of others in a bench. A pretrained network that is
    not trained has the same ones whatever its source and seed.
    """
    config = model.config
    if method.trained or not isinstance(config, NetworkConfig):
        return model.id
    seed = model.seed if config.weights == "none" else ""
    return f"{model.key} {short_hash(scientific(config) | own_network(config))} {seed}"


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

    An interrupt passes through, and so does a full disk: no other run could write its results either. If the
    memory of a GPU is full, it is tried once more: another process may have taken it for a moment. A team
    cannot do a step again of which the others have done their share.
    """
    folder = bench.run_folder(run)
    (folder / FAILED).unlink(missing_ok=True)
    try:
        with suppress(*([] if bench.team else [torch.cuda.OutOfMemoryError])):
            _execute(bench, run, folder)
            return None
        bench.failed_models.pop(run.model.id, None)
        bench.say(f"    model {run.model.id}: the GPU's memory was full; it goes on where it was")
        torch.cuda.empty_cache()
        _execute(bench, run, folder)
        return None
    except Exception as error:
        if disk_is_full(error):
            place = getattr(error, "filename", None) or bench.folder
            raise MachineError(f"{place}: {full_disk(place)}; then run the same command again") from error
        line = in_one_line(error)
        fail(bench, run, line, traceback.format_exc())
        return line


def fail(bench: Bench, run: Run, line: str, trace: str = "") -> None:
    """Leave FAILED.json in the folder of a run."""
    write_failure(bench.run_folder(run), line, trace)


def _execute(bench: Bench, run: Run, folder: Path) -> None:
    model, setting = run.model, run.setting
    clock, began = _Clock(), time.perf_counter()
    method = new_method(bench, model)
    if run.trial:
        _try(bench, run, method)
        return
    _train(bench, run, method, clock)
    trained = time.perf_counter()
    selected, target_val = clock.timed("select_s", select)(bench, run, method)
    probabilities = setting.protocol.queries == "all" or method.own_head(setting.test.classes) is not None
    write_predictions(folder / ANSWERS, _answers(bench, run, method, selected), setting, probabilities)
    finished = time.perf_counter()
    timings = {"train_s": round(trained - began, 2), "evaluate_s": round(finished - trained, 2)}
    where = environment(bench.device, bench.jobs, bench.team.size if bench.team else 1)
    record = run_record(
        bench.suite,
        run,
        bench.made_by,
        training_chance=batches.training_chance(method, model.config, setting.train, model.protocol),
        trained=_trained(bench, model),
        selected={
            rule: {_on_disk(run, name): step for name, step in own.items()} for rule, own in selected.items()
        },
        transductive=sorted(
            {_on_disk(run, name) for own in selected.values() for name in own if method.is_transductive(name)}
        ),
        target_validation={str(step): found for step, found in target_val.items()},
        environment=Environment(
            **where, precision=bench.precision(model), trained_in=_trained_in(bench, model)
        ),
        timings=Timings(**timings, **clock.rounded()),
        peak_memory_mb=peak_memory_mb(bench.device),
    )
    write_run(folder, record)
    seal(folder, [RUN, ANSWERS])


def _try(bench: Bench, run: Run, method: FewShotMethod) -> None:
    """Train a trial of a search. One whose loss or weights are no longer finite has lost, and is finished."""
    folder = bench.model_folder(run.model)
    try:
        _train(bench, run, method, _Clock())
    except Exception as error:
        finite = all(weight.isfinite().all() for weight in method.parameters())
        if finite and not isinstance(error, DivergedError):
            raise
        checkpoints.forget(folder)
        write_failure(folder, in_one_line(error))
        seal(folder, [FAILED])
    else:
        checkpoints.drop_snapshots(folder)


def _trained(bench: Bench, model: Model) -> Trained | None:
    """What a training took; None if an older version left no log of it."""
    log = read_history(bench.model_folder(model))
    last = log[-1] if log else {}
    if "step" not in last:
        return None
    return Trained(steps=last["step"], images=last.get("images"), seconds=last.get("train_seconds"))


def _trained_in(bench: Bench, model: Model) -> str | None:
    """The precision that a training began in, perhaps on another machine; None if that is not known."""
    try:
        return read_model(bench.model_folder(model)).precision
    except ResultsError:
        return None


def new_method(bench: Bench, model: Model) -> FewShotMethod:
    """The untrained method of a model, on the bench's device, read as the suite says."""
    method_class, classes = registry.load(model.method), model.train.classes
    method = loop.build(
        method_class, model.config, model.protocol, classes, bench.suite.image_size, model.seed, bench.device
    )
    method.readouts = method_class.read_by(bench.suite.readouts)
    return method


def _train(bench: Bench, run: Run, method: FewShotMethod, clock: _Clock) -> None:
    """Train the model of a run in `method`, unless its folder says that this is done. A failed training is
    not tried again for the next target.
    """
    model, folder = run.model, bench.model_folder(run.model)
    if model.id in bench.failed_models:
        raise FerMetaError(bench.failed_models[model.id])
    if bench.is_trained(model):
        wrong = checkpoints.damage(folder)
        if wrong is None:
            return
        _begin_again(bench, model, wrong)
    try:
        fit = _fitting(bench, run, method, clock)
        try:
            fit()
        except checkpoints.ResumeError as error:
            _begin_again(bench, model, str(error))
            fit()
    except Exception as error:
        bench.failed_models[model.id] = str(error)
        raise
    checkpoints.finish(folder)
    if trained := _trained(bench, model):
        bench.say(f"    model {model.id}: {trained_in_words(trained, model.budget)}")
    chance = batches.training_chance(method, model.config, model.train, model.protocol)
    failed = failure(history(folder / HISTORY), chance)
    if failed and not run.trial:
        bench.say(
            f"    model {model.id}: did not learn: {in_words(failed)}; the report flags it and claims nothing"
            " of it"
        )


def _fitting(bench: Bench, run: Run, method: FewShotMethod, clock: _Clock) -> Callable[[], None]:
    """What trains `method`, from where the folder of its model says it was."""
    model, folder = run.model, bench.model_folder(run.model)
    config, source, protocol = model.config, model.source, model.protocol
    steps, batch_at = batches.steps_and_batches(method, config, source, protocol, model.seed, bench.device)
    # a training that goes on is named after the machine that began it
    if not (folder / checkpoints.RESUME).exists():
        record = model_record(model, method, bench.suite.image_size, steps, bench.precision(model))
        write_model(folder, record)
    validate = on_source(bench, model, method)
    total = steps if model.seconds is None else math.ceil(model.seconds)
    stage = bench.stage(run, "train", total)

    def progress(now: Moment, accuracy: float, validation: dict[str, float]) -> None:
        done = now.steps if model.seconds is None else min(total, int(now.seconds))
        metric = {method.head_name: "UAR"}
        values = (f", val {name} {metric.get(name, 'acc')} {value:.3f}" for name, value in validation.items())
        stage.at(done, f"train acc {accuracy:.3f}{''.join(values)}")

    def validate_on_source() -> checkpoints.Validated:
        found = validate()
        expect_unchanged(source.images)  # else a checkpoint of other images would be kept
        return found

    fetched, validated = clock.timed("data_s", batch_at), clock.timed("validate_s", validate_on_source)
    return functools.partial(
        loop.fit, method, config, steps, fetched, validated, folder, progress, model.seconds, bench.team
    )


def follow(bench: Bench, model: Model) -> None:
    """Do a share of each step of a model's training, which another process of `bench.team` leads."""
    assert bench.team
    method = new_method(bench, model)
    _, batch_at = batches.steps_and_batches(
        method, model.config, model.source, model.protocol, model.seed, bench.device
    )
    loop.follow(method, model.config, batch_at, bench.team)


def _begin_again(bench: Bench, model: Model, wrong: str) -> None:
    bench.say(f"    model {model.id}: {wrong}; it is trained again")
    checkpoints.forget(bench.model_folder(model))


def _answers(bench: Bench, run: Run, method: FewShotMethod, selected: Selected) -> Iterator[pd.DataFrame]:
    """What each readout answers with the checkpoint that each rule picked for it, part by part; what two
    rules picked comes twice.
    """
    snapshots = checkpoints.snapshots(bench.model_folder(run.model))
    for step in sorted({step for picked in selected.values() for step in picked.values()}):
        rules: dict[str, list[str]] = {}  # readout -> the rules that picked this step for it
        for rule, picked in selected.items():
            for readout in (name for name, chosen in picked.items() if chosen == step):
                rules.setdefault(readout, []).append(rule)
        checkpoints.load_snapshot(method, snapshots[step])
        for part in _ask(bench, run, method, step, rules):
            name = part["readout"].iloc[0]
            on_disk = part["readout"].cat.rename_categories([_on_disk(run, name)])
            for rule in rules[name]:
                yield part.assign(readout=on_disk, selection=rule)
    for images in (run.setting.source.images, run.setting.target.images):
        expect_unchanged(images)


def _on_disk(run: Run, readout: str) -> str:
    """What an answer of the method is called in the results, where the suite may call its settings
    otherwise.
    """
    return answer_in(run.model.key, run.model.method, readout)


def _ask(
    bench: Bench, run: Run, method: FewShotMethod, step: int, readouts: Collection[str]
) -> Iterator[pd.DataFrame]:
    """What `readouts` of one checkpoint answer: to the fixed episodes, and to each test image once by the own
    head (0 shots).
    """
    setting, protocol = run.setting, run.setting.protocol
    query = setting.query
    support = setting.support or query
    features: Callable[[Images], Features] = functools.partial(bench.features, run, step, method)
    precision = bench.precision(run.model)
    if protocol.batchnorm == "target":
        method = adapted(method, query, bench.device, precision)
        features = adapted_features(method, query.images, features, bench.device, precision)
    seen = support, query, protocol.batchnorm, bench.device, features, precision
    embed, more = embedder(method, *seen), contexts(method, trained_on(run.model), *seen)
    for shots, episodes in setting.episodes.items():
        stage = bench.stage(run, f"test {shots}-shot (step {step})", len(episodes))
        parts = answer_episodes(
            method,
            embed,
            support.pool,
            query.pool,
            episodes,
            protocol.batchnorm,
            functools.partial(_scored, stage),
            protocol.queries == "all",
            readouts,
            more,
        )
        for part in parts:
            yield part.assign(shots=shots)
    if method.head_name in readouts:
        for part in answer_all(method, embed, query.pool):
            yield part.assign(shots=0)


def _scored(stage: Stage, done: int, accuracy: float) -> None:
    stage.at(done, f"acc {accuracy:.3f}")
