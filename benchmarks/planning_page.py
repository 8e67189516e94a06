"""results/benchmarks/planning.md, from what `planning.py` measured."""

from planned_study import BACKBONES, DATA_SETS, EPISODES, SEEDS, study
from planning_costs import (
    GB,
    HOUR,
    QUERIES,
    SHOTS,
    SIDE_BY_SIDE,
    STEPS,
    TEST_IMAGES,
    Cost,
    answers_of,
    cost,
)
from speed_data import processor

SUITE = study()
OF_EACH = DATA_SETS * SEEDS  # models of a method and a backbone
FEWER = 600  # test episodes
CHECKPOINTS = 10  # of a training
IMAGES = 20_000  # of a data set


def page(found: dict) -> str:
    """The whole page: `found` are the measurements by name."""
    parts = [
        _intro(found),
        _costs(found["networks"]),
        _disk(found["disk"], found["networks"]),
        _jobs(found["networks"]),
        _plan(found["plan"]),
        _reports(found),
    ]
    return "\n\n".join(parts) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _intro(found: dict) -> str:
    models = OF_EACH * len(SUITE.methods) * len(BACKBONES)
    return (
        "# A large study, planned\n\n`python benchmarks/planning.py --out results/benchmarks`, on two"
        f" cores ({processor()}), beside other work. {DATA_SETS} data sets, each a source and a target of"
        f" all; the {len(SUITE.methods)} methods of `benchmarks/studies/methods.yaml`; the backbones"
        f" {', '.join(BACKBONES)}; {SEEDS} seeds; 84 px, 5-way 1- and 5-shot, {EPISODES:,} episodes of"
        f" {QUERIES} queries; 20,000 steps of 75 images; readouts `ncm` and `probe` beside each method's"
        f" own, the checkpoint picked on the source. That is **{models:,} models and {models * DATA_SETS:,}"
        " runs**, with a results folder for each backbone."
    )


def _of(backbone: str, networks: dict, gpu: bool = True, episodes: int = EPISODES) -> dict[str, Cost]:
    """The cost of a model of each method."""
    slower = _slower(networks, backbone)
    return {key: cost(SUITE, key, slower, gpu, episodes) for key in SUITE.methods}


def _slower(networks: dict, backbone: str) -> float:
    """How many times a Conv4 at 48 px a pass takes."""
    return networks[f"{backbone}, 84 px"]["seconds"] / networks["conv4, 48 px"]["seconds"]


def _hours(costs: dict[str, Cost]) -> float:
    return OF_EACH * sum(one.whole for one in costs.values()) / HOUR


def _costs(networks: dict) -> str:
    least = [
        _hours({key: cost(SUITE, key, 1, True, many) for key in SUITE.methods}) for many in (EPISODES, FEWER)
    ]
    rows, sums = [], [0.0, 0.0, 0.0]
    for backbone in BACKBONES:
        gpu, cpu = (_of(backbone, networks, on) for on in (True, False))
        hours = [_hours(gpu), _hours(_of(backbone, networks, episodes=FEWER)), _hours(cpu) / 2]
        sums = [sum(one) for one in zip(sums, hours)]
        adapt = {key: one for key, one in gpu.items() if key in STEPS and STEPS[key].adapts}
        rows.append(
            [
                backbone,
                f"{_slower(networks, backbone):.1f}",
                f"{least[0]:,.0f} to {hours[0]:,.0f}",
                f"{_hours(adapt) / hours[0]:.0%}",
                f"{least[1]:,.0f} to {hours[1]:,.0f}",
                f"{hours[2]:,.0f}",
            ]
        )
    both = [f"{len(BACKBONES) * low:,.0f} to {high:,.0f}" for low, high in zip(least, sums)]
    rows.append(["all", "", both[0], "", both[1], f"{sums[2]:,.0f}"])
    head = [
        "backbone",
        "times a Conv4 at 48 px",
        f"H200, hours, {EPISODES:,} test episodes",
        "of it maml, meta_sgd, proto_maml, reptile, at most",
        f"H200, hours, {FEWER} test episodes",
        f"two cores, hours, {EPISODES:,} test episodes",
    ]
    return (
        f"## Hours\n\n{_table(head, rows)}\n\nOne model at a time. Steps, and test episodes of methods that"
        " adapt their network to each, are those of [docs/speed.md](../../docs/speed.md): a Conv4 at 48 px"
        " (`python benchmarks/speed_steps.py`, with `--device cuda` for the H200). No other network was"
        " timed on a GPU. At least, it costs as much there: a step of a Conv4 is many small kernels, which"
        " leave the GPU idle. At most, it costs the second column times as much: a forward and backward"
        " pass at 84 px on a core here. Other test episodes are answered from features, 0.8 ms for each"
        " readout on a core (`python benchmarks/readouts.py`); MetaOptNet's 25 ms are an upper limit too,"
        f" for a bench answers many episodes at once. {TEST_IMAGES:,} test images a data set.\n\nOf Conv4s,"
        f" {SIDE_BY_SIDE} were trained side by side on an H200 ([docs/cluster.md](../../docs/cluster.md)),"
        " a step of ProtoNet in 8.6 ms, alone in 6.8 (`results/methods/trainings.csv`): the hours of such"
        f" networks divide by up to {SIDE_BY_SIDE * 6.8 / 8.6:.0f}. Larger networks leave less room."
    )


