"""The states of the panel in the real window: a model that is not here is chosen, downloaded and taken up; and off."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from scenescope.app.assistant.office_fakes import Talk, click
from scenescope.models.catalogue.fakes import FakeServer
from scenescope.models.language import MessageKind, Phase, Reach
from scenescope.models.language.socket_guard import only_loopback
from scenescope.pipelines import PipelineSpec
from scenescope.pipelines.fakes import FakeSource
from scenescope.widgets.assistant_badge import StateLine
from scenescope.widgets.assistant_choices import ANSWER_WITH, DESCRIBE_WITH
from scenescope.widgets.assistant_header import AssistantHeader
from scenescope.widgets.assistant_settings import AssistantSettingsDialog
from scenescope.widgets.model_questions import ConsentDialog
from scenescope.widgets.models_dialog import ModelsDialog

pytestmark = pytest.mark.slow

REPOSITORY = "HuggingFaceTB/SmolVLM-256M-Instruct"
SMALL = "On this computer: SmolVLM-256M (not downloaded, 517 MB)"
OFF = "Off: describe nothing, answer by rules"


def weights(count: int = 350_000) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4 * count)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with FakeServer() as server, only_loopback():
        files = {"config.json": b'{"model_type": "idefics3"}', "model.safetensors": weights()}
        server.add_repository(REPOSITORY, files, cardData={"license": "apache-2.0"})
        server.files[f"/{REPOSITORY}/resolve/abc123/model.safetensors"].hold_after = 1_000_000
        yield server


@pytest.fixture(scope="module")
def talk(make_talk: Any, server: FakeServer) -> Iterator[Talk]:
    """A desktop without a model, before a camera; the hub is a server of the test."""
    patch = pytest.MonkeyPatch()
    patch.setenv("HF_ENDPOINT", server.url)
    talk: Talk = make_talk(PipelineSpec().added("players"))
    talk.window.show_source(FakeSource(None, (400, 300), rate_hz=15, live=True), "camera")
    talk.until(lambda: SMALL in entries(talk))
    # What is downloaded here holds nothing, and must not be asked.
    talk.press("Ctrl+Shift+D")
    yield talk
    patch.undo()


def header(talk: Talk) -> AssistantHeader:
    return talk.panel.findChildren(AssistantHeader)[0]


def entries(talk: Talk) -> dict[str, bool]:
    """What the menu of the panel offers, and which is checked."""
    menu = header(talk).menu
    menu.aboutToShow.emit()
    return {one.text().partition("  (")[0]: one.isChecked() for one in menu.actions() if one.isCheckable()}


def state(talk: Talk, phase: Phase) -> StateLine:
    line = header(talk).state
    talk.until(lambda: line.state is not None and line.state.phase is phase)
    return line


def test_a_model_that_is_not_here_is_chosen_downloaded_and_taken_up(talk: Talk, server: FakeServer):
    talk.choose(SMALL)
    assert entries(talk)[SMALL]
    line = state(talk, Phase.NEEDS_MODEL)
    assert line.words.text() == "Needs a model: SmolVLM-256M is not downloaded."
    assert talk.assistant.reach is Reach.THIS_COMPUTER
    click(line.download)
    dialog = talk.dialog(ModelsDialog)
    assert dialog.current.name == "SmolVLM-256M-Instruct"
    # Nothing was asked for before the user asked, nothing is fetched before the user agrees.
    assert server.requests == []
    click(dialog.get)
    consent = talk.until(lambda: next((one for one in dialog.findChildren(ConsentDialog) if one.isVisible()), None))
    assert not any("/resolve/" in one.path and one.method == "GET" for one in server.requests)
    consent.accept()
    state(talk, Phase.DOWNLOADING)
    talk.until(lambda: 0 < line.bar.value() < line.bar.maximum() and " of 1.4 MB" in line.words.text())
    server.release()
    state(talk, Phase.READY)
    assert talk.assistant.label == "SmolVLM-256M, on this computer"
    assert entries(talk)["SmolVLM-256M, on this computer"]
    assert SMALL not in entries(talk)
    dialog.close()


def test_a_download_that_is_ended_leaves_the_need(talk: Talk, server: FakeServer):
    large = "On this computer: SmolVLM-500M (not downloaded, 1.0 GB)"
    talk.choose(large)
    state(talk, Phase.NEEDS_MODEL)
    click(header(talk).state.download)
    dialog = talk.dialog(ModelsDialog)
    assert dialog.current.name == "SmolVLM-500M-Instruct"
    local = talk.desktop.office.commands._local
    local.set_downloading("1 of 2 MB")
    state(talk, Phase.DOWNLOADING)
    dialog.close()
    state(talk, Phase.NEEDS_MODEL)


def test_off_describes_nothing_and_answers_by_rules(talk: Talk):
    talk.press("Ctrl+Shift+D")
    talk.choose("Rules")
    talk.until(lambda: talk.assistant.state.phase is Phase.READY)
    assert entries(talk)["Rules, not AI"]
    menu = header(talk).menu
    next(one for one in menu.actions() if one.text().startswith(OFF)).trigger()
    line = state(talk, Phase.OFF)
    assert line.words.text().startswith("Off: nothing is described")
    assert entries(talk)[OFF]
    settings = talk.window.settings
    assert (settings.get(DESCRIBE_WITH), settings.get(ANSWER_WITH)) == ("off", "rules")
    before = talk.last
    assert talk.say("how many people are there?").checked
    talk.press("Ctrl+Shift+N")
    described = talk.until(lambda: [one for one in talk.after(before) if one.kind is MessageKind.DESCRIPTION])
    assert [one.author for one in described] == ["Rules, not AI"]


def test_the_settings_offer_the_same(talk: Talk):
    talk.press("Ctrl+Alt+A")
    dialog = talk.dialog(AssistantSettingsDialog)
    describes, answers = (dialog.roles[role] for role in (DESCRIBE_WITH, ANSWER_WITH))
    assert describes.currentText() == "Nobody (off)"
    assert describes.findText("SmolVLM-500M (not downloaded, 1.0 GB)") >= 0
    assert answers.findText("Nobody (off)") < 0
    dialog.close()
