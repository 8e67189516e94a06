"""The numbers of the report, and their forms: CSV for programs; Markdown, LaTeX and text for people."""

import pandas as pd

from fer_meta.report import load
from fer_meta.report.load import Results

SELECTIONS = {
    "source-val": "source-val",
    "last": "last",
    "oracle": "oracle (picked on the target's validation split)",
}
METHODS = {
    "protonet": "ProtoNet",
    "relationnet": "Relation Net",
    "maml": "MAML",
    "fomaml": "FOMAML",
    "supervised-head": "Supervised (own head)",
    "supervised-ncm": "Supervised (nearest mean)",
    "supervised-probe": "Supervised (linear probe)",
}
CELL = ["target", "source", "algorithm", "method", "way", "shots", "selection"]
CSV_COLUMNS = ["method", "backbone", "source", "target", "way", "shots", "selection", "accuracy", "ci95_episodes",
               "sd_seeds", "chance", "episodes", "seeds", "classes", "test_images", "copies_removed", "excluded",
               "rendered"]
INTERVAL = ("± is the half width of the 95 % interval over episodes (1.96 sd / √episodes of the accuracies "
            "averaged over seeds); it says nothing about other seeds, whose sd stands in table.csv.")


def method_name(method: str) -> str:
    """The name for people; a method unknown here keeps its own."""
    return METHODS.get(method, method)


def domain_name(results: Results, domain: str) -> str:
    """The name for people: a rendered domain is always called so."""
    return f"{domain} (rendered)" if domain in results.plan.get("rendered", ()) else domain


def order(column: pd.Series) -> pd.Series:
    """Sort key: methods and selections in the order of their lists above, unknown ones after, by name."""
    known = {"method": METHODS, "selection": SELECTIONS}.get(column.name)
    if known is None:
        return column
    ranks = {name: f"{rank:03}" for rank, name in enumerate(known)}
    return column.map(lambda name: ranks.get(name, f"999{name}"))


# --- numbers ---------------------------------------------------------------------------------------------

def accuracy_table(results: Results) -> pd.DataFrame:
    """A row a cell (method, source, target, way, shots, selection), sorted; accuracies are 0 to 1.

    `accuracy` is the mean over seeds of the mean over episodes. `ci95_episodes` is the normal half width
    1.96 sd / sqrt(E) over the E episodes' accuracies averaged over seeds. `sd_seeds` is the sample sd of the
    seeds' means, NaN for one seed. `planned_seeds`, which is not in the CSV, tells a cell that lacks seeds.
    """
    rows = load.episodes(results.runs)
    by_seed = rows.groupby([*CELL, "seed"])["accuracy"].mean().groupby(level=CELL)
    by_episode = rows.groupby([*CELL, "episode"])["accuracy"].mean().groupby(level=CELL)
    table = pd.DataFrame({
        "accuracy": by_seed.mean(),
        "ci95_episodes": 1.96 * by_episode.std() / by_episode.size() ** 0.5,
        "sd_seeds": by_seed.std(),
        "episodes": by_episode.size(),
        "seeds": by_seed.size(),
    }).reset_index()
    table["chance"] = 1 / table["way"]
    # The classes, and with them the test images, may depend on what source and target share.
    tested = pd.DataFrame({(run.source, run.target): {
        "classes": len(run.classes), "test_images": run.test_images, "copies_removed": run.copies_removed,
        "excluded": " ".join(f"{name}:{images}" for name, images in sorted(run.excluded.items())),
    } for run in results.runs}).T.rename_axis(["source", "target"])
    table = table.join(tested.infer_objects(), on=["source", "target"])
    rendered = results.plan.get("rendered", [])
    table["rendered"] = table["source"].isin(rendered) | table["target"].isin(rendered)
    table["backbone"] = table["algorithm"].map({run.algorithm: run.config["backbone"] for run in results.runs})
    pair = ["algorithm", "source", "target"]
    planned = pd.DataFrame(results.plan["runs"]).groupby(pair)["seed"].nunique()
    table = table.join(planned.rename("planned_seeds"), on=pair)
    return table.sort_values(["target", "way", "source", "method", "shots", "selection"], key=order,
                             kind="stable", ignore_index=True)


