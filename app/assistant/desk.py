"""Desk: what tools act on in the window. Everything is done in the window's own thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import TypeVar

from PySide6.QtCore import QThread, QTimer

from scenescope.app.assistant.tools.host import SourceView
from scenescope.models import AssistantError
from scenescope.models.language import Evidence
from scenescope.pipelines import STAGES, PipelineSpec, Stage
from scenescope.pipelines.events import SourcePhase
from scenescope.pipelines.host import validated
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.watches import WatchBook
from scenescope.widgets.main_window import MainWindow

__all__ = ["Desk"]

WAIT_S = 5.0
LOOK_EVERY_S = 0.05

T = TypeVar("T")


class _Phase(Enum):
    WAITING = "waiting"
    RUNNING = "running"
    GIVEN_UP = "given up"


class Desk:
    """A :class:`~scenescope.app.assistant.tools.host.Host` over the window.

    A call on another thread waits until the window has done it. What the window has not begun after 5 s, because it
    is busy or closing, it never does.

    Args:
        window: what is acted on.
        watches: the user's watches.
        show_moment: shows what is kept of a moment of a source that cannot be moved in.
        registry: where stage classes are found.
        wait_s: how long the window is waited for.
    """

    def __init__(
        self,
        window: MainWindow,
        watches: WatchBook | None = None,
        *,
        show_moment: Callable[[Evidence], object] = lambda evidence: None,
        registry: Registry[Stage] = STAGES,
        wait_s: float = WAIT_S,
    ) -> None:
        self.registry = registry
        self.watches = watches
        self._window = window
        self._show_moment = show_moment
        self._wait_s = wait_s
        self._sources = 0
        window.playback.source_changed.connect(self._source_changed)

    def _source_changed(self) -> None:
        self._sources += 1

    # The pipeline ------------------------------------------------------------------------------------------------

    @property
    def spec(self) -> PipelineSpec:
        """The pipeline as it is wished. Any thread, at once."""
        return self._window.engine.spec

    def apply(self, after: PipelineSpec, text: str, before: PipelineSpec) -> None:
        """Make the pipeline ``after``, as a step that Ctrl+Z takes back.

        Raises:
            ScenescopeError: it is not valid, or no longer ``before``.
        """
        for stage in after.stages:
            validated(stage, self.registry)

        def edit() -> None:
            editor = self._window.editor
            if editor.spec != before:
                raise AssistantError("The pipeline was changed meanwhile, so nothing was done.", hint="Say it again.")
            refusals: list[tuple[str, str]] = []

            def refused(message: str, hint: str) -> None:
                refusals.append((message, hint))

            editor.refused.connect(refused)
            try:
                done = editor.replace(after, text)
            finally:
                editor.refused.disconnect(refused)
            if not done:
                message, hint = refusals[-1] if refusals else ("The pipeline was not taken.", "")
                raise AssistantError(message, hint=hint)

        self._in_window(edit)

    # The source --------------------------------------------------------------------------------------------------

    @property
    def source(self) -> SourceView:
        """The source."""
        return self._in_window(self._source)

    def _source(self) -> SourceView:
        playback, picture = self._window.playback, self._window.bridge.picture
        state = self._window.engine.source_state
        info = state.info
        return SourceView(
            active=playback.active,
            playing=state.phase in (SourcePhase.OPENING, SourcePhase.PLAYING, SourcePhase.RECONNECTING),
            film=playback.film,
            pts_s=picture.pts_s if picture is not None else None,
            frame_index=picture.frame_index if picture is not None else None,
            duration_s=info.duration_s if info is not None else None,
            key=self._sources,
        )

    def seek(self, pts_s: float) -> None:
        """Go to a time of the film."""
        self._in_window(partial(self._window.playback.seek, pts_s))

    def seek_frame(self, index: int) -> None:
        """Go to a picture of the film."""
        self._in_window(partial(self._window.playback.seek_frame, index))

    def show_moment(self, evidence: Evidence) -> None:
        """Show what is kept of a moment; nothing once one can go there."""
        self._in_window(partial(self._show_moment, evidence))

    def set_playing(self, on: bool) -> None:
        """Play on, or hold the picture."""

        def turn() -> None:
            if not self._window.playback.active:
                raise AssistantError("No source is open.", hint="Open a camera or a video first.")
            if self._window.playback.held == on:
                self._window.playback.toggle_pause()

        self._in_window(turn)

    # The view ----------------------------------------------------------------------------------------------------

    @property
    def selected_track(self) -> int | None:
        """The number of the chosen object."""
        return self._window.viewport.selected_track

    def select_track(self, track_id: int | None) -> None:
        """Choose an object, or none."""
        viewport = self._window.viewport
        self._in_window(
            partial(viewport.select, None) if track_id is None else partial(viewport.select_track, track_id)
        )

    @property
    def highlighted(self) -> tuple[str, ...]:
        """Labels whose objects are drawn stronger."""
        return self._window.viewport.style_wish.highlighted

    def highlight(self, labels: tuple[str, ...]) -> None:
        """Draw the objects of these labels stronger."""
        self._in_window(lambda: self._window.viewport.set_style(highlighted=labels))

    @property
    def panels(self) -> Mapping[str, str]:
        """The docks."""
        return self._in_window(
            lambda: {name: dock.windowTitle() for name, dock in self._window.layout_keeper.docks.items()}
        )

    def show_panel(self, name: str) -> None:
        """Show a dock."""
        self._in_window(lambda: self._window.layout_keeper.show_dock(name, True))

    # What must be confirmed --------------------------------------------------------------------------------------

    @property
    def recording(self) -> bool:
        """True from the wish to record until the files are whole."""
        return self._in_window(lambda: self._window.inspection.recording.recording)

    def set_recording(self, on: bool) -> None:
        """Begin to record, or end it. A recording of what is hidden is asked about once more, by the window."""
        self._in_window(lambda: self._window.inspection.recording.toggle(on=on))

    def ask_source(self) -> None:
        """Open the dialog for a file."""
        self._open(self._window.sources.choose_file)

    def ask_export(self) -> None:
        """Open the dialog for an export."""
        self._open(self._window.inspection.export.show_export)

    def _open(self, dialog: Callable[[], None]) -> None:
        """Open a dialog once the window is back in its loop: one that waits for the user must not be waited for."""
        self._in_window(lambda: QTimer.singleShot(0, self._window, dialog))

    # Threads -----------------------------------------------------------------------------------------------------

    def _in_window(self, call: Callable[[], T]) -> T:
        """What ``call`` returns in the window's thread.

        Raises:
            AssistantError: the window is closing, or has not begun with it in time; it will not then.
        """
        window = self._window
        if window.bridge.closed:
            raise _closing()
        if QThread.currentThread() is window.thread():
            return call()
        lock, ended = threading.Lock(), threading.Event()
        phase = _Phase.WAITING
        result: list[T] = []
        failure: list[Exception] = []

        def run() -> None:
            nonlocal phase
            with lock:
                if phase is _Phase.GIVEN_UP:
                    return
                phase = _Phase.RUNNING
            try:
                result.append(call())
            except Exception as error:
                failure.append(error)
            finally:
                ended.set()

        window.bridge.post(run)
        deadline_s = time.monotonic() + self._wait_s
        while not ended.wait(LOOK_EVERY_S):
            with lock:
                late = window.bridge.closed or time.monotonic() > deadline_s
                if late and phase is _Phase.WAITING:
                    phase = _Phase.GIVEN_UP
                    raise (_closing() if window.bridge.closed else _busy())
        if failure:
            raise failure[0]
        return result[0]


def _busy() -> AssistantError:
    return AssistantError("The window is busy, so nothing was done.", hint="Try again in a moment.")


def _closing() -> AssistantError:
    return AssistantError("The window is closing, so nothing was done.")
