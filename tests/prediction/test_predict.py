"""`fer-meta predict` and `fm.predict`: what a stored model says of pictures, and what they refuse."""

import json
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from helpers.films import rendered_clip, write_film
from helpers.methods import CLASSES, PROTOCOL, SMALL, build
from matplotlib.text import Text
from PIL import Image
from safetensors.torch import save_file

import fer_meta as fm
from fer_meta.cli.main import main
from fer_meta.errors import DatasetError, FerMetaError
from fer_meta.expressions import EXPRESSIONS
from fer_meta.methods import registry
from fer_meta.prediction import plots
from fer_meta.prediction.answering import answer, readouts_of
from fer_meta.prediction.cautions import cautions_of
from fer_meta.prediction.pictures import Picture, faces_in, from_camera
from fer_meta.prediction.stored import open_model
from fer_meta.prediction.support import Support
from fer_meta.prediction.votes import so_far, votes
from fer_meta.preprocessing import normalise
from fer_meta.records.model import ModelRecord, write_model
from fer_meta.records.origin import Origin, write_origin
from fer_meta.records.plan import Plan, write_plan
from fer_meta.runner.describe import recorded_config

SIZE = 32


@pytest.fixture(scope="module")
def trained(trees, tmp_path_factory):
    """A supervised network, from Python: its folder."""
    faces = fm.load_faces("day", trees / "day", size=SIZE)
    out = tmp_path_factory.mktemp("model")
    fm.train(
        "supervised", faces, way=3, shots=2, queries=2, steps=40, validations=2, backbone="conv4", out=out
    )
    return out


@pytest.fixture(scope="module")
def support(trees, tmp_path_factory):
    """A folder per class, two faces in each."""
    root = tmp_path_factory.mktemp("support")
    for label in ("anger", "happiness", "surprise"):
        for path in sorted((trees / "day").rglob(f"{label}/*.png"))[:2]:
            (root / label).mkdir(exist_ok=True)
            (root / label / path.name).write_bytes(path.read_bytes())
    return root


@pytest.fixture
def predict():
    def run(*words, status=0):
        result = CliRunner().invoke(main, ["predict", *map(str, words), "--device", "cpu"])
        assert result.exit_code == status, result.output
        return result.output

    return run


def stored(name, folder):
    """An untrained model of a method, as a training would leave it."""
    method = build(name).eval()
    (folder / "checkpoints").mkdir(parents=True)
    weights = {name: weight.contiguous() for name, weight in method.state_dict().items()}
    save_file(weights, folder / "checkpoints" / "step-000001.safetensors")
    record = ModelRecord(
        id=f"{name}-day-seed0",
        method=name,
        config=recorded_config(method_config(name), SIZE),
        classes=list(CLASSES),
        protocol=PROTOCOL.model_dump(mode="json"),
        image_size=SIZE,
    )
    write_model(folder, record)
    return method


def method_config(name):
    return registry.load(name).Config(
        steps=int(registry.load(name).trained), precision="fp32", **SMALL.get(name, {})
    )


@pytest.mark.parametrize("name", registry.built_in())
def test_any_stored_method_answers_as_the_network_itself(name, tmp_path):
    method, rng = stored(name, tmp_path), np.random.default_rng(0)
    images = rng.integers(0, 256, (10, SIZE, SIZE, 3), dtype=np.uint8)
    faces, known = images[:4], Support(images[4:], [f"{n}" for n in range(6)], CLASSES[:3], 2)
    model = open_model(tmp_path, torch.device("cpu"))
    pictures = [Picture(str(number), None, None, face) for number, face in enumerate(faces)]
    if name == "simpleshot":
        assert readouts_of(model, known) == [], "it needs the mean feature of its source"
        return
    for readout in readouts_of(model, known)[:2]:
        table = answer(model, pictures, known, readout)
        with torch.no_grad():
            query, shown = (
                method.embed(normalise(torch.from_numpy(some), method.normalisation))
                for some in (faces, images[4:])
            )
            method.readouts = model.method.readouts
            logits = method.adapt(shown, torch.from_numpy(known.labels), known.classes)[readout](query)
            expected = method.probabilities(readout, logits).numpy()
        found = table[[f"p_{name}" for name in known.classes]].to_numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert list(table["label"]) == [known.classes[number] for number in expected.argmax(1)]


def test_a_picture_is_not_in_its_own_support(trained, support, tmp_path, predict):
    first, _ = sorted((support / "anger").iterdir())
    copy = tmp_path / "anna.bmp"
    Image.open(first).convert("RGB").save(copy)  # the same pixels in another file
    out = tmp_path / "all.csv"
    words = ("--aligned", "--model", trained, "--support", support, "--out", out)
    said = predict(copy, *words)
    assert f"not in the support, because the same pictures are asked about: anger/{first.name}\n" in said
    assert "support: 1 faces each of" in said
    [row] = pd.read_csv(out).itertuples()
    assert first.name not in row.nearest and row.nearest.count(";") == 2
    np.testing.assert_allclose(row.p_surprise + row.p_happiness + row.p_anger, 1, atol=1e-3)
    said = predict(support / "anger", *words, status=2)
    assert said.endswith("anger has 0 faces, without 2 that the model is asked about; add others\n")


