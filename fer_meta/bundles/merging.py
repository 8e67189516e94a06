"""Bundles of one suite that answered the same episodes, as one results folder."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from pydantic import ValidationError

from fer_meta.bundles.checking import Checked, check
from fer_meta.errors import ResultsError
from fer_meta.fileio import TEMPORARY, digest, naming, sync
from fer_meta.oneline import escaped, one_line
from fer_meta.records.answers import ANSWERS
from fer_meta.records.base import in_words
from fer_meta.records.episodes import read_episodes
from fer_meta.records.plan import Label, Plan, PlannedSearch, write_plan
from fer_meta.report.load import Results, Run, read_results
from fer_meta.report.sections.left_out import extended
from fer_meta.suites.folders import results_folder

HOMES = ("runs", "models", "episodes")


@dataclass(frozen=True)
class Imported:
    """A results folder that was written, and its plan. `twice`: runs that two bundles have, of which the
    first bundle's stay; `unlike`: those of them whose answers differ.
    """

    folder: Path
    plan: Plan
    bundles: list[Checked]
    twice: int
    unlike: int


def import_bundles(paths: Sequence[Path], out: Path) -> Imported:
    """Check bundles and write their runs and models into the results folder of their suite and preset in
    `out`. A folder that two of them have comes whole from the first.

    Raises ResultsError for a bundle with a fault, for two that cannot be merged, and if the folder is there
    already; then nothing is written.
    """
    with _in_place(out) as temporary:
        bundles = []
        for number, path in enumerate(paths):
            into = temporary / str(number)
            into.mkdir()
            bundles.append(check(path, into))
            bundles[-1].sound()
        plans = [(bundle, read_results(bundle.folder)) for bundle in bundles]
        for number, (bundle, results) in enumerate(plans):
            for earlier, theirs in plans[:number]:
                if wrong := differs(theirs, results):
                    raise ResultsError(f"{bundle.path} cannot be merged with {earlier.path}: {wrong}")
        plan = reduce(_with, plans[1:], Plan.model_validate(plans[0][1].plan))
        folder = _free(out, plan)
        whole = temporary / "whole"
        twice, unlike = _moved(bundles, whole)
        write_plan(whole, plan)
        os.replace(whole, folder)
        sync(out)
    return Imported(folder, plan, bundles, twice, unlike)


@contextmanager
def _in_place(out: Path) -> Iterator[Path]:
    """A temporary folder in `out`, which is there afterwards only if something was written into it."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        with naming(out), tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}-", dir=out) as temporary:
            yield Path(temporary)
    finally:
        with suppress(OSError):  # something is in it
            out.rmdir()


def _free(out: Path, plan: Plan) -> Path:
    folder = results_folder(out, plan.suite, plan.preset)
    if folder.parent != out or folder.name in ("", ".", "..") or "\\" in folder.name:
        raise ResultsError(f"{out}: the preset {plan.preset!r} of the bundle is no name of a folder")
    if folder.exists():
        raise ResultsError(
            f"{folder}: is there already; give another --out, or export it and import both into a new folder"
        )
    return folder


def _moved(bundles: Sequence[Checked], whole: Path) -> tuple[int, int]:
    """Put the folders of runs and models and the files of episodes together; how many runs two have, and how
    many of these answered otherwise. Raises ResultsError for two files of episodes of one name.
    """
    twice = unlike = 0
    for bundle in bundles:
        for home in HOMES:
            (whole / home).mkdir(parents=True, exist_ok=True)
            for path in sorted(bundle.folder.glob(f"{home}/*")):
                to = whole / home / path.name
                if not to.exists():
                    os.replace(path, to)
                elif home == "runs":
                    twice += 1
                    unlike += digest(path / ANSWERS) != digest(to / ANSWERS)
                elif home == "episodes" and not _same_episodes(path, to):
                    raise ResultsError(
                        f"{bundle.path} cannot be merged: its {escaped(path.name)} holds other episodes"
                    )
    return twice, unlike


def _same_episodes(one: Path, other: Path) -> bool:
    """Bytes may differ by the version of what wrote them."""
    return digest(one) == digest(other) or read_episodes(one)[0].equals(read_episodes(other)[0])


# what two bundles must share


