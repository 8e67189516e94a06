"""Which images train, which choose the checkpoint, and which are tested on."""

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from fer_meta.tasks.protocol import Protocol

# Splits belong to the data, not to a run: they do not move with the run's seed.
SPLIT_SEED = 0
FOLDS = 10


def assign_splits(index: pd.DataFrame, protocol: Protocol) -> np.ndarray:
    """`train`, `val` or `test` for each row of `index` ([N] array of str).

    Official splits are kept. Where val is missing it is carved out of train; where there is no split at all, the images are
    divided by `protocol.split`. Both are stratified by label and keep a person (else a clip, else identical images)
    on one side.
    """
    split = index["split"].astype(object).where(index["split"].notna(), None).to_numpy(copy=True)
    unassigned = np.array([s is None for s in split])
    if unassigned.any():
        train, val, _ = (round(FOLDS * share) for share in protocol.split)
        fold = _folds(index[unassigned])
        split[unassigned] = np.where(fold < train, "train", np.where(fold < train + val, "val", "test"))
    if not (split == "val").any() and (split == "train").any():
        train = split == "train"
        fold = _folds(index[train])
        carved = max(1, round(FOLDS * protocol.carve))
        split[np.flatnonzero(train)[fold < carved]] = "val"
    return split.astype(str)


def _folds(index: pd.DataFrame) -> np.ndarray:
    """A fold number below `FOLDS` for each row; a group is never divided."""
    group = index["subject"].fillna(index["clip"]).fillna(index["digest"]).to_numpy()
    labels = index["label"].to_numpy()
    fold = np.empty(len(index), dtype=int)
    splitter = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=SPLIT_SEED)
    with warnings.catch_warnings():
        # A class with fewer members than folds is spread as far as it goes; pools exclude or refuse it later, by name.
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, rows) in enumerate(splitter.split(labels, labels, group)):
            fold[rows] = number
    return fold
