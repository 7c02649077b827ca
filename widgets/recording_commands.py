"""Recording as the window does it: start and stop, save the last seconds, options."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog, QMessageBox, QWidget

from scenescope.models import ScenescopeError
from scenescope.pipelines import STAGES, Source, Stage
from scenescope.pipelines.engine import Engine
from scenescope.pipelines.look_back import LookBack
from scenescope.pipelines.overlay import OverlayStyle
from scenescope.pipelines.privacy import hiding_stages
from scenescope.pipelines.recording import RawRefused, Recording, RecordingPhase, Recordings
from scenescope.pipelines.registry import Registry
from scenescope.pipelines.sinks._encoder import encoder_choice, encoders_tried
from scenescope.pipelines.sinks.rolling import Saved
from scenescope.widgets.background import Background
from scenescope.widgets.bridge import EngineBridge
from scenescope.widgets.recording import RecordingStrip, RecordingWishes, length
from scenescope.widgets.settings import Settings

__all__ = ["RecordingCommands"]

POLL_MS = 250
CLOSE_WITHIN_S = 5.0


class RecordingCommands(QObject):
    """Carries wishes to :class:`Recordings` and :class:`LookBack`, and news back. What waits for a disk has a thread.

    Args:
        engine: whose pictures are recorded.
        bridge: brings helper threads' news to the GUI thread.
        settings: where the options are remembered.
        window: parent of dialogs.
        source: gives the source that is shown; for its clock and its sound.
        style: gives what is drawn into annotated pictures.
        registry: where stage classes are found.

    Attributes:
        strip: shows how a recording fares, in the status bar.
    """

    told = Signal(str, str)
    """Something went well: message and more."""
    failed = Signal(str, str)
    """Something did not: message and hint."""

    def __init__(
        self,
        engine: Engine,
        bridge: EngineBridge,
        settings: Settings,
        window: QWidget,
        *,
        source: Callable[[], Source | None] = lambda: None,
        style: Callable[[], OverlayStyle] = OverlayStyle,
        registry: Registry[Stage] = STAGES,
    ) -> None:
        super().__init__(window)
        self._engine = engine
        self._bridge = bridge
        self._settings = settings
        self._window = window
        self._style = style
        self._registry = registry
        self._action: QAction | None = None
        self._works: list[Background] = []
        self._shown: Recording | None = None
        self._trial: Background | None = None
        self.wishes = RecordingWishes.recalled(settings)
        self.recordings = Recordings(engine, source, registry=registry, told=self._told)
        self.look_back = LookBack(engine, source, registry=registry)
        self.strip = RecordingStrip()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._timer.start()
        if self.wishes.look_back_s:
            self._keep()

    def attach(self, action: QAction) -> None:
        """The action that is checked while it is recorded, and whose tooltip says what is."""
        self._action = action
        self._show_action()

    @property
    def recording(self) -> bool:
        """True from the wish to record until the files are whole."""
        return self.recordings.recording or any(not work.done for work in self._works)

    # What the user can do ----------------------------------------------------------------------------------------

    def toggle(self, name: str = "", on: bool | None = None) -> None:
        """Start or stop; as an action of two states it is told its name and the new state."""
        if self.recordings.recording if on is None else not on:
            self.recordings.stop()
        else:
            self._start(confirmed=False)
        self._show_action()

    @Slot()
    def save_last(self) -> None:
        """Write the seconds that are kept to a file."""
        options = self.wishes.options
        if not self.wishes.look_back_s:
            self.failed.emit("The last seconds are not kept.", "Switch that on in the recording options.")
            return
        self._run(
            lambda: self.look_back.save(options.folder, self.wishes.look_back_s, options.container),
            self._saved,
            "look_back",
        )

    @Slot()
    def options(self) -> None:
        """Ask what is recorded, where to and how."""
        # Imported when it is opened: the window is there sooner without.
        from scenescope.widgets.recording_dialog import RecordingDialog

        hiding = hiding_stages(self._engine.spec, self._registry)
        titles = " and ".join(f"'{title}'" for title in dict.fromkeys(hiding.values()))
        words = f"Pictures as captured show what {titles} would hide: you are asked before they are." if hiding else ""
        dialog = RecordingDialog(self.wishes, lambda: self.look_back.status, words, self._window)
        dialog.accepted.connect(partial(self._take, dialog))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def close(self, timeout_s: float = CLOSE_WITHIN_S) -> None:
        """End the recording, so that its files are whole, and keep nothing more."""
        self._timer.stop()
        self.look_back.close()
        for work in self._works:
            work.close()
        self.recordings.close(timeout_s)

    # GUI thread --------------------------------------------------------------------------------------------------

    def _take(self, dialog: QDialog) -> None:
        self.wishes = dialog.wishes  # type: ignore[attr-defined]
        self.wishes.remember(self._settings)
        self._keep()
        self._show_action()

    def _keep(self) -> None:
        self.look_back.keep(self.wishes.look_back_s)
        if self.wishes.look_back_s:
            self._try_encoders()

    def _try_encoders(self) -> None:
        """Look for a hardware encoder, once; until one is found, what works everywhere does the work."""
        if self._trial is None and not encoders_tried():
            self._trial = Background(lambda *_: encoder_choice(), "encoder-trial")

    def _start(self, confirmed: bool) -> None:
        options, style = self.wishes.options, self._style()
        self._run(
            lambda: self.recordings.start(options, style=style, raw_confirmed=confirmed), self._started, "recording"
        )

    def _run(self, work: Callable[[], object], then: Callable[[object], None], name: str) -> None:
        """Do ``work`` in a thread of its own, and ``then`` with what it returns in this one."""

        def run(*_: object) -> None:
            try:
                made = work()
            except ScenescopeError as error:
                self._bridge.post(partial(self._refused, error))
            else:
                self._bridge.post(partial(then, made))

        self._works = [*(one for one in self._works if not one.done), Background(run, name)]

    def _refused(self, error: ScenescopeError) -> None:
        self._show_action()
        if not isinstance(error, RawRefused):
            self.failed.emit(error.user_message, error.hint)
            return
        box = QMessageBox(
            QMessageBox.Icon.Warning,
            "Record what is hidden?",
            f"{error.user_message}\n\nRecord them nevertheless? They will show everything.",
            parent=self._window,
        )
        record = box.addButton("Record unhidden", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.finished.connect(lambda: self._start(confirmed=True) if box.clickedButton() is record else None)
        box.finished.connect(box.deleteLater)
        box.open()

    def _started(self, recording: object) -> None:
        assert isinstance(recording, Recording)
        self._shown = recording
        self._try_encoders()
        self._poll()

    def _saved(self, saved: object) -> None:
        assert isinstance(saved, Saved)
        self.told.emit(f"Saved the last {length(saved.seconds)} as {saved.path.name}.", f"In {saved.path.parent}")

    @Slot()
    def _poll(self) -> None:
        status = self._shown.status if self._shown is not None else None
        self.strip.show_status(status, self.look_back.status)
        if status is not None and status.phase is RecordingPhase.ENDED:
            recording, self._shown = self._shown, None
            assert recording is not None
            failures = [part for part in status.parts if part.failure]
            written = [part for part in status.parts if part.path is not None and part.frames]
            if written and not failures:
                names = ", ".join(part.path.name for part in written if part.path)
                notes = " ".join(dict.fromkeys(part.note for part in written if part.note))
                where = f"In {recording.options.folder}. {notes}".strip()
                self.told.emit(f"Recorded {length(status.seconds)}: {names}.", where)
            elif not failures:
                self.failed.emit("Nothing was recorded: no picture came.", "Start again when the source plays.")
        self._show_action()

    def _show_action(self) -> None:
        if self._action is None:
            return
        on = self.recording
        key = self._action.shortcut().toString()
        text = "Stop the recording" if on else self.wishes.words()
        self._action.setChecked(on)
        self._action.setText("Stop &recording" if on else "&Record")
        self._action.setToolTip(f"{text} ({key})" if key else text)

    # Any thread --------------------------------------------------------------------------------------------------

    def _told(self, message: str, hint: str) -> None:
        self._bridge.post(partial(self.failed.emit, message, hint))
