"""`fer-meta data init` on folders as people have them."""

import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import trees

from fer_meta.cli.data import data
from fer_meta.cli.main import main
from fer_meta.datasets.registry import spec_for


def init(root, *arguments, answers=()):
    return CliRunner().invoke(data, ["init", str(root), *arguments], input="".join(f"{a}\n" for a in answers))


def scan(root):
    return spec_for("mine", root).scan(root)


def test_numbers_are_asked_for_one_by_one(tmp_path):
    for number in range(3):
        for image in range(2):
            trees.face(tmp_path / f"train/{number}/{image}.png")
    said = init(tmp_path, answers=["happy", "bored", "SAD", "skip", "y"])
    assert said.exit_code == 0 and "0 (2 images, such as train/0/0.png): which expression?" in said.output
    assert "(surprise, fear, disgust, happiness, sadness, anger, neutral, ...; skip leaves" in said.output
    assert "'bored' is no expression; known are surprise, fear" in said.output
    assert scan(tmp_path).groupby("label").size().to_dict() == {"happiness": 2, "sadness": 2}


def test_words_of_ones_own_are_guessed_and_people_in_folders_found(tmp_path):
    for person in ("S001", "S002", "S003"):
        for word in ("hapyness", "neutral", "Ahegao"):
            trees.face(tmp_path / person / word / "1.png")
    said = init(tmp_path, answers=["skip", "", "y", "y"])
    assert "[happiness]" in said.output and "Are S001, S002, S003 ... (3 names) people?" in said.output
    index = scan(tmp_path)
    assert set(index["subject"]) == {"S001", "S002", "S003"}
    assert index.groupby("label").size().to_dict() == {"happiness": 3, "neutral": 3}


def test_codes_in_file_names_become_a_pattern(tmp_path):
    for person in ("KA", "KL"):
        for code in ("AN", "DI", "FE", "HA", "NE", "SA", "SU"):
            for number in (1, 2):
                trees.face(tmp_path / f"{person}.{code}{number}.39.png")
    said = init(tmp_path, "--yes")
    assert said.exit_code == 0, said.output
    assert set(scan(tmp_path).groupby("label").size()) == {4} and len(scan(tmp_path)) == 28


def test_names_before_numbers_may_be_people(tmp_path):
    for label in ("happy", "sad"):
        for number in range(4):
            trees.face(tmp_path / label / f"{'Anna' if number % 2 else 'Ben_Li'}_{number}.png")
    init(tmp_path, answers=["y", "y"])
    assert set(scan(tmp_path)["subject"]) == {"Anna", "Ben_Li"}


@pytest.mark.parametrize("answers", [[], ["happy", "sad"]])
def test_answers_that_end_are_one_line_with_the_way_out(tmp_path, answers):
    for number in range(2):
        trees.face(tmp_path / f"{number}/1.png")
    said = CliRunner().invoke(main, ["data", "init", str(tmp_path)], input="\n".join([*answers, ""]))
    assert said.exit_code == 2 and not (tmp_path / "fer-meta.yaml").exists()
    assert f"\nfer-meta: {tmp_path}/fer-meta.yaml: not written, because nobody answers" in said.output
    assert "or with --yes to take every guess" in said.output


def test_nothing_is_written_without_consent_or_over_a_file(tmp_path):
    trees.face(tmp_path / "hapy/1.png")
    trees.face(tmp_path / "sad/1.png")
    init(tmp_path, answers=["happy", "n"])
    assert not (tmp_path / "fer-meta.yaml").exists()
    init(tmp_path, answers=["happy", "y"])
    assert "says what names mean already" in str(init(tmp_path).exception)


def test_a_folder_that_needs_no_file_is_said_to_need_none(tmp_path):
    said = init(trees.folder_labels(tmp_path), answers=["n"])
    assert "No fer-meta.yaml is needed." in said.output and "happiness" in said.output


@pytest.mark.parametrize("words, text", [((), "no images"), (("0", "1"), "run without --yes")])
def test_what_cannot_be_proposed_is_one_line(tmp_path, words, text):
    for word in words:
        trees.face(tmp_path / word / "1.png")
    assert text in str(init(tmp_path, "--yes").exception)


def test_a_table_is_looked_at_and_not_its_folders(tmp_path):
    for number in range(4):
        trees.face(tmp_path / f"images/{'Anna' if number % 2 else 'Ben'}_{number}.png")
    rows = "".join(
        f"images/{'Anna' if n % 2 else 'Ben'}_{n}.png,{('Freude', 'sad')[n % 2]}\n" for n in range(4)
    )
    (tmp_path / "manifest.csv").write_text(f"path,label\n{rows}")
    said = init(tmp_path, answers=["happy", "y", "y"])
    assert "Freude (2 images, such as images/Ben_0.png): which expression?" in said.output
    assert "Are Ben, Anna ... (2 names) people?" in said.output
    index = scan(tmp_path)
    assert (
        set(index["subject"]) == {"Anna", "Ben"} and index["label"].to_list() == ["happiness", "sadness"] * 2
    )


def test_rows_of_a_hugging_face_file_have_no_names_that_could_be_people(tmp_path):
    picture = {"bytes": trees.face(tmp_path / "pictures/1.png").read_bytes(), "path": None}
    for name in ("train-0.parquet", "test-0.parquet"):
        rows = {"image": [picture] * 3, "label": ["happy", "sad", "sad"]}
        pd.DataFrame(rows).to_parquet(tmp_path / name)
    said = init(tmp_path, "--yes")
    assert said.exit_code == 0 and "No fer-meta.yaml is needed." in said.output, said.output


def test_settings_that_name_the_column_are_kept_and_added_to(tmp_path):
    trees.face(tmp_path / "1.png")
    (tmp_path / "manifest.csv").write_text("path,emotion,label\n1.png,Freude,3\n")
    assert "may both be the label" in str(init(tmp_path).exception)
    (tmp_path / "fer-meta.yaml").write_text("columns: {label: emotion}\n")
    said = init(tmp_path, answers=["happy", "y"])
    assert said.exit_code == 0 and scan(tmp_path)["label"].to_list() == ["happiness"], said.output


def test_the_command_it_prints_takes_the_name_that_it_gives(tmp_path):
    root = tmp_path / "my jaffe (faces)"
    trees.face(root / "hapy/1.png")
    trees.face(root / "sad/1.png")
    said = init(root, "--yes")
    assert f"Next: fer-meta data check my-jaffe-faces --data 'my-jaffe-faces={root}'" in said.output.replace(
        "\n", " "
    )
