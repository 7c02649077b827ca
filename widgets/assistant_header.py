"""The head of the assistant's panel: who answers, how they are, where pictures go, and what can be done."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QActionGroup, QColor
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QVBoxLayout, QWidget

from scenescope.models.language import Conversation
from scenescope.widgets.assistant_actions import PanelActions
from scenescope.widgets.assistant_badge import RUNNING, CornerBadge, PrivacyBadge, StateLine, reach_sign
from scenescope.widgets.assistant_parts import Chip
from scenescope.widgets.assistant_services import PanelServices
from scenescope.widgets.icons import icon
from scenescope.widgets.theme import colours_of

__all__ = ["AssistantHeader"]

WHO_PADDING_PX = 40
NOBODY = "No assistant"


class AssistantHeader(QWidget):
    """Asks the conversation how it is whenever :meth:`look` is called, which is cheap when nothing has changed.

    Args:
        actions: of the panel.
        services: who may answer and what was sent.

    Attributes:
        corner: tells where pictures go when this is out of sight; None where there is nothing to lie over.

    Signals:
        download_wanted: the model that is missing.
    """

    download_wanted = Signal()

    def __init__(self, actions: PanelActions, services: PanelServices, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.services = services
        self._actions = actions
        self.running = False
        self.corner: CornerBadge | None = None
        self.who = Chip(NOBODY, "Who answers", padding_px=WHO_PADDING_PX)
        self.who.setObjectName("assistantWho")
        self.menu = QMenu(self.who)
        self.menu.aboutToShow.connect(self._fill_menu)
        self.who.setMenu(self.menu)
        self.state = StateLine()
        self.state.download_wanted.connect(self.download_wanted)
        self.badge = PrivacyBadge()
        self.badge.clicked.connect(actions["egress"].trigger)
        self.stop = _tool(actions["stop"])
        self.stop.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more = QToolButton()
        self.more.setObjectName("small")
        self.more.setAccessibleName("More of the assistant")
        self.more.setToolTip("Watches, earlier conversations, what was sent, settings")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        more = QMenu(self.more)
        for name in ("watches", "history", "egress", "settings", "clear"):
            more.addAction(actions[name])
        self.more.setMenu(more)
        first, second = QHBoxLayout(), QHBoxLayout()
        first.setSpacing(2)
        first.addWidget(self.who, 1)
        for name in ("describe", "pause", "pause_sending"):
            first.addWidget(_tool(actions[name]))
        first.addWidget(self.more)
        second.addWidget(self.state, 1)
        second.addWidget(self.stop, 0, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(first)
        column.addLayout(second)
        column.addWidget(self.badge)
        self.redraw()

    def look(self, conversation: Conversation | None, *, doing: bool) -> None:
        """Show how the conversation is; ``doing`` when one of its messages says so."""
        there = conversation is not None
        self.state.setVisible(there)
        self.badge.setVisible(there)
        self.running = False
        if conversation is not None:
            label, state = conversation.label, conversation.state
            if label != self.who.whole:
                self.who.set_whole(label)
                self.who.setAccessibleDescription("Who answers")
            self.state.show_state(state, self.services.download_progress())
            paused = self.services.sending_paused()
            reach, sent = conversation.reach, self.services.sent()
            self.badge.show_reach(reach, sent, paused)
            if self.corner is not None:
                # Behind another dock's tab nothing of it is seen, although it is not hidden.
                self.corner.tell(reach, sent, paused, panel_seen=not self.visibleRegion().isEmpty())
            _check(self._actions["pause"], conversation.paused)
            _check(self._actions["pause_sending"], paused)
            self.running = doing or state.phase in RUNNING
            if self.running:
                self.state.dots.step()
        else:
            self.who.set_whole(NOBODY)
            if self.corner is not None:
                self.corner.hide()
        self._actions["stop"].setEnabled(self.running)
        self.stop.setVisible(self.running)

    def redraw(self) -> None:
        """Draw in the colours of now."""
        colours = colours_of(self)
        self.more.setIcon(icon("more", QColor(colours.text), QColor(colours.faint)))

    @Slot()
    def _fill_menu(self) -> None:
        self.menu.clear()
        group, colours, chosen = QActionGroup(self.menu), colours_of(self), self.services.chosen()
        for choice in self.services.choices():
            title = choice.title.replace("&", "&&")
            where = "" if choice.reach is None else f"  ({choice.reach.value.partition(':')[0].lower()})"
            action = QAction(f"{title}{where}", group)
            if choice.reach is not None:
                name, ink = reach_sign(choice.reach, colours)
                action.setIcon(icon(name, QColor(ink)))
            action.setCheckable(True)
            action.setChecked(choice.key == chosen)
            action.triggered.connect(lambda _=False, key=choice.key: self.services.choose(key))
            self.menu.addAction(action)
        self.menu.addSeparator()
        self.menu.addAction(self._actions["settings"])


def _tool(action: QAction) -> QToolButton:
    button = QToolButton()
    button.setObjectName("small")
    button.setDefaultAction(action)
    button.setIconSize(QSize(18, 18))
    button.setAccessibleName(action.text().replace("&", ""))
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button


def _check(action: QAction, on: bool) -> None:
    if action.isChecked() != on:
        action.blockSignals(True)
        action.setChecked(on)
        action.blockSignals(False)
        # The buttons of the action hear of it by the signal that was held back.
        action.changed.emit()
