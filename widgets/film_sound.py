"""The sound of a film, played by Qt Multimedia in step with the pictures that the engine shows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QObject, QTimer, QUrl, Signal, Slot

from scenescope.widgets.settings import Settings
from scenescope.widgets.sound_sync import SoundSync

if TYPE_CHECKING:
    from PySide6.QtMultimedia import QAudioDevice, QMediaPlayer

    from scenescope.pipelines.sources.sound_track import SoundTrack

__all__ = ["FilmSound", "default_loudspeaker"]

VOLUME_KEY, MUTED_KEY = "sound.volume", "sound.muted"
USUAL_VOLUME = 80
TICK_MS = 100
JOIN_WITHIN_S = 2.0

NO_FILM = "There is no film to hear."
NO_TRACK = "This film has no sound."
NO_DEVICE = "There is no loudspeaker. Plug one in to hear the film."
NO_LIBRARY = "Sound needs Qt Multimedia, which is not installed."


class FilmSound(QObject):
    """Finds the sound of a file and keeps it in step. Qt Multimedia is loaded with the first film that has sound.

    Args:
        settings: where volume and mute are remembered.
        post: runs a call in the GUI thread soon.
    """

    changed = Signal()
    """``available``, ``words``, ``volume`` or ``muted`` are others."""

    def __init__(self, settings: Settings, post: Callable[[Callable[[], None]], None], parent: QObject) -> None:
        super().__init__(parent)
        self._settings = settings
        self._post = post
        self.volume = _percent(settings.get(VOLUME_KEY, USUAL_VOLUME))
        self.muted = bool(settings.get(MUTED_KEY, False))
        self._problem = NO_FILM
        self._path: Path | None = None
        self._track: SoundTrack | None = None
        self._voice: _Voice | None = None
        self._devices: QObject | None = None
        self._device_id = QByteArray()
        self._sync: SoundSync | None = None
        self._searches: list[threading.Thread] = []
        self._silence = ""
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    @property
    def available(self) -> bool:
        """True when volume and mute mean something."""
        return not self._problem

    @property
    def words(self) -> str:
        """Why there is nothing to hear, or what there is, in a sentence."""
        if self._problem:
            return self._problem
        if self._silence:
            return self._silence
        detail = self._track.detail if self._track else ""
        return f"Muted ({detail})." if self.muted else f"Volume {self.volume} % ({detail})."

    # Commands ----------------------------------------------------------------------------------------------------

    def show(self, path: Path | None) -> None:
        """Another film is shown; None when what is shown is no file."""
        self._drop()
        self._path = path
        self._say(NO_FILM)
        if path is not None:
            self._searches = [one for one in self._searches if one.is_alive()]
            search = threading.Thread(target=self._search, args=(path,), name="sound search", daemon=True)
            self._searches.append(search)
            search.start()

    def set_volume(self, percent: int) -> None:
        """How loud, 0 to 100."""
        self.volume = _percent(percent)
        self._settings.set(VOLUME_KEY, self.volume)
        self._loudness_changed()

    def set_muted(self, on: bool) -> None:
        """Hear nothing, or as before."""
        self.muted = on
        self._settings.set(MUTED_KEY, on)
        self._loudness_changed()

    def close(self) -> None:
        """End everything."""
        self._drop()
        self._path = None
        for search in self._searches:
            search.join(JOIN_WITHIN_S)

    # The pictures ------------------------------------------------------------------------------------------------

    def shown(self, pts_s: float, rate: float, playing: bool, lasts_s: float = 0.0) -> None:
        """A picture is on the screen, and stays for so many seconds of the film; 0 when that is unknown."""
        if self._sync is not None:
            self._sync.shown(pts_s, time.monotonic(), rate, playing, lasts_s)
            self._tell_silence()

    def play_at(self, rate: float, playing: bool) -> None:
        """The film is held, goes on, or changes its speed."""
        if self._sync is not None:
            self._sync.play_at(rate, playing)
            self._tell_silence()

    # Finding the sound -------------------------------------------------------------------------------------------

    def _search(self, path: Path) -> None:
        """On a thread of its own: files and libraries take their time."""
        from scenescope.pipelines.sources.sound_track import find_sound

        track = find_sound(path)
        problem = "" if track is not None else NO_TRACK
        if track is not None:
            try:
                import PySide6.QtMultimedia  # noqa: F401
            except ImportError:
                problem = NO_LIBRARY
        self._post(lambda: self._found(path, track, problem))

    def _found(self, path: Path, track: SoundTrack | None, problem: str) -> None:
        if path != self._path:
            return
        self._track = track
        if problem or track is None:
            self._say(problem)
            return
        self._watch_devices()
        self._begin()

    def _watch_devices(self) -> None:
        from PySide6.QtMultimedia import QMediaDevices

        if self._devices is None:
            devices = QMediaDevices(self)
            devices.audioOutputsChanged.connect(self._devices_changed)
            self._devices = devices

    @Slot()
    def _devices_changed(self) -> None:
        device = default_loudspeaker()
        if (QByteArray() if device is None else device.id()) != self._device_id:
            self._begin()

    def _begin(self) -> None:
        """Play on the loudspeaker that there is now."""
        from PySide6.QtMultimedia import QAudioOutput

        self._drop()
        device = default_loudspeaker()
        self._device_id = QByteArray() if device is None else device.id()
        if self._path is None or self._track is None:
            return
        if device is None:
            self._say(NO_DEVICE)
            return
        self.attach(self._path, self._track, QAudioOutput(device))

    def attach(self, path: Path, track: SoundTrack, output: Any) -> None:
        """Play the sound of a file on ``output``: a QAudioOutput, or a QAudioBufferOutput, which gives it away."""
        self._track = track
        self._voice = voice = _Voice(path, output, self)
        self._sync = SoundSync(voice, track.origin_s)
        voice.heard.connect(self._heard)
        voice.ended.connect(self._ended)
        voice.failed.connect(self._failed)
        voice.set_loudness(self.volume, self.muted)
        self._timer.start()
        self._say("")

    def _drop(self) -> None:
        self._timer.stop()
        self._sync = None
        if self._voice is not None:
            self._voice.close()
            self._voice = None

    # News of the player ------------------------------------------------------------------------------------------

    @Slot(float, float)
    def _heard(self, position_s: float, at_s: float) -> None:
        if self._sync is not None:
            self._sync.heard(position_s, at_s)

    @Slot()
    def _ended(self) -> None:
        if self._sync is not None:
            self._sync.ended()

    @Slot(str)
    def _failed(self, why: str) -> None:
        self._drop()
        self._say(f"The sound of this film cannot be played: {why}")

    @Slot()
    def _tick(self) -> None:
        if self._sync is not None:
            self._sync.tick(time.monotonic())
            self._tell_silence()

    def _tell_silence(self) -> None:
        silence = self._sync.silence if self._sync is not None else ""
        if silence != self._silence:
            self._silence = silence
            self.changed.emit()

    def _loudness_changed(self) -> None:
        if self._voice is not None:
            self._voice.set_loudness(self.volume, self.muted)
        self.changed.emit()

    def _say(self, problem: str) -> None:
        self._problem, self._silence = problem, ""
        self.changed.emit()


class _Voice(QObject):
    """A QMediaPlayer without pictures, as :class:`~scenescope.widgets.sound_sync.SoundPlayer`."""

    heard = Signal(float, float)
    """It is at this time, told at this time of the monotonic clock."""
    ended = Signal()
    failed = Signal(str)

    def __init__(self, path: Path, output: Any, parent: QObject) -> None:
        super().__init__(parent)
        from PySide6.QtMultimedia import QAudioOutput, QMediaPlayer

        self._player = player = QMediaPlayer(self)
        self._output = output
        output.setParent(self)
        if isinstance(output, QAudioOutput):
            player.setAudioOutput(output)
        else:
            player.setAudioBufferOutput(output)
        player.positionChanged.connect(self._position_changed)
        player.mediaStatusChanged.connect(self._status_changed)
        player.errorOccurred.connect(self._error_occurred)
        player.setSource(QUrl.fromLocalFile(str(path.absolute())))

    @property
    def duration_s(self) -> float:
        """Length of the file, 0 while unknown."""
        return float(self._player.duration()) / 1000

    def play(self) -> None:
        """Go on."""
        self._player.play()

    def pause(self) -> None:
        """Be silent."""
        self._player.pause()

    def seek(self, position_s: float) -> None:
        """Go to a time."""
        self._player.setPosition(round(position_s * 1000))

    def set_rate(self, rate: float) -> None:
        """Play so many times as fast."""
        self._player.setPlaybackRate(rate)

    def set_loudness(self, percent: int, muted: bool) -> None:
        """How loud it is."""
        if hasattr(self._output, "setVolume"):
            # The ear hears ratios: half way down is to sound like half as loud.
            self._output.setVolume((percent / 100) ** 2)
            self._output.setMuted(muted)

    def close(self) -> None:
        """Be silent for good."""
        self._player.stop()
        self._player.setSource(QUrl())
        self.deleteLater()

    def _position_changed(self, position_ms: int) -> None:
        self.heard.emit(position_ms / 1000, time.monotonic())

    def _status_changed(self, status: QMediaPlayer.MediaStatus) -> None:
        if status == type(status).EndOfMedia:
            self.ended.emit()

    def _error_occurred(self, error: Any, text: str) -> None:
        self.failed.emit(f"{text.rstrip('.') or 'the player gives no reason'}.")


def default_loudspeaker() -> QAudioDevice | None:
    """What the system plays sound on; None when there is nothing."""
    from PySide6.QtMultimedia import QMediaDevices

    device = QMediaDevices.defaultAudioOutput()
    return None if device.isNull() else device


def _percent(value: Any) -> int:
    """A volume as it was remembered, made one again if somebody has changed it."""
    return round(min(max(value, 0), 100)) if isinstance(value, int | float) and value == value else USUAL_VOLUME