def head_table(results: Results) -> pd.DataFrame:
    """Each test image scored once by a model's own head: a row a (target, source, method, selection).

    `accuracy` and `uar` (recall averaged over the classes of the test images) are means over seeds, 0 to 1.
    """
    rows = load.predictions(results.runs)
    keys = ["target", "source", "method", "selection"]
    rows["right"] = (rows["label"] == rows["predicted"]).astype(float)
    by_seed = rows.groupby([*keys, "seed"])
    recall = rows.groupby([*keys, "seed", "label"])["right"].mean()
    table = pd.DataFrame({
        "accuracy": by_seed["right"].mean(),
        "uar": recall.groupby(level=[*keys, "seed"]).mean(),
        "images": by_seed.size(),
        "classes": by_seed["label"].nunique(),
        "seeds": 1,
    }).groupby(level=keys).agg(
        {"accuracy": "mean", "uar": "mean", "images": "max", "classes": "max", "seeds": "sum"})
    table["chance"] = 1 / table["classes"]
    return table.reset_index().sort_values(keys, key=order, kind="stable", ignore_index=True)


# --- forms -----------------------------------------------------------------------------------------------

def to_csv(table: pd.DataFrame) -> str:
    """Numbers as numbers, an unknown one empty; six decimals, so that machines agree on the bytes."""
    return table[CSV_COLUMNS].round(6).to_csv(index=False, lineterminator="\n")


