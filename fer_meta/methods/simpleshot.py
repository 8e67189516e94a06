"""SimpleShot (Wang, Chao, Weinberger and van der Maaten, 2019)."""

from fer_meta.methods.as_published import PublishedBaseline


class Method(PublishedBaseline):
    """A network trained by cross-entropy on the source's classes. A query belongs to the nearest class mean,
    by features that are centred and brought to length 1 ("CL2N"): the readout `cl2n`.

    The trap is the centre. It is the mean feature of the source's training images under the same checkpoint,
    as in the paper; a mean of the episode's own images would be transductive.
    """

    name = "simpleshot"
    label = "SimpleShot"
    readouts = ("cl2n",)
    colours = {"simpleshot-cl2n": "#A63603"}
    order = 510
