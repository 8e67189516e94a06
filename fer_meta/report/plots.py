"""The plots of the report, drawn through matplotlib's objects, so that no global state of pyplot changes."""

import io
from textwrap import fill

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fer_meta.report import load
from fer_meta.report.load import Results
from fer_meta.report.numbers import BAYES, METHODS, domain_key, domain_name, method_name

FORMATS = (".png", ".pdf")
WIDTH = 9.0  # inches; at 150 dpi it shrinks to a README's 900 pixels with 9 pt text still readable
SMALL, NORMAL = 8, 9  # points
# Okabe and Ito's colours, which colour-blind readers can tell apart; a method has one colour everywhere.
OKABE_ITO = ["#0072B2", "#E69F00", "#009E73", "#56B4E9", "#999999", "#D55E00", "#CC79A7"]
COLOURS = dict(zip(METHODS, OKABE_ITO))
# Paul Tol's "muted", for what COLOURS does not name: further methods, and sources in the training curves.
MUTED = ["#332288", "#882255", "#117733", "#999933", "#AA4499", "#44AA99", "#CC6677", "#88CCEE", "#DDCC77"]
DASHES = ["-", "--", ":", "-."]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
# What is known exactly: black lines, last in the legend.
CHANCE = {"color": "black", "linestyle": "--", "linewidth": 1, "label": "chance"}
BEST = {"color": "black", "linestyle": ":", "linewidth": 1.5, "label": BAYES}


def figures(results: Results, table: pd.DataFrame, gaps: pd.DataFrame) -> dict[str, Figure]:
    """Every plot by its name: accuracy, transfer, severity, training, confusion (one a target if there are several).

    A plot whose selection (source-val) or log is in no run is left out, and severity where no gap is measured.
    """
    shown = table[table["selection"] == "source-val"]
    counts = load.confusion(results.runs)
    counts = counts[(counts["selection"] == "source-val") & (counts["shots"] == counts["shots"].max())]
    drawn = {"training": _training(results)}
    if len(shown):
        drawn |= {"accuracy": _accuracy(results, shown), "transfer": _transfer(results, shown)}
    if len(gaps):
        drawn["severity"] = _severity(results, gaps)
    for target, block in counts.groupby("target"):
        name = "confusion" if counts["target"].nunique() == 1 else f"confusion-{target}"
        drawn[name] = _confusion(results, block)
    return {name: figure for name, figure in drawn.items() if figure is not None}


def render(figure: Figure, suffix: str) -> bytes:
    """The bytes of a `.png` (150 dpi) or `.pdf`; the same figure gives the same bytes."""
    dated = {".png": {"Software": None}, ".pdf": {"CreationDate": None}}
    buffer = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}):  # publishers refuse Type 3 fonts
        figure.savefig(buffer, format=suffix[1:], dpi=150, metadata=dated[suffix])
    return buffer.getvalue()


def _accuracy(results: Results, table: pd.DataFrame) -> Figure:
    """Bars by method, grouped by shots; a panel a source -> target."""
    pairs = list(table.groupby(["source", "target", "way"], sort=False))
    methods = _methods(table)
    colours = _colours(methods)
    figure, axes = _panels(len(pairs), columns=2, height=2.9)
    top = _top(table)
    for axis, ((source, target, way), block) in zip(axes, pairs):
        shots = sorted(block["shots"].unique())
        width = 0.84 / len(methods)
        for number, method in enumerate(methods):
            rows = block[block["method"] == method]
            shift = (number - (len(methods) - 1) / 2) * width
            places = [shots.index(count) + shift for count in rows["shots"]]
            axis.bar(places, 100 * rows["accuracy"], 0.92 * width, color=colours[method],
                     label=method_name(method))
            axis.errorbar(places, 100 * rows["accuracy"], 100 * rows["ci95_episodes"].fillna(0), fmt="none",
                          ecolor="black", elinewidth=1, capsize=2)
        axis.axhline(100 / way, **CHANCE)
        if block["bayes"].notna().any():
            axis.axhline(100 * block["bayes"].iloc[0], **BEST)
        axis.set_ylim(0, top)
        axis.set_xticks(range(len(shots)), [f"{count}-shot, {way}-way" for count in shots], fontsize=NORMAL)
        axis.set_ylabel("accuracy (%)", fontsize=NORMAL)
        axis.set_title(_arrow(domain_name(results, source), domain_name(results, target)), fontsize=NORMAL)
        _quiet(axis)
    figure.suptitle("Accuracy in the same episodes, with 95 % intervals over episodes\n"
                    "(checkpoint picked on the source's validation split)", fontsize=NORMAL + 2)
    _legend_below(figure, axes)
    return figure


