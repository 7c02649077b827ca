"""Sound in step with the pictures: the rules with a player that is simulated, and once with Qt's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PySide6.QtCore import QObject

from scenescope.pipelines.sources.sound_track import SoundTrack, find_sound
from scenescope.pipelines.sources.video import VideoFile
from scenescope.widgets import film_sound
from scenescope.widgets.film_sound import NO_DEVICE, NO_FILM, NO_LIBRARY, NO_TRACK, FilmSound
from scenescope.widgets.settings import MemorySettings
from scenescope.widgets.sound_control import SoundControl
from scenescope.widgets.sound_sync import TOLERATED_S, SoundSync

pytestmark = pytest.mark.slow

STEP_S = 0.01
TELL_EVERY = 5


@dataclass
class Player:
    """Plays on a simulated clock: late after every command, and a little too fast or too slow."""

    late_s: float = 0.0
    error: float = 0.0
    duration_s: float = 0.0
    position_s: float = 0.0
    rate: float = 1.0
    playing: bool = False
    waits_s: float = 0.0
    seeks: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def play(self) -> None:
        self.playing, self.waits_s = True, self.late_s

    def pause(self) -> None:
        self.playing = False

    def seek(self, position_s: float) -> None:
        self.position_s, self.waits_s = position_s, self.late_s
        self.seeks.append(position_s)

    def set_rate(self, rate: float) -> None:
        self.rate = rate
        self.rates.append(rate)

    def advance(self, seconds: float) -> None:
        if self.playing and self.waits_s <= 0:
            self.position_s += seconds * self.rate * (1 + self.error)
        self.waits_s -= seconds


class Cinema:
    """A film and its sound on one simulated clock."""

    def __init__(self, player: Player, origin_s: float = 0.0, fps: float = 25.0) -> None:
        self.player, self.origin_s, self.fps = player, origin_s, fps
        self.sync = SoundSync(player, origin_s)
        self.now_s = 1000.0
        self.film_s = 0.0
        self.ticks = 0
        self.due = 0.0

    def run(
        self, seconds: float, rate: float = 1.0, pace: float = 1.0, shows: bool = True, jitter_s: float = 0.0
    ) -> None:
        """Play the film for a while, at ``pace`` times the rate that it should have."""
        for at in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            self.ticks += 1
            self.player.advance(STEP_S)
            self.due += STEP_S * pace * abs(rate) * self.fps
            if shows and self.due >= 1 - 1e-9:
                self.due -= 1
                self.film_s += np.sign(rate) / self.fps
                self.sync.shown(self.film_s, self.now_s + jitter_s * (at % 3), rate, True)
            if self.ticks % TELL_EVERY == 0 and self.player.playing and self.player.waits_s <= 0:
                self.sync.heard(self.player.position_s, self.now_s)
            if self.ticks % 10 == 0:
                self.sync.tick(self.now_s)

    @property
    def off_s(self) -> float:
        return self.player.position_s - self.origin_s - self.film_s


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("origin_s", [0.0, 1.4])
def test_sound_starts_where_the_picture_is(rate: float, origin_s: float) -> None:
    cinema = Cinema(Player(), origin_s)
    cinema.film_s = 20.0
    cinema.run(2.0, rate)
    assert cinema.player.playing
    assert cinema.player.rate == rate
    assert abs(cinema.off_s) < TOLERATED_S * max(rate, 1.0)
    assert len(cinema.player.seeks) == 1


@pytest.mark.parametrize("late_s", [0.0, 0.05, 0.1, 0.2, 0.28])
@pytest.mark.parametrize("error", [0.0, 0.01, -0.01, 0.03])
def test_a_player_that_is_late_or_drifts_is_brought_into_step(late_s: float, error: float) -> None:
    cinema = Cinema(Player(late_s=late_s, error=error))
    cinema.run(10.0, jitter_s=0.004)
    worst_s = 0.0
    for _ in range(100):
        cinema.run(0.1, jitter_s=0.004)
        worst_s = max(worst_s, abs(cinema.off_s))
    # A picture stands for 40 ms, so that much is no error.
    assert worst_s <= TOLERATED_S + 0.045
    assert len(cinema.player.seeks) == 1
    assert all(abs(one - 1.0) < 0.051 for one in cinema.player.rates)


def test_sound_in_step_is_left_alone() -> None:
    cinema = Cinema(Player())
    cinema.run(30.0, jitter_s=0.01)
    assert (cinema.player.seeks, cinema.player.rates) == ([pytest.approx(0.04, abs=0.02)], [])


@pytest.mark.parametrize("to_s", [0.0, 5.0, 50.0, 10.6])
def test_after_a_jump_of_the_pictures_it_is_there_too(to_s: float) -> None:
    cinema = Cinema(Player(late_s=0.03))
    cinema.film_s = 10.0
    cinema.run(1.0)
    cinema.film_s = to_s
    cinema.run(2.0)
    assert abs(cinema.off_s) < TOLERATED_S + 0.045
    assert len(cinema.player.seeks) == 2


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (-1.0, "Sound is not played backwards."),
        (0.25, "Sound is played at 0.5 to 4 times the speed."),
        (8.0, "Sound is played at 0.5 to 4 times the speed."),
    ],
)
def test_what_cannot_be_heard_is_silent_and_says_why(rate: float, words: str) -> None:
    cinema = Cinema(Player())
    cinema.film_s = 20.0
    cinema.run(1.0)
    assert cinema.sync.silence == ""
    cinema.run(1.0, rate)
    assert not cinema.player.playing
    assert cinema.sync.silence == words
    cinema.run(1.0)
    assert cinema.player.playing
    assert cinema.sync.silence == ""
    assert abs(cinema.off_s) < TOLERATED_S + 0.045


def test_held_pictures_hold_the_sound() -> None:
    cinema = Cinema(Player())
    cinema.run(1.0)
    cinema.sync.play_at(1.0, False)
    assert not cinema.player.playing
    assert cinema.sync.silence == ""
    cinema.film_s += 0.04
    cinema.sync.shown(cinema.film_s, cinema.now_s, 1.0, False)
    assert not cinema.player.playing
    cinema.run(1.0)
    assert cinema.player.playing
    assert abs(cinema.off_s) < TOLERATED_S + 0.045


def test_pictures_that_stop_coming_stop_the_sound() -> None:
    cinema = Cinema(Player())
    cinema.run(1.0)
    cinema.run(0.7, shows=False)
    assert not cinema.player.playing
    cinema.due = 0.0
    cinema.run(1.0)
    assert cinema.player.playing
    assert abs(cinema.off_s) < TOLERATED_S + 0.045


def test_a_film_of_few_pictures_a_second_does_not_stutter() -> None:
    cinema = Cinema(Player(), fps=1.0)
    cinema.run(20.0)
    assert cinema.player.playing
    assert len(cinema.player.seeks) <= 3


def test_a_picture_that_is_known_to_stay_is_waited_for() -> None:
    player = Player()
    sync = SoundSync(player, 0.0)
    for at in range(50):
        sync.shown(at / 25, 100 + at / 25, 1.0, True, lasts_s=8.0 if at == 49 else 0.04)
    for tenth in range(85):
        sync.tick(102 + tenth / 10)
        assert player.playing is (tenth < 85)
    sync.tick(110.6)
    assert not player.playing


@pytest.mark.parametrize("pace", [0.4, 0.6, 0.8])
def test_a_film_that_is_too_slow_is_silent_until_it_is_not(pace: float) -> None:
    cinema = Cinema(Player())
    cinema.run(3.0)
    cinema.run(5.0, pace=pace)
    assert not cinema.player.playing
    assert cinema.sync.silence == "Silent while the pictures come more slowly than they should."
    seeks = len(cinema.player.seeks)
    cinema.run(10.0, pace=pace)
    assert len(cinema.player.seeks) == seeks
    cinema.run(3.0)
    assert cinema.player.playing
    assert abs(cinema.off_s) < TOLERATED_S + 0.045


@pytest.mark.parametrize("duration_s", [5.0, 0.0])
def test_sound_that_is_shorter_than_the_film_ends_once(duration_s: float) -> None:
    player = Player(duration_s=duration_s)
    cinema = Cinema(player)
    cinema.film_s = 3.0
    cinema.run(1.9)
    assert player.playing
    if duration_s:
        cinema.run(2.0)
        assert not player.playing
        assert len(player.seeks) == 1
    cinema.film_s = 1.0
    cinema.run(1.0)
    assert player.playing


def test_positions_that_come_before_anything_is_shown_are_ignored() -> None:
    player = Player()
    sync = SoundSync(player, 0.0)
    for _ in range(20):
        sync.heard(3.0, 1.0)
        sync.tick(1.0)
    sync.ended()
    assert (player.seeks, player.rates, player.playing) == ([], [], False)


# Where the sound lies in a file ------------------------------------------------------------------------------------


def write_film(path: Path, video_s: float = 0.0, sound_s: float | None = 0.0, seconds: float = 2.0) -> Path:
    """A film of 25 pictures a second, with a tone in the first tenth of every second of the file's clock."""
    rate, samples = 25, 48_000
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = None if sound_s is None else out.add_stream("aac", rate=samples, layout="mono")
        for at in range(round(seconds * rate)):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), at * 3 % 256, np.uint8), format="rgb24")
            picture.pts, picture.time_base = at + round(video_s * rate), Fraction(1, rate)
            out.mux(video.encode(picture))
        out.mux(video.encode())
        if sound is not None and sound_s is not None:
            times_s = sound_s + np.arange(round(seconds * samples)) / samples
            wave = np.where(times_s % 1 < 0.1, 0.8 * np.sin(2 * np.pi * 1000 * times_s), 0).astype(np.float32)
            for at in range(0, len(wave), 1024):
                part = av.AudioFrame.from_ndarray(wave[None, at : at + 1024], format="fltp", layout="mono")
                part.sample_rate, part.pts = samples, at + round(sound_s * samples)
                part.time_base = Fraction(1, samples)
                out.mux(sound.encode(part))
            out.mux(sound.encode())
    return path


