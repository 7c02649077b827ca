"""The assistant in the real window beside a server that does everything wrong, and beside the real llama.cpp."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from scenescope.app.assistant.office_fakes import Talk, Ticker, click
from scenescope.models.language import MessageKind, Phase
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import (
    ENDLESS,
    STALL,
    FaultServer,
    Reply,
    chunk,
    models,
    refusal,
    sse,
    words,
)
from scenescope.models.language.server.limits import Limits
from scenescope.models.language.server.llama_fakes import LlamaServer, serve_llama
from scenescope.models.language.server.memory import ProbeMemory
from scenescope.models.language.server.probe import Capabilities
from scenescope.models.language.socket_guard import only_loopback
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.fakes import FakeSource
from scenescope.widgets.assistant_choices import ServerRow, put_servers
from scenescope.widgets.assistant_header import AssistantHeader
from scenescope.widgets.assistant_server import ServerDialog
from scenescope.widgets.assistant_settings import AssistantSettingsDialog

pytestmark = [pytest.mark.slow, pytest.mark.alone]

FREE = "why does the person hurry so much?"
BY_RULES = "how many people are there?"
LONGEST_GAP_S = 1.0
IMPATIENT = Limits(
    first_token_s=0.6, between_tokens_s=0.6, total_s=30.0, retry_s=0.02, max_retry_s=0.1, max_failures=1000,
    max_reply_bytes=200_000,
)  # fmt: skip
HALF = sse(chunk("Two"), done=False)


def calling(name: str) -> Reply:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    return Reply([sse(chunk(tool_calls=[call]), chunk(finish="tool_calls"))])


FAULTS = {
    "stall": Reply([STALL]),
    "half an answer": Reply([HALF, b'data: {"choi']),
    "malformed": Reply([b"data: {nonsense}\n\n"]),
    "429, a short wait": refusal(429, Retry_After="0"),
    "429, a long wait": refusal(429, Retry_After="75"),
    "503": refusal(503),
    "refusal": Reply([sse(chunk(refusal="I cannot help with people."))]),
    "enormous": Reply([b"data: " + b"x" * 1_000_000]),
    "endless": Reply([sse(chunk("and so on "), done=False) * 50, ENDLESS]),
    "wrong tool names": calling("format_disk"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="module")
def llama() -> Iterator[LlamaServer]:
    with serve_llama() as server:
        yield server


@pytest.fixture(scope="module")
def talk(make_talk: Any, server: FaultServer) -> Iterator[Talk]:
    """A desktop before a camera, with the server in its settings: once impatient, once as users have it."""
    patch = pytest.MonkeyPatch()

    def made(endpoint: Endpoint, found: Capabilities) -> ServerModel:
        return ServerModel(endpoint, found, limits=IMPATIENT if endpoint.model == "hasty" else Limits())

    patch.setattr("scenescope.app.assistant.providers.ServerModel", made)
    patch.setattr("scenescope.app.assistant.commands.ASK_ANEW_MS", 100)
    talk: Talk = make_talk(PipelineSpec().added("players"))
    with only_loopback():
        memory = ProbeMemory(talk.environment.data_dir / "servers.json")
        rows = [ServerRow(name, name, server.url, name) for name in ("hasty", "calm")]
        for row in rows:
            memory.keep(Endpoint(row.url, row.model), Capabilities((row.model,), tools=True))
        put_servers(talk.window.settings, [*rows, ServerRow("late", "late", server.url, "late")])
        talk.window.show_source(FakeSource(None, (400, 300), rate_hz=15, live=True), "camera")
        talk.until(lambda: talk.assistant.known_labels())
        # Only what is asked for is sent.
        talk.press("Ctrl+Shift+D")
        yield talk
    patch.undo()


@pytest.fixture
def ticker(talk: Talk) -> Iterator[Ticker]:
    """Ticks in the window's thread while a test runs; fails it if the window was blocked."""
    ticker = Ticker(10)
    yield ticker
    talk.until(lambda: len(ticker.late_s) > 10)
    assert max(ticker.late_s) < LONGEST_GAP_S
    ticker.deleteLater()


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_blocks_the_window_and_each_has_a_sentence_with_a_cure(
    talk: Talk, server: FaultServer, ticker: Ticker, name: str
):
    # Impatience must not end on a busy machine what is to end by its length.
    wanted = "calm" if name == "endless" else "hasty"
    if not talk.assistant.label.startswith(wanted):
        talk.choose(wanted)
    server.script(FAULTS[name])
    server.asked.clear()
    answer = talk.ask(FREE)
    assert server.asked
    if name == "endless":
        assert answer.text.startswith("and so on")
        assert answer.text.endswith("(cut off, it is too long)")
    else:
        assert answer.kind is MessageKind.ERROR or answer.notes
        assert answer.hint
    assert answer.hint in talk.view(answer).accessibleName()
    asked = len(server.asked)
    again = talk.ask(BY_RULES)
    assert (again.kind, again.checked, again.author) == (MessageKind.ANSWER, True, "Rules, not AI")
    assert len(server.asked) == asked


