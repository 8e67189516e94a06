"""Tables beside folders and patterns: whatever says who is on an image or in which split it is, is heard."""

import unicodedata

import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import trees

from fer_meta.cli.main import main
from fer_meta.datasets.registry import own_name, spec_for
from fer_meta.datasets.show import other_lines
from fer_meta.errors import DatasetError

WORDS = ("happy", "sad", "angry")


def scan(root):
    return spec_for("mine", root).scan(root)


def table(root, columns=("path", "label"), splits=(), name="manifest.csv"):
    """Six images of three people, in folders of splits if there are some, and their table; a column may come
    twice.
    """
    rows = []
    for number in range(6):
        folder = f"{splits[number % len(splits)]}/" if splits else ""
        path = f"{folder}p{number % 3}_{number}.png"
        trees.face(root / path)
        cells = {"path": path, "split": "", "subject": f"s{number}"}
        rows.append([cells.get(one.casefold(), WORDS[number % 3]) for one in columns])
    lines = [",".join(map(str, row)) for row in [columns, *rows]]
    (root / name).write_text("\n".join(lines))
    return root


def settings(root, text):
    (root / "fer-meta.yaml").write_text(text)
    return root


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("path", "emotion", "expression"), "the columns 'emotion' and 'expression' may both be the label"),
        (("path", "label", "Label"), "the columns 'label' and 'Label' may both be the label"),
        (("path", "label", "subject", "person"), "columns 'subject' and 'person' may both be the subject"),
        (("path", "label", "label"), "the column 'label' is there twice"),
        (("path", "feeling"), "has no column 'label', only path, feeling; say in .*columns: {label: path}"),
    ],
)
def test_a_column_is_never_picked_where_two_may_be_meant(tmp_path, columns, said):
    with pytest.raises(DatasetError, match=said):
        scan(table(tmp_path, columns))


def test_fer_meta_yaml_says_which_column_holds_what(tmp_path):
    settings(table(tmp_path, ("path", "emotion", "feeling")), "columns: {label: feeling}")
    assert sorted(set(scan(tmp_path)["label"])) == ["anger", "happiness", "sadness"]
    settings(tmp_path, "columns: {label: mood}")
    with pytest.raises(
        DatasetError, match="manifest.csv: has no column 'mood', only path, emotion, feeling; say in"
    ):
        scan(tmp_path)
    settings(tmp_path, "columns: {labels: emotion}")
    with pytest.raises(DatasetError, match="unknown key 'labels'; known are path, label"):
        scan(tmp_path)


def test_patterns_find_in_a_tables_paths_what_the_table_does_not_say(tmp_path):
    settings(table(tmp_path), "subject: '(p[0-9])_'\nsplit: '_([0-9])[.]'\n")
    with pytest.raises(DatasetError, match="line 2: '0' is no split; known are train, val, test"):
        scan(tmp_path)
    settings(tmp_path, "subject: '(p[0-9])_'\nframe: '_([0-9])[.]'\n")
    index = scan(tmp_path)
    assert set(index["subject"]) == {"p0", "p1", "p2"} and index["frame"].to_list() == [0, 1, 2, 3, 4, 5]
    settings(tmp_path, "subject: '(who)_'\n")
    with pytest.raises(DatasetError, match="'subject' matches none of 6 paths, such as 'p0_0.png'"):
        scan(tmp_path)


def test_a_column_comes_before_a_pattern(tmp_path):
    settings(table(tmp_path, ("path", "label", "subject")), "subject: '(p[0-9])_'")
    assert set(scan(tmp_path)["subject"]) == {f"s{number}" for number in range(6)}


def test_a_label_is_a_column_or_a_pattern_and_not_both(tmp_path):
    settings(table(tmp_path), "label: '(p[0-9])_'")
    with pytest.raises(DatasetError, match="'label' is a pattern, and the column 'label' of manifest.csv"):
        scan(tmp_path)
    settings(
        table(tmp_path, ("path", "subject")), "label: '(p[0-9])_'\nlabels: {p0: sad, p1: happy, p2: skip}"
    )
    assert scan(tmp_path)["label"].to_list() == ["sadness", "happiness"] * 2


