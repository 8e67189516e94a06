"""`fer-meta data prepare`: what it writes, what loaders read of it, how it goes on, and what it refuses."""

import csv
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.films import beside, grey, rendered_clip, shrunk, write_film
from PIL import Image

from fer_meta.cli.main import main
from fer_meta.datasets.registry import spec_for
from fer_meta.video import prepare as module
from fer_meta.video.align import TEMPLATE
from fer_meta.video.faces import DETECTORS, load_detector, usual_detector

pytest.importorskip("av")


def run(*words, jobs=1):
    return CliRunner().invoke(main, ["data", "prepare", *map(str, words), "--jobs", str(jobs)])


def done(*words, jobs=1):
    result = run(*words, jobs=jobs)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*words, status=2):
    """The one line that says why there is nothing."""
    result = run(*words)
    assert result.exit_code == status, result.output
    (line,) = result.output.strip().splitlines()
    return line


def missing(folder):
    with (folder / "not-found.csv").open(newline="") as file:
        return [(row["path"], row["frame"], row["reason"]) for row in csv.DictReader(file)]


def files(folder):
    """Path -> bytes of all that is not hidden."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def is_same_face(one, other):
    """Whether two faces are of one picture: a neighbour in it moves landmarks by a pixel at most."""
    difference = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    return np.abs(difference).mean() < 8


@pytest.fixture(scope="module")
def afew(tmp_path_factory):
    """Two clips of one rendered face in AFEW's tree, and one with no face."""
    root = tmp_path_factory.mktemp("films") / "AFEW"
    write_film(root / "Train_AFEW/Happy/000000001.avi", rendered_clip(0))
    write_film(root / "Val_AFEW/Sad/000000002.avi", rendered_clip(1))
    write_film(root / "Val_AFEW/Fear/000000003.avi", [grey(30, 160, 160)] * 3)
    return root


@pytest.fixture(scope="module")
def prepared(afew):
    folder = afew.parent / "faces"
    assert "3 clips, 11 frames, 8 faces (72.7%)" in done(afew, folder)
    return folder


def test_the_loader_of_afew_reads_what_was_made_of_its_films(prepared):
    index = spec_for("afew", prepared).scan(prepared)
    assert sorted(set(zip(index["split"], index["label"], index["clip"]))) == [
        ("test", "sadness", "test/sadness/000000002"),
        ("train", "happiness", "train/happiness/000000001"),
    ]
    assert index["frame"].tolist() == [0, 1, 2, 3] * 2
    assert not (prepared / "fer-meta.yaml").exists()


def test_eyes_nose_and_mouth_are_at_the_same_places_in_every_face(prepared):
    find = load_detector(usual_detector())
    for path in prepared.rglob("*.jpg"):
        face = np.asarray(Image.open(path))
        assert face.shape == (112, 112, 3)
        (found,) = find(face)
        assert np.hypot(*(found.landmarks - TEMPLATE).T).mean() < 6, path


def test_what_was_not_found_is_listed_with_the_reason(prepared):
    assert missing(prepared) == [("Val_AFEW/Fear/000000003.avi", "", "no face found")]


@pytest.mark.parametrize("detector", DETECTORS)
def test_each_detector_gives_the_landmarks_in_the_order_of_the_template(detector):
    if detector == "yuface":
        pytest.importorskip("yuface")
    (face,) = load_detector(detector)(rendered_clip(0)[0])
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0] and left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    x, y, width, height = face.box
    assert all(x < u < x + width and y < v < y + height for u, v in face.landmarks)


def test_the_folder_loader_knows_the_clips_of_any_other_tree(tmp_path):
    write_film(tmp_path / "src/train/happy/anna.mp4", rendered_clip(0))
    write_film(tmp_path / "src/test/sad/anna.mp4", rendered_clip(1))
    output = done(tmp_path / "src", tmp_path / "mine", "--fps", 12.5, "--size", 64)
    assert f"Next: fer-meta data check mine --data mine={tmp_path / 'mine'}" in output
    index = spec_for("mine", tmp_path / "mine").scan(tmp_path / "mine")
    assert sorted(set(zip(index["label"], index["clip"]))) == [
        ("happiness", "train/happy/anna"),
        ("sadness", "test/sad/anna"),
    ]
    assert [path.rpartition("/")[2] for path in index["path"]] == ["000000.jpg", "000001.jpg"] * 2
    assert Image.open(tmp_path / "mine" / index["path"][0]).size == (64, 64)