@pytest.mark.parametrize("key", ["Esc", "button", "shortcut"])
def test_stop_ends_a_stalled_answer_and_the_next_is_answered(talk: Talk, server: FaultServer, ticker: Ticker, key: str):
    if not talk.assistant.label.startswith("calm"):
        talk.choose("calm")
    server.script(Reply([HALF, STALL]))
    server.stalled.clear()
    server.left.clear()
    asked = talk.enter(FREE)
    talk.until(server.stalled.is_set)
    talk.until(lambda: any(one.text == "Two" and talk.shows(one) for one in talk.after(asked.message_id)))
    match key:
        case "Esc":
            QTest.keyClick(talk.panel.focusWidget(), Qt.Key.Key_Escape)
        case "button":
            talk.settle()
            click(talk.ask_row.send)
        case "shortcut":
            talk.press("Ctrl+Shift+X")
    stopped = talk.until(lambda: talk.answer_to(asked))
    assert stopped.text == "Two"
    assert any("Stopped" in note for note in stopped.notes)
    talk.until(server.left.is_set)
    server.script(words("Because it is late."))
    assert talk.ask(FREE).text == "Because it is late."


def test_nothing_is_left_of_a_stalled_server_when_rules_are_chosen(talk: Talk, server: FaultServer, ticker: Ticker):
    server.script(Reply([STALL]))
    server.stalled.clear()
    server.left.clear()
    asked = talk.enter(FREE)
    talk.until(server.stalled.is_set)
    talk.choose("Rules")
    talk.until(server.left.is_set)
    assert talk.until(lambda: talk.answer_to(asked)) is not None
    assert talk.assistant.state.phase is Phase.READY
    names = ("server", "async")
    talk.until(lambda: not any(thread.name.startswith(names) for thread in threading.enumerate()))


BACK = (models("late"), words("OK"), *[refusal(400, "not supported")] * 3)


def test_a_server_that_was_down_when_it_was_chosen_is_noticed_once_it_is_up(
    talk: Talk, server: FaultServer, ticker: Ticker
):
    server.script(refusal(500))
    talk.choose("late")
    talk.until(lambda: talk.assistant.state.phase is Phase.UNAVAILABLE)
    assert "status 500" in talk.assistant.state.why
    server.script(*BACK)
    talk.until(lambda: talk.assistant.state.phase is Phase.READY)
    server.script(words("Because it is late."))
    assert talk.ask(FREE).text == "Because it is late."
    talk.choose("Rules")


@pytest.mark.parametrize("how", ["chosen again", "tested"])
def test_a_server_is_asked_again_when_the_user_wishes_it(talk: Talk, server: FaultServer, ticker: Ticker, how: str):
    ProbeMemory(talk.environment.data_dir / "servers.json").forget(Endpoint(server.url, "late"))
    # What only the user can mend is not asked again without a wish.
    server.script(refusal(401))
    talk.choose("late")
    talk.until(lambda: "key" in talk.assistant.state.why)
    server.script(*BACK)
    if how == "chosen again":
        menu = talk.panel.findChildren(AssistantHeader)[0].menu
        menu.aboutToShow.emit()
        next(action for action in menu.actions() if action.text() == "late").trigger()
        talk.until(lambda: talk.assistant.state.phase is Phase.READY)
    else:
        talk.press("Ctrl+Alt+A")
        settings = talk.dialog(AssistantSettingsDialog)
        settings.tabs.setCurrentIndex(1)
        settings.servers.setCurrentRow(2)
        click(settings.edit)
        dialog = talk.dialog(ServerDialog)
        click(dialog.test)
        talk.until(lambda: talk.assistant.state.phase is Phase.READY)
        dialog.reject()
        settings.close()
    talk.choose("Rules")


def test_llama_cpp_is_added_in_the_settings_tested_asked_and_stopped(talk: Talk, ticker: Ticker, llama: LlamaServer):
    endpoint = llama.endpoint
    talk.press("Ctrl+Alt+A")
    settings = talk.dialog(AssistantSettingsDialog)
    settings.tabs.setCurrentIndex(1)
    click(settings.add)
    dialog = talk.dialog(ServerDialog)
    dialog.url.setText(endpoint.base_url)
    dialog.name.setText("llama")
    dialog.key.setText(endpoint.key)
    click(dialog.test)
    talk.until(lambda: dialog.model.currentText(), 120)
    assert dialog.model.currentText() == "smollm2"
    assert dialog.steps.count() >= 4
    assert not dialog.problem.isVisible()
    click(dialog.save)
    talk.until(lambda: settings.servers.count() == 4)
    settings.close()
    talk.choose("llama")
    assert talk.assistant.label.startswith("smollm2 at ")
    answer = talk.ask(FREE, 120)
    if answer.kind is MessageKind.ERROR:
        assert answer.hint
    else:
        assert answer.text
    asked = talk.enter("tell me everything that you know about the history of the bicycle")
    talk.until(lambda: talk.assistant.state.phase in (Phase.ANSWERING, Phase.LOOKING))
    began_s = time.monotonic()
    talk.press("Ctrl+Shift+X")
    talk.until(lambda: talk.answer_to(asked))
    assert time.monotonic() - began_s < 5
    assert talk.ask(BY_RULES).checked
    talk.choose("Rules")
