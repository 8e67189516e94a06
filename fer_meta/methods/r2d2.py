"""R2-D2 (Bertinetto, Henriques, Torr and Vedaldi, Meta-learning with differentiable closed-form solvers, ICLR
2019).
"""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from fer_meta.methods.distributions import LogUniform
from fer_meta.methods.readouts import Tasks
from fer_meta.methods.readouts.regression import ridge_weights
from fer_meta.methods.solved import SolvedMethod

# Of the mean squared length of the support's features: what is added to the penalty at least.
FLOOR = 1e-10


class Method(SolvedMethod):
    """Ridge regression of labels of 0 and 1 on the features as they are, without an intercept, in closed form
    (equation 6); cross-entropy of its scaled predictions (equation 7) trains the network, the penalty lambda
    and the scale alpha.

    Both stay above 0 by their logarithms. The bias beta of equation 7 is added to all logits alike; the
    softmax takes it away again, so it is left out. The paper's network joins the features of its last two
    blocks; here it is any backbone.

    The trap is the closed form in half or single precision. A penalty below a ten-millionth of the squared
    lengths of features vanishes in float32, and two images that are nearly alike then have weights of any
    size. So it is solved in float64, and the penalty is at least FLOOR of the squared lengths. Penalty and
    scale are learned for the way and the shots of training: other shapes are answered with the same.
    """

    name = "r2d2"
    label = "R2-D2"
    own = {"r2d2": "R2-D2"}
    colours = {"r2d2": "#1B7F79"}
    order = 170

    class Config(SolvedMethod.Config):
        penalty: Annotated[float, LogUniform(0.1, 1000.0)] = Field(
            50.0, gt=0, description="of the ridge regression; learned, and this is where it begins"
        )

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__(config, protocol, classes, image_size)
        self.log_penalty = nn.Parameter(torch.tensor(math.log(config.penalty)))

    def solve(self, tasks: Tasks) -> Tensor:
        squares = tasks.support.square().sum(2).mean(1, keepdim=True)
        penalty = self.log_penalty.exp().to(tasks.support) + FLOOR * squares
        return tasks.query @ ridge_weights(tasks.support, tasks.targets, penalty)
