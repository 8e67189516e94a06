"""The study that `planning.py` plans, and a results folder of it whose answers are made up: nothing is
rendered or trained.

20 data sets, each a source and a target for all, 18 methods, 4 backbones (a results folder each), 5 seeds.
The plan, the episodes and the tables of answers come from the bench's own code, in its own format. The runs
of a method and a target that have the same seed share the file of their answers on disk, so that the folder
fits here; the report reads it once for each of them.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from stored_suite import answer, history_made_up
from tqdm import tqdm

from fer_meta.datasets.synthetic.rendered import domain_name, planned
from fer_meta.fileio import digest, write_json
from fer_meta.methods import registry
from fer_meta.records.answers import ANSWERS
from fer_meta.records.history import write_history
from fer_meta.records.plan import write_plan
from fer_meta.records.run import RUN, write_run
from fer_meta.records.seals import DONE
from fer_meta.report.names import is_own_head
from fer_meta.runner.crossing import cross
from fer_meta.runner.describe import MadeBy, plan_record, run_record
from fer_meta.runner.plan import Run, make_plan
from fer_meta.runner.settings import Setting
from fer_meta.runner.words import write_episodes, write_predictions
from fer_meta.suites.schema import Suite, read_suite

HERE = Path(__file__).parent
SUITE = HERE / "studies" / "methods.yaml"  # its 18 methods
READOUTS = ("ncm", "probe")  # beside each method's own answers
DATA_SETS, SEEDS, BACKBONES = 20, 5, ("conv4", "resnet12", "resnet18", "resnet50")
EPISODES = 10_000


def study(seeds: int = SEEDS, episodes: int = EPISODES, methods: int = 18) -> Suite:
    """One backbone's part of the study, or a smaller one of the same kind."""
    suite = read_suite(str(SUITE), "full", seeds=tuple(range(seeds)), readouts=READOUTS)
    return suite.model_copy(
        update={
            "sources": None,
            "search": None,
            "selection": ("source-val",),
            "methods": dict([*suite.methods.items()][-methods:]),
            "protocol": suite.protocol.model_copy(update={"episodes": episodes}),
        }
    )


def settings_of(suite: Suite, data_sets: int = DATA_SETS) -> list[Setting]:
    """Its sources and targets: rendered sets, of which nothing but the plan is made."""
    severities = np.linspace(0.1, 1, -(-data_sets // 2)).round(2).tolist()
    names = [
        domain_name(recipe, one) for one in severities for recipe in ("synthetic-wild", "synthetic-film")
    ]
    return cross(suite, [planned(name, size=suite.image_size) for name in names[:data_sets]])


def write_study(folder: Path, suite: Suite, settings: list[Setting], runs: int | None = None) -> int:
    """Fill `folder` with a plan of `runs` finished runs (None: all); returns their number."""
    plan = make_plan(suite, settings)[:runs]
    made_by = MadeBy("python benchmarks/planning.py")
    write_plan(folder, plan_record(suite, suite, settings, plan, {}, made_by))
    for setting in {setting.target.name: setting for setting in settings}.values():
        write_episodes(folder, setting)
    answers: dict[tuple, tuple[Path, str]] = {}
    for run in tqdm(plan, unit="run", leave=False, disable=None):
        setting, home = run.setting, folder / "runs" / run.id
        within = setting.source is setting.target
        key = run.model.key, setting.target.name, run.model.seed, within
        home.mkdir(parents=True, exist_ok=True)
        if key in answers:
            os.link(answers[key][0], home / ANSWERS)
        else:
            rng = np.random.default_rng(len(answers))
            parts, has_head = _answers(suite, run, within, rng)
            write_predictions(home / ANSWERS, parts, setting, has_head)
            answers[key] = home / ANSWERS, digest(home / ANSWERS)
        write_run(home, run_record(suite, run, made_by))
        write_json(home / DONE, {ANSWERS: answers[key][1], RUN: digest(home / RUN)})
        model = folder / "models" / run.model.id
        if run.model.config.steps and not model.exists():  # others are not trained
            write_history(model, history_made_up(run.model.config.steps, np.random.default_rng(0)))
    return len(plan)


def _answers(
    suite: Suite, run: Run, within: bool, rng: np.random.Generator
) -> tuple[Iterator[pd.DataFrame], bool]:
    """The answers of a run, and whether an own head is among them."""
    setting = run.setting
    names = [*registry.labels(run.model.key, run.model.config, suite.readouts)]
    heads = [name for name in names if is_own_head(name)]

    def parts() -> Iterator[pd.DataFrame]:
        for name in names:
            skill = 0.35 + 0.1 * within + 0.1 * rng.random()
            if name in heads:
                part = answer(setting, setting.test.rows, name, 0, skill, rng)
                yield part.assign(episode=0, selection="source-val")
                continue
            for shots, episodes in setting.episodes.items():
                rows = np.concatenate(episodes.queries)
                number = np.repeat(np.arange(len(episodes)), [len(one) for one in episodes.queries])
                part = answer(setting, rows, name, shots, skill + 0.1 * (shots > 1), rng)
                yield part.assign(episode=number, selection="source-val")

    return parts(), bool(heads)
