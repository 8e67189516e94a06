"""The forms of the report's numbers: CSV for programs; Markdown, LaTeX and text for people."""

from functools import partial
from textwrap import wrap

import pandas as pd

from fer_meta.report.load import Results
from fer_meta.report.numbers import BAYES, CELL, SELECTIONS, domain_name, method_name, order

CSV_COLUMNS = ["method", "backbone", "source", "target", "way", "shots", "selection", "accuracy", "ci95_episodes",
               "sd_seeds", "chance", "bayes", "episodes", "seeds", "classes", "test_images", "copies_removed",
               "excluded", "rendered"]
INTERVAL = ("± is the half width of the 95 % interval over episodes (1.96 sd / √episodes of the accuracies "
            "averaged over seeds); it says nothing about other seeds, whose sd stands in table.csv.")
BAYES_NOTE = ("exact (computed, not measured) accuracy of a perfect reader of the action units (AUs) drawn in a "
              "rendered face; no method that sees only an image's drawn units can beat it on average.")
RENDERED_NOTE = "(rendered): faces drawn by fer-meta on the machine, not photographs."


def to_csv(table: pd.DataFrame) -> str:
    """Numbers as numbers, an unknown one empty; six decimals, so that machines agree on the bytes."""
    return table[CSV_COLUMNS].round(6).to_csv(index=False, lineterminator="\n")


