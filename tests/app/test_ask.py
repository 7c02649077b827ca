"""What ``scenescope ask`` sends, refuses and lets a model look up, in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from scenescope.app.ask import EXIT_NOT_ANSWERED, AskRequest, Reply, ask
from scenescope.app.assistant.conversation_fakes import ScriptedModel, says
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.outgoing import CONSENT, PAUSED
from scenescope.app.assistant.tools.host import NoHost
from scenescope.app.assistant.tools.registry import toolbox
from scenescope.app.progress import Progress
from scenescope.app.settings import Environment, Settings
from scenescope.models import EventKind
from scenescope.models.language import MessageKind, Reach, Risk, Role
from scenescope.pipelines.log.fakes import WATCHED, event
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.scene_state import SceneState

HOST = "vision.example"
FREE = "Tell me something about all this."
CHANGING = [
    tool for tool in toolbox(NoHost(), Knowledge(SceneState, None, lambda: None)).values() if tool.risk is not Risk.READ
]
ORDERS = [phrase.replace("[", "").replace("]", "") for tool in CHANGING for phrase in tool.phrases]

Ask = Callable[..., Reply]


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "config", tmp_path / "data")


@pytest.fixture
def asked(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Asks, by the rules or by a model in place of a server."""

    def call(source: Path, question: str, model: ScriptedModel | None = None, **more: object) -> Reply:
        monkeypatch.setattr("scenescope.app.ask.Providers.named", lambda self, provider, name: model)
        request = AskRequest(str(source), question, pipeline="plain-picture", **more)
        reply = ask(request, Progress(quiet=True), threading.Event(), environment)
        assert isinstance(reply, Reply)
        return reply

    return call


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("scenescope.app.assistant.outgoing.FaceFinder", lambda: lambda image: np.empty((0, 4)))
    path = tmp_path / "street.png"
    cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))
    return path


@pytest.fixture(scope="module")
def events_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "events.sqlite"
    log = EventLog(path)
    session = log.begin(WATCHED)
    log.add(session, [event(EventKind.LINE_CROSS, 5.0, "car", track_id=1, line="gate", direction="in")])
    log.end(session, complete=True)
    log.close()
    return path


AGREED = [{"host": HOST, "scheme": "http", "reach": "INTERNET"}]


def seeing() -> ScriptedModel:
    return ScriptedModel(says("A street."), roles=(Role.LOOK,), reach=Reach.INTERNET, host=HOST)


# Pictures ------------------------------------------------------------------------------------------------------------


def test_consent_holds_for_this_run_and_what_was_sent_is_listed(asked: Ask, picture, environment, capsys) -> None:
    model = seeing()
    assert asked(picture, FREE, model, send_pictures=True).message.text == "A street."
    assert len(model.requests[0].pictures) == 1
    assert f"Sent 1 picture to {HOST}.\n" in capsys.readouterr().err
    log = EventLog(environment.events_file)
    try:
        (row,) = log.talk.egress()
    finally:
        log.close()
    assert (row.host, row.reach, row.pictures) == (HOST, "internet", 1)
    assert row.bytes == len(model.requests[0].pictures[0].jpeg)
    assert not Settings.of_user(environment).path.exists()

    again = seeing()
    reply = asked(picture, FREE, again)
    assert (reply.exit_code, reply.message.kind, again.requests) == (EXIT_NOT_ANSWERED, MessageKind.ERROR, [])
    assert HOST in reply.message.text
    assert "--send-pictures" in reply.message.hint
    assert "Sent" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kept", "send_pictures", "sent"),
    [({CONSENT: AGREED}, False, True), ({CONSENT: AGREED, PAUSED: True}, False, False), ({PAUSED: True}, True, False)],
)
def test_what_was_decided_in_the_window_counts(asked: Ask, picture, environment, kept, send_pictures, sent) -> None:
    settings = Settings.of_user(environment)
    for key, value in kept.items():
        settings.set(key, value)
    before, model = settings.path.read_bytes(), seeing()
    asked(picture, FREE, model, send_pictures=send_pictures)
    assert bool(model.requests) is sent
    assert environment.events_file.exists() is sent
    assert settings.path.read_bytes() == before


def test_what_cannot_be_listed_is_not_sent(asked: Ask, picture, environment, capsys) -> None:
    environment.events_file.mkdir(parents=True)
    model = seeing()
    reply = asked(picture, FREE, model, send_pictures=True)
    assert "cannot be noted" in reply.message.text
    assert (model.requests, "Sent" in capsys.readouterr().err) == ([], False)


# Orders --------------------------------------------------------------------------------------------------------------


def test_there_is_an_example_for_everything_that_changes_something() -> None:
    assert all(tool.phrases for tool in CHANGING)


@pytest.mark.parametrize("order", [*ORDERS, "undo", "blur the thing", "pause and start recording"])
def test_every_order_is_refused(asked: Ask, events_file, order) -> None:
    model = ScriptedModel(says("Done."))
    reply = asked(events_file, order, model)
    told = reply.as_dict()
    assert (reply.exit_code, told["checked"], model.requests) == (EXIT_NOT_ANSWERED, False, [])
    assert "no window" in told["answer"]
    assert "scenescope run" in told["hint"]


def test_an_order_is_refused_before_a_source_is_analysed(asked: Ask, picture, monkeypatch) -> None:
    monkeypatch.setattr("scenescope.app.ask.run", lambda *args: pytest.fail("it was analysed"))
    assert asked(picture, "start recording").exit_code == EXIT_NOT_ANSWERED


@pytest.mark.parametrize("question", ["show me the events", "how many cars crossed gate?"])
def test_questions_are_no_orders(asked: Ask, events_file, question) -> None:
    assert asked(events_file, question).exit_code == 0


# Models --------------------------------------------------------------------------------------------------------------


class Embedder:
    """Takes everything that has to do with vehicles for the same."""

    name = "by hand"

    def available(self) -> str | None:
        return None

    def embed(self, sentences: Sequence[str]) -> np.ndarray:
        alike = [any(word in one for word in ("car", "vehicle")) for one in sentences]
        return np.array([[1, 0] if one else [0, 1] for one in alike], np.float32)


@pytest.mark.parametrize(("extra", "found"), [(True, 1), (False, 0)])
def test_a_model_looks_up_by_meaning_and_changes_nothing(asked: Ask, events_file, monkeypatch, extra, found) -> None:
    embedder = Embedder()
    monkeypatch.setattr(embedder, "available", lambda: None if extra else "Install it.")
    monkeypatch.setattr("scenescope.app.ask.SentenceEmbedder", lambda: embedder)
    replies: list = []

    def script(request):
        replies.append(request.call("search_events", {"text": "vehicle"}).value)
        replies.append(request.call("start_recording", {}).value)
        yield from says("A car crossed the line.")(request)

    model = ScriptedModel(script, roles=(Role.ANSWER,))
    asked(events_file, FREE, model)
    names = {spec.name for spec in model.requests[0].tools}
    assert ("search_events" in names, names & {tool.name for tool in CHANGING}) == (True, set())
    assert len(replies[0]) == found, replies
    assert "error" in replies[1]
