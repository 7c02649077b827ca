"""Which source is shown, and how: the window's commands to the engine."""

from __future__ import annotations

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

__all__ = ["DEMO", "MOST_RECENT", "Playback"]

DEMO = "demo"
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

    @Slot()
    def toggle_pause(self) -> None:
        """Hold the picture, or go on; starts when nothing runs."""
        if not self.active:
            self.start()
        elif self.phase in (SourcePhase.PAUSED, SourcePhase.ENDED):
            self._engine.resume()
        else:
            self._engine.pause()

    @Slot()
    def step(self) -> None:
        """Hold the picture and show the next one."""
        if self.active:
            self._engine.pause()
            self._engine.step()

    @Slot(float)
    def seek(self, pts_s: float) -> None:
        """Go to a time of the film; for a live source there is nowhere to go."""
        self._engine.seek(pts_s)

    def skip(self, seconds: float, now_s: float) -> None:
        """Go forward or back from where we are."""
        self._engine.seek(max(now_s + seconds, 0.0))
