"""Who is asked: a server that does everything wrong, the real llama.cpp, and a process that is told how to behave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scenescope.models.language.local import Limits as LocalLimits
from scenescope.models.language.local import LocalModel, ModelFolder
from scenescope.models.language.local.fakes import ByHand
from scenescope.models.language.server.fakes import FaultServer
from scenescope.models.language.server.limits import Limits
from scenescope.models.language.server.llama_fakes import LlamaServer, serve_llama
from scenescope.models.language.socket_guard import only_loopback


@dataclass(frozen=True)
class FixedScene:
    """A scene that is what one writes."""

    text: str = '{"time_s":12.0,"total":3,"counts":{"person":2,"car":1}}'

    def to_json(self, max_bytes: int = 2048) -> str:
        return self.text


@pytest.fixture
def scene() -> FixedScene:
    return FixedScene()


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """A server that gives scripted replies: see ``FaultServer.script``."""
    with FaultServer() as server:
        yield server


@pytest.fixture
def quick() -> Limits:
    """Limits that do not keep a test waiting."""
    return Limits(
        connect_s=1.0,
        first_token_s=1.0,
        between_tokens_s=1.0,
        total_s=10.0,
        retry_s=0.02,
        max_retry_s=0.1,
        max_reply_bytes=200_000,
    )


@pytest.fixture
def loopback_only() -> Iterator[list[str]]:
    """Fails the test if anything but this computer is asked for."""
    with only_loopback() as tried:
        yield tried


@pytest.fixture(scope="session")
def llama_server() -> Iterator[LlamaServer]:
    """llama.cpp on loopback, serving SmolLM2-135M-Instruct; one request at a time, with the key "secret"."""
    with serve_llama() as server:
        yield server


@pytest.fixture
def by_hand() -> ByHand:
    """A clock that is moved by hand."""
    return ByHand()


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    """Of a model that looks right from outside."""
    (tmp_path / "config.json").write_text('{"model_type": "idefics3"}', encoding="utf-8")
    header = b'{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}'
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    return ModelFolder(tmp_path, "SmolVLM-500M", "Apache-2.0", 4, 4)


@pytest.fixture
def make(folder: ModelFolder, by_hand: ByHand) -> Iterator[Callable[..., LocalModel]]:
    """Make a LocalModel whose process behaves so; see ``fake_child``."""
    made = []

    def build(behaviour: str = "talks", **changes: object) -> LocalModel:
        limits = changes.pop("limits", LocalLimits(cancel_s=0.2))
        command = (sys.executable, "-m", "scenescope.models.language.local.fake_child", behaviour)
        model = LocalModel(
            folder, **{"limits": limits, "clock": by_hand, "timer": by_hand.timer, "command": command, **changes}
        )
        made.append(model)
        return model

    yield build
    for model in made:
        model.close()
        assert model.process_id is None
