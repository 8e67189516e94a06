"""What others have published, and which of it may be set beside a result of ours. Needs no torch.

`published.csv` has a row a figure. `value` and `interval` (a half width) are percent as printed; an empty
cell is not stated there. `scored` says what is right or wrong: each test image once, each clip once, or the
queries of episodes, which have a `way` and `shots`. A figure is `verified` when it was read where its authors
put it (`where`), and `re-printed` when it was read in the work of others.
"""

from importlib import resources
from typing import NamedTuple

import pandas as pd

from fer_meta.report.failed import MARK
from fer_meta.report.load import Results
from fer_meta.report.sections.words import code, markdown, method
from fer_meta.statistics.rounding import percent

COUNTS = ["image_size", "classes", "way", "shots"]
PERCENT = ["value", "interval"]
METRICS = {"accuracy": "accuracy", "uar": "UAR"}
NOT_TRAINED = ("none", "not stated")  # sources: people and zero-shot models, and figures that do not say
# What we do too, so that it is no difference.
USUAL = ("", "official split", "source images only")
# The labels of AFEW's test clips are withheld: its official validation part is what everybody tests on.
TESTED_ON = {"afew": "validation"}
LEGEND = (
    "Accuracy and UAR (recall averaged over the classes) in percent; px: the side of the images; checkpoint:"
    " what it was picked on; ?: not stated. Verified figures were read where their authors put them,"
    ' re-printed ones in the work of others. "Differs in" names what, as far as is known, no result of ours'
    " beside a figure shares with it."
)


class Setting(NamedTuple):
    """What a published figure must share with a result of ours to stand beside it."""

    source: str
    target: str
    classes: int
    metric: str  # accuracy | uar
    way: int | None  # None: each test image scored once, by a network's own head
    shots: int | None


def read_published() -> pd.DataFrame:
    """The figures in the file's order: `COUNTS` are Int64, `PERCENT` float, all else str ("" is not
    stated).
    """
    with (resources.files("fer_meta.report") / "published.csv").open(encoding="utf-8") as file:
        figures = pd.read_csv(file, dtype=str, keep_default_na=False)
    return figures.assign(
        **{name: pd.to_numeric(figures[name]).astype("Int64") for name in COUNTS},
        **{name: pd.to_numeric(figures[name]) for name in PERCENT},
    )


def same_setting(figures: pd.DataFrame, ours: Setting) -> pd.DataFrame:
    """The figures of the same source, target, number of classes and metric, and of the same way and shots.

    Without a way, those of each test image or clip once. A number of classes that is not stated is not the
    same.
    """
    same = (figures["source"] == ours.source) & (figures["target"] == ours.target)
    same &= (figures["metric"] == ours.metric) & (figures["classes"] == ours.classes).fillna(False)
    if ours.way is None:
        return figures[same & (figures["scored"] != "episode")]
    return figures[
        same & (figures["way"] == ours.way).fillna(False) & (figures["shots"] == ours.shots).fillna(False)
    ]


def why_none(figures: pd.DataFrame, ours: Setting, rendered: list[str]) -> str:
    """In words, why no figure has the setting of ours."""
    if ours.source in rendered or ours.target in rendered:
        return "rendered faces, on which nobody has published"
    near = figures[(figures["target"] == ours.target) & (figures["way"].isna() == (ours.way is None))]
    pair = near[near["source"] == ours.source]
    if ours.way is not None:
        known = dict.fromkeys(f"{way}-way {shots}-shot" for way, shots in zip(pair["way"], pair["shots"]))
        other = f"; there are {', '.join(known)} ones" if known else ""
        return f"no figure of {ours.way}-way {ours.shots}-shot episodes of these could be verified{other}"
    if len(pair):
        counts = " and ".join(
            sorted({"an unstated number of" if pd.isna(count) else str(count) for count in pair["classes"]})
        )
        return f"published with {counts} classes, not {ours.classes}"
    trained = near["source"][~near["source"].isin(NOT_TRAINED)].unique()
    if len(trained):
        return f"published on this target only for models trained on {', '.join(trained)}"
    return "no published figure on this target is known here"


def differs_in(figure: pd.Series, ours: pd.DataFrame) -> list[str]:
    """In words, what a figure is known to share with none of our results (`_ours`) beside it."""
    named = {"backbone": "backbone", "init": "init", "image_size": "image size", "selection": "selection"}
    words = [
        word
        for column, word in named.items()
        if _stated(figure[column]) and figure[column] not in set(ours[column])
    ]
    if ours["cross_validated"].all():
        words.append("split (ours: cross-validation)")
    elif figure["split"] not in (TESTED_ON.get(figure["target"], "test"), ""):
        words.append(f"split ({figure['split']})")
    if figure["scored"] not in set(ours["scored"]):
        words.append(f"{figure['scored']}s, where ours are {ours['scored'].iloc[0]}s")
    if figure["protocol"] not in USUAL:
        words.append(figure["protocol"])
    if (ours["copies_removed"] > 0).all():
        words.append(f"copies (ours: {ours['copies_removed'].max()} removed)")
    return words


