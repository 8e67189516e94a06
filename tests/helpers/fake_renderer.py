"""Pictures in no time: a stripe where the class's place is, on noise of the scene's own seed."""

from collections.abc import Sequence

import numpy as np

from fer_meta.datasets.synthetic.scenes import Scene


class Renderer:
    """Stands in for fer_meta.datasets.synthetic.renderer.Renderer; `stop_after` so many calls it is
    interrupted.
    """

    def __init__(self, size: int, device: str = "cpu", stop_after: int | None = None) -> None:
        self.size, self.stop_after = size, stop_after
        self.calls = self.drawn = 0

    def __call__(self, scenes: Sequence[Scene]) -> np.ndarray:
        if self.calls == self.stop_after:
            raise KeyboardInterrupt
        self.calls += 1
        self.drawn += len(scenes)
        return np.stack([self._draw(scene) for scene in scenes])

    def _draw(self, scene: Scene) -> np.ndarray:
        image = np.random.default_rng(scene.seed).integers(0, 100, (self.size, self.size, 3), dtype=np.uint8)
        for unit in scene.units:
            image[unit % self.size] += 100
        return image