def test_folders_of_splits_count_where_a_table_names_none(tmp_path):
    assert scan(table(tmp_path, splits=("train", "test")))["split"].to_list() == ["train", "test"] * 3


def test_a_cell_comes_before_a_folder_and_a_folder_before_nothing(tmp_path):
    table(tmp_path, splits=("train", "test"))
    (tmp_path / "manifest.csv").write_text("path,label,split\ntrain/p0_0.png,sad,\ntest/p1_1.png,sad,val\n")
    assert scan(tmp_path)["split"].to_list() == ["train", "val"]
    for folder in ("train", "test"):
        (tmp_path / folder / "metadata.csv").write_text(
            f"file_name,label{',split' * (folder == 'test')}\n"
            f"{'p0_0' if folder == 'train' else 'p1_1'}.png,sad{',test' * (folder == 'test')}\n"
        )
    (tmp_path / "manifest.csv").unlink()
    assert scan(tmp_path)["split"].to_list() == ["test", "train"]


def test_an_image_outside_of_the_folders_of_splits_is_asked_about(tmp_path):
    table(tmp_path, splits=("train", "test"))
    trees.face(tmp_path / "extra.png")
    with (tmp_path / "manifest.csv").open("a") as file:
        file.write("\nextra.png,sad\n")
    with pytest.raises(
        DatasetError, match="'extra.png' is in no folder of a split, and other .* .in test, train."
    ):
        scan(tmp_path)


def test_a_person_may_be_called_like_a_split(tmp_path):
    index = scan(table(tmp_path, splits=("Val", "Anna", "Ben")))
    assert index["split"].isna().all()


def test_columns_that_mean_nothing_here_may_come_twice(tmp_path):
    assert len(scan(table(tmp_path, ("path", "label", "x", "y", "x", "y")))) == 6


def test_a_column_that_fer_meta_yaml_names_is_there_once(tmp_path):
    settings(table(tmp_path, ("path", "feeling", "feeling")), "columns: {label: feeling}")
    with pytest.raises(DatasetError, match="the column 'feeling' is there twice; rename one of them"):
        scan(tmp_path)


@pytest.mark.parametrize("asked", [("check", "mine", "--data"), ("list", "mine", "--data")])
def test_a_misspelt_column_is_among_those_that_are_not_read(tmp_path, asked):
    settings(table(tmp_path, ("path", "feeling", "subjct", "age")), "columns: {label: feeling}")
    shown = CliRunner().invoke(main, ["data", *asked, f"mine={tmp_path}"]).output
    assert "columns   path, label (feeling); not read: subjct, age" in shown


def test_init_says_what_it_does_not_read_of_a_table(tmp_path):
    root = table(tmp_path, ("path", "label", "age"))
    shown = CliRunner().invoke(main, ["data", "init", str(root)], input="y\ny\n").output
    assert "columns   path, label; not read: age" in shown


def test_the_name_that_hugging_face_prescribes_wins_in_its_own_table(tmp_path):
    table(tmp_path, ("path", "label"))
    (tmp_path / "manifest.csv").unlink()
    (tmp_path / "metadata.csv").write_text("file_name,image,label\np0_0.png,17,sad\n")
    assert scan(tmp_path)["path"].to_list() == ["p0_0.png"]


def test_a_column_of_fer_meta_yaml_may_be_in_one_table_and_not_in_another(tmp_path):
    for folder, header, end in (("train", "file_name,label,who", ",ann"), ("test", "file_name,label", "")):
        trees.face(tmp_path / folder / "1.png")
        (tmp_path / folder / "metadata.csv").write_text(f"{header}\n1.png,sad{end}\n")
    settings(tmp_path, "columns: {subject: who}")
    assert scan(tmp_path)["subject"].fillna("").to_list() == ["", "ann"]
    settings(tmp_path, "columns: {subject: whom}")
    with pytest.raises(DatasetError, match="'columns': no table has a column 'whom'; correct it"):
        scan(tmp_path)


