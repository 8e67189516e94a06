"""Meta-SGD (Li, Zhou, Chen and Li, Meta-SGD: Learning to Learn Quickly for Few-Shot Learning, 2017), through
learn2learn's MetaSGD.
"""

from typing import Annotated

from pydantic import Field

from fer_meta import l2l
from fer_meta.methods import maml
from fer_meta.methods.distributions import Choice
from fer_meta.methods.inner_loop import InnerLr


class Method(maml.Method):
    """MAML whose inner step multiplies each weight's gradient by a rate of its own, which is meta-learned too
    (algorithm 1). One inner step, as in the paper, unless `inner_steps` says more.

    All rates start at `inner_lr`; the paper draws each between 0.005 and 0.1. Nothing keeps a rate above 0,
    so that a step need not go down the gradient. As any weight of their shape, the rates of convolutions and
    of the head decay where there is a `weight_decay`.

    BatchNorm, the ways that the head serves and the memory of a second-order step are MAML's; the weights to
    be trained are twice as many.
    """

    name = "meta_sgd"
    label = "Meta-SGD"
    own = {"meta-sgd": "Meta-SGD", "meta-sgd-fo": "FO-Meta-SGD"}
    colours = {"meta-sgd": "#44AA99", "meta-sgd-fo": "#7FC8BC"}
    order = 420

    class Config(maml.Method.Config):
        inner_steps: Annotated[int, Choice((1, 3, 5))] = Field(
            1, ge=1, le=1000, description="gradient steps on a support set, in training and in test"
        )
        inner_lr: InnerLr = Field(0.01, gt=0, description="what the learned rates start at")

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__(config, protocol, classes, image_size)
        self.maml = l2l.MetaSGD(self.maml.module, lr=config.inner_lr, first_order=config.first_order)

    @staticmethod
    def update(learner, gradients):
        learner.module = l2l.meta_sgd_update(learner.module, learner.lrs, gradients)
