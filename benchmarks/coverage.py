"""How often the intervals hold the truth, and how often the tests find what is not there: on simulated
benchmarks.

    python benchmarks/coverage.py    # 400 benchmarks for each design: hours on one core; see --jobs

Writes results/benchmarks/coverage.md, and `coverage.csv`, from which a stopped run goes on. A simulated
benchmark tests two methods of equal true accuracy as a real one does: people with images of 7 expressions, of
which both the support and the queries of every episode come, and a classifier that reads the features of two
kinds of training. Features are

    class mean (times 1 + the seed's deviation) + person + clip + image + image by method
        + image by method and seed,

each but the class mean a normal draw in 8 dimensions. All are new in each benchmark; the truth is the mean
over all benchmarks of a design. Own heads, which use no support, are simulated by log odds.
"""

import zlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd
from scipy import special
from tqdm import tqdm

from fer_meta.fileio import write_text
from fer_meta.statistics.intervals import Outcomes, difference, episode_interval, hierarchical_interval
from fer_meta.statistics.queries import Queries, Support

CLASSES, DIMENSIONS, QUERIES, IMAGES_EACH = 7, 8, 15, 15
MEANS = 0.9 * np.random.default_rng(5).normal(0, 1, (CLASSES, DIMENSIONS))
PERSON, CLIP, IMAGE, METHOD_IMAGE, SEED_IMAGE = 0.6, 1.0, 1.0, 0.6, 0.4
# how far the 5-shot accuracy moves, in points, where the class means are twice as large: measured, about
# linear
POINTS_OF_SCALE = 47.0
HELD = 50  # images of a class that are support alone, where each test image is a query once
CHUNK = 20  # benchmarks that are simulated together and kept


@dataclass(frozen=True)
class Design:
    people: int | None = 70  # None: unknown, each image counts as somebody else's
    episodes: int = 600
    shots: int = 5
    readout: str = "nearest mean"  # or "probe" (ridge regression), "head"
    seeds: int = 1
    seed_sd: float = 0  # of a training's accuracy, in points
    clips: int | None = None  # instead of people: clips of 25 frames, support and query from different ones
    once: bool = False  # each test image a query once, support held out of training; classes unbalanced
    metric: str = "accuracy"

    @property
    def who(self) -> str:
        return (
            f"{self.clips} clips"
            if self.clips
            else f"{self.people} people"
            if self.people
            else "1,050 images"
        )


def designs() -> list[Design]:
    found = [
        Design(people, episodes, shots)
        for people, episodes, shots in [
            (70, 100, 1),
            (70, 100, 5),
            (70, 100, 10),
            (70, 600, 1),
            (70, 600, 5),
            (70, 600, 10),
            (70, 3000, 1),
            (70, 3000, 5),
            (70, 10_000, 1),
            (70, 10_000, 5),
            (10, 100, 1),
            (10, 100, 5),
            (10, 600, 1),
            (10, 600, 5),
            (10, 3000, 5),
            (20, 600, 5),
            (700, 100, 5),
            (700, 600, 1),
            (700, 600, 5),
            (None, 100, 1),
            (None, 100, 5),
            (None, 600, 5),
            (None, 3000, 1),
            (None, 10_000, 1),
        ]
    ]
    found += [
        Design(people, episodes, shots, "probe")
        for people, episodes, shots in [
            (70, 100, 5),
            (70, 600, 1),
            (70, 600, 5),
            (None, 600, 5),
            (70, 3000, 1),
        ]
    ]
    found += [
        Design(clips=45, episodes=episodes, shots=shots) for episodes, shots in [(100, 5), (600, 1), (600, 5)]
    ]
    found += [Design(70, seeds=seeds, seed_sd=sd) for seeds in (2, 3, 5) for sd in (1, 3)]
    found += [Design(None, 600, 1, seeds=3, seed_sd=1), Design(70, 3000, 1, seeds=3, seed_sd=1)]
    found += [
        Design(people, 100, 5, once=True, metric=metric, seeds=seeds, seed_sd=sd)
        for people in (70, None)
        for metric in ("accuracy", "uar")
        for seeds, sd in ((1, 0), (3, 1))
    ]
    found += [
        Design(people, 1, 0, "head", seeds, sd, once=True, metric=metric)
        for people in (70, None)
        for metric in ("accuracy", "uar")
        for seeds, sd in ((1, 0), (3, 1), (3, 3))
    ]
    return found


