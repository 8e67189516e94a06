"""Cross-validation: a data set tested on itself, fold by fold, so that each of its images is tested exactly
once.

A fold's people are its test; of the others' images `carve` become val, and the rest trains. Official splits
are ignored.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd

from fer_meta.datasets.cache import CachedFaces
from fer_meta.errors import ProtocolError
from fer_meta.tasks.fixes import IN_FILE, or_other_folds
from fer_meta.tasks.pools import Domain, Pool, divide, needed, restrict, with_classes
from fer_meta.tasks.protocol import LEAVE_ONE_SUBJECT_OUT, Folds, Protocol
from fer_meta.tasks.splits import groups_of, stratified_folds
from fer_meta.words import people


def fold_numbers(index: pd.DataFrame, protocol: Protocol, classes: Collection[str]) -> np.ndarray:
    """The fold of each row of `index` ([N] int, from 1), in which it is tested; 0 for labels that are not in
    `classes`.

    `folds: k` spreads each class evenly over k folds and keeps a person (else a clip, else identical images)
    in one; `leave-one-subject-out` has a fold for each person, in the order of their names. Raises
    ProtocolError if people are not known, or if there are fewer of them than folds.
    """
    wanted = index["label"].isin(list(classes)).to_numpy()
    if not wanted.any():
        raise ProtocolError(f"has no images of {', '.join(classes)}; give other `classes`")
    fold = np.zeros(len(index), dtype=int)
    fold[wanted] = 1 + (_people if protocol.split == LEAVE_ONE_SUBJECT_OUT else _groups)(
        index[wanted], protocol
    )
    return fold


def _people(index: pd.DataFrame, protocol: Protocol) -> np.ndarray:
    unknown = int(index["subject"].isna().sum())
    if unknown:
        raise ProtocolError(
            f"{unknown:,} of {len(index):,} images have no subject, so no subject can be left out; "
            "give the subjects, or use `folds: 10`, which keeps clips or copies together"
        )
    if (number := index["subject"].nunique()) < 3:
        raise ProtocolError(
            f"{people(number)} {'is' if number == 1 else 'are'} too few to leave one out and divide the"
            " others into train and val; cross-validation needs three people or more"
        )
    return pd.factorize(index["subject"], sort=True)[0]


def _groups(index: pd.DataFrame, protocol: Protocol) -> np.ndarray:
    assert isinstance(protocol.split, Folds)
    folds, groups = protocol.split.folds, len(set(groups_of(index)))
    most = min(groups, index["label"].value_counts().max())
    if folds > most:
        fix = (
            f"take {most} folds or fewer"
            if most > 1
            else "cross-validation needs two people or more, and a class of two images"
        )
        raise ProtocolError(
            f"{len(index):,} images of {people(groups)} (or clips, or distinct images) cannot be divided into"
            f" {folds} folds; {fix}"
        )
    return stratified_folds(index, folds)


def cross_validate(faces: CachedFaces, protocol: Protocol, classes: Collection[str]) -> list[Domain]:
    """`faces` as a domain for each fold, in order. All folds train and test the same classes; what some fold
    cannot is excluded by name. With `queries: all`, all classes that are trained are tested, whatever `way`
    says.

    Raises ProtocolError, which names the fold and the fix, if one has too few images for its episodes.
    """
    with named(faces.name):
        fold = fold_numbers(faces.index, protocol, classes)
    domains = []
    for number in range(1, fold.max() + 1):
        split = pd.array(np.where(fold == number, "test", "train"), dtype="string")
        with named(f"fold {number}"):
            [domain] = divide(
                [replace(faces, index=faces.index.assign(split=split))], protocol, classes
            ).values()
            if domain.test is None:
                raise ProtocolError(f"{faces.name}: has no test images")
        domains.append(replace(domain, fold=number))
    with named(faces.name):
        return _of_the_same_classes(domains, protocol)


@contextmanager
def named(place: str, more: str = "") -> Iterator[None]:
    """A ProtocolError begins with `place`, such as a data set or a fold, and ends with what may be done
    `more`.
    """
    try:
        yield
    except ProtocolError as error:
        raise ProtocolError(f"{place}: {error}{more}") from error


def _of_the_same_classes(domains: Sequence[Domain], protocol: Protocol) -> list[Domain]:
    """The folds with the classes that each of them can train and test."""
    # one image of a class can be tested, or none: the support is of people in training
    every = protocol.queries == "all"
    train, test = (
        [set(pool.classes) for pool in pools]
        for pools in zip(*((needed(domain.train), needed(domain.test)) for domain in domains))
    )
    trained = sorted(set.intersection(*train))
    tested = trained if every else sorted(set.intersection(*train, *test))
    way = 0 if every else protocol.way
    if len(trained) < protocol.train.way or len(tested) < way:
        usable = train if every else [one & other for one, other in zip(train, test)]
        lacks = {
            name: 1 + next(place for place, names in enumerate(usable) if name not in names)
            for name in _present(domains) - set(tested)
        }
        raise ProtocolError(
            f"{len(tested)} classes ({', '.join(tested) or 'none'}) can be trained and tested in every fold,"
            f" too few for {max(protocol.train.way, way)}-way episodes; too small are"
            f" {', '.join(f'{name} in fold {fold}' for name, fold in sorted(lacks.items()))}; lower `shots`"
            f" or `queries` {IN_FILE}{or_other_folds(protocol, 'fewer')}"
        )
    return [_with(domain, trained, tested, protocol) for domain in domains]


def _with(domain: Domain, trained: Collection[str], tested: Collection[str], protocol: Protocol) -> Domain:
    """A fold with these classes alone."""
    with named(f"fold {domain.fold}"):
        val = restrict(needed(domain.val), trained, domain.index, protocol.validation.way)
    return replace(
        domain,
        val=val,
        train=_only(needed(domain.train), trained, domain.index),
        test=_only(needed(domain.test), tested, domain.index),
    )


def _present(domains: Sequence[Domain]) -> set[str]:
    return {
        name
        for domain in domains
        for pool in map(needed, (domain.train, domain.test))
        for name in (*pool.classes, *pool.excluded)
    }


def _only(pool: Pool, classes: Collection[str], index: pd.DataFrame) -> Pool:
    """`pool` with these classes alone (some perhaps without images); the others are excluded, with their
    images.
    """
    counts = dict(zip(pool.classes, np.bincount(pool.labels, minlength=len(pool.classes)).tolist()))
    left_out = {name: count for name, count in counts.items() if name not in classes}
    return replace(with_classes(pool, classes, index), excluded={**pool.excluded, **left_out})
