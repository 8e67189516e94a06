"""Which frames of a film are read: their numbers, times and shapes, and films that are none."""

from fractions import Fraction

import numpy as np
import pytest
from helpers.films import RATE, grey, turned, write_film

from fer_meta.errors import DatasetError, FerMetaError, ImageError
from fer_meta.video.frames import read_frames

pytest.importorskip("av")

LEVELS = range(10, 250, 20)


@pytest.mark.parametrize("name", ["film.avi", "film.mp4", "film.mkv"])
def test_without_a_rate_all_frames_come_in_their_order(tmp_path, name):
    film = write_film(tmp_path / name, map(grey, LEVELS))
    frames = list(read_frames(film))
    assert [frame.number for frame in frames] == list(range(len(LEVELS)))
    assert np.allclose([frame.pixels.mean() for frame in frames], LEVELS, atol=4)
    assert np.allclose([frame.time for frame in frames], np.arange(len(LEVELS)) / RATE, atol=0.002)


def test_frame_n_is_shown_n_rate_parts_of_a_second_after_the_start(tmp_path):
    film = write_film(tmp_path / "film.avi", map(grey, LEVELS))
    frames = list(read_frames(film, fps=5))
    assert [frame.number for frame in frames] == [0, 1, 2]
    assert np.allclose([frame.pixels.mean() for frame in frames], [LEVELS[0], LEVELS[5], LEVELS[10]], atol=4)


def test_the_times_of_a_film_without_a_steady_rate_count_and_not_the_number_of_frames(tmp_path):
    times = [0, 0.04, 0.08, 1.0, 1.04, 1.08, 1.5]
    film = write_film(tmp_path / "film.mkv", map(grey, LEVELS[: len(times)]), times)
    frames = list(read_frames(film, fps=2))
    assert [(frame.number, round(frame.time, 2)) for frame in frames] == [(0, 0), (2, 1), (3, 1.5)]
    assert np.allclose([frame.pixels.mean() for frame in frames], [LEVELS[0], LEVELS[3], LEVELS[6]], atol=4)


def test_no_frame_is_given_twice_and_none_is_lost_where_the_rate_is_the_films_or_higher(tmp_path):
    # a container that counts milliseconds rounds the times of 29.97 frames a second
    rate = 30000 / 1001
    film = write_film(tmp_path / "film.mkv", map(grey, LEVELS), [n / rate for n in range(len(LEVELS))])
    assert [frame.number for frame in read_frames(film, fps=rate)] == list(range(len(LEVELS)))
    numbers = [frame.number for frame in read_frames(film, fps=100)]
    assert len(set(numbers)) == len(LEVELS)


@pytest.mark.parametrize("clockwise", [True, False])
def test_a_film_of_a_telephone_is_turned_upright(tmp_path, clockwise):
    picture = grey(10)
    picture[:24] = 200  # bright above
    film = turned(write_film(tmp_path / "film.mp4", [picture] * 3), clockwise)
    for frame in read_frames(film):
        assert frame.pixels.shape == (64, 48, 3)
        bright = frame.pixels[:, -8:] if clockwise else frame.pixels[:, :8]
        assert bright.mean() > 150


@pytest.mark.parametrize(("aspect", "shape"), [(Fraction(2), (48, 128, 3)), (Fraction(1, 2), (96, 64, 3))])
def test_pixels_that_are_not_square_are_made_square(tmp_path, aspect, shape):
    film = write_film(tmp_path / "film.mp4", map(grey, LEVELS), aspect=aspect)
    assert next(read_frames(film)).pixels.shape == shape


def test_the_frames_before_and_after_a_damaged_part_are_read_and_the_damage_is_named(tmp_path):
    film = write_film(tmp_path / "film.avi", map(grey, LEVELS), codec="png")
    data = bytearray(film.read_bytes())
    at = [at for at in range(len(data)) if data.startswith(b"00dc", at)][5]
    data[at + 8 : at + 40] = bytes(32)
    film.write_bytes(data)
    seen = []
    with pytest.raises(ImageError, match="1 of its packets are damaged"):
        for frame in read_frames(film):
            seen.append(round(frame.pixels.mean()))
    assert seen[:3] == list(LEVELS[:3]) and seen[-3:] == list(LEVELS[-3:])
    assert len(LEVELS) - 3 < len(seen) < len(LEVELS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no film",
        b"#EXTM3U\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile other.avi\n",
    ],
    ids=["empty", "text", "playlist", "list of files"],
)
def test_what_is_no_film_is_named_so(tmp_path, content):
    write_film(tmp_path / "other.avi", map(grey, LEVELS))
    (tmp_path / "film.avi").write_bytes(content)
    with pytest.raises(ImageError, match="not readable as a film"):
        list(read_frames(tmp_path / "film.avi"))


def test_a_film_that_the_disk_does_not_give_is_no_damaged_film(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        list(read_frames(tmp_path / "gone.avi"))


def test_without_pyav_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(FerMetaError, match=r"pip install 'fer-meta\[video\]'"):
        list(read_frames(tmp_path / "film.avi"))
