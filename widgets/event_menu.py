"""EventMenu: what can be done with an event and with lanes, as menus; and the line for the text of a mark."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QInputDialog, QLineEdit, QMenu

from scenescope.models.log_events import LogEvent
from scenescope.widgets.similar_objects import embedding_of_track
from scenescope.widgets.timeline_data import Group
from scenescope.widgets.timeline_hits import Hit, What

if TYPE_CHECKING:
    from scenescope.widgets.event_panel import EventPanel

__all__ = ["EventMenu"]


class EventMenu(QObject):
    """Made once for a panel.

    Args:
        panel: whose events it is about.
    """

    def __init__(self, panel: EventPanel) -> None:
        super().__init__(panel)
        self._panel = panel
        self.dialog: QInputDialog | None = None
        self.mark_text = QLineEdit()
        self.mark_text.setPlaceholderText("Mark this frame")
        self.mark_text.setAccessibleName("Text of a new mark")
        self.mark_text.setToolTip("Enter marks the frame that is shown, with this text")
        self.mark_text.setMinimumWidth(90)
        self.mark_text.returnPressed.connect(self.mark)
        self.lanes = QMenu(panel)
        self.groups: dict[Group, QAction] = {}
        for group in Group:
            action = self.lanes.addAction(group.value)
            action.setCheckable(True)
            action.setChecked(True)
            action.toggled.connect(self._hide)
            self.groups[group] = action
        self.lanes.addSeparator()
        self.lanes.addAction("Collapse all").triggered.connect(self._collapse_all)
        self.lanes.addAction("Open all").triggered.connect(self._open_all)
        self.events = QMenu(panel)
        self.go = self.events.addAction("Go there")
        self.go.triggered.connect(panel.view.jump)
        self.similar = self.events.addAction("Find similar objects")
        self.similar.triggered.connect(self.find_similar)
        self.rename_action = self.events.addAction("Change text of mark…")
        self.rename_action.triggered.connect(self.rename)
        self.remove_action = self.events.addAction("Delete mark")
        self.remove_action.triggered.connect(self.remove)

    @Slot()
    def mark(self) -> None:
        """Mark the frame that is shown, with the text that was typed."""
        text = self.mark_text.text().strip()
        self.mark_text.clear()
        self._panel.add_mark(text)

    @Slot(QPoint, object)
    def show(self, at: QPoint, hit: Hit | None) -> None:
        """Show the menu for a hit, or that of the lanes."""
        if hit is None:
            self.lanes.popup(at)
            return
        data = self._panel.view.data
        mark = hit.what is What.EVENT and data.columns.words("kind", hit.row) == "mark"
        self.similar.setVisible(hit.track_id(data) is not None)
        self.rename_action.setVisible(mark)
        self.remove_action.setVisible(mark)
        self.events.popup(at)

    def show_groups(self, hidden: set[Group]) -> None:
        """These groups are hidden."""
        for group, action in self.groups.items():
            action.blockSignals(True)
            action.setChecked(group not in hidden)
            action.blockSignals(False)

    @Slot()
    def find_similar(self) -> bool:
        """Look for objects like that of the focused event; False when it is about none."""
        panel = self._panel
        hit, log, session_id = panel.view.focused, panel.log, panel.feed.wanted_id
        track_id = hit.track_id(panel.view.data) if hit is not None else None
        if track_id is None or log is None or session_id is None:
            return False
        like = partial(embedding_of_track, log, session_id, track_id, panel.embed)
        panel.search.find_similar(like, f"object #{track_id}", panel.embed)
        return True

    @Slot()
    def rename(self) -> None:
        """Ask for another text of the focused mark."""
        mark, log = self._panel.focused_mark(), self._panel.log
        if mark is None or log is None or self.dialog is not None:
            return
        dialog = QInputDialog(self._panel)
        dialog.setWindowTitle("Mark")
        dialog.setLabelText("Text of the mark:")
        dialog.setTextValue(mark.text)
        self.dialog = dialog

        def done(accepted: int) -> None:
            self.dialog = None
            if accepted:
                self._panel.marks.rename(log, mark, dialog.textValue().strip())
            dialog.deleteLater()

        dialog.finished.connect(done)
        dialog.open()

    @Slot()
    def remove(self) -> None:
        """Delete the focused mark."""
        mark: LogEvent | None = self._panel.focused_mark()
        if mark is not None and self._panel.log is not None:
            self._panel.marks.remove(self._panel.log, mark)

    @Slot()
    def _hide(self) -> None:
        self._panel.view.hide_groups([group for group, action in self.groups.items() if not action.isChecked()])

    @Slot()
    def _collapse_all(self) -> None:
        for group in Group:
            self._panel.view.collapse(group, True)

    @Slot()
    def _open_all(self) -> None:
        for group in Group:
            self._panel.view.collapse(group, False)
