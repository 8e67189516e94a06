"""One budget for every training of a bench, so that no method is trained for longer than another."""

import bisect

from pydantic import Field, model_validator

from fer_meta.config import Strict
from fer_meta.errors import SuiteError
from fer_meta.methods import registry
from fer_meta.methods.base import MOST_STEPS, SupervisedConfig, TrainingConfig, TwoStageConfig
from fer_meta.tasks.pools import Pool
from fer_meta.tasks.protocol import Protocol
from fer_meta.training.batches import images_seen


class Budget(Strict):
    """What every training may use: so many images, each counted whenever it is in a batch, or so many seconds
    of training, without those of validation.
    """

    images: int | None = Field(None, ge=1, le=2 * 10**8)
    seconds: float | None = Field(None, gt=0, le=10**8)

    @model_validator(mode="after")
    def _one_of_them(self):
        if (self.images is None) == (self.seconds is None):
            raise ValueError("give `images` or `seconds`, and only one of them")
        return self

    def part(self, share: float) -> "Budget":
        """That share of it, 0 to 1."""
        if self.images is None:
            return Budget(seconds=share * (self.seconds or 0))
        return Budget(images=max(1, round(share * self.images)))

    def applied(self, method: str, config: TrainingConfig, pool: Pool, protocol: Protocol) -> TrainingConfig:
        """The settings of a training on `pool` under this budget: `steps` comes from it, and no number of
        passes stops the training. For seconds, `steps` is the most there is, and the clock ends the training.

        A network that is never trained stays as it is. Raises SuiteError if the budget is less than half a
        step, and for seconds of a training in two stages: its second begins at a share of the images.
        """
        if self.images is None and isinstance(config, TwoStageConfig):
            raise SuiteError(
                f"budget: {method} has two stages, each a share of its images, which seconds do not fix; give"
                " --budget images=N, or leave it out of --methods"
            )
        if not registry.load(method).trained:
            return config
        if isinstance(config, SupervisedConfig):
            config = config.model_copy(update={"max_epochs": None})
        steps = MOST_STEPS if self.images is None else _nearest(method, config, pool, protocol, self.images)
        return config.model_copy(update={"steps": steps})


def _nearest(method: str, config: TrainingConfig, pool: Pool, protocol: Protocol, images: int) -> int:
    """The number of steps that shows the number of images nearest to `images`; of two, the fewer steps."""
    method_class = registry.load(method)

    def seen(steps: int) -> int:
        return images_seen(method_class, config.model_copy(update={"steps": steps}), pool, protocol)

    enough = 1 + bisect.bisect_left(range(1, MOST_STEPS), images, key=seen)
    steps = min((max(1, enough - 1), enough), key=lambda number: abs(seen(number) - images))
    if seen(steps) > 2 * images:
        raise SuiteError(
            f"budget: {images:,} images are less than half a step of {method}, which shows {seen(1):,}; give"
            " more images, or a smaller `batch`"
        )
    return steps
