from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scenescope.models import SourceError
from scenescope.pipelines.sources import code_marker
from scenescope.pipelines.sources.stream import StreamUrl, public_address

pytestmark = pytest.mark.slow


def jpeg(index: int) -> bytes:
    image = code_marker.burn(np.full((240, 400, 3), 90, np.uint8), index)
    return cv2.imencode(".jpg", image)[1].tobytes()


class Server:
    """A loopback web server: /mjpeg sends five pictures and drops, /stall falls silent after three, /mute at once."""

    def __init__(self, clip: bytes) -> None:
        self.asked: list[str] = []
        self.clip = clip
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                with contextlib.suppress(OSError):  # the client has gone
                    server.answer(self)

            def log_message(self, *words: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = False
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.partition("?")[0]
        if name == "/mute":
            self.closing.wait()
        elif name in ("/mjpeg", "/stall"):
            request.send_response(200)
            request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
            request.end_headers()
            for index in range(5 if name == "/mjpeg" else 3):
                data = jpeg(index)
                head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                request.wfile.write(head.encode() + data + b"\r\n")
            if name == "/stall":
                request.wfile.write(b"--part\r\n")
                request.wfile.flush()
                self.closing.wait()
        elif name == "/clip.ts":
            request.send_response(200)
            request.send_header("Content-Length", str(len(self.clip)))
            request.end_headers()
            request.wfile.write(self.clip)
        elif name == "/text":
            request.send_response(200)
            request.send_header("Content-Length", "6000")
            request.end_headers()
            request.wfile.write(b"hello " * 1000)
        else:
            request.send_error(401 if name == "/secret" else 404)

    def close(self) -> None:
        self.closing.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = tmp_path_factory.mktemp("stream") / "clip.ts"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=50, options={"g": "10", "tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 400, 240, "yuv420p"
        for index in range(20):
            image = code_marker.burn(np.full((240, 400, 3), 90, np.uint8), index)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.fixture
def server(clip: bytes) -> Iterator[Server]:
    running = Server(clip)
    yield running
    running.close()


def test_mjpeg_drops_and_goes_on_counting_after_reconnecting(server: Server) -> None:
    source = StreamUrl(server.url("/mjpeg"), timeout_s=5)
    info = source.open()
    assert (info.live, info.size_wh, info.frame_count) == (True, (400, 240), None)
    frames = []
    with pytest.raises(SourceError, match="ended or was cut off") as caught:
        frames.extend(source)
    assert not caught.value.permanent
    assert caught.value.hint
    assert [code_marker.read(frame.image) for frame in frames] == [0, 1, 2, 3, 4]
    source.close()
    source.open()
    again = source.read()
    assert (again.index, code_marker.read(again.image)) == (5, 0)
    assert again.pts_s >= frames[-1].pts_s
    assert again.captured_s <= time.monotonic()
    source.close()
    assert set(server.asked) == {"/mjpeg"}


def test_a_recording_on_a_server_plays_at_its_own_rate_and_ends(server: Server) -> None:
    source = StreamUrl(server.url("/clip.ts"), timeout_s=5)
    source.open()
    frames = list(source)
    assert [code_marker.read(frame.image) for frame in frames] == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    assert frames[-1].captured_s - frames[0].captured_s > 0.3  # sent at once, 0.38 s long
    assert source.read() is None
    source.close()


def test_silence_from_the_beginning_is_timed_out(server: Server) -> None:
    source = StreamUrl(server.url("/mute"), timeout_s=0.4)
    with pytest.raises(SourceError, match=r"has sent nothing for 0.4 s") as caught:
        source.open()
    assert not caught.value.permanent
    source.close()


def test_silence_in_the_middle_is_timed_out(server: Server) -> None:
    source = StreamUrl(server.url("/stall"), timeout_s=0.5, options={"probesize": "4096"})
    source.open()
    frames = []
    with pytest.raises(SourceError) as caught:
        frames.extend(source)
    assert not caught.value.permanent
    assert 1 <= len(frames) <= 3
    source.close()


@pytest.mark.parametrize("path", ["/mute", "/stall"])
def test_waiting_is_interrupted_at_once(server: Server, path: str) -> None:
    source = StreamUrl(server.url(path), timeout_s=2, options={"probesize": "4096"})
    timer = threading.Timer(0.2, source.interrupt)
    began_s = time.monotonic()
    if path == "/mute":
        timer.start()
        with pytest.raises(SourceError, match="interrupted"):
            source.open()
    else:
        source.open()
        timer.start()
        began_s = time.monotonic()
        assert len(list(source)) <= 3
    assert time.monotonic() - began_s < 2  # the time-out of the network itself is longer
    timer.join()
    source.close()
    server.closing.set()


@pytest.mark.parametrize(
    ("path", "sentence", "permanent"),
    [
        ("/secret", "refuses access.", True),
        ("/gone", "does not exist on its server (404).", False),
        ("/text", "sends no video that is understood.", False),
    ],
)
def test_what_a_server_may_say(server: Server, path: str, sentence: str, permanent: bool) -> None:
    source = StreamUrl(server.url(path), timeout_s=5)
    with pytest.raises(SourceError) as caught:
        source.open()
    assert caught.value.user_message.endswith(sentence)
    assert caught.value.permanent is permanent
    assert caught.value.hint
    source.close()


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    source = StreamUrl(f"rtsp://127.0.0.1:{port}/live", timeout_s=3)
    with pytest.raises(SourceError, match="nothing answers there") as caught:
        source.open()
    assert not caught.value.permanent
    source.close()


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("gopher://example.org/film", "scheme that is not supported (gopher)"),
        ("file:///etc/passwd", "scheme that is not supported (file)"),
        ("no address", "scheme that is not supported (none)"),
        ("rtsp://", "names no host"),
        ("http://[::1/film", "is not a valid address"),
        ("http://host:port/film", "is not a valid address"),
    ],
)
def test_addresses_that_cannot_work(url: str, part: str) -> None:
    with pytest.raises(SourceError) as caught:
        StreamUrl(url).open()
    assert part in caught.value.user_message
    assert caught.value.permanent
    assert caught.value.hint


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:pa55@cam.local:554/live?x=1", "rtsp://cam.local:554/live?x=1"),
        ("http://cam/v.mjpg?token=abc&size=640x480&API_KEY=q", "http://cam/v.mjpg?token=...&size=640x480&API_KEY=..."),
        ("rtsp://us@er:p@cam/live", "rtsp://cam/live"),
        ("https://host/path", "https://host/path"),
    ],
)
def test_secrets_are_not_shown(url: str, shown: str) -> None:
    assert public_address(url) == shown
    source = StreamUrl(url, timeout_s=1)
    assert source.name == shown
