"""What a model answers to faces, and which faces of the support are most like them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fer_meta.device import autocast, precision_on
from fer_meta.errors import FerMetaError
from fer_meta.evaluation.features import EMBED_BATCH
from fer_meta.methods.base import FewShotMethod
from fer_meta.methods.readouts import READOUTS
from fer_meta.prediction.pictures import Picture
from fer_meta.prediction.stored import StoredModel
from fer_meta.prediction.support import Support
from fer_meta.preprocessing import normalise
from fer_meta.spelling import offered

NEAREST = 3


def readouts_of(model: StoredModel, support: Support | None) -> list[str]:
    """The readouts that can answer: without a support the own head alone. With one, all that look at one
    picture at a time, and at nothing but features: first those whose probabilities mean something, and of
    these the method's own.
    """
    method = model.method
    if support is None:
        return [method.head_name] if method.own_head(model.record.classes) else []
    own = [name for name in model.own if name != method.head_name and not method.is_transductive(name)]
    names = [*own, *map(method.read_as, method.readouts)]
    return sorted(names, key=lambda name: not method.is_calibrated(name))


def chosen(model: StoredModel, support: Support | None, readout: str | None) -> str:
    """The readout by its name in results, or, as `ncm`, by that of READOUTS; the first without one. Raises
    FerMetaError if it cannot answer.
    """
    method, there = model.method, readouts_of(model, support)
    if not there:
        lack = (
            "has no head of its own" if support is None else "needs more than the features of a support set"
        )
        raise FerMetaError(f"method {method.name!r} {lack}: it cannot answer so; take another model")
    if readout is None:
        return there[0]
    name = method.read_as(readout) if readout in READOUTS else readout
    if name not in there:
        can = f"those that can: {', '.join(there)}"
        raise FerMetaError(f"the readout {readout!r} cannot answer here{offered(readout, there, can)}")
    return name


def answer(
    model: StoredModel, pictures: Sequence[Picture], support: Support | None, readout: str
) -> pd.DataFrame:
    """What one of `readouts_of` answers, one row per picture: `file`, `frame`, `time`; `label` and
    `confidence`, the largest of the probabilities `p_<class>`; `nearest`, the support faces whose features
    have the smallest angle to its own, with their cosine; and `fault`, why there is no answer.
    """
    method = model.load(readout)
    classes = support.classes if support else tuple(model.record.classes)
    faces = {number: one.face for number, one in enumerate(pictures) if one.face is not None}
    rows = list(faces)
    table = pd.DataFrame(
        {
            "file": [one.name for one in pictures],
            "frame": pd.array([one.frame for one in pictures], dtype="Int64"),
            "time": [np.nan if one.time is None else one.time for one in pictures],
            "label": None,
            "confidence": np.nan,
            **{f"p_{name}": np.nan for name in classes},
            "nearest": "",
            "fault": [one.fault for one in pictures],
        }
    )
    if not rows:
        return table
    shares, nearest = _answers(model, method, np.stack(list(faces.values())), support, readout, classes)
    table.loc[rows, "label"] = [classes[number] for number in shares.argmax(1)]
    table.loc[rows, "confidence"] = shares.max(1)
    table.loc[rows, [f"p_{name}" for name in classes]] = shares
    table.loc[rows, "nearest"] = nearest
    return table


@torch.no_grad()
def _answers(
    model: StoredModel,
    method: FewShotMethod,
    faces: np.ndarray,
    support: Support | None,
    readout: str,
    classes: Sequence[str],
) -> tuple[np.ndarray, list[str]]:
    """Probabilities [N, way] and the nearest support faces in words; part after part of the pictures."""
    precision, shares, nearest = (
        precision_on(model.record.config.get("precision", "auto"), model.device),
        [],
        [],
    )

    def embed(images: np.ndarray) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(model.device)
        with autocast(precision, model.device):
            return method.embed(normalise(pixels, method.normalisation)).float()

    known = None if support is None else embed(support.images)
    labels = None if support is None else torch.from_numpy(support.labels).to(model.device)
    for start in range(0, len(faces), EMBED_BATCH):
        features = embed(faces[start : start + EMBED_BATCH])
        if support is None or known is None or labels is None:
            logits = method.own_head(classes)(features)  # type: ignore[misc]
            nearest += [""] * len(features)
        else:
            logits = method.adapt(known, labels, classes)[readout](features)
            # Features of an episode of its own say nothing of another: methods that adapt see pixels here.
            near = (
                _nearest(features, known, support.names) if method.shared_embedding else [""] * len(features)
            )
            nearest += near
        shares.append(method.probabilities(readout, logits).cpu().numpy())
    return np.concatenate(shares), nearest


def _nearest(features: Tensor, known: Tensor, names: Sequence[str]) -> list[str]:
    cosines = (
        torch.nn.functional.normalize(features.flatten(1)) @ torch.nn.functional.normalize(known.flatten(1)).T
    )
    values, places = cosines.topk(min(NEAREST, len(names)))
    return [
        "; ".join(f"{names[place]} {value:.2f}" for place, value in zip(row.tolist(), found.tolist()))
        for row, found in zip(places, values)
    ]
