"""Which files of a results folder are in a bundle, and what they say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from fer_meta.records.answers import ANSWERS
from fer_meta.records.bundle import Facts
from fer_meta.records.history import HISTORY
from fer_meta.records.model import MODEL
from fer_meta.records.plan import PLAN
from fer_meta.records.run import RUN
from fer_meta.records.seals import DONE, FAILED
from fer_meta.report.load import Results
from fer_meta.sources import PLUS

WEIGHTS = "checkpoints/"


def files_of(results: Results, weights: bool) -> list[str]:
    """The files of the finished runs of the plan and of their models, with those that a search tried."""
    return sorted(dict.fromkeys(_files_of(results, weights)))


def _files_of(results: Results, weights: bool) -> Iterator[str]:
    yield PLAN
    for run in results.runs:
        yield from (f"runs/{run.id}/{name}" for name in (RUN, ANSWERS, DONE))
        yield from run.episodes.values()
    for model in models_of(results):
        home = results.folder / "models" / model
        there = [home / name for name in (MODEL, HISTORY, DONE, FAILED)]
        there += home.glob(f"{WEIGHTS}*.safetensors") if weights else []
        yield from (path.relative_to(results.folder).as_posix() for path in there if path.is_file())


def models_of(results: Results) -> list[str]:
    """Those of the finished runs, and the trials of a search."""
    trials = (results.plan.get("search") or {}).get("trials", [])
    return list(dict.fromkeys([*(run.model for run in results.runs), *(one["model"] for one in trials)]))


def facts(results: Results) -> Facts:
    """What the manifest says of finished runs."""
    plan, runs = results.plan, results.runs
    trained, tested = defaultdict(list), defaultdict(list)
    for run in runs:
        trained[run.source].append(run.fingerprints[0])
        tested[run.target].append(run.fingerprints[1])
    return Facts(
        **{
            name: plan[name]
            for name in ("suite", "title", "preset", "command", "suite_hash", "settings_hash")
        },
        methods=_each(run.method for run in runs),
        sources=_each(run.source for run in runs),
        targets=_each(run.target for run in runs),
        seeds=sorted({run.seed for run in runs}),
        runs=len(runs),
        missing=[run["id"] for run, _ in results.missing],
        trained_on={name: sorted(_each(found)) for name, found in trained.items()},
        tested_on={name: sorted(_each(found)) for name, found in tested.items()},
        commits=sorted(_each(run.made_by["commit"] for run in runs)),
        versions=sorted(_each(run.made_by["versions"] for run in runs)),
    )


def photographed(found: Facts, rendered: Iterable[str]) -> list[str]:
    """The data sets that are not rendered: an agreement may say what of them may be handed out."""
    names = {part for name in (*found.sources, *found.targets) for part in name.split(PLUS)}
    return sorted(names - {*rendered})


def _each(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, texts)))
