"""Which images train, which choose the checkpoint, and which are tested on."""

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from fer_meta.errors import ProtocolError
from fer_meta.tasks.protocol import Protocol

# Splits belong to the data, not to a run: they do not move with the run's seed.
SPLIT_SEED = 0
FOLDS = 10


def assign_splits(index: pd.DataFrame, protocol: Protocol) -> np.ndarray:
    """`train`, `val` or `test` for each row of `index` ([N] array of str).

    Official splits are kept. Where val is missing it is carved out of train, unless `carve` is 0; where there is no split at all, the images are
    divided by `protocol.split`. Both are stratified by label and keep a person (else a clip, else identical images)
    on one side. Raises ProtocolError for fewer than three such groups.
    """
    split = index["split"].astype(object).where(index["split"].notna(), None).to_numpy(copy=True)
    unassigned = np.array([s is None for s in split], dtype=bool)
    if unassigned.any():
        fold, folds = _folds(index[unassigned])
        # Each gets a fold at least: of four people, shares of 0.4, 0.2 and 0.4 would leave none for val.
        train, val = (max(1, round(share * folds)) for share in protocol.split[:2])
        train = min(train, folds - 2)
        val = min(val, folds - 1 - train)
        split[unassigned] = np.where(fold < train, "train", np.where(fold < train + val, "val", "test"))
    train = split == "train"
    if train.any() and protocol.carve and not (split == "val").any():
        fold, folds = _folds(index[train])
        # At least the first fold, however small the share.
        split[np.flatnonzero(train)[(fold == 0) | (fold + 0.5 < protocol.carve * folds)]] = "val"
    return split.astype(str)


def _folds(index: pd.DataFrame) -> tuple[np.ndarray, int]:
    """The fold of each row, from 0, and how many there are: equal within a group and spread evenly over each class."""
    group = index["subject"].fillna(index["clip"]).fillna(index["digest"]).to_numpy()
    labels = index["label"].to_numpy()
    folds = min(FOLDS, len(set(group)), index["label"].value_counts().max())
    if folds < 3:
        raise ProtocolError(
            f"{len(index)} images of {len(set(group))} people (or clips, or distinct images) are too few to divide into train, val "
            "and test; give the data set folders train/, val/ and test/"
        )
    fold = np.empty(len(index), dtype=int)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=SPLIT_SEED)
    with warnings.catch_warnings():
        # A class with fewer members than folds is spread as far as it goes; pools exclude or refuse it later, by name.
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, rows) in enumerate(splitter.split(labels, labels, group)):
            fold[rows] = number
    return fold, folds