@click.command()
@click.option("--benchmarks", default=400, show_default=True, help="Simulated benchmarks for each design.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(benchmarks, jobs, out):
    """Simulate each design and write the table."""
    kept = out / "coverage.csv"
    rows = pd.read_csv(kept) if kept.exists() else pd.DataFrame({"design": [], "benchmark": []})
    wanted = [(number, start) for start in range(0, benchmarks, CHUNK) for number in range(len(designs()))]
    done = set(zip(rows["design"], rows["benchmark"]))
    out.mkdir(parents=True, exist_ok=True)
    with (
        ProcessPoolExecutor(jobs) as workers,
        tqdm(total=len(wanted) * CHUNK, unit="benchmark", smoothing=0) as bar,
    ):
        for part in workers.map(measure, [one for one in wanted if one not in done]):
            rows = pd.concat([rows, part])
            write_text(kept, rows.to_csv(index=False, float_format="%.6g"))
            bar.update(CHUNK)
    write_text(out / "coverage.md", page(rows[rows["benchmark"] < benchmarks], benchmarks))
    click.echo((out / "coverage.md").read_text())


def measure(which: tuple[int, int]) -> pd.DataFrame:
    """A row of numbers for each of CHUNK benchmarks of a design: values, and the half widths and p-values of
    each kind of interval.
    """
    number, start = which
    design, rows = designs()[number], []
    for benchmark in range(start, start + CHUNK):
        rng = np.random.default_rng([zlib.crc32(repr(asdict(design)).encode()), benchmark])
        a, b = simulate(design, rng)
        asked = a.queries
        blind = Queries(asked.episode, asked.label, asked.group, asked.image)
        row = {"design": number, "benchmark": benchmark}
        for name, one in (("a", a), ("b", b)):
            ours, plain, alone = (
                hierarchical_interval(one, design.metric),
                hierarchical_interval(Outcomes(one.right, blind), design.metric),
                episode_interval(one, design.metric),
            )
            row |= {
                name: ours.value,
                f"half_{name}": ours.high - ours.value,
                f"plain_{name}": plain.high - plain.value,
                f"alone_{name}": alone.high - alone.value,
            }
        rows.append(
            row
            | {
                "p": difference(a, b, design.metric).p,
                "plain_p": difference(Outcomes(a.right, blind), Outcomes(b.right, blind), design.metric).p,
            }
        )
    return pd.DataFrame(rows)


# --- a benchmark -----------------------------------------------------------------------------------------


def simulate(design: Design, rng: np.random.Generator) -> tuple[Outcomes, Outcomes]:
    """Two methods' outcomes; with one seed, of two equally good trainings."""
    label, who = images(design, rng)
    if design.readout == "head":
        return heads(design, label, who, rng)
    test = np.arange(len(label))
    if design.once:
        held_label = np.repeat(np.arange(CLASSES), HELD)
        label, who = (
            np.concatenate([label, held_label]),
            np.concatenate([who, who.max() + 1 + np.arange(len(held_label))]),
        )
        classes, support, queries = shared_out(design, label, test, rng)
    else:
        classes, support, queries = draw_episodes(
            design.episodes, 5, design.shots, QUERIES, label, who, rng, bool(design.clips)
        )
    common = (
        rng.normal(0, IMAGE, (len(label), DIMENSIONS))
        + rng.normal(0, CLIP if design.clips else PERSON, (who.max() + 1, DIMENSIONS))[who]
    )
    asked = asked_of(label, who, classes, support, queries)
    answers = probe if design.readout == "probe" else nearest_mean
    methods = []
    for _ in "ab":
        own, right = common + rng.normal(0, METHOD_IMAGE, common.shape), []
        for _ in range(design.seeds):
            scale = 1 + rng.normal(0, design.seed_sd / POINTS_OF_SCALE)
            features = scale * MEANS[label] + own + rng.normal(0, SEED_IMAGE, common.shape)
            right.append(
                np.concatenate(
                    [
                        (answers(features, s, q) == w).ravel()
                        for s, q, w in zip(*in_parts(classes, label, support, queries))
                    ]
                )
            )
        methods.append(Outcomes(np.stack(right), asked))
    return tuple(methods)


def images(design: Design, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Class and group of each test image."""
    if design.clips:
        return np.repeat(rng.permutation(np.arange(design.clips) % CLASSES), 25), np.repeat(
            np.arange(design.clips), 25
        )
    n = (design.people or 70) * IMAGES_EACH
    frequency = np.geomspace(4, 1, CLASSES) if design.once else np.ones(CLASSES)
    label = rng.permutation(np.searchsorted(frequency.cumsum() / frequency.sum(), (np.arange(n) + 0.5) / n))
    return label, np.repeat(np.arange(design.people), IMAGES_EACH) if design.people else np.arange(n)


def draw_episodes(
    episodes: int, way: int, shots: int, asked: int, label, who, rng, apart: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes [E, way], support [E, way, shots] and queries [E, way, asked], rows of `label` [N]; `apart`: no
    group of `who` [N] is on both sides.
    """
    classes = label.max() + 1
    chosen = rng.random((episodes, classes)).argsort(1)[:, :way]
    support, queries = np.empty((episodes, way, shots), int), np.empty((episodes, way, asked), int)
    members = [(np.flatnonzero(label == c), chosen == c) for c in range(classes)]
    for rows, here in members:
        support[here] = rows[
            np.argpartition(rng.random((here.sum(), len(rows))), shots - 1, axis=1)[:, :shots]
        ]
    taken = np.zeros((episodes, who.max() + 1), bool)
    if apart:
        taken[np.arange(episodes)[:, None], who[support].reshape(episodes, -1)] = True
    for rows, here in members:
        order = rng.random((here.sum(), len(rows)))
        places = np.searchsorted(rows, support[here])
        order[np.arange(len(order))[:, None], places] = 2  # of the support
        order[taken[np.nonzero(here)[0]][:, who[rows]]] = 2  # of its groups
        queries[here] = rows[np.argpartition(order, asked - 1, axis=1)[:, :asked]]
    return chosen, support, queries


def shared_out(design: Design, label, test, rng) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """7-way episodes that share out the test images; support from the images after them."""
    held = len(test) + np.arange(CLASSES * HELD).reshape(CLASSES, HELD)
    support = np.stack(
        [[rng.choice(rows, design.shots, replace=False) for rows in held] for _ in range(design.episodes)]
    )
    return (
        np.tile(np.arange(CLASSES), (design.episodes, 1)),
        support,
        np.array_split(rng.permutation(test), design.episodes),
    )


def asked_of(label, who, classes, support, queries) -> Queries:
    rows = np.concatenate([np.ravel(one) for one in queries])
    episode = np.repeat(np.arange(len(classes)), [np.size(one) for one in queries])
    shown = support.ravel()
    return Queries(
        episode,
        label[rows],
        who[rows],
        rows,
        Support(np.repeat(np.arange(len(classes)), support[0].size), who[shown], shown, label[shown]),
    )


def in_parts(classes, label, support, queries, size: int = 1000):
    """Support, queries [E, Q] and the place of each query's class in its episode, for episodes with equally
    many queries.
    """
    if isinstance(queries, list):
        parts = [(support[[e]], rows[None], label[rows][None]) for e, rows in enumerate(queries)]
    else:
        place = np.broadcast_to(np.arange(classes.shape[1])[:, None], queries.shape[1:]).ravel()
        parts = [
            (support[at], queries[at].reshape(len(queries[at]), -1), place)
            for at in (slice(s, s + size) for s in range(0, len(support), size))
        ]
    return zip(*parts)


def nearest_mean(features, support, queries) -> np.ndarray:
    """The place of the nearest class mean [E, Q]."""
    means = features[support].mean(2)
    return ((means**2).sum(2)[:, None] - 2 * features[queries] @ means.transpose(0, 2, 1)).argmin(2)


def probe(features, support, queries) -> np.ndarray:
    """Ridge regression of the classes on the support's features [E, Q]: a linear probe in closed form."""
    episodes, way, shots = support.shape
    x = features[support].reshape(episodes, way * shots, -1)
    centre = x.mean(1, keepdims=True)
    x = x - centre
    y = np.kron(np.eye(way), np.ones((shots, 1))) - 1 / way
    weights = np.linalg.solve(x.transpose(0, 2, 1) @ x + np.eye(x.shape[2]), x.transpose(0, 2, 1) @ y)
    return ((features[queries] - centre) @ weights).argmax(2)


def heads(design: Design, label, who, rng) -> tuple[Outcomes, Outcomes]:
    """Two own heads: each image once, log odds = class + seed + person + image + seed by image + method by
    image.
    """
    common = (
        np.linspace(1.6, -0.8, CLASSES)[label]
        + rng.normal(0, 0.6, who.max() + 1)[who]
        + rng.normal(0, 1.2, len(label))
    )
    asked, methods = Queries(np.zeros(len(label), int), label, who, np.arange(len(label))), []
    for _ in "ab":
        # a log odds of 1 is worth 18 points here
        seeds = rng.normal(0, design.seed_sd / 18, (design.seeds, 1))
        own = rng.normal(0, 0.7, len(label)) + rng.normal(0, 0.7, (design.seeds, len(label)))
        methods.append(Outcomes(rng.random(own.shape) < special.expit(common + own + seeds), asked))
    return tuple(methods)


# --- the page --------------------------------------------------------------------------------------------


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each design: percentages and points as text."""
    found = []
    for number, one in rows.groupby("design"):
        design = designs()[int(number)]
        values = np.concatenate([one["a"], one["b"]])
        off = np.abs(values - values.mean())

        def held(kind, off=off, one=one):
            return 100 * np.mean(off <= np.concatenate([one[f"{kind}_a"], one[f"{kind}_b"]]))

        found.append(
            {
                "test images": design.who,
                "readout": design.readout + (f" ({design.metric})" if design.once else ""),
                "shots": design.shots or "-",
                "episodes": "each image once" if design.once else f"{design.episodes:,}",
                "seeds": design.seeds,
                "sd of seeds": design.seed_sd or "-",
                "accuracy": f"{100 * values.mean():.1f}",
                "true sd": f"{100 * values.std():.2f}",
                "episodes only": f"{held('alone'):.1f}",
                "support ignored": f"{held('plain'):.1f}",
                "ours": held("half"),
                "± ours": f"{100 * one[['half_a', 'half_b']].to_numpy().mean():.2f}",
                "false, support ignored": f"{100 * (one['plain_p'] < 0.05).mean():.1f}",
                "false, ours": 100 * (one["p"] < 0.05).mean(),
                "benchmarks": len(one),
            }
        )
    return pd.DataFrame(found)


def page(rows: pd.DataFrame, benchmarks: int) -> str:
    table = summary(rows)
    shown = table.assign(
        **{name: table[name].map("{:.1f}".format) for name in ("ours", "false, ours")}
    ).astype(str)
    lines = [list(shown), [":--"] * 2 + ["--:"] * (len(shown.columns) - 2), *shown.to_numpy().tolist()]
    errors = [100 * (0.95 * 0.05 / n / benchmarks) ** 0.5 for n in (2, 1)]
    return "\n".join(
        [
            "# Coverage of the intervals, simulated",
            "",
            (
                f"`python benchmarks/coverage.py --benchmarks {benchmarks}`: simulated benchmarks, two"
                " methods of equal true accuracy in each. Nothing here is measured on images."
            ),
            "",
            *("| " + " | ".join(map(str, line)) + " |" for line in lines),
            "",
            "In percent or points:",
            "",
            (
                "- true sd: of the accuracy (UAR) over the benchmarks. With one seed the truth is that of the"
                " given training: nothing in the data tells of other trainings."
            ),
            (
                "- episodes only, support ignored, ours: how often the 95 % interval holds the truth."
                " Episodes only: mean ± t sd / sqrt(episodes), as most papers print it. Support ignored:"
                " seeds, episodes and the people of the *queries*. Ours: `hierarchical_interval`, which also"
                " knows who is in the support. ± is half its mean width."
            ),
            (
                "- false: how often p < 0.05 although the methods do not differ, by `difference` with and"
                " without the support."
            ),
            (
                f"- Standard errors of the percentages, from {benchmarks} benchmarks: {errors[0]:.1f}"
                f" (coverage, of both methods) and {errors[1]:.1f} (false positives) at 95 % and 5 %."
            ),
            "",
            (
                f"Simulated: {CLASSES} classes, {IMAGES_EACH} images of a person (25 frames of a clip), 5-way"
                f" episodes with {QUERIES} queries a class; where each image is a query once, 7-way, support"
                f" from {HELD} other images a class, and the first class 4 times as frequent as the last. Sd"
                f" of the features: person {PERSON}, clip {CLIP}, image {IMAGE}, image by method"
                f" {METHOD_IMAGE}, image by method and seed {SEED_IMAGE}."
            ),
            "",
            *regimes(table),
            "",
        ]
    )


def regimes(table: pd.DataFrame) -> list[str]:
    """Which designs the interval is too short for, and which it is more careful in than it need be."""
    short = table[(table["ours"] < 92) | (table["false, ours"] > 8)]
    careful = table[(table["ours"] > 98) | (table["false, ours"] < 3)]
    lines = []
    for what, rows in (
        (
            "**Too short**: coverage below 92 % or more than 8 % false positives; the report warns there",
            short,
        ),
        (
            (
                "**More careful than need be**: coverage above 98 % or less than 3 % false positives, mostly"
                " because the largest of three estimates counts"
            ),
            careful,
        ),
    ):
        named = "; ".join(_named(row) for _, row in rows.iterrows())
        lines.append(f"- {what} (coverage, false positives): {named or 'none'}.")
    return lines


def _named(row: pd.Series) -> str:
    """A design and what was measured, in words."""
    shots = "" if row["shots"] == "-" else f"{row['shots']}-shot, "
    episodes = row["episodes"] + ("" if "once" in row["episodes"] else " episodes")
    seeds = f"{row['seeds']} seed{'s' * (row['seeds'] > 1)}"
    spread = "" if row["sd of seeds"] == "-" else f" (sd {row['sd of seeds']})"
    measured = f"{row['ours']:.1f}, {row['false, ours']:.1f}"
    return f"{row['test images']}, {row['readout']}, {shots}{episodes}, {seeds}{spread}: {measured}"


if __name__ == "__main__":
    main()
