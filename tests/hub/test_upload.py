"""`fer-meta upload`, and `--model hf:USER/NAME`: what a hub gets, and what comes back from it."""

import json
import os
import sys

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from helpers import model_hub
from safetensors.numpy import load_file

import fer_meta as fm
from fer_meta.cli.main import main
from fer_meta.errors import ResultsError
from fer_meta.prediction.cautions import cautions
from fer_meta.records.origin import Origin

constants = pytest.importorskip("huggingface_hub.constants")

REPO = "anna/protonet-day"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def model(shared, bench):
    """The folder of a model of a finished bench, of which there is one for all tests."""
    if not (shared / "tiny").exists():
        done = bench(
            "--algorithms", "protonet", "--sources", "day", "--targets", "night", "--out", str(shared)
        )
        assert done.exit_code == 0, done.output
    [folder] = (shared / "tiny" / "models").iterdir()
    return folder


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub, to which the user is logged in."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", model_hub.TOKEN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between attempts
    with model_hub.serving() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield hub


def upload(model, *words, repo=REPO, status=0):
    done = CliRunner().invoke(main, ["upload", str(model), repo, "--licence", "mit", *words])
    assert done.exit_code == status, done.output
    if status:
        assert done.output.count("\n") == 1, done.output
    return done.output


def facts_of(page: str) -> dict:
    return yaml.safe_load(page.split("---\n")[1])


def test_a_dry_run_writes_the_folder_and_uploads_nothing(model, hub, shared, tmp_path):
    assert "nothing was uploaded" in upload(model, "--dry-run")
    folder = tmp_path / "protonet-day"
    assert not hub.repos
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"README.md", "model.json", "origin.json", "history.jsonl"} < names
    assert all(name.endswith((".md", ".json", ".jsonl", ".safetensors")) for name in names)
    page = (folder / "README.md").read_text()
    facts = facts_of(page)
    assert facts["license"] == "mit" and facts["library_name"] == "fer-meta" and facts["datasets"] == ["day"]
    table = pd.read_csv(shared / "tiny" / "table.csv")
    row = table[(table.readout == "protonet") & (table.shots == 2) & (table.selection == "source-val")].iloc[
        0
    ]
    [result] = facts["model-index"][0]["results"]
    named = {one["name"]: one["value"] for one in result["metrics"]}
    name = f"accuracy in %, 5-way 2-shot, protonet, 95 % interval ± {100 * row.ci95:.1f}"
    assert named[name] == round(100 * row.accuracy, 1), "numbers, as the hub's model-index has them"
    assert "oracle" in set(table.selection) and "oracle" not in page, "the model answers with one checkpoint"
    assert "| seed | 0 |" in page and str(tmp_path) not in page and str(shared) not in page
    assert "An expression is not a feeling" in page and f"hf:{REPO}" in page
    assert "is not empty" in upload(model, "--dry-run", status=2)


def test_an_uploaded_model_is_private_and_answers_as_before(model, hub, trees):
    said = upload(model)
    assert "private" in said and hub.private[REPO]
    face = next((trees / "day").rglob("*.png"))
    options = {"aligned": True, "device": "cpu", "data": {"day": trees / "day"}}
    here, there = (fm.predict(name, face, **options) for name in (model, f"hf:{REPO}"))
    pd.testing.assert_frame_equal(here, there)


def test_a_model_that_may_be_worth_nothing_is_not_uploaded_in_silence(model, hub, shared):
    plan = shared / "tiny" / "plan.json"
    before = plan.read_text()
    try:
        plan.write_text(json.dumps(json.loads(before) | {"preset": "smoke"}))
        said = upload(model)
    finally:
        plan.write_text(before)
    page = hub.repos[REPO]["README.md"].decode()
    limits = page[page.index("## Limits") : page.index("## Ethics")]
    for line in ("Preset smoke: this run shows only", "It was not judged whether its training learned"):
        assert f"Warning: {line}" in said and f"- {line}" in limits
    assert "Preset smoke" not in upload(model)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"learned": True, "steps": 9}, []),
        ({"learned": False, "steps": 9}, ["did not learn"]),
        ({"steps": 9}, ["not judged"]),
        ({"steps": 0}, []),  # a network that is not trained
    ],
)
def test_a_caution_for_each_way_in_which_a_training_may_be_none(known, said):
    found = cautions(Origin.model_validate(known))
    assert len(found) == len(said) and all(word in line for word, line in zip(said, found))


