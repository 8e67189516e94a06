"""What a bench says of itself in the records: the plan, a training, a finished run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from fer_meta.datasets.base import Rendered
from fer_meta.datasets.mixing import frames_and_clips
from fer_meta.datasets.synthetic.anatomy import bayes_accuracy, bayes_episode_accuracy
from fer_meta.expressions import EXPRESSIONS
from fer_meta.methods import registry
from fer_meta.methods.base import FewShotMethod, NetworkConfig, TrainingConfig
from fer_meta.networks import backbones
from fer_meta.records.model import ModelRecord, Normalisation
from fer_meta.records.plan import (
    Bayes,
    Contrast,
    Label,
    Place,
    Plan,
    PlannedExperiment,
    PlannedRun,
    PlannedSearch,
    PublishedFigure,
)
from fer_meta.records.run import Config, RunRecord, StoredProtocol
from fer_meta.runner.plan import Model, Run
from fer_meta.runner.settings import Setting
from fer_meta.runner.words import episodes_file
from fer_meta.suites.divisions import division_key
from fer_meta.suites.schema import Suite
from fer_meta.training.batches import images_seen
from fer_meta.training.budget import Budget


@dataclass(frozen=True)
class MadeBy:
    """The command that makes the runs of a bench, and its `identity.bench_hashes`."""

    command: str
    suite_hash: str = ""
    settings_hash: str = ""


def plan_record(
    suite: Suite,
    as_written: Suite,
    settings: Sequence[Setting],
    runs: Sequence[Run],
    not_run: Mapping[str, str],
    made_by: MadeBy,
    search: PlannedSearch | None = None,
    notes: Sequence[str] = (),
) -> Plan:
    """What the tables are expected to hold. `as_written` is the suite as its file has it, of which `suite`
    may be a part; `not_run` are the experiments that are left out, and why; `notes` are of `data_notes`.
    """
    rendered = {name: one for setting in settings for name, one in setting.rendered.items()}
    by_experiment: dict[str, list[Setting]] = {}
    for setting in settings:
        if setting.experiment:
            by_experiment.setdefault(setting.experiment, []).append(setting)
    return Plan(
        suite=suite.name,
        title=suite.title,
        preset=suite.preset,
        **asdict(made_by),
        rendered=list(rendered),
        severity={name: Place(recipe=one.recipe, severity=one.severity) for name, one in rendered.items()},
        bayes=_bayes(settings, rendered),
        experiments={
            key: (_experiment if key in suite.experiments else _division)(suite, key, own, rendered)
            for key, own in by_experiment.items()
        },
        divisions=[key for one in suite.divisions or () if (key := division_key(one)) in by_experiment],
        not_run=dict(not_run),
        left_out=[*notes, *left_out(settings)],
        vocabulary=[] if set(suite.classes) <= set(EXPRESSIONS) else list(suite.classes),
        seeds=list(as_written.seeds),
        methods={key: list(one.methods or as_written.methods) for key, one in as_written.experiments.items()}
        or {key: list(as_written.methods) for key in by_experiment or [""]},
        labels=_labels(runs, suite.readouts),
        readings=list(suite.readings),
        primary=Contrast(**suite.primary.model_dump()) if suite.primary else None,
        budget=_budget(suite.budget),
        search=search,
        runs=[_planned(run) for run in runs],
    )


def with_runs(plan: Plan, runs: Sequence[Run]) -> Plan:
    """`plan` with these runs."""
    return plan.model_copy(update={"runs": [_planned(run) for run in runs]})


def _planned(run: Run) -> PlannedRun:
    return PlannedRun(
        id=run.id,
        experiment=run.setting.experiment,
        method=run.model.key,
        source=run.setting.source.name,
        target=run.setting.target.name,
        fold=run.setting.fold,
        seed=run.model.seed,
        model=run.model.id,
    )


def _labels(runs: Sequence[Run], readouts: Sequence[str] | None) -> dict[str, Label]:
    """How each kind of answer that may occur in the runs is shown, from the classes of their methods. Answers
    of one training are next to each other, also where the suite has several settings of a method.
    """
    by_key = {run.model.key: registry.labels(run.model.key, run.model.config, readouts) for run in runs}
    blocks = sorted(by_key.values(), key=lambda block: min(label.order for label in block.values()))
    return {
        answer: Label(label=label.label, colour=label.colour, order=100 * (1 + place) + number)
        for place, block in enumerate(blocks)
        for number, (answer, label) in enumerate(block.items())
    }


def _budget(budget: Budget | None) -> dict[str, float]:
    return budget.model_dump(exclude_none=True) if budget else {}


def model_record(
    model: Model, method: FewShotMethod, image_size: int, steps: int, precision: str
) -> ModelRecord:
    """A training of `method` in `steps` optimiser steps that begins in `precision`."""
    by_steps = model.seconds is None
    images = images_seen(method, model.config, model.train, model.protocol)
    return ModelRecord(
        id=model.id,
        method=model.method,
        config=recorded_config(model.config, image_size),
        classes=list(model.train.classes),
        protocol=model.protocol.model_dump(mode="json"),
        image_size=image_size,
        normalisation=stored_normalisation(method),
        seed=model.seed,
        steps=steps if by_steps else 0,
        images=images if by_steps else None,
        budget=_budget(model.budget),
        precision=precision,
        identity=model.identity,
    )


def recorded_config(config: TrainingConfig, image_size: int) -> dict:
    """The settings of a training as JSON, with the stem that its network got."""
    stem: dict[str, str] = {}
    if isinstance(config, NetworkConfig):
        stem["stem"] = backbones.stem_for(config.backbone, config.stem, image_size)
    return {**config.model_dump(mode="json"), **stem}


def stored_normalisation(method: FewShotMethod) -> Normalisation:
    """What a method's images are normalised by, as the records have it."""
    return Normalisation(mean=list(method.normalisation.mean), std=list(method.normalisation.std))


