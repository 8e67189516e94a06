"""The 2022 note's gap in one figure: from its training episodes to episodes of another domain, one change a
step.

    fer-meta bench --suite benchmarks/studies/note.yaml
    python benchmarks/note_steps.py results/note

The same for note-photographs.yaml.

Reads experiments.csv and table.csv of the suite's results, and writes steps.csv and steps.png beside them.
"""

from pathlib import Path
from textwrap import fill

import click
import matplotlib
import pandas as pd

matplotlib.use("agg")
from matplotlib import pyplot as plt

STEPS = [  # what is shown, the experiment, and how its checkpoint was picked
    ("new people, the same domain, 3-way", "own-3-way", "source-val"),
    ("the same, 4-way", "own-4-way", "source-val"),
    ("another domain, 4-way", "other", "source-val"),
    ("another domain, checkpoint picked on it", "other", "oracle"),
    (
        "another domain, support from one clip, whose other frames may be queries",
        "other-shared",
        "source-val",
    ),
    ("as in the note: all images trained on, its sampler, the last checkpoint", "as-noted", "last"),
]

COLOURS = {"published": "#888888", "ours": "#1f6fb4"}


def steps(folder: Path) -> pd.DataFrame:
    """step, accuracy, ci95 (NaN: none), chance (0 to 1) and by (published or ours), in the figure's order.

    Raises FileNotFoundError if the suite has not been run.
    """
    table = pd.read_csv(folder / "table.csv")
    table = table[table["readout"] == "protonet"]
    other = pd.read_csv(folder / "experiments.csv").query("experiment == 'other' and section == 'published'")
    [other] = other.to_dict("records")
    of = {(row["experiment"], row["selection"]): row for row in table.to_dict("records")}
    rows = [
        ("printed as evaluation by the note", other["published_training"], None, 1 / 3, "published"),
        ("training episodes, 3-way", other["training_accuracy"], None, other["training_chance"], "ours"),
    ]
    for words, experiment, selection in STEPS:
        if row := of.get((experiment, selection)):
            if ("other-shared", "source-val") not in of:  # without clips the sampler has no part in it
                words = words.replace("its sampler, ", "")
            rows.append((words, row["accuracy"], row["ci95"], row["chance"], "ours"))
    rows.append(("printed as test by the note", other["published_test"], None, 1 / 4, "published"))
    return pd.DataFrame(rows, columns=["step", "accuracy", "ci95", "chance", "by"])


def draw(table: pd.DataFrame, title: str):
    """A bar from chance to each accuracy of `steps`."""
    figure, axes = plt.subplots(figsize=(7.2, 0.52 * len(table) + 1.1), layout="constrained")
    at = range(len(table))[::-1]
    colours = table["by"].map(COLOURS)
    left, width = 100 * table["chance"], 100 * (table["accuracy"] - table["chance"])
    axes.barh(at, width, left=left, color=colours, height=0.62)
    axes.errorbar(
        100 * table["accuracy"], at, xerr=100 * table["ci95"].fillna(0), fmt="none", ecolor="black", capsize=3
    )
    axes.scatter(left, at, marker="|", s=220, color="black", label="chance", zorder=3)
    for y, accuracy, half in zip(at, table["accuracy"], table["ci95"].fillna(0)):
        axes.text(100 * (accuracy + half) + 1.2, y, f"{100 * accuracy:.0f}", va="center")
    axes.set_yticks(at, [fill(step, 40) for step in table["step"]])
    axes.set(xlim=(0, 108), xticks=range(0, 101, 20), xlabel="accuracy of ProtoNet, %")
    figure.suptitle(title)
    axes.spines[["top", "right"]].set_visible(False)
    for by, colour in COLOURS.items():
        axes.bar(0, 0, color=colour, label=by)
    axes.legend(loc="lower right", frameon=False)
    return figure


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder):
    """Draw the steps of the results in FOLDER."""
    table = steps(folder)
    rendered = pd.read_csv(folder / "table.csv")["rendered"].all()
    faces = "rendered stand-ins" if rendered else "photographs"
    figure = draw(table, f"The note's gap, step by step ({faces})")
    table.to_csv(folder / "steps.csv", index=False)
    figure.savefig(folder / "steps.png", dpi=150)
    click.echo(table.to_string(index=False))


if __name__ == "__main__":
    main()
