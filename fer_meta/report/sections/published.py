"""Published figures in the settings of ours, and ours without any."""

import pandas as pd

from fer_meta.report.aggregate.published import (
    METRICS,
    PERCENT,
    Setting,
    differs_in,
    read_published,
    same_setting,
    stated,
    why_none,
)
from fer_meta.report.document import (
    Block,
    Column,
    Items,
    Measured,
    Paragraph,
    Row,
    Section,
    Source,
    Table,
    Text,
    joined,
)
from fer_meta.report.load import Results
from fer_meta.report.names import readout_name
from fer_meta.report.sections.words import domain
from fer_meta.statistics.failed import MARK
from fer_meta.statistics.rounding import percent

LEGEND = (
    "Accuracy and UAR (recall averaged over the classes) in percent; px: the side of the images; checkpoint:"
    " what it was picked on; ?: not stated. Verified figures were read where their authors put them,"
    ' re-printed ones in the work of others. "Differs in" names what, as far as is known, no result of ours'
    " beside a figure shares with it."
)


def section(results: Results, scores: pd.DataFrame, heads: pd.DataFrame) -> Section:
    """Ours and the published figures in the same setting, then which of ours have none and why.

    From `accuracy_table` and `head_table`, scores from 0 to 1; a head's rows with support (`shots` above 0)
    are left to `scores`.
    """
    figures = read_published()
    places: list[str] = []
    ours = _ours(results, scores, heads)
    matched = {setting: same_setting(figures, setting) for setting in ours}
    blocks: list[Block] = []
    alone: dict[str, list[Text]] = {}
    for setting, found in matched.items():
        if len(found):
            rows = _table(setting.metric, pd.DataFrame(ours[setting]), found, places)
            blocks.append(Section(_title(results, setting), (rows,)))
        elif not any(len(matched.get(setting._replace(metric=metric), ())) for metric in METRICS):
            pairs = alone.setdefault(why_none(figures, setting, results.plan.get("rendered", [])), [])
            pairs += [_pair(results, setting)] if _pair(results, setting) not in pairs else []
    if blocks:
        sources = [(Source(number), f" {place}") for number, place in enumerate(places, start=1)]
        blocks = [Paragraph(LEGEND), *blocks, Items(tuple(sources))]
    if alone:
        settings = [(joined(pairs, ", "), f": {why}.") for why, pairs in alone.items()]
        blocks += [Paragraph("No published figure has the setting of:"), Items(tuple(settings))]
    return Section("Published figures beside ours", tuple(blocks))


def _ours(results: Results, table: pd.DataFrame, heads: pd.DataFrame) -> dict[Setting, list[dict]]:
    """Our results by setting: of each what `_block` shows and `differs_in` compares, in percent."""
    runs = {(run.experiment, run.source, run.target, run.method): run for run in results.runs}
    found: dict[Setting, list[dict]] = {}

    def add(row: dict, scored: str, metric: str, value: float, half: float) -> None:
        run = runs[row.get("experiment", ""), row["source"], row["target"], row["method"]]
        way, shots = (row["way"], row["shots"]) if scored == "episode" else (None, None)
        setting = Setting(run.source, run.target, len(run.classes), metric, way, shots)
        name = f"ours: {readout_name(results, row['readout'])}"
        name += ", clips by majority vote" if scored == "clip" else ""
        found.setdefault(setting, []).append(
            {
                "method": name + (f" ({run.experiment})" if run.experiment else ""),
                "backbone": run.config["backbone"],
                "init": run.config.get("weights", "none"),
                "image_size": run.image_size,
                "selection": row["selection"],
                "scored": scored,
                "value": 100 * value,
                "interval": 100 * half,
                "seeds": row["seeds"],
                "failed": row.get("failed_seeds", ""),
                "copies_removed": run.copies_removed,
                "cross_validated": run.fold is not None,
            }
        )

    for row in heads.to_dict("records"):
        if not row.get("shots"):
            add(row, "image", "accuracy", row["accuracy"], row["ci95"])
            add(row, "image", "uar", row["uar"], float("nan"))
            if pd.notna(row.get("clip_accuracy_vote")):
                add(row, "clip", "accuracy", row["clip_accuracy_vote"], float("nan"))
    for row in table.to_dict("records"):
        add(row, "episode", "accuracy", row["accuracy"], row["ci95"])
    return found


def _table(metric: str, ours: pd.DataFrame, figures: pd.DataFrame, places: list[str]) -> Table:
    """Ours, then the published figures, highest first; where each was read is numbered in `places`, which
    grows.
    """
    rows: list[Row] = []
    for _, row in ours.iterrows():
        seeds = f"{row['seeds']} seed{'' if row['seeds'] == 1 else 's'}" + (
            f" ({MARK} did not learn: {row['failed']})" if row["failed"] else ""
        )
        rows.append((*_who(row), _measured(*(percent(row[name] / 100) for name in PERCENT)), seeds, "", ""))
    for _, row in figures.sort_values("value", ascending=False, kind="stable").iterrows():
        place = f"{row['reference']}: {row['where']}"
        if place not in places:
            places.append(place)
        rows.append(
            (
                *_who(row),
                _measured(f"{row['value']:g}", f"{row['interval']:g}"),
                (row["status"], " ", Source(places.index(place) + 1)),
                "; ".join(differs_in(row, ours)),
                row["remark"],
            )
        )
    words = ["method", "backbone", "init", "px", "checkpoint"], ["evidence", "differs in", "remark"]
    before, after = ([Column(name, number=False) for name in names] for names in words)
    return Table((*before, Column(METRICS[metric]), *after), (tuple(rows),))


def _who(row: pd.Series) -> list[str]:
    known = ("backbone", "init", "image_size", "selection")
    return [row["method"], *(str(row[name]) if stated(row[name]) else "?" for name in known)]


def _measured(value: str, half: str) -> Measured:
    return Measured(value, "" if half == "nan" else half)


def _pair(results: Results, setting: Setting) -> Text:
    return domain(results, setting.source), " -> ", domain(results, setting.target)


def _title(results: Results, setting: Setting) -> Text:
    how = "each test image once" if setting.way is None else f"{setting.way}-way {setting.shots}-shot"
    return _pair(results, setting), f": {METRICS[setting.metric]}, {setting.classes} classes, {how}"
