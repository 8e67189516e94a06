"""fer-meta: on faces, does meta-learning beat plain supervised training?

    import fer_meta as fm

    faces = fm.load_faces("synthetic-wild", size=48)
    model = fm.train("protonet", faces, way=5, shots=5)
    print(fm.evaluate(model, faces, way=5, shots=5, episodes=600))

Names are imported when they are first used: `import fer_meta` itself is fast.
"""

from importlib import import_module

__version__ = "0.1.0"

_WHERE = {
    "EpisodeShape": "fer_meta.tasks.protocol",
    "Protocol": "fer_meta.tasks.protocol",
    "TrainedModel": "fer_meta.api",
    "backbone": "fer_meta.api",
    "bench": "fer_meta.api",
    "evaluate": "fer_meta.api",
    "list_datasets": "fer_meta.api",
    "list_methods": "fer_meta.api",
    "list_suites": "fer_meta.api",
    "load_faces": "fer_meta.api",
    "make_tasks": "fer_meta.api",
    "predict": "fer_meta.api",
    "read_results": "fer_meta.api",
    "register_dataset": "fer_meta.datasets.registry",
    "register_method": "fer_meta.methods.registry",
    "train": "fer_meta.api",
}

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str):
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"fer_meta has no {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