def test_of_two_people_only_the_larger_is_in_the_clip(tmp_path):
    alone, other = rendered_clip(0), shrunk(rendered_clip(1))
    write_film(tmp_path / "src/happy/two.avi", beside(other, alone), codec="png")
    write_film(tmp_path / "src/happy/one.avi", beside(np.full_like(other, 90), alone), codec="png")
    done(tmp_path / "src", tmp_path / "dst")
    for frame in range(len(alone)):
        two, one = (Image.open(tmp_path / f"dst/happy/{name}/{frame:06d}.jpg") for name in ("two", "one"))
        assert is_same_face(two, one)


def test_of_a_photograph_the_largest_face_keeps_the_name(tmp_path):
    alone, other = rendered_clip(0)[:1], shrunk(rendered_clip(1)[:1])
    for name, left in (("two.png", other), ("one.png", np.full_like(other, 90))):
        (tmp_path / "src/train/happy").mkdir(parents=True, exist_ok=True)
        Image.fromarray(beside(left, alone)[0]).save(tmp_path / "src/train/happy" / name)
    (tmp_path / "src/train/happy/damaged.jpg").write_bytes(b"no picture")
    output = done(tmp_path / "src", tmp_path / "dst")
    assert "3 photographs, 2 faces (66.7%)" in output
    two, one = (Image.open(tmp_path / f"dst/train/happy/{name}.png") for name in ("two", "one"))
    assert is_same_face(two, one) and two.size == (112, 112)
    assert missing(tmp_path / "dst") == [("train/happy/damaged.jpg", "", "not an image")]


def test_films_that_are_none_are_listed_and_the_others_are_made(tmp_path):
    write_film(tmp_path / "src/happy/good.avi", rendered_clip(0))
    (tmp_path / "src/happy/bad.mp4").write_bytes(b"no film")
    Image.fromarray(grey(9)).save(tmp_path / "src/happy/poster.png")
    output = done(tmp_path / "src", tmp_path / "dst")
    assert "Left out 1 photographs that are among the films" in output
    ((path, frame, reason),) = missing(tmp_path / "dst")
    assert (path, frame) == ("happy/bad.mp4", "") and reason.startswith("not readable as a film")


def test_frames_in_which_the_face_is_hidden_are_listed_by_number(tmp_path):
    hidden = rendered_clip(0).copy()
    hidden[2] = grey(90, 160, 160)
    write_film(tmp_path / "src/happy/film.avi", hidden)
    done(tmp_path / "src", tmp_path / "dst")
    # a picture of one grey is another shot, so that the last frame is not followed either
    assert [row[1:] for row in missing(tmp_path / "dst")] == [
        ("2", "no face found"),
        ("3", "only faces that are not the clip's main one"),
    ]


# --- going on -----------------------------------------------------------------------------------------------


def test_a_second_run_makes_nothing_again(afew, prepared, monkeypatch):
    before = files(prepared)
    monkeypatch.setattr(module, "prepare_film", None)
    assert "3 clips, 11 frames, 8 faces" in done(afew, prepared)
    assert files(prepared) == before


def test_two_processes_make_the_same_as_one(afew, prepared, tmp_path):
    done(afew, tmp_path / "dst", jobs=2)
    ours, theirs = files(tmp_path / "dst"), files(prepared)
    # the journal has the films in the order in which they were finished
    lines = [sorted(one.pop("prepared.jsonl").splitlines()) for one in (ours, theirs)]
    assert lines[0] == lines[1] and ours == theirs