def differs(one: Results, other: Results) -> str:
    """Why the runs of two results cannot stand in the same tables, in words; nothing if they can. They may
    have other methods, seeds and experiments.
    """
    for name in ("suite", "preset"):
        if one.plan[name] != other.plan[name]:
            return f"its {name} is {other.plan[name]}, not {one.plan[name]}"
    ours = {_place(run): run for run in one.runs}
    for run in other.runs:
        first = ours.get(_place(run))
        wrong = first and _differs_in(first, run)
        if wrong:
            return f"from {run.source} to {run.target} {wrong}"
    if one.plan["settings_hash"] != other.plan["settings_hash"]:
        return (
            "its settings are others (data sets, options, or version of fer-meta: settings hash"
            f" {other.plan['settings_hash'] or 'none'}, not {one.plan['settings_hash'] or 'none'})"
        )
    for name in ("vocabulary", "budget", "readings"):
        if one.plan[name] != other.plan[name]:
            return f"its {name} differs"
    return ""


def _place(run: Run) -> tuple:
    return run.experiment, run.source, run.target, run.fold


def _differs_in(one: Run, other: Run) -> str:
    for shots, path in one.episodes.items():
        if other.episodes.get(shots, path) != path:
            return f"it answered other {shots}-shot episodes ({other.episodes[shots]}, not {path})"
    for what, ours, theirs in zip(("trained", "tested"), one.fingerprints, other.fingerprints):
        if ours != theirs:
            return f"it was {what} on other images (fingerprint {theirs or 'none'}, not {ours or 'none'})"
    if named := sorted(
        name
        for name in {*one.protocol, *other.protocol}
        if one.protocol.get(name) != other.protocol.get(name)
    ):
        return f"its protocol differs in {one_line(', '.join(named), 100)}"
    if one.classes != other.classes or one.image_size != other.image_size:
        return "its classes or the size of its images differ"
    return ""


# the plan of all


def _with(plan: Plan, found: tuple[Checked, Results]) -> Plan:
    """A plan and that of one more bundle as one. Raises ResultsError if both have a run of the same place and
    seed that is not the same run.
    """
    bundle, results = found
    other = Plan.model_validate(results.plan)
    ids = {run.id for run in plan.runs}
    more = [run for run in other.runs if run.id not in ids]
    known = {(one.experiment, one.source, one.target, one.way): one for one in [*other.bayes, *plan.bayes]}
    methods, primary = {**other.methods, **plan.methods}, plan.primary or other.primary
    merged = plan.model_dump() | {
        "command": extended(
            plan.command, [run.model_dump() for run in plan.runs], [run.model_dump() for run in more]
        ),
        "rendered": _union(plan.rendered, other.rendered),
        "severity": {**_dumped(other.severity), **_dumped(plan.severity)},
        "bayes": [one.model_dump() for one in known.values()],
        "experiments": {
            **_dumped(plan.experiments),
            **_dumped(other.experiments),
            **_dumped(plan.experiments),
        },
        "divisions": _union(plan.divisions, other.divisions),
        "not_run": {name: why for name, why in plan.not_run.items() if name in other.not_run},
        "left_out": _union(plan.left_out, other.left_out),
        "seeds": sorted({*plan.seeds, *other.seeds}),
        "methods": {key: _union(plan.methods.get(key, []), other.methods.get(key, [])) for key in methods},
        "labels": _dumped(_labels(plan.labels, other.labels)),
        "primary": primary and primary.model_dump(),
        "search": _search(plan.search, other.search),
        "runs": [run.model_dump() for run in [*plan.runs, *more]],
    }
    try:
        return Plan.model_validate(merged)
    except ValidationError as error:
        raise ResultsError(
            f"{bundle.path} cannot be merged: {in_words(error)}, but trained or tested otherwise"
        ) from None


def _union(one: list, other: list) -> list:
    return list(dict.fromkeys([*one, *other]))


def _dumped(found: dict) -> dict:
    return {name: value.model_dump() for name, value in found.items()}


def _labels(one: dict[str, Label], other: dict[str, Label]) -> dict[str, Label]:
    """Those of `other` that are new come after the others in tables."""
    last = max((label.order for label in one.values()), default=0) // 100 * 100
    new = {name: label for name, label in other.items() if name not in one}
    return one | {name: label.model_copy(update={"order": last + label.order}) for name, label in new.items()}


def _search(one: PlannedSearch | None, other: PlannedSearch | None) -> dict | None:
    if one is None or other is None:
        found = one or other
        return found.model_dump() if found else None
    trials = {trial.model: trial for trial in [*other.trials, *one.trials]}
    return one.model_dump() | {"trials": [trial.model_dump() for trial in trials.values()]}