def beside(results: Results, table: pd.DataFrame, heads: pd.DataFrame) -> str:
    """Ours and the published figures in the same setting, then which of ours have none and why.

    Markdown that also reads in a terminal. `table` and `heads` are `numbers.accuracy_table` and
    `numbers.head_table` of the results, scores from 0 to 1; a head's rows with support (`shots` above 0) are
    left to `table`.
    """
    figures, places = read_published(), []
    ours = _ours(results, table, heads)
    matched = {setting: same_setting(figures, setting) for setting in ours}
    blocks, alone = [], {}
    for setting, found in matched.items():
        if len(found):
            blocks += [
                f"### {_title(results, setting)}",
                _block(setting.metric, pd.DataFrame(ours[setting]), found, places),
            ]
        elif not any(len(matched.get(setting._replace(metric=metric), ())) for metric in METRICS):
            pairs = alone.setdefault(why_none(figures, setting, results.plan.get("rendered", [])), [])
            pairs += [_pair(results, setting)] if _pair(results, setting) not in pairs else []
    parts = ["## Published figures beside ours"]
    if blocks:
        parts += [
            LEGEND,
            *blocks,
            "\n".join(f"- [{number}] {place}" for number, place in enumerate(places, start=1)),
        ]
    if alone:
        parts += [
            "No published figure has the setting of:",
            "\n".join(f"- {', '.join(pairs)}: {why}." for why, pairs in alone.items()),
        ]
    return "\n\n".join(parts) + "\n"


def _ours(results: Results, table: pd.DataFrame, heads: pd.DataFrame) -> dict[Setting, list[dict]]:
    """Our results by setting: of each what `_block` shows and `differs_in` compares, in percent."""
    runs = {(run.experiment, run.source, run.target, run.algorithm): run for run in results.runs}
    found: dict[Setting, list[dict]] = {}

    def add(row: dict, scored: str, metric: str, value: float, half: float) -> None:
        run = runs[row.get("experiment", ""), row["source"], row["target"], row["algorithm"]]
        way, shots = (row["way"], row["shots"]) if scored == "episode" else (None, None)
        setting = Setting(run.source, run.target, len(run.classes), metric, way, shots)
        name = "ours: " + method(results, row["method"])
        name += ", clips by majority vote" if scored == "clip" else ""
        found.setdefault(setting, []).append(
            {
                "method": name + (f" ({markdown(run.experiment)})" if run.experiment else ""),
                "backbone": markdown(run.config["backbone"]),
                "init": markdown(run.config.get("weights", "none")),
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


def _block(metric: str, ours: pd.DataFrame, figures: pd.DataFrame, places: list[str]) -> str:
    """Ours, then the published figures, highest first; where each was read is numbered in `places`, which
    grows.
    """
    lines = [
        [
            "method",
            "backbone",
            "init",
            "px",
            "checkpoint",
            METRICS[metric],
            "evidence",
            "differs in",
            "remark",
        ]
    ]
    for _, row in ours.iterrows():
        seeds = f"{row['seeds']} seed{'' if row['seeds'] == 1 else 's'}" + (
            f" ({MARK} did not learn: {row['failed']})" if row["failed"] else ""
        )
        lines.append([*_who(row), _percent(*(percent(row[name] / 100) for name in PERCENT)), seeds, "", ""])
    for _, row in figures.sort_values("value", ascending=False, kind="stable").iterrows():
        place = f"{row['reference']}: {row['where']}"
        if place not in places:
            places.append(place)
        lines.append(
            [
                *_who(row),
                _percent(f"{row['value']:g}", f"{row['interval']:g}"),
                f"{row['status']} [{places.index(place) + 1}]",
                "; ".join(differs_in(row, ours)),
                row["remark"],
            ]
        )
    return _aligned(lines)


def _who(row: pd.Series) -> list[str]:
    known = [
        str(row[name]) if _stated(row[name]) else "?"
        for name in ("backbone", "init", "image_size", "selection")
    ]
    return [row["method"], *known]


def _percent(value: str, half: str) -> str:
    return value if half == "nan" else f"{value} ± {half}"


def _stated(cell) -> bool:
    return not pd.isna(cell) and cell != ""


def _pair(results: Results, setting: Setting) -> str:
    return f"{code(results, setting.source)} -> {code(results, setting.target)}"


def _title(results: Results, setting: Setting) -> str:
    how = "each test image once" if setting.way is None else f"{setting.way}-way {setting.shots}-shot"
    return f"{_pair(results, setting)}: {METRICS[setting.metric]}, {setting.classes} classes, {how}"


def _aligned(lines: list[list[str]]) -> str:
    """A Markdown table whose columns also line up as plain text."""
    lines = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    widths = [max(3, *map(len, column)) for column in zip(*lines)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in [lines[0], rule, *lines[1:]]
    )
