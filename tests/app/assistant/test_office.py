"""The assistant in the real window, by rules: what is asked, clicked, changed, undone, watched for, kept."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from scenescope.app.assistant.office_fakes import DOG, SPEC, Talk, click, write_film
from scenescope.models import EventKind
from scenescope.models.language import Evidence, Message, MessageKind, ProposalState
from scenescope.models.language.socket_guard import only_loopback
from scenescope.pipelines.events import SourcePhase
from scenescope.pipelines.log.records import EventQuery
from scenescope.pipelines.sources import code_marker
from scenescope.widgets.assistant_history import HistoryDialog
from scenescope.widgets.watches_dialog import WatchesDialog

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tried() -> Iterator[list[str]]:
    """What was tried beyond this computer, while all tests of this file run; an error at the end unless it is none."""
    with only_loopback() as tried:
        yield tried


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "walk.mp4")


@pytest.fixture(scope="module")
def talk(make_talk: Any, tried: list[str], film: Path) -> Talk:
    """A desktop that was told to watch for dogs, has watched the film to its end, and holds a picture."""
    talk: Talk = make_talk()
    playback = talk.window.playback
    talk.window.open_source_text(str(film))
    # Which labels there are is known once something was seen.
    talk.until(lambda: talk.assistant.known_labels())
    talk.ask(WATCH)
    playback.restart()
    talk.until(lambda: playback.phase is SourcePhase.PLAYING)
    talk.until(lambda: playback.phase is SourcePhase.ENDED)
    playback.seek_frame(0)
    talk.until(lambda: playback.phase is SourcePhase.PLAYING)
    playback.toggle_pause()
    talk.until(lambda: playback.phase is SourcePhase.PAUSED)
    return talk


def shown_number(talk: Talk) -> int | None:
    """The number burnt into the picture in the window, once it is that of the picture that is said to be shown."""
    latest, picture = talk.window.engine.latest, talk.window.bridge.picture
    if latest is None or picture is None or picture.frame_index != latest.index:
        return None
    return code_marker.read(latest.image)


WATCH = "tell me when a dog appears"
QUESTIONS = {
    "how many people crossed the gate?": ("1 person crossed", 37),
    "when did the dog appear?": ("first appeared at 0:00.8", DOG.start),
    "how many dogs appeared in the last minute?": ("1 ", DOG.start),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_exactly_and_its_chip_leads_to_the_picture(talk: Talk, question: str):
    words, number = QUESTIONS[question]
    answer = talk.ask(question)
    assert (answer.kind, answer.checked) == (MessageKind.ANSWER, True)
    assert words in answer.text
    assert answer.evidence[0].frame_index == number
    click(talk.view(answer).chips[0])
    talk.until(lambda: shown_number(talk) == number)


def test_an_order_is_shown_as_a_difference_and_both_undos_take_it_back(talk: Talk):
    for undo in ("button", "keys"):
        answer = talk.ask("blur faces")
        (change,) = answer.changes
        assert [(line.sign, line.text) for line in change.lines][-1] == ("+", "Hide")
        assert talk.window.engine.spec != SPEC
        card = talk.view(answer).changes[change.change_id]
        assert card.diff.isVisible()
        if undo == "button":
            click(card.undo)
            talk.until(lambda answer=answer: talk.now(answer).changes[0].undone)
        else:
            talk.window.viewport.setFocus()
            QTest.keyClick(talk.window.viewport, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        talk.until(lambda: talk.window.engine.spec == SPEC)


def proposal_of(answer: Message) -> Any:
    (proposal,) = answer.proposals
    assert not answer.changes
    return proposal


def test_what_touches_privacy_waits_for_a_click(talk: Talk):
    talk.ask("blur faces")
    hidden = talk.window.engine.spec
    answer = talk.ask("stop blurring faces")
    card = talk.view(answer).proposals[proposal_of(answer).proposal_id]
    talk.settle()
    assert talk.window.engine.spec == hidden
    click(card.leave_it)
    talk.until(lambda: talk.now(answer).proposals[0].state is ProposalState.DISMISSED)
    assert talk.window.engine.spec == hidden
    again = talk.ask("stop blurring faces")
    card = talk.view(again).proposals[proposal_of(again).proposal_id]
    talk.settle()
    click(card.do_it)
    talk.until(lambda: talk.now(again).proposals[0].state is ProposalState.ACCEPTED)
    talk.until(lambda: not talk.window.engine.spec.stages[-1].enabled)
    for _ in range(2):
        talk.window.actions_["edit.undo"].trigger()
    assert talk.window.engine.spec == SPEC
    record = talk.ask("record")
    assert proposal_of(record).title == "Start recording"
    assert not talk.window.inspection.recording.recording


@pytest.mark.timeout(300)
def test_what_is_not_understood_does_nothing_and_offers_what_can_be_done(talk: Talk):
    answer = talk.ask("paint the dog green and order pizza")
    # The network that compares sentences is opened when it is first needed.
    talk.until(lambda: all(thread.name != "sentence-network" for thread in threading.enumerate()), seconds=170)
    assert answer.suggestions
    assert not answer.changes
    assert not answer.proposals
    assert talk.window.engine.spec == SPEC


def test_a_watch_is_a_rule_that_is_seen_and_its_hit_a_message_and_a_mark(talk: Talk):
    (rule,) = talk.desktop.office.watches.rules
    assert (rule.trigger, rule.labels) == ("appear", ("dog",))
    talk.press("Ctrl+Shift+W")
    dialog = talk.dialog(WatchesDialog)
    assert dialog.table.item(0, 2).text() == "When a dog appears."
    assert dialog.table.item(0, 4).text() != "never"
    dialog.close()
    (hit,) = (one for one in talk.assistant.messages if one.kind is MessageKind.WATCH)
    assert hit.evidence[0].frame_index == DOG.start
    assert talk.desktop.log.flush()
    (mark,) = talk.desktop.log.events(EventQuery(kinds=(EventKind.MARK,)))
    assert (mark.frame, mark.text) == (DOG.start, f"{rule.name}: {hit.text}")
    click(talk.view(hit).chips[0])
    talk.until(lambda: shown_number(talk) == DOG.start)
    order = next(one for one in talk.assistant.messages if one.changes)
    click(talk.view(order).changes[order.changes[0].change_id].undo)
    talk.until(lambda: not talk.desktop.office.watches.rules)


def test_the_conversation_is_found_again_and_exported(talk: Talk, tmp_path: Path):
    talk.ask("how many people crossed the gate?")
    talk.press("Ctrl+Shift+H")
    dialog = talk.dialog(HistoryDialog)
    talk.until(lambda: any(hit for hit in talk.desktop.log.talk.search("crossed")))
    dialog.close()
    talk.desktop.log.talk.export(tmp_path / "talk.md")
    assert "1 person crossed" in (tmp_path / "talk.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("is_open", [True, False])
def test_what_was_said_earlier_leads_to_its_picture(talk: Talk, is_open: bool, monkeypatch: Any):
    playback, events = talk.window.playback, talk.window.inspection.timeline.panel
    if is_open:
        playback.seek_frame(0)
        talk.until(lambda: shown_number(talk) == 0)
    else:
        playback.stop()
        talk.until(lambda: playback.phase is SourcePhase.STOPPED)
    talk.press("Ctrl+Shift+H")
    dialog = talk.dialog(HistoryDialog)
    talk.until(lambda: any(view.chips for view in dialog.messages.views))
    answer = next(view for view in dialog.messages.views if view.message.text.startswith("1 person crossed"))
    answer.chips[0].click()
    assert not dialog.isVisible()
    if is_open:
        talk.until(lambda: shown_number(talk) == 37)
        return
    sought: list[float] = []
    monkeypatch.setattr(playback, "seek", sought.append)
    talk.until(lambda: "walk.mp4, which is not open" in events.notice.message.text())
    events.notice.button.click()
    talk.until(lambda: sought == [answer.message.evidence[0].pts_s])
    playback.stop()
    talk.until(lambda: playback.phase is SourcePhase.STOPPED)


@pytest.mark.parametrize(("session_id", "says"), [(None, "not known any more"), (999, "not in the event log any more")])
def test_what_leads_nowhere_any_more_says_so(talk: Talk, session_id: int | None, says: str):
    talk.desktop.office.commands._show_kept(Evidence(3, 0.1, session_id=session_id))
    notices = (talk.window.notices.notice, talk.window.inspection.timeline.panel.notice)
    talk.until(lambda: any(says in notice.message.text() for notice in notices))


def test_nothing_beyond_this_computer_was_asked_for(talk: Talk, tried: list[str]):
    # The guard stands: an address of the documentation (RFC 5737) is refused, and forgotten again.
    with socket.socket() as one, pytest.raises(PermissionError):
        one.connect(("192.0.2.1", 80))
    assert tried == ["connect 192.0.2.1"]
    tried.clear()
