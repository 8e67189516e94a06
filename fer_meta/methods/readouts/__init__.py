"""Readouts: how features become answers, whatever network made them.

To add one, write a function from Tasks to logits [E, Q, way], and give it a line in READOUTS. It may use what
`Tasks` holds, and nothing else, so that every embedding is read alike.
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from fer_meta.methods.readouts import finetuning, heads, means, regression, transductive
from fer_meta.methods.readouts.means import class_means, nearest_mean
from fer_meta.methods.readouts.tasks import NO_CONTEXT, Classifier, Context, Pixels, Tasks

__all__ = [
    "CHOOSER",
    "NO_CONTEXT",
    "READOUTS",
    "Classifier",
    "Context",
    "Pixels",
    "Readout",
    "Tasks",
    "class_means",
    "nearest_mean",
]


class Readout(NamedTuple):
    """`answer`: tasks -> logits [E, Q, way]. `label` is its name in tables.

    - `calibrated`: the softmax of its logits are probabilities.
    - `with_head`: it needs a head for the tasks' classes, which training made; without one it is left out.
    - `on_pixels`: it trains the whole network, on pixels. That costs seconds per task: it is not validated
      itself, and takes the checkpoint that CHOOSER picks.
    - `transductive`: its answer to a query depends on the other queries of the episode. Its label says so.
    """

    answer: Callable[[Tasks], Tensor]
    label: str
    calibrated: bool = True
    with_head: bool = False
    on_pixels: bool = False
    transductive: bool = False


# The end of an answer's name on disk ("supervised-ncm") -> the readout, in the order of the tables.
READOUTS = {
    "nearest-mean": Readout(means.plain, "plain nearest mean", calibrated=False),
    "ncm": Readout(means.of_unit_length, "nearest mean", calibrated=False),
    "cl2n": Readout(means.centred, "centred nearest mean", calibrated=False),
    "ridge": Readout(regression.ridge, "ridge", calibrated=False),
    "probe": Readout(regression.probe, "linear probe"),
    "cosine": Readout(heads.cosine, "cosine head"),
    "finetune-head": Readout(heads.linear, "fine-tuned head"),
    "finetune": Readout(finetuning.whole_network, "fine-tuned network", on_pixels=True),
    "head-and-probe": Readout(regression.head_and_probe, "own head + linear probe", with_head=True),
    "soft-kmeans": Readout(
        transductive.soft_kmeans, "soft k-means, transductive", calibrated=False, transductive=True
    ),
    "laplacianshot": Readout(
        transductive.laplacianshot, "LaplacianShot, transductive", calibrated=False, transductive=True
    ),
    "tim": Readout(transductive.tim, "TIM, transductive", transductive=True),
}
CHOOSER = "nearest-mean"
