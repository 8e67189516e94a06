"""How often the intervals contain the truth, and how often the tests find what is not there.

    python benchmarks/coverage.py                    # 200 simulated benchmarks a design

Writes results/benchmarks/coverage.md. A simulated benchmark tests two methods of equal true accuracy as a real one does: seeds, people
with images of 7 expressions, and episodes of 5 of the 7 classes with 15 queries each (or each image once). The log odds of being right are

    class + seed + person + image + episode (its support) + seed by image + method by image,

each but the class's a normal draw. All draws are new in each benchmark, the truth is the expectation over them.
"""

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from scipy import special, stats
from tqdm import tqdm

from fer_meta.evaluation.statistics import Outcomes, difference, episode_interval, hierarchical_interval
from fer_meta.files import write_text

CLASSES, WAY, QUERIES = 7, 5, 15
IMAGES_EACH = 15
# Log odds of each class (accuracies of about 35 to 80 %) and the standard deviations of what is drawn.
CLASS = np.linspace(1.6, -0.8, CLASSES)
PERSON, IMAGE, EPISODE, SEED_IMAGE, METHOD_IMAGE = 0.6, 1.2, 0.3, 0.7, 0.7
DRAWS = 500
COLUMNS = ["design", "sd of seeds", "accuracy", "episodes only", "percentile bootstrap", "ours",
           "± episodes only", "± ours", "t-test over episodes", "our test"]


@dataclass(frozen=True)
class Design:
    seeds: int
    seed_sd: float  # of a seed's accuracy, in points
    people: int | None  # None: 1,200 images of unknown people
    episodes: int | None  # None: each image once
    metric: str = "accuracy"

    @property
    def name(self) -> str:
        images = f"{self.people} people" if self.people else "1,200 images"
        seeds = f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"
        episodes = f"{self.episodes} episodes" if self.episodes else f"each image once ({self.metric})"
        return f"{seeds}, {images}, {episodes}"


DESIGNS = [Design(seeds, sd, people, episodes) for seeds in (1, 3, 5) for people in (80, None) for episodes in (100, 600)
           for sd in (1, 3) if seeds > 1 or sd == 1]
DESIGNS += [Design(2, sd, people, 100) for people in (80, None) for sd in (1, 3)]
DESIGNS += [Design(3, sd, people, None, metric) for metric in ("accuracy", "uar") for people in (80, None) for sd in (1, 3)]


@click.command()
@click.option("--benchmarks", default=200, show_default=True, help="Simulated benchmarks a design.")
@click.option("--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path))
def main(benchmarks, out):
    """Simulate each design and write the table."""
    rows = []
    with tqdm(total=len(DESIGNS) * benchmarks, unit="benchmark", smoothing=0) as bar:
        for number, design in enumerate(DESIGNS):
            rng = np.random.default_rng([number, 2022])
            rows.append(measure(design, benchmarks, rng, bar))
    click.echo(table(rows))
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "coverage.md", page(rows, benchmarks))


def measure(design: Design, benchmarks: int, rng: np.random.Generator, bar: tqdm) -> list[str]:
    """A row of the table."""
    seen = []
    drawn = bootstrap_weights(design, rng)
    for _ in range(benchmarks):
        a, b, truth = simulate(design, rng)
        narrow, ours = episode_interval(a, design.metric), hierarchical_interval(a, design.metric)
        low, high = percentile_bootstrap(a, drawn, design.metric)
        test = difference(a, b, design.metric)
        seen.append([
            truth, narrow.low <= truth <= narrow.high, low <= truth <= high, ours.low <= truth <= ours.high,
            (narrow.high - narrow.low) / 2, (ours.high - ours.low) / 2, t_test(a, b) < 0.05, test.p < 0.05,
        ])
        bar.update()
    truth, narrow, plain, ours, half_narrow, half_ours, t_test_found, found = 100 * np.mean(seen, axis=0)
    unknown = design.episodes is None
    sd = f"{design.seed_sd}" if design.seeds > 1 else "-"
    return [design.name, sd, f"{truth:.1f}", "-" if unknown else f"{narrow:.1f}", f"{plain:.1f}", f"{ours:.1f}",
            "-" if unknown else f"{half_narrow:.1f}", f"{half_ours:.1f}", "-" if unknown else f"{t_test_found:.1f}", f"{found:.1f}"]


