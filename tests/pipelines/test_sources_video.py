from __future__ import annotations

import os
import shutil
import subprocess
import threading
import wave
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenescope.models import SourceError
from scenescope.pipelines.sources import code_marker
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.sources.video_fakes import numbered, write_video

# Many processes, files or windows: not part of the quick loop.
pytestmark = pytest.mark.slow

UNEVEN_MS = [0, 40, 45, 120, 121, 300, 333, 500, 507, 1200, *range(1300, 1300 + 30 * 33, 33)]

KINDS: dict[str, Callable[[Path], Path]] = {
    "b_frames.mp4": lambda path: write_video(path, g="15", bf="3"),
    "open_gop.mp4": lambda path: write_video(path, g="12", bf="3", **{"x264-params": "open-gop=1"}),
    "one_key_frame.mp4": lambda path: write_video(path, g="250", bf="2"),
    "uneven.mp4": lambda path: write_video(path, times_ms=UNEVEN_MS, g="10"),
    "uneven.mkv": lambda path: write_video(path, times_ms=UNEVEN_MS, g="10", bf="2"),
    "mpeg4.avi": lambda path: write_video(path, codec="mpeg4", g="10", b="4000000"),
    "mpeg4.mp4": lambda path: write_video(path, codec="mpeg4", g="10", b="4000000"),
    "transport.ts": lambda path: write_video(path, g="12", bf="2"),
    "odd.mkv": lambda path: write_video(path, size_wh=(401, 301), pix_fmt="yuv444p", g="10"),
    "ten_bit.mkv": lambda path: write_video(path, pix_fmt="yuv420p10le", g="10"),
    "late_start.mkv": lambda path: write_video(path, times_ms=range(5000, 6600, 40), g="10", bf="2"),
    "fragmented.mp4": lambda path: write_video(
        path, g="10", bf="2", container_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "bare.h264": lambda path: write_video(path, g="10", bf="2"),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_once_and_exact_seeks(tmp_path: Path, name: str) -> None:
    source = VideoFile(KINDS[name](tmp_path / name))
    info = source.open()
    frames = list(source)
    assert [code_marker.read(frame.image) for frame in frames] == list(range(40))
    assert [frame.index for frame in frames] == list(range(40))
    assert info.frame_count in (None, 40)
    assert info.size_wh == frames[0].size_wh == ((401, 301) if name == "odd.mkv" else (400, 300))
    times_ms = UNEVEN_MS if name.startswith("uneven") else [40 * number for number in range(40)]
    tolerance = 1.1e-3 if name.endswith((".mkv", ".ts")) else 1e-6
    assert [frame.pts_s for frame in frames] == pytest.approx([t / 1000 for t in times_ms], abs=tolerance)
    assert all(float(round(f.pts_s / source.time_base) * source.time_base) == f.pts_s for f in frames)

    for index in (0, 39, 1, 38, 20, 21, 22, 12, 11, 10, 3, 30):
        source.seek(frames[index].pts_s)
        frame = source.read()
        assert (frame.index, code_marker.read(frame.image)) == (index, index)
        assert frame.pts_s == frames[index].pts_s
        following = source.read()
        assert (following.index, code_marker.read(following.image)) == (index + 1, index + 1) if index < 39 else True
    source.seek((frames[6].pts_s + frames[7].pts_s) / 2)
    assert source.read().index == 7
    source.seek(frames[39].pts_s + 10)
    assert source.read() is None
    source.seek(-3)
    assert [frame.index for frame in source] == list(range(40))
    source.close()
    source.close()


def test_start_and_end_keep_true_numbers(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", g="15", bf="2")
    source = VideoFile(path, start_s=0.41, end_s=0.8)
    info = source.open()
    assert (info.frame_count, info.duration_s) == (9, pytest.approx(0.39))
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(11, 20))
    assert [code_marker.read(frame.image) for frame in frames] == list(range(11, 20))
    assert frames[0].pts_s == pytest.approx(0.44)
    assert source.read() is None
    source.seek(0.0)  # before the start there is nothing
    assert source.read().index == 11
    source.close()
    assert [frame.index for frame in _opened(VideoFile(path, end_s=0.1))] == [0, 1, 2]
    assert list(_opened(VideoFile(path, start_s=99))) == []


def _opened(source: VideoFile) -> VideoFile:
    source.open()
    return source


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_display_matrix_is_applied(tmp_path: Path, degrees: int, mirrored: bool) -> None:
    path = write_video(tmp_path / "turned.mp4", count=2, rotation=(degrees, mirrored, False))
    source = VideoFile(path)
    info = source.open()
    shown = source.read().image
    upright = numbered(0, 400, 300)
    expected = np.rot90(upright, degrees // 90)
    expected = expected[:, ::-1] if mirrored else expected
    assert info.size_wh == shown.shape[1::-1] == expected.shape[1::-1]
    assert shown.flags.c_contiguous
    assert cv2.PSNR(shown, np.ascontiguousarray(expected)) > 25
    source.close()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg to compare with")
def test_a_turned_and_mirrored_picture_is_as_ffmpeg_shows_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "turned.mp4", count=2, rotation=(90, True, False))
    subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-frames:v", "1", tmp_path / "shown.png"], check=True)
    source = VideoFile(path)
    source.open()
    assert cv2.PSNR(source.read().image, cv2.imread(str(tmp_path / "shown.png"))) > 35
    source.close()


def test_the_two_ways_to_find_a_frame_agree_with_a_plain_decoder(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", g="9", bf="3")
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    frames = list(_opened(VideoFile(path)))
    assert all(np.array_equal(mine.image, theirs) for mine, theirs in zip(frames, plain, strict=True))


# What is no whole video


def _bytes_of(make: Callable[[Path], Path], path: Path, part: float) -> Path:
    make(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def _sound(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    return path


def _sound_in_mp4(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _no_frames(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    return path


def _blanked(path: Path) -> Path:
    """A whole table of contents, and nothing but zeros where the pictures should be."""
    write_video(path, count=5, container_options={"movflags": "faststart"})
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    path.write_bytes(data[:start] + bytes(len(data) - start))
    return path


def _written(data: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return write


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


BAD: list[tuple[str, Callable[[Path], Path], str]] = [
    ("missing.mp4", lambda path: path, "missing.mp4 does not exist."),
    ("folder", _folder, "folder is a folder, not a video file."),
    ("empty.mp4", _written(b""), "empty.mp4 is empty (0 bytes)."),
    ("text.mp4", _written(b"hello\n" * 500), "text.mp4 is not a video, or is of an unknown format."),
    ("notes.txt", _written(b"hello\n" * 500), "notes.txt is not a video but text."),
    ("zeros.avi", _written(bytes(5000)), "zeros.avi is not a video, or is of an unknown format."),
    (
        "cut.mp4",
        lambda path: _bytes_of(write_video, path, 0.6),
        "cut.mp4 is incomplete: its table of contents (the moov atom) is missing.",
    ),
    ("sound.wav", _sound, "sound.wav holds only sound, no pictures."),
    ("sound.mp4", _sound_in_mp4, "sound.mp4 holds only sound, no pictures."),
    ("none.mp4", _no_frames, "none.mp4 holds no pictures."),
    ("blank.mp4", _blanked, "blank.mp4 has a video track, but no picture in it can be decoded."),
]


@pytest.mark.parametrize(("name", "make", "sentence"), BAD, ids=[row[0] for row in BAD])
def test_what_is_no_video_gets_one_sentence(tmp_path: Path, name: str, make: Callable, sentence: str) -> None:
    path = make(tmp_path / name)
    source = VideoFile(path)
    with pytest.raises(SourceError) as caught:
        source.open()
    assert caught.value.user_message == sentence
    assert caught.value.hint
    assert caught.value.permanent
    source.close()


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "secret.mp4", count=2)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read everything
    with pytest.raises(SourceError, match=r"secret.mp4 may not be read by this user") as caught:
        VideoFile(path).open()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.mp4", {"container_options": {"movflags": "faststart"}}),
        ("clip.mkv", {}),
        ("clip.avi", {"codec": "mpeg4"}),
    ],
)
def test_a_file_that_breaks_off_gives_what_it_has(tmp_path: Path, name: str, options: dict) -> None:
    path = _bytes_of(lambda path: write_video(path, g="10", **options), tmp_path / name, 0.6)
    source = VideoFile(path)
    source.open()
    frames = []
    with pytest.raises(SourceError) as caught:
        frames.extend(source)
    assert 10 < len(frames) < 40
    assert [code_marker.read(frame.image) for frame in frames] == list(range(len(frames)))
    assert caught.value.user_message.startswith(f"{name} breaks off at {frames[-1].pts_s:.2f} s")
    assert caught.value.permanent
    assert source.read() is None
    source.seek(frames[4].pts_s)
    assert source.read().index == 4
    source.close()


def test_damage_in_the_middle_is_passed_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", count=40, g="10")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(1).bytes(400)
    path.write_bytes(bytes(data))
    frames = list(_opened(VideoFile(path)))
    assert len(frames) > 30
    assert code_marker.read(frames[0].image) == 0
    assert code_marker.read(frames[-1].image) == 39


def test_a_tail_that_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", count=40, g="10", container_options={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    cut = int(len(data) * 0.7)
    data[cut:] = bytes(len(data) - cut)
    path.write_bytes(bytes(data))
    source = _opened(VideoFile(path))
    frames = []
    with pytest.raises(SourceError, match=r"clip.mp4 breaks off at .* s: the rest is missing or damaged"):
        frames.extend(source)
    assert len(frames) > 10
    source.close()


def test_interrupting_ends_a_read_and_a_seek(tmp_path: Path) -> None:
    source = _opened(VideoFile(write_video(tmp_path / "clip.mp4", count=10)))
    assert source.read().index == 0
    source.interrupt()
    assert source.read() is None
    source.seek(0.2)
    source.close()
    assert [frame.index for frame in _opened(source)] == list(range(10))


def test_opening_twice_begins_anew_and_two_readers_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", count=12)
    first, second = _opened(VideoFile(path)), _opened(VideoFile(path))
    numbers: dict[str, list[int]] = {"first": [], "second": []}
    threads = [
        threading.Thread(target=lambda key=key, source=source: numbers[key].extend(f.index for f in source))
        for key, source in (("first", first), ("second", second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers["first"] == numbers["second"] == list(range(12))
    assert [frame.index for frame in _opened(first)] == list(range(12))


def test_a_name_is_never_taken_for_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "clip.mp4", count=3)
    shutil.copy(tmp_path / "clip.mp4", tmp_path / "concat:ünïcode 名 %d.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(list(_opened(VideoFile("concat:ünïcode 名 %d.mp4")))) == 3


@pytest.mark.media
@pytest.mark.parametrize(("name", "count"), [("car-detection.mp4", 377), ("one-by-one-person-detection.mp4", 1394)])
def test_counts_equal_ffprobe(media: Callable[[str], Path], name: str, count: int) -> None:
    path = media(name)
    if shutil.which("ffprobe"):
        command = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0", "-show_entries"]
        command += ["stream=nb_read_frames", "-of", "csv=p=0", str(path)]
        count = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    source = VideoFile(path)
    assert source.open().frame_count == count
    pts = [frame.pts_s for frame in source]
    assert len(pts) == count
    assert pts == sorted(set(pts))
    for index in (count - 1, count // 2, 7):
        source.seek(pts[index])
        assert source.read().index == index
    source.close()