def to_markdown(results: Results, table: pd.DataFrame, heads: pd.DataFrame) -> str:
    """A block a target, then the own heads, then what is missing."""
    parts = [f"# {results.plan.get('title', results.plan['suite'])}",
             f"Suite `{results.plan['suite']}`, preset `{results.plan.get('preset', '')}`, made by:",
             _fenced(results.command),
             _backbones_line(table),
             "Mean accuracy in percent over the same episodes for every method, by how the checkpoint was "
             "picked: source-val, on the source's validation split (the headline; the best method of a "
             "source is bold); last, the last one; oracle, on the target's validation split, which no one "
             "has in practice. " + INTERVAL]
    for (target, way), block in table.groupby(["target", "way"], sort=False):
        parts += [f"## Tested on {domain_name(results, target)}, {way}-way (chance {100 / way:.1f})",
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
    return ", ".join(f"{classes} from {domain_name(results, source)}" for source, classes in pairs)


def _markdown_block(results: Results, block: pd.DataFrame) -> str:
    columns = [(shots, selection) for shots in sorted(block["shots"].unique())
               for selection in sorted(block["selection"].unique(), key=list(SELECTIONS).index)]
    lines = [["method", "source", *(f"{shots}-shot {SELECTIONS[selection]}" for shots, selection in columns)]]
    for (source, method), row in block.groupby(["source", "method"], sort=False):
        cells = {(cell.shots, cell.selection): _percent(cell, "**{}**", best=_is_best(cell, block))
                 for cell in row.itertuples()}
        lines.append([method_name(method) + _seeds_lacking(row), domain_name(results, source),
                      *(cells.get(column, "") for column in columns)])
    lines.append(["chance", "", *(f"{100 * block['chance'].iloc[0]:.1f}" for _ in columns)])
    return _pipes(lines, text_columns=2)


def _markdown_heads(results: Results, heads: pd.DataFrame) -> str:
    lines = [["method", "source", "target", "checkpoint",
              "accuracy", "UAR", "images", "classes", "chance", "seeds"]]
    for row in heads.itertuples():
        lines.append([method_name(row.method), domain_name(results, row.source),
                      domain_name(results, row.target), SELECTIONS.get(row.selection, row.selection),
                      f"{100 * row.accuracy:.1f}", f"{100 * row.uar:.1f}", str(row.images), str(row.classes),
                      f"{100 * row.chance:.1f}", str(row.seeds)])
    return _pipes(lines, text_columns=4)


def to_latex(results: Results, table: pd.DataFrame) -> str:
    r"""A booktabs table of the source-val columns, ready for \input."""
    table = table[table["selection"] == "source-val"]
    shots = sorted(table["shots"].unique())
    lines = []
    for (target, way, source), block in table.groupby(["target", "way", "source"], sort=False):
        for method, row in block.groupby("method", sort=False):
            cells = {cell.shots: "$" + _percent(cell, r"\mathbf{{{}}}", _is_best(cell, block), r" \pm ") + "$"
                     for cell in row.itertuples()}
            names = [domain_name(results, source), domain_name(results, target),
                     method_name(method) + _seeds_lacking(row)]
            lines.append([*map(_escape, names), *(cells.get(count, "--") for count in shots),
                          f"{100 / way:.1f}"])
        lines.append(None)
    rows = [r"\midrule" if line is None else " & ".join(line) + r" \\" for line in lines[:-1]]
    head = ["Source", "Target", "Method", *(f"{count}-shot" for count in shots), "Chance"]
    return "\n".join([
        "% Made by fer-meta report; needs \\usepackage{booktabs}.",
        r"\begin{table}", r"  \centering",
        rf"  \caption{{{_escape(results.plan.get('title', results.plan['suite']))}: accuracy in \% of the "
        r"checkpoint picked on the source's validation split, with the 95\,\% interval over episodes; "
        "the best method of a source and target is bold.}",
        rf"  \label{{tab:{results.plan['suite']}}}",
        rf"  \begin{{tabular}}{{lll{'r' * (len(shots) + 1)}}}", r"    \toprule",
        "    " + " & ".join(head) + r" \\", r"    \midrule", *("    " + row for row in rows),
        r"    \bottomrule", r"  \end{tabular}", r"\end{table}", ""])


def to_text(results: Results, table: pd.DataFrame) -> str:
    """A block a source and target, then the missing runs; for a terminal."""
    head = ["method", "shots", *SELECTIONS, "chance", "episodes", "seeds"]
    blocks = []
    for (target, way, source), block in table.groupby(["target", "way", "source"], sort=False):
        lines = []
        for (method, shots), row in block.groupby(["method", "shots"], sort=False):
            cells = {cell.selection: _percent(cell) for cell in row.itertuples()}
            lines.append([method_name(method), str(shots), *(cells.get(name, "") for name in SELECTIONS),
                          f"{100 / way:.1f}", _range(row["episodes"]),
                          _range(row["seeds"]) + (" *" if _seeds_lacking(row) else "")])
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
    if results.missing:
        text += f"\nMissing: {len(results.missing)} of {len(results.plan['runs'])} runs\n"
        text += "".join(f"  {line}\n" for line in _missing_lines(results)) + f"Fill them: {results.command}\n"
    return text


# --- pieces of the forms ---------------------------------------------------------------------------------

def _percent(cell, bold: str = "{}", best: bool = False, plus_minus: str = " ± ") -> str:
    mean = f"{100 * cell.accuracy:.1f}"
    half = "" if pd.isna(cell.ci95_episodes) else f"{plus_minus}{100 * cell.ci95_episodes:.1f}"
    return (bold.format(mean) if best else mean) + half


def _is_best(cell, block: pd.DataFrame) -> bool:
    """Best as shown: two cells that read the same are both best; a lone method is not a winner."""
    rivals = block[(block["source"] == cell.source) & (block["shots"] == cell.shots)
                   & (block["selection"] == "source-val")]["accuracy"]
    shown = f"{100 * rivals.max():.1f}"
    return cell.selection == "source-val" and len(rivals) > 1 and f"{100 * cell.accuracy:.1f}" == shown


def _seeds_lacking(row: pd.DataFrame) -> str:
    least, planned = row["seeds"].min(), row["planned_seeds"].max()
    return f" ({least} of {planned} seeds)" if least < planned else ""


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
