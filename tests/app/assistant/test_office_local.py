"""The assistant in the real window beside a tiny real network in its own process, which is stopped and killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from scenescope.app.assistant.office_fakes import Talk
from scenescope.app.settings import Environment
from scenescope.models.cards import ModelCard
from scenescope.models.catalogue import Catalogue
from scenescope.models.language import Message, MessageKind, Phase
from scenescope.models.language.local.fakes import write_model
from scenescope.models.language.local.folders import TASK
from scenescope.models.language.local.model import LocalModel
from scenescope.models.language.socket_guard import only_loopback
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.fakes import CollectingSink, FakeSource
from scenescope.pipelines.slots import DropPolicy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
]

LOAD_S = 120.0


@pytest.fixture(scope="module")
def tried() -> Iterator[list[str]]:
    """What was tried beyond this computer, while all tests of this file run; an error at the end unless it is none."""
    with only_loopback() as tried:
        yield tried


@pytest.fixture(scope="module")
def models() -> list[LocalModel]:
    """Those that the window has made."""
    return []


@pytest.fixture(scope="module")
def talk(
    make_talk: Any, tried: list[str], models: list[LocalModel], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Talk]:
    """A desktop before a camera, with a model that was downloaded earlier, which was chosen by nobody yet."""
    folder = tmp_path_factory.mktemp("local")
    environment = Environment(folder / "config", folder / "data", offline=True)
    card = ModelCard(
        "tiny", "Tiny", "Random weights.", TASK, "idefics3", "transformers", "tiny", "", "MIT", "test", "test"
    )  # fmt: skip
    Catalogue(environment.models_dir).add(write_model(folder / "tiny"), card)
    patch = pytest.MonkeyPatch()

    def made(folder: Any) -> LocalModel:
        models.append(LocalModel(folder, device="cpu"))
        return models[-1]

    patch.setattr("scenescope.app.assistant.providers.LocalModel", made)
    talk: Talk = make_talk(PipelineSpec().added("players"), environment)
    # Every picture must be taken, so that one that is missing was not left out on purpose.
    source = FakeSource(None, (400, 300), rate_hz=10, live=True)
    talk.window.engine.start(source, policy=DropPolicy.EVERY_FRAME)
    talk.until(lambda: talk.assistant.known_labels())
    # Only what is asked for is described.
    talk.press("Ctrl+Shift+D")
    yield talk
    patch.undo()


def described(talk: Talk, before: int) -> Message | None:
    """What the network has said or what went wrong with it, whole."""
    kinds = (MessageKind.DESCRIPTION, MessageKind.ERROR)
    said = (one for one in talk.after(before) if one.kind in kinds and one.author.startswith("Tiny") and not one.doing)
    return next(said, None)


def describe(talk: Talk) -> Message:
    before = talk.last
    talk.press("Ctrl+Shift+N")
    return talk.until(lambda: described(talk, before), LOAD_S)


def test_it_describes_is_stopped_and_killed_and_the_camera_misses_nothing(talk: Talk, models: list[LocalModel]):
    talk.choose("Tiny")
    (model,) = models
    sink = CollectingSink()
    talk.window.engine.add_sink(sink)
    dropped = talk.window.engine.counts.dropped
    try:
        first = describe(talk)
        assert (first.kind, first.author) == (MessageKind.DESCRIPTION, "Tiny, on this computer")
        assert first.text
        assert first.evidence[0].frame_index == first.pictures[-1].frame_index
        view = talk.view(first)
        assert view.strip is not None
        assert view.strip.isVisible()

        seen = talk.ask("what do you see?", LOAD_S)
        assert (seen.author, len(seen.pictures)) == ("Tiny, on this computer", 1)
        exact = talk.ask("how many people are there?")
        assert (exact.author, exact.text) == ("Rules, not AI", "The detector sees 1 person now (#1).")

        process = psutil.Process(model.process_id)
        assert process.net_connections() == []
        assert process.nice() > psutil.Process().nice()

        # Killed in the middle, which is certain as it was frozen before.
        os.kill(process.pid, signal.SIGSTOP)
        before = talk.last
        talk.press("Ctrl+Shift+N")
        talk.until(lambda: model.state.phase is Phase.LOOKING)
        os.kill(process.pid, signal.SIGKILL)
        failed = talk.until(lambda: described(talk, before))
        assert failed.kind is MessageKind.ERROR
        assert failed.hint
        assert failed.hint in talk.view(failed).accessibleName()
        assert talk.ask("how many people are there?").checked

        again = describe(talk)
        assert again.kind is MessageKind.DESCRIPTION
        assert model.process_id not in (None, process.pid)

        # One that does not let itself be stopped is ended.
        frozen = model.process_id
        os.kill(frozen, signal.SIGSTOP)
        talk.press("Ctrl+Shift+N")
        talk.until(lambda: model.state.phase is Phase.LOOKING)
        # The question is on its way by now: a process that was not asked yet need not be ended.
        talk.settle()
        talk.press("Ctrl+Shift+X")
        talk.until(lambda: model.state.phase is not Phase.LOOKING, 5)
        talk.until(lambda: not psutil.pid_exists(frozen), 10)
        assert describe(talk).kind is MessageKind.DESCRIPTION
    finally:
        talk.window.engine.remove_sink(sink)
        talk.choose("Rules")
    talk.until(lambda: model.state.phase is Phase.OFF)
    assert talk.window.engine.counts.dropped == dropped
    assert len(sink.indices) > 20
    assert sink.indices == list(range(sink.indices[0], sink.indices[0] + len(sink.indices)))


def test_nothing_beyond_this_computer_was_asked_for(tried: list[str], tmp_path: Path, talk: Talk):
    talk.desktop.log.talk.export(tmp_path / "talk.json")
    assert talk.desktop.office.outgoing.sent == {}
    assert talk.desktop.log.talk.egress() == []
    assert tried == []
