"""Light and dark: two sets of colours, the palette and style sheet made from them, and the choice between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget

__all__ = ["DARK", "LIGHT", "Colours", "Theme", "ThemeChoice", "colours_of", "contrast", "stylesheet"]


STYLED = "scenescope.styled"


class ThemeChoice(StrEnum):
    """What the user wishes."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True)
class Colours:
    """Colours by their part, as ``#rrggbb``.

    ``window`` lies behind ``panel``s, ``field`` is where one types, ``stage`` is behind the picture, ``line``
    separates, ``accent`` marks what is chosen. ``good``, ``warning`` and ``bad`` never stand alone: a sign and a word
    go with them, and they are apart in lightness and in the blue-yellow direction, which nearly everyone sees.
    """

    window: str
    panel: str
    raised: str
    field: str
    stage: str
    line: str
    text: str
    muted: str
    faint: str
    accent: str
    on_accent: str
    accent_soft: str
    good: str
    warning: str
    bad: str


LIGHT = Colours(
    window="#eef0f4",
    panel="#ffffff",
    raised="#f5f6f9",
    field="#ffffff",
    stage="#dfe3ea",
    line="#d3d8e1",
    text="#1a2029",
    muted="#566171",
    faint="#98a2b1",
    accent="#1f62c9",
    on_accent="#ffffff",
    accent_soft="#dfeafb",
    good="#00684f",
    warning="#8a5200",
    bad="#b3280f",
)
DARK = Colours(
    window="#15181d",
    panel="#1c2027",
    raised="#252a33",
    field="#12151a",
    stage="#0c0e12",
    line="#323945",
    text="#e8ebf0",
    muted="#a3adbb",
    faint="#66707f",
    accent="#6aa9ff",
    on_accent="#08131f",
    accent_soft="#23344d",
    good="#4cc9a0",
    warning="#f0b44c",
    bad="#ff8f73",
)


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21, by WCAG 2.2."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def colours_of(widget: QWidget) -> Colours:
    """The set that a widget is shown in, read from its palette: painted parts follow the theme by themselves."""
    # The text's colour: a style sheet may have made the ground transparent, which is black.
    return DARK if widget.palette().color(QPalette.ColorRole.WindowText).lightness() > 110 else LIGHT


def palette(colours: Colours) -> QPalette:
    """The palette for the Fusion style."""
    role = QPalette.ColorRole
    made = QPalette()
    for name, value in {
        role.Window: colours.window,
        role.WindowText: colours.text,
        role.Base: colours.field,
        role.AlternateBase: colours.raised,
        role.Text: colours.text,
        role.Button: colours.raised,
        role.ButtonText: colours.text,
        role.BrightText: colours.bad,
        role.Highlight: colours.accent,
        role.HighlightedText: colours.on_accent,
        role.Accent: colours.accent,
        role.Link: colours.accent,
        role.LinkVisited: colours.accent,
        role.ToolTipBase: colours.panel,
        role.ToolTipText: colours.text,
        role.PlaceholderText: colours.muted,
        role.Light: colours.raised,
        role.Midlight: colours.line,
        role.Mid: colours.line,
        role.Dark: colours.line,
        role.Shadow: colours.stage,
    }.items():
        made.setColor(name, QColor(value))
    for name in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        made.setColor(QPalette.ColorGroup.Disabled, name, QColor(colours.faint))
    return made


