"""The app's side of the process of a local model: starts it, asks it, and ends it when it does not answer."""

from __future__ import annotations

import contextlib
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scenescope.models import errors
from scenescope.models.errors import ModelError, ScenescopeError
from scenescope.models.language.local.wire import MOST_FROM_CHILD_BYTES, read_message, write_message

__all__ = ["COMMAND", "ModelProcess", "Question"]

COMMAND = (sys.executable, "-m", "scenescope.models.language.local.child")
MOST_TEXTS = 4096
MOST_COMPLAINT_BYTES = 4000


@dataclass(eq=False)
class Question:
    """One request to look, and what has come of it so far. Guarded by the process's condition.

    Attributes:
        number: by which both sides know it.
        texts: that came and were not taken yet.
        answer: the last message about it; None while it goes on.
        unwanted: it was cancelled.
    """

    number: int
    texts: deque[str] = field(default_factory=deque)
    answer: dict[str, Any] | None = None
    unwanted: bool = False


class ModelProcess:
    """A process that holds one network. Every method may be called from any thread, and none waits for it.

    Args:
        command: that starts it.
        cancel_s: how long it may go on with what is not wanted any more, before it is killed.
        ended: is told, on a thread of its own, that it has ended without being told to, just before it is over.

    Attributes:
        changed: notified at everything that comes.
        words: what is being done, while it loads.
        device: where the network runs; empty until it does.
        refusal: why it cannot load.
        over: it has ended.
        started_s: when, by ``time.monotonic``.

    Raises:
        ModelError: no process can be started.
    """

    def __init__(self, command: Sequence[str], cancel_s: float, ended: Callable[[ModelProcess], None]) -> None:
        self.changed = threading.Condition()
        self.words, self.device = "Starting", ""
        self.refusal: ScenescopeError | None = None
        self.over = self.told_to_end = self._stalled = False
        self.started_s = time.monotonic()
        self._cancel_s, self._ended = cancel_s, ended
        self._numbers = 0
        self._question: Question | None = None
        self._texts = 0
        self._complaints = b""
        self._grace: threading.Timer | None = None
        self._outgoing: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        try:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )  # fmt: skip
        except OSError as error:
            raise ModelError(
                f"No process can be started for the model: {error.strerror or error}.",
                hint="Close other programs, and try again.",
                permanent=False,
            ) from error
        work = {"local-model-write": self._write, "local-model-errors": self._hear_errors}
        self._helpers = [threading.Thread(target=run, name=name, daemon=True) for name, run in work.items()]
        self._reader = threading.Thread(target=self._read, name="local-model-read", daemon=True)
        for thread in (*self._helpers, self._reader):
            thread.start()

    # Asking ------------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def ready(self) -> bool:
        """True once the network is loaded."""
        return bool(self.device) and not self.over

    @property
    def busy(self) -> bool:
        """True until it has answered the last question, wanted or not."""
        return self._question is not None and self._question.answer is None and not self.over

    def load(self, folder: str, sha256: str, device: str, threads: int) -> None:
        """Have it load a folder, of this fingerprint unless it is empty; then it is :attr:`ready`, or :attr:`over`."""
        self._outgoing.put({"do": "load", "folder": folder, "sha256": sha256, "device": device, "threads": threads})

    def look(self, pictures: Sequence[bytes], prompt: str, most_tokens: int) -> Question:
        """Ask about pictures; it must be :attr:`ready` and not :attr:`busy`."""
        with self.changed:
            self._numbers += 1
            self._texts = 0
            question = self._question = Question(self._numbers)
        self._outgoing.put(
            {"do": "look", "id": question.number, "pictures": list(pictures), "prompt": prompt,
             "most_tokens": most_tokens}
        )  # fmt: skip
        return question

    def cancel(self) -> None:
        """Have it drop the question; if it does not in time, end it."""
        with self.changed:
            question = self._question
            if question is None or question.unwanted or question.answer is not None or self.over:
                return
            question.unwanted = True
            self._grace = threading.Timer(self._cancel_s, self._lose_patience, (question,))
            self._grace.name, self._grace.daemon = "local-model-grace", True
            self._grace.start()
            self.changed.notify_all()
        self._outgoing.put({"do": "cancel", "id": question.number})

    def _lose_patience(self, question: Question) -> None:
        with self.changed:
            late = self._stalled = question.answer is None
        if late:
            self._end()

    # Its end -----------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """End it; it is over a moment later."""
        self.told_to_end = True
        self._end()

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """End it and wait until nothing is left of it."""
        self.kill()
        if threading.current_thread() is not self._reader:
            self._reader.join()
        if (grace := self._grace) is not None and threading.current_thread() is not grace:
            grace.cancel()
            grace.join()

    def epitaph(self) -> ModelError:
        """How it came to its end, for people."""
        if self._stalled:
            return ModelError(
                "The local model did not stop when it was told to, so its process was ended.",
                hint="It is started again when it is next asked.",
                permanent=False,
            )
        code = self._process.returncode
        last = self._complaints.decode(errors="replace").strip().splitlines()
        if code in (-9, 137):
            return ModelError(
                "The process of the local model was ended from outside, as the system does when memory runs out.",
                hint="Close other programs, or choose a smaller model. It is started again when it is next asked.",
                permanent=False,
            )
        why = f": {last[-1][:200]}" if last else ""
        return ModelError(
            f"The process of the local model ended (exit code {code}){why}.",
            hint="It is started again when it is next asked. If it goes on so, choose another model.",
            permanent=False,
        )

    # What runs beside --------------------------------------------------------------------------------------------

    def _write(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        # A process that has stopped reading holds this thread until it is killed.
        with contextlib.suppress(OSError):
            while (message := self._outgoing.get()) is not None:
                write_message(pipe, message)
        with contextlib.suppress(OSError):
            pipe.close()

    def _hear_errors(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        while part := pipe.read1(4096):  # type: ignore[attr-defined]
            self._complaints = (self._complaints + part)[-MOST_COMPLAINT_BYTES:]
        pipe.close()

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None
        # A message that makes no sense is as good as none.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            while (message := read_message(pipe, MOST_FROM_CHILD_BYTES)) is not None:
                with self.changed:
                    self._take(message)
                    self.changed.notify_all()
        self._end()
        self._process.wait()
        self._outgoing.put(None)
        for thread in self._helpers:
            thread.join()
        pipe.close()
        if not self.told_to_end:
            self._ended(self)
        with self.changed:
            self.over = True
            if self._grace is not None:
                self._grace.cancel()
            self.changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        said = message["said"]
        if said == "loading":
            self.words = str(message["words"])
        elif said == "ready":
            self.device = str(message["device"])
        elif said == "failed" and not self.device:
            self.refusal = _raised(message)
            self._end()
        elif self._question is not None and message["id"] == self._question.number:
            self._take_answer(self._question, message)

    def _take_answer(self, question: Question, message: dict[str, Any]) -> None:
        if message["said"] == "text":
            self._texts += 1
            if self._texts > MOST_TEXTS:
                raise ValueError("it does not stop talking")
            question.texts.append(str(message["text"]))
            return
        question.answer = message
        if message["said"] == "failed":
            question.answer["error"] = _raised(message)
        if self._grace is not None:
            self._grace.cancel()


def _raised(message: dict[str, Any]) -> ScenescopeError:
    kind = getattr(errors, str(message["kind"]), ModelError)
    kind = kind if isinstance(kind, type) and issubclass(kind, ScenescopeError) else ModelError
    error: ScenescopeError = kind(
        str(message["message"]), hint=str(message["hint"]), permanent=bool(message["permanent"])
    )
    return error