def test_a_key_that_only_a_later_line_has_is_heard(tmp_path):
    table(tmp_path)
    (tmp_path / "manifest.csv").unlink()
    rows = ['{"path": "p0_0.png", "label": "sad"}', '{"path": "p1_1.png", "label": "sad", "subject": "ann"}']
    (tmp_path / "manifest.jsonl").write_text("\n".join(rows))
    assert scan(tmp_path)["subject"].fillna("").to_list() == ["", "ann"]
    (tmp_path / "manifest.jsonl").write_text('{"path": "p0_0.png", "label": "sad", "label": "happy"}')
    with pytest.raises(DatasetError, match="line 1: the key 'label' is there twice; keep one"):
        scan(tmp_path)
    (tmp_path / "manifest.jsonl").write_text('{"path": "\\ud800.png", "label": "sad"}')
    with pytest.raises(DatasetError, match="is no name of a file"):
        scan(tmp_path)


def test_rows_without_a_label_can_be_left_out(tmp_path):
    settings(table(tmp_path), "labels: {'': skip}")
    (tmp_path / "manifest.csv").write_text("path,label\np0_0.png,sad\np1_1.png,\n")
    assert scan(tmp_path)["path"].to_list() == ["p0_0.png"]


@pytest.mark.parametrize("manifest", ["../list.csv", "/list.csv"])
def test_a_table_outside_of_the_folder_is_refused(tmp_path, manifest):
    settings(table(tmp_path), f"manifest: {manifest}")
    with pytest.raises(DatasetError, match="'manifest' is outside of the folder; copy the table there"):
        scan(tmp_path)


def test_columns_of_a_table_that_is_not_there_are_refused(tmp_path):
    trees.face(tmp_path / "happy/1.png")
    settings(tmp_path, "columns: {label: emotion}")
    with pytest.raises(DatasetError, match="'columns' is of a table, and none is here"):
        scan(tmp_path)


def test_the_table_that_is_read_is_none_of_the_other_files(tmp_path):
    (table(tmp_path) / "notes.txt").write_text("mine")
    lines = other_lines(spec_for("mine", tmp_path), tmp_path, scan(tmp_path))
    assert lines[1:] == ["  others    1 .txt, first notes.txt"]


