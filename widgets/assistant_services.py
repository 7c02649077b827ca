"""What the panel needs beside the conversation: who may answer, and what has left this computer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scenescope.models.language import Reach

__all__ = ["Choice", "PanelServices"]


@dataclass(frozen=True)
class Choice:
    """Somebody who may answer.

    Attributes:
        key: "rules", "local:<name>" or "server:<id>", as in the setting ``assistant.answer_with``.
        title: for people.
        reach: where pictures would go; None where it is not known yet.
    """

    key: str
    title: str
    reach: Reach | None = Reach.THIS_COMPUTER


def _rules_only() -> Sequence[Choice]:
    return (Choice("rules", "Rules, not AI"),)


@dataclass(frozen=True)
class PanelServices:
    """Callables that return at once; they are called in the GUI thread, some of them four times a second.

    Attributes:
        choices: who may answer, in the order of the menu.
        chosen: the key of who answers now.
        choose: lets somebody else answer, given the key.
        sent: how many pictures have left this computer since the app was started.
        sending_paused, set_sending_paused: whether pictures may leave it now.
        download_progress: of the model that is being downloaded, 0 to 1; None where it is not known.
        can_seek: whether one can go back in the source that is open; not in a camera.
        session_id: of the event log's session that goes on; evidence of it leads to the source that is open.
    """

    choices: Callable[[], Sequence[Choice]] = _rules_only
    chosen: Callable[[], str] = lambda: "rules"
    choose: Callable[[str], object] = lambda _key: None
    sent: Callable[[], int] = lambda: 0
    sending_paused: Callable[[], bool] = lambda: False
    set_sending_paused: Callable[[bool], object] = lambda _paused: None
    download_progress: Callable[[], float | None] = lambda: None
    can_seek: Callable[[], bool] = lambda: True
    session_id: Callable[[], int | None] = lambda: None