def test_a_picture_of_the_data_set_is_not_in_its_support_either(trained, trees, predict):
    face = next((trees / "day").rglob("*.png"))
    words = ("--aligned", "--model", trained, "--support", "day", "--data", f"day={trees / 'day'}")
    words = (*words, "--shots", "20")
    faces = sorted((trees / "day" / face.parent.name).iterdir())
    said = predict(face.parent, *words, status=2)
    assert "that the model is asked about, and --shots asks for 20; add others" in said and len(faces) > 20


@pytest.mark.parametrize("number", [6, 7, 60])
def test_the_plot_of_many_pictures_has_the_size_of_a_page(number, tmp_path):
    face = np.zeros((SIZE, SIZE, 3), dtype=np.uint8)
    names = [f"happiness/{'a long name of a file' * 4}-{n}.png" for n in range(number)]
    shares = {f"p_{name}": 1 / 7 for name in EXPRESSIONS[:7]}
    table = pd.DataFrame([{"label": "anger", **shares, "nearest": "x 1.00; y 0.90; z 0.80"}] * number)
    known = Support(np.stack([face] * 3), ["x", "y", "z"], ("anger", "fear", "sadness"), 1)
    figure = plots.faces([Picture(name, None, None, face) for name in names], table, known, "%")
    plots.save(figure, tmp_path / "all.png")
    wide, high = Image.open(tmp_path / "all.png").size
    assert wide == 1350 and high < 1900
    text = " ".join(one.get_text() for one in figure.findobj(Text))
    assert ("pictures" in text) == (number > 24) and ("nearest support faces" in text) == (number <= 6)


def test_the_own_head_needs_no_support_and_knows_the_classes_of_the_training(trained, support):
    table = fm.predict(trained, support, own_head=True, aligned=True, device="cpu")
    assert len(table) == 6 and len([name for name in table if name.startswith("p_")]) == 5
    assert (table["label"] == table["file"].str.split("/").str[0]).mean() > 0.5


def test_a_film_is_answered_frame_by_frame_and_its_frames_vote(trained, support, tmp_path, predict):
    pytest.importorskip("av")
    film = write_film(tmp_path / "anna.avi", rendered_clip(frames=4))
    out, plot = tmp_path / "all.json", tmp_path / "film.png"
    words = ("--model", trained, "--support", support, "--aligned-support")
    said = predict(film, *words, "--out", out, "--plot", plot)
    assert "anna.avi" in said and "(4 of 4 frames have a face)" in said
    content = json.loads(out.read_text())
    assert [one["frame"] for one in content["pictures"]] == [0, 1, 2, 3]
    assert content["classes"] == ["surprise", "happiness", "anger"]
    for name in content["classes"]:
        mean = np.mean([one[f"p_{name}"] for one in content["pictures"]])
        assert content["films"][0][f"p_{name}"] == pytest.approx(mean, abs=1e-3)
    assert Image.open(plot).size[0] > 1000


def test_a_vote_is_the_mean_of_the_faces_so_far_and_frames_without_one_do_not_count():
    nan = float("nan")
    frames = pd.DataFrame(
        {
            "file": "a.mp4",
            "frame": [0, 1, 2],
            "label": ["anger", None, "fear"],
            "p_anger": [0.8, nan, 0.1],
            "p_fear": [0.2, nan, 0.9],
        }
    )
    whole = votes(frames).iloc[0]
    assert whole["label"] == "fear" and whole["confidence"] == pytest.approx(0.55)
    assert (whole["faces"], whole["frames"]) == (2, 3)
    assert so_far(frames)["p_anger"].tolist() == pytest.approx([0.8, 0.8, 0.45])


def test_a_table_and_a_plot_of_photographs(trained, support, tmp_path, predict):
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "pictures" / "wall.png")
    (tmp_path / "pictures" / "broken.png").write_bytes(b"\x89PNG")
    Image.fromarray(rendered_clip(frames=1)[0]).save(tmp_path / "pictures" / "anna $1$.png")
    out, plot = tmp_path / "all.csv", tmp_path / "all.png"
    words = ("--model", trained, "--support", support, "--aligned-support", "--readout", "probe")
    words = (*words, "--out", out, "--plot", plot)
    said = predict(tmp_path / "pictures", *words)
    assert "supervised-probe of model" in said and "2 faces each of surprise, happiness, anger" in said
    assert "no face found" in said and "Written: " in said
    table = pd.read_csv(out)
    assert table["label"].notna().tolist() == [True, False, False] and table["fault"].notna().sum() == 2
    assert plot.stat().st_size > 5000
    assert "no face found" in predict(tmp_path / "pictures" / "wall.png", *words[:5], status=1)


