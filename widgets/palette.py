"""The palette: type a few letters of what you want, press Enter. For commands, and for stages to add."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QAbstractListModel, QEvent, QModelIndex, QObject, QRect, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QColor, QFont, QFontMetrics, QIcon, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QLabel,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from scenescope.widgets.palette_preview import Preview, PreviewPane
from scenescope.widgets.stage_model import Index
from scenescope.widgets.theme import colours_of

__all__ = ["Palette", "PaletteItem", "fuzzy_score"]

ITEM_ROLE = Qt.ItemDataRole.UserRole + 1
WIDTH = 560
MOST_VISIBLE = 11
# More than words at the very beginning count above the same words further on.
YIELDED_SCORE = 3.0


@dataclass(frozen=True)
class PaletteItem:
    """Something that can be chosen.

    ``run`` is called after the palette has closed. An item with a ``problem`` is shown with it and cannot be chosen.
    An item that ``yields`` goes after others that match about as well.
    """

    title: str
    run: Callable[[], None]
    group: str = ""
    detail: str = ""
    shortcut: str = ""
    icon: QIcon = field(default_factory=QIcon)
    problem: str = ""
    keywords: str = ""
    preview: Preview | None = None
    yields: bool = False


def fuzzy_score(query: str, text: str) -> float | None:
    """How well ``text`` answers ``query``, higher is better; None when its letters do not occur in this order.

    Letters at the beginning of words and letters in a row count more, long texts a little less.
    """
    wanted = query.lower().replace(" ", "")
    lower = text.lower()
    at = -1
    score = 0.0
    for letter in wanted:
        # Better the beginning of a word further on than the next letter in the middle of one.
        following = lower.find(letter, at + 1)
        if following < 0:
            return None
        start = next((i for i in range(following, len(lower)) if lower[i] == letter and _starts_word(lower, i)), -1)
        if following == at + 1 and at >= 0:
            score += 3
            at = following
        elif start >= 0 and (start == following or _completes(wanted, letter, lower, start)):
            score += 2.5
            at = start
        else:
            score += 1
            at = following
    if lower.startswith(query.lower().strip()):
        score += 6
    elif query.lower().strip() in lower:
        score += 4
    return score - len(text) / 200


def _starts_word(text: str, at: int) -> bool:
    return at == 0 or not text[at - 1].isalnum()


def _completes(wanted: str, letter: str, text: str, at: int) -> bool:
    """True when the letters after ``letter`` can still be found behind ``at``."""
    rest = wanted[wanted.index(letter) + 1 :]
    for following in rest:
        at = text.find(following, at + 1)
        if at < 0:
            return False
    return True


class _Model(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.items: list[PaletteItem] = []
        self.grouped = True

    def show(self, items: Sequence[PaletteItem], grouped: bool) -> None:
        self.beginResetModel()
        self.items, self.grouped = list(items), grouped
        self.endResetModel()

    @override
    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self.items)

    @override
    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        item = self.items[index.row()]
        if role == ITEM_ROLE:
            return item
        if role == Qt.ItemDataRole.DisplayRole:
            return item.title
        if role == Qt.ItemDataRole.ToolTipRole:
            return item.problem or item.detail or None
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ", ".join(part for part in (item.title, item.group, item.shortcut, item.problem) if part)
        return None

    @override
    def flags(self, index: Index) -> Qt.ItemFlag:
        if self.items[index.row()].problem:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def heading(self, row: int) -> str:
        """The group's name above its first item; else empty."""
        item = self.items[row]
        first = row == 0 or self.items[row - 1].group != item.group
        return item.group if self.grouped and first else ""


