"""A method or a data set from outside: in a user's file, or an entry point of an installed package."""

import json
import sys

import pytest
from click.testing import CliRunner
from helpers.tiny_bench import folders

from fer_meta import plugins
from fer_meta.cli.main import main
from fer_meta.datasets import registry as datasets
from fer_meta.datasets.base import DatasetSpec
from fer_meta.datasets.loaders.folder import folder_spec
from fer_meta.errors import DatasetError, SuiteError
from fer_meta.methods import registry
from fer_meta.methods.base import FewShotMethod
from fer_meta.methods.protonet import Method as ProtoNet
from fer_meta.testing import check_dataset, check_method

MINE = """\
import torch
from fer_meta.methods.base import FewShotMethod, TrainingConfig, accuracy, embed_episode
from fer_meta.methods.readouts import nearest_mean
from fer_meta.networks import backbones


class Mine(FewShotMethod):
    name = "mine"
    label = "My method"
    kind = "own"

    class Config(TrainingConfig):
        steps: int = 3

    def __init__(self, config, protocol, classes, image_size):
        super().__init__()
        self.backbone = backbones.vectors("conv4")

    def embed(self, images):
        return self.backbone(images)

    def loss(self, batch):
        support, query = embed_episode(self, batch)
        logits = nearest_mean(support, batch.support_labels, len(batch.classes))(query)
        labels = batch.query_labels
        return torch.nn.functional.cross_entropy(logits, labels), accuracy(logits, labels)
"""


