"""A network as it is, never trained here: its features and the readouts alone. Pretrained, it is the rival
that every method must beat; of random weights, it is what the architecture gives for nothing.
"""

from pydantic import Field
from torch import Tensor

from fer_meta.methods.base import FewShotMethod, NetworkConfig, TrainingConfig


class Method(FewShotMethod):
    """A backbone with its initial weights. Its seed changes random weights alone."""

    name = "frozen"
    label = "Frozen"
    trained = False
    kind = "frozen"
    colours = {"frozen-ncm": "#6A3D9A", "frozen-probe": "#B2A0D0"}
    order = 600

    class Config(NetworkConfig, TrainingConfig):
        backbone: str = "efficientnet_lite0"
        weights: str = Field("bundled", description="as in every method; here `none` is a random network")
        steps: int = Field(0, ge=0, le=0, description="there is no training")
        validations: int = Field(1, ge=1, le=1, description="of the one checkpoint")

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = config.vectors(image_size)
        self.normalisation = self.backbone.normalisation

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)