def test_a_second_upload_replaces_the_weights(model, hub):
    upload(model)
    hub.repos[REPO]["checkpoints/step-999999.safetensors"] = b"of another model"
    upload(model)
    weights = [name for name in hub.repos[REPO] if name.startswith("checkpoints/")]
    assert weights and "checkpoints/step-999999.safetensors" not in weights
    assert all(load_file(path).keys() for path in model.glob("checkpoints/*.safetensors"))


def test_a_public_repository_needs_public(model, hub):
    upload(model)
    assert "(private)" in upload(model, "--public") and hub.private[REPO]  # it stays as it was
    del hub.repos[REPO]
    assert "(public)" in upload(model, "--public") and not hub.private[REPO]
    before = dict(hub.repos[REPO])
    assert "give --public" in upload(model, status=2)
    assert hub.repos[REPO] == before


def test_what_the_hub_refuses_is_one_line(model, hub, monkeypatch):
    hub.fails = 403
    assert "with a token that may write there" in upload(model, status=2)
    hub.fails = 500
    assert "the hub failed (status 500)" in upload(model, status=1)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert "could not be reached, or the upload broke off" in upload(model, status=1)


def test_nobody_logged_in_or_no_package_is_one_line(model, hub, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    assert "hf auth login" in upload(model, status=2) and not hub.repos
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'fer-meta[hub]'" in upload(model, status=1)


@pytest.mark.parametrize(
    ("repo", "licence", "said"),
    [
        ("protonet", "mit", "USER/NAME"),
        ("../x", "mit", "USER/NAME"),
        (REPO, "a: [b", "no licence of the hub; give one as the hub names it: mit, apache-2.0"),
    ],
)
def test_a_name_or_a_licence_that_the_hub_would_refuse_is_said_before(model, hub, repo, licence, said):
    done = CliRunner().invoke(main, ["upload", str(model), repo, "--licence", licence])
    assert done.exit_code == 2 and said in done.output and not hub.repos


def test_without_a_licence_some_are_named_and_the_agreement_of_the_faces(model, hub):
    done = CliRunner().invoke(main, ["upload", str(model), REPO])
    assert done.exit_code == 2 and not hub.repos
    assert "mit, apache-2.0" in done.output and "read the agreement of the faces" in done.output


def test_a_model_of_a_users_file_is_not_uploaded(model, tmp_path, hub):
    own = tmp_path / "models" / "own"
    own.mkdir(parents=True)
    for name in os.listdir(model):
        (own / name).symlink_to(model / name)
    record = json.loads((model / "model.json").read_text())
    record["method"] = "mine.py:Mine"
    (own / "model.json").unlink()
    (own / "model.json").write_text(json.dumps(record))
    said = upload(own, status=2)
    assert "cannot be uploaded" in said and "fer-meta export --models" in said and "--methods" not in said
    assert not hub.repos


def test_a_model_from_the_hub_runs_no_file_and_brings_nothing_but_weights(model, hub, tmp_path, trees):
    upload(model)
    files = hub.repos[REPO]
    files["evil.py"] = b"raise SystemExit"
    files["checkpoints/step-000001.bin"] = b"pickle"
    face = next((trees / "day").rglob("*.png"))
    fm.predict(f"hf:{REPO}", face, aligned=True, device="cpu", data={"day": trees / "day"})
    names = {path.name for path in (tmp_path / "hub-cache").rglob("*")}
    assert "model.json" in names and not {"evil.py", "step-000001.bin"} & names
    record = json.loads(files["model.json"]) | {"method": "evil.py:Evil"}
    files["model.json"] = json.dumps(record).encode()
    hub.repos["anna/evil"] = files
    hub.private["anna/evil"] = True
    with pytest.raises(ResultsError, match="is not run"):
        fm.predict("hf:anna/evil", face, aligned=True, device="cpu")


def test_a_repository_that_is_none_or_no_model_is_one_line(hub, trees):
    face = next((trees / "day").rglob("*.png"))

    def predict(name):
        done = CliRunner().invoke(main, ["predict", str(face), "--aligned", "--model", name])
        assert done.exit_code == 2
        return done.output.splitlines()[-1]

    assert "no such model" in predict("hf:anna/nothing")
    hub.repos["anna/other"], hub.private["anna/other"] = {"README.md": b"#"}, True
    assert "no model of fer-meta" in predict("hf:anna/other")