class _Delegate(QStyledItemDelegate):
    @override
    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        height = QFontMetrics(option.font).height()
        model = index.model()
        heading = height + 8 if isinstance(model, _Model) and model.heading(index.row()) else 0
        return QSize(100, height + 14 + heading)

    @override
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        item, model, view = index.data(ITEM_ROLE), index.model(), self.parent()
        assert isinstance(item, PaletteItem)
        assert isinstance(model, _Model)
        assert isinstance(view, QWidget)
        colours = colours_of(view)
        rect = QRect(option.rect)
        small = QFont(option.font)
        small.setPointSizeF(option.font.pointSizeF() * 0.86)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if heading := model.heading(index.row()):
            bold = QFont(small)
            bold.setWeight(QFont.Weight.DemiBold)
            painter.setFont(bold)
            painter.setPen(QColor(colours.muted))
            height = QFontMetrics(option.font).height() + 8
            top = QRect(rect.left() + 12, rect.top(), rect.width() - 24, height)
            painter.drawText(top, Qt.AlignmentFlag.AlignVCenter, heading)
            rect.setTop(rect.top() + height)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.accent_soft))
            painter.drawRoundedRect(rect.adjusted(4, 1, -4, -1), 5, 5)
        icon_rect = QRect(rect.left() + 12, rect.center().y() - 8, 16, 16)
        item.icon.paint(painter, icon_rect, mode=QIcon.Mode.Disabled if item.problem else QIcon.Mode.Normal)
        line = rect.adjusted(38, 0, -14, 0)
        painter.setFont(small)
        painter.setPen(QColor(colours.muted))
        right = item.shortcut or ("" if model.grouped else item.group)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, right)
        room = line.width() - (QFontMetrics(small).horizontalAdvance(right) + 14 if right else 0)
        painter.setFont(option.font)
        painter.setPen(QColor(colours.faint if item.problem else colours.text))
        title = QFontMetrics(option.font).elidedText(item.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, title)
        used = QFontMetrics(option.font).horizontalAdvance(title) + 12
        if used < room:
            painter.setFont(small)
            painter.setPen(QColor(colours.bad if item.problem else colours.muted))
            rest = QRect(line.left() + used, line.top(), room - used, line.height())
            detail = QFontMetrics(small).elidedText(
                item.problem or item.detail, Qt.TextElideMode.ElideRight, rest.width()
            )
            painter.drawText(rest, Qt.AlignmentFlag.AlignVCenter, detail)
        painter.restore()


