"""What answers are called in tables and plots belongs to their method, and depends on nothing else."""

import subprocess
import sys

from helpers.methods import SMALL

from fer_meta.methods import registry
from fer_meta.methods.labels import colour_of

# As in every report so far, in the order of its tables.
KNOWN = {
    "protonet": ("ProtoNet", "#0072B2"),
    "matchingnet": ("MatchingNet", "#882255"),
    "feat": ("FEAT", "#117733"),
    "r2d2": ("R2-D2", "#1B7F79"),
    "metaoptnet": ("MetaOptNet", "#8C6D1F"),
    "relationnet": ("Relation Net", "#E69F00"),
    "relationnet-attention": ("Relation Net (spatial attention)", "#999933"),
    "relationnet-mean": ("Relation Net (averaged maps)", "#7F3C8D"),
    "csrn": ("CSRN", "#8C510A"),
    "csrn-map": ("CSRN (class map alone)", "#B87333"),
    "maml": ("MAML", "#009E73"),
    "fomaml": ("FOMAML", "#56B4E9"),
    "anil": ("ANIL", "#4B5EAA"),
    "meta-sgd": ("Meta-SGD", "#44AA99"),
    "proto-maml": ("Proto-MAML", "#B22222"),
    "reptile": ("Reptile", "#5F6B00"),
    "supervised-head": ("Supervised (own head)", "#999999"),
    "supervised-ncm": ("Supervised (nearest mean)", "#D55E00"),
    "supervised-probe": ("Supervised (linear probe)", "#CC79A7"),
    "simpleshot-cl2n": ("SimpleShot", "#A63603"),
    "baseline-finetune-head": ("Baseline", "#6E4B3A"),
    "baseline-pp-cosine": ("Baseline++", "#C2185B"),
    "meta-baseline": ("Supervised, then episodes", "#B15928"),
    "units-ncm": ("Action units (nearest mean)", "#3F5B0B"),
    "units-probe": ("Action units (linear probe)", "#A6BF5A"),
    "frozen-ncm": ("Frozen (nearest mean)", "#6A3D9A"),
    "frozen-probe": ("Frozen (linear probe)", "#B2A0D0"),
}


def labels(name, **config):
    return registry.labels(
        name,
        registry.load(name).Config(steps=int(registry.load(name).trained), **SMALL.get(name, {}), **config),
    )


def test_answers_keep_their_names_colours_and_order():
    found = {answer: label for name in registry.built_in() for answer, label in labels(name).items()}
    found |= labels("maml", first_order=True)
    assert {answer: (one.label, one.colour) for answer, one in found.items()} == KNOWN
    assert sorted(found, key=lambda answer: found[answer].order) == list(KNOWN)


def test_no_two_answers_have_one_label_or_one_colour():
    found = [label for name in registry.built_in() for label in registry.load(name).labels().values()]
    assert len({one.label for one in found}) == len({one.colour for one in found}) == len(found)


def test_first_and_second_order_have_different_names():
    assert list(labels("maml")) == ["maml"] and list(labels("maml", first_order=True)) == ["fomaml"]


def test_settings_by_another_name_have_answers_and_labels_of_their_own():
    found = registry.labels(
        "random-conv4",
        registry.load("frozen").Config(method="frozen", label="Random Conv4", backbone="conv4"),
    )
    assert {answer: label.label for answer, label in found.items()} == {
        "random-conv4-ncm": "Random Conv4 (nearest mean)",
        "random-conv4-probe": "Random Conv4 (linear probe)",
    }
    assert found["random-conv4-ncm"].colour != labels("frozen")["frozen-ncm"].colour


def test_a_name_without_a_colour_has_one_of_its_own_that_stays():
    assert colour_of("mine-ncm") == colour_of("mine-ncm") != colour_of("mine-probe")
    assert colour_of("mine-ncm") == "#30A65F"


def test_labels_and_names_of_methods_are_known_without_torch():
    code = (
        "import sys, fer_meta.methods.labels, fer_meta.plugins; from fer_meta.methods import registry;"
        "registry.names(); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