LAYOUTS = [
    ("film.mp4", 0.0, 0.0, 0.0),
    ("film.mp4", 1.0, 0.5, 0.522),
    ("film.mkv", 1.0, 0.5, 0.5),
    ("film.mkv", 0.4, 0.0, 0.4),
    ("film.mp4", 0.0, 1.0, 0.0),
    ("film.ts", 1.0, 0.5, 0.52),
]


@pytest.mark.parametrize(("name", "video_s", "sound_s", "origin_s"), LAYOUTS)
def test_the_first_picture_has_its_place_on_the_clock_of_the_sound(
    tmp_path: Path, name: str, video_s: float, sound_s: float, origin_s: float
) -> None:
    track = find_sound(write_film(tmp_path / name, video_s, sound_s))
    assert track is not None
    assert track.origin_s == pytest.approx(origin_s, abs=0.025)
    assert track.detail == "aac, mono"


def test_files_without_sound_or_that_are_no_films_have_none(tmp_path: Path) -> None:
    silent = write_film(tmp_path / "silent.mp4", sound_s=None)
    text, empty, whole = tmp_path / "text.mp4", tmp_path / "empty.mp4", write_film(tmp_path / "whole.mp4")
    text.write_text("no film\n" * 100)
    empty.touch()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(whole.read_bytes()[:700])
    for path in (silent, text, empty, broken, tmp_path / "missing.mp4", tmp_path):
        assert find_sound(path) is None


