"""Baseline (Chen, Liu, Kira, Wang and Huang, A Closer Look at Few-shot Classification, ICLR 2019)."""

from fer_meta.methods.as_published import PublishedBaseline


class Method(PublishedBaseline):
    """A network trained by cross-entropy on the source's classes. In an episode it stays as it is, and a new
    linear head is trained on the support (section 3.2): the readout `finetune-head`.

    The trap is the scale of features. The head takes as many steps whatever the features are; where they are
    small it is stopped early, where they are large it fits the support at once. Unlike the paper's, the head
    begins at zero and each step is on the whole support (`readouts/heads.py`).
    """

    name = "baseline"
    label = "Baseline"
    readouts = ("finetune-head",)
    colours = {"baseline-finetune-head": "#6E4B3A"}
    order = 520
