"""The page of a model on the hub: `README.md`, with the facts for machines at its top.

https://huggingface.co/docs/hub/model-cards
"""

from huggingface_hub import EvalResult, ModelCardData

from fer_meta.datasets.registry import CATALOGUE
from fer_meta.prediction.cautions import cautions
from fer_meta.records.model import ModelRecord
from fer_meta.records.origin import Origin, Tested
from fer_meta.report.formats.markdown import escaped
from fer_meta.sources import called, is_rendered, parts_of
from fer_meta.statistics.rounding import percent

ETHICS = (
    "An expression is not a feeling: people smile without joy, and one face means different things in"
    " different places. Do not use this model to judge people or to decide about them; in the European Union,"
    " reading emotions from faces is forbidden at work and in schools, with few exceptions (Regulation (EU)"
    " 2024/1689, Article 5)."
)

# Selections, the usual one first: which checkpoints they took.
_CHOSEN = {
    "source-val": "the source's validation chose, with which the model answers",
    "last": "the training ended with",
    "oracle": "the target's validation chose",
}


def card(repo: str, licence: str, record: ModelRecord, origin: Origin) -> str:
    """The page of the model in `repo` (user/name), in Markdown."""
    data = ModelCardData(
        license=licence,
        library_name="fer-meta",
        pipeline_tag="image-classification",
        tags=_tags(record, origin),
        datasets=[_on_hub(part) for part in parts_of(origin.source)] if origin.source else None,
        metrics=["accuracy"] if origin.tests else None,
        model_name=repo.partition("/")[2],
        eval_results=[_result(one, origin) for one in _shown(origin)] or None,
    )
    sections = [
        f"# {escaped(repo.partition('/')[2])}",
        _what(record, origin),
        f"## Use\n\n{_use(repo, record)}",
        f"## Training\n\n{_training(record, origin)}",
        f"## Accuracy\n\n{_accuracy(origin)}",
        f"## Limits\n\n{_limits(record, origin)}",
        f"## Ethics\n\n{ETHICS}",
    ]
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(sections) + "\n"


def _tags(record: ModelRecord, origin: Origin) -> list[str]:
    rendered = is_rendered(origin.source, origin.rendered)
    tags = ["facial-expression-recognition", "few-shot-learning", record.method, record.backbone]
    return [tag for tag in [*tags, "rendered-faces" if rendered else ""] if tag]


def _on_hub(data: str) -> str:
    """The name of a data set on the hub, if it is there."""
    spec = CATALOGUE.get(data)
    return spec.hub.repo if spec and spec.hub else data


def _shown(origin: Origin) -> list[Tested]:
    """The tests with the checkpoints that the model answers with: those that its source's validation chose,
    if the suite has this selection.
    """
    there = [one.selection for one in origin.tests]
    mine = next((word for word in _CHOSEN if word in there), None)
    return [one for one in origin.tests if one.selection == mine]


def _result(one: Tested, origin: Origin) -> EvalResult:
    interval = "" if one.ci95 is None else f"95 % interval ± {percent(one.ci95)}"
    name = ", ".join(filter(None, ("accuracy in %", one.experiment, _task(one), one.readout, interval)))
    return EvalResult(
        task_type="image-classification",
        task_name="facial expression recognition",  # huggingface_hub puts all of a data set under one task
        dataset_type=_on_hub(one.target),
        dataset_name=called(one.target, origin.rendered),
        dataset_split="test",
        metric_type="accuracy",
        metric_name=name,
        metric_value=round(100 * one.accuracy, 1),
    )


def _task(one: Tested) -> str:
    return f"{one.way}-way {one.shots}-shot" if one.shots else f"{one.way} classes, all test images"


def _value(one: Tested) -> str:
    interval = "" if one.ci95 is None else f" ± {percent(one.ci95)}"
    return f"{percent(one.accuracy)}{interval}"


def _what(record: ModelRecord, origin: Origin) -> str:
    network = f" with the network {escaped(record.backbone)}" if record.backbone else ""
    source = f" on {escaped(called(origin.source, origin.rendered))}" if origin.source else ""
    return (
        f"A model of facial expressions: {escaped(record.method)}{network}, trained{source} by"
        f" fer-meta. It takes face crops of {record.image_size} px and knows"
        f" {', '.join(map(escaped, record.classes))}; from a few labelled faces it learns other classes."
    )


def _use(repo: str, record: ModelRecord) -> str:
    return (
        "With fer-meta and its extras `hub` and `video` installed, and a folder that has a folder of labelled"
        " faces for each class:\n\n"
        f"```\nfer-meta predict photo.jpg --model hf:{repo} --support my-faces/\n```\n\n"
        "```python\nimport fer_meta as fm\n\n"
        f'table = fm.predict("hf:{repo}", "photo.jpg", support="my-faces")\n```\n\n'
        "The weights are safetensors; nothing in this repository is code."
    )


def _training(record: ModelRecord, origin: Origin) -> str:
    took = [
        (origin.steps, "steps"),
        (origin.images, "images, repeats counted"),
        (origin.seconds and round(origin.seconds), "seconds"),
    ]
    shape = f"{record.way}-way {record.shots}-shot" if record.way and record.shots else ""
    settings = ", ".join(
        f"{name} {value}" for name, value in record.config.items() if value not in ("", None)
    )
    rows = [
        ("data", escaped(called(origin.source, origin.rendered)) if origin.source else "not known"),
        ("command", escaped(origin.command)),
        ("commit of fer-meta", origin.commit or ""),
        ("version of fer-meta", origin.version),
        ("seed", str(record.seed)),
        ("episodes", shape),
        ("length", ", ".join(f"{number:,} {what}" for number, what in took if number)),
        ("precision", record.precision or ""),
        ("settings", escaped(settings)),
        ("name", escaped(record.id)),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows if value]
    return "\n".join(["| | |", "|---|---|", *lines])


def _accuracy(origin: Origin) -> str:
    if not _shown(origin):
        return "Not measured: this model was not trained by a bench."
    selection = _shown(origin)[0].selection
    rows = [
        f"| {escaped(' '.join(filter(None, (one.experiment, called(one.target, origin.rendered)))))}"
        f" | {escaped(one.readout)} | {_task(one)}"
        f" | {_value(one)} | {percent(one.chance)} |"
        for one in _shown(origin)
    ]
    return "\n".join(
        [
            "In %, of this training alone, with the 95 % interval over its test people and episodes. Another"
            " training with another seed ends elsewhere: the interval does not cover that. The checkpoints"
            f" are those that {_CHOSEN[selection]}.",
            "",
            "| tested on | read by | task | accuracy | chance |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _limits(record: ModelRecord, origin: Origin) -> str:
    rendered = is_rendered(origin.source, origin.rendered)
    lines = [
        *cautions(origin),
        *(["It was trained on rendered faces. On photographs it may be no better than chance."] * rendered),
        "It is as good as the table says on pictures like those that it was tested on, and usually worse on"
        " others: other cameras, ages, skin colours, head poses.",
        f"It expects faces that were found, turned and scaled to {record.image_size} px as fer-meta does it.",
    ]
    return "\n".join(f"- {line}" for line in lines)