NETWORK = """\
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(datasets, "_registered", {})
    monkeypatch.setattr(datasets, "_loaded", set())


@pytest.fixture
def mine(tmp_path):
    """The user's file; `write(text)` changes it."""

    def write(text=MINE):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return f"{path}:Mine"

    return write


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a package with one entry point, whose module `outside` has this text."""

    def install(group, name, value, text):
        info = tmp_path / "site" / "outside-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
        (tmp_path / "site" / "outside.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        monkeypatch.delitem(sys.modules, "outside", raising=False)

    yield install
    sys.modules.pop("outside", None)


def plan_of(tmp_path):
    return json.loads((tmp_path / "results" / "tiny" / "plan.json").read_text())


def test_a_method_of_a_users_file_goes_through_bench_and_report(bench, mine, tmp_path):
    result = bench("--methods", f"protonet,{mine()}", domains=("day",))
    assert result.exit_code == 0, result.output
    plan = plan_of(tmp_path)
    assert {run["method"] for run in plan["runs"]} == {"protonet", "mine"}
    assert set(plan["labels"]) == {"protonet", "mine-ncm", "mine-probe"}
    assert plan["labels"]["mine-ncm"]["label"] == "My method (nearest mean)"
    [model] = (tmp_path / "results" / "tiny" / "models").glob("mine-*")
    assert json.loads((model / "model.json").read_text())["config"]["steps"] == 3
    again = bench("--methods", f"protonet,{mine()}", domains=("day",))
    assert again.exit_code == 0 and "done already" in again.output


def test_a_model_of_a_users_classes_answers_only_with_the_files_that_the_user_names(
    bench, mine, tmp_path, trees, monkeypatch
):
    network = tmp_path / "net.py"
    network.write_text(NETWORK)
    words = ("--methods", f"protonet,{mine()}", "--backbone", f"{network}:Net")
    assert bench(*words, domains=("day",)).exit_code == 0
    monkeypatch.setattr(registry, "_registered", {})  # as in another process
    face = next((trees / "day").rglob("*.png"))

    def predict(model, *code):
        [folder] = (tmp_path / "results" / "tiny" / "models").glob(f"{model}-*")
        words = [str(face), "--aligned", "--model", str(folder), "--data", f"day={trees / 'day'}"]
        done = CliRunner().invoke(main, ["predict", *words, *(w for one in code for w in ("--code", one))])
        assert "--methods" not in done.output and "Traceback" not in done.output
        return done

    method, net = f"{tmp_path}/mine.py:Mine", f"{network}:Net"
    assert "its method 'mine' is not part of fer-meta; give your file with --code" in predict("mine").output
    assert f"its network {net} is not part of fer-meta" in predict("protonet").output
    assert "the model's is 'protonet'" in predict("protonet", method).output
    monkeypatch.setattr(registry, "_registered", {})
    assert "mine-probe of model" in predict("mine", method).output
    assert "protonet of model" in predict("protonet", net).output
    mine(MINE + "# changed\n")
    assert "the file of the method has changed since" in predict("mine", method).output


def test_a_class_without_a_label_has_one_name_in_all_tables():
    class Unnamed(ProtoNet):
        name = "unnamed"
        label = ""
        own = {"unnamed": "Cosine (own head)"}

    found = [one.label for one in Unnamed.labels(("ncm", "probe")).values()]
    assert found == ["Cosine (own head)", "Cosine (nearest mean)", "Cosine (linear probe)"]


def test_a_changed_file_is_another_model(bench, mine, tmp_path):
    assert bench("--methods", mine(), domains=("day",)).exit_code == 0
    before = set(folders(tmp_path / "results" / "tiny" / "models"))
    changed = mine(MINE + "# changed\n")
    assert bench("--methods", changed, domains=("day",)).exit_code == 0
    assert len(set(folders(tmp_path / "results" / "tiny" / "models")) - before) == 1


@pytest.mark.parametrize("old, new, words", [
    ("class Mine(FewShotMethod)", "class Other(FewShotMethod)", "has no 'Mine'; it has Other"),
    ("import torch\n", "import torch\n1 / 0\n", "cannot be imported (ZeroDivisionError: division by zero)"),
    ("import torch\n", "import torch\n(\n", "cannot be imported (SyntaxError"),
    ('name = "mine"', 'name = "protonet"', "fer-meta has a method called 'protonet'; give this one another"),
    ('name = "mine"', 'name = "My method"', "`name` must be at most 40 small letters"),
    ('name = "mine"', "pass", "`name` must be"),
    ('label = "My method"', 'own = {"protonet": "Mine"}', "answers are called 'protonet'"),
    ("Config(TrainingConfig)", "Config", "must be a subclass of fer_meta.methods.base.TrainingConfig"),
    ("Mine(FewShotMethod)", "Mine", "is not a subclass of fer_meta.methods.base.FewShotMethod"),
    ("import torch\n", "import torch\nraise SystemExit(3)\n", "cannot be imported (SystemExit: 3)"),
    ('label = "My method"', "label = 5", "`label` must be a text"),
    ('label = "My method"', 'own = ["mine"]', "`own` must map"),
    ('label = "My method"', 'readouts = ("nosuch",)', "`readouts` must be a tuple of names from near"),
    ('label = "My method"', "readouts = ()", "gives no answers"),
    ('label = "My method"', 'head_name = "mine"', "`head_name` is 'mine', which `own` does not name"),
    ("def loss(", "def los(", "has no `loss`; write it"),
    ("def embed(", "def embedd(", "has no `embed`; write it"),
    ("steps: int = 3", "steps: int = 3\n        power: int", "methods.mine.power: Field required"),
])  # fmt: skip
def test_a_file_that_holds_no_method_is_one_line(bench, mine, old, new, words):
    assert old in MINE
    result = bench("--methods", mine(MINE.replace(old, new, 1)), domains=("day",))
    assert result.exit_code == 2 and words in result.output and result.output.count("\n") == 1, result.output


def test_a_file_that_is_not_there_is_one_line(bench):
    result = bench("--methods", "nowhere.py:Mine", domains=("day",))
    assert result.exit_code == 2 and "nowhere.py: no such file" in result.output
    assert result.output.count("\n") == 1


def test_a_method_is_trained_as_its_kind_is_under_the_preset_unless_the_suite_says_more(suite, mine):
    from fer_meta.suites.schema import read_suite

    [name] = registry.names_of([mine(MINE.replace('    kind = "own"\n', ""))])
    settings = read_suite(str(suite), "quick", asked=[name]).methods["mine"]
    quick = read_suite("within", "quick").methods["protonet"]
    assert (settings.steps, settings.validations) == (quick.steps, quick.validations)
    # a suite that names it says more
    suite.write_text(suite.read_text().replace("algorithms:", "methods:\n  mine: {steps: 7}"))
    assert read_suite(str(suite), "quick").methods["mine"].steps == 7


def test_a_suite_that_names_a_file_says_how_its_method_is_given(suite, mine):
    from fer_meta.suites.schema import read_suite

    suite.write_text(suite.read_text().replace("algorithms:", f"methods:\n  {mine()}: {{steps: 7}}"))
    with pytest.raises(SuiteError, match="give --methods FILE.py:CLASS and write here the `name`"):
        read_suite(str(suite), "quick")


def test_a_method_of_its_own_kind_keeps_its_own_defaults(suite, mine):
    from fer_meta.suites.schema import read_suite

    [name] = registry.names_of([mine()])
    assert read_suite(str(suite), "quick", asked=[name]).methods["mine"].steps == 3


def test_a_method_of_an_installed_package_is_known_by_its_name(installed):
    installed("fer_meta.methods", "mine", "outside:Mine", MINE)
    assert "mine" in registry.names() and registry.load("mine").label == "My method"
    assert registry.source_hash("mine") and registry.source_hash("protonet") is None
    assert [path.name for path in plugins.sources(None)] == ["outside.py"]


def test_an_installed_package_that_cannot_be_imported_is_named(installed):
    installed("fer_meta.methods", "mine", "outside:Mine", "import nowhere_at_all\n")
    with pytest.raises(SuiteError, match="entry point 'mine' .*No module named 'nowhere_at_all'"):
        registry.load("mine")


def test_two_methods_of_one_name_are_refused():
    class Mine(ProtoNet):
        name = "mine"
        own = {"mine": "Mine"}

    def another():
        class Mine(ProtoNet):
            name = "mine"
            own = {"mine": "Mine"}

        return Mine

    assert registry.register_method(Mine) is registry.register_method(Mine)
    with pytest.raises(SuiteError, match="is called 'mine' too"):
        registry.register_method(another())


def test_the_contract_finds_what_an_author_forgot(mine):
    method = plugins.from_file(mine(), FewShotMethod)
    check_method(method)
    unnamed = type("Unnamed", (method,), {"own_classifiers": lambda self, s, y, c: {"x": lambda q: q[:, :3]}})
    with pytest.raises(AssertionError, match="'x'.* have no name for tables: add them to `own`"):
        check_method(unnamed)
    leaky = type("Leaky", (method,), {"embed": lambda self, x: method.embed(self, x) - x.mean()})
    with pytest.raises(AssertionError, match="depend on the other queries"):
        check_method(leaky)


@pytest.mark.parametrize("old, new, words", [
    ("self.backbone(images)", "self.backbone(images)[:1]", r"`embed` gives a tensor \[1, 256\] for 6 images"),
    ("self.backbone(images)", "self.backbone(images)[:, None]", r"\[6, 1, 256\]; readouts .* flatten"),
    ("labels), accuracy(logits, labels)", "labels)", r"`loss` gives a tensor \[\]; should be the pair"),
    ("cross_entropy(logits, labels)", "cross_entropy(logits, labels) * float('nan')", "the loss is nan"),
])  # fmt: skip
def test_the_contract_says_what_is_wrong_with_the_shapes(mine, old, new, words):
    assert old in MINE
    with pytest.raises(AssertionError, match=words):
        check_method(plugins.from_file(mine(MINE.replace(old, new)), FewShotMethod))


def test_a_method_that_inherits_the_answers_of_another_never_stands_in_its_place_in_a_table(bench, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from fer_meta.methods.protonet import Method\n"
        "class Mine(Method):\n    name = 'mine'\n    own = {'mine': 'Mine'}\n"
    )
    result = bench("--methods", f"{tmp_path / 'mine.py'}:Mine", domains=("day",))
    assert result.exit_code == 1
    assert "FAILED: method 'mine': gives answers called protonet, which its `own` does not" in result.output


def test_a_colour_that_no_plot_knows_is_refused_before_a_bench_begins(bench, mine):
    word = mine(MINE.replace('    kind = "own"', '    kind = "own"\n    colours = {"mine": "reddish"}'))
    result = bench("--methods", word, domains=("day",))
    assert result.exit_code == 2 and "the colour 'reddish' is not of the form #RRGGBB" in result.output


def test_the_contract_refuses_what_a_bench_refuses(mine):
    with pytest.raises(SuiteError, match="Mine: has no `loss`"):
        check_method(plugins.from_file(mine(MINE.replace("def loss(", "def los(")), FewShotMethod))


def test_two_data_sets_of_one_name_are_refused_although_both_call_their_function_scan(tmp_path, trees):
    def spec(module):
        def scan(root):
            return None

        scan.__module__, scan.__qualname__ = module, "scan"
        return DatasetSpec(**{**vars(folder_spec("mine", trees / "day")), "scan": scan})

    datasets.register_dataset(spec("one"))
    datasets.register_dataset(spec("one"))  # run again, as in a notebook
    with pytest.raises(DatasetError, match="another data set is called 'mine' too"):
        datasets.register_dataset(spec("two"))


def test_a_data_set_of_an_installed_package_is_listed_and_read(installed, trees):
    text = "from fer_meta.datasets.loaders.folder import folder_spec\nSPEC = folder_spec('theirs', '.')\n"
    installed("fer_meta.datasets", "theirs", "outside:SPEC", text)
    assert "theirs" in datasets.names({}) and datasets.spec_for("theirs", trees / "day").name == "theirs"
    check_dataset(datasets.spec_for("theirs", trees / "day"), str(trees / "day"))


@pytest.mark.parametrize("name, words", [
    ("rafdb-basic", "fer-meta has a data set called 'rafdb-basic'"),
    ("synthetic-mine", "fer-meta has a data set called"),
    ("my/set", "a name has at most 100 letters"),
])  # fmt: skip
def test_a_data_set_whose_name_is_taken_or_none_is_refused(tmp_path, name, words):
    spec = folder_spec("mine", tmp_path)
    with pytest.raises(DatasetError, match=words):
        datasets.register_dataset(DatasetSpec(**{**vars(spec), "name": name}))


def test_the_contract_of_data_sets_finds_an_unknown_label(trees):
    spec = folder_spec("mine", trees / "day")
    wrong = DatasetSpec(
        **{**vars(spec), "scan": lambda root: spec.scan(root).replace({"label": {"anger": "rage"}})}
    )
    with pytest.raises(AssertionError, match="rage.* not in the vocabulary"):
        check_dataset(wrong, trees / "day")


@pytest.mark.parametrize("word, said", [
    ("Min", "has no 'Min'; did you mean Mine? (it has Mine)"),
    ("man", "has no 'man'; it has Mine"),
    ("", "names no class; give FILE.py:CLASS; it has Mine"),
])  # fmt: skip
def test_only_classes_of_methods_are_offered_and_a_file_alone_lacks_its_class(word, said, mine):
    file = mine(MINE + "\n\ndef main(): pass\n\n\nclass Miner: pass\n").removesuffix(":Mine")
    with pytest.raises(SuiteError) as error:
        registry.names_of([f"{file}:{word}" if word else file])
    assert str(error.value) == f"{file}: {said}"
