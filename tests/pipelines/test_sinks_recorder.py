from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from scenescope.models import Detections, EventKind, LogEvent, SinkError, WithEvents
from scenescope.pipelines import Frame, Stage
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import SourcePhase, SourceState
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.pipelines.recording import (
    Container,
    Part,
    RawRefused,
    Recording,
    RecordingOptions,
    RecordingPhase,
    Recordings,
)
from scenescope.pipelines.recording_fakes import beeps_s, flash_film, flashes_s, times_s
from scenescope.pipelines.sinks import _encoder
from scenescope.pipelines.sinks._clock import FileTimes, RecordingClock
from scenescope.pipelines.sinks._disk import DiskWatch
from scenescope.pipelines.sinks._encoder import EncoderChoice
from scenescope.pipelines.sinks.recorder import EventsRecorder, RecorderContext
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.sources.video import VideoFile

pytestmark = [pytest.mark.slow, pytest.mark.alone]

AAC_PACKET_S = 1024 / 48_000
UNEVEN_S = tuple(sorted({round(0.04 * i + (0.013 if i % 3 else 0.0), 3) for i in range(150)}))
MOVIES = frozenset({Part.RAW, Part.ANNOTATED})


@pytest.fixture(autouse=True)
def software(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started to look for hardware."""
    monkeypatch.setattr(_encoder, "_choice", EncoderChoice("libx264", False, "These are tests."))


class Hide(Stage, title="Hide", group="Test", privacy=True):
    """Stands for a stage that hides something."""

    def process(self, frame: Frame) -> Frame:
        return frame.with_image(frame.image * 0)


def recorded(source, folder: Path, parts=MOVIES, engine: Engine | None = None, **options) -> Recording:
    """A recording of a whole source."""
    engine = engine or Engine(headless=True)
    recordings = Recordings(engine, lambda: source)
    recording = recordings.start(RecordingOptions(folder, frozenset(parts), **options), with_next_source=True)
    engine.start(source)
    assert engine.wait(60)
    assert recording.wait()
    assert engine.stop()
    assert recordings.close()
    return recording


def paths(recording: Recording) -> dict[Part, Path]:
    return {part.part: part.path for part in recording.status.parts}


def test_every_part_keeps_the_times_of_an_uneven_film(tmp_path: Path) -> None:
    film = flash_film(tmp_path / "film.mp4", UNEVEN_S, [30])
    recording = recorded(VideoFile(film), tmp_path / "out", {Part.RAW, Part.ANNOTATED, Part.RESULTS})
    found = paths(recording)
    assert times_s(found[Part.RAW]) == times_s(found[Part.ANNOTATED]) == list(UNEVEN_S)
    lines = [json.loads(line) for line in found[Part.RESULTS].read_text().splitlines()]
    assert [line["pts_s"] for line in lines] == list(UNEVEN_S)
    assert [line["frame"] for line in lines] == list(range(len(UNEVEN_S)))
    status = recording.status
    assert status.phase is RecordingPhase.ENDED
    assert status.missed == 0
    assert status.encoder == "software (libx264)"
    assert status.bytes == sum(path.stat().st_size for path in found.values())


class Marked(Detections, WithEvents):
    """Results that tell of a mark."""


def test_events_have_the_times_of_the_movies(tmp_path: Path) -> None:
    info = SourceInfo("camera", (64, 48), 10.0, live=True)
    context = RecorderContext(tmp_path, RecordingClock(), DiskWatch(tmp_path))
    recorder = EventsRecorder(context)
    context.clock.open(info)
    recorder.open(info)
    for index in range(60, 90):
        frame = Frame(FakeSource(count=1).read().image, index, index / 10, 1e12 + index)
        if index in (70, 80):
            told = Marked(xyxy=[], confidence=[], class_id=[], class_names=())
            object.__setattr__(told, "events", (LogEvent(EventKind.MARK, index / 10, index, text="here"),))
            frame = frame.with_result("marks", told)
        context.clock.write(frame)
        recorder.write(recorder.prepare(frame))
    recorder.close()
    lines = [json.loads(line) for line in recorder.path.read_text().splitlines()]
    assert [(line["type"], line["frame"], line["t_s"]) for line in lines] == [("mark", 70, 1.0), ("mark", 80, 2.0)]
    assert recorder.written == recorder.path.stat().st_size


def test_matroska_rounds_times_to_milliseconds(tmp_path: Path) -> None:
    film = flash_film(tmp_path / "film.mp4", UNEVEN_S, [30])
    recording = recorded(VideoFile(film), tmp_path / "out", {Part.RAW}, container=Container.MKV)
    path = paths(recording)[Part.RAW]
    assert path.suffix == ".mkv"
    assert times_s(path) == pytest.approx(UNEVEN_S, abs=0.0005)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sound", "container"),
    [
        ("film.mp4", "aac", Container.MP4),
        ("film.ts", "aac", Container.MP4),
        ("film.ts", "aac", Container.MKV),
        ("film.mkv", "pcm_s16le", Container.MP4),
        ("film.mkv", "libopus", Container.MP4),
        ("film.mkv", "ac3", Container.MKV),
        ("film.asf", "wmav2", Container.MP4),
    ],
)
@pytest.mark.parametrize("start_s", [None, 1.0])
def test_sound_stays_in_step_with_the_pictures(
    tmp_path: Path, name: str, sound: str, container: Container, start_s: float | None
) -> None:
    pictures_s = [0.04 * i for i in range(150)]
    film = flash_film(
        tmp_path / name, pictures_s, [30, 80, 120], sound=sound, packed="asf" if name.endswith("asf") else None
    )
    recording = recorded(VideoFile(film, start_s), tmp_path / "out", container=container)
    apart = [beep - flash for flash, beep in zip(flashes_s(film), beeps_s(film), strict=True)]
    for path in paths(recording).values():
        flashes, beeps = flashes_s(path), beeps_s(path)
        assert flashes == pytest.approx([at - (start_s or 0.0) for at in (1.2, 3.2, 4.8)], abs=0.001)
        assert [b - f for f, b in zip(flashes, beeps, strict=True)] == pytest.approx(apart, abs=AAC_PACKET_S)
    note = recording.status.parts[0].note
    assert note == ("The sound (wmav2) cannot go into MP4 as it is: it is coded as AAC." if sound == "wmav2" else "")


def test_a_film_without_sound_is_recorded_without_a_word(tmp_path: Path) -> None:
    film = flash_film(tmp_path / "film.mp4", [0.0, 0.04, 0.08], [1], sound="")
    assert recorded(VideoFile(film), tmp_path / "out", {Part.RAW}).status.parts[0].note == ""


@pytest.mark.parametrize(
    ("shown", "expected_s", "spans"),
    [
        # Played on, with a gap of the film's own; index and time of each picture.
        ([(5, 0.5), (6, 0.6), (7, 3.6)], [0.0, 0.1, 3.1], [0, 0, 0]),
        # Played fast: pictures are left out, the film's times stay.
        ([(0, 0.0), (4, 0.4), (8, 0.8)], [0.0, 0.4, 0.8], [0, 0, 0]),
        # Moved in, forward and back.
        ([(0, 0.0), (1, 0.1), (90, 9.0), (91, 9.1)], [0.0, 0.1, 0.2, 0.3], [0, 0, 1, 1]),
        ([(50, 5.0), (51, 5.1), (10, 1.0), (11, 1.1)], [0.0, 0.1, 0.2, 0.3], [0, 0, 1, 1]),
        # Played backwards.
        ([(3, 0.3), (2, 0.2), (1, 0.1)], [0.0, 0.1, 0.2], [0, 1, 2]),
    ],
)
def test_a_film_that_is_moved_in_is_recorded_as_it_was_played(shown, expected_s, spans) -> None:
    times = FileTimes(live=False, rate_hz=10)
    moments = [times.at(index, pts_s) for index, pts_s in shown]
    assert [moment.t_s for moment in moments] == pytest.approx(expected_s)
    assert [moment.span for moment in moments] == spans
    assert [moment.media_s for moment in moments] == [pts_s for _, pts_s in shown]


def test_a_camera_that_was_unplugged_leaves_a_gap() -> None:
    times = FileTimes(live=True, rate_hz=10)
    assert [times.at(i, t).t_s for i, t in ((0, 7.0), (1, 7.1), (2, 67.1))] == pytest.approx([0.0, 0.1, 60.1])


def test_the_clock_knows_no_pictures_from_before() -> None:
    clock = RecordingClock()
    clock.open(SourceInfo("camera", (64, 48), 10.0, live=True))
    image = FakeSource(count=1).read().image
    old, new = Frame(image, 3, 0.3, captured_s=0.0), Frame(image, 4, 0.4, captured_s=1e12)
    for frame in (old, new):
        clock.write(frame)
    assert clock.place_of(old.stamp) is None
    moment, number = clock.place_of(new.stamp)
    assert (moment.t_s, number) == (0.0, 0)
    clock.close()
    assert clock.place_of(Frame(image, 5, 0.5, captured_s=2e12).stamp) is None


def test_a_camera_is_recorded_from_its_first_picture_after_the_start(make: Callable, tmp_path: Path) -> None:
    engine, watch = make("boxes")
    recordings = Recordings(engine, registry=fake_registry())
    engine.start(FakeSource(count=None, rate_hz=200, live=True))
    watch.wait_for(lambda: engine.counts.captured > 5)
    recording = recordings.start(RecordingOptions(tmp_path, MOVIES))
    assert recordings.recording
    with pytest.raises(SinkError, match="under way"):
        recordings.start(RecordingOptions(tmp_path))
    before = engine.counts.captured
    watch.wait_for(lambda: engine.counts.captured > before + 30)
    assert recordings.stop() is recording
    assert recording.wait()
    assert not recordings.recording
    found = paths(recording)
    raw_s = times_s(found[Part.RAW])
    # The clock may have seen a picture before the recorder was there.
    assert raw_s[0] < 0.1
    assert len(raw_s) >= 25
    # The same clock: every analysed picture has the time of the captured one.
    assert set(times_s(found[Part.ANNOTATED])) <= set(raw_s)
    assert {part.note for part in recording.status.parts} == {"Cameras are recorded without sound."}
    assert engine.running
    assert recordings.close()


def test_a_recording_ends_with_its_source_and_names_are_never_used_twice(tmp_path: Path) -> None:
    engine = Engine(headless=True)
    recordings = Recordings(engine)
    made = []
    for count in (4, 6):
        recording = recordings.start(RecordingOptions(tmp_path, frozenset({Part.RAW})), with_next_source=True)
        recording.context.begun = recording.context.begun.replace(2026, 11, 22, 14, 3, 5)
        engine.start(FakeSource(count=count))
        assert engine.wait(20)
        assert recording.wait()
        made.append(recording)
    engine.start(FakeSource(count=3))
    assert engine.wait(20)
    assert engine.stop()
    assert recordings.close()
    names = ["2026-11-22 14-03-05 fake raw (2).mp4", "2026-11-22 14-03-05 fake raw.mp4"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [len(times_s(paths(recording)[Part.RAW])) for recording in made] == [4, 6]


def test_a_size_that_changes_midway_is_fitted(tmp_path: Path) -> None:
    class Changing(FakeSource):
        def read(self):
            frame = super().read()
            wide = frame is not None and frame.index >= 5
            return Frame(frame.image.repeat(2, 1), frame.index, frame.pts_s, frame.captured_s) if wide else frame

    recording = recorded(Changing(count=10), tmp_path, {Part.RAW})
    assert len(times_s(paths(recording)[Part.RAW])) == 10


# Privacy -------------------------------------------------------------------------------------------------------------


def test_captured_pictures_are_refused_while_something_is_hidden(make: Callable, tmp_path: Path) -> None:
    engine, _ = make("hide", extra={"hide": Hide})
    registry = fake_registry()
    registry.add("hide", Hide)
    recordings = Recordings(engine, registry=registry)
    options = RecordingOptions(tmp_path, MOVIES)
    with pytest.raises(RawRefused, match="not recorded, because 'Hide' hides parts of them") as caught:
        recordings.start(options, with_next_source=True)
    assert "confirm" in caught.value.hint
    assert not list(tmp_path.iterdir())
    confirmed = recordings.start(options, raw_confirmed=True, with_next_source=True)
    engine.start(FakeSource(count=5))
    assert engine.wait(20)
    assert confirmed.wait()
    assert [part.frames for part in confirmed.status.parts] == [5, 5]
    assert recordings.close()


def test_hiding_something_ends_the_captured_part_at_once(make: Callable, tmp_path: Path) -> None:
    engine, watch = make("boxes", extra={"hide": Hide})
    registry = fake_registry()
    registry.add("hide", Hide)
    told: list[str] = []
    recordings = Recordings(engine, registry=registry, told=lambda message, hint: told.append(message))
    engine.start(FakeSource(count=None, rate_hz=100, live=True))
    watch.wait_for(lambda: engine.counts.captured > 2)
    recording = recordings.start(RecordingOptions(tmp_path, MOVIES))
    raw, annotated = recording.recorders
    watch.wait_for(lambda: raw.frames > 5)
    engine.apply(engine.spec.added("hide"))
    # Not when the engine gets to it: no picture that is captured from here on may be written.
    assert raw.halted
    written = raw.frames
    assert raw.closed.wait(10)
    watch.wait_for(lambda: annotated.frames > written + 20)
    assert raw.frames <= written + 1
    assert len(told) == 1
    assert "'Hide' hides parts of them" in told[0]
    assert not annotated.halted
    recordings.stop()
    assert recording.wait()
    assert len(times_s(paths(recording)[Part.RAW])) == raw.frames
    assert recordings.close()


# Encoders ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidates", "works", "name", "why"),
    [
        ([], None, "libx264", "no hardware encoder"),
        (["h264_nvenc", "h264_qsv"], None, "libx264", "tried h264_nvenc, h264_qsv"),
        (["h264_nvenc", "h264_qsv"], "h264_qsv", "h264_qsv", "Intel Quick Sync encodes"),
    ],
)
def test_the_choice_of_the_encoder_says_why(candidates, works, name: str, why: str) -> None:
    choice = _encoder._choose(candidates, lambda names: works)
    assert choice.name == name
    assert why in choice.why
    assert choice.hardware == (works is not None)


@pytest.mark.slow
def test_a_hardware_encoder_that_fails_makes_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    assert _encoder.first_that_works(["no_such_encoder", "libx264"]) == "libx264"
    assert capfd.readouterr() == ("", "")


def test_hardware_that_refuses_a_size_gives_way_to_software() -> None:
    broken = EncoderChoice("no_such_encoder", True, "It worked before.")
    encoder, choice = _encoder.open_encoder(broken, (64, 48), 10.0, Fraction(1, 1000))
    assert encoder.name == choice.name == "libx264"
    assert "does not take pictures of 64x48" in choice.why


def test_nothing_to_record_is_said(tmp_path: Path) -> None:
    engine = Engine(headless=True)
    recordings = Recordings(engine)
    with pytest.raises(SinkError, match="nothing to record"):
        recordings.start(RecordingOptions(tmp_path))
    with pytest.raises(SinkError, match="Nothing was chosen"):
        recordings.start(RecordingOptions(tmp_path, frozenset()), with_next_source=True)
    assert engine.source_state == SourceState(SourcePhase.STOPPED)
    recording = recordings.start(RecordingOptions(tmp_path), with_next_source=True)
    assert recordings.close()
    assert recording.ended
    assert not list(tmp_path.iterdir())
