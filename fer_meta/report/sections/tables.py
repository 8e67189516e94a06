"""The report's numbers as CSV for programs and as Markdown for people."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from fer_meta.report.aggregate import folds
from fer_meta.report.load import Results
from fer_meta.report.names import BAYES, SELECTIONS, order
from fer_meta.report.sections.left_out import left_out_lines
from fer_meta.report.sections.protocol import protocol_line
from fer_meta.report.sections.words import (
    BAYES_NOTE,
    best_of,
    code,
    dagger,
    exact,
    failed_note,
    fenced,
    interval_note,
    is_best,
    markdown,
    method,
    missing_lines,
    percent,
    pipes,
    seeds_lacking,
    span_of_code,
    star,
    title,
    unjudged_note,
    with_half,
)
from fer_meta.statistics.rounding import settled

CSV_COLUMNS = [
    "experiment",
    "method",
    "backbone",
    "class_balance",
    "source",
    "target",
    "way",
    "shots",
    "selection",
    "accuracy",
    "ci95",
    "ci95_episodes",
    "sd_seeds",
    "uar",
    "uar_ci95",
    "macro_f1",
    "ece",
    "chance",
    "bayes",
    "episodes",
    "seeds",
    "failed_seeds",
    "groups",
    "members",
    "classes",
    "test_images",
    "copies_removed",
    "excluded",
    "rendered",
]
SELECTED_BY = (
    "Each readout picks for itself: an own head by its recall averaged over classes (UAR) on all images of"
    " the split, all others by their accuracy in its validation episodes."
)
RENDERED_NOTE = "(rendered): faces drawn by fer-meta on the machine, not photographs."


def to_csv(table: pd.DataFrame, columns: Sequence[str] | None = None) -> str:
    """Numbers as numbers, an unknown one empty; six decimals, so that machines agree on the bytes."""
    shown = table[columns or list(table)]
    numbers = shown.select_dtypes("floating")
    return shown.assign(**(settled(numbers).round(6) + 0.0)).to_csv(index=False, lineterminator="\n")


def to_markdown(
    results: Results,
    table: pd.DataFrame,
    heads: pd.DataFrame,
    gaps: pd.DataFrame,
    experiments: Sequence[str] = (),
    comparisons: str = "",
) -> str:
    """The experiments, the headline, the methods compared, severity, a block a target, own heads, what is
    missing.

    `experiments` and `comparisons` are the sections that other modules made of them; an empty one is left
    out.
    """
    parts = [
        f"# {markdown(results.plan.get('title') or results.plan['suite'])}",
        (
            f"Suite {span_of_code(results.plan['suite'])}, preset"
            f" {span_of_code(results.plan.get('preset', ''))}, made by:"
        ),
        fenced(results.command),
        " ".join(filter(None, [_backbones_line(table), _balance_line(table)])),
        (
            "Mean accuracy in percent over the same queries for every method, by how the checkpoint was "
            "picked: source-val, on the source's validation split (the headline; the best method of a "
            "source is bold); last, the last one; oracle, on the target's validation split, which no one "
            f"has in practice. {SELECTED_BY} {interval_note(table)}"
        ),
    ]
    if results.plan.get("rendered"):
        parts.append(RENDERED_NOTE)
    parts += filter(None, [folds.note(results), unjudged_note(results, table)])
    parts += map(_with_code, left_out_lines(results))
    parts += [section for section in experiments if section]
    parts += _headline(results, table[table["selection"] == "source-val"])
    parts += [comparisons] if comparisons else []
    parts += _gaps(results, gaps)
    for (experiment, target, way), block in table.groupby(["experiment", "target", "way"], sort=False):
        start = title(results, experiment)
        parts += [
            (
                f"## {start}{'t' if start else 'T'}ested on {code(results, target)}, {way}-way (chance"
                f" {100 / way:.1f})"
            ),
            protocol_line(results, block),
            _block(results, block),
            *_failed(results, block),
        ]
    if len(heads):
        parts += [
            "## Each test image scored once",
            "Own heads, and episodes that share out the test images. Means over seeds in percent; UAR: recall"
            " averaged over classes; ECE: expected calibration error, empty where a method gives no"
            " probability."
            + (
                " Clips: all frames of a clip decide together, by the class most of them vote for, or by"
                " their mean probability."
                if heads["clips"].notna().any()
                else ""
            ),
            _heads(results, heads),
            *_failed(results, heads),
        ]
    if results.plan.get("not_run"):
        parts += [
            "## Experiments not run",
            "\n".join(f"- {markdown(f'{key}: {why}')}" for key, why in results.plan["not_run"].items()),
        ]
    if results.missing:
        parts += [
            f"## Missing: {len(results.missing)} of {len(results.plan['runs'])} runs",
            fenced("\n".join(missing_lines(results))),
            "This fills them:",
            fenced(results.command),
        ]
    return "\n\n".join(parts) + "\n"


def _with_code(line: str) -> str:
    """A line in which a command stands between backticks."""
    words, tick, command = line.partition("`")
    command, _, rest = command.rpartition("`")
    return markdown(words) + (span_of_code(command) + rest if tick else "")


def _backbones_line(table: pd.DataFrame) -> str:
    pairs = table[["algorithm", "backbone"]].drop_duplicates().itertuples(index=False)
    return (
        "Backbones: " + ", ".join(markdown(f"{algorithm} {backbone}") for algorithm, backbone in pairs) + "."
    )


def _balance_line(table: pd.DataFrame) -> str:
    """How supervised training met classes of unequal size; in training episodes they are of equal size."""
    kinds = table[table["class_balance"] != ""].groupby("class_balance")["experiment"].unique()
    if kinds.empty:
        return ""
    usual, *others = sorted(kinds.index, key=lambda kind: -len(kinds[kind]))
    return (
        f"Class balance in supervised training: {markdown(usual)}"
        + "".join(f"; {markdown(kind)} in {markdown(', '.join(kinds[kind]))}" for kind in others)
        + "."
    )


def _headline(results: Results, table: pd.DataFrame) -> list[str]:
    """A table a number of shots: a row a source and target, a column a method."""
    if table.empty:
        return []
    table = table.sort_values(
        ["experiment", "source", "target", "way"], key=partial(order, results), kind="stable"
    )
    methods = table["method"].drop_duplicates().sort_values(key=partial(order, results))
    first = ["experiment"] if results.experiments else []
    parts = ["## Headline, the checkpoint picked on the source's validation split"]
    for shots, rows in table.groupby("shots"):
        lines = [[*first, "source", "target", *(method(results, name) for name in methods), "Chance", BAYES]]
        for (experiment, source, target, _), row in rows.groupby(
            ["experiment", "source", "target", "way"], sort=False
        ):
            # No spaces: a cell of a table this wide would be broken at them.
            best = best_of(row)
            cells = {
                cell.method: percent(cell, "**{}**", is_best(cell, best), "±") + star(cell)
                for cell in row.itertuples()
            }
            lines.append(
                [
                    *[markdown(experiment)] * len(first),
                    code(results, source),
                    code(results, target),
                    *(cells.get(name, "") for name in methods),
                    exact(row["chance"].iloc[0]),
                    exact(row["bayes"].iloc[0]),
                ]
            )
        if rows["bayes"].isna().all():
            lines = [line[:-1] for line in lines]
        parts += [f"{shots}-shot:", pipes(lines, text_columns=2 + len(first))]
    parts += _failed(results, table)
    if (table["seeds"] < table["planned_seeds"]).any():
        parts.append("\\* seeds are missing.")
    if table["bayes"].notna().any():
        parts.append(f"{BAYES}: {BAYES_NOTE}")
    return parts


def _gaps(results: Results, gaps: pd.DataFrame) -> list[str]:
    """A table a source and recipe: a row a method and shots, a column a severity."""
    if gaps.empty:
        return []
    parts = [
        "## Accuracy against the size of the domain gap",
        (
            "Each recipe of rendered faces goes from the studio (severity 0) to its own look (severity 1)."
            " Mean accuracy in percent of the checkpoint picked on the source's validation split; ± as above."
        ),
    ]
    for (source, recipe), block in gaps.groupby(["source", "recipe"], sort=False):
        columns = block[["severity", "target"]].drop_duplicates().sort_values(["severity", "target"])
        heads = [
            f"{severity:g}" + (" (the source itself)" if target == source else "")
            for severity, target in columns.itertuples(index=False)
        ]
        lines = [["method", "shots", *heads]]
        for shots, rows in block.groupby("shots"):
            best = {target: best_of(here) for target, here in rows.groupby("target")}
            for name, row in rows.groupby("method", sort=False):
                cells = {
                    cell.target: percent(cell, "**{}**", is_best(cell, best[cell.target])) + star(cell)
                    for cell in row.itertuples()
                }
                lines.append(
                    [
                        method(results, name),
                        str(shots),
                        *(cells.get(target, "") for target in columns["target"]),
                    ]
                )
        for name, column in [("Chance", "chance"), (BAYES, "bayes")]:
            if block[column].notna().any():
                known = block.groupby("target")[column].first()
                lines.append([name, "", *(exact(known[target]) for target in columns["target"])])
        parts += [
            f"Trained on {code(results, source)}, tested on {span_of_code(recipe)} (rendered) by severity:",
            pipes(lines, text_columns=1),
            *_failed(results, block),
        ]
    return parts


def _failed(results: Results, rows: pd.DataFrame) -> list[str]:
    note = failed_note(results, rows, markdown)
    return [note] if note else []


def _block(results: Results, block: pd.DataFrame) -> str:
    columns = [
        (shots, selection)
        for shots in sorted(block["shots"].unique())
        for selection in sorted(block["selection"].unique(), key=list(SELECTIONS).index)
    ]
    lines = [
        [
            "method",
            "source",
            *(
                f"{shots}-shot {SELECTIONS[selection]}, ± all (episodes alone)"
                for shots, selection in columns
            ),
        ]
    ]
    best = best_of(block)
    for (source, name), row in block.groupby(["source", "method"], sort=False):
        cells = {
            (cell.shots, cell.selection): (
                percent(cell, "**{}**", best=is_best(cell, best)) + dagger(cell) + _episodes_alone(cell)
            )
            for cell in row.itertuples()
        }
        lines.append(
            [
                method(results, name) + seeds_lacking(row),
                code(results, source),
                *(cells.get(column, "") for column in columns),
            ]
        )
    lines.append(["Chance", "", *(exact(block["chance"].iloc[0]) for _ in columns)])
    # What a reader can reach depends on the classes, and these on the source.
    reachable = block.groupby("source", sort=False)["bayes"].first()
    if reachable.nunique(dropna=False) == 1:
        reachable = reachable.iloc[:1].set_axis([""])
    for source, accuracy in reachable.dropna().items():
        lines.append([BAYES, source and code(results, source), *(exact(accuracy) for _ in columns)])
    return pipes(lines, text_columns=2)


def _episodes_alone(cell) -> str:
    return "" if pd.isna(cell.ci95_episodes) else f" ({exact(cell.ci95_episodes)})"


def _heads(results: Results, heads: pd.DataFrame) -> str:
    clips = heads["clips"].notna().any()
    names = {
        "experiment": map(markdown, heads["experiment"]),
        "method": [
            method(results, row.method) + (f", {row.shots}-shot" if row.shots else "")
            for row in heads.itertuples()
        ],
        "source": [code(results, source) for source in heads["source"]],
        "target": [code(results, target) for target in heads["target"]],
        "checkpoint": [SELECTIONS.get(name, name) for name in heads["selection"]],
    }
    if not results.experiments:
        del names["experiment"]
    numbers = {
        "accuracy of frames" if clips else "accuracy": [
            percent(row) + dagger(row) for row in heads.itertuples()
        ]
    }
    scores = {
        "of clips, by vote": "clip_accuracy_vote",
        "of clips, by mean": "clip_accuracy_mean",
        "UAR": "uar",
        "macro-F1": "macro_f1",
        "ECE": "ece",
    }
    numbers |= {
        name: heads[column].map(exact) for name, column in scores.items() if heads[column].notna().any()
    }
    numbers["UAR"] = [with_half(row.uar, row.uar_ci95) for row in heads.itertuples()]
    numbers |= {
        name: heads[name].map(lambda value: "" if pd.isna(value) else f"{value:.0f}")
        for name in ("images", "clips", "classes", "seeds")
        if heads[name].notna().any()
    }
    numbers["Chance"] = heads["chance"].map(exact)
    if heads["bayes"].notna().any():
        numbers[f"{BAYES} (UAR)"] = heads["bayes"].map(exact)
    columns = names | numbers
    return pipes([list(columns), *map(list, zip(*columns.values()))], text_columns=len(names))
