"""A process that does as the one of a local model does, without a network; also what is wrong.

Run as ``python -m scenescope.models.language.local.fake_child BEHAVIOUR``, a key of :data:`BEHAVIOURS`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

from scenescope.models.language.local.wire import MOST_TO_CHILD_BYTES, read_message, write_message

__all__ = ["BEHAVIOURS", "main"]

Message = dict[str, Any]


class _Fake:
    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self.requests, self.answers = requests, answers
        self.number = 0

    def hear(self) -> Message:
        """The next request; without one this process ends."""
        if (request := read_message(self.requests, MOST_TO_CHILD_BYTES)) is None:
            sys.exit(0)
        return request

    def say(self, **message: Any) -> None:
        write_message(self.answers, {"id": self.number, **message})

    def load(self) -> None:
        self.say(said="loading", words="Reading the weights")
        self.say(said="ready", device="CPU")

    def done(self, **more: Any) -> None:
        self.say(said="done", input_tokens=7, output_tokens=3, **{"cut": False, **more})

    def rubbish(self, content: bytes) -> None:
        self.answers.write(content)
        self.answers.flush()


def _talks(fake: _Fake, look: Message) -> None:
    for text in (" Two ", "red ", "cars."):
        fake.say(said="text", text=text)
    fake.done()


def _echoes(fake: _Fake, look: Message) -> None:
    fake.say(said="text", text=f"{len(look['pictures'])} {look['most_tokens']} {look['prompt']}")
    fake.done()


def _waits(fake: _Fake, look: Message) -> None:
    fake.say(said="text", text="Two ")
    if fake.hear()["do"] == "cancel":
        fake.say(said="cancelled")


def _is_silent(fake: _Fake, look: Message) -> None:
    if fake.hear()["do"] == "cancel":
        fake.say(said="cancelled")


def _is_deaf(fake: _Fake, look: Message) -> None:
    fake.say(said="text", text="Two ")
    threading.Event().wait()


def _dies(fake: _Fake, look: Message) -> None:
    sys.exit("Traceback: it went wrong here")


def _babbles(fake: _Fake, look: Message) -> None:
    while True:
        fake.say(said="text", text="word ")


def _is_cut(fake: _Fake, look: Message) -> None:
    fake.say(said="text", text="Two cars and")
    fake.done(cut=True)


def _fails(fake: _Fake, look: Message) -> None:
    fake.say(said="failed", kind="ModelError", message="The picture cannot be read.", hint="Next.", permanent=False)


def _says_half(fake: _Fake, look: Message) -> None:
    fake.rubbish(b"\x10\0\0\0\x81")
    sys.exit(0)


BEHAVIOURS: dict[str, Callable[[_Fake, Message], None]] = {
    "talks": _talks,
    "echoes": _echoes,
    "waits": _waits,
    "is silent": _is_silent,
    "is deaf": _is_deaf,
    "dies": _dies,
    "babbles": _babbles,
    "is cut": _is_cut,
    "fails": _fails,
    "says nothing": lambda fake, look: fake.done(),
    "talks rubbish": lambda fake, look: fake.rubbish(b"\x04\0\0\0rubbish, and more of it"),
    "says too much": lambda fake, look: fake.rubbish(b"\xff\xff\xff\xff"),
    "says half": _says_half,
    "names no words": lambda fake, look: fake.say(said="text"),
}
"""What it does when it is to look. Loading goes well, but for the two in :func:`main`."""


def main() -> None:
    """Do as is told, until there is nothing more to hear."""
    fake = _Fake(sys.stdin.buffer, sys.stdout.buffer)
    behaviour = sys.argv[1]
    while True:
        request = fake.hear()
        fake.number = int(request.get("id", 0))
        if request["do"] == "load" and behaviour == "never loads":
            fake.say(said="loading", words="Reading the weights")
        elif request["do"] == "load" and behaviour.startswith("refuses"):
            permanent = behaviour == "refuses for good"
            fake.say(said="failed", kind="ModelIncompatible", message="It does not fit.", hint="", permanent=permanent)
        elif request["do"] == "load" and behaviour == "dies at once":
            os.abort()
        elif request["do"] == "load":
            fake.load()
        elif request["do"] == "look":
            BEHAVIOURS[behaviour](fake, request)


if __name__ == "__main__":
    main()