def _transfer(results: Results, table: pd.DataFrame) -> Figure:
    """Source x target, a panel a method, on one colour scale that starts at chance."""
    shots = table["shots"].max()
    table = table[table["shots"] == shots]
    methods = _methods(table)
    sources, targets = _domains(results, table["source"]), _domains(results, table["target"])
    columns = min(len(methods), 3 if len(targets) <= 5 else 2)
    figure, axes = _panels(len(methods), columns, 1.0 + 0.45 * len(sources))
    low, high = 100 * table["chance"].min(), 100 * max(table["accuracy"].max(), table["chance"].min() + 0.01)
    for axis, method in zip(axes, methods):
        cells = table[table["method"] == method].pivot_table("accuracy", "source", "target")
        grid = 100 * cells.reindex(index=sources, columns=targets).to_numpy()
        image = axis.imshow(grid, cmap="cividis", vmin=low, vmax=high, aspect="auto")
        _print_cells(axis, image, "{:.1f}")
        axis.set_title(method_name(method), fontsize=NORMAL)
        axis.set_xticks([])
        axis.set_yticks([])
    for axis in axes[::columns]:
        axis.set_yticks(range(len(sources)), [_wrapped(results, name) for name in sources], fontsize=SMALL)
        axis.set_ylabel("source", fontsize=NORMAL)
    for axis in axes[-columns:]:  # those with no panel below
        axis.set_xticks(range(len(targets)), [_wrapped(results, name) for name in targets], fontsize=SMALL,
                        rotation=40, ha="right", rotation_mode="anchor")
        axis.set_xlabel("target", fontsize=NORMAL)
    bar = figure.colorbar(image, ax=list(axes), shrink=0.9)
    bar.set_label("accuracy (%), from chance up", fontsize=NORMAL)
    bar.ax.tick_params(labelsize=SMALL)
    exact = [f"{label}: {_by_target(results, table, column)}"
             for label, column in [("chance", "chance"), (BAYES, "bayes")] if table[column].notna().any()]
    figure.suptitle("\n".join([f"Transfer from source to target, {shots}-shot accuracy in percent",
                               "(checkpoint picked on the source's validation split)",
                               *(fill(text, 90, break_on_hyphens=False) for text in exact)]), fontsize=NORMAL + 2)
    return figure


def _by_target(results: Results, table: pd.DataFrame, column: str) -> str:
    """The exact accuracy on each target that has one, or the one of all; two numbers where it depends on the source."""
    shown = {}
    for target, numbers in table.dropna(subset=[column]).groupby("target")[column]:
        ends = [f"{100 * number:.1f}" for number in (numbers.min(), numbers.max())]
        shown[target] = " to ".join(dict.fromkeys(ends))
    if len(set(shown.values())) == 1:
        return next(iter(shown.values()))
    return ", ".join(f"{domain_name(results, target)} {shown[target]}" for target in _domains(results, shown))


