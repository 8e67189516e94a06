"""The Python API: fast to import, and its numbers mean what the command line's mean."""

import importlib.util
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from helpers import fake_renderer
from learn2learn.data import Taskset
from nbclient import NotebookClient
from PIL import Image

import fer_meta as fm
from fer_meta.api.evaluated import test_pool as asked_pool
from fer_meta.datasets.synthetic import rendered
from fer_meta.errors import DatasetError, FerMetaError, ProtocolError
from fer_meta.methods import registry

SMALL = {"way": 3, "shots": 2}
QUICK = {"steps": 4, "validations": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def day(trees):
    return fm.load_faces("day", trees / "day", size=32)


@pytest.fixture(scope="module")
def model(day):
    return fm.train("protonet", day, queries=2, **SMALL, **QUICK)


def test_importing_the_package_imports_neither_torch_nor_pandas():
    heavy = ("torch", "pandas", "learn2learn")
    code = f"import sys, fer_meta; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_public_names_are_these_and_each_of_them_is_there_with_a_docstring():
    assert set(fm.__all__) == {
        "EpisodeShape", "Protocol", "TrainedModel", "__version__", "backbone", "bench", "evaluate",
        "list_datasets", "list_methods", "list_suites", "load_faces", "make_tasks", "predict", "read_results",
        "register_dataset",
        "register_method", "train",
    }  # fmt: skip
    assert all(getattr(fm, name).__doc__ for name in fm.__all__ if name != "__version__")
    assert set(fm.__all__) == set(dir(fm))
    with pytest.raises(AttributeError, match="no 'trian'.*train"):
        fm.trian  # noqa: B018


def test_a_network_of_ones_own_is_trained_by_its_file(day, tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n\n\nclass Small(nn.Sequential):\n    def __init__(self):\n"
        "        super().__init__(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    given = {"queries": 2, "backbone": f"{file}:Small", "out": tmp_path / "out"} | SMALL | QUICK
    trained = fm.train("protonet", day, **given)
    assert sum(weight.numel() for weight in trained.method.parameters()) == 8 * (3 * 9 + 1)
    file.write_text(file.read_text().replace("8, 3, 2", "8, 5, 2"))
    with pytest.raises(FerMetaError, match="holds another training"):  # the same name, another network
        fm.train("protonet", day, **given)


def test_a_task_is_a_learn2learn_task_of_images_with_the_support_first(day):
    tasks = fm.make_tasks(day, split="train", queries=3, num_tasks=5, seed=1, **SMALL)
    assert isinstance(tasks, Taskset) and len(tasks) == 5
    images, labels = tasks[0]
    assert images.shape == (3 * 5, 3, 32, 32) and images.dtype == torch.float32
    assert labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    again, _ = fm.make_tasks(day, split="train", queries=3, num_tasks=5, seed=1, **SMALL)[0]
    other, _ = fm.make_tasks(day, split="train", queries=3, num_tasks=5, seed=2, **SMALL)[0]
    assert torch.equal(images, again) and not torch.equal(images, other)


# Photographs have no action units.
@pytest.mark.parametrize("method", [one for one in fm.list_methods() if not registry.load(one).needs_units])
def test_every_method_trains_and_answers_better_or_worse_than_chance_with_an_interval(day, method):
    small = {
        "maml": {**QUICK, "inner_steps": 1},
        "proto_maml": {**QUICK, "inner_steps": 1},
        "reptile": {**QUICK, "inner_steps": 1, "test_steps": 1},
        "supervised": {**QUICK, "backbone": "conv4"},
        "frozen": {"backbone": "conv4", "weights": "none"},
    }.get(method, QUICK)
    model = fm.train(method, day, queries=2, **SMALL, **small)
    found = fm.evaluate(model, day, queries=2, episodes=5, **SMALL)
    columns = ["accuracy", "low", "high", "chance", "episodes", "tested_on", "transductive"]
    assert list(found.columns) == columns
    assert set(found.index) == set(model.selected) and (found["chance"] == 1 / 3).all()
    assert not found["transductive"].any()
    assert ((found["low"] <= found["accuracy"]) & (found["accuracy"] <= found["high"])).all()


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(day, model):
    again = fm.train("protonet", day, queries=2, **SMALL, **QUICK)
    other = fm.train("protonet", day, queries=2, seed=1, **SMALL, **QUICK)
    assert again.validated == model.validated
    weights = [next(iter(one.load("protonet").parameters())) for one in (model, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_the_episodes_of_an_evaluation_are_the_same_for_every_model(day, model, monkeypatch):
    from fer_meta.api import evaluated

    seen, answer = [], evaluated.answer_episodes

    def noted(method, embed, support, query, episodes, *rest, **more):
        seen.append(np.array(episodes.support))
        return answer(method, embed, support, query, episodes, *rest, **more)

    monkeypatch.setattr(evaluated, "answer_episodes", noted)
    other = fm.train("relationnet", day, queries=2, seed=3, **SMALL, **QUICK)
    for one in (model, other):
        fm.evaluate(one, day, queries=2, episodes=5, **SMALL)
    assert np.array_equal(*seen)


def test_no_image_that_was_trained_on_is_tested_on_in_another_data_set_either(day, model, trees, tmp_path):
    shutil.copytree(trees / "night", tmp_path / "both")
    for path in sorted((trees / "day").rglob("*.png")):
        place = tmp_path / "both" / path.relative_to(trees / "day").with_name(f"copy-{path.name}")
        shutil.copy(path, place)
    night = fm.load_faces("night", trees / "night", size=32)
    both = fm.load_faces("both", tmp_path / "both", size=32)
    protocol = fm.Protocol(way=3, shots=(2,), queries=2, disjoint="clip")
    trained = set(day.index.loc[day.index["split"] != "test", "digest"])
    alone, mixed = (
        set(faces.index["digest"].iloc[asked_pool(model, faces, protocol).rows]) for faces in (night, both)
    )
    assert set(both.index["digest"]) > trained
    assert alone <= mixed and not mixed & trained


def test_a_stopped_training_goes_on_in_its_folder(day, model, tmp_path, monkeypatch):
    from fer_meta.training import checkpoints

    save = checkpoints.save

    def save_then_stop(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save", save_then_stop)
        with pytest.raises(KeyboardInterrupt):
            fm.train("protonet", day, queries=2, out=tmp_path / "mine", **SMALL, **QUICK)
    resumed = fm.train("protonet", day, queries=2, out=tmp_path / "mine", **SMALL, **QUICK)
    assert resumed.validated == model.validated
    with pytest.raises(FerMetaError, match="mine: holds another training .*with another seed.*give another"):
        fm.train("protonet", day, queries=2, out=tmp_path / "mine", seed=1, **SMALL, **QUICK)


def test_a_model_answers_smaller_episodes_than_its_source_has_validation_images_for(tmp_path):
    """15 images per class: enough for 3-way 1-shot, not for the episodes that validate by default."""
    random = np.random.default_rng(0)
    for label, person in itertools.product(("anger", "happiness", "neutral"), range(15)):
        path = tmp_path / "few" / label / f"p{person}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    few = fm.load_faces("few", tmp_path / "few", size=32)
    model = fm.train("protonet", few, way=3, shots=1, queries=1, **QUICK)
    found = fm.evaluate(model, few, way=3, shots=1, queries=1, episodes=5)
    assert found["episodes"].tolist() == [5]


def test_a_model_is_not_shown_faces_of_another_size(model, trees):
    larger = fm.load_faces("night", trees / "night", size=48)
    with pytest.raises(DatasetError, match="night: the model was trained at 32 pixels; load it with size=32"):
        fm.evaluate(model, larger, queries=2, episodes=5, **SMALL)


def test_a_method_of_a_users_file_is_trained_by_its_file_and_class(day, tmp_path, monkeypatch):
    monkeypatch.setattr("fer_meta.methods.registry._registered", {})
    (tmp_path / "mine.py").write_text(
        "from fer_meta.methods.protonet import Method\n"
        "class Mine(Method):\n    name = 'mine'\n    own = {'mine': 'Mine'}\n"
        "    transductive_answers = frozenset(own)\n"
        "    def own_classifiers(self, *support):\n"
        "        return {'mine': super().own_classifiers(*support)['protonet']}\n"
        "    def own_answers(self, *episodes):\n"
        "        return {'mine': super().own_answers(*episodes[:3])['protonet']}\n"
    )
    model = fm.train(f"{tmp_path / 'mine.py'}:Mine", day, queries=2, **SMALL, **QUICK)
    assert list(model.selected) == ["mine"]
    assert fm.evaluate(model, day, queries=2, episodes=5, **SMALL).loc["mine", "transductive"]


@pytest.mark.parametrize(
    "call, kind, words",
    [
        (lambda day: fm.load_faces("synthetic-wild", size=0), DatasetError, "size: 0 pixels; give 16 to"),
        (lambda day: fm.make_tasks(day, split="tset", queries=2, **SMALL), ProtocolError, "no 'tset'.*train"),
        (lambda day: fm.bench(domains="day"), FerMetaError, r"domains: must be a list, such as \['day'\]"),
        (lambda day: fm.load_faces("nowhere"), DatasetError, "nowhere: no folder"),
        (lambda day: fm.train("protonett", day), FerMetaError, "no method is called 'protonett'.*protonet"),
        (lambda day: fm.train("protonet", day, step=4), FerMetaError, "protonet: step: unknown"),
        (lambda day: fm.train("protonet", day, lr=-1.0), FerMetaError, "protonet: lr: .*greater than 0"),
        (lambda day: fm.train("protonet", day, way=50), FerMetaError, "50-way"),
        (lambda day: fm.make_tasks(day, shots=500), ProtocolError, "too small"),
        (lambda day: fm.backbone("conv4", weights="imagenet"), FerMetaError, "conv4 has no imagenet weights"),
    ],
)
def test_what_cannot_be_is_one_line(day, call, kind, words):
    with pytest.raises(kind, match=words) as error:
        call(day)
    assert "\n" not in str(error.value)


def test_a_bench_from_python_returns_the_table_that_its_folder_holds(trees, suite, tmp_path):
    data = {name: trees / name for name in ("day", "night")}
    options = dict(methods=["protonet"], out=tmp_path / "results", device="cpu", jobs=1)
    table = fm.bench(str(suite), data=data, **options)
    assert set(table["source"]) == set(table["target"]) == {"day", "night"}
    assert table["accuracy"].between(0, 1).all() and table["ci95"].gt(0).all()
    pd.testing.assert_frame_equal(table, fm.read_results(tmp_path / "results" / "tiny"))
    written = pd.read_csv(tmp_path / "results" / "tiny" / "table.csv")
    assert written["accuracy"].to_numpy() == pytest.approx(table["accuracy"].to_numpy(), abs=1e-4)


EXAMPLES = Path(fm.__file__).parents[1] / "examples"


def example(name: str):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_quickstart_prints_an_accuracy_for_both_methods_and_domains(monkeypatch, capsys):
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    example("quickstart").main(size=32, images=3000, episodes=5, steps=4, validations=2)
    assert capsys.readouterr().out.count("accuracy") == 4


IN_A_HURRY = """
import sys

sys.path.insert(0, {tests!r})
from helpers import fake_renderer

from fer_meta.datasets.synthetic import rendered

rendered._renderer = fake_renderer.Renderer
size, images, steps, episodes = 32, 3000, 4, 5
"""


def test_the_notebook_runs_from_top_to_bottom(tmp_path):
    notebook = nbformat.read(EXAMPLES / "first_steps.ipynb", as_version=4)
    nbformat.validate(notebook)
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    assert set(re.findall(r"^(\w+) = ", parameters.source, re.MULTILINE)) == {
        "size",
        "images",
        "steps",
        "episodes",
    }
    parameters.source = IN_A_HURRY.format(tests=str(Path(__file__).parent))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    table = notebook.cells[-2].outputs[-1]["data"]["text/plain"]
    assert table.count("synthetic-film") >= 2 and "accuracy" in table
    stored = nbformat.read(EXAMPLES / "first_steps.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in stored.cells)  # faces of nobody's machine are in it


def test_only_the_split_that_is_asked_for_must_be_large_enough_and_faults_name_arguments(day):
    large = {"way": 5, "shots": 5, "queries": 10}  # of each class, train has 24 images and val 12
    assert len(fm.make_tasks(day, split="train", num_tasks=2, **large)) == 2
    for call in (
        lambda: fm.make_tasks(day, split="val", **large),
        lambda: fm.train("protonet", day, **large, **QUICK),
    ):
        with pytest.raises(ProtocolError, match=r"day \(val\).*; lower `way`.*fm.load_faces") as found:
            call()
        assert not re.search("suite|protocol|carve", str(found.value)), "there is no suite file"


def test_the_example_of_ones_own_data_trains(trees, capsys):
    example("own_data").main(trees / "day", steps=4)
    assert "step 4: loss" in capsys.readouterr().out


def test_the_example_of_ones_own_method_meets_the_contract_and_trains(monkeypatch, capsys):
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    example("own_method").main(size=32, images=3000, episodes=5, steps=4, validations=2)
    assert "cosine" in capsys.readouterr().out


def test_the_example_of_ones_own_method_has_one_name_in_tables():
    names = [one.label for one in example("own_method").Cosine.labels(("ncm", "probe")).values()]
    assert names == ["Cosine", "Cosine (nearest mean)", "Cosine (linear probe)"]
