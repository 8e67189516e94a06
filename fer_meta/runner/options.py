"""The options of a bench, those of `fer-meta bench`. Nothing here imports torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from fer_meta.commands import command, seeds_in_words
from fer_meta.errors import SuiteError
from fer_meta.suites.folders import DEFAULT, RESULTS

LISTS = ("domains", "sources", "targets", "experiments", "methods", "seeds", "readouts", "devices", "track")

# They decide where things are computed, and change no result. `data` counts by the state of its folders.
_ELSEWHERE = (
    *(
        "data",
        "out",
        "jobs",
        "devices",
        "devices_per_model",
        "executor",
        "scheduler",
        "cluster",
        "shard",
        "track",
        "dry_run",
        "command",
    ),
)


@dataclass(frozen=True)
class BenchOptions:
    """The options of a bench, as on the command line. None means what the suite says.

    - `suite`: the name of one of the package's, or the path of a .yaml file. `preset`: smoke, quick or full.
    - `domains`, `sources`, `targets`, `experiments`, `methods`, `seeds`: only these.
      `readouts`: how features are read, instead of what the suite says.
    - `data`: data set -> its folder. `roles`: role of an experiment -> data set.
    - `split`: of the protocol, such as {"folds": 10}. `image_size`: the side in pixels.
    - `backbone`: of every method; `weights`: none, imagenet, bundled or a file.
    - `device`: auto, cpu, cuda, cuda:1, mps. `precision`: fp32 or bf16.
    - `search`: how many settings of each method and source are tried first.
    - `budget`: of every training, {"images": 225000} or {"seconds": 600}.
    - `jobs`: how many models are trained at the same time; None: one per core, at most 4; with `devices`, one
      for each of them, names as in CUDA_VISIBLE_DEVICES.
      `devices_per_model`: how many of `devices` train a model together.
    - `executor`: dask or slurm; `scheduler`: dask's address; `cluster`: its settings.
    - `shard`: (k, n) for the k-th of n parts of the models.
    - `track`: tensorboard, mlflow, wandb: trackers that are sent each training and the results.
    - `out`: the folder of all results. `dry_run`: only print the plan (`run_bench`).
    - `command`: what reports print to get the same again; "": made of these options.

    Raises SuiteError for a text where a list is needed, and for settings of a cluster without one.
    """

    suite: str
    preset: str = DEFAULT
    domains: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    data: Mapping[str, Path] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    experiments: Sequence[str] | None = None
    methods: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    readouts: Sequence[str] | None = None
    split: dict | str | None = None
    image_size: int | None = None
    backbone: str | None = None
    budget: Mapping[str, float] | None = None
    weights: str | None = None
    device: str = "auto"
    precision: str | None = None
    search: int | None = None
    jobs: int | None = None
    devices: Sequence[str] | None = None
    devices_per_model: int = 1
    executor: str | None = None
    scheduler: str | None = None
    cluster: Mapping[str, str | int] = field(default_factory=dict)
    shard: tuple[int, int] | None = None
    track: Sequence[str] = ()
    out: Path = RESULTS
    dry_run: bool = False
    command: str = ""

    def __post_init__(self) -> None:
        for name in LISTS:
            if isinstance(value := getattr(self, name), str):  # else each of its letters would be a name
                raise SuiteError(f"{name}: must be a list, such as {[value]}")
        if self.scheduler and self.executor != "dask":
            raise SuiteError("--scheduler is of dask: give --executor dask too, or leave it out")
        if self.cluster and not self.executor:
            raise SuiteError("--cluster is of a cluster: give --executor too, or leave it out")
        if self.cluster and self.scheduler:
            raise SuiteError(
                "--cluster is of a new dask cluster, and --scheduler names one that runs: give one"
            )
        if self.jobs and (self.scheduler or self.executor == "slurm"):
            raise SuiteError("--jobs is of this machine; the cluster says how many models it does at a time")
        if self.devices and self.executor:
            raise SuiteError("--devices is of this machine, and --executor of others: give one of them")
        if self.devices_per_model > max(1, len(self.devices or ())):
            raise SuiteError(
                f"--devices-per-model {self.devices_per_model} needs as many --devices: give more of them"
            )

    @property
    def again(self) -> str:
        """The command that reaches the same results."""
        return self.command or _command(self)

    def key(self) -> str:
        """All that decides results, as a text."""
        return repr(
            sorted((one.name, getattr(self, one.name)) for one in fields(self) if one.name not in _ELSEWHERE)
        )


def _command(options: BenchOptions) -> str:
    other = ("seeds", "devices", "track")
    lists = [(f"--{name}", _listed(getattr(options, name)), "") for name in LISTS if name not in other]
    seeds = seeds_in_words(options.seeds) if options.seeds else ""
    values = [
        ("--suite", options.suite, ""),
        *lists,
        *(("--data", f"{name}=PATH", "") for name in options.data),
        *(("--role", f"{role}={name}", "") for role, name in options.roles.items()),
        ("--seeds", seeds, ""),
        ("--folds", _folds(options.split), ""),
        ("--preset", options.preset, DEFAULT),
        ("--image-size", options.image_size, None),
        ("--backbone", options.backbone, None),
        ("--budget", _budget(options.budget), ""),
        ("--weights", options.weights, None),
        ("--precision", options.precision, None),
        ("--search", options.search, None),
        ("--out", options.out, RESULTS),
    ]
    return command("fer-meta", "bench", options=values)


def _listed(names: Sequence[str] | None) -> str:
    return ",".join(names or ())


def _budget(budget: Mapping[str, float] | None) -> str:
    return "".join(f"{name}={number}" for name, number in (budget or {}).items())


def _folds(split: dict | str | None) -> str:
    """The protocol's `split` as `--folds` has it."""
    if split is None:
        return ""
    return str(split["folds"]) if isinstance(split, dict) else "loso"
