"""The readouts of several results, ranked where they answered the same episodes."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, NamedTuple

from fer_meta.report.aggregate.accuracy import accuracy_table
from fer_meta.report.aggregate.folds import pooled
from fer_meta.report.cells import Cell, Names, read_cells
from fer_meta.report.load import Results, Run
from fer_meta.statistics.intervals import Estimate, contrast, same_queries
from fer_meta.statistics.rounding import settled

ADAPTED = "target"
"""`batchnorm` of a protocol whose networks have seen the target's images without their labels."""


class Reason(NamedTuple):
    name: str
    why: str


@dataclass(frozen=True)
class Entry:
    """One readout from one source. `places` are the numbers of the results that have it, with these very
    answers; `score` is its row of `accuracy_table`; `behind` is how much the first of its group is better,
    None where nothing is claimed.
    """

    places: list[int]
    results: Results
    cell: Cell
    runs: list[Run]
    score: Any
    behind: Estimate | None = None

    @property
    def unlabelled(self) -> tuple[bool, bool]:
        """Whether its answers use the other queries of an episode, and all test images (AdaBN)."""
        return self.cell.transductive, self.runs[0].protocol.get("batchnorm") == ADAPTED


@dataclass(frozen=True)
class Group:
    """Entries that answered the same episodes of the same images, the most accurate first, and last those of
    which a training did not learn. `apart` says why they are not among those of an earlier group of the same
    target and shots, each reason with a short name.
    """

    entries: list[Entry]
    apart: list[Reason] = field(default_factory=list)

    @property
    def first(self) -> Entry:
        return self.entries[0]


def groups(all_results: Sequence[Results]) -> list[Group]:
    """All readouts in episodes, the checkpoint picked on the source's validation split, by target and shots.

    The interval of what an entry is behind the first of its group is of 95 % for all pairs of the group
    together (Bonferroni), for the first is picked by the same answers; it is over the seeds that both have.
    There is none where a training did not learn.
    """
    names, found = Names(), defaultdict(list)
    for place, results in enumerate(all_results):
        for entry in _entries(place, results, names):
            found[_answered(entry)].append(entry)
    parts = [part for same in found.values() for part in _of_same_queries(same)]
    ranked = [_ranked(_each_once(part)) for part in parts]
    ranked.sort(
        key=lambda group: (
            group.first.cell.target,
            group.first.cell.shots,
            any(group.first.unlabelled),
            -len(group.entries),
        )
    )
    shown: dict[tuple, Group] = {}
    result = []
    for group in ranked:
        cell = group.first.cell
        other = shown.setdefault((cell.target, cell.shots), group)
        result.append(group if other is group else Group(group.entries, _apart(other.first, group.first)))
    return result


def _entries(place: int, results: Results, names: Names) -> list[Entry]:
    cells = pooled(results, read_cells(results, names))
    keys = ["experiment", "source", "target", "readout", "way", "shots", "selection"]
    scores = {
        tuple(getattr(row, name) for name in keys): row
        for row in accuracy_table(results, cells).itertuples(index=False)
    }
    return [
        Entry(
            [place],
            results,
            cell,
            [run for run in results.runs if _has_made(run, cell)],
            scores[tuple(getattr(cell, name) for name in keys)],
        )
        for cell in cells
        if cell.shots and cell.selection == "source-val"
    ]


def _has_made(run: Run, cell: Cell) -> bool:
    return (run.experiment, run.method, run.source, run.target) == (
        cell.experiment,
        cell.method,
        cell.source,
        cell.target,
    )


def _answered(entry: Entry) -> tuple:
    """Equal for entries that can be ranked."""
    cell = entry.cell
    episodes = episodes_of(entry)
    images = sorted({run.fingerprints[1] for run in entry.runs})
    return cell.target, cell.way, cell.shots, *episodes, *images, entry.unlabelled


def episodes_of(entry: Entry) -> list[str]:
    """The files of its episodes: one, or one for each fold."""
    return sorted({run.episodes.get(str(entry.cell.shots), "") for run in entry.runs})


def _of_same_queries(entries: list[Entry]) -> list[list[Entry]]:
    """Nothing but the answers themselves shows whether files of one name hold the same episodes."""
    parts: list[list[Entry]] = []
    for entry in entries:
        for part in parts:
            if same_queries(part[0].cell.queries, entry.cell.queries):
                part.append(entry)
                break
        else:
            parts.append([entry])
    return parts


def _each_once(entries: list[Entry]) -> list[Entry]:
    """Two results may have the same runs."""
    seen: dict[tuple, Entry] = {}
    for entry in entries:
        cell = entry.cell
        key = cell.readout, cell.packed.tobytes(), *(run.id for run in entry.runs)
        seen.setdefault(key, entry)
        if seen[key] is not entry:
            seen[key].places.extend(entry.places)
    return list(seen.values())


def _ranked(entries: list[Entry]) -> Group:
    first, *others = sorted(
        entries, key=lambda entry: (bool(entry.cell.failed), -settled(entry.score.accuracy))
    )
    tests = sum(bool(_claimable(one.cell, other.cell)) for one, other in combinations(entries, 2))
    behind = [
        contrast([(1, first.cell.outcomes(seeds)), (-1, entry.cell.outcomes(seeds))]).one_of(tests)
        if (seeds := _claimable(first.cell, entry.cell))
        else None
        for entry in others
    ]
    return Group(
        [
            first,
            *(replace(entry, behind=estimate) for entry, estimate in zip(others, behind)),
        ]
    )


def _claimable(one: Cell, other: Cell) -> tuple[int, ...]:
    """The seeds of both; none where a training of one did not learn."""
    return () if one.failed_with(other) else one.seeds_with(other)


def _apart(first: Entry, entry: Entry) -> list[Reason]:
    """In what an entry is not as those that it cannot be ranked with."""
    one, other = first.runs[0], entry.runs[0]
    words = []
    if entry.cell.transductive and not first.cell.transductive:
        words.append(Reason("transductive", "each answer may use the other queries of its episode"))
    if entry.unlabelled[1] and not first.unlabelled[1]:
        words.append(Reason("AdaBN", "the networks have seen the target's images, without labels (AdaBN)"))
    if one.fingerprints[1] != other.fingerprints[1]:
        why = (
            f"the test images are others (fingerprint {other.fingerprints[1] or 'not recorded'}, there"
            f" {one.fingerprints[1] or 'not recorded'})"
        )
        words.append(Reason("other test images", why))
    if one.classes != other.classes:
        words.append(Reason("other classes", f"the classes are others ({', '.join(other.classes)})"))
    differ = [
        f"{name} ({_short(other.protocol.get(name))}, there {_short(one.protocol.get(name))})"
        for name in sorted({*one.protocol, *other.protocol} - {"shots", "train", "validation", "batchnorm"})
        if one.protocol.get(name) != other.protocol.get(name)
    ]
    if differ:
        words.append(Reason("another protocol", f"the protocol differs in {', '.join(differ)}"))
    return words or [Reason("other episodes", "other episodes were drawn")]


def _short(value: object) -> str:
    return "unset" if value is None else str(value)[:40]
