"""The style sheet of the assistant's panel and dialogs, in the colours of a theme."""

from __future__ import annotations

from scenescope.widgets.theme import Colours

__all__ = ["panel_style"]


def panel_style(colours: Colours) -> str:
    """What sets messages, chips, cards and the badge apart: by edge and place, not by colour alone."""
    c = colours
    return f"""
MessageView {{ border: 1px solid transparent; border-radius: 6px; background: {c.panel}; }}
MessageView[kind="question"] {{ background: {c.accent_soft}; margin-left: 24px; }}
MessageView[kind="watch"] {{ border-left: 4px solid {c.accent}; }}
MessageView[kind="error"] {{ border-left: 4px solid {c.bad}; }}
MessageView:focus {{ border: 1px solid {c.accent}; }}
MessageView QLabel {{ background: transparent; }}
QFrame#assistantCard {{ background: {c.raised}; border: 1px solid {c.line}; border-radius: 6px; }}
QFrame#assistantNotes {{ background: {c.raised}; border: 1px solid {c.line}; border-left: 3px solid {c.warning};
  border-radius: 4px; }}
QPushButton#assistantChip {{ border: 1px solid {c.line}; border-radius: 9px; padding: 1px 8px;
  background: {c.raised}; color: {c.text}; }}
QPushButton#assistantChip:hover, QPushButton#assistantChip:focus {{ border-color: {c.accent}; }}
QPushButton#assistantChip:pressed {{ background: {c.accent}; color: {c.on_accent}; }}
QPushButton#assistantChip:disabled {{ color: {c.faint}; }}
QPushButton#assistantWho {{ text-align: left; padding: 3px 8px; font-weight: 600; }}
QPushButton#assistantWho::menu-indicator {{ subcontrol-position: right center; right: 6px; }}
QPushButton#privacyBadge {{ text-align: left; padding: 0; border: 1px solid {c.line}; border-radius: 6px;
  background: {c.panel}; }}
QPushButton#privacyBadge[reach="this_computer"] {{ border-left: 4px solid {c.good}; }}
QPushButton#privacyBadge[reach="your_network"] {{ border-left: 4px solid {c.warning}; }}
QPushButton#privacyBadge[reach="internet"] {{ border: 2px solid {c.bad}; border-left: 6px solid {c.bad}; }}
QPushButton#privacyBadge:hover, QPushButton#privacyBadge:focus {{ border-color: {c.accent}; }}
"""