# --- a benchmark -----------------------------------------------------------------------------------------


def simulate(design: Design, rng: np.random.Generator) -> tuple[Outcomes, Outcomes, float]:
    """Two methods' outcomes and the true accuracy (or UAR) of each; with one seed, that of the given training."""
    people = design.people or 80 * IMAGES_EACH
    person = np.arange(80 * IMAGES_EACH) % people
    label = draw_labels(design, len(person), rng)
    image, episode = draw_queries(design, label, rng)
    seed_sd = design.seed_sd / 100 / slope()
    one = rng.normal(0, seed_sd) if design.seeds == 1 else None
    common = (CLASS[label] + rng.normal(0, PERSON, people)[person] + rng.normal(0, IMAGE, len(person)))[image]
    if design.episodes:
        common = common + rng.normal(0, EPISODE, design.episodes)[episode]
    methods = []
    for _ in "ab":
        seeds = rng.normal(0, seed_sd, (design.seeds, 1)) if one is None else one
        own = rng.normal(0, METHOD_IMAGE, len(person)) + rng.normal(0, SEED_IMAGE, (design.seeds, len(person)))
        chance = special.expit(common + own[:, image] + seeds)
        methods.append(Outcomes(rng.random(chance.shape) < chance, episode, person[image], label[image]))
    spread = np.hypot(sd_of_queries(design), seed_sd if one is None else 0)
    by_class = expected(CLASS + (one or 0), spread)
    balanced = design.episodes or design.metric == "uar"
    shares = np.full(CLASSES, 1 / CLASSES) if balanced else np.bincount(label) / len(label)
    return *methods, float(shares @ by_class)


def draw_labels(design: Design, images: int, rng: np.random.Generator) -> np.ndarray:
    """Balanced for episodes; the first class 4 times as frequent as the last where each image is used once."""
    frequency = np.ones(CLASSES) if design.episodes else np.geomspace(4, 1, CLASSES)
    return rng.permutation(np.searchsorted(frequency.cumsum() / frequency.sum(), (np.arange(images) + 0.5) / images))


