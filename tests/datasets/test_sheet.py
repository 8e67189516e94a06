"""Contact sheets: the right faces in the right places, for photographs and rendered faces, clips and single
images.
"""

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import fake_renderer, made_up, trees
from PIL import Image

from fer_meta.cli.data import data
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.contact_sheet import contact_sheet
from fer_meta.datasets.registry import spec_for
from fer_meta.datasets.synthetic import rendered
from fer_meta.errors import DatasetError


def run(*arguments):
    return CliRunner().invoke(data, ["sheet", *map(str, arguments)])


def load(name, root, size=32):
    return load_images(spec_for(name, root), root, size, progress=False)


def cells(sheet, faces, factor):
    """For each cell of the sheet that holds an image, its (y, x) and the row of the data set it shows, in
    reading order.
    """
    pixels, side = np.asarray(sheet), faces.images.shape[1] * factor
    enlarged = {
        np.repeat(np.repeat(image, factor, 0), factor, 1).tobytes(): row
        for row, image in enumerate(faces.images)
    }
    corners = {
        image[:factor, :factor].tobytes()
        for image in (np.repeat(np.repeat(i, factor, 0), factor, 1) for i in faces.images)
    }
    found = []
    for y in range(pixels.shape[0] - side + 1):
        for x in range(pixels.shape[1] - side + 1):
            if pixels[y : y + factor, x : x + factor].tobytes() in corners:
                row = enlarged.get(pixels[y : y + side, x : x + side].tobytes())
                if row is not None:
                    found.append((y, x, row))
    return found


def test_a_row_is_a_class_and_a_column_a_person(tmp_path):
    faces = load("day", made_up.draw_tree(tmp_path / "day", people=4, labels=("sadness", "happiness")))
    found = cells(contact_sheet(faces, people=3), faces, 3)
    index = faces.index
    assert len(found) == 2 * 3
    labels = [
        {index["label"][row] for y, _, row in found if y == line} for line in sorted({y for y, _, _ in found})
    ]
    people = [
        {index["subject"][row] for _, x, row in found if x == column}
        for column in sorted({x for _, x, _ in found})
    ]
    assert labels == [{"happiness"}, {"sadness"}] and [len(who) for who in people] == [1, 1, 1]


def test_where_people_are_unknown_the_columns_are_different_images(tmp_path):
    faces = load("fer2013", trees.fer2013_folders(tmp_path / "fer2013"), 12)
    rows = [row for _, _, row in cells(contact_sheet(faces, people=4), faces, 8)]
    assert len(rows) == len(set(rows)) == 7 * 4


def test_another_seed_shows_others_and_the_same_seed_the_same(tmp_path):
    faces = load("fer2013", trees.fer2013_folders(tmp_path / "fer2013"), 12)
    one, again, other = (contact_sheet(faces, people=3, seed=seed).tobytes() for seed in (0, 0, 1))
    assert one == again != other


def test_clips_are_strips_in_the_order_of_time(tmp_path):
    faces = load("afew", trees.afew(tmp_path / "afew"), 12)
    found = cells(contact_sheet(faces, people=2), faces, 8)
    strips = [[row for y, _, row in found if y == line] for line in sorted({y for y, _, _ in found})[7:]]
    assert len(strips) == 3 and all(faces.index["clip"][rows].nunique() == 1 for rows in strips)
    assert all(faces.index["frame"][rows].is_monotonic_increasing and len(rows) == 2 for rows in strips)


def test_the_command_writes_a_png_for_photographs(trees, tmp_path):
    result = run(
        "day", "--data", f"day={trees / 'day'}", "--size", 32, "--out", tmp_path / "sheets" / "day.png"
    )
    assert result.exit_code == 0 and str(tmp_path / "sheets/day.png") in result.output
    with Image.open(tmp_path / "sheets/day.png") as sheet:
        assert sheet.format == "PNG" and sheet.width > 10 * 96 and sheet.height > 5 * 96


@pytest.mark.parametrize(
    "name", ["synthetic-studio", "synthetic-wild@0.5", "synthetic-film", "synthetic-compound"]
)
def test_the_command_writes_a_png_for_what_it_renders_named_after_it(name, tmp_path, monkeypatch):
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    monkeypatch.chdir(tmp_path)
    assert run(name, "--size", 16, "--people", 4).exit_code == 0
    assert (tmp_path / f"{name}.png").is_file()


def test_a_sheet_that_cannot_be_written_says_so(trees, tmp_path):
    (tmp_path / "file").touch()
    given = ("day", "--data", f"day={trees / 'day'}", "--size", 32)
    result = run(*given, "--out", tmp_path / "file" / "day.png")
    assert isinstance(result.exception, DatasetError) and "cannot be written" in str(result.exception)
    assert "does not end in .png" in run(*given, "--out", tmp_path / "day.jpg").output