def _severity(results: Results, gaps: pd.DataFrame) -> Figure:
    """Lines by method over the target's severity; a row of panels a source and recipe, a column a number of shots."""
    shots = sorted(gaps["shots"].unique())
    blocks = list(gaps.groupby(["source", "recipe"], sort=False))
    methods = _methods(gaps)
    colours = _colours(methods)
    figure, axes = _panels(len(shots) * len(blocks), columns=len(shots), height=3.3)
    for number, axis in enumerate(axes):
        (source, recipe), block = blocks[number // len(shots)]
        count = shots[number % len(shots)]
        block = block[block["shots"] == count]
        for place, method in enumerate(methods):
            rows = block[block["method"] == method]
            # Side by side, or the intervals of one severity would hide each other.
            shift = 0.01 * (place - (len(methods) - 1) / 2)
            axis.errorbar(rows["severity"] + shift, 100 * rows["accuracy"], 100 * rows["ci95_episodes"].fillna(0),
                          color=colours[method], marker=MARKERS[place % len(MARKERS)], markersize=4, linewidth=1.4,
                          elinewidth=1, capsize=2, label=method_name(method))
        for column, style in [("chance", CHANCE), ("bayes", BEST)]:
            exact = block.drop_duplicates("target").dropna(subset=[column])
            if len(exact):
                axis.plot(exact["severity"], 100 * exact[column], **style)
        # The studio is its own target at severity 0.
        zero = "0\n(source itself)" if (block.loc[block["severity"] == 0, "target"] == source).any() else "0"
        axis.set_xticks([0, 0.25, 0.5, 0.75, 1], [zero, "0.25", "0.5", "0.75", "1"])
        axis.set_xlim(-0.06, 1.06)
        axis.set_ylim(0, _top(gaps))
        axis.set_xlabel(f"severity of {recipe} (rendered)", fontsize=NORMAL)
        axis.set_ylabel("accuracy (%)", fontsize=NORMAL)
        axis.set_title(_arrow(domain_name(results, source), f"{recipe} (rendered), {count}-shot"), fontsize=NORMAL)
        _quiet(axis)
    figure.suptitle("Accuracy against the size of the domain gap, with 95 % intervals over episodes\n"
                    "(checkpoint picked on the source's validation split)", fontsize=NORMAL + 2)
    _legend_below(figure, axes)
    return figure


def _training(results: Results) -> Figure | None:
    """Loss and validation accuracy over steps: a row an algorithm, a line a model, its colour the source."""
    models = {run.model: run for run in results.runs}.values()
    logs = [(run, load.history(results.folder / "models" / run.model / "history.jsonl")) for run in models]
    logs = [(run, log) for run, log in logs if len(log)]
    if not logs:
        return None
    algorithms = sorted({run.algorithm for run, _ in logs}, key=lambda name: (_rank(name), name))
    sources = _domains(results, {run.source for run, _ in logs})
    figure, axes = _panels(2 * len(algorithms), columns=2, height=1.9)
    for run, log in logs:
        row, source = algorithms.index(run.algorithm), sources.index(run.source)
        style = {"color": MUTED[source % len(MUTED)], "linestyle": DASHES[source % len(DASHES)],
                 "linewidth": 1.2, "alpha": 0.8, "label": f"trained on {domain_name(results, run.source)}"}
        for axis, column, scale in [(axes[2 * row], "loss", 1), (axes[2 * row + 1], "val_accuracy", 100)]:
            logged = log.dropna(subset=[column])
            marker = "o" if column == "val_accuracy" else None
            axis.plot(logged["step"], scale * logged[column], marker=marker, markersize=2.5, **style)
    for number, axis in enumerate(axes):
        name = method_name(algorithms[number // 2])
        name = "Supervised" if name == "supervised" else name
        axis.set_title(f"{name}: {'validation accuracy' if number % 2 else 'loss'}", fontsize=NORMAL)
        axis.set_ylabel("accuracy (%)" if number % 2 else "loss", fontsize=NORMAL)
        axis.set_xlabel("training step", fontsize=NORMAL)
        _quiet(axis)
    figure.suptitle("Training on the source, a line a model; validation on the source's own split",
                    fontsize=NORMAL + 2)
    _legend_below(figure, axes)
    return figure


def _confusion(results: Results, counts: pd.DataFrame) -> Figure:
    """Row-normalised counts on one target: a panel a method and source."""
    target, shots = counts["target"].iloc[0], counts["shots"].iloc[0]
    blocks = sorted(counts.groupby(["source", "method"]),
                    key=lambda item: (domain_key(results, item[0][0]), _rank(item[0][1])))
    figure, axes = _panels(len(blocks), columns=3, height=3.1)
    for axis, ((source, method), block) in zip(axes, blocks):
        true, predicted = sorted(block["true"].unique()), sorted(set(block["true"]) | set(block["predicted"]))
        grid = block.pivot_table("count", "true", "predicted", aggfunc="sum", fill_value=0)
        grid = grid.reindex(index=true, columns=predicted, fill_value=0)
        shares = 100 * (grid.T / grid.sum(axis=1)).T.to_numpy()
        image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        _print_cells(axis, image, "{:.0f}")
        axis.set_title(f"{method_name(method)}\nfrom {domain_name(results, source)}", fontsize=NORMAL)
        axis.set_xticks(range(len(predicted)), predicted, fontsize=SMALL, rotation=45, ha="right",
                        rotation_mode="anchor")
        axis.set_yticks(range(len(true)), true, fontsize=SMALL)
        axis.set_xlabel("predicted", fontsize=NORMAL)
        axis.set_ylabel("true", fontsize=NORMAL)
    figure.suptitle(f"Confusion on {domain_name(results, target)}, {shots}-shot, percent of each true class\n"
                    "(checkpoint picked on the source's validation split)", fontsize=NORMAL + 2)
    return figure


# --- pieces ----------------------------------------------------------------------------------------------

def _panels(count: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of WIDTH with `count` axes, `columns` a row at most, each row `height` inches."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, rows * height + 1.0), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def _print_cells(axis, image, form: str) -> None:
    """Each number of the image in its cell, in white where the cell is dark; a dash where there is none."""
    for (row, column), number in np.ndenumerate(np.ma.filled(image.get_array(), np.nan)):
        dark = np.dot(image.to_rgba(number)[:3], [0.3, 0.6, 0.1]) < 0.5 and not np.isnan(number)
        axis.text(column, row, "–" if np.isnan(number) else form.format(number), ha="center", va="center",
                  fontsize=SMALL, color="white" if dark else "black")


def _quiet(axis) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=SMALL)


def _legend_below(figure: Figure, axes) -> None:
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels())}
    for label in ("chance", BAYES):  # last, for matplotlib lists lines before bars
        if label in entries:
            entries[label] = entries.pop(label)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=4, fontsize=NORMAL,
                  frameon=False)


def _top(table: pd.DataFrame) -> float:
    """The upper end of an axis of accuracies in percent, with the intervals and Bayes inside."""
    return 108 * max((table["accuracy"] + table["ci95_episodes"].fillna(0)).max(), table["bayes"].fillna(0).max())


def _domains(results: Results, names) -> list[str]:
    return sorted(set(names), key=lambda name: domain_key(results, name))


def _methods(table: pd.DataFrame) -> list[str]:
    return sorted(table["method"].unique(), key=lambda method: (_rank(method), method))


def _rank(method: str) -> int:
    return list(METHODS).index(method) if method in METHODS else len(METHODS)


def _colours(methods: list[str]) -> dict[str, str]:
    others = sorted(set(methods) - set(COLOURS))
    return COLOURS | {method: MUTED[number % len(MUTED)] for number, method in enumerate(others)}


def _arrow(source: str, target: str) -> str:
    """A panel's title, in two lines where one is too narrow."""
    return f"{source} → {target}" if len(source + target) < 42 else f"{source}\n→ {target}"


def _wrapped(results: Results, domain: str) -> str:
    return domain_name(results, domain).replace(" (", "\n(")
