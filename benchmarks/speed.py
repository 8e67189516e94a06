"""Is fer-meta as fast as it can be? Every stage against its peers and against the limit.

    pip install -e '.[benchmarks]'
    python benchmarks/speed.py --data fer2013=PATH

writes results/benchmarks/speed.md and .png, in under half an hour on two idle cores.

Without --data the images are made up. Peers and ours take turns in one run, and figures are medians.
"""

import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click
import matplotlib
import torch
from speed_data import TEST_IMAGES, Row, image_files, processor

from fer_meta.fileio import replacing, write_text

OUT = Path(__file__).parents[1] / "results" / "benchmarks"
PARTS = "evaluation", "training", "maml", "bench", "growth"
INTRODUCED = {
    "evaluation": (
        "ProtoNet, 5-way 5-shot 15-query, on {images}, at 84 px. The peers answered a sample of the same"
        " tasks, multiplied."
    ),
    "training": (
        "One step, 5-way 5-shot 10-query (supervised: 64 images) of 84 px, ours with augmentation, the stock"
        " loop without."
    ),
    "maml": "Second order, Conv4, 84 px, 5-way 5-shot 15-query, 5 inner steps, one thread; processor time.",
    "bench": "Processor time and wall time of a whole bench on rendered faces.",
    "start": "As a user waits for it.",
    "growth": (
        "Memory that the process holds by itself (RssAnon), at its most, of a whole evaluation (32 px,"
        " Conv4)."
    ),
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data",
    metavar="fer2013=PATH",
    help="FER2013 as folders; its test split is read.  [default: made-up images]",
)
@click.option(
    "--only", multiple=True, type=click.Choice(PARTS), help="Only this part; nothing is written. Repeatable."
)
def main(data: str | None, only: tuple[str, ...]) -> None:
    """Measure every stage, print and write the table and the plot."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("FER_META_CACHE", f"{folder}/cache")
        files = image_files(Path(folder), Path(data.split("=", 1)[1]).expanduser() if data else None)
        rows = []
        for part in only or PARTS:
            click.echo(f"{(time.perf_counter() - began) / 60:4.1f} min: {part} ...", err=True)
            # A process a part: what one sets, the next shall not profit from.
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                rows += process.submit(_measured, part, files, Path(folder)).result()
    command = f"python benchmarks/speed.py{' --data fer2013=PATH' if data else ''}"
    images = f"{TEST_IMAGES:,} {'images of FER2013' if data else 'made-up images'}"
    page = to_markdown(rows, command, time.perf_counter() - began, images)
    click.echo(page)
    if not only:
        write_text(OUT / "speed.md", page)
        draw(rows, OUT / "speed.png")


def _measured(part: str, files: Path, folder: Path) -> list[Row]:
    """The rows of a part, which imports what it needs."""
    if part == "evaluation":
        import speed_evaluation

        return speed_evaluation.rows(files)
    if part == "training":
        import speed_training

        return speed_training.rows(files)
    if part == "maml":
        import maml_speed

        return _maml_rows(maml_speed.table())
    if part == "bench":
        import speed_bench

        rows = speed_bench.bench_rows(speed_bench.benched(folder / "benched"))
        return [*rows, *speed_bench.start_rows(folder, folder / "benched")]
    import speed_growth

    return speed_growth.rows(speed_growth.points())


def _maml_rows(table) -> list[Row]:
    """From `maml_speed.table`: cases by processor seconds of a step and a test episode, and MB of a step by
    inner steps.
    """
    ours, theirs, bounded = (table.loc[case] for case in ("ours", "learn2learn", "ours, inner_checkpoint"))
    rows = [
        Row(
            "maml",
            "training step",
            "s",
            ours.train_s,
            {"learn2learn": theirs.train_s},
            None,
            "",
            "1 time learn2learn",
            ours.train_s <= theirs.train_s,
            f"with `inner_checkpoint` {bounded.train_s:.2f} s",
        ),
        Row(
            "maml",
            "test episode",
            "s",
            ours.test_s,
            {"learn2learn": theirs.test_s},
            None,
            "",
            "1.5 times learn2learn",
            ours.test_s * 1.5 <= theirs.test_s,
        ),
    ]
    for column in (name for name in table.columns if name.startswith("MB_at_")):
        steps = column.removeprefix("MB_at_")
        rows.append(
            Row(
                "maml",
                f"memory of a step, {steps} inner step{'s' * (steps != '1')}",
                "MB",
                ours[column],
                {"learn2learn": theirs[column]},
                None,
                "",
                "bounded by an option",
                None,
                f"with `inner_checkpoint` {bounded[column]:.0f} MB",
            )
        )
    return rows


def to_markdown(rows: list[Row], command: str, took: float, images: str) -> str:
    lines = [
        "# Speed",
        "",
        (
            f"`{command}`: {took / 60:.0f} minutes on {processor()}, torch {torch.__version__}. Medians of"
            " repeated runs, peers and ours in turn. `times` is how many times faster ours is than the"
            " fastest peer; `of the limit` how much longer it takes than the limit named beside it."
            " `reached`: what this project asks of itself."
        ),
        "",
        "![Ours, the peers and the limits](speed.png)",
        "",
    ]
    for stage in dict.fromkeys(row.stage for row in rows):
        lines += [
            f"## {stage.capitalize()}",
            "",
            INTRODUCED[stage].format(images=images),
            "",
            "| | ours | peers | times | limit | of the limit | asked | reached | |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        lines += [_line(row) for row in rows if row.stage == stage]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row) -> str:
    peers = ", ".join(f"{name} {_figure(value)}" for name, value in row.peers.items())
    times = f"{min(row.peers.values()) / row.ours:.1f}" if row.peers else ""
    limit = f"{_figure(row.limit)} ({row.limit_is})" if row.limit else ""
    share = f"{row.ours / row.limit:.2f}" if row.limit else ""
    reached = {None: "", True: "yes", False: "**no**"}[row.reached]
    cells = [
        row.case,
        f"{_figure(row.ours)} {row.unit}",
        peers,
        times,
        limit,
        share,
        row.asked,
        reached,
        row.note,
    ]
    return f"| {' | '.join(cells)} |"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(rows: list[Row], path: Path) -> None:
    """Bars of the times that have a peer, with the limit's mark; beside them memory against images
    and tasks.
    """
    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    compared = [row for row in rows if row.peers and row.unit != "MB"][::-1]
    figure, (bars, curves) = plt.subplots(
        1, 2, figsize=(13, 0.6 + 0.55 * len(compared)), width_ratios=(2, 1), layout="constrained"
    )
    names = list(dict.fromkeys(name for row in compared for name in row.peers))
    colours = dict(
        zip(names, plt.cm.Greys([0.35 + 0.4 * i / max(1, len(names) - 1) for i in range(len(names))]))
    )
    for place, row in enumerate(compared):
        values = {"ours": row.ours, **row.peers}
        height = 0.8 / len(values)
        for number, (name, value) in enumerate(values.items()):
            y = place + 0.4 - height * (number + 0.5)
            bars.barh(y, value, height, color="tab:blue" if name == "ours" else colours[name])
            bars.text(value * 1.05, y, f"{name} {_figure(value)}", va="center", fontsize=7)
        if row.limit:
            bars.plot([row.limit] * 2, [place - 0.4, place + 0.4], color="tab:red", linewidth=1.5)
    bars.set(
        xscale="log",
        yticks=range(len(compared)),
        yticklabels=[f"{row.stage}: {row.case}" for row in compared],
        xlabel="seconds (red: the limit)",
    )
    bars.margins(x=0.25)
    bars.tick_params(labelsize=8)
    grown = [row for row in rows if row.stage == "growth"]
    for what, column in (("images", 0), ("tasks", 1)):
        counts = [
            tuple(int(part.split()[0].replace(",", "")) for part in row.case.split(", ")) for row in grown
        ]
        points = sorted(
            (count[column], row.ours)
            for count, row in zip(counts, grown)
            if count[1 - column] == counts[0][1 - column]
        )
        if points:
            curves.plot(*zip(*points), "o-", label=f"more {what}")
    curves.set(
        xscale="log",
        xlabel="images or tasks (the other 1,000)",
        ylabel="MB held by the process",
        ylim=(0, None),
        title="Memory of an evaluation",
    )
    curves.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
