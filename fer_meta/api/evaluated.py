"""A trained model in fixed test episodes."""

from functools import partial
from typing import Literal

import pandas as pd
from tqdm import tqdm

from fer_meta.api.divided import classes_of, domain_of, in_one_line, without_suite
from fer_meta.api.trained import TrainedModel
from fer_meta.datasets.cache import CachedFaces
from fer_meta.device import precision_on
from fer_meta.errors import DatasetError, ProtocolError
from fer_meta.evaluation.answers import Shown, answer_episodes, embedder
from fer_meta.evaluation.contexts import contexts
from fer_meta.evaluation.features import features_once
from fer_meta.evaluation.scores import score
from fer_meta.streams import unwatched
from fer_meta.tasks.episodes import draw
from fer_meta.tasks.pools import Pool, divide, needed, restrict
from fer_meta.tasks.protocol import Protocol

EPISODE_SEED = "evaluation/0"
"""The test episodes are those of a bench: the same for every model and seed."""

SHOWN = ["accuracy", "low", "high", "chance", "episodes", "tested_on", "transductive"]


def evaluate(
    model: TrainedModel,
    faces: CachedFaces,
    *,
    way: int = 5,
    shots: int = 5,
    queries: int = 15,
    episodes: int = 600,
    disjoint: Literal["image", "clip", "subject"] = "clip",
) -> pd.DataFrame:
    """The accuracy of each readout of `model` in fixed test episodes of `faces`: one row per readout.

    `accuracy` (0 to 1) with `low` and `high`, its 95 % interval over people (else clips, else images) and
    episodes, supports included; `chance`; `episodes`; `tested_on`: how many people (clips, images) are in the
    queries; `transductive`: whether an answer may use the other queries of its episode. The episodes are
    drawn from the test split, without images that `model` was trained on, and are the same for every model.
    Raises ProtocolError if there are too few images.
    """
    with in_one_line("evaluate"):
        # The source is divided as it was for the training, however many shots are tested now.
        protocol = Protocol(
            way=way,
            shots=(shots,),
            queries=queries,
            episodes=episodes,
            disjoint=disjoint,
            train=model.protocol.train,
            validation=model.protocol.validation,
        )
    pool = test_pool(model, faces, protocol)
    drawn = draw(pool, protocol.test_shape(shots), episodes, EPISODE_SEED)
    shown = Shown(faces.images, pool)
    found: dict[str, dict] = {}
    for step in sorted(set(model.selected.values())):
        readouts = [name for name, picked in model.selected.items() if picked == step]
        method = model.load(readouts[0])
        precision = precision_on(model.config.precision, model.device)
        features = features_once(method, model.device, precision)
        seen = shown, shown, protocol.batchnorm, model.device, features, precision
        embed, more = embedder(method, *seen), contexts(method, _trained_on(model), *seen)
        with tqdm(
            total=episodes, desc="evaluate", dynamic_ncols=True, leave=False, disable=unwatched()
        ) as bar:
            answers = answer_episodes(
                method,
                embed,
                pool,
                pool,
                drawn,
                protocol.batchnorm,
                partial(_show, bar),
                readouts=readouts,
                contexts=more,
            )
            for name, scores in score(answers, drawn, pool, faces.index).items():
                found[name] = {**scores, "chance": 1 / way, "transductive": method.is_transductive(name)}
    rows = {name: found[name] for name in model.selected if name in found}
    return pd.DataFrame.from_dict(rows, orient="index", columns=SHOWN)


def test_pool(model: TrainedModel, faces: CachedFaces, protocol: Protocol) -> Pool:
    """The test images of `faces` for `model`: of its classes, none trained on."""
    if (size := model.source.images.shape[1]) != faces.images.shape[1]:
        raise DatasetError(f"{faces.name}: the model was trained at {size} pixels; load it with size={size}")
    both = [model.source] if faces.content == model.source.content else [model.source, faces]
    if len({one.name for one in both}) < len(both):
        raise DatasetError(
            f"{faces.name}: another data set of this name was trained on; load it under another name"
        )
    classes, source = classes_of(*both), model.source.name
    target = both[-1].name
    with without_suite():
        test = divide(both, protocol, classes, [source], [target], pools=["test"])[target].test
        if test is None:
            raise ProtocolError(f"{faces.name}: has no test images; give the data set a test split")
        return restrict(test, model.classes, faces.index, protocol.way)


def _trained_on(model: TrainedModel) -> Shown:
    train = needed(domain_of(model.source, model.protocol, "train").train)
    return Shown(model.source.images, train)


def _show(bar: tqdm, done: int, accuracy: float) -> None:
    bar.update(done - bar.n)
