"""Where every number comes from: command, seeds, commit, data and machine."""

from collections import defaultdict
from collections.abc import Iterable
from zlib import crc32

from fer_meta.commit import short
from fer_meta.report.document import Anchor, Code, Column, Paragraph, Row, Section, Table, Verbatim
from fer_meta.report.load import Results, Run
from fer_meta.report.names import domain_name

MOST_ROWS = 2000

HOW = (
    "One row for each method, source and target. Train and test are fingerprints of the images themselves: "
    "equal ones mean equal images, on any machine. Episodes is that of the test episodes: rows with the same "
    "one answered the same questions."
)


def anchor(experiment: str, source: str, target: str, method: str) -> str:
    """The name of a row; of a user's words nothing but a hash."""
    return f"made-{crc32(repr((experiment, source, target, method)).encode()):08x}"


def section(results: Results) -> Section:
    """The runs behind the cells."""
    groups: dict[tuple[str, str, str, str], list[Run]] = defaultdict(list)
    for run in results.runs:
        groups[run.experiment, run.source, run.target, run.method].append(run)
    rows = [_row(results, key, runs) for key, runs in list(groups.items())[:MOST_ROWS]]
    heads = [
        *(Column(name, number=False, choice=True) for name in ("method", "source", "target")),
        *(
            Column(name, number=False)
            for name in ("seeds", "precision", "commit", "train", "test", "episodes", "runs", "machine")
        ),
    ]
    if results.experiments:
        heads.insert(0, Column("experiment", number=False, choice=True))
    versions = _each(run.made_by.get("versions", "") for run in results.runs)
    return Section(
        "Where each number comes from",
        (
            Paragraph("All of it was made by:"),
            Verbatim(results.command),
            Paragraph(HOW),
            Table(tuple(heads), (tuple(rows),), caption="The runs behind each number"),
            Paragraph(f"Versions: {versions or 'not recorded'}."),
        ),
        closed=True,
    )


def _row(results: Results, key: tuple[str, str, str, str], runs: list[Run]) -> Row:
    experiment, source, target, method = key
    return (
        *([experiment] if results.experiments else []),
        Anchor(method, anchor(*key)),
        domain_name(results, source),
        domain_name(results, target),
        _each(str(run.seed) for run in runs),
        _each(run.precision for run in runs),
        Code(_each(short(run.made_by.get("commit", "")) for run in runs) or "not recorded"),
        Code(_each(run.fingerprints[0] for run in runs)),
        Code(_each(run.fingerprints[1] for run in runs)),
        Code(_each(_hash(path) for run in runs for path in run.episodes.values())),
        Code(_each(run.id for run in runs)),
        _each(run.made_by.get("machine", "") for run in runs),
    )


def _each(texts: Iterable[str]) -> str:
    """Each text once, in order."""
    return ", ".join(dict.fromkeys(filter(None, texts)))


def _hash(path: str) -> str:
    """That of the episodes, which ends the name of their file."""
    return path.removesuffix(".parquet").rpartition("-")[2]
