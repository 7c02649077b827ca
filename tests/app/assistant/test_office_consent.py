"""Pictures and a server on the internet, in the real window: none goes before the user has agreed, none when paused."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from scenescope.app.assistant.office_fakes import Talk, click
from scenescope.models.language import Message, MessageKind, Reach
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import STALL, FaultServer, Reply, words
from scenescope.models.language.server.memory import ProbeMemory
from scenescope.models.language.server.probe import Capabilities
from scenescope.models.language.socket_guard import only_loopback
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.fakes import FakeSource
from scenescope.widgets.assistant_choices import ServerRow, put_servers
from scenescope.widgets.assistant_egress import ConsentDialog, EgressDialog
from scenescope.widgets.assistant_settings import AssistantSettingsDialog

pytestmark = pytest.mark.slow

HOST, ADDRESS = "cloud.example", "192.0.2.7"
LOOK = "what do you see?"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        server.script(words("A grey wall."))
        yield server


@pytest.fixture(scope="module")
def talk(make_talk: Any, server: FaultServer) -> Iterator[Talk]:
    """A desktop whose server has an address on the internet; the wire to it ends at a server of the test."""
    import httpx2

    patch = pytest.MonkeyPatch()

    def made(endpoint: Endpoint, found: Capabilities) -> ServerModel:
        return ServerModel(endpoint, found, lookup=lambda host, port: [ADDRESS])

    real = httpx2.AsyncHTTPTransport.handle_async_request

    async def bent(self: Any, request: Any) -> Any:
        assert request.url.host == ADDRESS
        request.url = request.url.copy_with(host="127.0.0.1")
        return await real(self, request)

    patch.setattr("scenescope.app.assistant.providers.ServerModel", made)
    patch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", bent)
    talk: Talk = make_talk(PipelineSpec().added("players"))
    row = ServerRow("cloud", "Cloud", f"http://{HOST}:{server.port}/v1", "sees")
    ProbeMemory(talk.environment.data_dir / "servers.json").keep(
        Endpoint(row.url, row.model), Capabilities(("sees",), vision=True)
    )
    put_servers(talk.window.settings, [row])
    with only_loopback():
        talk.window.show_source(FakeSource(None, (1280, 720), rate_hz=10, live=True), "camera")
        talk.until(lambda: talk.assistant.known_labels())
        # Only what is asked for is sent.
        talk.press("Ctrl+Shift+D")
        talk.choose("Cloud")
        yield talk
    patch.undo()


def pictures_in(server: FaultServer) -> list[bytes]:
    """Those that the server got."""
    parts = [
        part
        for asked in server.asked
        for message in asked.content["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
    ]
    urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return [base64.b64decode(url.partition(",")[2]) for url in urls]


def asked_and_decided(talk: Talk, yes: bool) -> Message:
    asked = talk.enter(LOOK)
    dialog = talk.dialog(ConsentDialog)
    assert dialog.host == HOST
    click(dialog.yes if yes else dialog.no)
    answer = talk.until(lambda: talk.answer_to(asked))
    assert answer is not None
    return answer


def test_no_picture_goes_before_a_yes_and_all_that_go_are_listed(talk: Talk, server: FaultServer):
    outgoing, table = talk.desktop.office.outgoing, talk.desktop.log.talk
    assert talk.assistant.reach is Reach.INTERNET
    refused = asked_and_decided(talk, yes=False)
    assert refused.kind is MessageKind.ERROR
    assert HOST in refused.text
    assert refused.hint
    assert (pictures_in(server), dict(outgoing.sent), table.egress()) == ([], {}, [])

    answer = asked_and_decided(talk, yes=True)
    assert answer.text == "A grey wall."
    (sent,) = pictures_in(server)
    assert max(Image.open(io.BytesIO(sent)).size) <= 512
    assert dict(outgoing.sent) == {HOST: 1}
    assert outgoing.last is not None
    assert outgoing.last.picture.jpeg == sent
    (row,) = table.egress()
    assert (row.host, row.reach, row.pictures, row.bytes) == (HOST, "internet", 1, len(sent))

    # The second is not asked about any more.
    assert talk.ask(LOOK).text == "A grey wall."
    assert dict(outgoing.sent) == {HOST: len(pictures_in(server))} == {HOST: 2}
    talk.press("Ctrl+Shift+G")
    dialog = talk.dialog(EgressDialog)
    talk.until(lambda: dialog.table.rowCount() == 2)
    assert "2 pictures in 2 sendings" in dialog.said.text()
    dialog.close()


def test_one_key_pauses_and_a_consent_is_taken_back(talk: Talk, server: FaultServer):
    before = len(pictures_in(server))
    talk.desktop.office.outgoing.agree(HOST, Reach.INTERNET)
    talk.press("Ctrl+Shift+B")
    paused = talk.ask(LOOK)
    assert paused.kind is MessageKind.ERROR
    assert "paused" in paused.text
    talk.press("Ctrl+Shift+B")
    assert talk.ask(LOOK).text == "A grey wall."
    assert len(pictures_in(server)) == before + 1

    talk.press("Ctrl+Alt+A")
    settings = talk.dialog(AssistantSettingsDialog)
    settings.tabs.setCurrentIndex(2)
    settings.hosts.setCurrentRow(0)
    click(settings.revoke)
    settings.close()
    assert asked_and_decided(talk, yes=False).kind is MessageKind.ERROR
    assert len(pictures_in(server)) == before + 1


@pytest.mark.parametrize("by", ["key", "settings"])
def test_what_is_being_sent_is_stopped(talk: Talk, server: FaultServer, by: str):
    talk.desktop.office.outgoing.agree(HOST, Reach.INTERNET)
    server.stalled.clear()
    server.left.clear()
    server.script(Reply([STALL]))
    asked = talk.enter(LOOK)
    talk.until(server.stalled.is_set)
    if by == "key":
        talk.press("Ctrl+Shift+B")
    else:
        talk.press("Ctrl+Alt+A")
        settings = talk.dialog(AssistantSettingsDialog)
        settings.hosts.setCurrentRow(0)
        settings.revoke.click()
        settings.close()
    answer = talk.until(lambda: talk.answer_to(asked))
    assert ("paused" if by == "key" else "not agreed") in answer.text
    talk.until(server.left.is_set)
    talk.desktop.office.outgoing.paused = False
    server.script(words("A grey wall."))
