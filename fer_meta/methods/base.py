"""What every method offers to training and to evaluation."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from fer_meta.errors import FerMetaError
from fer_meta.methods.labels import Label, colour_of
from fer_meta.methods.readouts import NO_CONTEXT, READOUTS, Classifier, Context, Tasks
from fer_meta.methods.settings import (
    MOST_STEPS,
    Decay,
    NetworkConfig,
    SupervisedConfig,
    TrainingConfig,
    TwoStageConfig,
)
from fer_meta.preprocessing import IMAGENET, Normalisation

# The settings are here too, so that a method finds all that it is made of in one module.
__all__ = [
    "MOST_STEPS",
    "Decay",
    "Episode",
    "FewShotMethod",
    "LabelledImages",
    "NetworkConfig",
    "SupervisedConfig",
    "TrainingConfig",
    "TwoStageConfig",
    "accuracy",
    "at_least_float32",
    "embed_episode",
]


class LabelledImages(NamedTuple):
    """A batch of a training without episodes: images [B, 3, H, W], normalised, and their labels [B] (int64);
    `added` [classes], if it is not 0, is added to the logits in training only. `units` [B, K] (float32), of a
    method that `needs_units`, is how strongly each action unit of `fer_meta.datasets.units.UNITS` is shown,
    0 to 1, NaN where that is unknown.
    """

    images: Tensor
    labels: Tensor
    added: Tensor | float = 0.0
    units: Tensor | None = None


@dataclass(frozen=True)
class Episode:
    """One task's pixels, normalised: support [way * shots, 3, H, W] and query [way * queries, 3, H, W], both
    in the order of their labels 0 .. way - 1 (int64); `classes` names each label.
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor
    classes: Sequence[str]


