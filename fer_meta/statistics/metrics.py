"""How good predictions are: accuracy, recall by class, F1, calibration; and clips from their frames."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_meta.statistics.rounding import settled


@dataclass(frozen=True)
class Scores:
    """All in 0..1. `accuracy` is over all queries (weighted average recall, WAR).

    `uar` (unweighted average recall) is the mean of `recall`, which has an entry for each class that occurs
    in truth, by name. `macro_f1` is the mean F1 over the classes that occur in truth or among the
    predictions.
    """

    accuracy: float
    uar: float
    macro_f1: float
    recall: dict[str, float]


def scores(confusion: pd.DataFrame) -> Scores:
    """Scores of a table of counts, true (index) by predicted (columns), both of the same classes in the same
    order.

    Raises ValueError if it holds no count.

    >>> counts = pd.DataFrame([[8, 2], [1, 1]], ["anger", "fear"], ["anger", "fear"])
    >>> scores(counts).accuracy, scores(counts).uar
    (0.75, 0.65)
    """
    counts = confusion.to_numpy()
    asked, answered, right = counts.sum(1), counts.sum(0), np.diag(counts)
    if not asked.any():
        raise ValueError("no predictions to score; the table of counts is empty")
    known, occurring = asked > 0, asked + answered > 0
    recall = right[known] / asked[known]
    recall = dict(sorted(zip(confusion.index[known].astype(str), recall.tolist())))
    return Scores(
        accuracy=float(right.sum() / asked.sum()),
        uar=float(np.mean(list(recall.values()))),
        macro_f1=float((2 * right[occurring] / (asked + answered)[occurring]).mean()),
        recall=recall,
    )


def calibration_error(confidence, right, bins: int = 15) -> float:
    """Expected calibration error, 0..1: mean |accuracy - confidence| over `bins` bins of equal width,
    weighted by their queries.

    From the probabilities [N] of the predicted classes and whether each is right [N] (Naeini et al. 2015,
    AAAI). NaN where a confidence is NaN: the method gives no probabilities.

    >>> round(calibration_error([0.9, 0.9, 0.9, 0.9], [True, True, True, False]), 3)
    0.15
    """
    confidence, right = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    if not len(confidence) or np.isnan(confidence).any():
        return float("nan")
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(place, right - confidence, minlength=bins)).sum() / len(confidence))


def decide_clips(frames: pd.DataFrame) -> pd.DataFrame:
    """One row per clip, sorted, from one row per frame (`clip`, `label`, `predicted` and a column `p_<class>`
    for each class).

    Columns: `clip`, `label`, `frames` (int), `vote` (the class predicted for most frames; of tied classes the
    one with the larger mean probability, then the first by name) and `mean` (the class with the largest mean
    probability). Frames without a clip are left out. Raises ValueError if a clip has more than one label, or
    a class predicted has no column.
    """
    frames = frames[frames["clip"].notna()]
    columns = sorted(name for name in frames.columns if name.startswith("p_") and frames[name].notna().any())
    groups = frames.astype(dict.fromkeys(columns, float)).groupby("clip", sort=True, observed=True)
    labels = groups["label"]
    if (labels.nunique() > 1).any():
        name = labels.nunique().idxmax()
        raise ValueError(
            f"clip {name!r} has the labels"
            f" {', '.join(sorted(frames.loc[frames['clip'] == name, 'label'].unique()))}; a clip needs one"
            " label to be voted on"
        )
    classes = [name.removeprefix("p_") for name in columns]
    unknown = sorted(set(frames["predicted"]) - set(classes))
    if unknown:
        raise ValueError(
            f"no column p_{unknown[0]}; clips need the probability of each class that is predicted"
        )
    # equal means are equal, whatever the order of the frames
    mean = settled(groups[columns].mean().to_numpy())
    voted = frames["predicted"].astype(pd.CategoricalDtype(classes)).cat.codes.to_numpy()
    clip = groups.ngroup().to_numpy()
    votes = np.bincount(clip * len(classes) + voted, minlength=mean.size).reshape(mean.shape)
    # Half a probability is less than a vote: it decides between ties only.
    names = np.array(classes, dtype=object)
    return pd.DataFrame(
        {
            "clip": list(groups.groups),
            "label": labels.first().to_numpy(),
            "frames": groups.size().to_numpy(),
            "vote": names[(votes + mean / 2).argmax(1)] if len(mean) else [],
            "mean": names[mean.argmax(1)] if len(mean) else [],
        }
    )
