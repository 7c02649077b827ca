"""Who is made of what the settings name, and how a server that was not there is noticed once it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenescope.app.assistant.providers import Providers
from scenescope.models import ModelMissing
from scenescope.models.language import Phase
from scenescope.models.language.local.folders import ModelFolder
from scenescope.models.language.server.chat import ServerModel
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import FaultServer, models, refusal, words
from scenescope.models.language.server.memory import ProbeMemory
from scenescope.models.language.server.probe import Probe
from scenescope.models.language.socket_guard import only_loopback
from scenescope.widgets.assistant_choices import ServerRow, put_servers
from scenescope.widgets.settings import MemorySettings

NO = refusal(400, "not supported")
BACK = (models("m"), words("OK"), NO, NO, NO)
GONE = refusal(404)
FOLDERS = [ModelFolder(Path(title), title, "", size, size) for title, size in (("big", 500), ("small", 250))]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with only_loopback(), FaultServer() as server:
        yield server


@pytest.fixture
def providers(server: FaultServer, tmp_path: Path) -> Providers:
    settings = MemorySettings()
    put_servers(settings, [ServerRow("one", "One", server.url)])
    return Providers(settings, tmp_path / "servers.json")


@pytest.mark.slow
def test_a_server_that_comes_back_is_noticed_and_remembered(providers: Providers, server: FaultServer, tmp_path: Path):
    describes, answers = providers.make("server:one"), providers.make("server:one")
    assert answers is not None
    assert describes is not None
    assert (answers.state.phase, server.asked) == (Phase.LOADING, [])
    server.script(GONE)
    providers.ask_anew()
    assert (answers.state.phase, describes.state.phase) == (Phase.UNAVAILABLE, Phase.UNAVAILABLE)
    # Its models and its chat, once for both.
    assert len(server.asked) == 2
    assert providers.waits
    server.script(*BACK)
    providers.ask_anew()
    assert (answers.state.phase, describes.state.phase) == (Phase.READY, Phase.READY)
    assert not providers.waits
    providers.ask_anew()
    describes.close()
    # One that left may still be held by somebody; the user's wish goes to the other one.
    server.script(*BACK[:-1], words('{"colour": "blue"}'))
    providers.ask_anew(wished=True)
    assert isinstance(answers, ServerModel)
    assert answers.capabilities.json_schema
    asked = len(server.asked)
    again = Providers(MemorySettings(), tmp_path / "servers.json").at(Endpoint(server.url))
    assert (again.state.phase, len(server.asked)) == (Phase.READY, asked)


@pytest.mark.slow
def test_a_refused_key_is_tried_again_only_when_the_user_wishes_it(providers: Providers, server: FaultServer):
    model = providers.make("server:one")
    assert model is not None
    server.script(refusal(401))
    providers.ask_anew()
    assert "key" in model.state.why
    assert not providers.waits
    server.script(*BACK)
    providers.ask_anew()
    assert model.state.phase is Phase.UNAVAILABLE
    providers.ask_anew(wished=True)
    assert model.state.phase is Phase.READY


@pytest.mark.slow
def test_a_test_that_succeeds_holds_at_once_for_the_server_in_use(providers: Providers, server: FaultServer):
    in_use = providers.at(Endpoint(server.url))
    for endpoint, more in (
        (Endpoint(server.url, "m", "another-key"), NO),
        (Endpoint(server.url), NO),
        # The first of its models, by name.
        (Endpoint(server.url, "m"), words('{"colour": "blue"}')),
    ):
        server.script(*BACK[:-1], more)
        found = providers.test(endpoint, Probe(endpoint))
        assert found.problem == ""
        assert (in_use.capabilities == found) is not bool(endpoint.key)
    assert (in_use.state.phase, in_use.capabilities.json_schema) == (Phase.READY, True)


@pytest.mark.slow
def test_a_test_that_fails_changes_nothing(providers: Providers, server: FaultServer, tmp_path: Path):
    server.script(*BACK)
    in_use, endpoint = providers.at(Endpoint(server.url)), Endpoint(server.url)
    providers.ask_anew()
    server.script(GONE)
    assert providers.test(endpoint, Probe(endpoint)).problem
    assert in_use.state.phase is Phase.READY
    assert ProbeMemory(tmp_path / "servers.json").get(endpoint) == in_use.capabilities


def test_nothing_is_asked_after_the_end(providers: Providers, server: FaultServer):
    model = providers.make("server:one")
    providers.close()
    providers.ask_anew(wished=True)
    assert model is not None
    assert server.asked == []


@pytest.mark.parametrize(("cores", "model", "made"), [(8, "", "big"), (2, "", "small"), (2, "big", "big")])
def test_local_is_the_model_that_suits_the_machine_or_is_named(
    cores: int, model: str, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Providers, "folders", FOLDERS)
    providers = Providers(MemorySettings(), tmp_path / "x", free_bytes=lambda: 16 << 30, cores=lambda: cores)
    named = providers.named("local", model)
    assert named is not None
    assert named.label.startswith(made)
    with pytest.raises(ModelMissing, match="'huge'"):
        providers.named("local", "huge")
