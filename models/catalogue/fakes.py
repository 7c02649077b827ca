"""A server on this computer that stands in for all others: it does what one tells it, also what is wrong."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["FakeFile", "FakeServer", "Request"]


@dataclass
class FakeFile:
    """What is at one address, and how it is given.

    Attributes:
        content: of the file.
        etag, last_modified: as headers; empty for none.
        kind: its Content-Type.
        ranges: False to ignore Range and to send the whole.
        cut_after: the connection is closed after so many bytes of the body, once.
        hold_after: nothing comes after so many bytes of the body, until :meth:`FakeServer.release`.
        status, location, retry_after: instead of the content, when ``status`` is not 200.
        head: False to refuse HEAD.
        sized: False to not tell how long it is.
    """

    content: bytes = b""
    etag: str = '"v1"'
    last_modified: str = ""
    kind: str = "application/octet-stream"
    ranges: bool = True
    cut_after: int | None = None
    hold_after: int | None = None
    status: int = 200
    location: str = ""
    retry_after: str = ""
    head: bool = True
    sized: bool = True


@dataclass(frozen=True)
class Request:
    """One request that came."""

    method: str
    path: str
    range: str


class FakeServer:
    """Serves ``files`` over plain HTTP on loopback while its block runs; ``requests`` tells what was asked for.

    Attributes:
        files: by path, "/a.bin"; may be changed at any time.
        requests: in the order in which they came.
        held: set as soon as an answer is being held back.
    """

    def __init__(self) -> None:
        self.files: dict[str, FakeFile] = {}
        self.requests: list[Request] = []
        self.held = threading.Event()
        self._go_on = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="fake-server")

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, path: str, content: bytes, **how: Any) -> FakeFile:
        """Serve a file."""
        self.files[path] = file = FakeFile(content, **how)
        return file

    def add_repository(self, repository: str, files: dict[str, bytes], **about: Any) -> None:
        """Serve a repository as a model hub does; ``about`` goes into the answer of its API."""
        siblings = []
        for name, content in files.items():
            large = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            lfs = {"lfs": large} if name.endswith((".safetensors", ".bin")) else {}
            siblings.append({"rfilename": name, "size": len(content), **lfs})
            self.add(f"/{repository}/resolve/abc123/{name}", content)
        listing = {"id": repository, "sha": "abc123", "siblings": siblings, **about}
        self.add(f"/api/models/{repository}", json.dumps(listing).encode(), kind="application/json")

    def release(self) -> None:
        """Let answers that are held back go on."""
        self._go_on.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(fake) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                self._answer(body=True)

            def log_message(self, *args: Any) -> None:
                pass

            def _answer(self, body: bool) -> None:
                path = self.path.partition("?")[0]
                fake.requests.append(Request(self.command, path, self.headers.get("Range", "")))
                self.close_connection = True
                file = fake.files.get(path, FakeFile(status=404))
                if not body and not file.head:
                    file = FakeFile(status=405)
                if file.status != 200:
                    self.send_response(file.status)
                    for name, value in (("Location", file.location), ("Retry-After", file.retry_after)):
                        if value:
                            self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self._send(file, body)

            def _send(self, file: FakeFile, body: bool) -> None:
                wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                condition = self.headers.get("If-Range")
                start, end = 0, len(file.content)
                if wanted and file.ranges and condition in (None, file.etag, file.last_modified):
                    start = int(wanted[1])
                    end = min(int(wanted[2]) + 1, end) if wanted[2] else end
                    if start >= len(file.content):
                        self.send_response(416)
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(file.content)}")
                else:
                    self.send_response(200)
                self.send_header("Content-Type", file.kind)
                for name, value in (("ETag", file.etag), ("Last-Modified", file.last_modified)):
                    if value:
                        self.send_header(name, value)
                if file.sized:
                    self.send_header("Content-Length", str(end - start))
                self.send_header("Connection", "close")
                self.end_headers()
                if body:
                    self._body(file, file.content[start:end])

            def _body(self, file: FakeFile, content: bytes) -> None:
                try:
                    if file.cut_after is not None:
                        self.wfile.write(content[: file.cut_after])
                        file.cut_after = None
                    elif file.hold_after is not None:
                        self.wfile.write(content[: file.hold_after])
                        self.wfile.flush()
                        fake.held.set()
                        fake._go_on.wait(30)
                        self.wfile.write(content[file.hold_after :])
                    else:
                        self.wfile.write(content)
                except OSError:
                    pass  # the other side has hung up, as it may

        return Handler
