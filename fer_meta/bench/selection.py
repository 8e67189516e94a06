"""Which checkpoint each readout of a training is tested with: each is validated in its own way, and picks for
itself.

A readout that learns from a support set is validated by the accuracy in the fixed validation episodes of a
pool, in which all classes come equally often; a method's own head by its recall averaged over classes (UAR)
on all images of the pool, whose classes may be unbalanced.
"""

from collections.abc import Callable, Collection, Mapping

import torch

from fer_meta.device import Precision
from fer_meta.evaluation.answers import Shown, accuracies_of, answer_all, answer_episodes, embedder, uar_of
from fer_meta.methods.base import FewShotMethod
from fer_meta.tasks.episodes import draw
from fer_meta.tasks.protocol import Protocol
from fer_meta.training.checkpoints import Validated

# The validation episodes of a pool, the same for every method, seed and checkpoint.
VALIDATION_SEED = "validation/0"


def validator(
    protocol: Protocol, method: FewShotMethod, shown: Shown, device: torch.device, precision: Precision
) -> Callable[[], Validated]:
    """How a checkpoint of `method` is validated on `shown`: each image is embedded once for all readouts.

    There is no UAR where the method has no head for the classes of `shown`.
    """
    shape = protocol.validation
    episodes = draw(shown.pool, shape, shape.episodes, VALIDATION_SEED)

    def validate() -> Validated:
        embed = embedder(method, shown, shown, protocol.batchnorm, device, precision=precision)
        accuracies = accuracies_of(
            answer_episodes(method, embed, shown.pool, shown.pool, episodes, protocol.batchnorm)
        )
        accuracies.pop(method.head_name, None)
        found = {"val_accuracy": accuracies}
        if method.own_head(shown.pool.classes):
            found = {"val_uar": {method.head_name: uar_of(answer_all(method, embed, shown.pool))}, **found}
        return found

    return validate


def pick(validations: Mapping[int, Mapping[str, float]], readouts: Collection[str]) -> dict[str, int]:
    """For each of `readouts` that was validated, the step at which its value was best; ties go to the earlier
    step.

    `validations`: step -> readout -> value.
    """
    picked = {}
    for readout in readouts:
        values = {step: found[readout] for step, found in sorted(validations.items()) if readout in found}
        if values:
            picked[readout] = max(values, key=lambda step: values[step])
    return picked