def test_a_killed_run_leaves_no_half_written_clip_and_the_same_command_goes_on(afew, prepared, tmp_path):
    folder = tmp_path / "dst"
    shutil.copytree(prepared, folder)
    journal = (folder / "prepared.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "prepared.jsonl").write_bytes(b"".join(journal[:2]) + journal[2][:20])  # torn
    (folder / ".building-0").mkdir()  # what was being written
    (folder / ".building-0/000000.jpg").write_bytes(b"half")
    (folder / "not-found.csv").unlink()
    done(afew, folder)
    assert files(folder).keys() == files(prepared).keys()
    assert not list(folder.glob(".building-*"))
    assert sorted((folder / "prepared.jsonl").read_bytes().splitlines()) == sorted(
        line.strip() for line in journal
    )


def test_an_interrupted_film_is_not_there(afew, tmp_path, monkeypatch):
    monkeypatch.setattr("fer_meta.video.clips._save", interrupted)
    assert run(afew, tmp_path / "dst").exit_code == 130
    assert not list((tmp_path / "dst").rglob("[!.]*.jpg"))
    monkeypatch.undo()
    done(afew, tmp_path / "dst")


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_film_that_changed_or_whose_faces_are_gone_is_made_again(tmp_path):
    film = write_film(tmp_path / "src/happy/film.avi", rendered_clip(0)[:1])
    write_film(tmp_path / "src/happy/other.avi", rendered_clip(1)[:2])
    done(tmp_path / "src", tmp_path / "dst")
    whole = files(tmp_path / "dst/happy")
    shutil.rmtree(tmp_path / "dst/happy/other")
    write_film(film, rendered_clip(0))
    done(tmp_path / "src", tmp_path / "dst")
    again = files(tmp_path / "dst/happy")
    assert len(again) == 6 and again["other/000001.jpg"] == whole["other/000001.jpg"]


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--size", 64], "was made with size 112, and this run has 64"),
        (["--fps", 5], "was made with fps of the film, and this run has 5.0"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(afew, prepared, words, line):
    assert line in refused(afew, prepared, *words)


def test_a_folder_that_holds_something_else_is_refused_and_left_as_it_is(afew, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert "is not empty, and not from `data prepare`" in refused(afew, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_journal_is_named_with_its_line(afew, prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "dst")
    lines = (tmp_path / "dst/prepared.jsonl").read_text().splitlines()
    (tmp_path / "dst/prepared.jsonl").write_text("\n".join([lines[0], "{", *lines[2:]]) + "\n")
    assert "prepared.jsonl: line 2 is damaged" in refused(afew, tmp_path / "dst")


def test_faces_are_not_written_among_the_films(afew):
    assert "is inside the folder of the films" in refused(afew, afew / "faces")


def test_films_whose_faces_would_go_into_one_folder_are_refused(tmp_path):
    for name in ("clip.avi", "clip.mp4"):
        (tmp_path / "src/happy").mkdir(parents=True, exist_ok=True)
        (tmp_path / "src/happy" / name).touch()
    assert "would go into one folder" in refused(tmp_path / "src", tmp_path / "dst")
    (tmp_path / "src/happy/clip.mp4").unlink()
    (tmp_path / "src/happy/clip").mkdir()
    (tmp_path / "src/happy/clip/part.avi").touch()
    assert "move one" in refused(tmp_path / "src", tmp_path / "dst")


def test_a_folder_without_films_and_photographs_is_refused(tmp_path):
    assert "no such folder" in refused(tmp_path / "gone", tmp_path / "dst")
    (tmp_path / "src").mkdir()
    assert "neither films" in refused(tmp_path / "src", tmp_path / "dst")


def test_films_without_any_face_are_an_error(tmp_path):
    write_film(tmp_path / "src/happy/film.avi", [grey(30)] * 3)
    assert "no face in any of 1 files" in refused(tmp_path / "src", tmp_path / "dst")


@pytest.mark.parametrize(("detector", "package"), [("yuface", "yuface"), ("mtcnn", "cv2")])
def test_a_detector_that_is_not_installed_is_named_with_what_to_do(
    afew, tmp_path, monkeypatch, detector, package
):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    line = refused(afew, tmp_path / "dst", "--detector", detector)
    assert f"the detector {detector} cannot be loaded" in line and "fer-meta[video]" in line
    assert not (tmp_path / "dst").exists()


def test_without_yuface_the_other_detector_is_taken(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yuface", None)
    assert usual_detector() == "mtcnn"
