"""People who may be recognised: enrol them from the current picture, rename them, delete them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt, QTimer, Slot
from PySide6.QtGui import QIcon, QImage, QKeySequence, QPixmap, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QCompleter,
    QDialog,
    QDialogButtonBox,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from scenescope.models import ScenescopeError
from scenescope.models.results import Detections
from scenescope.models.vision.face_gallery import FaceGallery, FaceReader, Sample
from scenescope.widgets.background import Background
from scenescope.widgets.banner import Banner, Level

__all__ = ["GalleryDialog"]

Image = NDArray[np.uint8]
PictureGiver = Callable[[], Image | None]

FACE_PX = 96
POLL_MS = 30
TOLD_S = 6.0
CONSENT = (
    "This person agrees: a description of the face, numbers and no picture, is kept in a file on this computer, "
    "and can be deleted here at any time."
)


class GalleryDialog(QDialog):
    """Enrols people, renames and deletes them; what was deleted can be brought back until the dialog closes.

    Nobody's face is described before the consent is ticked and Enrol is pressed, and then only the chosen face.

    Args:
        gallery: what is edited; stages that use it see every change by themselves.
        picture: gives the newest picture as it came, uint8 (H, W, 3) BGR; None when there is none.
        reader: finds and describes faces.
    """

    def __init__(
        self,
        gallery: FaceGallery,
        picture: PictureGiver,
        parent: QWidget | None = None,
        reader: FaceReader | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("People")
        self.resize(760, 460)
        self._gallery = gallery
        self._picture = picture
        self._reader = reader or FaceReader()
        self._image: Image | None = None
        self._faces: Detections | None = None
        self._deleted: list[dict[str, tuple[Sample, ...]]] = []
        self._work: Background | None = None
        self._then: Callable[[Any], None] = lambda _: None
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._fetch)

        self.banner = Banner()
        sides = QHBoxLayout()
        sides.addWidget(self._people_box(), 1)
        sides.addWidget(self._enrol_box(), 1)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.banner)
        column.addLayout(sides, 1)
        column.addWidget(buttons)
        # Not before it is in the dialog, which would not know of it.
        self.enrol_button.setDefault(True)
        self._show_people()
        self._check()
        self.look_button.setFocus()

    def _people_box(self) -> QWidget:
        self.table = QTableWidget(0, 2)
        self.table.setAccessibleName("People who are enrolled")
        self.table.setHorizontalHeaderLabels(["Name", "Samples"])
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(
            QAbstractItemView.EditTrigger.EditKeyPressed | QAbstractItemView.EditTrigger.DoubleClicked
        )
        self.table.itemChanged.connect(self._renamed)
        self.table.itemSelectionChanged.connect(self._check)
        self.nobody = QLabel("Nobody is enrolled, so nobody is recognised.")
        self.nobody.setObjectName("muted")
        self.nobody.setWordWrap(True)
        self.rename_button = _button("Rename", "Change the name (F2)", self._rename)
        self.delete_button = _button("Delete", "Delete the selected people for good (Del)", self._delete)
        self.clear_button = _button("Delete everybody", "Delete the whole gallery with its file", self._clear)
        self.undo_button = _button("Undo", "Bring back who was deleted last (Ctrl+Z)", self._undo)
        keys = QShortcut(QKeySequence(QKeySequence.StandardKey.Delete), self.table)
        keys.setContext(Qt.ShortcutContext.WidgetShortcut)
        keys.activated.connect(self._delete)
        undo = QShortcut(QKeySequence(QKeySequence.StandardKey.Undo), self.table)
        undo.setContext(Qt.ShortcutContext.WidgetShortcut)
        undo.activated.connect(self._undo)
        row = QHBoxLayout()
        for button in (self.rename_button, self.delete_button, self.clear_button, self.undo_button):
            row.addWidget(button)
        box = QGroupBox("Enrolled")
        column = QVBoxLayout(box)
        column.addWidget(self.table, 1)
        column.addWidget(self.nobody)
        column.addLayout(row)
        return box

    def _enrol_box(self) -> QWidget:
        self.look_button = _button(
            "Take the current picture", "Look for faces in the picture that is shown now", self.look
        )
        self.faces = QListWidget()
        self.faces.setAccessibleName("Faces in the picture")
        self.faces.setViewMode(QListWidget.ViewMode.IconMode)
        self.faces.setIconSize(QSize(FACE_PX, FACE_PX))
        self.faces.setMovement(QListWidget.Movement.Static)
        self.faces.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.faces.itemSelectionChanged.connect(self._face_chosen)
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name")
        self.name.setAccessibleName("Name of the person")
        self.name.setMaxLength(80)
        self.name.textChanged.connect(self._check)
        self.consent = QCheckBox("The person agrees")
        self.consent.setAccessibleDescription(CONSENT)
        self.consent.toggled.connect(self._check)
        words = QLabel(CONSENT)
        words.setObjectName("muted")
        words.setWordWrap(True)
        self.enrol_button = _button("Enrol", "Describe the chosen face and keep it under this name", self.enrol)
        box = QGroupBox("Enrol")
        column = QVBoxLayout(box)
        column.addWidget(self.look_button)
        column.addWidget(self.faces, 1)
        column.addWidget(self.name)
        column.addWidget(words)
        column.addWidget(self.consent)
        column.addWidget(self.enrol_button)
        return box

    # Enrolling ----------------------------------------------------------------------------------------------------

    @Slot()
    def look(self) -> None:
        """Look for faces in the current picture."""
        image = self._picture()
        if image is None:
            self.banner.say(Level.WARNING, "There is no picture.", "Start a camera or open a file first.")
            return
        self._image, self._faces = image, None
        self.faces.clear()
        self._start(partial(self._reader.find, image, FACE_PX * 2), self._show_faces, "find-faces")

    def _show_faces(self, found: tuple[Detections, list[Image]]) -> None:
        self._faces, pictures = found
        for number, picture in enumerate(pictures, 1):
            self.faces.addItem(QListWidgetItem(QIcon(_pixmap(picture)), f"Face {number}"))
        if not pictures:
            self.banner.say(
                Level.WARNING,
                "No face was found.",
                "Look into the camera, within two metres, and take another picture.",
            )
            return
        self.banner.hide()
        # Whose face is whose is for the user to say as soon as there is a choice.
        if len(pictures) == 1:
            self.faces.setCurrentRow(0)
        (self.name if len(pictures) == 1 else self.faces).setFocus()

    @Slot()
    def _face_chosen(self) -> None:
        # One consent is for one person.
        self.consent.setChecked(False)
        self._check()

    @Slot()
    def enrol(self) -> None:
        """Describe the chosen face and keep it, if everything that is needed is there."""
        if self._image is not None and self._faces is not None and self.enrol_button.isEnabled():
            chosen = self._faces[self.faces.currentRow()]
            self._start(
                partial(self._reader.sample, self._image, chosen), partial(self._enrolled, self.name.text()), "describe"
            )

    def _enrolled(self, name: str, sample: Sample) -> None:
        name = " ".join(name.split())
        if self._tried(partial(self._gallery.add, name, sample)):
            self.name.clear()
            self.faces.clear()
            self._image = self._faces = None
            self._show_people()
            count = len(self._gallery.people().get(name, ()))
            self.banner.say(
                Level.INFO,
                f"{name} is enrolled with {count} sample{'s' if count > 1 else ''}.",
                "Samples in other light or from another side make recognition surer.",
                seconds=TOLD_S,
            )
            self.look_button.setFocus()

    # Those enrolled -----------------------------------------------------------------------------------------------

    @Slot()
    def _rename(self) -> None:
        if (item := self.table.item(self.table.currentRow(), 0)) is not None:
            self.table.editItem(item)

    @Slot(QTableWidgetItem)
    def _renamed(self, item: QTableWidgetItem) -> None:
        old, new = item.data(Qt.ItemDataRole.UserRole), " ".join(item.text().split())
        if new != old:
            if new in self._gallery.people():
                self.banner.say(
                    Level.WARNING,
                    f"{new} is enrolled already.",
                    f"Enrol more pictures as {new}, or choose another name.",
                )
            else:
                self._tried(partial(self._gallery.rename, old, new))
        # Not while the editor is still being closed.
        QTimer.singleShot(0, self._show_people)

    @Slot()
    def _delete(self) -> None:
        rows = [index.siblingAtColumn(0) for index in self.table.selectionModel().selectedRows()]
        gone: dict[str, tuple[Sample, ...]] = {}
        for name in [row.data(Qt.ItemDataRole.UserRole) for row in rows]:
            if not self._tried(partial(self._take_out, name, gone)):
                break
        self._remember(gone)

    def _take_out(self, name: str, gone: dict[str, tuple[Sample, ...]]) -> None:
        gone[name] = self._gallery.delete(name)

    @Slot()
    def _clear(self) -> None:
        people: dict[str, tuple[Sample, ...]] = {}
        if self._tried(lambda: people.update(self._gallery.people())) and self._tried(self._gallery.clear):
            self._remember(people)

    def _remember(self, gone: dict[str, tuple[Sample, ...]]) -> None:
        if gone:
            self._deleted.append(gone)
            whom = next(iter(gone)) if len(gone) == 1 else f"{len(gone)} people"
            self.banner.say(Level.INFO, f"{whom} deleted.", "Undo brings back until this window closes.")
        self._show_people()

    @Slot()
    def _undo(self) -> None:
        if self._deleted:
            back = self._deleted.pop()
            for name, samples in back.items():
                self._tried(partial(self._gallery.add, name, *samples))
            self.banner.hide()
            self._show_people()

    # Showing ------------------------------------------------------------------------------------------------------

    @Slot()
    def _show_people(self) -> None:
        people: dict[str, tuple[Sample, ...]] = {}
        self._tried(lambda: people.update(self._gallery.people()))
        self.table.blockSignals(True)
        self.table.setRowCount(len(people))
        for row, (name, samples) in enumerate(people.items()):
            item = QTableWidgetItem(name)
            item.setData(Qt.ItemDataRole.UserRole, name)
            count = QTableWidgetItem(str(len(samples)))
            count.setFlags(count.flags() & ~Qt.ItemFlag.ItemIsEditable)
            self.table.setItem(row, 0, item)
            self.table.setItem(row, 1, count)
        self.table.blockSignals(False)
        self.nobody.setVisible(not people)
        self.name.setCompleter(QCompleter(list(people), self.name))
        self._check()

    @Slot()
    def _check(self) -> None:
        """Offer what can be done."""
        chosen = len(self.table.selectionModel().selectedRows())
        self.rename_button.setEnabled(chosen == 1)
        self.delete_button.setEnabled(chosen > 0)
        self.clear_button.setEnabled(self.table.rowCount() > 0)
        self.undo_button.setEnabled(bool(self._deleted))
        idle = self._work is None
        self.look_button.setEnabled(idle)
        ready = self._faces is not None and bool(self.faces.selectedItems()) and bool(self.name.text().strip())
        self.enrol_button.setEnabled(idle and ready and self.consent.isChecked())

    # Work ---------------------------------------------------------------------------------------------------------

    def _start(self, work: Callable[[], Any], then: Callable[[Any], None], name: str) -> None:
        """Run ``work`` beside the window, and ``then`` with what it returns in this thread."""
        if self._work is None:
            self._then = then
            self._work = Background(lambda *_: work(), name)
            self._timer.start()
            self._check()

    @Slot()
    def _fetch(self) -> None:
        work = self._work
        if work is None or not work.done:
            return
        self._work = None
        self._timer.stop()
        if work.error is not None:
            self._tell(work.error)
        else:
            self._then(work.result)
        self._check()

    def _tried(self, change: Callable[[], Any]) -> bool:
        """True when it worked; otherwise the banner says why not."""
        try:
            change()
        except ScenescopeError as error:
            self._tell(error)
            return False
        return True

    def _tell(self, error: Exception) -> None:
        message, hint = (error.user_message, error.hint) if isinstance(error, ScenescopeError) else (str(error), "")
        self.banner.say(Level.ERROR, message, hint)

    def done(self, result: int) -> None:
        """Close: what was deleted cannot be brought back any more, pictures are forgotten."""
        self._timer.stop()
        if self._work is not None:
            self._work.close()
            self._work = None
        self._reader.close()
        self._deleted.clear()
        self._image = self._faces = None
        self.faces.clear()
        super().done(result)


def _button(text: str, tip: str, pressed: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(pressed)
    return button


def _pixmap(image: Image) -> QPixmap:
    image = np.ascontiguousarray(image)
    height, width = image.shape[:2]
    # A pixmap is a copy, so the array need not live on.
    return QPixmap.fromImage(QImage(image.data, width, height, width * 3, QImage.Format.Format_BGR888))
