"""How often the intervals hold the truth on photographs: features of trained networks, small test sets drawn
from a large one.

    python benchmarks/coverage_real.py --data fer2013=PATH --data pressfaces=PATH

Two networks (ProtoNet and a supervised one, as `cross-domain` trains them under `quick`) are trained on
FER2013's validation and test images. The population is its 28,709 training images, less copies and what
occurs in both; or the press photographs, by person. A benchmark is a small test set drawn from the
population, with episodes of its own. Writes results/benchmarks/coverage_real.md, and coverage_real.csv, from
which a stopped run goes on.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
import torch
from coverage import asked_of, draw_episodes, in_parts, nearest_mean
from tqdm import tqdm

from fer_meta.cli.data import data_option
from fer_meta.datasets.registry import load, resolve
from fer_meta.evaluation.features import Features
from fer_meta.fileio import write_text
from fer_meta.methods import registry
from fer_meta.statistics.intervals import Outcomes, difference, episode_interval, hierarchical_interval
from fer_meta.statistics.queries import Queries
from fer_meta.suites.schema import read_suite
from fer_meta.tasks.pools import divide
from fer_meta.training import batches, loop

METHODS = ["protonet", "supervised"]
# disgust has too few images for many small sets
FER2013 = ["surprise", "fear", "happiness", "sadness", "anger", "neutral"]
PRESS = ["surprise", "happiness", "sadness", "anger", "neutral"]
EACH, PEOPLE = 150, 300  # images of a class, and people, of a small test set
TRUTH, PART = 20_000, 500  # episodes that measure the population's value, and of them at once
DESIGNS = [(100, 1), (100, 5), (600, 1), (600, 5), (3000, 1)]  # episodes, shots


@click.command()
@data_option
@click.option("--benchmarks", default=400, show_default=True, help="Small test sets for each design.")
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(data, benchmarks, out):
    """Train two networks, embed both populations, and draw small test sets from them."""
    fer2013, press = (load(name, root, 48) for name, root in resolve(["fer2013", "pressfaces"], data).items())
    embed = networks(fer2013)
    kept = out / "coverage_real.csv"
    rows = pd.read_csv(kept).to_dict("records") if kept.exists() else []
    for name, population, asked in [
        ("FER2013, images", fer2013_population(fer2013), 15),
        ("press photographs, people", press_population(press), 5),
    ]:
        features = embed(population[0])
        for number, (episodes, shots) in enumerate(DESIGNS):
            if (name, episodes, shots) not in {
                (row["population"], row["episodes"], row["shots"]) for row in rows
            }:
                rows.append(
                    study(name, features, population[1:], (number, episodes, shots, asked), benchmarks)
                )
                write_text(kept, pd.DataFrame(rows).to_csv(index=False))
    text = page(pd.DataFrame(rows), benchmarks)
    write_text(out / "coverage_real.md", text)
    click.echo(text)


def networks(faces):
    """A function from images (uint8 [N, H, W, 3]) to the features of each method, trained on FER2013's
    validation and test images.
    """
    suite = read_suite("cross-domain", "quick")
    other = faces.index["split"].map({"train": "test", "val": "train", "test": "train"})
    domain = divide([replace(faces, index=faces.index.assign(split=other))], suite.protocol, suite.classes)[
        faces.name
    ]
    trained = []
    for name in METHODS:
        config = suite.methods[name]
        method = loop.build(
            registry.load(name),
            config,
            suite.protocol,
            domain.train.classes,
            suite.image_size,
            0,
            torch.device("cpu"),
        )
        steps, batch_at = batches.steps_and_batches(
            method, config, domain, suite.protocol, 0, torch.device("cpu")
        )
        with tempfile.TemporaryDirectory() as folder, tqdm(total=steps, desc=f"train {name}") as bar:
            loop.fit(
                method, config, steps, batch_at, dict, Path(folder), lambda done, *_: bar.update(done - bar.n)
            )
        trained.append(method)

    def embed(images):
        vectors = [
            Features(method, images, torch.device("cpu"))(np.arange(len(images))).flatten(1).numpy()
            for method in trained
        ]
        return [vectors[0], vectors[1] / np.linalg.norm(vectors[1], axis=1, keepdims=True)]

    return embed


def fer2013_population(faces):
    """Images, classes and groups (each image its own) of FER2013's training split, without copies."""
    index = faces.index.reset_index(drop=True)
    elsewhere = set(index.loc[index["split"] != "train", "digest"])
    kept = index[
        (index["split"] == "train") & index["label"].isin(FER2013) & ~index["digest"].isin(elsewhere)
    ].drop_duplicates("digest")
    rows = kept.index.to_numpy()
    return faces.images[rows], kept["label"].map(FER2013.index).to_numpy(), None


def press_population(faces):
    """Images, classes and people of the press photographs."""
    kept = faces.index.reset_index(drop=True)
    kept = kept[kept["label"].isin(PRESS)]
    return (
        faces.images[kept.index.to_numpy()],
        kept["label"].map(PRESS.index).to_numpy(),
        pd.factorize(kept["subject"])[0],
    )


