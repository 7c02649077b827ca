"""What goes to a server keeps to what the user agreed to: how far words go, and leave for pictures at every attempt."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from scenescope.models.language import Done, Failed, Phase, Picture, Reach, Request, Role
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.failures import NotAllowed
from scenescope.models.language.server.fakes import STALL, Reply, chunk, refusal, sse, words
from scenescope.models.language.server.probe import UNASKED, Capabilities

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("loopback_only")]

HERE, OWN, FAR = Reach.THIS_COMPUTER, Reach.YOUR_NETWORK, Reach.INTERNET
NEAR_ADDRESS, FAR_ADDRESS = "192.168.1.5", "203.0.113.9"
NO = NotAllowed("Sending is paused.", hint="Go on sending.")


@pytest.fixture(autouse=True)
def bent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wire to every address ends at this computer."""
    import httpx2

    real = httpx2.AsyncHTTPTransport.handle_async_request

    async def to_here(self: Any, request: Any) -> Any:
        request.url = request.url.copy_with(host="127.0.0.1")
        return await real(self, request)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", to_here)


@pytest.fixture
def jpeg() -> Picture:
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG")
    return Picture(file.getvalue(), 1, 0.1, (64, 48))


class Leave:
    """Leave for pictures that is given as one tells it: by the answers to the first, the second ... time."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.asked: list[Reach] = []
        self.stop: Any = None

    def ask(self, reach: Reach) -> None:
        self.asked.append(reach)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer

    def on_recall(self, stop: Any) -> None:
        self.stop = stop


class Nas:
    """A server on the user's network, whose name may come to mean something else."""

    def __init__(self, server: Any, limits: Any, found: Capabilities) -> None:
        self.server = server
        self.address = NEAR_ADDRESS
        endpoint = Endpoint(f"http://nas.lan:{server.port}", "m", "sk-hidden")
        self.model = ServerModel(endpoint, found, limits=limits, lookup=lambda host, port: [self.address])
        self.model.look_up()

    def ask(self, scene: Any, pictures: tuple[Picture, ...] = (), leave: Leave | None = None) -> Any:
        return list(self.model.respond(Request(Role.DESCRIBE, scene, pictures=pictures, clearance=leave)))[-1]


@pytest.fixture
def nas(fault_server: Any, quick: Any) -> Iterator[Nas]:
    fault_server.script(words("Two people."))
    made = Nas(fault_server, quick, Capabilities(vision=True, reach=OWN))
    yield made
    made.model.close()


@pytest.fixture(params=["probed before", "just entered"])
def either(request: Any, fault_server: Any, quick: Any) -> Nas:
    return Nas(fault_server, quick, UNASKED if request.param == "just entered" else Capabilities(reach=OWN))


def test_no_request_and_no_probe_widens_it_but_a_test_of_the_user_does(either: Nas, scene):
    either.address = FAR_ADDRESS
    for _ in range(2):
        refused = either.ask(scene)
        assert isinstance(refused, Failed)
        assert "Nothing was sent" in refused.message
        assert "test the connection" in refused.hint
        either.model.ask_anew()
    assert either.server.asked == [], "nor the key"
    either.model.learn(Capabilities(vision=True, reach=FAR))
    either.server.script(words("Two people."))
    assert isinstance(either.ask(scene), Done)


def test_the_badge_tells_where_it_is_now(nas: Nas, scene):
    nas.address = FAR_ADDRESS
    assert isinstance(nas.ask(scene), Failed)
    assert nas.model.reach is FAR
    nas.address = NEAR_ADDRESS
    assert isinstance(nas.ask(scene), Done)
    assert nas.model.reach is OWN


def test_pictures_without_leave_go_to_this_computer_only(nas: Nas, scene, jpeg):
    refused = nas.ask(scene, (jpeg,))
    assert isinstance(refused, Failed)
    assert "Nothing was sent" in refused.message
    assert nas.server.asked == []


@pytest.mark.parametrize(
    "first", [refusal(503), refusal(429), refusal(400, "temperature is not supported")], ids=["503", "429", "option"]
)
@pytest.mark.parametrize("again", [None, NO], ids=["allowed", "refused"])
def test_leave_is_asked_for_every_time_that_pictures_are_sent(nas: Nas, scene, jpeg, first, again):
    nas.server.script(first, words("Two people."))
    leave = Leave(None, again)
    ended = nas.ask(scene, (jpeg,), leave)
    assert leave.asked == [OWN, OWN]
    assert len(nas.server.asked) == (2 if again is None else 1)
    assert ended == Failed(NO.user_message, NO.hint) if again is not None else isinstance(ended, Done)
    assert nas.model.state.phase is Phase.READY, "the user's no is no failure of the server"


def test_where_pictures_may_go_words_may(nas: Nas, scene, jpeg):
    nas.address = FAR_ADDRESS
    assert isinstance(nas.ask(scene, (jpeg,), Leave(NO)), Failed)
    assert isinstance(nas.ask(scene), Failed)
    assert nas.server.asked == []
    leave = Leave()
    assert isinstance(nas.ask(scene, (jpeg,), leave), Done)
    assert leave.asked == [FAR]
    assert isinstance(nas.ask(scene), Done)


def test_leave_that_is_taken_back_ends_it_with_the_reason(nas: Nas, scene, jpeg):
    nas.server.script(Reply([sse(chunk("Two"), done=False), STALL]))
    leave = Leave()

    def take_back() -> None:
        assert nas.server.stalled.wait(10)
        leave.stop(NO)

    other = threading.Thread(target=take_back)
    other.start()
    assert nas.ask(scene, (jpeg,), leave) == Failed(NO.user_message, NO.hint)
    other.join(10)
    assert nas.server.left.wait(10)
    assert nas.model.state.phase is Phase.READY
