"""How often the intervals hold the truth where supports come from few held-out images, in one test set and in
cross-validations: simulated.

    python benchmarks/coverage_folds.py     # 400 benchmarks for each design: a quarter of an hour on one core

Writes results/benchmarks/coverage_folds.md. People, images and the nearest mean are those of coverage.py.
Each test image is a query once, 7-way; the support of a fold comes from `held` images a class of people that
it does not test. The folds of a benchmark share one embedding, so what their trainings have in common is not
simulated.
"""

from dataclasses import dataclass
from pathlib import Path

import click
import coverage
import numpy as np
from coverage import CLASSES, DIMENSIONS, IMAGE, MEANS, METHOD_IMAGE, PERSON, SEED_IMAGE
from tqdm import tqdm

from fer_meta.fileio import write_text
from fer_meta.report.aggregate.folds import concatenated
from fer_meta.statistics.intervals import Outcomes, difference, hierarchical_interval
from fer_meta.statistics.queries import Queries


@dataclass(frozen=True)
class Design:
    people: int
    images: int  # of each person and class
    folds: int  # 1: one test set of all these people, with support from as many others
    held: int  # images of a class that are support, in each fold
    shots: int
    episodes: int = 100  # at most, in a fold


DESIGNS = [
    Design(100, 2, 5, 5, 5),
    Design(100, 2, 10, 5, 5),
    Design(100, 2, 5, 5, 1),
    Design(70, 4, 10, 5, 5),
    Design(70, 4, 10, 5, 1),
    Design(24, 3, 24, 5, 5),
    Design(24, 3, 24, 5, 1),
    Design(10, 3, 10, 5, 5),
    Design(70, 2, 1, 10, 10),
    Design(70, 2, 1, 6, 5),
    Design(70, 2, 1, 10, 5),
    Design(70, 2, 1, 20, 5),
    Design(70, 2, 1, 50, 5),
    Design(70, 2, 1, 50, 50),
]


@click.command()
@click.option("--benchmarks", default=400, show_default=True, help="Simulated benchmarks for each design.")
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(benchmarks, out):
    """Simulate each design and write the table."""
    lines = []
    with tqdm(total=benchmarks * len(DESIGNS), unit="benchmark", mininterval=2) as bar:
        for number, design in enumerate(DESIGNS):
            lines.append(row(design, benchmarks, number, bar))
    page = [
        "# Coverage of the intervals where supports come from few held-out images, simulated",
        "",
        (
            f"`python benchmarks/coverage_folds.py --benchmarks {benchmarks}`: nothing here is measured on"
            " images. Two methods of equal true accuracy in each benchmark, features and nearest mean as in"
            " [coverage.md](coverage.md); each test image is a query once, 7-way."
        ),
        "",
        (
            "| people | images of a person and class | folds | images held out a class | shots | accuracy |"
            " true sd | without folds: coverage | false | ours: coverage | ± | false |"
        ),
        "|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        *lines,
        "",
        (
            "In percent or points. Without folds: seeds, episodes and people with their supports, but not the"
            " spread between folds, from which alone it shows what the few images of a fold's support do."
            " With one fold that stays hidden where an episode takes a large part of them, and the report"
            " says so."
        ),
        "",
    ]
    write_text(out / "coverage_folds.md", "\n".join(page))
    click.echo("\n".join(page))


def row(design: Design, benchmarks: int, number: int, bar: tqdm) -> str:
    """A design's line of the table."""
    values, halves, ps = [], {True: [], False: []}, {True: [], False: []}
    for benchmark in range(benchmarks):
        queries, right = simulate(design, np.random.default_rng([number, benchmark]))
        for with_folds in halves:
            asked = (
                queries
                if with_folds
                else Queries(
                    queries.episode,
                    queries.label,
                    queries.group,
                    queries.image,
                    queries.support,
                    queries.groups,
                )
            )
            methods = [Outcomes(one[None], asked) for one in right]
            halves[with_folds].append(
                [(one.high - one.low) / 2 for one in map(hierarchical_interval, methods)]
            )
            ps[with_folds].append(difference(*methods).p)
        values.append([one.mean() for one in right])
        bar.update()
    values = np.array(values)
    off = np.abs(values - values.mean())
    found = {
        kind: (
            100 * np.mean(off <= halves[kind]),
            100 * np.mean(halves[kind]),
            100 * np.mean(np.array(ps[kind]) < 0.05),
        )
        for kind in halves
    }
    (before, _, before_false), (ours, half, false) = found[False], found[True]
    return (
        f"| {design.people} | {design.images} | {design.folds} | {design.held} | {design.shots} |"
        f" {100 * values.mean():.1f} | {100 * values.std():.2f} | {before:.1f} | {before_false:.1f} |"
        f" {ours:.1f} | {half:.2f} | {false:.1f} |"
    )


def simulate(design: Design, rng: np.random.Generator) -> tuple[Queries, np.ndarray]:
    """The queries of all folds, and what two equally good methods answer right [2, N]."""
    everyone = design.people * (2 if design.folds == 1 else 1)
    label = np.tile(np.repeat(np.arange(CLASSES), design.images), everyone)
    who = np.repeat(np.arange(everyone), CLASSES * design.images)
    fold = np.where(np.arange(everyone) < design.people, rng.permutation(everyone) % design.folds, -1)[who]
    common = (
        rng.normal(0, IMAGE, (len(label), DIMENSIONS)) + rng.normal(0, PERSON, (everyone, DIMENSIONS))[who]
    )
    features = [
        MEANS[label]
        + common
        + rng.normal(0, METHOD_IMAGE, common.shape)
        + rng.normal(0, SEED_IMAGE, common.shape)
        for _ in "ab"
    ]
    queries, right = [], [[], []]
    for number in range(design.folds):
        test, others = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        held = [rng.choice(others[label[others] == c], design.held, replace=False) for c in range(CLASSES)]
        episodes = np.array_split(rng.permutation(test), min(design.episodes, len(test)))
        support = np.stack(
            [[rng.choice(rows, design.shots, replace=False) for rows in held] for _ in episodes]
        )
        queries.append(
            coverage.asked_of(label, who, np.tile(np.arange(CLASSES), (len(episodes), 1)), support, episodes)
        )
        for one, answers in zip(features, right):
            answers += [
                (coverage.nearest_mean(one, support[[e]], rows[None])[0] == label[rows])
                for e, rows in enumerate(episodes)
            ]
    return (concatenated(queries) if design.folds > 1 else queries[0]), np.stack(
        [np.concatenate(one) for one in right]
    )


if __name__ == "__main__":
    main()