def study(name: str, features, population, design, benchmarks: int) -> dict:
    """One row of the table: a population's labels and people, and a design's number, episodes, shots and
    queries.
    """
    (label, person), (number, episodes, shots, asked) = population, design
    rng = np.random.default_rng([2022, number])
    whole = small(label, person, rng, 10 if person is not None else None)
    parts = [
        [one.right.mean() for one in tested(features, label, *whole, PART, shots, asked, rng)]
        for _ in range(TRUTH // PART)
    ]
    truth, seen = list(np.mean(parts, axis=0)), []
    for _ in tqdm(range(benchmarks), desc=f"{name}, {episodes} episodes, {shots}-shot", unit="test set"):
        a, b = tested(features, label, *small(label, person, rng), episodes, shots, asked, rng)
        seen.append(measured(a, b, truth))
    return {
        "population": name,
        "episodes": episodes,
        "shots": shots,
        **dict(zip(METHODS, truth)),
        **pd.DataFrame(seen).mean(),
        "sd": np.std([one["value"] for one in seen], ddof=1),
    }


def small(label, person, rng, times: int | None = 1) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a small test set and the group of each: EACH images of a class, or PEOPLE people, who may come
    twice as two people.

    `times` as many; None: the whole population.
    """
    if person is None:
        rows = (
            np.arange(len(label))
            if times is None
            else np.concatenate(
                [
                    rng.choice(np.flatnonzero(label == c), EACH * times, replace=False)
                    for c in range(label.max() + 1)
                ]
            )
        )
        return rows, np.arange(len(rows))
    drawn = rng.integers(0, person.max() + 1, PEOPLE * times)
    images = [np.flatnonzero(person == one) for one in range(person.max() + 1)]
    return np.concatenate([images[one] for one in drawn]), np.repeat(
        np.arange(len(drawn)), [len(images[one]) for one in drawn]
    )


def tested(features, label, rows, who, episodes: int, shots: int, asked: int, rng) -> list[Outcomes]:
    """Nearest mean of each network's features on the same episodes of a test set."""
    own = label[rows]
    classes, support, queries = draw_episodes(episodes, 5, shots, asked, own, who, rng)
    questions = asked_of(own, who, classes, support, queries)
    answers = []
    for one in features:
        here = one[rows]
        right = [
            (nearest_mean(here, s, q) == w).ravel()
            for s, q, w in zip(*in_parts(classes, own, support, queries, 50))
        ]
        answers.append(Outcomes(np.concatenate(right)[None], questions))
    return answers


def measured(a: Outcomes, b: Outcomes, truth: list[float]) -> dict:
    """Whether each kind of interval holds the population's value: of both networks, and of their
    difference.
    """
    asked = a.queries
    blind = Queries(asked.episode, asked.label, asked.group, asked.image)
    kinds = {
        "alone": episode_interval,
        "plain": lambda one: hierarchical_interval(Outcomes(one.right, blind)),
        "ours": hierarchical_interval,
    }
    found = {}
    for kind, of in kinds.items():
        intervals = [of(one) for one in (a, b)]
        found[kind] = np.mean([one.low <= value <= one.high for one, value in zip(intervals, truth)])
        found[f"half_{kind}"] = np.mean([one.high - one.value for one in intervals])
    gap = truth[0] - truth[1]
    for kind, sides in {"plain": [Outcomes(one.right, blind) for one in (a, b)], "ours": [a, b]}.items():
        between = difference(*sides)
        found[f"difference_{kind}"] = between.low <= gap <= between.high
    return found | {"value": a.right.mean()}


def page(rows: pd.DataFrame, benchmarks: int) -> str:
    head = [
        "population",
        "shots",
        "episodes",
        "ProtoNet",
        "supervised",
        "sd of ProtoNet",
        "episodes only",
        "support ignored",
        "ours",
        "± ours",
        "difference, support ignored",
        "difference, ours",
    ]
    lines = [head, [":--"] + ["--:"] * (len(head) - 1)]
    for row in rows.to_dict("records"):
        numbers = [row[name] for name in METHODS] + [
            row["sd"],
            row["alone"],
            row["plain"],
            row["ours"],
            row["half_ours"],
            row["difference_plain"],
            row["difference_ours"],
        ]
        lines.append(
            [
                row["population"],
                str(row["shots"]),
                f"{row['episodes']:,}",
                *(f"{100 * number:.1f}" for number in numbers),
            ]
        )
    return "\n".join(
        [
            "# Coverage of the intervals on photographs",
            "",
            (
                "`python benchmarks/coverage_real.py --data fer2013=PATH --data pressfaces=PATH --benchmarks"
                f" {benchmarks}`"
            ),
            "",
            *("| " + " | ".join(line) + " |" for line in lines),
            "",
            (
                "In percent and points. How often the 95 % interval of a small test set holds the value of"
                " the population it was drawn from, mean of two networks; and the same of the interval of"
                " their difference. Networks: ProtoNet (Conv4) and a supervised ResNet18, both of the"
                " `quick` preset of `cross-domain`, one training each on FER2013's validation and test"
                f" images, both read by the nearest mean, 5-way. Small test sets: {EACH} images of each of"
                f" six classes of FER2013's training split, 15 queries a class, people unknown; {PEOPLE} of"
                " the 711 people of the press photographs (drawn with replacement), five classes, 5 queries"
                f" a class, groups are people. The population's value is measured in {TRUTH:,} episodes."
                " Episodes only: mean ± t sd / sqrt(episodes). Support ignored: people of the queries alone."
                f" {benchmarks} test sets in each row: the standard error of a percentage near 95 is"
                f" {100 * (0.05 * 0.95 / benchmarks) ** 0.5:.1f} at most."
            ),
            "",
        ]
    )


if __name__ == "__main__":
    main()
