"""What a model of a large study costs: steps x seconds a step + images embedded + episodes x seconds an
episode, as `fer-meta bench --dry-run` adds them up, from figures that were measured before.
"""

from typing import NamedTuple

from planned_study import DATA_SETS, EPISODES

from fer_meta.methods import registry
from fer_meta.report.names import is_own_head
from fer_meta.suites.schema import Suite

HOUR, GB = 3600, 1e9
SHOTS, QUERIES, BATCH = (1, 5), 75, 75
TEST_IMAGES = 5000  # of a data set
SIDE_BY_SIDE = 11  # models on one GPU, docs/cluster.md


class Step(NamedTuple):
    """Seconds with a Conv4 at 48 px (docs/speed.md), on an H200 and on one core: a training step, and the
    method's own answer to a test episode, from the images if it `adapts` its network, else from features
    (less what ProtoNet takes, which is their embedding; READOUT at least).
    """

    gpu: float
    cpu: float
    gpu_episode: float = 0.0
    cpu_episode: float = 0.0
    adapts: bool = False


STEPS = {
    "protonet": Step(0.0068, 0.205),
    "matchingnet": Step(0.0091, 0.192, 0.0012),
    "feat": Step(0.0132, 0.221, 0.0006, 0.005),
    "r2d2": Step(0.0087, 0.203, 0.0016),
    "metaoptnet": Step(0.0457, 0.216, 0.0249, 0.007),
    "relationnet": Step(0.0103, 0.280, 0.0018, 0.017),
    "relationnet_attention": Step(0.0103, 0.290, 0.0018, 0.022),  # on a GPU: as Relation Net
    "maml": Step(0.0714, 1.620, 0.0250, 0.422, True),
    "anil": Step(0.0140, 0.209, 0.0039),
    "meta_sgd": Step(0.0818, 1.650, 0.0287, 0.400, True),
    "proto_maml": Step(0.0824, 1.687, 0.0274, 0.446, True),
    "reptile": Step(0.0373, 0.224, 0.0457, 0.776, True),
    "meta_baseline": Step(0.0092, 0.194),
    "supervised": Step(0.0092, 0.203),
    "frozen": Step(0.0, 0.0),
}
"""`python benchmarks/speed_steps.py`, and the same with `--device cuda`."""

READOUT = 0.5 / 600
"""Seconds of an episode that is answered from features, on one core, mean of the nearest mean and the linear
probe: `python benchmarks/readouts.py`. On a GPU it is no slower.
"""


class Cost(NamedTuple):
    """Seconds of a model: its training, and its test on one data set."""

    train: float
    test: float

    @property
    def whole(self) -> float:
        return self.train + DATA_SETS * self.test


def cost(suite: Suite, key: str, slower: float, gpu: bool, episodes: int = EPISODES) -> Cost:
    """Of a model of the method that a suite calls `key`; `slower` than a Conv4 at 48 px is its network."""
    config = suite.config(key, "")
    one = STEPS[config.method or key]
    step, episode = (one.gpu, one.gpu_episode) if gpu else (one.cpu, one.cpu_episode)
    image = slower * STEPS["protonet"][0 if gpu else 1] / BATCH  # a third of it would be enough
    if one.adapts:
        episode *= slower
    else:
        episode = max(episode, READOUT) + READOUT * (len(answers_of(suite, key)) - 1)
    checks = config.validations * (suite.protocol.validation.episodes * episode + TEST_IMAGES / 2 * image)
    return Cost(
        config.steps * slower * step + (checks if config.steps else 0),
        TEST_IMAGES * image + len(SHOTS) * episodes * episode,
    )


def answers_of(suite: Suite, key: str) -> list[str]:
    """The names of a method's answers in episodes."""
    names = registry.labels(key, suite.config(key, ""), suite.readouts)
    return [name for name in names if not is_own_head(name)]
