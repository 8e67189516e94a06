"""What a bench says of its budget, and of what each training took."""

from collections.abc import Sequence

from fer_meta.methods import registry
from fer_meta.records.run import Trained
from fer_meta.runner.plan import Run
from fer_meta.training.batches import images_seen
from fer_meta.training.budget import Budget


def budget_lines(budget: Budget | None, runs: Sequence[Run]) -> list[str]:
    """The budget of every training and, for images, the steps of each method and source."""
    if budget is None:
        return []
    if budget.images is None:
        return [f"budget: {budget.seconds:g} seconds of each training, without validation"]
    lines = [f"budget: {budget.images:,} images in each training"]
    for model in {run.model.id: run.model for run in runs}.values():
        if not model.config.steps:
            continue
        seen = images_seen(registry.load(model.method), model.config, model.train, model.protocol)
        steps, rest = _counted(model.config.steps, "step"), _rest(seen, budget.images)
        lines.append(f"  {model.key} on {model.source.name}: {steps}, {seen:,} images{rest}")
    return list(dict.fromkeys(lines))


def trained_in_words(trained: Trained, budget: Budget | None) -> str:
    """What a training took: images, steps and seconds, and how far it is from a budget of images."""
    parts = []
    if trained.images is not None:
        rest = _rest(trained.images, budget.images) if budget and budget.images else ""
        parts.append(f"{_counted(trained.images, 'image')} seen{rest}")
    parts.append(_counted(trained.steps, "step"))
    if trained.seconds is not None:
        parts.append(f"{trained.seconds:.1f} s of training")
    return ", ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _rest(seen: int, budget: int) -> str:
    """(12 more than the budget); nothing where it is met."""
    if seen == budget:
        return ""
    return f" ({abs(seen - budget):,} {'more' if seen > budget else 'fewer'} than the budget)"