def stylesheet(colours: Colours) -> str:
    """What a palette cannot say: spacing, round corners, flat docks."""
    c = colours
    themes = Path(str(files("scenescope.resources").joinpath("themes"))).as_posix()
    chevron, check = f"{themes}/chevron.svg", f"{themes}/check.svg"
    return f"""
QMainWindow, QDialog {{ background: {c.window}; }}
QMainWindow::separator {{ background: {c.window}; width: 6px; height: 6px; }}
QMainWindow::separator:hover {{ background: {c.accent}; }}
QToolTip {{ background: {c.panel}; color: {c.text}; border: 1px solid {c.line}; padding: 4px 6px; }}
QMenuBar {{ background: {c.window}; color: {c.text}; padding: 1px 4px; }}
QMenuBar::item {{ background: transparent; padding: 4px 9px; border-radius: 4px; }}
QMenuBar::item:selected {{ background: {c.accent_soft}; color: {c.text}; }}
QMenu {{ background: {c.panel}; color: {c.text}; border: 1px solid {c.line}; padding: 4px; }}
QMenu::item {{ padding: 5px 26px 5px 26px; border-radius: 4px; }}
QMenu::item:selected {{ background: {c.accent_soft}; color: {c.text}; }}
QMenu::item:disabled {{ color: {c.faint}; }}
QMenu::icon {{ padding-left: 6px; }}
QMenu::indicator {{ left: 6px; }}
QMenu::separator {{ height: 1px; background: {c.line}; margin: 4px 8px; }}
QToolBar {{ background: {c.window}; border: none; padding: 4px 8px; spacing: 2px; }}
QToolBar::separator {{ background: {c.line}; width: 1px; margin: 5px 6px; }}
QToolButton {{ background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 4px 6px; }}
QToolButton:hover {{ background: {c.accent_soft}; }}
QToolButton:pressed, QToolButton:checked {{ background: {c.accent_soft}; border-color: {c.accent}; }}
QToolButton:focus {{ border-color: {c.accent}; }}
QToolButton:disabled {{ color: {c.faint}; }}
QToolButton[popupMode="2"] {{ padding-right: 16px; }}
QToolButton::menu-indicator {{ subcontrol-position: right center; right: 4px; }}
QToolButton#mainButton {{ background: {c.panel}; border: 1px solid {c.line}; padding-left: 8px; }}
QToolButton#small {{ padding: 1px; border-radius: 4px; }}
QToolButton#mainButton:hover {{ border-color: {c.accent}; }}
QCheckBox::indicator, QGroupBox::indicator {{
  width: 13px; height: 13px; border: 1px solid {c.muted}; border-radius: 3px; background: {c.panel}; }}
QCheckBox::indicator:checked, QGroupBox::indicator:checked {{
  background: {c.accent}; border-color: {c.accent}; image: url({check}); }}
QCheckBox::indicator:disabled {{ border-color: {c.line}; }}
QCheckBox::indicator:focus {{ border-color: {c.accent}; }}
QDockWidget {{ color: {c.muted}; font-weight: 600; }}
QDockWidget::title {{ background: {c.window}; padding: 6px 10px; text-align: left; }}
QPushButton {{ background: {c.raised}; border: 1px solid {c.line}; border-radius: 6px; padding: 5px 14px; }}
QPushButton:hover {{ border-color: {c.accent}; }}
QPushButton:pressed {{ background: {c.accent_soft}; }}
QPushButton:focus {{ border: 1px solid {c.accent}; }}
QPushButton:disabled {{ color: {c.faint}; }}
QPushButton:default, QPushButton#primary {{
  background: {c.accent}; color: {c.on_accent}; border-color: {c.accent}; font-weight: 600; }}
QPushButton:default:disabled {{ background: {c.raised}; color: {c.faint}; border-color: {c.line}; }}
QLineEdit, QSpinBox, QDoubleSpinBox, QPlainTextEdit {{
  background: {c.field}; border: 1px solid {c.line}; border-radius: 5px; padding: 3px 6px;
  selection-background-color: {c.accent}; selection-color: {c.on_accent}; }}
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QPlainTextEdit:focus, QComboBox:focus {{
  border: 1px solid {c.accent}; }}
QDoubleSpinBox::up-button, QDoubleSpinBox::down-button, QSpinBox::up-button, QSpinBox::down-button {{ width: 0; }}
QComboBox {{ background: {c.field}; border: 1px solid {c.line}; border-radius: 5px; padding: 3px 8px; }}
QComboBox::drop-down {{ border: none; width: 22px; }}
QComboBox::down-arrow {{ image: url("{chevron}"); width: 11px; height: 11px; }}
QComboBox QAbstractItemView {{ background: {c.panel}; border: 1px solid {c.line};
  selection-background-color: {c.accent_soft}; selection-color: {c.text}; }}
QProgressBar {{ background: {c.line}; border: none; border-radius: 3px; text-align: center; min-height: 6px; }}
QProgressBar::chunk {{ background: {c.accent}; border-radius: 3px; }}
QSlider::groove:horizontal {{ height: 4px; border-radius: 2px; background: {c.line}; }}
QSlider::sub-page:horizontal {{ border-radius: 2px; background: {c.accent}; }}
QSlider::sub-page:horizontal:disabled {{ background: {c.faint}; }}
QSlider::handle:horizontal {{ background: {c.panel}; border: 2px solid {c.accent}; width: 10px; height: 10px;
  margin: -5px 0; border-radius: 7px; }}
QSlider::handle:horizontal:focus {{ background: {c.accent}; }}
QSlider::handle:horizontal:disabled {{ border-color: {c.faint}; }}
QScrollArea, QScrollArea > QWidget > QWidget {{ background: transparent; border: none; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {c.faint}; border-radius: 4px; min-height: 28px; min-width: 28px; margin: 1px; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QListView {{ background: {c.panel}; border: none; outline: none; }}
QSplitter::handle {{ background: {c.line}; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
QTableView {{ background: {c.panel}; gridline-color: {c.line}; border: 1px solid {c.line}; }}
QHeaderView::section {{ background: {c.raised}; color: {c.muted}; border: none; padding: 5px 8px; }}
#card {{ background: {c.panel}; border: 1px solid {c.line}; border-radius: 8px; }}
#stripe {{ background: {c.window}; }}
#muted {{ color: {c.muted}; }}
#heading {{ font-weight: 600; }}
#problem {{ color: {c.bad}; }}
#banner {{ background: {c.panel}; border: 1px solid {c.line}; border-left: 4px solid {c.accent}; border-radius: 6px; }}
#banner[level="warning"] {{ border-left-color: {c.warning}; }}
#banner[level="error"] {{ border-left-color: {c.bad}; }}
#badge {{ background: {c.raised}; color: {c.text}; border: 1px solid {c.line}; border-radius: 5px;
  padding: 1px 7px; font-weight: 600; }}
#badge[level="bad"] {{ color: {c.bad}; border-color: {c.bad}; }}
#badge[level="live"] {{ color: {c.bad}; border-color: {c.bad}; }}
"""


