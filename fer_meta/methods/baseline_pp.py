"""Baseline++ (Chen, Liu, Kira, Wang and Huang, A Closer Look at Few-shot Classification, ICLR 2019)."""

from typing import Literal

from pydantic import Field

from fer_meta.methods.as_published import PublishedBaseline


class Method(PublishedBaseline):
    """As Baseline, with heads that compare directions, in training and in an episode (section 3.2): a logit
    is the cosine of a feature and the class's weight vector, times a scale. In an episode it is the readout
    `cosine`.

    The trap is the temperature: cosines lie between -1 and 1, and without a scale the softmax of K classes
    never says more than e^2 / (e^2 + K - 1). The scale in training is learned and begins at 10; in an episode
    it is 10 (the paper's code has 2, for up to 200 classes). There the weight vectors begin at the class
    means, and each step is on the whole support; the paper's begin at random (`readouts/heads.py`).
    """

    name = "baseline_pp"
    label = "Baseline++"
    readouts = ("cosine",)
    colours = {"baseline-pp-cosine": "#C2185B"}
    order = 530

    class Config(PublishedBaseline.Config):
        head: Literal["cosine"] = Field("cosine", description="in training and in an episode")
