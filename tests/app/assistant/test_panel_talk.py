"""The panel over the real assistant: rules, tools and a host that only remembers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt

from scenescope.app.assistant import Assistant, Parts
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.orders_names import OrderContext, kinds_of
from scenescope.app.assistant.rules import LABEL
from scenescope.app.assistant.scene_fakes import ACTORS, Play
from scenescope.app.assistant.tools.fakes import FakeHost
from scenescope.app.assistant.tools.registry import toolbox
from scenescope.models.language import MessageKind, ProposalState, Reach
from scenescope.widgets import assistant_diff
from scenescope.widgets.assistant_message import MessageView
from scenescope.widgets.assistant_panel import AssistantPanel


@pytest.fixture
def stage() -> Play:
    """Ten seconds with two people, a dog and a car."""
    return Play(*ACTORS)


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def assistant(stage, host) -> Iterator[Assistant]:
    observer = stage.observer
    knowledge = Knowledge(lambda: observer.state, None, lambda: None)
    kinds = kinds_of()
    made = Assistant(
        Parts(
            observer,
            knowledge=knowledge,
            toolbox=lambda look: toolbox(host, knowledge, look),
            orders=lambda: OrderContext(spec=host.spec, kinds=kinds, known_labels=observer.state.known_labels),
            clock=lambda: stage.now_s,
        )
    )
    yield made
    made.close()


@pytest.fixture
def panel(qtbot, assistant) -> AssistantPanel:
    panel = AssistantPanel(assistant)
    qtbot.addWidget(panel)
    panel.resize(360, 600)
    with qtbot.waitActive(panel):
        panel.show()
        panel.activateWindow()
    return panel


def answer(qtbot, panel: AssistantPanel) -> MessageView:
    """The view of the answer to the newest question, once it is whole."""
    found: list[MessageView] = []

    def whole() -> bool:
        views = panel._list.views
        kinds = [view.message.kind for view in views]
        found[:] = (
            views[len(kinds) - kinds[::-1].index(MessageKind.QUESTION) :] if MessageKind.QUESTION in kinds else []
        )
        return bool(found) and not found[0].message.doing

    qtbot.waitUntil(whole)
    return found[0]


def test_who_answers_and_where_pictures_go(panel):
    assert panel._header.who.whole == LABEL
    assert panel._header.badge.words.text() == Reach.THIS_COMPUTER.value


def test_before_a_picture_that_is_said(qtbot, panel):
    panel.ask("how many dogs are there?")
    assert answer(qtbot, panel).message.text == "I have not seen a picture yet: no source has played."


def test_a_question_by_keys_and_the_moment_of_its_answer(qtbot, panel, stage):
    stage.play(100)
    qtbot.keyClicks(panel._foot.line, "how many cars?")
    qtbot.keyClick(panel._foot.line, Qt.Key.Key_Return)
    view = answer(qtbot, panel)
    assert view.message.text == "The detector sees 1 car now (#4)."
    assert view._checked.isVisible()
    sought = []
    panel.seek_requested.connect(sought.append)
    view.chips[0].click()
    assert sought == [view.message.evidence[0].pts_s]


def test_descriptions_come_as_the_scene_changes_and_can_be_paused(qtbot, panel, stage):
    stage.play(50)
    qtbot.waitUntil(lambda: len(panel._list.views) == 2)
    panel.actions_["pause"].trigger()
    stage.play(50)
    panel._show_waiting()
    assert panel._conversation.paused
    assert [view.message.kind for view in panel._list.views] == [MessageKind.DESCRIPTION] * 2


def test_examples_are_offered_and_understood_when_clicked(qtbot, panel, stage):
    stage.play(100)
    panel.actions_["clear"].trigger()
    for text in [chip.whole for chip in panel._foot.suggested]:
        panel._offer(())
        next(chip for chip in panel._foot.suggested if chip.whole == text).click()
        view = answer(qtbot, panel)
        assert view.message.checked, text


def test_an_order_is_carried_out_shown_and_undone(qtbot, panel, host):
    before = host.spec
    panel.ask("blur faces")
    view = answer(qtbot, panel)
    (card,) = view.changes.values()
    assert [line.sign for line in card.diff.lines] == ["=", "=", "+"]
    assert len(host.spec.stages) == len(before.stages) + 1
    card.undo.click()
    qtbot.waitUntil(lambda: card.undo.text() == "Undone")
    assert host.spec == before


@pytest.mark.parametrize(
    ("button", "state"), [("do_it", ProposalState.ACCEPTED), ("leave_it", ProposalState.DISMISSED)]
)
def test_what_must_be_confirmed_waits_for_the_click(qtbot, monkeypatch, panel, host, button, state):
    clock = {"s": 100.0}
    monkeypatch.setattr(assistant_diff, "monotonic", lambda: clock["s"])
    panel.ask("start recording")
    view = answer(qtbot, panel)
    (card,) = view.proposals.values()
    assert not host.recording
    clock["s"] += 1
    getattr(card, button).click()
    qtbot.waitUntil(lambda: view.message.proposals[0].state is state)
    assert host.recording is (state is ProposalState.ACCEPTED)


def test_what_is_no_order_and_no_question_leads_to_what_is(qtbot, panel, host):
    panel.ask("notify my mother")
    view = answer(qtbot, panel)
    assert "I have changed nothing" in view.message.text
    assert [chip.whole for chip in panel._foot.suggested] == list(view.message.suggestions)
    assert host.deeds == []


def test_clearing_and_bringing_back(qtbot, panel):
    panel.ask("help")
    said = answer(qtbot, panel).message
    panel.actions_["clear"].trigger()
    assert not panel._list.views
    panel._undo.click()
    assert panel._list.views[-1].message == said
