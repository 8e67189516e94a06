"""Which checkpoint each readout of a training is tested with: each is validated in its own way, and picks for
itself.

A readout that learns from a support set is validated by the accuracy in the fixed validation episodes of a
pool, in which all classes come equally often; a method's own head by its recall averaged over classes (UAR)
on all images of the pool, whose classes may be unbalanced. A readout on pixels would take hours: it gets the
checkpoint that CHOOSER picks.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from fer_meta.device import Precision
from fer_meta.evaluation.adapted import adapted
from fer_meta.evaluation.answers import Shown, accuracies_of, answer_all, answer_episodes, embedder, uar_of
from fer_meta.evaluation.contexts import contexts
from fer_meta.evaluation.features import features_once
from fer_meta.methods.base import FewShotMethod
from fer_meta.methods.readouts import CHOOSER, READOUTS
from fer_meta.records.history import validation_of
from fer_meta.runner.plan import Model, Run
from fer_meta.runner.settings import needed
from fer_meta.tasks.episodes import draw
from fer_meta.tasks.pools import restrict
from fer_meta.tasks.protocol import Protocol
from fer_meta.training import checkpoints
from fer_meta.training.checkpoints import Validated

if TYPE_CHECKING:
    from fer_meta.runner.run import Bench

# Selection rule -> readout -> the step of the checkpoint that it is tested with.
Selected = dict[str, dict[str, int]]

# The validation episodes of a pool, the same for every method, seed and checkpoint.
VALIDATION_SEED = "validation/0"


def validator(
    protocol: Protocol,
    method: FewShotMethod,
    shown: Shown,
    train: Shown,
    device: torch.device,
    precision: Precision,
    adapted_to: Shown | None = None,
) -> Callable[[], Validated]:
    """How a checkpoint of `method`, trained on `train`, is validated on `shown`: each image is embedded once
    for all readouts; with BatchNorm's statistics of the images `adapted_to`, or with its own.

    There is no UAR where the method has no head for the classes of `shown`.
    """
    shape, batchnorm = protocol.validation, protocol.batchnorm
    episodes = draw(shown.pool, shape, shape.episodes, VALIDATION_SEED)
    answers = validated(method)

    def validate() -> Validated:
        network = adapted(method, adapted_to, device, precision) if adapted_to else method
        features = features_once(network, device, precision)
        embed = embedder(network, shown, shown, batchnorm, device, features, precision)
        more = contexts(network, train, shown, shown, batchnorm, device, features, precision)
        accuracies = accuracies_of(
            answer_episodes(
                network, embed, shown.pool, shown.pool, episodes, batchnorm, readouts=answers, contexts=more
            )
        )
        accuracies.pop(network.head_name, None)
        found = {"val_accuracy": accuracies}
        if network.own_head(shown.pool.classes):
            found = {"val_uar": {network.head_name: uar_of(answer_all(network, embed, shown.pool))}, **found}
        return found

    return validate


def to_validate(readouts: Sequence[str]) -> tuple[str, ...]:
    """The names of the readouts that are validated for `readouts`: all but those on pixels, and CHOOSER if
    there are such.
    """
    on_features = tuple(key for key in readouts if not READOUTS[key].on_pixels)
    if len(on_features) == len(readouts) or CHOOSER in readouts:
        return on_features
    return (*on_features, CHOOSER)


def validated(method: FewShotMethod) -> set[str] | None:
    """The answers of `method` that are validated; None if all are."""
    keys = to_validate(method.readouts)
    return None if keys == method.readouts else {*method.own, *map(method.read_as, keys)}


def answers_of(method: FewShotMethod, validation: Collection[str]) -> list[str]:
    """The answers that `method` gives: of its own, those with a `validation`; and what its readouts give."""
    own = [name for name in validation if name in method.own]
    return list(dict.fromkeys([*own, *map(method.read_as, method.readouts)]))


def chosen_by(method: FewShotMethod) -> dict[str, str]:
    """Those answers of `method` that are not validated themselves -> the one whose checkpoint they take."""
    return {
        method.read_as(key): method.read_as(CHOOSER) for key in method.readouts if READOUTS[key].on_pixels
    }


def pick(
    validations: Mapping[int, Mapping[str, float]],
    readouts: Collection[str],
    chosen: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, int]:
    """For each of `readouts` that was validated, the step at which its value was best; ties go to the earlier
    step.

    `validations`: step -> readout -> value. `chosen`: readout -> the one whose values count for it.
    """
    picked = {}
    for readout in readouts:
        judge = chosen.get(readout, readout)
        values = {step: found[judge] for step, found in sorted(validations.items()) if judge in found}
        if values:
            picked[readout] = max(values, key=lambda step: values[step])
    return picked


def select(bench: "Bench", run: Run, method: FewShotMethod) -> tuple[Selected, dict[int, dict[str, float]]]:
    """The training step that each selection rule picks for each readout, and what the oracle saw (step ->
    readout -> value).

    `source-val`: best on the source's val; `last`: the last; `oracle`: best on the target's val, by the
    test's statistics of BatchNorm. Where the target is the source that is the source's val, and where it is
    too small it picks nothing. The own head is
    left out where it cannot answer the target's classes.
    """
    folder, setting = bench.model_folder(run.model), run.setting
    steps, chosen = checkpoints.snapshots(folder), chosen_by(method)
    source_val, target_val = _source_validations(bench, run, method, steps), {}
    if setting.val is not None:
        target_val = (
            source_val
            if setting.source is setting.target and setting.protocol.batchnorm != "target"
            else _validate_on_target(bench, run, method, steps)
        )
    readouts = answers_of(method, source_val[max(steps)])
    if not method.own_head(setting.test.classes):
        needing = {method.read_as(key) for key in method.readouts if READOUTS[key].with_head}
        readouts = [name for name in readouts if name not in {method.head_name, *needing}]
    last = {max(steps): dict.fromkeys([*readouts, *chosen.values()], 1.0)}
    validations = {"source-val": source_val, "last": last, "oracle": target_val}
    return {rule: pick(validations[rule], readouts, chosen) for rule in bench.suite.selection}, target_val


def _source_validations(
    bench: "Bench", run: Run, method: FewShotMethod, steps: dict[int, Path]
) -> dict[int, dict[str, float]]:
    """What was validated on the source in training, and now, once for all targets, if the training was for a
    suite with other readouts: a model's name does not depend on what reads it.
    """
    logged = checkpoints.read_validations(bench.model_folder(run.model))
    if {method.read_as(key) for key in to_validate(method.readouts)} <= set(logged[max(steps)]):
        return logged
    if run.model.id not in bench.validated:
        bench.validated.clear()
        now = _validate_all(bench, run, method, steps, on_source(bench, run.model, method), "validate")
        bench.validated[run.model.id] = {step: {**found, **logged[step]} for step, found in now.items()}
    return bench.validated[run.model.id]


def _validate_on_target(
    bench: "Bench", run: Run, method: FewShotMethod, steps: dict[int, Path]
) -> dict[int, dict[str, float]]:
    """As the target is tested: with its own statistics where BatchNorm has these."""
    setting, model = run.setting, run.model
    shown = Shown(setting.target.images, needed(setting.val))
    adapted_to = setting.query if setting.protocol.batchnorm == "target" else None
    validate = validator(
        setting.protocol, method, shown, trained_on(model), bench.device, bench.precision(model), adapted_to
    )
    return _validate_all(bench, run, method, steps, validate, "oracle")


def _validate_all(
    bench: "Bench",
    run: Run,
    method: FewShotMethod,
    steps: dict[int, Path],
    validate: Callable[[], checkpoints.Validated],
    name: str,
) -> dict[int, dict[str, float]]:
    """Each checkpoint of `steps`, validated: step -> readout -> value."""
    stage, found = bench.stage(run, name, len(steps)), {}
    for number, (step, path) in enumerate(steps.items(), start=1):
        checkpoints.load_snapshot(method, path)
        found[step] = validation_of(validate())
        stage.at(number)
    return found


def on_source(bench: "Bench", model: Model, method: FewShotMethod) -> Callable[[], checkpoints.Validated]:
    """What validates a checkpoint of a model on its source's val."""
    source, protocol = model.source, model.protocol
    val = restrict(model.val, model.train.classes, source.index, protocol.validation.way)
    shown = Shown(source.images, val)
    return validator(protocol, method, shown, trained_on(model), bench.device, bench.precision(model))


def trained_on(model: Model) -> Shown:
    """The training images of a model."""
    return Shown(model.source.images, model.train)
