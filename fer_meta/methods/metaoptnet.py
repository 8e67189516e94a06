"""MetaOptNet-SVM (Lee, Maji, Ravichandran and Soatto, Meta-Learning with Differentiable Convex Optimization,
CVPR 2019).
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from fer_meta.methods.distributions import LogUniform
from fer_meta.methods.readouts import Tasks
from fer_meta.methods.readouts.span import span
from fer_meta.methods.solved import SolvedMethod

# The interior-point method ends when the mean product of a slack and its price is below this share of the
# objective, or after so many steps. Each step aims at a tenth of the product before.
TOLERANCE, STEPS, AIM = 1e-12, 60, 0.1

# Of the way to the border of what is allowed, the share that a step may go.
SHARE = 0.99


class Method(SolvedMethod):
    """The support vector machine of Crammer and Singer (2001) for all classes together, on the features as
    they are, without an intercept (section 3.2, in the dual form); cross-entropy of its scaled predictions
    trains the network and the scale.

    As the authors' code (and learn2learn's), 1 is added to the squared length of each support feature in the
    dual problem, so that it has one solution. Unlike theirs, the training episodes have the shots that the
    protocol says (they train with 15 for every test), and the labels are not smoothed.

    The trap is a gradient through a solver. That of unrolled steps is wrong where they have not converged;
    here the problem is solved to float64's precision, and its solution is differentiated (implicit function
    theorem), so that a step needs no more memory than one solution. It is solved in float64: in float32 the
    coefficients are several times too large or small where features are long (10,000). C and the scale are
    those of the way and shots of training: other shapes are answered with the same.
    """

    name = "metaoptnet"
    label = "MetaOptNet"
    own = {"metaoptnet": "MetaOptNet"}
    colours = {"metaoptnet": "#8C6D1F"}
    order = 180

    class Config(SolvedMethod.Config):
        c: Annotated[float, LogUniform(0.001, 10.0)] = Field(
            0.1, gt=0, description="the SVM's C: what a violated margin costs"
        )

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__(config, protocol, classes, image_size)
        self.c = config.c

    def solve(self, tasks: Tasks) -> Tensor:
        gram, cross = span(tasks.support, tasks.query)
        gram.diagonal(dim1=1, dim2=2).add_(1.0)
        return cross @ crammer_singer(gram, tasks.targets, self.c)


def crammer_singer(kernel: Tensor, targets: Tensor, c: float) -> Tensor:
    """The coefficients a [E, N, way] of E support vector machines, whose logits are k(query, support) a, with
    gradients to `kernel` [E, N, N] (float64, positive definite). `targets` [N, way]: a 1 in each row.

    They minimise tr(a' K a) / 2 - sum(a * targets), where a <= c * targets and each row of a sums to 0.
    """
    ends = c * targets
    with torch.no_grad():
        slack, price = _interior_point(kernel, targets, ends)
    # A Newton step from the solution goes nowhere, but it has the solution's derivatives.
    slope = kernel @ (slack - ends) + targets
    return ends - slack - _newton(kernel.detach(), price / slack, price - slope)


def _interior_point(kernel: Tensor, targets: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """The slack c * targets - a, at least 0, and its prices (Lagrange multipliers), both [E, N, way].

    It begins at equal slacks, and at prices that fit their slope. So all equations hold in each step, and
    only the products of slacks and prices are left to bring to 0.
    """
    slack = ends.mean(1, keepdim=True).expand(len(kernel), *ends.shape)
    slope = kernel @ (slack - ends) + targets
    lowest, highest = slope.amin(2, keepdim=True), slope.amax(2, keepdim=True)
    price = slope - 2 * lowest + highest + 1
    for _ in range(STEPS):
        gap = (slack * price).mean((1, 2), keepdim=True)
        if (gap <= TOLERANCE * ((ends - slack) * targets).mean((1, 2), keepdim=True)).all():
            break
        aim = AIM * gap / slack
        step = _newton(kernel, price / slack, aim - kernel @ (slack - ends) - targets)
        change = aim - price - price / slack * step
        steepest = torch.maximum(-step / slack, -change / price).amax((1, 2), keepdim=True)
        length = SHARE / steepest.clamp(min=SHARE)
        slack, price = slack + length * step, price + length * change
    return slack, price


def _newton(kernel: Tensor, stiffness: Tensor, force: Tensor) -> Tensor:
    """The step d [E, N, way], each row of sum 0, with K d + stiffness * d = force, up to one constant per
    row. Without that constant the classes are systems of their own, of N equations each.
    """
    inverse = torch.linalg.inv_ex(kernel.unsqueeze(1) + torch.diag_embed(stiffness.mT)).inverse
    forces = force.mT.unsqueeze(3)
    constant = torch.linalg.solve_ex(inverse.sum(1), (inverse @ forces).sum(1)).result
    return (inverse @ (forces - constant.unsqueeze(1))).squeeze(3).mT
