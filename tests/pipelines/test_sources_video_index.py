"""The index of a film: built beside reading, kept on disk by content; and pictures that are kept for steps back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenescope.models import SourceError
from scenescope.pipelines.sources import _decoder, _timeline, code_marker, index_cache, video
from scenescope.pipelines.sources._fingerprint import content_fingerprint
from scenescope.pipelines.sources._picture_cache import Numbered, PictureCache, cache_bytes
from scenescope.pipelines.sources.frame_index import FrameIndex
from scenescope.pipelines.sources.index_cache import use_index_folder
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.sources.video_fakes import KINDS, numbered, write_video

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", 60, (320, 180), g="30", bf="2")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    use_index_folder(tmp_path / "made" / "indices")
    yield tmp_path / "made" / "indices"
    use_index_folder(None)


def indexed(path: Path, keep_bytes: int | None = None) -> VideoFile:
    source = VideoFile(path, keep_bytes=keep_bytes)
    source.open()
    assert source.build_index(lambda done: None, lambda: False)
    return source


@pytest.fixture
def surveys(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Counts how often a file is read through."""
    made: list[Path] = []
    survey = _timeline.survey

    def counting(*args):
        made.append(Path())
        return survey(*args)

    monkeypatch.setattr(video, "survey", counting)
    return made


# On disk


def test_a_file_is_read_through_once_wherever_it_lies(film: Path, folder: Path, tmp_path: Path, surveys: list) -> None:
    first = indexed(film)
    copy = shutil.copy(film, tmp_path / "elsewhere.mp4")
    second = indexed(Path(copy))
    assert len(surveys) == 1
    assert len(list(folder.iterdir())) == 1
    assert np.array_equal(first.frame_index.pts, second.frame_index.pts)
    assert np.array_equal(first.frame_index.is_key, second.frame_index.is_key)
    assert second.read_at(37).index == 37
    assert code_marker.read(second.read_at(41).image) == 41
    first.close()
    second.close()


@pytest.mark.parametrize("harm", ["empty", "cut", "noise", "other", "text", "missing part", "folder"])
def test_a_damaged_entry_is_made_again(film: Path, folder: Path, surveys: list, tmp_path: Path, harm: str) -> None:
    indexed(film).close()
    entry = next(folder.iterdir())
    data = entry.read_bytes()
    if harm == "folder":
        entry.unlink()
        entry.mkdir()
    elif harm == "other":
        indexed(write_video(tmp_path / "other.mkv", 9, (320, 180))).close()
        next(other for other in folder.iterdir() if other != entry).replace(entry)
    elif harm == "missing part":
        np.savez(entry.with_suffix(".npz"), pts=np.arange(3))
    else:
        noise = np.random.default_rng(1).bytes(len(data))
        entry.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "noise": noise, "text": b"hello"}[harm])
    surveys.clear()
    again = indexed(film)
    assert len(surveys) == 1
    assert len(again.frame_index) == 60
    assert again.read_at(59).index == 59
    again.close()
    surveys.clear()
    indexed(film).close()
    assert len(surveys) == (1 if harm == "folder" else 0), "the new entry is good"


def test_a_folder_that_cannot_be_written_only_keeps_nothing(film: Path, tmp_path: Path, surveys: list) -> None:
    (tmp_path / "file").write_text("no folder")
    use_index_folder(tmp_path / "file" / "below")
    try:
        indexed(film).close()
        indexed(film).close()
    finally:
        use_index_folder(None)
    assert len(surveys) == 2


def test_the_oldest_entries_give_way(film: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_cache, "MOST_FILES", 3)
    folder.mkdir(parents=True)
    for age in range(5):
        (folder / f"{age}.npz").write_bytes(b"")
    indexed(film).close()
    left = list(folder.iterdir())
    assert len(left) == 3
    assert any(entry.name.startswith(content_fingerprint(film)) for entry in left)


# Beside reading


def test_reading_goes_on_while_the_index_is_built_and_progress_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(_timeline, "TELL_EVERY_S", 0.0)
    source = VideoFile(write_video(tmp_path / "long.mkv", 160, (160, 90), g="30"))
    source.open()
    told: list[float] = []
    builder = threading.Thread(target=source.build_index, args=(told.append, lambda: False))
    assert source.frame_index is None
    builder.start()
    numbers = [frame.index for frame in source]
    builder.join()
    assert numbers == list(range(160))
    assert len(source.frame_index) == 160
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 2
    source.close()


def test_building_can_be_cancelled_and_interrupted(film: Path) -> None:
    source = VideoFile(film)
    with pytest.raises(SourceError, match=r"film.mp4 is not open"):
        source.build_index(lambda done: None, lambda: False)
    source.open()
    assert not source.build_index(lambda done: None, lambda: True)
    assert source.frame_index is None
    with pytest.raises(SourceError, match=r"film.mp4 is not indexed"):
        source.read_at(3)
    source.interrupt()
    assert not source.build_index(lambda done: None, lambda: False)
    source.close()
    assert source.frame_index is None


