"""What the user is told, above the picture: about the source in one strip, about everything else in another."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QVBoxLayout, QWidget

from scenescope.pipelines.events import EngineFault, SinkFailed, SourcePhase, SourceState, StageFailed
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.bridge import EngineBridge

__all__ = ["Notices"]

WARNING_S = 10.0
INFO_S = 6.0


class Notices(QWidget):
    """Turns events into sentences with a way on."""

    retry_wished = Signal(str)
    """Load the stage with this id again."""
    source_wished = Signal()
    """Try the source again."""
    file_wished = Signal()
    """Choose another source."""

    def __init__(self, bridge: EngineBridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source_banner = Banner()
        self.notice = Banner()
        self._report = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for banner in (self.source_banner, self.notice):
            column.addWidget(banner)
            banner.pressed.connect(self._pressed)
        bridge.stage_failed.connect(self._stage_failed)
        bridge.sink_failed.connect(self._sink_failed)
        bridge.fault.connect(self._fault)

    # The source --------------------------------------------------------------------------------------------------

    def show_source(self, state: SourceState) -> None:
        """Say what ails the source, as long as it ails."""
        if state.phase is SourcePhase.FAILED:
            self.source_banner.say(Level.ERROR, state.message, state.hint, button="Retry", word="source")
        elif state.phase is SourcePhase.RECONNECTING:
            wait = f"Trying again in {state.retry_in_s:g} s." if state.retry_in_s else ""
            hint = f"{state.hint} {wait}".strip()
            self.source_banner.say(Level.WARNING, state.message, hint, button="Retry now", word="source")
        elif state.phase is SourcePhase.ENDED and state.message:
            # A film broke off: it is held there, and one can go back in it.
            self.source_banner.say(Level.WARNING, state.message, state.hint)
        elif state.phase in (SourcePhase.PLAYING, SourcePhase.PAUSED, SourcePhase.STOPPED):
            self.source_banner.hide()

    @Slot(str, str)
    def source_refused(self, message: str, hint: str) -> None:
        """What was typed, dropped or chosen is not a source."""
        self.source_banner.say(Level.ERROR, message, hint, button="Open file...", word="file")

    # Everything else ---------------------------------------------------------------------------------------------

    @Slot(str, str)
    def warn(self, message: str, hint: str) -> None:
        """Something that was asked for was not done."""
        self.notice.say(Level.WARNING, message, hint, seconds=WARNING_S)

    @Slot(str, str)
    def inform(self, message: str, more: str) -> None:
        """Something went well."""
        self.notice.say(Level.INFO, message, more, seconds=INFO_S)

    @Slot(str)
    def pipeline_saved(self, path: str) -> None:
        """A pipeline file was written."""
        self.notice.say(Level.INFO, f"Saved the pipeline as {path}.", seconds=INFO_S)

    @Slot(str, str)
    def snapshot_saved(self, with_overlay: str, picture: str) -> None:
        """Two files were written."""
        first = Path(with_overlay)
        self.notice.say(
            Level.INFO, f"Saved {first.name} and {Path(picture).name}.", f"In {first.parent}", seconds=INFO_S
        )

    @Slot()
    def snapshot_copied(self) -> None:
        """The clipboard has a picture."""
        self.notice.say(Level.INFO, "The picture is on the clipboard.", seconds=INFO_S)

    @Slot(object)
    def _stage_failed(self, failure: StageFailed) -> None:
        # A single failure is shown on the stage's row; the picture has gone on without it.
        if failure.tripped:
            word = f"stage:{failure.stage_id}"
            self.notice.say(Level.WARNING, failure.message, failure.hint, button="Retry", word=word)

    @Slot(object)
    def _sink_failed(self, failure: SinkFailed) -> None:
        self.warn(failure.message, failure.hint)

    @Slot(object)
    def _fault(self, fault: EngineFault) -> None:
        self._report = f"Scenescope: {fault.where}: {fault.message}\n\n{fault.details}"
        message = f"Something unexpected happened in {fault.where}: {fault.message}"
        self.notice.say(Level.ERROR, message, "The rest goes on.", button="Copy report", word="report")

    @Slot(str)
    def _pressed(self, word: str) -> None:
        what, _, rest = word.partition(":")
        if what == "source":
            self.source_wished.emit()
        elif what == "file":
            self.file_wished.emit()
        elif what == "stage":
            self.notice.hide()
            self.retry_wished.emit(rest)
        elif what == "report":
            self.notice.hide()
            QGuiApplication.clipboard().setText(self._report)
