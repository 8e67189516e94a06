"""What must be said before all else of a model that may be worth nothing: where it is uploaded, and where it
answers.
"""

from pathlib import Path

from fer_meta.errors import ResultsError
from fer_meta.prediction.stored import StoredModel
from fer_meta.records.origin import ORIGIN, Origin, read_origin
from fer_meta.records.plan import PLAN, read_plan
from fer_meta.report.load import read_results
from fer_meta.statistics.failed import is_judged
from fer_meta.suites.smoke import smoke_note


def cautions(origin: Origin) -> list[str]:
    """What an upload says: that the model is worth nothing, or that nobody knows."""
    lines = worthless(origin)
    if origin.steps and origin.learned is None:
        lines.append(
            "It was not judged whether its training learned: the log is too short, or it does not say what a"
            " guess would score."
        )
    return lines


def worthless(origin: Origin) -> list[str]:
    """Why the answers of a model are known to be worth nothing; [] if that is not known."""
    lines = [smoke_note(origin.preset)]
    if origin.learned is False:
        lines.append("Its training did not learn: in training it was no better than a guess.")
    return [line for line in lines if line]


def cautions_of(model: StoredModel) -> list[str]:
    """`worthless` of a stored model, by what its folder says or the results folder that it lies in. Raises
    ResultsError if the plan or the origin is damaged.
    """
    if (model.folder / ORIGIN).exists():
        return worthless(read_origin(model.folder))
    results = results_of(model)
    if results is None:
        return []
    try:
        did = learned(results, model.record.id)
    except ResultsError:  # it can answer before it is tested
        did = None
    return worthless(Origin(preset=read_plan(results).preset, learned=did))


def results_of(model: StoredModel) -> Path | None:
    """The results folder that a model lies in; None for one that is elsewhere."""
    models = model.folder.absolute().parent
    return models.parent if models.name == "models" and (models.parent / PLAN).exists() else None


def learned(results: Path, model: str) -> bool | None:
    """Whether the training of a model (its id) did; None if that is not judged. Raises ResultsError as
    `read_results` does.
    """
    found = read_results(results, models=[model])
    run = found.runs[0]
    return run.failed is None if is_judged(found.logs[model], run.training_chance) else None
