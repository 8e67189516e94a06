"""A method of your own: prototypes compared by cosine similarity (Gidaris and Komodakis, CVPR 2018).

python examples/own_method.py      # train and test it here; the next line puts it into a whole bench
fer-meta bench --suite cross-domain --methods examples/own_method.py:Cosine,protonet,supervised
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

import fer_meta as fm
from fer_meta.methods.base import Episode, FewShotMethod, TrainingConfig, accuracy, embed_episode
from fer_meta.methods.readouts import class_means
from fer_meta.testing import check_method


class Cosine(FewShotMethod):
    """A query belongs to the class whose prototype points in the most similar direction."""

    name = "cosine"  # in folders, on the terminal and in suites
    label = "Cosine"  # in tables and plots
    own = {"cosine": "Cosine"}  # its own classifiers, and their names in tables and plots
    readouts = ()  # its own classifier alone, where no suite says in which ways all methods are read

    class Config(TrainingConfig):
        backbone: str = "conv4"  # so that tables name it, and --backbone changes it
        scale: float = 10.0

    def __init__(self, config, protocol, classes, image_size):
        super().__init__()
        self.backbone = fm.backbone(config.backbone)
        self.scale = nn.Parameter(torch.tensor(config.scale))

    def embed(self, images):
        return self.backbone(images)

    def own_classifiers(self, support, labels, classes):
        prototypes = normalize(class_means(normalize(support, dim=1), labels, len(classes)), dim=1)
        return {"cosine": lambda query: self.scale * normalize(query, dim=1) @ prototypes.T}

    def loss(self, batch: Episode):
        support, query = embed_episode(self, batch)
        logits = self.own_classifiers(support, batch.support_labels, batch.classes)["cosine"](query)
        return cross_entropy(logits, batch.query_labels), accuracy(logits, batch.query_labels)


def main(size: int = 48, images: int = 3000, episodes: int = 600, **settings) -> None:
    check_method(Cosine)  # what every method must do: seconds, and a line for what is wrong
    faces = fm.load_faces("synthetic-wild", size=size, images=images)
    model = fm.train(Cosine, faces, way=5, shots=5, **settings)
    print(model)
    print(fm.evaluate(model, faces, way=5, shots=5, episodes=episodes).round(3))


if __name__ == "__main__":
    main()