class FewShotMethod(nn.Module):
    """A method: how features are made, how a support set becomes a classifier, and what training minimises.

    Built as `Method(config, protocol, classes, image_size)`, where `classes` names the source's classes in
    the order of their labels.

    What a class says about itself:

    - `name`: what suites and folders call it, in small letters, digits and underscores; of a method of the
      package the name of its file. `label`: its name in tables; without one, that of the first of
      `own`. `Config`: its hyper-parameters, a subclass of
      TrainingConfig, or of SupervisedConfig where it is not `episodic`.
    - `episodic`: trained on episodes (`loss` gets an Episode), else on labelled images (LabelledImages); on
      first these and then those where its Config is a TwoStageConfig.
      `kind`: whose settings in `suites/presets.yaml` it takes; by default "episodic" or "supervised".
    - `needs_units`: trained on action units, so that its source must know them, and its training accuracy is
      that of units: how often each is rightly said to be shown, at half of its peak or more, or not.
    - `readouts`: the READOUTS that read its features where the suite names none. `vectors`: an image's
      features are one vector, so that a suite may name any. `any_way`: false if its own classifier has the
      ways of training, and answers no others. `own`: classifiers that it brings itself
      (`own_classifiers`), by the name of their answers -> their name in tables. `head_name`: which of these
      needs no support (`own_head`). `uncalibrated`: which of these give no probabilities.
      `transductive_answers`: which of these depend on the other queries of the episode.
    - `colours`: of its answers in plots (#RRGGBB), by their names; `order`: its place in tables.
    - `trained`: false for a network that is used as it is: it has no steps, and one checkpoint.
    - `shared_embedding`: a query's embedding does not depend on the episode, so that an image may be embedded
      once for all. `memory_format`: the layout its convolutions are fastest in. `normalisation`: what images
      are normalised by, its backbone's.
    """

    name: ClassVar[str]
    label: ClassVar[str] = ""
    Config: ClassVar[type[TrainingConfig]]
    kind: ClassVar[str] = ""
    episodic: ClassVar[bool] = True
    trained: ClassVar[bool] = True
    needs_units: ClassVar[bool] = False
    readouts: tuple[str, ...] = ("ncm", "probe")
    vectors: ClassVar[bool] = True
    any_way: ClassVar[bool] = True
    own: ClassVar[Mapping[str, str]] = {}
    head_name: ClassVar[str] = ""
    uncalibrated: ClassVar[frozenset[str]] = frozenset()
    transductive_answers: ClassVar[frozenset[str]] = frozenset()
    colours: ClassVar[Mapping[str, str]] = {}
    order: ClassVar[int] = 1000
    shared_embedding: ClassVar[bool] = True
    memory_format: torch.memory_format = torch.channels_last
    normalisation: Normalisation = IMAGENET

    @classmethod
    def read_by(cls, readouts: Sequence[str] | None) -> tuple[str, ...]:
        """Those of `readouts` that can read its features; where there is no such choice (None), its own."""
        if readouts is None:
            return cls.readouts
        return tuple(
            key for key in readouts if cls.vectors and (cls.head_name or not READOUTS[key].with_head)
        )

    @classmethod
    def labels(cls, readouts: Sequence[str] | None = None) -> dict[str, Label]:
        """What each of its answers is called in tables, by the answer's name on disk, if it is read by
        `readouts`.
        """
        first = next(iter(cls.own.values()), cls.name)
        label = cls.label or first.partition(" (")[0]  # one name in all tables
        read = {cls.read_as(key): f"{label} ({READOUTS[key].label})" for key in cls.read_by(readouts)}
        return {
            answer: Label(text, cls.colours.get(answer) or colour_of(answer), cls.order + place)
            for place, (answer, text) in enumerate({**cls.own, **read}.items())
        }

    @classmethod
    def answers(cls, config: TrainingConfig) -> tuple[str, ...]:
        """The names of the answers that a training with `config` may give."""
        return tuple(cls.labels())

    @classmethod
    def read_as(cls, readout: str) -> str:
        """The name on disk of the answers of one of its `readouts`."""
        return f"{cls.name.replace('_', '-')}-{readout}"

    @classmethod
    def is_calibrated(cls, answer: str) -> bool:
        """Whether the probabilities of these answers mean anything."""
        return answer not in cls.uncalibrated and all(
            one.calibrated for key, one in READOUTS.items() if cls.read_as(key) == answer
        )

    @classmethod
    def is_transductive(cls, answer: str) -> bool:
        """Whether these answers to a query depend on the other queries of the episode."""
        return answer in cls.transductive_answers or any(
            one.transductive for key, one in READOUTS.items() if cls.read_as(key) == answer
        )

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] -> features [B, ...], given to `adapt` and to its classifiers."""
        raise NotImplementedError

    def adapt(
        self, support: Tensor, labels: Tensor, classes: Sequence[str], context: Context = NO_CONTEXT
    ) -> dict[str, Classifier]:
        """Features [way * shots, ...] and labels 0 .. way - 1 (int64) of a support set -> a classifier for
        each kind of answer, by its name; none for readouts on pixels. `classes` names the labels. What is
        costly is left to the classifier: not all of them are always called.
        """

        def read(key: str) -> Classifier:
            def classify(query: Tensor) -> Tensor:
                tasks = self._tasks(support[None], labels, query[None], [classes], context)
                return READOUTS[key].answer(tasks)[0]

            return classify

        has_head = self.own_head(classes) is not None
        readers = {
            self.read_as(key): read(key)
            for key in self.readouts
            if not READOUTS[key].on_pixels and (has_head or not READOUTS[key].with_head)
        }
        return {**self.own_classifiers(support, labels, classes), **readers}

    def own_classifiers(
        self, support: Tensor, labels: Tensor, classes: Sequence[str]
    ) -> dict[str, Classifier]:
        """As `adapt`, the classifiers that the method brings itself: the own head, unless it says more."""
        head = self.own_head(classes)
        return {self.head_name: head} if head else {}

    def answer(
        self,
        support: Tensor,
        query: Tensor,
        classes: Sequence[Sequence[str]],
        answers: Collection[str] | None = None,
        context: Context = NO_CONTEXT,
    ) -> dict[str, Tensor]:
        """Features of E episodes, support [E, way, shots, ...] and query [E, Q, ...], and the names of each
        one's classes -> logits [E, Q, way] of each kind of answer, or only of those in `answers`.
        """
        own, read = self.own_answers(support, query, classes, answers), {}
        wanted = self.readouts if answers is None else [k for k in READOUTS if self.read_as(k) in answers]
        if wanted:
            labels = _labels(support)
            tasks = self._tasks(support.flatten(1, 2), labels, query, classes, context)
            read = {
                self.read_as(key): READOUTS[key].answer(tasks)
                for key in wanted
                if tasks.own_head or not READOUTS[key].with_head
            }
        return {**own, **read}

    def own_answers(
        self,
        support: Tensor,
        query: Tensor,
        classes: Sequence[Sequence[str]],
        answers: Collection[str] | None = None,
    ) -> dict[str, Tensor]:
        """As `answer`, what the method's own classifiers say: here one episode after the other by
        `own_classifiers`; a method that can do many at once says how.
        """
        labels = _labels(support)
        found = [
            {
                name: classify(queries)
                for name, classify in self.own_classifiers(images.flatten(0, 1), labels, names).items()
                if answers is None or name in answers
            }
            for images, queries, names in zip(support, query, classes)
        ]
        return {name: torch.stack([one[name] for one in found]) for name in found[0]}

    def _tasks(self, support: Tensor, labels: Tensor, query: Tensor, classes, context: Context) -> Tasks:
        """What readouts read; features that are no vectors are an error here."""
        if query.dim() != 3:
            raise FerMetaError(
                f"method {self.name!r}: its features of an image are {query.dim() - 2} dimensional, and"
                " readouts need one vector; flatten them in `embed`, or set `readouts = ()` and `vectors ="
                " False`"
            )
        heads = [self.own_head(names) for names in classes]

        def head_logits() -> Tensor:
            return torch.stack([head(one) for head, one in zip(heads, query) if head])

        own_head = head_logits if all(heads) else None
        return Tasks(support, labels, query, len(classes[0]), context, self, own_head)

    def own_head(self, classes: Sequence[str]) -> Classifier | None:
        """A classifier of `classes` that needs no support, if training made one and knows them all."""
        return None

    def probabilities(self, answer: str, logits: Tensor) -> Tensor:
        """Logits [..., way] of one of its classifiers -> float32 shares that sum to 1, by softmax unless a
        method knows better.
        """
        return logits.float().softmax(-1)

    def loss(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The training loss and the training accuracy (both scalars) of one Episode, or of one batch of
        LabelledImages. The loss of a step of several episodes is the mean of theirs.
        """
        raise NotImplementedError


def _labels(support: Tensor) -> Tensor:
    """Of a support [E, way, shots, ...] whose images are put in one row: [way * shots]."""
    way, shots = support.shape[1:3]
    return torch.arange(way, device=support.device).repeat_interleave(shots)


def embed_episode(method: FewShotMethod, episode: Episode) -> tuple[Tensor, Tensor]:
    """Support and query features from one pass, so that BatchNorm in training sees the whole task."""
    features = method.embed(torch.cat([episode.support, episode.query]))
    return features.split([len(episode.support), len(episode.query)])


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in float32 where it is of half precision (autocast), else as it is: losses are added up
    in no less.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of rows whose largest logit is the label's (a scalar)."""
    return (logits.argmax(1) == labels).float().mean()
