"""The pairs of methods that a primary contrast is over by the plan: which of them lack answers, and why a
bench can never give them.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import METHODS, domain_name, readout_name
from fer_meta.sources import parts_of

Place = tuple[str, str, str]  # experiment, source, target
Pair = tuple[Cell, Cell]

SETS = {"across": "on another", "within": "on itself"}
FOLDS = "a cross-validation tests each data set on itself"


@dataclass(frozen=True)
class Planned:
    """The pairs of `over` and of `less` that have answers, of the sources that have both parts by the plan,
    and the `seeds` planned for them. In words, and empty where there is nothing to say: `missing`, what is
    not answered yet of pairs and seeds; `unasked`, why this bench can never give it all.
    """

    over: list[Pair]
    less: list[Pair]
    seeds: tuple[int, ...]
    missing: str
    unasked: str


def planned(results: Results, cells: Iterable[Cell]) -> Planned:
    """The primary contrast by the plan, which must name one."""
    named = results.plan["primary"]
    found: dict[Place, dict[str, Cell]] = defaultdict(dict)
    shown: dict[Place, list[Cell]] = defaultdict(list)
    for cell in cells:
        shown[cell.experiment, cell.source, cell.target].append(cell)
        if cell.selection == "source-val" and cell.shots == named["shots"]:
            found[cell.experiment, cell.source, cell.target][cell.readout] = cell
    methods = [_method(results, named[side], shown) for side in ("first", "second")]
    divisions = results.plan["divisions"]
    over, less = (
        {
            place: seeds
            for place, seeds in _places(results, methods).items()
            if is_of(named[part], place, divisions)
        }
        for part in ("over", "less")
    )
    common = {source for _, source, _ in over}
    if named["less"]:
        common &= {source for _, source, _ in less}
    unasked = _unasked(results, named, methods, over, less, common)
    over, less = (
        {place: seeds for place, seeds in part.items() if place[1] in common} for part in (over, less)
    )
    both = {
        place: (own[named["first"]], own[named["second"]])
        for place, own in found.items()
        if {named["first"], named["second"]} <= own.keys()
    }
    seeds = set().union(*over.values(), *less.values())
    missing = "; ".join(filter(None, (_missing(results, part, seeds, both) for part in (over, less))))
    return Planned(
        [both[place] for place in over if place in both],
        [both[place] for place in less if place in both],
        tuple(sorted(seeds)),
        missing,
        unasked or _unanswered(results, named, methods, [*over, *less], shown),
    )


def is_of(part: str | None, place: Place, divisions: Collection[str] = ()) -> bool:
    """Whether a place belongs to `across`, `within` or the experiment that a contrast names. A source of
    several data sets is within each of them. `divisions` are the keys of experiments that divide the classes
    of one crossing.
    """
    experiment, source, target = place
    if part in ("across", "within"):
        crossed = not experiment or experiment in divisions
        return crossed and (target in parts_of(source)) == (part == "within")
    return part is not None and experiment == part


def _method(results: Results, readout: str, shown: dict[Place, list[Cell]]) -> str | None:
    """Which method of the plan a readout is of: as its answers say, else by its name."""
    answered = next((cell.method for own in shown.values() for cell in own if cell.readout == readout), None)
    names = {run["method"] for run in results.plan["runs"]}
    dashed = METHODS.get(readout, readout)
    fitting = [name for name in names if f"{dashed}-".startswith(f"{name.replace('_', '-')}-")]
    return answered or max(fitting, key=len, default=None)


def _places(results: Results, methods: Sequence[str | None]) -> dict[Place, set[int]]:
    """The places of the plan that both methods are tested in, with all seeds planned there."""
    seeds: dict[Place, dict[str | None, set[int]]] = defaultdict(lambda: defaultdict(set))
    for run in results.plan["runs"]:
        seeds[run["experiment"], run["source"], run["target"]][run["method"]].add(run["seed"])
    return {
        place: set().union(*(own[name] for name in methods))
        for place, own in seeds.items()
        if own.keys() >= set(methods)
    }


def _unasked(
    results: Results, named: dict, methods: Sequence[str | None], over: dict, less: dict, common: set[str]
) -> str:
    """Why the plan has no such pairs, in words; nothing where it has."""
    parts = [(named[name], places) for name, places in (("over", over), ("less", less)) if named[name]]
    for part, _ in parts:
        if part in results.plan["not_run"]:
            return f"{part} is not run ({results.plan['not_run'][part]})"
    sides = zip(("first", "second"), methods)
    absent = [readout_name(results, named[side]) for side, method in sides if method is None]
    if absent:
        return f"{' and '.join(absent)} {'are' if len(absent) > 1 else 'is'} not trained in this bench"
    folds = any(run["fold"] for run in results.plan["runs"])
    for part, places in parts:
        if not places and part in SETS:
            return FOLDS if folds and part == "across" else f"no data set is tested {SETS[part]}"
        if not places:
            known = part in results.experiments
            return (
                f"{part} {'does not train both' if known else 'is not among the experiments of this bench'}"
            )
    return (
        ""
        if common
        else f"no source is tested both {' and '.join(SETS.get(part, f'in {part}') for part, _ in parts)}"
    )


def _unanswered(
    results: Results,
    named: dict,
    methods: Sequence[str | None],
    places: Sequence[Place],
    shown: dict[Place, list[Cell]],
) -> str:
    """What the contrast needs and its finished runs do not answer, in words; nothing if they answer all."""
    for side, method in zip(("first", "second"), methods):
        for place in places:
            own = [cell for cell in shown[place] if cell.method == method]
            steps: list[tuple[Callable[[Cell], bool], str]] = [
                (
                    lambda cell: cell.selection == "source-val",
                    "no checkpoint is picked on the source's validation split (`selection: source-val`)",
                ),
                (lambda cell: cell.shots == named["shots"], f"no episodes are {named['shots']}-shot"),
                (
                    partial(_is_answer, named[side]),
                    f"{readout_name(results, named[side])} does not answer for {_called(results, place)}",
                ),
            ]
            for fits, why in steps:
                if own and not (own := [cell for cell in own if fits(cell)]):
                    return why
    return ""


def _is_answer(readout: str, cell: Cell) -> bool:
    return cell.readout == readout


def _missing(results: Results, part: Collection[Place], seeds: set[int], both: dict[Place, Pair]) -> str:
    """1 of 2 pairs of source and target is missing: np -> big; of a lone pair: np -> big is missing."""
    lacking = {
        place: (
            {seed for seed in seeds if any(seed not in cell.seeds for cell in both[place])}
            if place in both
            else seeds
        )
        for place in part
    }
    words = [_in_words(results, place, own, seeds) for place, own in lacking.items() if own]
    verb = "is missing" if len(words) == 1 else "are missing"
    if len(part) == 1:
        return f"{words[0]} {verb}" if words else ""
    return (
        f"{len(words)} of {len(part)} pairs of source and target {verb}: {', '.join(words)}" if words else ""
    )


def _in_words(results: Results, place: Place, lacking: set[int], planned: set[int]) -> str:
    """np -> big; np -> big (seed 2) where other seeds are there."""
    seeds = ", ".join(map(str, sorted(lacking)))
    return _called(results, place) + (
        "" if lacking == planned else f" (seed{'s' * (len(lacking) > 1)} {seeds})"
    )


def _called(results: Results, place: Place) -> str:
    experiment, source, target = place
    return (
        f"{experiment}{': ' if experiment else ''}{domain_name(results, source)} ->"
        f" {domain_name(results, target)}"
    )