class Palette(QDialog):
    """A line to type in and a list below it, worked by the keyboard alone or by mouse.

    Args:
        items: what can be chosen.
        prompt: says what to type.
        parent: the palette is over its window.
        otherwise: makes the last item, whatever was typed.
    """

    def __init__(
        self,
        items: Sequence[PaletteItem],
        prompt: str,
        parent: QWidget,
        otherwise: Callable[[str], PaletteItem] | None = None,
    ) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._over = parent
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAccessibleName(prompt)
        self._all = list(items)
        self._otherwise = otherwise
        self._model = _Model(self)
        self.line = QLineEdit()
        self.line.setPlaceholderText(prompt)
        self.line.setAccessibleName(prompt)
        self.line.textChanged.connect(self._filter)
        self.line.installEventFilter(self)
        self.view = QListView()
        self.view.setModel(self._model)
        self.view.setItemDelegate(_Delegate(self.view))
        self.view.setAccessibleName("Matches")
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.view.setMouseTracking(True)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.view.clicked.connect(self._take)
        self.view.entered.connect(self._point_at)
        self.nothing = QLabel("Nothing matches.")
        self.nothing.setObjectName("muted")
        self.nothing.setContentsMargins(12, 4, 12, 8)
        card = QFrame(self)
        card.setObjectName("card")
        inside = QVBoxLayout(card)
        inside.setContentsMargins(8, 8, 8, 8)
        inside.addWidget(self.line)
        inside.addWidget(self.view)
        inside.addWidget(self.nothing)
        self.pane = PreviewPane()
        inside.addWidget(self.pane)
        self._has_previews = any(item.preview for item in self._all)
        self.pane.setVisible(self._has_previews)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addWidget(card)
        self._layouts = (inside, around)
        self._filter("")

    def popup(self) -> None:
        """Show it over the upper middle of the window."""
        window = self._over.window()
        self.setFixedWidth(min(WIDTH, max(window.width() - 40, 240)))
        self._fit()
        self._select(self.view.currentIndex().row())
        corner = window.mapToGlobal(window.rect().topLeft())
        self.move(corner.x() + (window.width() - self.width()) // 2, corner.y() + min(90, window.height() // 8))
        self.show()
        self.line.setFocus(Qt.FocusReason.PopupFocusReason)

    @property
    def shown(self) -> list[PaletteItem]:
        """The items that match, best first."""
        return list(self._model.items)

    @Slot(str)
    def _filter(self, query: str) -> None:
        query = query.strip()
        if query:
            ranked = []
            for order, item in enumerate(self._all):
                scores = (fuzzy_score(query, item.title), fuzzy_score(query, f"{item.group} {item.title}"))
                best = max((s for s in scores if s is not None), default=None)
                if best is None and item.keywords and query.lower() in item.keywords.lower():
                    best = 0.0
                if best is not None:
                    best -= YIELDED_SCORE * item.yields
                    ranked.append((bool(item.problem), -best, order, item))
            items = [item for *_, item in sorted(ranked, key=lambda one: one[:3])]
            if self._otherwise is not None:
                items.append(self._otherwise(query))
        else:
            items = self._all
        self._model.show(items, grouped=not query)
        self.view.setVisible(bool(items))
        self.nothing.setVisible(not items)
        self._select(next((row for row, item in enumerate(items) if not item.problem), -1))
        self._fit()

    def _fit(self) -> None:
        heights = [self.view.sizeHintForRow(row) for row in range(min(len(self._model.items), 60))]
        # With a preview below it, the list has less room.
        rows = MOST_VISIBLE - 4 if self._has_previews else MOST_VISIBLE
        most = rows * (min(heights) if heights else 0)
        self.view.setFixedHeight(min(sum(heights), most) + 2)
        self._adjust()

    def _select(self, row: int) -> None:
        self.view.setCurrentIndex(self._model.index(row) if row >= 0 else QModelIndex())
        if self._has_previews:
            self.pane.show_preview(self._model.items[row].preview if row >= 0 else None, self.width() - 48)
            self._adjust()

    def _adjust(self) -> None:
        """As high as its parts need now; layouts would only hear of it later."""
        for layout in self._layouts:
            layout.activate()
        self.adjustSize()

    @Slot(QModelIndex)
    def _point_at(self, index: QModelIndex) -> None:
        """The mouse is over an item: its preview is what the user wants to see."""
        if self._has_previews and not self._model.items[index.row()].problem:
            self._select(index.row())

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.line and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            steps = {
                Qt.Key.Key_Down: 1,
                Qt.Key.Key_Up: -1,
                Qt.Key.Key_PageDown: MOST_VISIBLE,
                Qt.Key.Key_PageUp: -MOST_VISIBLE,
            }
            if (step := steps.get(Qt.Key(event.key()))) is not None:
                self._go(step)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._take(self.view.currentIndex())
                return True
        return super().eventFilter(watched, event)

    def _go(self, step: int) -> None:
        usable = [row for row, item in enumerate(self._model.items) if not item.problem]
        if not usable:
            return
        current = self.view.currentIndex().row()
        at = usable.index(current) if current in usable else 0
        # Single steps go round, pages stop at the ends.
        to = (at + step) % len(usable) if abs(step) == 1 else min(max(at + step, 0), len(usable) - 1)
        self._select(usable[to])

    @Slot(QModelIndex)
    def _take(self, index: QModelIndex) -> None:
        item = index.data(ITEM_ROLE) if index.isValid() else None
        if not isinstance(item, PaletteItem) or item.problem:
            return
        self.close()
        # After this event, so that a dialog opened by it does not run inside the palette's key press.
        QTimer.singleShot(0, self._over, item.run)
