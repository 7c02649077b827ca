"""Every kind of file, every way of moving in it: the right picture with the right number and time, always."""

from __future__ import annotations

import random
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

from scenescope.models import SourceError
from scenescope.pipelines.events import FrameReady, IndexProgress
from scenescope.pipelines.fakes import CollectingSink
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sources import code_marker
from scenescope.pipelines.sources.video import VideoFile
from scenescope.pipelines.sources.video_fakes import KINDS, Made

pytestmark = pytest.mark.slow

PICTURES = 120
# With 33 kinds more than 1,000 moves in all.
MOVES = 34


def code_of(frame: Frame) -> int:
    code = code_marker.read(frame.image)
    return -1 if code is None else code


def opened(made: Made, keep_bytes: int | None = None) -> VideoFile:
    source = VideoFile(made.path, keep_bytes=keep_bytes)
    source.open()
    return source


def indexed(made: Made, keep_bytes: int | None = None) -> VideoFile:
    source = opened(made, keep_bytes)
    assert source.build_index(lambda done: None, lambda: False)
    return source


def read_all(source: VideoFile, whole: bool) -> list[Frame]:
    frames = []
    # A damaged file may say so at its end.
    with nullcontext() if whole else suppress(SourceError):
        frames.extend(source)
    return frames


def check_truth(made: Made, frames: list[Frame]) -> None:
    assert [code_of(frame) for frame in frames] == made.codes
    tolerance = 1e-9 if made.exact else 1.1e-3
    assert [frame.pts_s for frame in frames] == pytest.approx(made.times_s, abs=tolerance)


class Mover:
    """Moves in a file at random and compares what it sees with what reading it in order has shown."""

    def __init__(self, source: VideoFile, frames: list[Frame], seed: int) -> None:
        self.source = source
        self.truth = {frame.index: (code_of(frame), frame.pts_s) for frame in frames}
        self.numbers = sorted(self.truth)
        self.random = random.Random(seed)
        self.at = 0

    def check(self, frame: Frame | None, number: int) -> None:
        assert frame is not None
        assert (frame.index, code_of(frame), frame.pts_s) == (number, *self.truth[number])
        self.at = self.numbers.index(number)

    def by_number(self) -> None:
        number = self.random.choice(self.numbers)
        self.check(self.source.read_at(number), number)

    def by_time(self) -> None:
        index = self.source.frame_index
        pts_s = self.random.random() * index.duration_s
        self.source.seek(pts_s)
        later = [number for number in self.numbers if number >= index.index_at(pts_s)]
        if later:
            self.check(self.source.read(), later[0])
        else:
            assert self.source.read() is None

    def back(self) -> None:
        for _ in range(self.random.choice((1, 1, 2, 15))):
            number = self.numbers[max(self.at - 1, 0)]
            self.check(self.source.read_at(number), number)

    def on(self) -> None:
        """Short reading after a move."""
        self.by_number()
        for _ in range(self.random.choice((1, 2, 12))):
            if self.at + 1 < len(self.numbers):
                self.check(self.source.read(), self.numbers[self.at + 1])

    def move(self) -> None:
        self.random.choice((self.by_number, self.by_time, self.back, self.on))()


@pytest.mark.parametrize("name", KINDS)
def test_the_right_picture_whatever_way_one_comes_to_it(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    made = kind.make(tmp_path / name, PICTURES)
    source = opened(made)
    unindexed = read_all(source, kind.whole)
    source.close()
    check_truth(made, unindexed)

    source = indexed(made, keep_bytes=3_000_000)
    frames = read_all(source, kind.whole)
    index = source.frame_index
    numbers = [frame.index for frame in frames]
    if kind.whole:
        assert numbers == [frame.index for frame in unindexed] == list(range(len(made.codes)))
        assert len(index) == len(frames)
        assert [frame.pts_s for frame in frames] == [frame.pts_s for frame in unindexed]
    assert [code_of(frame) for frame in frames] == made.codes
    assert [index.pts_s(number) for number in numbers] == [frame.pts_s for frame in frames]
    mover = Mover(source, frames, seed=len(name))
    for _ in range(MOVES):
        mover.move()
    for number in reversed(mover.numbers[-40:]):
        mover.check(source.read_at(number), number)
    for lost in set(range(len(index))) - set(numbers):
        with pytest.raises(SourceError, match=f"Picture {lost} of {name} cannot be decoded"):
            source.read_at(lost)
    assert source.read_at(len(index)) is None
    source.close()


def test_there_are_twenty_kinds_and_a_thousand_moves() -> None:
    assert len(KINDS) >= 20
    assert len(KINDS) * MOVES >= 1000


@pytest.mark.parametrize("name", ["long_gop.mp4", "open_gop.mp4", "variable.mkv", "no_times.avi", "holed.mkv"])
def test_the_engine_shows_the_right_picture_with_its_time(tmp_path: Path, make, name: str) -> None:
    """Stepped, sought, played either way and round: every picture that leaves the pipeline is the one it says it is."""
    kind = KINDS[name]
    made = kind.make(tmp_path / name, 36)
    source = indexed(made)
    truth = {frame.index: (code_of(frame), frame.pts_s) for frame in read_all(source, kind.whole)}
    numbers = sorted(truth)
    source.close()

    sink = CollectingSink(keep_frames=True)
    engine, watch = make("boxes", sinks=[sink])
    engine.start(VideoFile(made.path), paced=True)
    engine.pause()
    watch.wait_for(lambda: IndexProgress(1.0) in watch.events)

    def arrive(number: int) -> None:
        watch.wait_for(lambda: engine.latest is not None and engine.latest.index == number)

    for number in (numbers[-1], numbers[20], numbers[3]):
        engine.seek_frame(number)
        arrive(number)
        assert (code_of(engine.latest), engine.latest.pts_s) == truth[number]
    for at in (2, 1, 0):
        engine.step(-1)
        arrive(numbers[at])
    engine.seek(truth[numbers[-1]][1])
    arrive(numbers[-1])
    engine.set_rate(-2)
    engine.resume()
    arrive(0)
    engine.set_rate(2)
    engine.set_loop(truth[numbers[10]][1], truth[numbers[14]][1])
    engine.resume()
    watch.wait_for(lambda: [event.index for event in watch.of(FrameReady)].count(numbers[12]) >= 4)
    assert engine.stop()
    backwards = [frame.index for frame in sink.frames]
    last = len(backwards) - 1 - backwards[::-1].index(numbers[-1])
    assert backwards[last : last + len(numbers)] == numbers[::-1], "each of them once on the way back"
    for frame in sink.frames:
        assert (code_of(frame), frame.pts_s) == truth[frame.index]
