"""The process of a local model. Run as ``python -m scenescope.models.language.local.child``.

It answers on its standard output, and ends when its input ends: when the app goes, in whatever way, so does it.
Requests are ``load``, ``look`` and ``cancel``; each message is described where :mod:`.process` sends or takes it.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from scenescope.models.cards import fingerprint
from scenescope.models.errors import ModelError, ModelMissing, ScenescopeError
from scenescope.models.language.local.manners import forbid_network, give_way
from scenescope.models.language.local.network import Cancelled, PictureWordsNetwork
from scenescope.models.language.local.wire import MOST_TO_CHILD_BYTES, read_message, write_message

__all__ = ["main"]

MEMORY = "There is not enough memory for it."
MEMORY_HINT = "Close other programs, or choose a smaller model."


class _Server:
    """Answers one request after the other, and hears meanwhile that one is not wanted any more."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests, self._answers = requests, answers
        self._waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled: dict[int, threading.Event] = {}
        self._network: PictureWordsNetwork | None = None

    def run(self) -> None:
        threading.Thread(target=self._hear, name="requests", daemon=True).start()
        while True:
            request = self._waiting.get()
            do = {"load": self._load, "look": self._look}[request["do"]]
            number = int(request.get("id", 0))
            try:
                answer = do(request)
            except Cancelled:
                answer = {"said": "cancelled"}
            except Exception as error:
                answer = {"said": "failed", **_explained(error)}
            self._cancelled.pop(number, None)
            self._say(**answer, id=number)

    def _hear(self) -> None:
        """Until there is nothing more to hear; then this process ends, whatever it is doing."""
        try:
            while (request := read_message(self._requests, MOST_TO_CHILD_BYTES)) is not None:
                number = int(request.get("id", 0))
                if request["do"] == "cancel":
                    if (event := self._cancelled.get(number)) is not None:
                        event.set()
                    continue
                self._cancelled[number] = threading.Event()
                self._waiting.put(request)
        finally:
            os._exit(0)

    def _say(self, **message: Any) -> None:
        try:
            write_message(self._answers, message)
        except OSError:
            os._exit(0)

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        def tell(words: str) -> None:
            self._say(said="loading", words=words)

        folder, sha256 = Path(request["folder"]), str(request["sha256"])
        if sha256:
            tell("Checking the weights")
            if fingerprint(folder) != sha256:
                raise ModelMissing(
                    "Its files are not those that were downloaded.",
                    hint="They were changed or damaged: remove the model in Models..., and download it again.",
                )
        self._network = PictureWordsNetwork(folder, str(request["device"]), int(request["threads"]), tell)
        return {"said": "ready", "device": self._network.device}

    def _look(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._network is not None
        number = int(request["id"])

        def say(text: str) -> None:
            self._say(said="text", id=number, text=text)

        unwanted, most_tokens = self._cancelled[number], int(request["most_tokens"])
        try:
            looked = self._network.look(request["pictures"], request["prompt"], most_tokens, unwanted, say)
        except OSError as error:
            raise ModelError("The picture cannot be read.", hint="Try the next one.", permanent=False) from error
        return {
            "said": "done", "input_tokens": looked.input_tokens, "output_tokens": looked.output_tokens,
            "cut": looked.cut,
        }  # fmt: skip


def _explained(error: Exception) -> dict[str, Any]:
    """What went wrong, for the app to raise again: class of our tree, sentence, cure."""
    first = (str(error).strip().splitlines() or [""])[0][:300]
    # PyTorch's own error for its devices is a RuntimeError; its allocator for the CPU raises one too.
    short = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in str(error) or "not enough memory" in str(error))
    )
    if short:
        return {"kind": "ModelError", "message": MEMORY, "hint": MEMORY_HINT, "permanent": False}
    if isinstance(error, ScenescopeError):
        kind, message, hint = type(error).__name__, error.user_message, error.hint
    elif isinstance(error, ImportError):
        kind, message = "RuntimeMissing", f"A library that it needs cannot be used: {first}"
        hint = "Install it anew: pip install --force-reinstall 'scenescope[transformers]'."
    else:
        kind, message = "ModelIncompatible", f"It cannot be used: {type(error).__name__}: {first}"
        hint = "Choose another model, or download this one again."
    permanent = error.permanent if isinstance(error, ScenescopeError) else True
    return {"kind": kind, "message": message, "hint": hint, "permanent": permanent}


def main() -> None:
    """Answer until there is nothing more to answer."""
    # Libraries print; what they print must not come between the messages.
    answers: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    give_way()
    forbid_network()
    _Server(sys.stdin.buffer, answers).run()


if __name__ == "__main__":
    main()