def _disk(disk: dict, networks: dict) -> str:
    answers = _answers() * len(SUITE.methods) * OF_EACH * DATA_SETS * len(SHOTS)
    trained = sum(SUITE.config(key, "").steps > 0 for key in SUITE.methods) * OF_EACH * CHECKPOINTS / GB
    kept = {name: networks[f"{name}, 84 px"]["bytes"] * trained for name in BACKBONES}
    files = {
        f"answers in {EPISODES:,} episodes": answers * EPISODES * QUERIES * disk["answer"] / GB,
        f"answers in {FEWER} episodes": answers * FEWER * QUERIES * disk["answer"] / GB,
        f"{EPISODES:,} episodes, 1- and 5-shot": disk["episodes"] * DATA_SETS * len(SHOTS) / GB,
        "`run.json`": disk["run"] * len(SUITE.methods) * OF_EACH * DATA_SETS / GB,
    }
    rows = [[name, f"{size:,.1f}", f"{len(BACKBONES) * size:,.1f}"] for name, size in files.items()]
    each = ", ".join(f"{name} {size:,.0f}" for name, size in kept.items())
    decoded = f"{IMAGES * 84 * 84 * 3 * DATA_SETS / GB:,.1f}"
    rows += [
        [f"checkpoints, {CHECKPOINTS} of each training", each, f"{sum(kept.values()):,.1f}"],
        [f"decoded images, {IMAGES:,} of each data set", decoded, decoded],
    ]
    return (
        f"## Disk\n\n{_table(['GB', 'a backbone', 'all'], rows)}\n\nAn answer takes {disk['answer']:.2f}"
        f" bytes: {answers * EPISODES * QUERIES * len(BACKBONES) / 1e9:,.0f} thousand million answers."
        " Checkpoints can be deleted as soon as the runs of their model are done. Images are decoded once"
        " for all backbones."
    )


def _jobs(networks: dict) -> str:
    rows = []
    for episodes in (EPISODES, FEWER):
        for backbone in BACKBONES:
            costs = _of(backbone, networks, episodes=episodes)
            long = sum(one.whole > HOUR for one in costs.values()) * OF_EACH
            slots = sum(-(-one.whole // HOUR) for one in costs.values()) * OF_EACH
            lost = max(max(one.train / CHECKPOINTS, one.test) for one in costs.values())
            rows.append(
                [
                    f"{backbone}, {episodes:,} test episodes",
                    f"{len(costs) * OF_EACH:,}",
                    f"{long:,}",
                    f"{max(one.whole for one in costs.values()) / HOUR:.1f}",
                    f"{slots:,.0f}",
                    f"{lost / 60:.0f}",
                ]
            )
    head = [
        "backbone",
        "jobs",
        "of them over an hour",
        "the longest, hours",
        "slots of an hour",
        "lost at a limit, minutes at most",
    ]
    return (
        f"## Jobs of an hour\n\n{_table(head, rows)}\n\nA model is a job, on a GPU of its own. At its limit"
        f" of 60 minutes it is queued again, and goes on from its last validation ({CHECKPOINTS} in a"
        " training) or its last finished target. The last column is the longest way between two of these,"
        " and so what a limit can cost. Where it is over 60, the job would never end: there methods that"
        " adapt a network to each episode need fewer episodes. submitit queues a task again a hundred times;"
        " after that, the same command gives the rest again."
    )


def _answers() -> float:
    """Readouts of a run that answer episodes, mean over methods."""
    return sum(len(answers_of(SUITE, key)) for key in SUITE.methods) / len(SUITE.methods)


def _plan(plan: dict) -> str:
    rows = [[name, f"{value:.1f}"] for name, value in plan.items() if name != "runs"]
    whole = sum(value for name, value in plan.items() if name != "runs")
    jobs = len(SUITE.methods) * OF_EACH * len(BACKBONES)
    return (
        f"## The plan\n\nOf one backbone, {plan['runs']:,} runs; seconds of a"
        f" core.\n\n{_table(['part', 'seconds'], rows)}\n\nEach SLURM task plans anew: {jobs:,} times"
        f" {whole:.0f} s are {jobs * whole / HOUR:,.0f} hours of a core. A dask worker plans once for all"
        " of its models, and so do the processes of `--devices`."
    )


def _reports(found: dict) -> str:
    rows = []
    for name, one in found.items():
        if name.startswith("report: "):
            rows.append(
                [
                    name.removeprefix("report: "),
                    f"{one['runs']:,}",
                    f"{one['episodes']:,}",
                    f"{one['answers'] / 1e6:,.0f}",
                    f"{one['seconds'] / 60:.1f}",
                    f"{one['cpu'] / 60:.1f}",
                    f"{one['memory'] / 1e3:.1f}",
                ]
            )
    long = found["report: 4 data sets, 1 seed, 6 methods"]
    runs = [
        10 * 60 * long["answers"] / long["cpu"] / (len(SHOTS) * _answers() * many * QUERIES)
        for many in (EPISODES, FEWER)
    ]
    head = ["folder", "runs", "episodes", "million answers", "minutes", "of a core", "memory, GB"]
    return (
        f"## The report\n\n{_table(head, rows)}\n\nThe first `fer-meta report` of a folder, plots included,"
        " of answers that are made up; memory is the largest of a process. Runs that share method, target"
        " and seed share a file, which is read for each of them. Time grows with the answers; with the"
        " runs, a few milliseconds for each readout and number of shots; and with the square of the"
        " readouts, for each two of them are compared on each source and target. Memory grows with the"
        " runs: their tables, and one bit for each answer.\n\n"
        f"At the rate of the folder of {EPISODES:,} episodes, ten minutes of a core hold {runs[0]:,.0f} runs"
        f" of {EPISODES:,} episodes or {runs[1]:,.0f} of {FEWER}, with {_answers():.1f} readouts a run. This"
        " is multiplied, not measured, and leaves out what a run itself costs."
    )
