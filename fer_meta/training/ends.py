"""When a training ends, and when it is validated and logged: by its steps, or by the seconds it has taken."""

import math
from collections.abc import Callable
from typing import NamedTuple

# Mean loss and accuracy are logged this many times in a training.
LOG_POINTS = 100


class Moment(NamedTuple):
    """How far a training is: its steps, and its seconds without those of validation."""

    steps: int
    seconds: float


class End(NamedTuple):
    """`share`: how much of the training is over at a moment; 1 is the end. `validates` and `logs`: whether a
    step is followed by a validation and by a log point, from the moments before and after it. The last step
    is followed by both.
    """

    share: Callable[[Moment], float]
    validates: Callable[[Moment, Moment], bool]
    logs: Callable[[Moment, Moment], bool]


def by_steps(steps: int, validations: int) -> End:
    """The end after `steps` steps, whatever time they take; without steps, it is reached at once."""
    validated = {round(steps * (i + 1) / validations) for i in range(validations)} | {steps}
    log_every = max(1, steps // LOG_POINTS)
    return End(
        lambda now: now.steps / steps if steps else 1.0,
        lambda before, now: now.steps in validated,
        lambda before, now: now.steps % log_every == 0 or now.steps in validated,
    )


def by_seconds(seconds: float, validations: int) -> End:
    """The end at the first step after `seconds` seconds. Validations and log points come at the first step
    after equal parts of the time.
    """

    def share(now: Moment) -> float:
        return min(1.0, now.seconds / seconds)

    def passes(parts: int) -> Callable[[Moment, Moment], bool]:
        return lambda before, now: math.floor(share(before) * parts) < math.floor(share(now) * parts)

    validates, logs = passes(validations), passes(LOG_POINTS)
    return End(share, validates, lambda before, now: validates(before, now) or logs(before, now))