class Theme(QObject):
    """Dresses the application, and follows the system when that is the wish."""

    changed = Signal()

    def __init__(self, app: QApplication, choice: ThemeChoice = ThemeChoice.SYSTEM, parent: QObject | None = None):
        super().__init__(parent)
        self._app = app
        self.choice = choice
        # Under a style sheet the style has no name to ask for, and to set it once more polishes every widget again.
        if not app.property(STYLED):
            app.setStyle("Fusion")
            app.setProperty(STYLED, True)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._system_changed)
        self._dress()

    @property
    def colours(self) -> Colours:
        """The set in use."""
        if self.choice is ThemeChoice.SYSTEM:
            return DARK if QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark else LIGHT
        return DARK if self.choice is ThemeChoice.DARK else LIGHT

    @Slot(object)
    def choose(self, choice: ThemeChoice) -> None:
        """Change the wish."""
        if choice != self.choice:
            self.choice = choice
            self._dress()

    def close(self) -> None:
        """Follow the system no longer."""
        QGuiApplication.styleHints().colorSchemeChanged.disconnect(self._system_changed)

    @Slot()
    def _system_changed(self) -> None:
        if self.choice is ThemeChoice.SYSTEM:
            self._dress()

    def _dress(self) -> None:
        sheet = stylesheet(self.colours)
        self._app.setPalette(palette(self.colours))
        # Every widget is polished again for a sheet, even for the same one.
        if self._app.styleSheet() != sheet:
            self._app.setStyleSheet(sheet)
        self.changed.emit()