# In the window -----------------------------------------------------------------------------------------------------


@pytest.fixture
def post(qtbot: Any) -> tuple[Callable[[Callable[[], None]], None], list[Callable[[], None]]]:
    """Calls from other threads, kept until the test runs them."""
    calls: list[Callable[[], None]] = []
    return calls.append, calls


def arrive(qtbot: Any, calls: list[Callable[[], None]]) -> None:
    qtbot.waitUntil(lambda: bool(calls), timeout=10_000)
    while calls:
        calls.pop(0)()


def test_there_is_a_quiet_sentence_for_everything_that_is_not_there(
    qtbot: Any, tmp_path: Path, post: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = QObject()
    sound = FilmSound(MemorySettings(), post[0], owner)
    control = SoundControl(sound, owner)
    qtbot.addWidget(control.mute)
    qtbot.addWidget(control.volume)
    assert (sound.words, control.mute.toolTip(), control.mute.isEnabled()) == (NO_FILM, NO_FILM, False)
    sound.show(write_film(tmp_path / "silent.mp4", sound_s=None))
    arrive(qtbot, post[1])
    assert (control.volume.toolTip(), control.volume.isEnabled()) == (NO_TRACK, False)
    film = write_film(tmp_path / "film.mp4")
    monkeypatch.setitem(__import__("sys").modules, "PySide6.QtMultimedia", None)
    sound.show(film)
    arrive(qtbot, post[1])
    assert sound.words == NO_LIBRARY
    monkeypatch.undo()
    monkeypatch.setattr(film_sound, "default_loudspeaker", lambda: None)
    sound.show(film)
    arrive(qtbot, post[1])
    assert (sound.words, sound.available) == (NO_DEVICE, False)
    sound.shown(0.0, 1.0, True)
    sound.play_at(1.0, False)
    sound.show(None)
    assert sound.words == NO_FILM
    sound.close()


def test_what_is_found_of_a_film_that_has_gone_is_forgotten(qtbot: Any, tmp_path: Path, post: Any) -> None:
    owner = QObject()
    sound = FilmSound(MemorySettings(), post[0], owner)
    sound.show(write_film(tmp_path / "silent.mp4", sound_s=None))
    sound.show(None)
    arrive(qtbot, post[1])
    assert sound.words == NO_FILM
    sound.close()


@pytest.mark.parametrize(
    ("volume", "muted", "kept"),
    [(30, True, (30, True)), (None, None, (80, False)), ("loud", "", (80, False)), (1e999, 0, (100, False))],
)
def test_volume_and_mute_are_remembered(qtbot: Any, volume: Any, muted: Any, kept: tuple[int, bool]) -> None:
    settings = MemorySettings({"sound.volume": volume, "sound.muted": muted})
    owner = QObject()
    sound = FilmSound(settings, lambda call: None, owner)
    assert (sound.volume, sound.muted) == kept
    sound.set_volume(250)
    sound.set_muted(True)
    assert (settings.get("sound.volume"), settings.get("sound.muted")) == (100, True)


# The real player ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("name", "video_s", "sound_s", "origin_s"), LAYOUTS[:4])
def test_qt_plays_what_belongs_to_the_picture(
    qtbot: Any, tmp_path: Path, name: str, video_s: float, sound_s: float, origin_s: float
) -> None:
    """Without a loudspeaker: the player gives its samples away, and they are looked at."""
    from PySide6.QtMultimedia import QAudioBuffer, QAudioBufferOutput, QAudioFormat

    path = write_film(tmp_path / name, video_s, sound_s, seconds=4.0)
    track = find_sound(path)
    assert track is not None
    form = QAudioFormat()
    form.setSampleRate(48_000)
    form.setChannelCount(1)
    form.setSampleFormat(QAudioFormat.SampleFormat.Float)
    output = QAudioBufferOutput(form)
    tones: list[float] = []

    def look(buffer: QAudioBuffer) -> None:
        loud = np.flatnonzero(np.abs(np.frombuffer(bytes(buffer.data()), np.float32)) > 0.4)
        if len(loud):
            tones.append(buffer.startTime() / 1e6 + loud[0] / 48_000)

    output.audioBufferReceived.connect(look)
    owner = QObject()
    sound = FilmSound(MemorySettings(), lambda call: None, owner)
    sound.attach(path, track, output)
    assert sound.words == "Volume 80 % (aac, mono)."
    voice = sound._voice
    assert voice is not None
    qtbot.waitUntil(lambda: voice.duration_s > 0, timeout=10_000)
    # Shown as an engine would: every time is asked of the clock, so that a slow machine is late but not wrong.
    import time

    began_s = time.monotonic()

    def show() -> bool:
        sound.shown(time.monotonic() - began_s, 1.0, True)
        return bool(tones)

    qtbot.waitUntil(show, timeout=15_000)
    # The tone begins with a second of the file's clock, wherever the pictures and the player begin to count.
    first_file_s = tones[0] - track.origin_s + video_s
    assert first_file_s == pytest.approx(round(first_file_s), abs=0.11)
    sound.play_at(1.0, False)
    sound.close()


@pytest.mark.slow
def test_a_file_that_qt_cannot_read_is_told_quietly(qtbot: Any, tmp_path: Path) -> None:
    from PySide6.QtMultimedia import QAudioBufferOutput

    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0" * 5000)
    owner = QObject()
    sound = FilmSound(MemorySettings(), lambda call: None, owner)
    sound.attach(broken, SoundTrack(0.0, "aac"), QAudioBufferOutput())
    qtbot.waitUntil(lambda: not sound.available, timeout=10_000)
    assert sound.words.startswith("The sound of this film cannot be played: ")
    sound.close()


def test_times_of_sound_and_picture_have_one_beginning(tmp_path: Path) -> None:
    source = VideoFile(write_film(tmp_path / "film.mkv", 1.0, 0.5))
    source.open()
    frame = source.read()
    source.close()
    assert frame is not None
    assert frame.pts_s == 0.0
