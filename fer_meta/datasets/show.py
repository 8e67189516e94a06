"""What is known of data sets, as lines of text for a terminal of 100 columns."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fer_meta.datasets.audit import KINDS, Audit, CountCheck
from fer_meta.datasets.base import SPLITS, DatasetSpec
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.getting import LOCK
from fer_meta.datasets.loaders.manifest import LAYOUT as TABLE
from fer_meta.datasets.loaders.manifest import columns_in, tables_in
from fer_meta.datasets.prepared import is_prepared
from fer_meta.datasets.registry import catalogue, home_of, is_here, locate, spec_for
from fer_meta.datasets.scanning import other_files
from fer_meta.datasets.settings import SETTINGS, Settings, read_settings
from fer_meta.datasets.synthetic.recipes import RECIPES
from fer_meta.datasets.synthetic.rendered import cached_sets, rendered_spec
from fer_meta.errors import DatasetError
from fer_meta.expressions import EXPRESSIONS
from fer_meta.fileio import replacing
from fer_meta.oneline import escaped, one_line

_UNREADABLE_SHOWN = 20
_EXAMPLES = 3
_TITLE = 43  # columns
_MOST_CLASSES = 40


@dataclass(frozen=True)
class Found:
    """What is known of a data set: where it is, its index if it is here, and what is wrong with it."""

    spec: DatasetSpec | None
    here: str
    index: pd.DataFrame | None = None
    fault: str | None = None

    @property
    def classes(self) -> list[str]:
        """Its labels, as far as it is known which there are."""
        if self.spec is None:
            return []
        if self.spec.rendered:
            return list(RECIPES[self.spec.rendered.recipe].classes)
        if self.index is not None:
            return _in_order(self.spec, self.index["label"])
        return [] if self.spec.vocabulary == EXPRESSIONS else list(self.spec.vocabulary)


def look(name: str, given: Mapping[str, Path]) -> Found:
    """A missing or faulty data set is no error here, so that it does not hide the others."""
    if not is_here(name, given) and (name in RECIPES or "@" in name):
        return Found(rendered_spec(name), "; ".join(cached_sets(name)) or "not yet rendered")
    spec, here = catalogue().get(name), "no"
    try:
        root = locate(name, given)
        here = str(root)
        spec = spec_for(name, root)
        root = home_of(spec, root)
        return Found(spec, str(root), spec.scan(root))
    except DatasetError as error:
        missing = here == "no" and spec is not None and name not in given
        return Found(spec, here, fault=None if missing else str(error))


def table(names: Sequence[str], given: Mapping[str, Path]) -> Iterator[str]:
    """A line for each data set: name, title, classes and, if it is here, images and where it is. Each line
    comes as soon as it is known: to look through a large data set takes a while.
    """
    width = max(map(len, names), default=0)
    yield f"{'name':<{width}}  {'title':<{_TITLE}} {'classes':>7} {'images':>10}  where"
    for name in names:
        found = look(name, given)
        title = one_line(found.spec.title, _TITLE) if found.spec else ""
        classes = f"{len(found.classes):,}" if found.classes else ""
        images = f"{len(found.index):,}" if found.index is not None else ""
        where = "rendered here" if found.spec and found.spec.rendered else found.here
        where = "" if where == "no" else escaped(where)
        yield f"{name:<{width}}  {title:<{_TITLE}} {classes:>7} {images:>10}  {where}".rstrip()
        yield from _field("fault", found.fault) if found.fault else ()
    yield ""
    yield "`fer-meta data list NAME...` says what a data set is, how to get it and how to cite it."


def listing(name: str, given: Mapping[str, Path]) -> list[str]:
    """What one data set is, how to get it and, if it is here, its images, subjects and clips. That it is
    missing or faulty is among the lines.
    """
    found = look(name, given)
    lines = about(name, found.spec, found.here)
    if found.fault:
        return lines + _field("fault", found.fault)
    if found.spec is not None and found.index is not None:
        return [*lines, *index_lines(found.spec, Path(found.here), found.index, found.classes)]
    few = len(found.classes) <= _MOST_CLASSES
    return lines + _field("classes", ", ".join(found.classes) if few else f"{len(found.classes):,}")


def _in_order(spec: DatasetSpec, labels: Iterable[str]) -> list[str]:
    """Each label once, in the order of the vocabulary."""
    there = set(labels)
    return [label for label in spec.vocabulary if label in there] + sorted(there - set(spec.vocabulary))


def index_lines(
    spec: DatasetSpec,
    root: Path,
    index: pd.DataFrame,
    classes: Sequence[str],
    settings: Settings | None = None,
) -> list[str]:
    """The classes, images, people and clips of a data set, the files that are none of its images, and its
    images of each class.
    """
    return [
        *_field("classes", f"{len(classes):,}"),
        *_field("images", f"{len(index):,}"),
        *_field("subjects", _distinct(index["subject"])),
        *_field("clips", _distinct(index["clip"])),
        *other_lines(spec, root, index, settings),
        "",
        *_class_table(index, classes),
    ]


def count_lines(faces: CachedFaces, counts: list[CountCheck]) -> list[str]:
    """The number of images, the counts that differ from the published ones and the unreadable files."""
    lines = [f"{faces.name}{' (rendered)' if faces.spec.rendered else ''}: {len(faces.index):,} images"]
    wrong = [count for count in counts if not count.agrees]
    if not counts:
        lines.append("  counts      nothing published to hold them against")
    elif not wrong:
        lines.append(f"  counts      all {len(counts)} agree with the published ones")
    else:
        lines.append(f"  counts      {len(wrong)} of {len(counts)} differ from the published ones:")
        lines += [
            f"    {what}: published {' or '.join(f'{n:,}' for n in published)}, found {found:,}"
            for what, published, found in wrong
        ]
    lines.append(f"  unreadable  {len(faces.unreadable) or 'none'}")
    lines += [f"    {escaped(path)}: {reason}" for path, reason in faces.unreadable[:_UNREADABLE_SHOWN]]
    return [
        *lines,
        *_and_more(len(faces.unreadable) - _UNREADABLE_SHOWN),
        f"  splits      {_splits(faces.index['split'])}",
        f"  subjects    {_distinct(faces.index['subject'])}",
    ]


def _splits(split: pd.Series) -> str:
    """The official splits, and whether a bench can train on the data set."""
    found = [name for name in SPLITS if (split == name).any()]
    if split.isna().any():
        return (
            f"{', '.join([*found, 'none'])}; what has none is divided where a bench trains on it, and is all"
            " test where it does not"
        )
    lacking = {
        "train": "; nothing to train on, so a target alone: --targets",
        "test": "; nothing to test on, so a source alone: --sources",
    }
    return ", ".join(found) + next((words for name, words in lacking.items() if name not in found), "")


def audit_lines(found: Audit) -> list[str]:
    """Blank and identical images of one data set, a few of each by name."""
    lines = [f"  blank       {len(found.blank) or 'none'}", *_examples(found.blank)]
    groups, images = found.counts.loc["any"]
    if not groups:
        return [*lines, "  identical   none"]
    return [
        *lines,
        f"  identical   {groups:,} groups, {images:,} images ({found.distinct:,} are distinct)",
        *_kind_lines(found, [kind for kind in KINDS if kind != "across_datasets"]),
    ]


def across_lines(found: Audit) -> list[str]:
    """Images that several data sets share."""
    return [
        f"all together: {found.images:,} images, {found.distinct:,} distinct",
        *_kind_lines(found, ["across_datasets"]),
    ]


def write_copies(found: Audit, path: Path) -> None:
    """Write the table of identical images as csv. Raises DatasetError if that cannot be done."""
    try:
        with replacing(path) as temporary:
            found.copies.to_csv(temporary, index=False)
    except OSError as error:
        reason = error.strerror or error
        raise DatasetError(f"{path}: cannot be written ({reason}); name another file") from None


def about(name: str, spec: DatasetSpec | None, here: str) -> list[str]:
    """What a data set is, how to get it, how its folder must look, its licence, and where it is."""
    if spec is None:
        return [name]
    fields = {
        "what": spec.summary,
        "get it": spec.obtain,
        "expected": spec.layout,
        "licence": spec.licence,
        "cite": spec.citation,
        "here": here,
    }
    heading = name if spec.title == name else f"{name}: {spec.title}"
    return [escaped(heading), *(line for key, text in fields.items() for line in _field(key, text))]


def _field(key: str, text: str) -> list[str]:
    return textwrap.wrap(
        escaped(text),
        98,
        initial_indent=f"  {key:<10}",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _distinct(column: pd.Series) -> str:
    """How many different ones there are, and of how many images it is not known."""
    unknown = int(column.isna().sum())
    if unknown == len(column):
        return "not known"
    rest = f"; not known for {unknown:,} of {len(column):,} images" if unknown else ""
    return f"{column.nunique():,}{rest}"


def other_lines(
    spec: DatasetSpec, root: Path, index: pd.DataFrame, settings: Settings | None = None
) -> list[str]:
    """What lies below `root` and is not read: columns of a user's own tables, and the files that are no
    images of the data set, by their endings. `settings` are those of its fer-meta.yaml if not given.
    """
    if is_prepared(root):
        return []
    settings = settings or read_settings(root)
    tables = tables_in(root, settings)
    others = other_files(root, [*index["path"], *tables, SETTINGS, LOCK]).items()
    texts = [f"{len(paths):,} {ending or 'without an ending'}, first {paths[0]}" for ending, paths in others]
    columns = _column_lines(root, settings) if spec.layout == TABLE else []
    return [*columns, *_field("others", "; ".join(texts) or "none")]


def _column_lines(root: Path, settings: Settings) -> list[str]:
    """A misspelt name is among the columns that are not read."""
    read, others = columns_in(root, settings)
    taken = ", ".join(key if key == name else f"{key} ({name})" for key, name in read.items())
    return _field("columns", f"{taken}; not read: {', '.join(others) or 'none'}")


def _class_table(index: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """Images of each class (rows) in each split (columns); of all classes together where they are many."""
    table = pd.crosstab(index["label"], index["split"].fillna("no split"), margins=True, margins_name="all")
    rows = [*(classes if len(classes) <= _MOST_CLASSES else ()), "all"]
    columns = [name for name in (*SPLITS, "no split", "all") if name in table.columns]
    width = max(map(len, rows))
    lines = ["    " + " " * width + "".join(f"{column:>10}" for column in columns)]
    for row in rows:
        lines.append(f"    {row:<{width}}" + "".join(f"{table.loc[row, column]:>10,}" for column in columns))
    return lines


def _kind_lines(found: Audit, kinds: Iterable[str]) -> list[str]:
    """Groups and images of each kind, with the smallest group as the example."""
    lines = []
    for kind in kinds:
        groups, images = found.counts.loc[kind]
        lines.append(f"    {KINDS[kind]}: {groups:,} groups, {images:,} images")
        if kind == "across_splits":
            lines += [
                f"      {number:,} {split} images are also in train"
                for (_, split), number in found.also_in("train").items()
            ]
        if groups:
            part = found.copies[found.copies[kind]]
            sizes = part.groupby("group").size()
            lines += _examples(part[part["group"] == sizes.idxmin()])
    return lines


def _examples(images: pd.DataFrame) -> list[str]:
    rows = images[["dataset", "path", "label"]].head(_EXAMPLES).itertuples(index=False)
    return [
        *(f"      {dataset}/{escaped(path)} ({label})" for dataset, path, label in rows),
        *_and_more(len(images) - _EXAMPLES),
    ]


def _and_more(number: int) -> list[str]:
    return [f"      and {number:,} more"] if number > 0 else []
