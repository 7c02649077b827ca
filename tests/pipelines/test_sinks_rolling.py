from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import av
import numpy as np
import pytest

from scenescope.models import SinkError
from scenescope.pipelines import Frame, SourceInfo, Stage
from scenescope.pipelines.fakes import FakeSource, fake_registry
from scenescope.pipelines.look_back import LookBack
from scenescope.pipelines.recording_fakes import beeps_s, flash_film, flashes_s, times_s
from scenescope.pipelines.sinks import _encoder
from scenescope.pipelines.sinks._encoder import EncoderChoice
from scenescope.pipelines.sinks._movie import Container
from scenescope.pipelines.sinks.rolling import RollingBuffer
from scenescope.pipelines.sources.video import VideoFile

pytestmark = pytest.mark.slow

SIZE_WH = (64, 48)
BRIGHT = 200


@pytest.fixture(autouse=True)
def software(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started to look for hardware."""
    monkeypatch.setattr(_encoder, "_choice", EncoderChoice("libx264", False, "These are tests."))


def level(number: int) -> np.ndarray:
    return np.full((SIZE_WH[1], SIZE_WH[0], 3), number % 250, np.uint8)


def noise(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (240, 320, 3), dtype=np.uint8)


def fill(buffer: RollingBuffer, times: Iterable[float], picture: Callable[[int], np.ndarray] = level) -> None:
    buffer.open(SourceInfo("camera", SIZE_WH, 25.0, live=True))
    for index, pts_s in enumerate(times):
        buffer.write(buffer.prepare(Frame(picture(index), index, pts_s)))


def levels(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [round(frame.to_ndarray(format="bgr24").mean()) for frame in container.decode(video=0)]


@pytest.mark.parametrize("container", list(Container))
def test_the_last_seconds_are_saved_with_their_times_while_more_come(tmp_path: Path, container: Container) -> None:
    buffer = RollingBuffer(5, raw=True)
    fill(buffer, (i / 25 for i in range(500)))
    assert 5 <= buffer.seconds < 6
    saved = buffer.save(tmp_path, "last", 2, container)
    times = times_s(saved.path)
    # It begins with a key frame, of which there is one a second.
    assert 50 <= len(times) == saved.frames < 75
    assert times == pytest.approx([i / 25 for i in range(len(times))], abs=0.0005)
    assert levels(saved.path) == pytest.approx([number % 250 for number in range(500 - len(times), 500)], abs=2)
    buffer.write(buffer.prepare(Frame(level(500), 500, 20.0)))
    assert buffer.save(tmp_path, "last", 2, container).path.name == f"last (2).{container}"
    assert saved.seconds == pytest.approx(len(times) / 25)
    buffer.close()
    assert buffer.save(tmp_path, "all").frames >= 125


def test_uneven_times_are_kept_exactly(tmp_path: Path) -> None:
    times = [round(0.04 * i + (0.013 if i % 3 else 0.0), 4) for i in range(40)]
    buffer = RollingBuffer(60, raw=True)
    fill(buffer, times)
    saved = buffer.save(tmp_path, "a")
    assert times_s(saved.path) == pytest.approx(times, abs=1e-5)


def test_memory_is_bounded_whatever_comes() -> None:
    most_bytes = 1_500_000
    buffer = RollingBuffer(60, raw=True, most_bytes=most_bytes)
    buffer.open(SourceInfo("camera", (320, 240), 25.0, live=True))
    held = []
    for index in range(120):
        buffer.write(buffer.prepare(Frame(noise(index), index, index / 25)))
        held.append(buffer.bytes)
    assert max(held) <= most_bytes
    assert buffer.bytes == sum(len(kept.data) for kept in buffer._kept)
    assert buffer._kept[0].key
    buffer.close()


def test_a_second_that_is_too_large_is_let_go_and_begun_anew() -> None:
    buffer = RollingBuffer(60, raw=True, most_bytes=200_000)
    buffer.open(SourceInfo("camera", (320, 240), 25.0, live=True))
    held = []
    for index in range(60):
        buffer.write(buffer.prepare(Frame(noise(index), index, index / 25)))
        held.append([(len(kept.data), kept.key) for kept in buffer._kept])
    assert all(sum(size for size, _ in now) <= 200_000 for now in held)
    assert all(now[0][1] for now in held if now)
    assert sum(bool(now) for now in held) > 20
    buffer.close()


def test_another_source_begins_anew_and_nothing_to_save_is_said(tmp_path: Path) -> None:
    buffer = RollingBuffer(5, raw=True)
    with pytest.raises(SinkError, match="nothing to save yet"):
        buffer.save(tmp_path, "a")
    fill(buffer, (0.0, 0.04))
    buffer.close()
    fill(buffer, ())
    with pytest.raises(SinkError, match="nothing to save yet"):
        buffer.save(tmp_path, "a")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    buffer = RollingBuffer(5, raw=True)
    fill(buffer, (0.0, 0.04))
    with pytest.raises(SinkError, match="Cannot write") as caught:
        buffer.save(tmp_path / "file", "a")
    assert caught.value.hint
    assert buffer.seconds == pytest.approx(0.04)
    buffer.close()


@pytest.mark.slow
def test_the_sound_of_a_film_goes_with_the_last_seconds(tmp_path: Path) -> None:
    film = flash_film(tmp_path / "film.mp4", [0.04 * i for i in range(150)], [80, 120])
    source = VideoFile(film)
    buffer = RollingBuffer(3, raw=True, time_base=lambda: source.time_base, sound=lambda: film)
    buffer.open(source.open())
    for frame in source:
        buffer.write(buffer.prepare(frame))
    source.close()
    buffer.close()
    saved = buffer.save(tmp_path, "last")
    assert len(flashes_s(saved.path)) == 2
    assert beeps_s(saved.path) == pytest.approx(flashes_s(saved.path), abs=1024 / 48_000)


# At an engine ---------------------------------------------------------------------------------------------------------


class Hide(Stage, title="Hide", group="Test", privacy=True):
    """Makes every picture black."""

    def process(self, frame: Frame) -> Frame:
        return frame.with_image(frame.image * 0)


def bright(image: np.ndarray, index: int) -> None:
    image[:] = BRIGHT


def test_what_is_hidden_is_never_held(make: Callable, tmp_path: Path) -> None:
    engine, watch = make(extra={"hide": Hide})
    registry = fake_registry()
    registry.add("hide", Hide)
    look_back = LookBack(engine, registry=registry)
    look_back.keep(30)
    engine.start(FakeSource(count=None, rate_hz=100, live=True, paint=bright))
    watch.wait_for(lambda: look_back.status.seconds > 0.2)
    assert look_back.status.raw
    seen = look_back.save(tmp_path)
    assert min(levels(seen.path)) > 150
    engine.apply(engine.spec.added("hide"))
    # Forgotten before the engine has even got to it.
    assert look_back.status.bytes == 0
    watch.wait_for(lambda: look_back.status.seconds > 0.2)
    assert not look_back.status.raw
    assert max(levels(look_back.save(tmp_path).path)) < 20
    engine.apply(engine.spec.enabled("hide", False))
    watch.wait_for(lambda: look_back.status.raw and look_back.status.seconds > 0.2)
    look_back.close()
    assert look_back.status.bytes == 0
    with pytest.raises(SinkError, match="are not kept"):
        look_back.save(tmp_path)


def test_a_buffer_begun_while_something_is_hidden_holds_what_is_left(make: Callable, tmp_path: Path) -> None:
    engine, watch = make("hide", extra={"hide": Hide})
    registry = fake_registry()
    registry.add("hide", Hide)
    look_back = LookBack(engine, registry=registry)
    engine.start(FakeSource(count=None, rate_hz=100, live=True, paint=bright))
    look_back.keep(10)
    watch.wait_for(lambda: look_back.status.seconds > 0.2)
    assert not look_back.status.raw
    assert max(levels(look_back.save(tmp_path).path)) < 20
    look_back.close()