def test_a_person_of_both_forms_of_unicode_is_one_person(tmp_path):
    table(tmp_path)
    names = [unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD")]
    rows = "".join(f"p{number}_{number}.png,sad,{name}\n" for number, name in enumerate(names))
    (tmp_path / "manifest.csv").write_text(f"path,label,subject\n{rows}")
    assert scan(tmp_path)["subject"].nunique() == 1


def test_a_huge_number_of_a_frame_is_one_line(tmp_path):
    settings(table(tmp_path), "frame: '_([0-9]+)[.]'")
    trees.face(tmp_path / f"p_{'9' * 25}.png")
    (tmp_path / "manifest.csv").write_text(f"path,label\np_{'9' * 25}.png,sad\n")
    with pytest.raises(DatasetError, match="is no number of a frame"):
        scan(tmp_path)


def test_an_image_without_a_label_is_named(tmp_path):
    table(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,label\np0_0.png,\n")
    with pytest.raises(
        DatasetError, match="manifest.csv: line 2: has no label; fill it in, or leave such rows out by"
    ):
        scan(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,label\n")
    with pytest.raises(DatasetError, match="its tables list no image; expected a table with the columns"):
        scan(tmp_path)


def test_all_unknown_words_are_named_at_once(tmp_path):
    table(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,label\np0_0.png,Freude\np1_1.png,Wut\np2_2.png,sad\n")
    with pytest.raises(
        DatasetError, match="line 2: 'Freude' is not a known expression; nor known: 'Wut'; write"
    ):
        scan(tmp_path)
    for word in ("Freude", "Wut", "NE"):
        trees.face(tmp_path / "folders" / word / "1.png")
    with pytest.raises(
        DatasetError, match="not a known expression; nor known: '.*', '.*'; write .*labels of your own"
    ):
        scan(tmp_path / "folders")


def test_a_path_may_be_absolute_if_it_lies_in_the_folder(tmp_path):
    table(tmp_path)
    (tmp_path / "manifest.csv").write_text(f"path,label\n{tmp_path}/p0_0.png,sad\n")
    assert scan(tmp_path)["path"].to_list() == ["p0_0.png"]
    for path in ("/elsewhere/p0_0.png", f"{tmp_path}/../p0_0.png", f"{tmp_path}/"):
        (tmp_path / "manifest.csv").write_text(f"path,label\n{path},sad\n")
        with pytest.raises(DatasetError, match=f"'{path}' is not below .*; write it relative"):
            scan(tmp_path)


@pytest.mark.parametrize(("on_disk", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_accents_are_the_same_in_both_forms_of_unicode(tmp_path, on_disk, written):
    def form(which, text):
        return unicodedata.normalize(which, text)

    trees.face(tmp_path / "folders" / form(on_disk, "Ärger") / "1.png")
    settings(tmp_path / "folders", f"labels: {{{form(written, 'Ärger')}: angry}}")
    assert scan(tmp_path / "folders")["label"].to_list() == ["anger"]
    trees.face(tmp_path / "listed" / form(on_disk, "Müller.png"))
    rows = pd.DataFrame({"path": [form(written, "Müller.png")], "label": ["sad"]})
    rows.to_csv(tmp_path / "listed/manifest.csv", index=False)
    [path] = scan(tmp_path / "listed")["path"]
    assert (tmp_path / "listed" / path).is_file()


@pytest.mark.parametrize("folder", ["img", ""])
def test_a_table_of_another_name_is_pointed_at(tmp_path, folder):
    table(tmp_path, name="labels.csv")
    if folder:
        (tmp_path / folder).mkdir()
        for image in tmp_path.glob("*.png"):
            image.rename(tmp_path / folder / image.name)
    with pytest.raises(
        DatasetError, match=r"if labels.csv lists the images, write manifest: labels.csv in .*yaml"
    ):
        scan(tmp_path)


def test_people_around_words_that_nobody_knows_are_not_taken_for_labels(tmp_path):
    for person in range(8):
        for word in ("Freude", "Wut"):
            trees.face(tmp_path / f"S{person:03}" / word / "1.png")
    with pytest.raises(DatasetError, match="8 folders .* are around the labels .* if they are people"):
        scan(tmp_path)
    settings(tmp_path, "subject: '^([^/]+)/'")
    with pytest.raises(DatasetError, match="'Freude' is not a known expression"):
        scan(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vocabulary: [0, 1, 2]", "'vocabulary' has 0, which is no text; put it in quotes"),
        ("vocabulary: [no, mild]", "'vocabulary' has False, which is no text; put it in quotes"),
        ("labels: {a: sad}\nlabels: {b: happy}", "the key 'labels' is there twice; keep one"),
        ("labels: {a: sad, a: happy}", "the key 'a' is there twice; keep one"),
        ('subject: "(\\w+)_"', "not readable as YAML .*; put patterns in single quotes"),
    ],
)
def test_what_yaml_would_change_in_silence_is_refused(tmp_path, text, said):
    with pytest.raises(DatasetError, match=said):
        scan(settings(table(tmp_path), text))


def test_a_settings_file_of_the_other_ending_is_not_overlooked(tmp_path):
    table(tmp_path)
    (tmp_path / "fer-meta.yml").write_text("labels: {happy: skip}")
    with pytest.raises(
        DatasetError, match="fer-meta.yml: is not read under this name; rename it to fer-meta.yaml"
    ):
        scan(tmp_path)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("faces", "faces"),
        ("my faces", "my-faces"),
        ("Gesichter (ä) [2024]", "Gesichter-2024"),
        ("FER2013", "my-FER2013"),
        ("jaffe", "my-jaffe"),
        ("synthetic-wild", "my-synthetic-wild"),
        ("怒り", "my-faces"),
    ],
)
def test_a_folder_gets_a_name_that_a_command_takes(tmp_path, folder, name):
    assert own_name(tmp_path / folder) == name
