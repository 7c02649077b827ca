"""The dialog that exports a session: in which formats, where to, with pictures, clips and a report or without."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Slot
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.models.errors import ScenescopeError
from scenescope.models.log_events import EventKind
from scenescope.pipelines.exchange.formats import FORMATS
from scenescope.pipelines.log.records import Session
from scenescope.widgets.background_row import BackgroundRow
from scenescope.widgets.banner import Banner, Level
from scenescope.widgets.dialog_parts import dialog_button
from scenescope.widgets.export_work import ExportCancelled, ExportRequest, export, session_title, source_of
from scenescope.widgets.settings import Settings

__all__ = ["ExportDialog", "SessionChoice", "fail"]

FOLDER_KEY = "export.folder"
FORMATS_KEY = "export.formats"
LONGEST_CLIP_SIDE_S = 600.0


class SessionChoice(QComboBox):
    """The sessions of the log, newest first, read in the background by the dialog that it is in."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Run")
        self.setToolTip("Which run, as the event log keeps it")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(40)
        self.sessions: list[Session] = []

    def show_sessions(self, sessions: Sequence[Session], source_name: str = "") -> None:
        """List them. The one that was chosen is chosen again, else the newest of ``source_name``, else the newest."""
        wanted = self.session_id
        self.sessions = sorted(sessions, key=lambda session: -session.id)
        if wanted is None:
            wanted = next((one.id for one in self.sessions if source_name and source_of(one) == source_name), None)
        self.clear()
        for session in self.sessions:
            self.addItem(session_title(session), session.id)
        self.setCurrentIndex(max(self.findData(wanted), 0) if self.sessions else -1)

    @property
    def session_id(self) -> int | None:
        """The chosen one; None when there is none."""
        data = self.currentData()
        return None if data is None else int(data)


def fail(notice: Banner, error: Exception) -> None:
    """Say what went wrong; what nobody expected is raised again."""
    if isinstance(error, ExportCancelled):
        notice.say(Level.INFO, error.user_message, error.hint)
    elif isinstance(error, ScenescopeError):
        notice.say(Level.ERROR, error.user_message, error.hint)
    else:
        notice.say(Level.ERROR, f"Something unexpected happened: {type(error).__name__}: {error}")
        raise error


