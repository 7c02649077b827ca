"""SessionBox: which session of the log is shown."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMessageBox, QToolButton, QWidget
from typing_extensions import override

from scenescope.pipelines.log.records import Session
from scenescope.widgets.event_data import session_words
from scenescope.widgets.icons import icon
from scenescope.widgets.theme import colours_of

__all__ = ["SessionBox"]

NEWEST = "Newest session"
MOST_SHOWN = 500


class SessionBox(QWidget):
    """The sessions of the log, the newest first; the first entry goes along with whichever begins."""

    chosen = Signal(object)
    """Id of the session to show, None for the newest."""
    delete_wanted = Signal(int)
    """The user has confirmed that this session shall be deleted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sessions: list[Session] = []
        self.shown_id: int | None = None
        self.question: QMessageBox | None = None
        self.box = QComboBox()
        self.box.setAccessibleName("Session")
        self.box.setToolTip("Which session of the event log is shown")
        self.box.setMinimumWidth(140)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.addItem(NEWEST, None)
        self.box.currentIndexChanged.connect(self._choose)
        self.delete = QToolButton()
        self.delete.setToolTip("Delete the session that is shown, with its events and pictures")
        self.delete.setAccessibleName("Delete session")
        self.delete.clicked.connect(self.ask_delete)
        self.delete.setEnabled(False)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.box, 1)
        row.addWidget(self.delete)
        self._redraw()

    @property
    def follows_newest(self) -> bool:
        """True while the newest session is shown, whichever that is."""
        return self.box.currentIndex() == 0

    def show_sessions(self, sessions: Sequence[Session]) -> None:
        """Offer these, and keep what was chosen, even if it is not among them."""
        self.sessions = list(sessions)
        kept = self.box.currentData()
        self.box.blockSignals(True)
        while self.box.count() > 1:
            self.box.removeItem(1)
        for number, session in enumerate(self.sessions):
            if number < MOST_SHOWN or session.id == kept:
                self.box.addItem(session_words(session), session.id)
        if kept is not None and self.box.findData(kept) < 0:
            self.box.addItem(f"Session {kept}", kept)
        self.box.setCurrentIndex(self.box.findData(kept) if kept is not None else 0)
        self.box.blockSignals(False)
        self._name()

    def show_current(self, session_id: int | None) -> None:
        """This one is shown."""
        self.shown_id = session_id
        self.delete.setEnabled(session_id is not None)
        self._name()

    def choose(self, session_id: int | None) -> None:
        """Choose a session, as the user does; None for the newest."""
        at = self.box.findData(session_id) if session_id is not None else 0
        if at < 0:
            self.box.blockSignals(True)
            self.box.addItem(f"Session {session_id}", session_id)
            self.box.blockSignals(False)
            at = self.box.count() - 1
        if at == self.box.currentIndex():
            self.chosen.emit(session_id)
        else:
            self.box.setCurrentIndex(at)

    @Slot()
    def ask_delete(self) -> None:
        """Ask whether the session that is shown shall be deleted."""
        session = next((one for one in self.sessions if one.id == self.shown_id), None)
        if session is None or self.question is not None:
            return
        question = QMessageBox(self)
        question.setIcon(QMessageBox.Icon.Warning)
        question.setWindowTitle("Delete session")
        question.setTextFormat(Qt.TextFormat.PlainText)
        question.setText(f"Delete the session “{session_words(session)}”?")
        question.setInformativeText("Its events, marks and pictures go for good. The film itself is not touched.")
        yes = question.addButton("&Delete", QMessageBox.ButtonRole.DestructiveRole)
        question.setDefaultButton(question.addButton(QMessageBox.StandardButton.Cancel))
        self.question = question

        def answered() -> None:
            self.question = None
            if question.clickedButton() is yes:
                self.delete_wanted.emit(session.id)
            question.deleteLater()

        question.finished.connect(answered)
        question.open()

    @Slot()
    def _choose(self) -> None:
        self.chosen.emit(self.box.currentData())

    def _name(self) -> None:
        shown = next((one for one in self.sessions if one.id == self.shown_id), None)
        newest = f"{NEWEST}: {session_words(shown)}" if shown is not None and self.follows_newest else NEWEST
        self.box.setItemText(0, newest)
        self.box.setAccessibleDescription(self.box.currentText())

    def _redraw(self) -> None:
        self.delete.setIcon(icon("remove", QColor(colours_of(self).text), QColor(colours_of(self).faint)))

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "delete"):
            self._redraw()
