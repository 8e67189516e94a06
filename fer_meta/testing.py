"""What every method and every data set must do, as checks for its author. Each raises AssertionError, which
says what is wrong.

    from fer_meta.testing import check_method
    check_method(MyMethod, steps=1)
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fer_meta.datasets import shares, units
from fer_meta.datasets.base import INDEX_COLUMNS, SPLITS, DatasetSpec
from fer_meta.datasets.registry import NAME
from fer_meta.datasets.units import UNITS
from fer_meta.methods import registry
from fer_meta.methods.base import Episode, FewShotMethod, LabelledImages
from fer_meta.methods.readouts import Classifier, Context
from fer_meta.oneline import one_line
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import loop

CLASSES = ("anger", "happiness", "neutral")
PROTOCOL = Protocol(way=3, train=EpisodeShape(way=3, shots=2, queries=2))
SIZE = 32
TRAINED_STEPS = 12

# Builds the method under test, the same each time.
Build = Callable[[], FewShotMethod]


def build_method(
    method: type[FewShotMethod], protocol: Protocol = PROTOCOL, size: int = SIZE, **config
) -> FewShotMethod:
    """A method of CLASSES for images of `size` pixels, on the CPU, with the initial weights of seed 0.
    `config` goes to its Config; `steps` is 1 unless it says more, or 0 where there is no training.
    """
    settings = method.Config(**{"steps": int(method.trained), **config})
    return loop.build(method, settings, protocol, CLASSES, size, 0, torch.device("cpu"))


# For readouts that subtract the source's mean feature.
CENTRED = Context(centre=lambda: torch.zeros(()))


def an_episode(way=3, shots=2, queries=2, seed=0, dtype=torch.float32) -> Episode:
    """An episode of random images, its classes the first of CLASSES."""
    generator = torch.Generator().manual_seed(seed)
    support, query = (
        torch.randn(way * n, 3, SIZE, SIZE, generator=generator, dtype=dtype) for n in (shots, queries)
    )
    of_support, of_query = (torch.arange(way).repeat_interleave(n) for n in (shots, queries))
    return Episode(support, of_support, query, of_query, CLASSES[:way])


def check_method(method: type[FewShotMethod], **config) -> None:
    """Check a method on images of 32 x 32 pixels, 3-way and 2-shot, in seconds. `config` goes to its Config,
    a small backbone for instance.

    Raises SuiteError for a class that a bench would refuse, AssertionError for one that does something wrong.
    """
    registry.check_class(method, one_line(getattr(method, "__qualname__", repr(method)), 300))
    for check in METHOD_CHECKS if method.trained else METHOD_CHECKS_UNTRAINED:
        check(lambda: build_method(method, **config))


def check_dataset(spec: DatasetSpec, root: str | Path) -> None:
    """Check the index and the first image of each class of a data set that lies at `root`."""
    root = Path(root)
    assert NAME.fullmatch(spec.name), f"{spec.name!r}: only letters, digits, '.', '_', '-' and '@'"
    index, again = spec.scan(root), spec.scan(root)
    extra = (*units.COLUMNS, *shares.COLUMNS)
    columns = [column for column in index.columns if column not in extra]
    assert tuple(columns) == INDEX_COLUMNS, f"columns {columns}; use make_index"
    assert len(index), "no image"
    assert index.equals(again), "two scans give two indices; sort what a folder lists"
    assert not index["path"].duplicated().any(), "a path comes twice"
    assert not index["path"].isna().any() and not index["label"].isna().any(), "a path or a label is missing"
    unknown = sorted(set(index["label"]) - set(spec.vocabulary))
    assert not unknown, f"labels {unknown} are not in the vocabulary ({', '.join(spec.vocabulary)})"
    splits = sorted(set(index["split"].dropna()) - set(SPLITS))
    assert not splits, f"splits {splits}; there are {', '.join(SPLITS)}"
    for path in index.drop_duplicates("label")["path"]:
        image = np.asarray(spec.read(root, path))
        assert image.dtype == np.uint8, f"{path}: read as {image.dtype}; give uint8"
        assert image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4)), f"{path}: {image.shape}"


def each_image_gets_its_features(build: Build) -> None:
    method, images = build().eval(), an_episode().query
    with torch.no_grad():
        features = method.embed(images)
    assert isinstance(features, Tensor) and features.ndim >= 2 and len(features) == len(images), (
        f"`embed` gives {_shape(features)} for {len(images)} images; should be [images, ...]"
    )
    if method.vectors:
        assert features.ndim == 2, (
            f"`embed` gives {_shape(features)}; readouts read [images, features]: flatten them, or set"
            " `readouts = ()` and `vectors = False`"
        )


def a_query_gets_a_logit_for_each_class(build: Build) -> None:
    method, episode = build().eval(), an_episode()
    classifiers, query = _adapted(method, episode)
    assert classifiers, "`adapt` gives no classifier: name `readouts`, or write `own_classifiers`"
    unknown = sorted(set(classifiers) - set(type(method).labels()))
    assert not unknown, f"answers {unknown} have no name for tables: add them to `own`"
    for name, classify in classifiers.items():
        logits = classify(query)
        assert logits.shape == (6, 3), f"{name}: logits {tuple(logits.shape)}; should be [queries, way]"
        assert logits.isfinite().all(), f"{name}: a logit is not finite"


def many_episodes_at_once_are_answered_as_one_after_the_other(build: Build) -> None:
    method = build().double().eval()
    episodes = [an_episode(seed=seed, dtype=torch.float64) for seed in (0, 1)]
    with torch.no_grad():
        support = torch.stack([method.embed(one.support).unflatten(0, (3, 2)) for one in episodes])
        query = torch.stack([method.embed(one.query) for one in episodes])
    for name, logits in method.answer(support, query, [CLASSES] * 2, context=CENTRED).items():
        for place, episode in enumerate(episodes):
            classifiers, asked = _adapted(method, episode)
            one, other = logits[place], classifiers[name](asked)
            one, other = method.probabilities(name, one), method.probabilities(name, other)
            _same(one, other, f"{name}: `answer` and `adapt` differ", 1e-3)


def probabilities_add_to_one_and_name_the_class_of_the_largest_logit(build: Build) -> None:
    method = build().eval()
    classifiers, query = _adapted(method, an_episode(queries=8))
    for said in ("uncalibrated", "transductive_answers"):
        unknown = getattr(method, said) - set(type(method).labels())
        assert not unknown, f"`{said}` names answers that there are not"
    for name, classify in classifiers.items():
        logits = classify(query)
        shares = method.probabilities(name, logits)
        _same(shares.sum(1), torch.ones(len(shares)), f"{name}: probabilities do not add to one", 1e-4)
        chosen = logits.gather(1, shares.argmax(1, keepdim=True))[:, 0]
        _same(chosen, logits.amax(1), f"{name}: the largest probability is not the largest logit's", 1e-4)
        assert shares.min() >= 0, f"{name}: a probability below 0"


def a_query_is_classified_alike_whatever_the_other_queries_are(build: Build) -> None:
    """Inductive: with `batchnorm: eval` no query may lend its statistics to another. Answers that their
    method or readout calls transductive are left out.
    """
    method, episode = build().double().eval(), an_episode(queries=4, dtype=torch.float64)
    classifiers, query = _adapted(method, episode)
    with torch.no_grad():
        each = [method.embed(image.unsqueeze(0)) for image in episode.query]
    for name, classify in classifiers.items():
        if method.is_transductive(name):
            continue
        alone = torch.cat([classify(features) for features in each])
        message = f"{name}: a query's logits depend on the other queries; name it in `transductive_answers`"
        _same(alone, classify(query), message, 1e-6)


def adapting_to_a_task_leaves_the_method_as_it_was(build: Build) -> None:
    method, episode = build().eval(), an_episode()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    support, query = method.embed(episode.support).detach(), method.embed(episode.query).detach()
    for classify in method.adapt(support, episode.support_labels, CLASSES, CENTRED).values():
        classify(query)
    changed = [key for key, value in method.state_dict().items() if not torch.equal(value, before[key])]
    assert not changed, f"adapting to a task changed {changed[0]}"


def the_order_of_the_support_does_not_matter(build: Build) -> None:
    method, episode = build().double().eval(), an_episode(dtype=torch.float64)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        support, query = method.embed(episode.support), method.embed(episode.query)
        straight = method.adapt(support, episode.support_labels, CLASSES, CENTRED)
        shuffled = method.adapt(support[order], episode.support_labels[order], CLASSES, CENTRED)
        for name in straight:
            message = f"{name}: another order of the support gives other logits"
            _same(shuffled[name](query), straight[name](query), message, 1e-3)


def training_on_one_batch_lowers_its_loss(build: Build) -> None:
    method, episode = build().train(), an_episode()
    batch = episode if method.episodic else _labelled(episode)
    optimiser = torch.optim.Adam(method.parameters(), 1e-3)
    losses: list[float] = []
    while len(losses) < 2 or (losses[-1] > 0.8 * losses[0] and len(losses) < TRAINED_STEPS):
        loss, accuracy = _loss_and_accuracy(method, batch)
        assert 0 <= accuracy <= 1, f"the training accuracy is {float(accuracy)}; should be 0 to 1"
        optimiser.zero_grad()
        loss.backward()
        gradients = (weight.grad for weight in method.parameters())
        assert any(grad is not None and grad.abs().sum() > 0 for grad in gradients), "no weight is trained"
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] <= 0.8 * losses[0], (
        f"{len(losses)} steps on one batch: loss {losses[0]} to {losses[-1]}"
    )


def the_seed_fixes_the_initial_weights_and_spares_the_global_generator(build: Build) -> None:
    state = torch.get_rng_state()
    one, two = build().state_dict(), build().state_dict()
    assert torch.equal(state, torch.get_rng_state()), "building the method draws from the global generator"
    changed = [key for key, value in one.items() if not torch.equal(value, two[key])]
    assert not changed, f"{changed[0]} starts otherwise each time: use torch's generator"


METHOD_CHECKS: tuple[Callable[[Build], None], ...] = (
    each_image_gets_its_features,
    a_query_gets_a_logit_for_each_class,
    many_episodes_at_once_are_answered_as_one_after_the_other,
    probabilities_add_to_one_and_name_the_class_of_the_largest_logit,
    a_query_is_classified_alike_whatever_the_other_queries_are,
    adapting_to_a_task_leaves_the_method_as_it_was,
    the_order_of_the_support_does_not_matter,
    training_on_one_batch_lowers_its_loss,
    the_seed_fixes_the_initial_weights_and_spares_the_global_generator,
)

METHOD_CHECKS_UNTRAINED = tuple(
    check for check in METHOD_CHECKS if check is not training_on_one_batch_lowers_its_loss
)


def _labelled(episode: Episode) -> LabelledImages:
    """The queries of an episode, of which image i shows unit i alone."""
    units = torch.eye(len(episode.query), len(UNITS))
    return LabelledImages(episode.query, episode.query_labels, units=units)


def _loss_and_accuracy(method: FewShotMethod, batch: Episode | LabelledImages) -> tuple[Tensor, Tensor]:
    found = method.loss(batch)
    assert isinstance(found, tuple) and len(found) == 2, (
        f"`loss` gives {_shape(found)}; should be the pair (loss, accuracy)"
    )
    assert torch.as_tensor(found[0]).isfinite().all(), (
        f"the loss is {torch.as_tensor(found[0]).item()}; should be finite"
    )
    return found


def _shape(found: object) -> str:
    return f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"


@torch.no_grad()
def _adapted(method: FewShotMethod, episode: Episode) -> tuple[dict[str, Classifier], Tensor]:
    """The method's classifiers of an episode, each without gradients, and the features of its queries."""
    support, query = method.embed(episode.support), method.embed(episode.query)
    classifiers = method.adapt(support, episode.support_labels, episode.classes, CENTRED)
    return {name: torch.no_grad()(classify) for name, classify in classifiers.items()}, query


def _same(a: Tensor, b: Tensor, message: str, tolerance: float) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, msg=message, check_dtype=False)
