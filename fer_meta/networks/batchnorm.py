"""BatchNorm for MAML: a second derivative that costs a few passes over the maps, and statistics of a support
set that are part of the graph.
"""

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from fer_meta.errors import FerMetaError


class SupportBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm that keeps no running averages, so that nothing leaks from a clone to the meta-model or from
    one task to the next.

    A batch [B, C, H, W] is normalised by its own statistics or, where `support` is set, by those of its first
    `support` images.
    """

    support: int | None = None

    def __init__(self, features: int, eps: float = 1e-5):
        super().__init__(features, eps, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.support is None:
            return _BatchNorm.apply(x, self.weight, self.bias, self.eps)
        support = x[: self.support]
        mean = support.mean((0, 2, 3))
        # torch.var_mean takes several times as long in channels_last
        var = (support - _of_channels(mean)).square().mean((0, 2, 3))
        scale = self.weight * torch.rsqrt(var + self.eps)
        return torch.addcmul(_of_channels(self.bias - mean * scale), x, _of_channels(scale))


def support_batchnorm(network: nn.Module) -> nn.Module:
    """Replace each BatchNorm2d of `network` (in place) by a SupportBatchNorm2d of its eps, scale and shift.
    Raises FerMetaError for a layer of BatchNorm of another kind: what else that does would be lost, or its
    running averages would leak.
    """
    for name, child in network.named_children():
        if type(child) is nn.BatchNorm2d and child.affine:
            own = SupportBatchNorm2d(child.num_features, child.eps)
            own.load_state_dict({"weight": child.weight, "bias": child.bias})
            setattr(network, name, own)
        elif isinstance(child, nn.modules.batchnorm._BatchNorm):
            raise FerMetaError(
                f"methods with an inner loop cannot train a backbone with the layer {type(child).__name__},"
                " only with BatchNorm2d that has a scale and a shift; give another --backbone, or another"
                " method"
            )
        else:
            support_batchnorm(child)
    return network


def normalise_by_first(network: nn.Module, support: int) -> None:
    """Have each SupportBatchNorm2d of `network` normalise a batch by its first `support` images."""
    for layer in network.modules():
        if isinstance(layer, SupportBatchNorm2d):
            layer.support = support


class _BatchNorm(Function):
    """torch's batch_norm by a batch's own statistics, with a second derivative written out.

    torch's own needs some thirty passes over the maps, a third of the time of a second-order MAML step. With
    x^ = (x - mean) r and Q(u) = r (u - <u> - x^ <u x^>), where < > is a channel's mean, the first derivative
    is w Q(dy) and the second a sum of Q, dy and x, each with one factor per channel. Both derivatives equal
    torch's up to rounding.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        y, mean, r = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, weight, mean, r)
        return y

    @staticmethod
    def backward(ctx, dy):
        return *_BatchNormBackward.apply(dy, *ctx.saved_tensors), None


class _BatchNormBackward(Function):
    """Gradients of x, weight and bias; differentiable once more by dy, x and weight. `mean` and `r` are
    functions of x.
    """

    @staticmethod
    def forward(ctx, dy, x, weight, mean, r):
        dx, dweight, dbias = _backward(dy, x, weight, mean, r)
        ctx.save_for_backward(dy, x, weight, mean, r, dweight, dbias)
        return dx, dweight, dbias

    @staticmethod
    @once_differentiable
    def backward(ctx, v, v_weight, v_bias):
        dy, x, weight, mean, r, dweight, dbias = ctx.saved_tensors
        n = x.numel() / x.shape[1]
        q, vx, v1 = _backward(v, x, torch.ones_like(weight), mean, r)
        vx, v1, dyx, dy1 = vx / n, v1 / n, dweight / n, dbias / n  # <v x^>, <v>, <dy x^>, <dy>
        k = (v * dy).sum((0, 2, 3)) / n - v1 * dy1 - vx * dyx
        # d/d dy = w Q(v) + v_weight x^ + v_bias, and d/dx = (v_weight - w r <v x^>) Q(dy) - w r <dy x^> Q(v)
        # - w r^2 k x^, with Q(dy) and x^ written in dy and x.
        of_x = v_weight * r
        of_dy = q * _of_channels(weight)
        of_dy.addcmul_(x, _of_channels(of_x)).add_(_of_channels(v_bias - of_x * mean))
        by_dy = r * (v_weight - weight * r * vx)
        by_x = -r * (by_dy * dyx + weight * r * r * k)
        of_x = (
            q.mul_(_of_channels(-weight * r * dyx))
            .addcmul_(dy, _of_channels(by_dy))
            .addcmul_(x, _of_channels(by_x))
        )
        return of_dy, of_x.add_(_of_channels(-by_dy * dy1 - by_x * mean)), n * r * k, None, None


def _backward(dy, x, weight, mean, r):
    """w Q(dy), and the sums over a channel of dy x^ and of dy."""
    # The 0.0 is torch's eps, which it reads only where `r` is not given.
    return torch.ops.aten.native_batch_norm_backward(
        dy, x, weight, None, None, mean, r, True, 0.0, [True] * 3
    )


def _of_channels(values: Tensor) -> Tensor:
    return values.view(1, -1, 1, 1)
