"""Servers to ask: one that does everything wrong, and the real llama.cpp."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

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
