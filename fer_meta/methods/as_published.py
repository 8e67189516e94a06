"""Supervised training under the names of papers, each with the one readout that its paper has."""

from collections.abc import Sequence

from fer_meta.methods import supervised
from fer_meta.methods.labels import Label


class PublishedBaseline(supervised.Method):
    """The training of `supervised`, read by its `readouts` alone, also where a suite names others: its row in
    a table is the paper's method.

    By default it has the backbone of the episodic methods, Conv4. The head of the training is left out: the
    papers' test classes are new.
    """

    own = {}
    head_name = ""

    class Config(supervised.Method.Config):
        backbone: str = "conv4"

    @classmethod
    def read_by(cls, readouts: Sequence[str] | None) -> tuple[str, ...]:
        return cls.readouts

    @classmethod
    def labels(cls, readouts: Sequence[str] | None = None) -> dict[str, Label]:
        """Its one answer has the paper's name, without that of the readout."""
        return {name: one._replace(label=cls.label) for name, one in super().labels().items()}

    def own_head(self, classes):
        return None
