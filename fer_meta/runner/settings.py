"""What is trained on, what is tested on, and by which protocol."""

from dataclasses import dataclass, field

from fer_meta.datasets.base import Rendered
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.mixing import frames_and_clips
from fer_meta.evaluation.answers import Shown
from fer_meta.tasks.episodes import FixedEpisodes
from fer_meta.tasks.pools import Domain, Pool
from fer_meta.tasks.protocol import Protocol


def needed(pool: Pool | None) -> Pool:
    """A pool that the domain has in this role: a source a train and a val, a target a test."""
    if pool is None:
        raise ValueError("the domain was divided for another role")
    return pool


@dataclass(frozen=True)
class Mixed:
    """A training set made of other data sets, the named clips that these lack, and, in words, how its images
    per class compare with the published ones ("" if the data are others).
    """

    faces: CachedFaces
    lacking: tuple[str, ...] = ()
    counts: str = ""


@dataclass(frozen=True)
class Setting:
    """What is trained on, what is tested on and by which protocol: an experiment of a suite, or a crossing of
    two domains.
    """

    experiment: str  # its key in the suite, or that of a division; "" for another crossing
    protocol: Protocol
    methods: tuple[str, ...]
    source: Domain
    target: Domain
    test: Pool  # the target's test images of the classes tested
    # the target's validation images of these, if the suite has the oracle and they are enough
    val: Pool | None
    episodes: dict[int, FixedEpisodes]  # by shots
    rendered: dict[str, Rendered]  # of source and target, those that are not photographs
    unreadable: dict[str, int] = field(default_factory=dict)  # images left out of each data set that has such
    mixture: Mixed | None = None  # what the source is made of, if it is a mixture
    against: str | None = None  # the experiment that this one is compared with, among those that are run
    no_oracle: str = ""  # for whom the oracle is left out, and why
    left_out: str = ""  # which divisions of the same images are left out, and why

    @property
    def fold(self) -> int | None:
        return self.source.fold

    @property
    def train(self) -> Pool:
        """The source's images that are trained on."""
        return needed(self.source.train)

    @property
    def source_val(self) -> Pool:
        """The source's images that are validated on."""
        return needed(self.source.val)

    @property
    def query(self) -> Shown:
        return Shown(self.target.images, self.test)

    @property
    def support(self) -> Shown | None:
        """The images held out of the source's training that are the support, or None if the support is the
        target's.
        """
        return (
            Shown(self.source.images, needed(self.source.held))
            if self.protocol.support_from == "source-train"
            else None
        )

    @property
    def mixed_in(self) -> dict[str, int]:
        """How many frames of how many clips are mixed with photographs, and how many are trained on; nothing
        for any other source.
        """
        index = self.source.index
        frames, clips = frames_and_clips(index)
        if self.mixture is None or frames in (0, index["path"].nunique()):
            return {}
        trained_frames, trained_clips = frames_and_clips(index.iloc[self.train.rows])
        return {
            "frames": frames,
            "clips": clips,
            "trained_frames": trained_frames,
            "trained_clips": trained_clips,
        }


def in_names(fold: int | None) -> str:
    """A fold as it is written in the names of folders and files, so that they sort."""
    return "" if fold is None else f"-fold{fold:02d}"
