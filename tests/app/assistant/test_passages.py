"""Pictures on their way to a server: what the user decides meanwhile counts, and where the server is by then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from scenescope.app.assistant.looking import cleared, pictures_for
from scenescope.app.assistant.outgoing import ConsentNeeded
from scenescope.models.language import Done, Failed, MessageKind, Picture, Reach, Request, Role, StreamEvent
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import STALL, FaultServer, Reply, chunk, refusal, sse, words
from scenescope.models.language.server.limits import Limits
from scenescope.models.language.server.probe import Capabilities
from scenescope.models.language.socket_guard import only_loopback

pytestmark = pytest.mark.slow

HOST = "nas.lan"
MOVED = "nas.lan was on your network when you agreed; now it is on the internet."
LOOK = "what do you see?"


class Nas:
    """A server on the user's network that the user has agreed to; the wire to it ends at a server of the test.

    Attributes:
        address: what its name means.
        looked_up: called each time that somebody asks for that.
    """

    def __init__(self, rehearsal: Any, server: FaultServer) -> None:
        self.rehearsal, self.server = rehearsal, server
        self.address = "192.168.1.5"
        self.looked_up: Callable[[], object] = lambda: None
        self.endpoint = Endpoint(f"http://{HOST}:{server.port}", "sees", "sk-hidden")
        found = Capabilities(("sees",), vision=True, reach=Reach.YOUR_NETWORK)
        self.model = ServerModel(self.endpoint, found, limits=Limits(retry_s=0.01), lookup=self._look_up)
        self.model.look_up()
        rehearsal.show_picture()
        rehearsal.parts.outgoing.agree(self.endpoint.base_url, Reach.YOUR_NETWORK)
        rehearsal.assistant.set_models(self.model, self.model)

    def _look_up(self, host: str, port: int) -> list[str]:
        self.looked_up()
        return [self.address]

    @property
    def outgoing(self) -> Any:
        return self.rehearsal.parts.outgoing

    def look(self) -> StreamEvent:
        """How a look ends that nobody wished."""
        parts = self.rehearsal.parts
        pictures = pictures_for(parts, self.model, "test", may_ask=False)
        leave = cleared(parts, self.model, pictures, "test")
        request = Request(Role.LOOK, parts.observer.state, "what?", pictures=pictures, clearance=leave)
        return list(self.model.respond(request))[-1]

    @property
    def noted(self) -> list[tuple[str, str, int]]:
        self.rehearsal.log.flush()
        return [(row.purpose, row.reach, row.pictures) for row in reversed(self.rehearsal.log.talk.egress())]


@pytest.fixture
def nas(rehearsal: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nas]:
    import httpx2

    real = httpx2.AsyncHTTPTransport.handle_async_request

    async def to_here(self: Any, request: Any) -> Any:
        request.url = request.url.copy_with(host="127.0.0.1")
        return await real(self, request)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", to_here)
    with FaultServer() as server, only_loopback():
        server.script(words("A grey wall."))
        yield Nas(rehearsal, server)
        rehearsal.assistant.close()


def test_a_name_that_moves_to_the_internet_needs_a_new_consent_by_a_click(nas: Nas):
    assert isinstance(nas.look(), Done)
    nas.address = "203.0.113.9"
    before = len(nas.server.asked)
    refused = nas.look()
    assert isinstance(refused, Failed)
    assert refused.message.startswith(MOVED)
    for _ in range(2):
        with pytest.raises(ConsentNeeded, match="was on your network") as caught:
            nas.look()
        assert caught.value.change == MOVED
    no = nas.rehearsal.answer(LOOK)
    assert (no.kind, no.text.startswith(MOVED)) == (MessageKind.ERROR, True)
    assert len(nas.server.asked) == before, "no picture, no word and no key"
    nas.rehearsal.agrees = True
    assert nas.rehearsal.answer(LOOK).text == "A grey wall."
    assert [(one.host, one.reach, one.change) for one in nas.rehearsal.asked_for] == [(HOST, Reach.INTERNET, MOVED)] * 2
    assert nas.noted[-1] == ("question", "internet", 1)
    assert isinstance(nas.look(), Done), "it is not asked about again"


@pytest.mark.parametrize("decide", ["pause", "withdraw"])
@pytest.mark.parametrize("first", [refusal(503), refusal(400, "temperature: no")], ids=["busy", "option"])
def test_nothing_is_sent_again_after_the_user_has_taken_it_back(nas: Nas, first: Reply, decide: str):
    nas.server.script(first, words("A grey wall."))
    times: list[int] = []

    def looked_up() -> None:
        times.append(1)
        if len(times) == 2:
            take_back(nas, decide)

    nas.looked_up = looked_up
    refused = nas.look()
    assert isinstance(refused, Failed)
    assert ("paused" if decide == "pause" else "not agreed") in refused.message
    assert len(nas.server.asked) == 1
    assert nas.noted == [("test", "your network", 1)]


def take_back(nas: Nas, decide: str) -> None:
    if decide == "pause":
        nas.outgoing.paused = True
    else:
        nas.outgoing.withdraw(HOST)


def test_what_is_sent_again_is_noted_again(nas: Nas):
    nas.server.script(refusal(503), words("A grey wall."))
    assert isinstance(nas.look(), Done)
    assert nas.noted == [("test", "your network", 1), ("test, again", "your network", 1)]
    assert dict(nas.outgoing.sent) == {HOST: 2}


@pytest.mark.parametrize("decide", ["pause", "withdraw"])
def test_what_runs_is_ended_at_once(nas: Nas, decide: str):
    nas.server.script(Reply([sse(chunk("A"), done=False), STALL]))
    ended: list[StreamEvent] = []
    looking = threading.Thread(target=lambda: ended.append(nas.look()))
    looking.start()
    assert nas.server.stalled.wait(10)
    take_back(nas, decide)
    looking.join(10)
    (failed,) = ended
    assert isinstance(failed, Failed)
    assert ("paused" if decide == "pause" else "not agreed") in failed.message
    assert nas.server.left.wait(10)


def test_another_host_is_not_stopped(nas: Nas):
    data = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    stopped: list[Exception] = []
    passages = []
    for address in (nas.endpoint.base_url, "http://other.example", "http://localhost:1"):
        reach = Reach.THIS_COMPUTER if "localhost" in address else Reach.INTERNET
        nas.outgoing.agree(address, reach)
        passages.append(nas.outgoing.passage([Picture(data, 1, 0.1, (64, 48))], address, reach))
        passages[-1].on_recall(stopped.append)
    nas.outgoing.withdraw(HOST)
    assert [getattr(one, "host", "") for one in stopped] == [HOST]
    nas.outgoing.paused = True
    assert len(stopped) == 3, "the first again, and the other; not this computer"
