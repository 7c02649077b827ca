"""One line about the chosen object."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QSize, Slot
from PySide6.QtGui import QColor, QPixmap
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget
from typing_extensions import override

from scenescope.pipelines.display import ObjectRef
from scenescope.pipelines.overlay import colour_of
from scenescope.pipelines.scene_state import zone_of
from scenescope.widgets.icons import icon
from scenescope.widgets.theme import colours_of
from scenescope.widgets.viewport import Viewport

__all__ = ["ObjectInfo"]

SHOW_EVERY_S = 0.2


class ObjectInfo(QFrame):
    """Class, number, confidence, size and place of the chosen object.

    It keeps its place while nothing is chosen, or the picture would change its size with every click.
    """

    def __init__(self, viewport: Viewport, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewport = viewport
        self._identity: tuple[str, int | None] | None = None
        self._since_s = self._shown_s = 0.0
        self.setObjectName("card")
        self.setAccessibleName("Chosen object")
        self._label = ""
        self._swatch = QLabel()
        self.name = QLabel()
        self.name.setObjectName("heading")
        self.facts = QLabel()
        self.facts.setObjectName("muted")
        self.facts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._close = QToolButton()
        self._close.setIconSize(QSize(14, 14))
        self._close.setToolTip("Let the object go (Esc in the picture)")
        self._close.setAccessibleName("Let the object go")
        self._close.clicked.connect(self._let_go)
        policy = self._close.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._close.setSizePolicy(policy)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 4, 6, 4)
        row.setSpacing(10)
        row.addWidget(self._swatch)
        row.addWidget(self.name)
        row.addWidget(self.facts, 1)
        row.addWidget(self._close)
        self._redraw()
        self.show_nothing()
        viewport.object_selected.connect(self._follow)

    @Slot()
    def _let_go(self) -> None:
        self._viewport.select(None)

    @Slot(object)
    def _follow(self, one: ObjectRef | None) -> None:
        """The chosen object is there in another picture, or out of sight, or not chosen any more."""
        now = time.monotonic()
        place = self._viewport.place
        if one is None or place is None:
            if self._viewport.selected_track is not None:
                self.show_missing(self._viewport.selected_track)
            else:
                self._identity = None
                self.show_nothing()
            return
        identity = (one.label, one.track_id)
        if identity != self._identity:
            self._identity, self._since_s = identity, now
        elif now - self._shown_s < SHOW_EVERY_S:
            return
        self._shown_s = now
        self.show_object(one, place.source_box(one), place.picture.source_size_wh, now - self._since_s)

    def show_object(
        self,
        one: ObjectRef,
        box_xywh: tuple[float, float, float, float],
        source_size_wh: tuple[int, int],
        watched_for_s: float,
    ) -> None:
        """Describe an object.

        Args:
            one: the object.
            box_xywh: its box in pixels of the source picture.
            source_size_wh: size of that picture.
            watched_for_s: how long it has been chosen.
        """
        x, y, width, height = box_xywh
        number = f" #{one.track_id}" if one.track_id is not None else ""
        zone = zone_of((x + width / 2) / source_size_wh[0], (y + height / 2) / source_size_wh[1])
        facts = [f"{one.confidence:.0%} sure", f"{width:.0f} x {height:.0f} px", f"at {x:.0f}, {y:.0f} ({zone})"]
        facts.append(f"watched for {watched_for_s:.0f} s")
        self._say(one.label, f"{one.label}{number}", "   ".join(facts))

    @property
    def chosen(self) -> bool:
        """True while an object is described."""
        return not self._close.isHidden()

    def show_nothing(self) -> None:
        """Nothing is chosen."""
        self._say("", "", "Point at an object to see what it is, click it to keep it in view.")
        self._close.hide()

    def show_missing(self, track_id: int) -> None:
        """The chosen track is out of sight."""
        name = self.name.text() if f"#{track_id}" in self.name.text() else f"#{track_id}"
        self._say(self._label, name, "out of sight; shown again when it comes back")

    def _say(self, label: str, name: str, facts: str) -> None:
        if label != self._label:
            self._label = label
            blue, green, red = colour_of(label)
            swatch = QPixmap(10, 18)
            swatch.fill(QColor(red, green, blue))
            self._swatch.setPixmap(swatch)
        self.name.setText(name)
        self.facts.setText(facts)
        self.setAccessibleDescription(f"{name}: {facts}")
        self._swatch.setVisible(bool(label))
        self.name.setVisible(bool(name))
        self._close.show()

    def _redraw(self) -> None:
        self._close.setIcon(icon("close", QColor(colours_of(self).muted)))

    @override
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._redraw()
