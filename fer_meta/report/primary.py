"""The one contrast that a suite named before anything was run; all other comparisons of its page are exploratory."""

from collections.abc import Sequence

import pandas as pd

from fer_meta.evaluation import rounding
from fer_meta.evaluation.intervals import Outcomes, contrast
from fer_meta.evaluation.statistics import p_in_words
from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.numbers import method_name
from fer_meta.report.pieces import markdown

COLUMNS = ["first", "second", "shots", "over", "less", "advantage_over", "advantage_less", "value", "low", "high", "p", "pairs", "seeds"]
WORDS = {"across": "domains that it was not trained on", "within": "its own domain's test images"}

Pair = tuple[Cell, Cell]


def primary_table(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """One row, or none where the suite names no primary contrast, a part of it is missing, or one of its trainings did not learn.

    `advantage_over` is accuracy of `first` less that of `second` (-1 to 1), mean over the `pairs` of source and target of `over`;
    `advantage_less` the same of `less`; `value` is their difference, with its 95 % interval `low` to `high` and its p over seeds, people and
    episodes, neither corrected, for it is a single test.
    """
    named = results.plan.get("primary")
    over, less = _parts(named, cells) if named else ([], [])
    seeds = _common_seeds(over + less)
    if not over or not seeds or named["less"] and not less or failed_seeds(results, cells):
        return pd.DataFrame(columns=COLUMNS)
    advantages = [contrast(_terms(part, seeds)) for part in (over, less) if part]
    whole = contrast(_terms(over, seeds) + [(-weight, outcomes) for weight, outcomes in _terms(less, seeds)])
    return pd.DataFrame([named | {
        "advantage_over": advantages[0].value, "advantage_less": advantages[1].value if less else None, "value": whole.value, "low": whole.low,
        "high": whole.high, "p": whole.p, "pairs": len(over), "seeds": len(seeds)}], columns=COLUMNS)


def failed_seeds(results: Results, cells: list[Cell]) -> list[str]:
    """The trainings of the contrast that did not learn, each once, in words."""
    named = results.plan.get("primary")
    pairs = sum(_parts(named, cells), []) if named else []
    seeds = _common_seeds(pairs)
    return list(dict.fromkeys(f"{method_name(cell.method, results)} on {cell.source}, seed {seed}"
                              for pair in pairs for cell in pair for seed in cell.failed if seed in seeds))


def section(results: Results, cells: list[Cell], primary: pd.DataFrame) -> str:
    """Markdown; nothing where the suite names no primary contrast."""
    return f"## Primary contrast\n\n{markdown(in_words(results, cells, primary))}" if results.plan.get("primary") else ""


def in_words(results: Results, cells: list[Cell], primary: pd.DataFrame) -> str:
    """What was named beforehand and what came of it; nothing where the suite names nothing."""
    named = results.plan.get("primary")
    if not named:
        return ""
    first, second = (method_name(named[side], results) for side in ("first", "second"))
    over, less = (WORDS.get(named[part], named[part]) for part in ("over", "less"))
    what = f"Named before the runs: {first} less {second}, {named['shots']}-shot, on {over}" + (f", less the same on {less}." if named["less"] else ".")
    if primary.empty:
        lost = ", ".join(failed_seeds(results, cells))
        why = f"no claim, for a training did not learn: {lost}" if lost else "not known yet, for a part of it is missing"
        return f"{what} Found: {why}. All else on this page is exploratory."
    row = primary.iloc[0]
    points, low, high, one, other = (rounding.percent(row[name], "+") if pd.notna(row[name]) else "" for name in (
        "value", "low", "high", "advantage_over", "advantage_less"))
    parts = f"{one} points less {other} is {points} points" if named["less"] else f"{points} points"
    spread = f" (95 % interval {low} to {high}, {p_in_words(rounding.settled(row['p']))}" if low else " (its spread is not known"
    seeds = f"{row['seeds']} seeds" if row["seeds"] > 1 else "one seed: nothing is said about other trainings"
    pairs = f"{row['pairs']} pairs of source and target, " if row["pairs"] > 1 else ""
    return f"{what} Found: {parts}{spread}; {pairs}{seeds}). All else on this page is exploratory."


def _parts(named: dict, cells: list[Cell]) -> tuple[list[Pair], list[Pair]]:
    """The pairs of methods of `over` and of `less`; of the sources that have both."""
    found = {}
    for part in ("over", "less"):
        blocks: dict[tuple, dict[str, Cell]] = {}
        for cell in cells:
            if cell.selection == "source-val" and cell.shots == named["shots"] and _is_of(named[part], cell):
                blocks.setdefault(cell.place, {})[cell.method] = cell
        both = (named["first"], named["second"])
        found[part] = [tuple(block[name] for name in both) for block in blocks.values() if set(both) <= set(block)]
    if named["less"]:
        sources = [{first.source for first, _ in pairs} for pairs in found.values()]
        found = {part: [pair for pair in pairs if pair[0].source in sources[0] & sources[1]] for part, pairs in found.items()}
    return found["over"], found["less"]


def _is_of(part: str | None, cell: Cell) -> bool:
    if part in WORDS:
        return not cell.experiment and (cell.source == cell.target) == (part == "within")
    return part is not None and cell.experiment == part


def _common_seeds(pairs: Sequence[Pair]) -> tuple[int, ...]:
    seeds = [set(cell.seeds) for pair in pairs for cell in pair]
    return tuple(sorted(set.intersection(*seeds))) if seeds else ()


def _terms(pairs: Sequence[Pair], seeds: tuple[int, ...]) -> list[tuple[float, Outcomes]]:
    """The mean over pairs of first less second, as terms of a contrast."""
    return [(sign / len(pairs), cell.outcomes(seeds)) for pair in pairs for sign, cell in zip((1, -1), pair)]
