"""Which role each image of a data set plays: train, val, test, held out of training, or none."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from fer_meta.datasets.base import copies_of
from fer_meta.datasets.mixing import hold_out, of_films
from fer_meta.tasks.protocol import Protocol
from fer_meta.tasks.splits import assign_splits


def roles_of(
    index: pd.DataFrame,
    protocol: Protocol,
    classes: Collection[str],
    is_source: bool,
    trained: bool,
    validated: bool,
) -> np.ndarray:
    """The role of each row: its split or `held`, `rare` for a class of train of which too few can be held
    out, or nothing: for labels outside the suite's classes, and for what shares a group with an image that is
    held out.
    """
    role = np.full(len(index), "", dtype=object)
    wanted = index["label"].isin(list(classes)).to_numpy()
    role[wanted] = assign_splits(index[wanted], protocol, trained, validated)
    if is_source and protocol.support_from == "source-train":
        rows = np.flatnonzero(role == "train")
        part = index.iloc[rows]
        akin = _akin(part, protocol.disjoint)
        # where nothing is kept apart, a frame costs no more than a photograph
        spare = None if akin is None else of_films(part)
        labels = part["label"].to_numpy(dtype=str)
        fewest = protocol.fewest_source_classes if protocol.small_classes == "exclude" else None
        held, kept = hold_out(
            labels,
            protocol.held_out,
            groups=akin,
            spare=spare,
            fewest=fewest,
            tested=_tested(index, rows, role == "test", protocol.disjoint),
        )
        role[rows[held]] = "held"
        role[rows[~held & ~kept]] = ""
        role[rows[~np.isin(labels, labels[held])]] = "rare"
    return role


def role_of_val(role: np.ndarray, protocol: Protocol, is_source: bool) -> str:
    """Whose images validate: with `carve: 0` and no val, those that are trained on, or tested on."""
    return "val" if protocol.carve or (role == "val").any() else "train" if is_source else "test"


def _tested(index: pd.DataFrame, rows: np.ndarray, test: np.ndarray, disjoint: str) -> np.ndarray | None:
    """Which of `rows` share with a test image what support and query of an episode may not; None if no row
    does. Official splits may share people.
    """
    kinds = {"clip": ["clip"], "subject": ["clip", "subject"]}.get(disjoint, [])
    shared = np.zeros(len(rows), dtype=bool)
    for kind in kinds:
        shared |= index[kind].iloc[rows].isin(index.loc[test, kind].dropna()).to_numpy()
    return shared if shared.any() else None


def _akin(part: pd.DataFrame, disjoint: str) -> np.ndarray | None:
    """[N, K]: what an image trained on may not share with one held out: nothing, copies, or also clips and
    people, where they are known.
    """
    if disjoint == "nothing":
        return None
    more = () if disjoint == "image" else (part["clip"], part["subject"])
    return np.stack([column.to_numpy(dtype=object) for column in (copies_of(part), *more)], axis=1)
