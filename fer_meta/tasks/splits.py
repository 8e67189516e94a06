"""Which images train, which choose the checkpoint, and which are tested on."""

import warnings
from functools import lru_cache

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from fer_meta.datasets.base import copies_of
from fer_meta.errors import ProtocolError
from fer_meta.tasks.protocol import Protocol
from fer_meta.words import people

# Splits belong to the data, not to a run: they do not move with the run's seed.
SPLIT_SEED = 0
FOLDS = 10


def assign_splits(
    index: pd.DataFrame, protocol: Protocol, trained: bool = True, validated: bool = True
) -> np.ndarray:
    """`train`, `val` or `test` for each row of `index` ([N] array of str).

    Official splits are kept. Images without a split are divided by `protocol.split`; if the data set is never
    `trained` on, all of them are test, less the share of val if it is `validated` on (by the oracle). A val
    that is needed and missing is carved out of train, or out of test where there is no train, unless `carve`
    is 0. All are stratified by label and keep a person (else a clip, else identical images) on one side.
    Raises ProtocolError for fewer such groups than parts.
    """
    split = index["split"].astype(object).where(index["split"].notna(), None).to_numpy(copy=True)
    unassigned = np.array([s is None for s in split], dtype=bool)
    if unassigned.any():
        split[unassigned] = _divided(index[unassigned], protocol, trained, validated)
    if protocol.carve and (trained or validated) and len(split) and not (split == "val").any():
        rows = np.flatnonzero(split == ("train" if (split == "train").any() else "test"))
        fold, folds = _folds(index.iloc[rows], 2)
        # At least the first fold, however small the share.
        split[rows[(fold == 0) | (fold + 0.5 < protocol.carve * folds)]] = "val"
    return split.astype(str)


def _divided(index: pd.DataFrame, protocol: Protocol, trained: bool, validated: bool) -> np.ndarray:
    """The split of images that have none."""
    if not (trained or validated):
        return np.full(len(index), "test", dtype=object)
    fold, folds = _folds(index, 3 if trained else 2)
    assert isinstance(protocol.split, tuple)  # cross-validation gives each image its split
    # Each gets a fold at least: of four people, shares of 0.4, 0.2 and 0.4 would leave none for val.
    train, val = (max(1, round(share * folds)) for share in protocol.split[:2])
    train = min(train, folds - 2) if trained else 0
    val = min(val, folds - 1 - train)
    return np.where(fold < train, "train", np.where(fold < train + val, "val", "test"))


def _folds(index: pd.DataFrame, parts: int) -> tuple[np.ndarray, int]:
    """The fold of each row, from 0, and how many there are: equal within a group and spread evenly over each
    class.

    Raises ProtocolError for fewer than `parts` of them.
    """
    groups = len(set(groups_of(index)))
    folds = min(FOLDS, groups, index["label"].value_counts().max())
    if folds < parts:
        raise ProtocolError(
            f"{len(index)} images of {people(groups)} (or clips, or distinct images) are too few to divide"
            f" into {parts} parts (train, val, test); give the data set folders train/, val/ and test/"
        )
    return stratified_folds(index, folds), folds


def groups_of(index: pd.DataFrame) -> np.ndarray:
    """The person on each image, else its clip, else its copies: what is never divided [N]."""
    return index["subject"].fillna(index["clip"]).fillna(copies_of(index)).to_numpy()


def stratified_folds(index: pd.DataFrame, folds: int) -> np.ndarray:
    """The fold of each row [N], from 0: equal within a group, each class spread over the folds as evenly as
    groups allow.
    """
    return _spread(tuple(index["label"]), tuple(groups_of(index)), folds)


@lru_cache
def _spread(labels: tuple[str, ...], groups: tuple[str, ...], folds: int) -> np.ndarray:
    """`stratified_folds`, read-only. Remembered, for the experiments of a suite divide the same data and
    12,000 groups take four seconds.
    """
    fold = np.empty(len(labels), dtype=int)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=SPLIT_SEED)
    with warnings.catch_warnings():
        # A class with fewer members than folds is spread as far as it goes; pools exclude or refuse it later,
        # by name.
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, rows) in enumerate(splitter.split(labels, labels, groups)):
            fold[rows] = number
    fold.setflags(write=False)
    return fold