def to_markdown(results: Results, table: pd.DataFrame, heads: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """The headline, accuracy against severity, a block a target, then the own heads, then what is missing."""
    parts = [f"# {results.plan.get('title', results.plan['suite'])}",
             f"Suite `{results.plan['suite']}`, preset `{results.plan.get('preset', '')}`, made by:",
             _fenced(results.command),
             _backbones_line(table),
             "Mean accuracy in percent over the same episodes for every method, by how the checkpoint was "
             "picked: source-val, on the source's validation split (the headline; the best method of a "
             "source is bold); last, the last one; oracle, on the target's validation split, which no one "
             "has in practice. " + INTERVAL]
    if results.plan.get("rendered"):
        parts.append(RENDERED_NOTE)
    parts += _markdown_headline(results, table[table["selection"] == "source-val"])
    parts += _markdown_gaps(results, gaps)
    for (target, way), block in table.groupby(["target", "way"], sort=False):
        parts += [f"## Tested on {_code(results, target)}, {way}-way (chance {100 / way:.1f})",
                  _protocol_line(results, block), _markdown_block(results, block)]
    if len(heads):
        parts += ["## Own heads, each test image scored once",
                  "Accuracy and UAR (recall averaged over classes) in percent, means over seeds.",
                  _markdown_heads(results, heads)]
    if results.missing:
        parts += [f"## Missing: {len(results.missing)} of {len(results.plan['runs'])} runs",
                  _fenced("\n".join(_missing_lines(results))), "This fills them:", _fenced(results.command)]
    return "\n\n".join(parts) + "\n"


def _backbones_line(table: pd.DataFrame) -> str:
    pairs = table[["algorithm", "backbone"]].drop_duplicates().itertuples(index=False)
    return "Backbones: " + ", ".join(f"{algorithm} {backbone}" for algorithm, backbone in pairs) + "."


def _protocol_line(results: Results, block: pd.DataFrame) -> str:
    runs = [run for run in results.runs if run.target == block["target"].iloc[0]
            and run.protocol["way"] == block["way"].iloc[0]]
    def told(key: str) -> str:
        return "/".join(sorted({str(run.protocol.get(key, "?")) for run in runs}))

    batchnorm = {"eval": "stored statistics (inductive)", "batch": "the batch's statistics (transductive)"}
    excluded = " or ".join(text or "none" for text in block["excluded"].unique())
    return "; ".join([
        f"Protocol: {block['way'].iloc[0]}-way, {told('queries')} queries a class",
        f"{_count(block['episodes'], 'episode')}, {_count(block['seeds'], 'seed')}",
        f"support and query disjoint by {told('disjoint')}",
        f"BatchNorm at test: {batchnorm.get(told('batchnorm'), told('batchnorm'))}",
        f"classes tested (those that source and target share): {_classes_line(results, block)}",
        f"{_range(block['test_images'])} test images, copies {told('copies')} "
        f"({_range(block['copies_removed'])} removed)",
        f"classes excluded as too small (class:images): {excluded}",
    ]) + "."


def _classes_line(results: Results, block: pd.DataFrame) -> str:
    pairs = block[["source", "classes"]].drop_duplicates().itertuples(index=False)
    return ", ".join(f"{classes} from {_code(results, source)}" for source, classes in pairs)


def _markdown_headline(results: Results, table: pd.DataFrame) -> list[str]:
    """A table a number of shots: a row a source and target, a column a method."""
    if table.empty:
        return []
    table = table.sort_values(["source", "target", "way"], key=partial(order, results), kind="stable")
    methods = table["method"].drop_duplicates().sort_values(key=partial(order, results))
    parts = ["## Headline, the checkpoint picked on the source's validation split"]
    for shots, rows in table.groupby("shots"):
        lines = [["source", "target", *map(method_name, methods), "Chance", BAYES]]
        for (source, target, _), row in rows.groupby(["source", "target", "way"], sort=False):
            # No spaces: a cell of a table this wide would be broken at them.
            cells = {cell.method: _percent(cell, "**{}**", _is_best(cell, row), "±") + _star(cell)
                     for cell in row.itertuples()}
            lines.append([_code(results, source), _code(results, target),
                          *(cells.get(method, "") for method in methods),
                          _exact(row["chance"].iloc[0]), _exact(row["bayes"].iloc[0])])
        if rows["bayes"].isna().all():
            lines = [line[:-1] for line in lines]
        parts += [f"{shots}-shot:", _pipes(lines, text_columns=2)]
    if (table["seeds"] < table["planned_seeds"]).any():
        parts.append("\\* seeds are missing.")
    if table["bayes"].notna().any():
        parts.append(f"{BAYES}: {BAYES_NOTE}")
    return parts


def _markdown_gaps(results: Results, gaps: pd.DataFrame) -> list[str]:
    """A table a source and recipe: a row a method and shots, a column a severity."""
    if gaps.empty:
        return []
    parts = ["## Accuracy against the size of the domain gap",
             "Each recipe of rendered faces goes from the studio (severity 0) to its own look (severity 1). Mean "
             "accuracy in percent of the checkpoint picked on the source's validation split; ± as above."]
    for (source, recipe), block in gaps.groupby(["source", "recipe"], sort=False):
        columns = block[["severity", "target"]].drop_duplicates().sort_values(["severity", "target"])
        heads = [f"{severity:g}" + (" (the source itself)" if target == source else "")
                 for severity, target in columns.itertuples(index=False)]
        lines = [["method", "shots", *heads]]
        for shots, rows in block.groupby("shots"):
            for method, row in rows.groupby("method", sort=False):
                cells = {cell.target: _percent(cell, "**{}**", _is_best(cell, rows[rows["target"] == cell.target]))
                         + _star(cell) for cell in row.itertuples()}
                lines.append([method_name(method), str(shots),
                              *(cells.get(target, "") for target in columns["target"])])
        for name, column in [("Chance", "chance"), (BAYES, "bayes")]:
            if block[column].notna().any():
                exact = block.groupby("target")[column].first()
                lines.append([name, "", *(_exact(exact[target]) for target in columns["target"])])
        parts += [f"Trained on {_code(results, source)}, tested on `{recipe}` (rendered) by severity:",
                  _pipes(lines, text_columns=1)]
    return parts


def _markdown_block(results: Results, block: pd.DataFrame) -> str:
    columns = [(shots, selection) for shots in sorted(block["shots"].unique())
               for selection in sorted(block["selection"].unique(), key=list(SELECTIONS).index)]
    lines = [["method", "source", *(f"{shots}-shot {SELECTIONS[selection]}" for shots, selection in columns)]]
    for (source, method), row in block.groupby(["source", "method"], sort=False):
        cells = {(cell.shots, cell.selection): _percent(cell, "**{}**", best=_is_best(cell, block))
                 for cell in row.itertuples()}
        lines.append([method_name(method) + _seeds_lacking(row), _code(results, source),
                      *(cells.get(column, "") for column in columns)])
    lines.append(["Chance", "", *(_exact(block["chance"].iloc[0]) for _ in columns)])
    # What a reader can reach depends on the classes, and these on the source.
    reachable = block.groupby("source", sort=False)["bayes"].first()
    if reachable.nunique(dropna=False) == 1:
        reachable = reachable.iloc[:1].set_axis([""])
    for source, accuracy in reachable.dropna().items():
        lines.append([BAYES, source and _code(results, source), *(_exact(accuracy) for _ in columns)])
    return _pipes(lines, text_columns=2)


def _markdown_heads(results: Results, heads: pd.DataFrame) -> str:
    lines = [["method", "source", "target", "checkpoint",
              "accuracy", "UAR", "images", "classes", "seeds", "Chance", f"{BAYES} (UAR)"]]
    for row in heads.itertuples():
        lines.append([method_name(row.method), _code(results, row.source),
                      _code(results, row.target), SELECTIONS.get(row.selection, row.selection),
                      f"{100 * row.accuracy:.1f}", f"{100 * row.uar:.1f}", str(row.images), str(row.classes),
                      str(row.seeds), _exact(row.chance), _exact(row.bayes)])
    if heads["bayes"].isna().all():
        lines = [line[:-1] for line in lines]
    return _pipes(lines, text_columns=4)


def to_latex(results: Results, table: pd.DataFrame) -> str:
    r"""A booktabs table of the source-val columns, ready for \input."""
    table = table[table["selection"] == "source-val"]
    shots = sorted(table["shots"].unique())
    exact = ["Chance", "Bayes"] if table["bayes"].notna().any() else ["Chance"]
    lines = []
    for (target, way, source), block in table.groupby(["target", "way", "source"], sort=False):
        for method, row in block.groupby("method", sort=False):
            cells = {cell.shots: "$" + _percent(cell, r"\mathbf{{{}}}", _is_best(cell, block), r" \pm ") + "$"
                     for cell in row.itertuples()}
            names = [domain_name(results, source), domain_name(results, target),
                     method_name(method) + _seeds_lacking(row)]
            numbers = [_exact(block["chance"].iloc[0]), _exact(block["bayes"].iloc[0]) or "--"]
            lines.append([*map(_escape, names), *(cells.get(count, "--") for count in shots), *numbers[:len(exact)]])
        lines.append(None)
    rows = [r"\midrule" if line is None else " & ".join(line) + r" \\" for line in lines[:-1]]
    head = ["Source", "Target", "Method", *(f"{count}-shot" for count in shots), *exact]
    return "\n".join([
        "% Made by fer-meta report; needs \\usepackage{booktabs}.",
        r"\begin{table}", r"  \centering",
        rf"  \caption{{{_escape(results.plan.get('title', results.plan['suite']))}: accuracy in \% of the "
        r"checkpoint picked on the source's validation split, with the 95\,\% interval over episodes; "
        "the best method of a source and target is bold."
        + (f" Bayes: {BAYES_NOTE}" if len(exact) == 2 else "") + "}",
        rf"  \label{{tab:{results.plan['suite']}}}",
        rf"  \begin{{tabular}}{{lll{'r' * (len(shots) + len(exact))}}}", r"    \toprule",
        "    " + " & ".join(head) + r" \\", r"    \midrule", *("    " + row for row in rows),
        r"    \bottomrule", r"  \end{tabular}", r"\end{table}", ""])


def to_text(results: Results, table: pd.DataFrame) -> str:
    """A block a source and target, then the missing runs; for a terminal."""
    selections = [name for name in SELECTIONS if (table["selection"] == name).any()]
    head = ["method", "shots", *selections, "chance", "episodes", "seeds"]
    blocks = []
    for (target, way, source), block in table.groupby(["target", "way", "source"], sort=False):
        lines = []
        for (method, shots), row in block.groupby(["method", "shots"], sort=False):
            cells = {cell.selection: _percent(cell) for cell in row.itertuples()}
            lines.append([method_name(method), str(shots), *(cells.get(name, "") for name in selections),
                          _exact(row["chance"].iloc[0]), _range(row["episodes"]),
                          _range(row["seeds"]) + (" *" if _seeds_lacking(row) else "")])
        if block["bayes"].notna().any():
            lines.append([BAYES, "", *[_exact(block["bayes"].iloc[0])] * len(selections), "", "", ""])
        title = f"{domain_name(results, source)} -> {domain_name(results, target)}, {way}-way, accuracy in %"
        blocks.append((title, lines))
    widths = [max(len(line[i]) for _, lines in blocks for line in [head, *lines]) for i in range(len(head))]
    text = ""
    for title, lines in blocks:
        text += title + "\n"
        for line in [head, *lines]:
            cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
            text += "  " + "  ".join([line[0].ljust(widths[0]), *cells]).rstrip() + "\n"
        text += "\n"
    text += "± 95 % interval over episodes; oracle: picked on the target's validation split"
    text += "; * seeds are missing\n" if any(_seeds_lacking(row) for _, row in table.groupby(CELL)) else "\n"
    if table["bayes"].notna().any():
        text += "\n".join(wrap(f"{BAYES}: {BAYES_NOTE}", 98)) + "\n"
    if results.missing:
        text += f"\nMissing: {len(results.missing)} of {len(results.plan['runs'])} runs\n"
        text += "".join(f"  {line}\n" for line in _missing_lines(results)) + f"Fill them: {results.command}\n"
    return text


# --- pieces of the forms ---------------------------------------------------------------------------------

def _percent(cell, bold: str = "{}", best: bool = False, plus_minus: str = " ± ") -> str:
    mean = f"{100 * cell.accuracy:.1f}"
    half = "" if pd.isna(cell.ci95_episodes) else f"{plus_minus}{100 * cell.ci95_episodes:.1f}"
    return (bold.format(mean) if best else mean) + half


def _exact(accuracy: float) -> str:
    """Chance or Bayes: known, so without an interval; empty where there is none."""
    return "" if pd.isna(accuracy) else f"{100 * accuracy:.1f}"


def _is_best(cell, block: pd.DataFrame) -> bool:
    """Best as shown: two cells that read the same are both best; a lone method is not a winner."""
    rivals = block[(block["source"] == cell.source) & (block["shots"] == cell.shots)
                   & (block["selection"] == "source-val")]["accuracy"]
    shown = f"{100 * rivals.max():.1f}"
    return cell.selection == "source-val" and len(rivals) > 1 and f"{100 * cell.accuracy:.1f}" == shown


def _seeds_lacking(row: pd.DataFrame) -> str:
    least, planned = row["seeds"].min(), row["planned_seeds"].max()
    return f" ({least} of {planned} seeds)" if least < planned else ""


def _star(cell) -> str:
    return "\\*" if cell.seeds < cell.planned_seeds else ""


def _code(results: Results, domain: str) -> str:
    """A domain in Markdown: as code, so that no `_`, `*` or `@` of a name is taken for markup."""
    return domain_name(results, domain, "`{}`")


def _missing_lines(results: Results) -> list[str]:
    return [f"{run['algorithm']}, {domain_name(results, run['source'])} -> "
            f"{domain_name(results, run['target'])}, seed {run['seed']}: {why}"
            for run, why in results.missing]


def _range(numbers: pd.Series) -> str:
    low, high = numbers.min(), numbers.max()
    return str(low) if low == high else f"{low} to {high}"


def _count(numbers: pd.Series, noun: str) -> str:
    return f"{_range(numbers)} {noun}{'' if numbers.max() == 1 else 's'}"


def _pipes(lines: list[list[str]], text_columns: int) -> str:
    rule = [":--"] * text_columns + ["--:"] * (len(lines[0]) - text_columns)
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |"
                     for line in [lines[0], rule, *lines[1:]])


def _fenced(text: str) -> str:
    return f"```\n{text}\n```"


def _escape(text: str) -> str:
    for sign, safe in {"\\": r"\textbackslash ", "_": r"\_", "&": r"\&", "%": r"\%", "#": r"\#", "$": r"\$",
                       "{": r"\{", "}": r"\}", "~": r"\textasciitilde ", "^": r"\textasciicircum "}.items():
        text = text.replace(sign, safe)
    return text
