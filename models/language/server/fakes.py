"""A model server on this computer that does what one tells it, also what is wrong."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = [
    "ENDLESS",
    "STALL",
    "Asked",
    "FaultServer",
    "Reply",
    "chunk",
    "completion",
    "models",
    "refusal",
    "sse",
    "words",
]

STALL = object()
"""In the body of a :class:`Reply`: nothing comes any more, but the connection stays open."""
ENDLESS = object()
"""In the body of a :class:`Reply`: the part before it comes again and again."""

_REASONS = {200: "OK", 302: "Found", 307: "Temporary Redirect", 400: "Bad Request", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Reply:
    """What comes back.

    Attributes:
        body: bytes, :data:`STALL` or :data:`ENDLESS`, in the order in which they come. Then the connection is closed.
        status, headers: of the reply; ``kind`` is its Content-Type, empty for none.
        stall_before_headers, stall_in_headers: the client waits for them, or for the rest of them, in vain.
    """

    body: Sequence[Any] = ()
    status: int = 200
    kind: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    stall_before_headers: bool = False
    stall_in_headers: bool = False


def chunk(content: str | None = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One piece of a streamed answer."""
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]}


def sse(*chunks: Mapping[str, Any], done: bool = True) -> bytes:
    """Pieces as server-sent events."""
    events = [f"data: {json.dumps(piece)}\n\n" for piece in chunks]
    return "".join([*events, "data: [DONE]\n\n"] if done else events).encode()


def words(text: str, finish: str = "stop", usage: tuple[int, int] = (11, 5)) -> Reply:
    """A whole streamed answer, a piece a word, with the tokens that it cost."""
    pieces = [piece + " " for piece in text.split(" ")]
    pieces[-1] = pieces[-1][:-1]
    last = chunk(finish=finish) | {
        "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": 16}
    }
    return Reply([sse(*map(chunk, pieces), last)])


def completion(content: str | None = "OK", **message: Any) -> Reply:
    """An answer that is not streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}
    content_ = {"id": "1", "object": "chat.completion", "created": 1, "model": "fake", "choices": [choice]}
    return Reply([json.dumps(content_).encode()], kind="application/json")


def models(*names: str) -> Reply:
    """What ``/models`` gives."""
    listed = [{"id": name, "object": "model", "created": 1, "owned_by": "fake"} for name in names]
    return Reply([json.dumps({"object": "list", "data": listed}).encode()], kind="application/json")


def refusal(status: int, message: str = "", **headers: str) -> Reply:
    """An error in the form that most servers use; ``Retry_After="3"`` is a header."""
    body = json.dumps({"error": {"message": message, "code": status}}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply([body], status, "application/json", named)


@dataclass(frozen=True)
class Asked:
    """One request that came. ``content`` is its JSON, None without."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: Any


class FaultServer:
    """Gives scripted replies over plain HTTP on loopback while its block runs; one thread a connection.

    Attributes:
        asked: the requests, in the order in which they came.
        stalled: set once a reply has come to a stall, or is endless and has begun.
        left: set once a client has closed a connection before its reply was over.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._listener = socket.create_server((host, 0))
        self._host = host
        self._script: list[Reply] = []
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._stop, self._stopper = socket.socketpair()
        self.asked: list[Asked] = []
        self.stalled = threading.Event()
        self.left = threading.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://{self._host}:{self.port}/v1"

    def script(self, *replies: Reply) -> None:
        """What is given from now on, one reply a request; the last again and again."""
        with self._lock:
            self._script = list(replies)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopper.close()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(5.0)
        self._listener.close()
        self._stop.close()

    def _start(self, target: Any, *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name="fault server", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while self._stop not in select.select([self._listener, self._stop], [], [])[0]:
            client, _ = self._listener.accept()
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self._read(client):
                with self._lock:
                    reply = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                self._give(client, reply)

    def _read(self, client: socket.socket) -> bool:
        """Take in one request; False if none comes."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := self._receive(client)):
                return False
            data += more
            if not data[:1].isalpha():  # no HTTP, but the beginning of an encrypted connection
                return False
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            if not (more := self._receive(client)):
                return False
            body += more
        method, path, _ = first.split(" ")
        self.asked.append(Asked(method, path, headers, json.loads(body) if body else None))
        return True

    def _receive(self, client: socket.socket) -> bytes:
        ready = select.select([client, self._stop], [], [])[0]
        return b"" if self._stop in ready else client.recv(65536)

    def _give(self, client: socket.socket, reply: Reply) -> None:
        if reply.stall_before_headers:
            self._stall(client)
            return
        lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Status')}", "Connection: close"]
        lines += [f"Content-Type: {reply.kind}"] if reply.kind else []
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        client.sendall("\r\n".join(lines).encode("latin-1"))
        if reply.stall_in_headers:
            self._stall(client)
            return
        client.sendall(b"\r\n\r\n")
        before = b""
        for part in reply.body:
            if part is STALL:
                self._stall(client)
                return
            if part is ENDLESS:
                self._flood(client, before)
                return
            self._send(client, part)
            before = part

    def _stall(self, client: socket.socket) -> None:
        self.stalled.set()
        if client in select.select([client, self._stop], [], [])[0]:
            self.left.set()

    def _flood(self, client: socket.socket, part: bytes) -> None:
        self.stalled.set()
        while self._stop not in select.select([self._stop], [client], [])[0]:
            self._send(client, part)

    def _send(self, client: socket.socket, part: bytes) -> None:
        try:
            client.sendall(part)
        except OSError:
            self.left.set()
            raise
