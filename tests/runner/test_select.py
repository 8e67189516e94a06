"""What options of a bench make of its suite."""

import pytest
import torch
import torchvision
from click.testing import CliRunner

from fer_meta.cli.main import main
from fer_meta.errors import FerMetaError, SuiteError
from fer_meta.networks.conv4 import Conv4
from fer_meta.runner.again import key_of
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.select import chosen_suite

FILE = "resnet18-f37072fd.pth"
"""torchvision's name of its ResNet18 for ImageNet."""


@pytest.fixture
def away(tmp_path, monkeypatch):
    """An empty cache of torch, and a network without torchvision's files."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    published = torchvision.models.ResNet18_Weights.DEFAULT.value
    monkeypatch.setattr(published, "url", f"file://{tmp_path}/published/{FILE}")
    return tmp_path / "torch/hub/checkpoints" / FILE


@pytest.fixture
def in_the_cache(away):
    away.parent.mkdir(parents=True)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), away)
    return away


def test_weights_are_for_every_method_whose_backbone_others_have_trained(in_the_cache):
    methods = chosen_suite(BenchOptions("cross-domain", preset="smoke", weights="imagenet")).methods
    assert methods["supervised"].weights == "imagenet" and methods["protonet"].weights == "none"
    with pytest.raises(SuiteError, match="--weights: nobody publishes .* give --backbone"):
        chosen_suite(BenchOptions("cross-domain", methods=["protonet"], weights="imagenet"))


def test_weights_that_cannot_be_had_stop_a_bench_with_the_file_its_place_and_the_way_out(away, tmp_path):
    """Whether the option or the line of a suite file gave them: both ways out are named."""
    suite = tmp_path / "mine.yaml"
    suite.write_text(
        "name: mine\ntitle: Mine\nextends: presets\n"
        "methods: {protonet: {backbone: resnet18, weights: imagenet}}\n"
    )
    asked = {"backbone": "resnet18", "methods": ["protonet"]}
    for options in (BenchOptions("cross-domain", weights="imagenet", **asked), BenchOptions(str(suite))):
        with pytest.raises(SuiteError) as raised:
            chosen_suite(options)
        said = str(raised.value)
        assert f"protonet: file://{tmp_path}/published/{FILE} could not be fetched" in said
        assert f"put this file at {away}, or" in said
        assert said.endswith("`--weights none` (in a suite file `weights: none`)")


def test_a_damaged_file_of_the_cache_is_named(in_the_cache):
    in_the_cache.write_bytes(in_the_cache.read_bytes()[:1000])
    with pytest.raises(FerMetaError, match=f"{FILE}: cannot be read .*remove it, and it is fetched again"):
        chosen_suite(BenchOptions("cross-domain", backbone="resnet18", weights="imagenet"))


def test_weights_are_fetched_once_and_only_if_they_are_what_their_name_says(away, tmp_path):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / FILE).write_bytes(b"a page of the hotel's network")
    with pytest.raises(FerMetaError, match="could not be fetched .invalid hash value"):
        chosen_suite(BenchOptions("cross-domain", backbone="resnet18", weights="imagenet"))
    assert not away.exists()


def test_a_backbone_is_for_every_method_alike(in_the_cache):
    methods = chosen_suite(BenchOptions("cross-domain", backbone="resnet18", weights="imagenet")).methods
    assert {(config.backbone, config.weights) for config in methods.values()} == {("resnet18", "imagenet")}
    with pytest.raises(FerMetaError, match="no backbone is called 'resnet19'"):
        chosen_suite(BenchOptions("cross-domain", backbone="resnet19"))


def test_a_method_of_the_package_that_the_suite_does_not_name_is_trained_as_its_kind():
    methods = chosen_suite(BenchOptions("within", methods=["relationnet_mean", "relationnet"])).methods
    assert list(methods) == ["relationnet_mean", "relationnet"]
    assert methods["relationnet_mean"] == methods["relationnet"]


def test_a_method_that_a_preset_leaves_out_is_there_for_who_asks_for_it():
    methods = chosen_suite(BenchOptions("cross-domain", methods=["relationnet", "maml"])).methods
    assert methods["relationnet"].steps == 300 and methods["maml"].first_order
    assert "maml" not in chosen_suite(BenchOptions("cross-domain")).methods


def test_a_change_of_an_extended_file_or_of_a_users_method_is_another_bench(tmp_path):
    for name, text in {"base.yaml": "image_size: 32\n", "mine.py": "x = 1\n"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "mine.yaml").write_text("name: mine\ntitle: Mine\nextends: base.yaml\n")
    options = BenchOptions(str(tmp_path / "mine.yaml"), methods=[f"{tmp_path / 'mine.py'}:Mine"])
    keys = [key_of(options, {}, [])]
    for name in ("base.yaml", "mine.py"):
        (tmp_path / name).write_text((tmp_path / name).read_text() + "# changed\n")
        keys.append(key_of(options, {}, []))
    assert len(set(keys)) == 3


@pytest.mark.parametrize("option, words", [
    ({"weights": "/nowhere/r18.pth", "backbone": "resnet18"}, "^/nowhere/r18.pth: no such file; `weights`"),
    ({"readouts": ["foo"]}, "^--readouts: no readout is called 'foo'"),
    ({"sources": ["a+a"]}, r"^--sources: 'a\+a' has a data set twice"),
])  # fmt: skip
def test_a_wrong_option_is_blamed_on_the_option_before_anything_is_trained(option, words):
    with pytest.raises(FerMetaError, match=words):
        chosen_suite(BenchOptions("cross-domain", **option))


def test_a_file_is_for_every_method_and_one_of_another_network_is_refused_before_anything_is_rendered(
    tmp_path,
):
    own, deep = str(tmp_path / "conv4.pth"), str(tmp_path / "r34.pth")
    torch.save(Conv4().state_dict(), own)
    torch.save(torchvision.models.resnet34(weights=None).state_dict(), deep)
    asked = {"suite": "cross-domain", "methods": ["protonet", "supervised"]}
    methods = chosen_suite(BenchOptions(**asked, weights=own)).methods
    assert {config.weights for config in methods.values()} == {own}
    with pytest.raises(FerMetaError, match="^protonet: .*r34.pth: not weights of resnet18 .*give a file of"):
        chosen_suite(BenchOptions(**asked, backbone="resnet18", weights=deep))


@pytest.mark.parametrize("method", ["maml", "anil", "reptile"])
def test_a_head_that_cannot_have_the_ways_of_the_test_is_refused_before_anything_is_rendered(method):
    with pytest.raises(SuiteError, match=f"^{method}: its head has the 4 ways of training, .*3-way"):
        chosen_suite(BenchOptions("unseen", methods=[method]))
    assert chosen_suite(BenchOptions("unseen", methods=["proto_maml"])).methods


def test_readouts_need_only_read_the_methods_that_are_asked_for():
    methods = chosen_suite(
        BenchOptions("cross-domain", methods=["protonet"], readouts=["head-and-probe"])
    ).methods
    assert list(methods) == ["protonet"]
    with pytest.raises(SuiteError, match="'frozen' has no answers of its own"):
        chosen_suite(BenchOptions("cross-domain", readouts=["head-and-probe"]))


def test_other_readouts_may_leave_the_contrast_of_the_suite_without_its_answers():
    suite = chosen_suite(BenchOptions("within", readouts=["ridge"]))
    assert suite.readouts == ("ridge",) and suite.primary.first == "supervised-ncm"


@pytest.mark.parametrize("option, name, meant", [
    ("--suite", "cross-domian", "cross-domain"),
    ("--methods", "protonett", "protonet"),
    ("--backbone", "resnet81", "resnet18 or "),
    ("--readouts", "ncn", "ncm"),
])  # fmt: skip
def test_a_misspelt_name_is_answered_with_the_closest_first(option, name, meant):
    words = ["bench", "--suite", "cross-domain", "--dry-run", option, name]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2 and f"{name!r}; did you mean {meant}" in result.output
