"""The app's side of the trial process: a network that runs in it, time and memory limited."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import psutil
from numpy.typing import NDArray

from scenescope.models import errors
from scenescope.models.catalogue.catalogue import current
from scenescope.models.catalogue.guess_wire import Message, read_message, write_message
from scenescope.models.errors import ModelIncompatible, ScenescopeError
from scenescope.models.vision.network import Network, TensorInfo, Tensors
from scenescope.models.vision.placement import Placement

__all__ = ["TrialCrashed", "TrialNetwork", "Trials"]

START_AND_OPEN_S = 150.0
"""Importing PyTorch or TensorFlow takes ten seconds and more on a slow disk."""
RUN_S = 30.0
MEMORY_SHARE = 0.8
"""Part of the memory that is free when a trial begins, which it may use."""
_LOOK_EVERY_S = 0.1


class TrialCrashed(ModelIncompatible):
    """The trial process ended by itself while it worked on a file."""


class Trials:
    """Opens and runs networks in a process of its own, which is started when it is needed, and again when it died.

    One trial at a time; others wait. Used as a context manager, or closed with :meth:`close`.

    Attributes:
        cancelled: set it, from any thread, to end what is being done: that raises ModelIncompatible, and so does all
            that is begun until a fresh event is put in its place.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._answers: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.cancelled = threading.Event()
        self.generation = 0
        self.fresh = True

    def __enter__(self) -> Trials:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Have the process running; otherwise the first request starts it."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._end()
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "scenescope.models.catalogue.guess_child"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
                assert self._process.stdout is not None
                self._answers = queue.SimpleQueue()
                self.generation += 1
                self.fresh = True
                self._reader = threading.Thread(
                    target=_read, args=(self._process.stdout, self._answers), name="model-trials", daemon=True
                )
                self._reader.start()

    def close(self) -> None:
        """End the process, and what it is doing."""
        self.cancelled.set()
        with self._lock:
            self._end()

    def ask(
        self, do: str, name: str, limit_s: float, tensors: Mapping[str, NDArray[Any]] | None = None, **arguments: Any
    ) -> Message:
        """One request and its answer.

        Args:
            do: a method of the other side.
            name: of the file, for messages.
            limit_s: how long it may take.
            tensors: that go with it.
            arguments: of that method.

        Raises:
            ScenescopeError: what the other side raised; or that it crashed, took too long, or took too much memory.
        """
        with self._lock:
            if self.cancelled.is_set():
                raise _cancelled(name)
            self.start()
            assert self._process is not None
            assert self._process.stdin is not None
            try:
                write_message(self._process.stdin, {"do": do, **arguments}, tensors)
                answer = self._wait(name, limit_s)
            except OSError:
                answer = None
            if answer is None:
                code = self._process.wait(5)
                self._end()
                raise TrialCrashed(
                    f"The library that opens {name} crashed (exit code {code}).",
                    hint="The file may be damaged, or made for another version of the library.",
                )
            self.fresh = False
        header, outputs = answer
        if (kind := header.get("error")) is not None:
            cls = getattr(errors, kind, ModelIncompatible)
            cls = cls if isinstance(cls, type) and issubclass(cls, ScenescopeError) else ModelIncompatible
            raise cls(header["message"], hint=header.get("hint", ""))
        return header, outputs

    def _wait(self, name: str, limit_s: float) -> Message | None:
        assert self._process is not None
        deadline = time.monotonic() + limit_s
        most_bytes = psutil.virtual_memory().available * MEMORY_SHARE
        while True:
            with contextlib.suppress(queue.Empty):
                return self._answers.get(timeout=_LOOK_EVERY_S)
            problem = ""
            with contextlib.suppress(psutil.Error):
                if psutil.Process(self._process.pid).memory_info().rss > most_bytes:
                    problem = f"{name} needs more memory than there is."
            if time.monotonic() > deadline:
                problem = f"{name} was given up: it took longer than {limit_s:.0f} s."
            if self.cancelled.is_set():
                self._end()
                raise _cancelled(name)
            if problem:
                self._end()
                raise ModelIncompatible(problem)

    def _end(self) -> None:
        process, reader = self._process, self._reader
        self._process = self._reader = None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if reader is not None and pipe is process.stdout:
                reader.join()
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _cancelled(name: str) -> ModelIncompatible:
    return ModelIncompatible(f"The trial of {name} was cancelled.")


def _read(pipe: IO[bytes], answers: queue.SimpleQueue[Message | None]) -> None:
    """Hand over what comes, until nothing does."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        while (message := read_message(pipe)) is not None:
            answers.put(message)
    answers.put(None)


class TrialNetwork(Network):
    """A network that was opened in the trial process.

    Some libraries cannot be in one process with some others. When opening crashes a process in which another library
    was loaded before, it is tried once more in a fresh one.

    Raises:
        ScenescopeError: as :func:`~scenescope.models.vision.runtimes.open_network` does, or the process came to grief.
    """

    def __init__(self, trials: Trials, runtime: str, path: Path, options: Mapping[str, Any]) -> None:
        self._trials, self._name = trials, path.name
        folder = current().folder
        request: dict[str, Any] = {
            "runtime": runtime,
            "path": str(path.resolve()),
            "options": dict(options),
            "catalogue": str(folder) if folder else None,
        }
        fresh = trials.fresh
        try:
            header, _ = trials.ask("open", path.name, START_AND_OPEN_S, **request)
        except TrialCrashed:
            if fresh:
                raise
            header, _ = trials.ask("open", path.name, START_AND_OPEN_S, **request)
        self.inputs = tuple(TensorInfo(name, tuple(shape), dtype) for name, shape, dtype in header["inputs"])
        self.outputs = tuple(TensorInfo(name, tuple(shape), dtype) for name, shape, dtype in header["outputs"])
        self.metadata = header["metadata"]
        self.placement = Placement("CPU", "cpu")

    def run(self, inputs: Mapping[str, Any]) -> Tensors:
        """As in this process; the tensors must be numpy arrays."""
        return self._trials.ask("run", self._name, RUN_S, inputs)[1]