class ExportDialog(QDialog):
    """Shown beside the window, which goes on. An export ends with the dialog; what was whole by then is kept.

    Args:
        log: the event log.
        settings: where the folder and the formats are remembered.
        default_folder: where exports go at first.
        source_name: of the source that is shown; its newest run is chosen at first.
    """

    def __init__(
        self, log: Any, settings: Settings, default_folder: Path, source_name: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._log = log
        self._settings = settings
        self._source_name = source_name
        self.setWindowTitle("Export")
        self.setSizeGripEnabled(True)
        self.resize(720, 480)
        self._build(str(settings.get(FOLDER_KEY, "") or default_folder))
        self.refresh()

    # Putting together --------------------------------------------------------------------------------------------

    def _build(self, folder: str) -> None:
        self.runs = SessionChoice()
        self.folder = QLineEdit(folder)
        self.folder.setAccessibleName("Folder")
        self.folder.setToolTip("Where results.<format> are written")
        self.browse = dialog_button("&Choose...", self._choose_folder, "Choose the folder")
        top = QGridLayout()
        for row, (words, widget) in enumerate((("&Run", self.runs), ("&Folder", self.folder))):
            label = QLabel(words)
            label.setBuddy(widget)
            top.addWidget(label, row, 0)
            top.addWidget(widget, row, 1)
        top.addWidget(self.browse, 1, 2)

        remembered = self._settings.get(FORMATS_KEY, ["jsonl", "csv"])
        self.formats: dict[str, QCheckBox] = {}
        formats = QGridLayout()
        formats.setHorizontalSpacing(18)
        for at, one in enumerate(FORMATS.values()):
            box = self._check(one.title, f"{one.keeps} Written as results.{one.name}.")
            box.setChecked(one.name in remembered)
            self.formats[one.name] = box
            formats.addWidget(box, at % 4, at // 4)
        self.report = self._check("&Report (one HTML page)", "Counts, plots, pictures and events as report.html")
        self.images = self._check(
            "&Pictures of all frames", "JPEG files beside the annotations; for COCO, YOLO, Pascal VOC, MOT and CVAT"
        )
        formats.addWidget(self.report, 0, 2)
        formats.addWidget(self.images, 1, 2)

        self.kind = QComboBox()
        self.kind.setAccessibleName("Which events")
        self.kind.setToolTip("Which events clips and pictures are taken of")
        self.kind.addItem("all events", None)
        for kind in EventKind:
            self.kind.addItem(kind.value.replace("_", " "), kind)
        self.clips = self._check(
            "C&lips of", "Cut a clip out of the film around each event; clips that meet become one"
        )
        self.frames = self._check("P&icture of each", "Save the picture of each event as PNG")
        self.before = self._seconds("Seconds before the event", 2.0)
        self.after = self._seconds("Seconds after the event", 3.0)
        events = QHBoxLayout()
        for widget in (self.clips, self.kind, QLabel("from"), self.before, QLabel("before to"), self.after):
            events.addWidget(widget)
        events.addWidget(QLabel("after"))
        events.addSpacing(16)
        events.addWidget(self.frames)
        events.addStretch(1)

        self.notice = Banner()
        self.written = QLabel()
        self.written.setObjectName("muted")
        self.written.setWordWrap(True)
        self.written.setTextFormat(self.written.textFormat().PlainText)
        self.background = BackgroundRow()
        self.background.changed.connect(self._show_state)
        self.begin = dialog_button("&Export", self._export, "Write what is chosen")
        self.begin.setObjectName("primary")
        close = dialog_button("Clo&se", self.close, "Close this window; what is being written is given up")
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(self.begin)
        bottom.addWidget(close)

        column = QVBoxLayout(self)
        column.setSpacing(10)
        column.addLayout(top)
        column.addWidget(self._heading("Formats"))
        column.addLayout(formats)
        column.addWidget(self._heading("Events"))
        column.addLayout(events)
        column.addWidget(self.notice)
        column.addWidget(self.written)
        column.addStretch(1)
        column.addWidget(self.background)
        column.addLayout(bottom)
        for box in (*self.formats.values(), self.report, self.images, self.clips, self.frames):
            box.toggled.connect(self._show_state)
        self.runs.currentIndexChanged.connect(self._show_state)
        QShortcut(QKeySequence("Ctrl+Return"), self, self._export)

    @staticmethod
    def _heading(words: str) -> QLabel:
        label = QLabel(words)
        label.setObjectName("heading")
        return label

    @staticmethod
    def _check(words: str, tip: str) -> QCheckBox:
        box = QCheckBox(words)
        box.setToolTip(tip)
        box.setAccessibleDescription(tip)
        return box

    @staticmethod
    def _seconds(name: str, value: float) -> QDoubleSpinBox:
        box = QDoubleSpinBox()
        box.setRange(0.0, LONGEST_CLIP_SIDE_S)
        box.setDecimals(1)
        box.setSuffix(" s")
        box.setValue(value)
        box.setAccessibleName(name)
        box.setToolTip(name)
        return box

    # What is shown -----------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the list of runs."""
        self.background.begin(
            "Reading the event log...", lambda *_: self._log.sessions(), self._show_runs, self._failed
        )

    def choose_report(self) -> None:
        """Tick the report alone."""
        for box in (*self.formats.values(), self.images, self.clips, self.frames):
            box.setChecked(False)
        self.report.setChecked(True)
        self.begin.setFocus()

    def _show_runs(self, sessions: list[Session]) -> None:
        self.runs.show_sessions(sessions, self._source_name)
        if not sessions:
            self.notice.say(Level.INFO, "There is nothing to export yet.", "Analyse a file, or watch a source.")
        self._show_state()

    @Slot()
    def _show_state(self) -> None:
        chosen = [name for name, box in self.formats.items() if box.isChecked()]
        self.images.setEnabled(any(FORMATS[name].pictures for name in chosen))
        for widget in (self.kind, self.before, self.after):
            widget.setEnabled(self.clips.isChecked() or (widget is self.kind and self.frames.isChecked()))
        wished = chosen or any(box.isChecked() for box in (self.report, self.clips, self.frames))
        self.begin.setEnabled(bool(wished) and self.runs.session_id is not None and not self.background.busy)

    # Work --------------------------------------------------------------------------------------------------------

    @Slot()
    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export to", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def request(self) -> ExportRequest | None:
        """What is chosen; None when there is no run."""
        session_id, kind = self.runs.session_id, self.kind.currentData()
        if session_id is None:
            return None
        return ExportRequest(
            session_id,
            Path(self.folder.text().strip()).expanduser(),
            tuple(name for name, box in self.formats.items() if box.isChecked()),
            self.images.isEnabled() and self.images.isChecked(),
            self.report.isChecked(),
            self.clips.isChecked(),
            self.frames.isChecked(),
            () if kind is None else (EventKind(kind),),
            self.before.value(),
            self.after.value(),
        )

    @Slot()
    def _export(self) -> None:
        request = self.request()
        if request is None or not self.begin.isEnabled():
            return
        if not self.folder.text().strip():
            self.notice.say(Level.ERROR, "No folder is given.", "Choose where the results go.")
            self.folder.setFocus()
            return
        self._settings.set(FOLDER_KEY, str(request.folder))
        self._settings.set(FORMATS_KEY, list(request.formats))
        self.notice.hide()
        self.written.clear()
        self.background.begin(
            "Export", lambda told, cancel: export(self._log, request, told, cancel), self._done, self._failed
        )

    def _done(self, said: list[str]) -> None:
        self.notice.say(Level.INFO, f"Written to {self.folder.text()}.")
        self.written.setText("\n".join(said))

    def _failed(self, error: Exception) -> None:
        fail(self.notice, error)

    @override
    def closeEvent(self, event: QCloseEvent) -> None:
        self.background.close_job()
        super().closeEvent(event)

    @override
    def reject(self) -> None:
        self.background.close_job()
        super().reject()
