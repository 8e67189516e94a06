"""Relation networks whose support maps are averaged over the shots instead of summed, as in the 2022 note's
code ("DAP": an adaptive 3-D average pool over a class's maps). The scale of a class map then does not depend
on the number of shots.
"""

from fer_meta.methods import relationnet
from fer_meta.methods.readouts import class_means


class Method(relationnet.Method):
    """`relationnet.Method` with the mean of a class's maps; for one shot the two are the same."""

    name = "relationnet_mean"
    own = {"relationnet-mean": "Relation Net (averaged maps)"}
    uncalibrated = frozenset(own)
    colours = {"relationnet-mean": "#7F3C8D"}
    order = 300
    summed = False

    def class_maps(self, support, labels, way):
        return class_means(support, labels, way)