def test_a_stale_picture_is_given_up_at_once_and_the_next_one_is_right(film: Path) -> None:
    source = indexed(film)
    calls = []

    def stale() -> bool:
        calls.append(1)
        return len(calls) > 3

    assert source.read_at(55, stale) is None
    assert len(calls) <= 6, "asked for every packet"
    for number in (55, 10, 54):
        frame = source.read_at(number)
        assert (frame.index, code_marker.read(frame.image)) == (number, number)
    assert source.read().index == 55
    assert source.read_at(60) is None
    assert source.read_at(-1) is None
    source.close()


# Kept pictures


class DecodedPictures:
    """Counts what decoders give."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = _decoder.Decoder.next

        def counting(decoder, *args):
            picture = original(decoder, *args)
            self.count += picture is not None
            return picture

        monkeypatch.setattr(_decoder.Decoder, "next", counting)


def test_a_step_back_within_what_is_kept_decodes_nothing(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = indexed(film)
    source.read_at(50)
    decoded = DecodedPictures(monkeypatch)
    for number in range(49, 29, -1):
        assert source.read_at(number).index == number
    for number in range(31, 51):
        assert source.read().index == number
    assert decoded.count == 0
    source.close()


@pytest.mark.slow
@pytest.mark.parametrize("spare", [False, True])
def test_playing_backwards_decodes_a_long_group_about_twice(tmp_path: Path, monkeypatch, spare: bool) -> None:
    """With room for half of a group, as 384 MB have for 250 pictures of 1080p."""
    path = write_video(tmp_path / "long.mp4", 400, (320, 180), g="200", bf="2", sc_threshold="0")
    source = indexed(path, keep_bytes=100 * 320 * 180 * 3 // 2)
    decoded = DecodedPictures(monkeypatch)
    for number in range(399, -1, -1):
        frame = source.read_at(number)
        assert (frame.index, code_marker.read(frame.image)) == (number, number)
        if spare:
            polls = iter(range(8))
            source.prepare_before(number, lambda polls=polls: next(polls, None) is None)
    assert decoded.count <= 2.2 * 400, decoded.count
    source.close()


def test_the_cache_keeps_to_its_size_and_drops_what_is_furthest() -> None:
    def one(number: int) -> Numbered:
        return Numbered(number, number, av.VideoFrame(64, 64, "gray"))

    room = sum(plane.buffer_size for plane in one(0).picture.planes) * 10
    cache = PictureCache(room)
    for number in range(30):
        cache.put(one(number), number, False)
    assert [number for number in range(40) if number in cache] == list(range(20, 30))
    assert (len(cache), cache.capacity(), cache.run_below(30), cache.run_below(25), cache.run_below(20)) == (
        10,
        10,
        10,
        5,
        0,
    )
    for number in range(20):
        cache.put(one(number), 19, True)
    assert [number for number in range(40) if number in cache] == list(range(12, 22))
    tiny = PictureCache(1)
    tiny.put(one(3), 3, False)
    assert tiny.get(3) is None
    assert 0 < cache_bytes() <= 384 * 2**20


def test_a_run_without_a_window_keeps_nothing(film: Path) -> None:
    source = VideoFile(film, start_s=0.4)
    source.open()
    assert len(list(source)) == 50
    assert source._reader.cache is None
    source.close()


# Looks


@pytest.mark.parametrize(
    ("aspect", "size_wh"),
    [("4/3", (427, 180)), ("3/4", (320, 240)), ("1/1", (320, 180)), ("200/199", (320, 180)), ("50/1", (320, 180))],
)
def test_anamorphic_pictures_are_shown_with_square_pixels(tmp_path: Path, aspect: str, size_wh: tuple) -> None:
    path = write_video(tmp_path / "wide.mp4", 2, (320, 180), pixel_aspect=Fraction(aspect))
    source = VideoFile(path)
    assert source.open().size_wh == size_wh
    image = source.read().image
    assert image.shape[1::-1] == size_wh
    assert code_marker.read(image) == 0
    assert cv2.PSNR(cv2.resize(image, (320, 180)), numbered(0, 320, 180)) > 25
    source.close()


def test_numbers_times_and_key_frames_of_an_index() -> None:
    index = FrameIndex(np.array([0, 3, 7, 8, 20]), Fraction(1, 10), np.array([1, 0, 0, 1, 0], bool))
    assert [index.key_before(n) for n in range(5)] == [0, 0, 0, 3, 3]
    assert [index.key_after(n) for n in range(5)] == [3, 3, 3, 5, 5]
    assert index.key_numbers.tolist() == [0, 3]
    assert [index.index_at(t) for t in (0, 0.3, 0.31, 2.0, 2.1)] == [0, 1, 2, 4, 5]


def test_times_never_run_backwards_for_whoever_asks(tmp_path: Path) -> None:
    made = KINDS["spliced.ts"].make(tmp_path / "spliced.ts", 40)
    source = VideoFile(made.path)
    source.open()
    plain = [frame.pts_s for frame in source]
    source.close()
    again = indexed(made.path)
    assert plain == [again.frame_index.pts_s(number) for number in range(40)]
    assert np.diff(plain).min() > 0
    again.close()
