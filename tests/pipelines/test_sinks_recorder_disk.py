from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scenescope.models import SinkError
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import FakeSource
from scenescope.pipelines.recording import Part, RecordingOptions, Recordings
from scenescope.pipelines.recording_fakes import times_s
from scenescope.pipelines.sinks import _disk, _encoder
from scenescope.pipelines.sinks._disk import DiskWatch, GuardedFile, amount, check_folder, create_new, file_name_of
from scenescope.pipelines.sinks._encoder import EncoderChoice

RAW = frozenset({Part.RAW})


@pytest.fixture(autouse=True)
def software(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started to look for hardware."""
    monkeypatch.setattr(_encoder, "_choice", EncoderChoice("libx264", False, "These are tests."))


def noise(image: np.ndarray, index: int) -> None:
    """Pictures that take much room."""
    image[:] = np.random.default_rng(index).integers(0, 255, image.shape, dtype=np.uint8)


CHILD = """
import sys, threading
import numpy as np
from pathlib import Path
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.fakes import FakeSource
from scenescope.pipelines.recording import Container, Part, RecordingOptions, Recordings
from scenescope.pipelines.sinks import _encoder

_encoder._choice = _encoder.EncoderChoice("libx264", False, "These are tests.")

def noise(image, index):
    image[:] = np.random.default_rng(index).integers(0, 255, image.shape, dtype=np.uint8)

def record(folder, container, parts, count, limit_bytes=0):
    if limit_bytes:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    engine = Engine(headless=True)
    recordings = Recordings(engine)
    options = RecordingOptions(Path(folder), frozenset(Part(p) for p in parts.split()), Container(container))
    recording = recordings.start(options, with_next_source=True)
    source = FakeSource(count=count, size_wh=(320, 240), rate_hz=25.0, live=not limit_bytes, paint=noise)
    engine.start(source)
    return engine, recording
"""

KILLED = (
    CHILD
    + """
engine, recording = record(sys.argv[1], sys.argv[2], "raw annotated results", None)
while True:
    frames = [part.frames for part in recording.status.parts]
    print(*frames, flush=True)
    threading.Event().wait(0.05)
"""
)

LIMITED = (
    CHILD
    + """
engine, recording = record(sys.argv[1], sys.argv[2], "raw", 400, limit_bytes=2_000_000)
assert engine.wait(60) and recording.wait()
part = recording.status.parts[0]
print(part.frames)
print(part.failure)
print(part.hint)
engine.stop()
"""
)


@pytest.mark.slow
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_killed_process_leaves_files_that_play(tmp_path: Path, container: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), container], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        written = [int(word) for word in line.split()]
        if min(written) >= 120:
            break
    process.kill()
    process.wait(30)
    process.stdout.close()
    found = {path.stem.rpartition(" ")[2]: path for path in tmp_path.iterdir()}
    for part, frames in zip(("raw", "annotated"), written[:2], strict=True):
        times = times_s(found[part])
        # All but the last two seconds, at 25 pictures a second, and what was on its way.
        assert len(times) >= frames - 2 * 25 - 8
        numbers = [round(time * 25) for time in times]
        assert times == pytest.approx([number / 25 for number in numbers], abs=0.001)
        assert numbers == sorted(set(numbers))
    lines = found["results"].read_text().splitlines()
    assert len(lines) >= written[2]
    assert all(line.endswith("}") for line in lines)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the limit on the size of files is one of POSIX")
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_disk_that_takes_no_more_leaves_what_it_took(tmp_path: Path, container: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), container], capture_output=True, text=True, timeout=120
    )
    frames, failure, hint = done.stdout.splitlines()
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert failure.startswith("Cannot write")
    assert "File too large" in failure
    assert "cannot be larger" in hint
    (path,) = tmp_path.iterdir()
    # Two seconds are written at a time, or one in Matroska.
    assert int(frames) - 2 * 25 - 16 <= len(times_s(path)) < 400


class Room:
    """A disk that loses some megabytes with every look."""

    def __init__(self, *free: int) -> None:
        self._free: Iterator[int] = iter(free)
        self._last = 0

    def __call__(self, folder: Path) -> int:
        self._last = next(self._free, self._last)
        return self._last


def recording_on(tmp_path: Path, room: Room, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_disk, "LOOK_EVERY_S", 0.0)
    engine = Engine(headless=True)
    recordings = Recordings(engine, disk=lambda folder: DiskWatch(folder, 50_000_000, room))
    options = RecordingOptions(tmp_path / "new", frozenset({Part.RAW, Part.RESULTS}))
    recording = recordings.start(options, with_next_source=True)
    engine.start(FakeSource(count=None, rate_hz=100, live=True))
    assert recording.wait(20)
    assert engine.running
    assert engine.stop()
    assert recordings.close()
    return recording


def test_recording_stops_with_whole_files_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recording_on(tmp_path, Room(10**9, *[200_000_000] * 40, 49_000_000), monkeypatch)
    parts = recording.status.parts
    failures = [part.failure for part in parts if part.failure]
    assert failures
    assert "Recording has stopped: only 49.0 MB are left" in failures[0]
    assert all(part.closed for part in parts)
    assert len(times_s(parts[0].path)) == parts[0].frames > 5


def test_a_disk_that_fills_up_is_told_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    watch = DiskWatch(tmp_path, 50_000_000, Room(100_000_000, 99_000_000))
    now = iter([0.0, 10.0])
    monkeypatch.setattr(_disk.time, "monotonic", lambda: next(now))
    watch.look(0)
    assert watch.warning == ""
    watch.look(10_000_000)
    assert watch.warning == "Only 99.0 MB free: the disk is full in about 1 min."


def test_too_little_room_is_said_before(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"not enough room .*: 60\.0 MB are free, .* a minute takes about 60\.0 MB"):
        DiskWatch(tmp_path, 50_000_000, Room(60_000_000)).check_before(1_000_000)
    DiskWatch(tmp_path, 50_000_000, lambda folder: None).check_before(10**12)


def test_a_folder_that_cannot_be_written_to_is_said_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    recordings = Recordings(Engine(headless=True))
    with pytest.raises(SinkError, match=r"The folder .*film.* cannot be written to: .+\.") as caught:
        recordings.start(RecordingOptions(tmp_path / "file" / "film", RAW), with_next_source=True)
    assert caught.value.hint
    assert recordings.current is None
    assert recordings.close()


def test_a_read_only_folder_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    # Who administers may write everywhere, so the refusal is played.
    monkeypatch.setattr(_disk.tempfile, "TemporaryFile", refuse)
    with pytest.raises(SinkError, match="cannot be written to: Read-only file system") as caught:
        check_folder(tmp_path)
    assert "on another one" in caught.value.hint


def test_a_folder_that_goes_away_ends_the_recording_with_a_sentence(tmp_path: Path) -> None:
    engine = Engine(headless=True)
    recordings = Recordings(engine)
    recording = recordings.start(RecordingOptions(tmp_path / "new", RAW), with_next_source=True)
    (tmp_path / "new").rmdir()
    (tmp_path / "new").write_text("in the way")
    engine.start(FakeSource(count=5))
    assert engine.wait(20)
    assert recording.wait()
    assert engine.stop()
    assert recordings.close()
    assert recording.status.parts[0].failure.startswith("Cannot write ")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Garage: door/2", "Garage door 2"),
        ("a\x00b\nc", "a b c"),
        ("..hidden. ", "hidden"),
        ("Überwachung 1", "Überwachung 1"),
        ("../../etc/passwd", "etc passwd"),
        ("", ""),
    ],
)
def test_names_are_fit_for_every_system(text: str, name: str) -> None:
    assert file_name_of(text) == name


def test_long_names_are_cut_between_letters() -> None:
    made = file_name_of("é" * 300)
    assert made == "é" * 40


def test_new_files_take_the_place_of_none(tmp_path: Path) -> None:
    made = [create_new(tmp_path, "a", ".mp4") for _ in range(3)]
    for file in made:
        file.close()
    assert [file.path.name for file in made] == ["a.mp4", "a (2).mp4", "a (3).mp4"]


def test_a_guarded_file_counts_what_it_holds(tmp_path: Path) -> None:
    file = GuardedFile(tmp_path / "a")
    file.write(b"12345")
    file.seek(1)
    file.write(b"xy")
    assert (file.written, file.tell()) == (5, 3)
    file.close()
    file.close()
    assert (tmp_path / "a").read_bytes() == b"1xy45"


@pytest.mark.parametrize(
    ("n_bytes", "words"), [(0, "0 KB"), (12_340, "12 KB"), (12_340_000, "12.3 MB"), (4e9, "4.0 GB")]
)
def test_amounts_are_for_people(n_bytes: float, words: str) -> None:
    assert amount(n_bytes) == words