def run_record(suite: Suite, run: Run, made_by: MadeBy, **found) -> RunRecord:
    """A finished run. `found` are the fields of RunRecord that only its execution knows."""
    setting, test = run.setting, run.setting.test
    # A method from outside may have a network of its own, without a choice.
    config = {"backbone": "own", **recorded_config(run.model.config, suite.image_size)}
    return RunRecord(
        **_planned(run).model_dump(),
        suite=suite.name,
        preset=suite.preset,
        **asdict(made_by),
        identity=run.identity,
        config=Config.model_validate(config),
        protocol=StoredProtocol.model_validate(setting.protocol.model_dump(mode="json")),
        image_size=suite.image_size,
        classes=list(test.classes),
        excluded=test.excluded,
        excluded_from_training=setting.train.excluded,
        copies_removed=test.copies_removed,
        train_images=len(setting.train),
        mixed_in=setting.mixed_in,
        test_images=len(test),
        unreadable=setting.unreadable,
        episodes={str(shots): episodes_file(setting, shots) for shots in setting.episodes},
        **found,
    )


def _experiment(
    suite: Suite, key: str, settings: Sequence[Setting], rendered: Mapping[str, Rendered]
) -> PlannedExperiment:
    """An experiment in words, from its setting or the settings of its folds."""

    def called(name: str) -> str:
        return f"{name} (rendered)" if name in rendered else name

    experiment, setting = suite.experiments[key], settings[0]
    mixture = suite.mixtures.get(experiment.train)
    folds = f" ({len(settings)} folds, each by a training of its own)" if setting.fold else ""
    each = f", {mixture.per_class:,} images a class" if mixture and mixture.per_class else ""
    images = round(np.mean([len(one.train) for one in settings]))
    lacking = setting.mixture.lacking if setting.mixture else ()
    without = f" (no clips called {', '.join(lacking)})" if lacking else ""
    tested = sum(len(one.test) for one in settings)
    return PlannedExperiment(
        title=experiment.title,
        trained_on=f"{called(setting.source.name)}{each}, {images:,} images{without}",
        tested_on=f"{called(setting.target.name)}, {tested:,} images{folds}",
        published=[PublishedFigure(**figure.model_dump()) for figure in experiment.published],
        faults=list(experiment.faults),
        carries=list(experiment.carries),
        checkpoint=experiment.checkpoint,
        remarks=remarks(setting),
        against=setting.against,
    )


def _division(
    suite: Suite, key: str, settings: Sequence[Setting], rendered: Mapping[str, Rendered]
) -> PlannedExperiment:
    """A division in words, from its settings on all data sets."""
    setting = settings[0]
    images: dict[str, tuple[int, int]] = {
        f"{one.source.name}{' (rendered)' if one.source.name in rendered else ''}": (
            len(one.train),
            len(one.test),
        )
        for one in settings
    }
    trained, tested = (
        ", ".join(f"{name}, {counts[side]:,} images" for name, counts in images.items()) for side in (0, 1)
    )
    return PlannedExperiment(
        title=f"trained on {', '.join(setting.train.classes)}, tested on {', '.join(setting.test.classes)}",
        trained_on=trained,
        tested_on=tested,
        published=[],
        faults=[],
        against=None,
    )


def left_out(settings: Iterable[Setting]) -> list[str]:
    """A line for each data set of which divisions are left out, or for which the oracle is, and why."""
    lines = [line for setting in settings for line in (setting.left_out, setting.no_oracle)]
    return list(dict.fromkeys(filter(None, lines)))


def remarks(setting: Setting) -> list[str]:
    """What a reader must know of a mixture that is trained on: how it compares with the published one, and
    what of its clips is left.
    """
    lines = [setting.mixture.counts] if setting.mixture and setting.mixture.counts else []
    if mixed := setting.mixed_in:
        words = (
            "of the {frames:,} mixed-in frames of {clips} clips {trained_frames:,} frames of {trained_clips}"
            " clips are trained on"
        )
        lines.append(words.format(**mixed) + "".join(_kept_back(setting)))
    return lines


def _kept_back(setting: Setting) -> Iterator[str]:
    """What the other frames are for: val (if it is not trained on) and the images held out."""
    for pool, purpose in ((setting.source.val, "validate"), (setting.source.held, "are held out as support")):
        if pool is not None and not np.array_equal(pool.rows, setting.train.rows):
            frames, clips = frames_and_clips(setting.source.index.iloc[pool.rows])
            yield f", {f'{frames:,} of {clips}' if frames else 'none'} {purpose}"


def _bayes(settings: Iterable[Setting], rendered: Mapping[str, Rendered]) -> list[Bayes]:
    """How often a perfect reader of the rendered action units is right, in episodes and among all the classes
    of a rendered target.
    """
    rows: dict[tuple[str, str, str, int], float] = {}
    for setting in settings:
        experiment, source, target = setting.experiment, setting.source.name, setting.target.name
        if target in rendered:
            classes, way = setting.test.classes, setting.protocol.way
            rows[experiment, source, target, way] = bayes_episode_accuracy(classes, way)
            rows[experiment, source, target, len(classes)] = bayes_accuracy(classes)
    return [
        Bayes(experiment=experiment, source=source, target=target, way=way, accuracy=accuracy)
        for (experiment, source, target, way), accuracy in rows.items()
    ]
