"""Adaptive BatchNorm: the target's statistics, at test alone."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.methods import CLASSES, SIZE, build
from helpers.tiny_bench import SUITE, folders, numbers
from torch import nn

from fer_meta.evaluation import adapted as adapting
from fer_meta.evaluation.adapted import adapted, adapted_features
from fer_meta.evaluation.answers import Shown
from fer_meta.evaluation.features import features_once
from fer_meta.methods import registry
from fer_meta.networks import backbones
from fer_meta.preprocessing import fetch, normalise
from fer_meta.runner.describe import MadeBy
from fer_meta.runner.run import Bench
from fer_meta.tasks.pools import Pool

pytestmark = pytest.mark.numeric
CPU = torch.device("cpu")


def target(count=60) -> Shown:
    """Dark images, class by class, each class of its own grey."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(3), count // 3)
    images = rng.integers(0, 60, (count, SIZE, SIZE, 3), dtype=np.uint8)
    images += (50 * labels).astype(np.uint8)[:, None, None, None]
    return Shown(images, Pool("dark", np.arange(count), labels, CLASSES, None, None, {}, 0, ""))


def normalised_maps(method, shown: Shown) -> list[tuple[float, float]]:
    """How far from 0 and 1 mean and variance of any channel are, after each BatchNorm of a network (whose
    scales are 1 and shifts 0) has normalised all the images.
    """
    found = []

    def look(_, __, maps):
        mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3), unbiased=False)
        found.append((mean.abs().max().item(), (variance - 1).abs().max().item()))

    hooks = [one.register_forward_hook(look) for one in method.modules() if isinstance(one, nn.BatchNorm2d)]
    with torch.no_grad():
        method.embed(normalise(fetch(shown.images, shown.pool.rows, CPU), method.normalisation))
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("batch, near", [(60, 0.01), (20, 0.1)])
def test_each_batchnorm_normalises_the_target_to_mean_0_and_variance_1(monkeypatch, batch, near):
    """Exactly where the images are one batch, and nearly over three."""
    monkeypatch.setattr(adapting, "EMBED_BATCH", batch)
    method, shown = build("protonet").eval(), target()
    before = normalised_maps(method, shown)
    after = normalised_maps(adapted(method, shown, CPU), shown)
    assert len(after) == 4 and max(map(max, after)) < near < 0.3 < max(map(max, before))


def test_the_method_itself_its_weights_and_its_modes_stay_as_they_were():
    method = build("protonet").eval()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    other = adapted(method, target(), CPU)
    for name, value in method.state_dict().items():
        assert torch.equal(value, before[name]), name
    changed = {name for name, value in other.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.rsplit(".")[-1] in ("running_mean", "running_var", "num_batches_tracked")
                           for name in changed)  # fmt: skip
    assert not any(module.training for module in other.modules())
    assert {m.momentum for m in other.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


def test_the_trap_what_no_image_passes_keeps_the_sources_statistics_and_maml_has_none():
    """Relation Net's comparison sees pairs of maps, which there are not without an episode."""
    method = build("relationnet").eval()
    other, before = adapted(method, target(), CPU), method.state_dict()
    changed = {name for name, value in other.state_dict().items() if not torch.equal(value, before[name])}
    compared = {name for name in before if name.startswith("relation")}
    assert compared and changed and not changed & compared
    maml = build("maml").eval()
    assert adapted(maml, target(), CPU) is maml


def test_features_of_the_target_and_of_others_are_never_mixed():
    method, shown, source = build("protonet").eval(), target(), target(30)
    plain = features_once(method, CPU)
    of = adapted_features(adapted(method, shown, CPU), shown.images, plain, CPU, "fp32")
    rows = np.arange(4)
    assert not torch.allclose(of(shown.images)(rows), plain(shown.images)(rows))
    assert of(source.images) is plain(source.images)


def test_a_bench_adapts_at_test_alone(suite, bench, tmp_path, without_plots):
    """The same trainings and choices of checkpoints as without, other runs, other answers, and it is said."""
    options = {"domains": ("day",)}
    assert bench("--methods", "protonet", **options).exit_code == 0
    out = tmp_path / "results" / "tiny"
    [model], [plain] = folders(out / "models"), folders(out / "runs")
    suite.write_text(SUITE.replace("  way: 5\n", "  way: 5\n  batchnorm: target\n"))
    result = bench("--methods", "protonet", **options)
    assert result.exit_code == 0, result.output
    assert "AdaBN: BatchNorm has the statistics of the target's test images" in " ".join(
        result.output.split()
    )
    assert [*folders(out / "models")] == [model]
    [other] = set(folders(out / "runs")) - {plain}
    one, two = (json.loads((out / "runs" / name / "run.json").read_text()) for name in (plain, other))
    assert [told["protocol"]["batchnorm"] for told in (one, two)] == ["eval", "target"]
    for rule in ("source-val", "last"):
        assert one["selected"][rule] == two["selected"][rule]
    assert one["target_validation"] != two["target_validation"], "the oracle validates as the test tests"
    answers = numbers(tmp_path / "results").set_index("run")["accuracy"]
    assert answers[plain].tolist() != answers[other].tolist()


def test_features_of_a_network_that_is_not_trained_are_those_of_its_own_weights(tmp_path):
    """Two experiments of one bench may give the same method other weights."""
    bench, images = Bench(None, tmp_path, CPU, MadeBy("")), target().images
    for seed, name in enumerate(("one", "other")):
        torch.manual_seed(seed)
        torch.save(backbones.vectors("conv4").state_dict(), tmp_path / f"{name}.pt")
    for name in ("one", "other"):
        config = registry.load("frozen").Config(
            backbone="conv4", weights=str(tmp_path / f"{name}.pt"), precision="fp32"
        )
        method = build("frozen", backbone="conv4", weights=config.weights).eval()
        run = SimpleNamespace(model=SimpleNamespace(id=name, key="frozen", seed=0, config=config))
        found = bench.features(run, 0, method, images)(np.arange(4))
        torch.testing.assert_close(found, features_once(method, CPU)(images)(np.arange(4)))


def test_features_that_a_later_run_needs_are_those_of_its_own_weights(tmp_path):
    """The method of an earlier run has gone on to other weights since."""
    bench = Bench(None, tmp_path, CPU, MadeBy(""))
    config = SimpleNamespace(precision="fp32")
    run, images = SimpleNamespace(model=SimpleNamespace(id="m", config=config)), target().images
    first, second = build("protonet").eval(), build("protonet").eval()
    bench.features(run, 1, first, images)(np.arange(2))
    for weight in first.parameters():
        nn.init.zeros_(weight)  # another checkpoint
    found = bench.features(run, 1, second, images)(np.arange(4))
    torch.testing.assert_close(found, features_once(second, CPU)(images)(np.arange(4)))
