"""Which source is shown, and how: the window's commands to the engine."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PySide6.QtCore import QObject, Signal, Slot

from scenescope.models import ScenescopeError
from scenescope.pipelines import Source
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.events import SourcePhase
from scenescope.widgets.settings import Settings

__all__ = ["DEMO", "MOST_RECENT", "SPEEDS", "Playback"]

DEMO = "demo"
LAST_PICTURES_S = 0.1
"""So far before its end a film is sure to have a picture."""
SPEEDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0, 8.0, 16.0)
ARRIVE_WITHIN_S, ARRIVED_S = 0.8, 0.5
"""For so long a skip is on its way, unless a picture that is so near to its goal has come."""
RECENT_KEY = "source.recent"
MOST_RECENT = 8


class Playback(QObject):
    """Starts, holds and ends sources.

    Args:
        engine: the engine.
        settings: where recent sources are remembered.
        open_source: makes a source of what was typed, with options; raises SourceError.
    """

    failed = Signal(str, str)
    """A source could not even be made: message and hint."""
    source_changed = Signal()
    """Another source was started, or the same one again."""
    rate_changed = Signal(float)
    """It plays at another speed, or the other way."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        open_source: Callable[..., Source],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._engine = engine
        self._settings = settings
        self._open_source = open_source
        self._heading = (0.0, 0.0)
        self.source: Source | None = None
        self.text = ""

    # Which source ------------------------------------------------------------------------------------------------

    def open_text(self, text: str, **options: Any) -> bool:
        """Show what ``text`` means; False when it means nothing."""
        try:
            source = self._open_source(text, **options)
        except ScenescopeError as error:
            self.failed.emit(error.user_message, error.hint)
            return False
        self._remember(text)
        self.show(source, text)
        return True

    def show(self, source: Source, text: str = "") -> None:
        """Show a source that is not open yet."""
        self.source, self.text = source, text
        # A film plays at its own rate here; a run without a window would take it as fast as it goes.
        self._engine.start(source, paced=not source.live)
        self.source_changed.emit()

    @property
    def name(self) -> str:
        """What to call the source before it is open; of an address only the host, as the rest may be secret."""
        if "://" in self.text:
            return urlsplit(self.text).hostname or "stream"
        return Path(self.text).name or self.text

    @Slot()
    def open_demo(self) -> None:
        """Show the demo camera."""
        self.open_text(DEMO)

    @property
    def recent(self) -> list[str]:
        """Files, folders and addresses shown lately, the newest first."""
        return [text for text in self._settings.get(RECENT_KEY, []) if isinstance(text, str)][:MOST_RECENT]

    def _remember(self, text: str) -> None:
        if text.partition(":")[0] in (DEMO, "webcam"):
            return
        # An address may carry a password, which does not belong in a settings file.
        if "://" in text and "@" in text.split("://", 1)[1].split("/", 1)[0]:
            return
        known = str(Path(text).resolve()) if Path(text).exists() else text
        self._settings.set(RECENT_KEY, [known, *(one for one in self.recent if one != known)][:MOST_RECENT])

    @Slot()
    def forget_recent(self) -> None:
        """Empty the list."""
        self._settings.set(RECENT_KEY, [])

    # How ---------------------------------------------------------------------------------------------------------

    @property
    def phase(self) -> SourcePhase:
        """Where the source is in its life."""
        return self._engine.source_state.phase

    @property
    def film(self) -> bool:
        """True when what is shown is no camera or stream: it can be moved in."""
        info = self._engine.source_state.info
        return bool(info and not info.live)

    @property
    def active(self) -> bool:
        """True while there is something to stop."""
        return self.phase not in (SourcePhase.STOPPED, SourcePhase.FAILED)

    @Slot()
    def start(self) -> None:
        """Start the source again that was shown last, or the demo camera when there was none."""
        if self.source is None:
            self.open_demo()
        else:
            self.show(self.source, self.text)

    @Slot()
    def restart(self) -> None:
        """From the beginning."""
        self.start()

    @Slot()
    def stop(self) -> None:
        """End the source. What hangs in it is left to end by itself: the window must not wait."""
        self._engine.stop(timeout_s=0)

    @property
    def held(self) -> bool:
        """True while there is a picture that does not move on."""
        return self.phase in (SourcePhase.PAUSED, SourcePhase.ENDED)

    @Slot()
    def toggle_pause(self) -> None:
        """Hold the picture, or play forward; starts when nothing runs."""
        if not self.active:
            self.start()
        elif self.held:
            self._turn(forward=True)
            self._engine.resume()
        else:
            self._engine.pause()

    @Slot()
    def toggle_backwards(self) -> None:
        """Play towards the beginning, or hold the picture when that is what goes on."""
        if not self.film or not self.active:
            return
        if not self.held and self._engine.rate < 0:
            self._engine.pause()
            return
        self._turn(forward=False)
        if self.held and self._engine.rate < 0:
            self._engine.resume()

    def _turn(self, forward: bool) -> None:
        rate = self._engine.rate
        if (rate > 0) is not forward:
            self._set_rate(-rate)

    def step(self, frames: int = 1) -> None:
        """Hold the picture and show one that is so many further; back when ``frames`` is negative."""
        if self.active:
            self._engine.pause()
            self._engine.step(frames)

    # Speed -------------------------------------------------------------------------------------------------------

    def set_speed(self, speed: float) -> None:
        """Play so many times as fast as the film is, 0.1 to 16, in the direction in which it plays."""
        if self.film:
            self._set_rate(math.copysign(speed, self._engine.rate))

    @Slot()
    def faster(self) -> None:
        """The next of the usual speeds."""
        self.set_speed(next((one for one in SPEEDS if one > abs(self._engine.rate) + 1e-6), SPEEDS[-1]))

    @Slot()
    def slower(self) -> None:
        """The speed before it."""
        self.set_speed(next((one for one in reversed(SPEEDS) if one < abs(self._engine.rate) - 1e-6), SPEEDS[0]))

    @Slot()
    def normal_speed(self) -> None:
        """As fast as the film is, forward."""
        if self.film:
            self._set_rate(1.0)

    def _set_rate(self, rate: float) -> None:
        self._engine.set_rate(rate)
        # What cannot be played backwards is not.
        self.rate_changed.emit(self._engine.rate)

    # Where -------------------------------------------------------------------------------------------------------

    @Slot(float)
    def seek(self, pts_s: float) -> None:
        """Go to a time of the film; for a live source there is nowhere to go."""
        self._engine.seek(pts_s)

    @Slot(int)
    def seek_frame(self, index: int) -> None:
        """Go to a picture by its number."""
        self._engine.seek_frame(index)

    @Slot()
    def to_first(self) -> None:
        """Go to the first picture."""
        if self.film:
            self._engine.seek(0.0)

    @Slot()
    def to_last(self) -> None:
        """Go to the last picture, as far as it is known where that is."""
        info, index = self._engine.source_state.info, self._engine.frame_index
        if not self.film or info is None:
            return
        if index is not None and len(index):
            self._engine.seek_frame(len(index) - 1)
        elif info.frame_count:
            self._engine.seek_frame(info.frame_count - 1)
        elif info.duration_s:
            self._engine.seek(max(info.duration_s - LAST_PICTURES_S, 0.0))

    def skip(self, seconds: float, now_s: float) -> None:
        """Go forward or back from where we are, or from where the skip before leads while it is on its way."""
        heading_s, until_s = self._heading
        if time.monotonic() < until_s and abs(heading_s - now_s) > ARRIVED_S:
            now_s = heading_s
        target_s = max(now_s + seconds, 0.0)
        self._heading = (target_s, time.monotonic() + ARRIVE_WITHIN_S)
        self._engine.seek(target_s)