def draw_queries(design: Design, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Image and episode [N] of each query."""
    if not design.episodes:
        return np.arange(len(label)), np.zeros(len(label), int)
    members = [np.flatnonzero(label == c) for c in range(CLASSES)]
    chosen = rng.random((design.episodes, CLASSES)).argsort(1)[:, :WAY]
    image = np.empty((design.episodes, WAY, QUERIES), int)
    for c, rows in enumerate(members):
        places = chosen == c
        order = rng.random((places.sum(), len(rows))).argpartition(QUERIES, axis=1)[:, :QUERIES]
        image[places] = rows[order]
    return image.ravel(), np.repeat(np.arange(design.episodes), WAY * QUERIES)


def sd_of_queries(design: Design) -> float:
    """Sd of the log odds of a class's queries within a training."""
    return float(np.linalg.norm([PERSON, IMAGE, EPISODE if design.episodes else 0, SEED_IMAGE, METHOD_IMAGE]))


def expected(mean: np.ndarray, sd: float) -> np.ndarray:
    """Accuracy where the log odds are normal, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    return special.expit(mean[:, None] + sd * nodes) @ weights / weights.sum()


def slope() -> float:
    """How far the accuracy moves for a log odds of 1."""
    spread = np.linalg.norm([PERSON, IMAGE, EPISODE, SEED_IMAGE, METHOD_IMAGE])
    return float((expected(CLASS + 0.01, spread) - expected(CLASS - 0.01, spread)).mean() / 0.02)


# --- what ours is compared with --------------------------------------------------------------------------


def bootstrap_weights(design: Design, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """How often each seed and each group is drawn [DRAWS, members]."""
    groups = design.people or 80 * IMAGES_EACH
    return tuple(rng.multinomial(n, np.full(n, 1 / n), size=DRAWS) for n in (design.seeds, groups))


def percentile_bootstrap(outcomes: Outcomes, drawn: tuple[np.ndarray, np.ndarray], metric: str) -> tuple[float, float]:
    """The usual hierarchical bootstrap: seeds and groups drawn again together, its 2.5 and 97.5 percentiles."""
    seeds, groups = drawn
    size = groups.shape[1]
    strata = outcomes.label if metric == "uar" else np.zeros_like(outcomes.label)
    values = []
    for c in np.unique(strata):
        rows = strata == c
        right = np.stack([np.bincount(outcomes.group[rows], seed[rows], minlength=size) for seed in outcomes.right])
        count = np.bincount(outcomes.group[rows], minlength=size)
        values.append(((seeds @ right) * groups).sum(1) / len(right) / (groups @ count))
    return tuple(np.percentile(np.mean(values, axis=0), [2.5, 97.5]))


def t_test(a: Outcomes, b: Outcomes) -> float:
    """Paired over episodes, seeds averaged."""
    if a.episode[-1] == 0:
        return np.nan
    one, other = (np.bincount(o.episode, o.right.mean(0)) for o in (a, b))
    return stats.ttest_rel(one, other).pvalue


# --- the page --------------------------------------------------------------------------------------------


def table(rows: list[list[str]]) -> str:
    lines = [COLUMNS, [":--"] + ["--:"] * (len(COLUMNS) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(rows: list[list[str]], benchmarks: int) -> str:
    error = 100 * (0.95 * 0.05 / benchmarks) ** 0.5
    return "\n".join([
        "# Coverage of the intervals", "",
        f"`python benchmarks/coverage.py --benchmarks {benchmarks}`: {benchmarks} simulated benchmarks a design, two methods of equal true "
        "accuracy in each. Nothing here is measured on images.", "",
        table(rows), "",
        "Columns, all in percent or points:", "",
        "- sd of seeds: how far the accuracies of trainings that differ in their seed only are spread. With one seed the truth is that of "
        "the given training, and the two methods' trainings are equally good: nothing in the data tells of other trainings.",
        "- episodes only, percentile bootstrap, ours: how often the 95 % interval contains the true accuracy (UAR). Ours is "
        "`hierarchical_interval`; the percentile bootstrap draws seeds and groups again together; ± is half the interval's mean width.",
        "- t-test over episodes, our test: how often p < 0.05 although the methods do not differ; ours is `difference`.",
        f"- The percentages' own standard error, from {benchmarks} benchmarks, is {error:.1f} points at 95 % or 5 %.", "",
        f"Simulated: {CLASSES} classes, 1,200 images, {WAY}-way episodes with {QUERIES} queries a class; log odds of being right = class "
        f"({CLASS[-1]:.1f} to {CLASS[0]:.1f}) + seed + person (sd {PERSON}) + image ({IMAGE}) + episode ({EPISODE}) + seed by image "
        f"({SEED_IMAGE}) + method by image ({METHOD_IMAGE}). Where people are unknown, each image counts as somebody else's. Where each "
        "image is used once, the first class is 4 times as frequent as the last.", "",
        *outside(rows), "",
    ])


def outside(rows: list[list[str]]) -> list[str]:
    """Which designs are not within 92 to 98 %."""
    ours = COLUMNS.index("ours")
    missed = [f"{row[0]}, sd of seeds {row[1]}: {row[ours]}" for row in rows if not 92 <= float(row[ours]) <= 98]
    return [f"Ours is outside 92 to 98 % in: {'; '.join(missed)}." if missed else "Ours is within 92 to 98 % in every design."]


if __name__ == "__main__":
    main()
