"""The classes of a bench whose data sets bring labels of their own."""

from collections.abc import Mapping
from pathlib import Path

from fer_meta.datasets.registry import spec_for
from fer_meta.errors import SuiteError
from fer_meta.expressions import EXPRESSIONS
from fer_meta.suites.schema import Suite


def with_vocabulary(suite: Suite, roots: Mapping[str, Path | None], own: bool = False) -> Suite:
    """The suite on the labels of its data sets, where these are not expressions: its classes are their
    vocabulary, and no episode has more ways than there are classes. A suite whose classes are all in the
    vocabulary keeps them, and so does one that is the user's `own` and shares some. `roots` are the folders
    of the data sets, None for one that is rendered.

    Raises SuiteError for data sets of different vocabularies, and for classes that no data set has.
    """
    vocabularies = {
        name: EXPRESSIONS if root is None else spec_for(name, root).vocabulary for name, root in roots.items()
    }
    if set(vocabularies.values()) <= {EXPRESSIONS}:
        return _expect_classes(suite, EXPRESSIONS)
    (first, labels), *others = vocabularies.items()
    other = next((name for name, its in others if its != labels), None)
    if other is not None:
        raise SuiteError(
            f"{first} and {other} have different labels ({_some(labels)}; {_some(vocabularies[other])}), so"
            " none can be tested on the other; name data sets of one vocabulary with --domains"
        )
    shared = set(suite.classes) & set(labels)
    if not shared or (not own and len(shared) < len(suite.classes)):
        suite = suite.model_copy(update={"classes": labels, "protocol": _with_ways(suite, len(labels))})
    return _expect_classes(suite, labels)


def _with_ways(suite: Suite, most: int):
    protocol = suite.protocol
    shapes = {
        name: shape.model_copy(update={"way": min(shape.way, most)})
        for name, shape in (("train", protocol.train), ("validation", protocol.validation))
    }
    return protocol.model_copy(update={"way": min(protocol.way, most), **shapes})


def _expect_classes(suite: Suite, labels: tuple[str, ...]) -> Suite:
    unknown = [name for name in suite.classes if name not in labels]
    if unknown:
        raise SuiteError(
            f"{suite.name}: no data set has the class {unknown[0]!r}; there are {_some(labels)}; name some of"
            " these as `classes` in the suite file"
        )
    return suite


def _some(labels: tuple[str, ...]) -> str:
    return "expressions" if labels == EXPRESSIONS else ", ".join(labels)
