"""Linear classifiers with one best solution: ridge and logistic regression on features of length 1."""

import torch
from torch import Tensor

from fer_meta.methods.readouts.span import span
from fer_meta.methods.readouts.tasks import Tasks

# The ridge's penalty on squared weights, and the probe's 1 / C: scikit-learn's defaults. Features have length
# 1, so that one value means the same for every network.
PENALTY = 1.0

# Newton's method ends when no gradient is larger than this, or after so many steps.
TOLERANCE, NEWTON_STEPS = 1e-9, 20


def ridge(tasks: Tasks) -> Tensor:
    """Least squares on labels of 0 and 1, with a penalty on the weights and none on the intercept, as
    `ridge_weights` of centred features and labels.
    """
    support, query = tasks.unit
    mean, shares = support.mean(1, keepdim=True), tasks.targets.mean(0)
    support = support - mean
    return (query - mean) @ ridge_weights(support, tasks.targets - shares, PENALTY) + shares


def ridge_weights(support: Tensor, targets: Tensor, penalty: Tensor | float) -> Tensor:
    """The weights [E, D, way] of least squares without an intercept, by the closed form of Bertinetto et al.
    (ICLR 2019, equation 6), X' (X X' + penalty)^-1 Y: features X [E, N, D], targets Y [N, way] of each task,
    and a penalty for all or one for each [E, 1].
    """
    gram = support @ support.mT
    gram.diagonal(dim1=1, dim2=2).add_(penalty)
    return support.mT @ torch.linalg.solve(gram, targets.expand(len(support), -1, -1))


def probe(tasks: Tasks) -> Tensor:
    """Logistic regression (Tian et al., ECCV 2020): the mean of scikit-learn's LogisticRegression(C=1), found
    by Newton's method to float64's precision. Two classes have one weight vector there, whose penalty is
    twice that of a pair.
    """
    gram, cross = map(precise, span(*tasks.unit))
    targets = tasks.targets.to(gram)
    weights, bias = _logistic(gram, targets, PENALTY * (2 if tasks.way == 2 else 1))
    return (cross @ weights + bias).to(tasks.query)


def head_and_probe(tasks: Tasks) -> Tensor:
    """The mean of the log-probabilities of the network's own head and of the `probe`: the logarithmic opinion
    pool with equal weights (Genest and Zidek, 1986; "product of experts").
    """
    assert tasks.own_head is not None  # whoever has no head is not read so
    return (tasks.own_head().log_softmax(2) + probe(tasks).log_softmax(2)) / 2


def precise(numbers: Tensor) -> Tensor:
    """In float64, which Apple's GPUs do not have."""
    return (numbers.cpu() if numbers.device.type == "mps" else numbers).to(torch.float64)


def _logistic(gram: Tensor, targets: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Coefficients [E, N, way] and bias [E, 1, way] of least cross-entropy (a sum) plus penalty / 2 times the
    squared weights.
    """
    weights = torch.zeros(len(gram), *targets.shape, dtype=gram.dtype, device=gram.device)
    bias = torch.zeros_like(weights[:, :1])
    for _ in range(NEWTON_STEPS):
        shares = (gram @ weights + bias).softmax(2)
        error = shares - targets
        slope = error + penalty * weights, _of_bias(error)
        if _product(gram, slope, slope).max() < TOLERANCE**2:
            break
        step = _newton_step(gram, shares, penalty, slope)
        weights, bias = weights - step[0], bias - step[1]
    return weights, bias


# Coefficients [E, N, way] of weights, and a bias [E, 1, way].
Pair = tuple[Tensor, Tensor]


def _newton_step(gram: Tensor, shares: Tensor, penalty: float, slope: Pair) -> Pair:
    """The Hessian's inverse times the gradient, by conjugate gradients, with the inner product of features.

    The features have length 1 and the penalty bounds the curvature from below, so that few rounds are enough.
    """

    def bent(along: Pair) -> Pair:
        """The Hessian times a direction."""
        change = gram @ along[0] + along[1]
        curved = shares * (change - (shares * change).sum(2, keepdim=True))
        return curved + penalty * along[0], _of_bias(curved)

    def moved(start: Pair, length: Tensor, along: Pair) -> Pair:
        return start[0] + length * along[0], start[1] + length * along[1]

    rest = along = slope
    step = torch.zeros_like(slope[0]), torch.zeros_like(slope[1])
    size = _product(gram, rest, rest)
    enough = TOLERANCE**2 * size.clamp(max=1) / 100
    for _ in range(gram.shape[1] * shares.shape[2]):
        going = size > enough  # a task that is done stays where it is
        if not going.any():
            break
        turned = bent(along)
        length = torch.where(going, size / _product(gram, along, turned), 0)
        step, rest = moved(step, length, along), moved(rest, -length, turned)
        before, size = size, _product(gram, rest, rest)
        along = moved(rest, torch.where(going, size / before, 0), along)
    return step


def _of_bias(error: Tensor) -> Tensor:
    """The slope along the bias [E, 1, way], of mean 0: what all classes share changes nothing, and shall not
    grow out of rounding.
    """
    total = error.sum(1, keepdim=True)
    return total - total.mean(2, keepdim=True)


def _product(gram: Tensor, one: Pair, other: Pair) -> Tensor:
    """The inner product [E, 1, 1] of two classifiers' weights and biases."""
    weights = (one[0] * (gram @ other[0])).sum((1, 2), keepdim=True)
    return weights + (one[1] * other[1]).sum((1, 2), keepdim=True)