def test_the_source_of_a_bench_is_the_support_if_none_is_given(bench, trees, tmp_path, predict):
    assert bench("--methods", "protonet", domains=("day",)).exit_code == 0
    run = next((tmp_path / "results" / "tiny" / "runs").iterdir())
    face = next((trees / "day").rglob("*.png"))
    data = ("--data", f"day={trees / 'day'}")
    said = predict(face, "--aligned", "--model", run, *data)
    assert "protonet of model protonet-day-seed0" in said and "5 faces each of" in said
    assert "without --support the model needs faces of day" in predict(
        face, "--aligned", "--model", run, status=2
    )


def test_a_camera_gives_one_picture(tmp_path):
    pytest.importorskip("cv2")
    film = write_film(tmp_path / "camera.avi", rendered_clip(frames=6))
    picture = from_camera(str(film), SIZE, None)
    assert picture.face.shape == (SIZE, SIZE, 3) and picture.fault == ""
    with pytest.raises(FerMetaError, match="camera 99: gives no picture"):
        from_camera(99, SIZE, None)


def test_faces_of_a_folder_come_in_the_order_of_their_names(support):
    names = [one.name for one in faces_in(support, SIZE, None)]
    assert len(names) == 6 and names == sorted(names)
    with pytest.raises(DatasetError, match="there is no such file"):
        next(faces_in(support / "none.png", SIZE, None))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{face}", "--model", "{support}"], "holds no trained model; give a folder of models/ or of runs/"),
        (["{face}", "--model", "{support}/no"], "there is no such folder; give a folder of models/"),
        (["{face}", "--model", "{trained}/.."], "holds several models; give one of them, such as "),
        (["{face}"], "give --model, a trained model, such as results/cross-domain/models/NAME"),
        (
            ["{face}", "--model", "{trained}", "--support", "no"],
            "no: there is no such folder; as",
        ),
        (["{face}", "--model", "{trained}"], "does not say what it was trained on, so it has no"),
        (["--model", "{trained}"], "give a picture, a film, a folder, or --camera 0"),
        (["{face}", "--model", "{trained}", "--support", "{support}/anger"], "has 0 classes"),
        (
            ["{face}", "--model", "{trained}", "--support", "{support}", "--shots", "9"],
            "has 2 faces, and --shots",
        ),
        (
            ["{face}", "--model", "{trained}", "--support", "{support}", "--readout", "x"],
            "those that can: supervised-",
        ),
        (["{face}", "--model", "{trained}", "--support", "x", "--no-support"], "contradict each other"),
        (
            ["{face}", "--model", "{trained}", "--support", "{support}", "--out", "a.txt"],
            "ends in .csv or .json",
        ),
        (["{face}", "--model", "{trained}", "--support", "{support}", "--plot", "a.txt"], "ends in .png"),
        (
            ["{support}/no.png", "--model", "{trained}", "--support", "{support}"],
            "there is no such file or folder",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(words, said, trained, support, predict):
    face = next((support / "anger").iterdir())
    words = [word.format(face=face, trained=trained, support=support) for word in words]
    output = predict(*words, "--aligned", status=2)
    assert said in output.splitlines()[-1]


def test_deleted_checkpoints_are_named(trained, tmp_path):
    stored("protonet", tmp_path)
    next((tmp_path / "checkpoints").iterdir()).unlink()
    with pytest.raises(FerMetaError, match="its checkpoints are gone; run the bench again"):
        open_model(tmp_path, torch.device("cpu"))


@pytest.mark.parametrize("known, said", [
    ({"preset": "smoke"}, "Warning: Preset smoke: this run shows only that everything works; its numbers"),
    ({"learned": False}, "Warning: Its training did not learn: in training it was no better than a guess."),
    ({"preset": "quick", "steps": 9}, ""),
])  # fmt: skip
def test_a_model_that_is_worth_nothing_does_not_answer_in_silence(known, said, tmp_path, support):
    stored("protonet", tmp_path)
    write_origin(tmp_path, Origin.model_validate(known))
    face = next(support.rglob("*.png"))
    words = ("predict", face, "--aligned", "--model", tmp_path, "--support", support, "--device", "cpu")
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(said) and result.stderr.count("Warning") == bool(said)
    assert "Warning" not in result.stdout
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        fm.predict(tmp_path, face, support=support, aligned=True, device="cpu")
    lines = [str(one.message) for one in heard if one.category is UserWarning]
    assert len(lines) == bool(said) and all(said.removeprefix("Warning: ") in line for line in lines)


def test_a_model_of_a_bench_is_known_by_its_plan(trained, tmp_path):
    """It has no origin.json, and it may answer before any run of it has finished."""
    model = shutil.copytree(trained, tmp_path / "models" / "one")
    plan = {"suite": "tiny", "preset": "smoke", "command": "fer-meta bench", "runs": []}
    write_plan(tmp_path, Plan.model_validate(plan))
    [line] = cautions_of(open_model(model, torch.device("cpu")))
    assert line.startswith("Preset smoke")
    assert cautions_of(open_model(trained, torch.device("cpu"))) == []
