"""Network streams: RTSP, HTTP(S) (MJPEG, HLS, files), RTMP, UDP and relatives, through PyAV (FFmpeg)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

import av
import numpy as np
from numpy.typing import NDArray

from scenescope.models import SourceError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.source import Source, SourceInfo
from scenescope.pipelines.sources._live import LiveReader
from scenescope.pipelines.sources._pyav import PictureConverter, codec_detail, pick_video_stream

__all__ = ["PROTOCOLS", "StreamUrl", "public_address"]

PROTOCOLS = {
    "rtsp": "rtsp,rtp,rtcp,srtp,udp,tcp",
    "rtsps": "rtsp,rtp,rtcp,srtp,udp,tcp,tls",
    "http": "http,httpproxy,tcp,hls,crypto,data",
    "https": "http,https,httpproxy,tcp,tls,hls,crypto,data",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmp,rtmps,tcp,tls",
    "udp": "udp",
    "rtp": "rtp,rtcp,srtp,udp",
    "tcp": "tcp",
    "srt": "srt,udp",
}
"""Schemes that are understood, each with what FFmpeg may use for it: never a local file, whatever a playlist says."""

SECRET_WORDS = ("auth", "key", "pass", "pwd", "secret", "sig", "token", "user", "credential", "session")

_Item = SourceInfo | tuple[NDArray[np.uint8], float]


class StreamUrl(Source):
    """A live network stream.

    Opening and reading block inside FFmpeg, so they run on a thread of their own (see :class:`LiveReader`) with
    time-outs, and can always be interrupted. Decoding uses one thread, as more of them add delay. A recording on a web
    server, which is sent faster than it plays, is held to its own rate and ends normally; anything else that ends is a
    lost connection, and may be opened again. Nothing but this address (and what its own playlist names) is contacted.

    Args:
        url: the address.
        timeout_s: longest time to connect, and longest silence.
        options: FFmpeg's options, over those set here, such as ``{"rtsp_transport": "udp"}``.
    """

    live = True
    piles_up = True

    def __init__(self, url: str, timeout_s: float = 10.0, options: Mapping[str, str] | None = None) -> None:
        self.url = url.strip()
        self.timeout_s = timeout_s
        self.options = dict(options or {})
        self.name = public_address(self.url)
        self._reader: LiveReader[_Item] | None = None
        self._next_index = 0
        self._started_s: float | None = None

    def open(self) -> SourceInfo:
        """Connect, and wait for the stream's description and first picture.

        Raises:
            SourceError: permanent for an address that cannot work, or a refusal; else try again later.
        """
        self.close()
        scheme = self._check_address()
        self._reader = LiveReader("stream", lambda reader: self._receive(reader, scheme), newest=False)
        # FFmpeg's own time-outs come first, with the better reason; this one is for what they do not cover.
        info = self._take(2 * self.timeout_s + 1)
        if not isinstance(info, SourceInfo):
            raise SourceError(f"Connecting to {self.name} was interrupted.", hint="Open it again.", permanent=False)
        if self._started_s is None:
            self._started_s = time.monotonic()
        return info

    def read(self) -> Frame | None:
        """The next picture; None when interrupted, or at the end of a recording.

        Raises:
            SourceError: the connection is lost or silent; not permanent.
        """
        item = self._take(self.timeout_s + 1)
        if item is None or isinstance(item, SourceInfo):
            return None
        image, captured_s = item
        assert self._started_s is not None
        index, self._next_index = self._next_index, self._next_index + 1
        return Frame(image, index, max(captured_s - self._started_s, 0.0), captured_s, self.name)

    def interrupt(self) -> None:
        """Make a waiting ``read`` return None, and a waiting ``open`` raise; the connection ends by itself."""
        reader = self._reader
        if reader is not None:
            reader.interrupt()

    def close(self) -> None:
        """Disconnect; when FFmpeg is waiting for the network, as soon as its time-out lets it."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()

    def _take(self, timeout_s: float) -> _Item | None:
        if self._reader is None:
            return None
        try:
            return self._reader.take(timeout_s)
        except TimeoutError:
            raise self._silent() from None

    def _check_address(self) -> str:
        try:
            parts = urlsplit(self.url)
            host = parts.hostname
            parts.port  # noqa: B018 - raises when it is not a number
        except ValueError as error:
            raise self._error("is not a valid address", "Check its spelling.", permanent=True) from error
        if parts.scheme.lower() not in PROTOCOLS:
            raise self._error(
                f"has a scheme that is not supported ({parts.scheme or 'none'})",
                f"Use one of {', '.join(PROTOCOLS)}.",
                permanent=True,
            )
        if not host and parts.scheme.lower() not in ("udp", "rtp"):
            raise self._error("names no host", "Write it as rtsp://host:port/path.", permanent=True)
        return parts.scheme.lower()

    def _receive(self, reader: LiveReader[_Item], scheme: str) -> None:
        """On the reader's thread: connect, decode, and hand over pictures until nobody wants more."""
        connected = False
        try:
            with self._connect(scheme) as container:
                connected = True
                stream = pick_video_stream(container)
                if stream is None or stream.codec_context is None:
                    raise self._error("has no picture that can be decoded", "Check it in a player.", permanent=True)
                stream.codec_context.thread_count = 1
                recording = bool(container.duration) or container.size > 0
                in_bursts = recording or "hls" in container.format.name
                self._hand_over(reader, container, stream, keep_pace=in_bursts)
                if reader.stopping or recording:
                    return
        except av.error.ExitError as error:
            raise self._silent() from error
        except (av.FFmpegError, OSError) as error:
            if reader.stopping:
                return
            if not connected or isinstance(error, TimeoutError):
                raise self._failure(error) from error
        raise self._error("ended or was cut off", "It is tried again.", permanent=False)

    def _connect(self, scheme: str) -> av.container.InputContainer:
        micros = str(int(self.timeout_s * 1e6))
        options = {
            "protocol_whitelist": PROTOCOLS[scheme],
            "flags": "low_delay",
            "analyzeduration": "1000000",
        }
        if scheme in ("rtsp", "rtsps"):
            # Over UDP, lost packets show as smeared pictures.
            options |= {"rtsp_transport": "tcp", "timeout": micros}
        if scheme in ("http", "https", "tcp"):
            options |= {"rw_timeout": micros}
        else:
            # What came while the format was found out is thrown away: less delay, but a recording would lose its head.
            options |= {"fflags": "nobuffer"}
        return av.open(
            self.url,
            options=options | self.options,
            timeout=(self.timeout_s, self.timeout_s),
            metadata_errors="replace",
        )

    def _hand_over(
        self,
        reader: LiveReader[_Item],
        container: av.container.InputContainer,
        stream: av.VideoStream,
        *,
        keep_pace: bool,
    ) -> None:
        convert = PictureConverter()
        start: tuple[float, float] | None = None
        for packet in container.demux(stream):
            captured_s = time.monotonic()
            try:
                pictures = packet.decode()
            except (av.error.InvalidDataError, EOFError):
                continue  # a damaged packet; the next key frame mends it
            for picture in pictures:
                image = convert(picture)
                if start is None:
                    start = (captured_s, picture.time or 0.0)
                    reader.put(self._describe(stream, image))
                if keep_pace and picture.time is not None:
                    captured_s = start[0] + picture.time - start[1]
                    reader.pause_until(captured_s)
                    captured_s = max(captured_s, time.monotonic())
                if not reader.put((image, captured_s)):
                    return
        if start is None:
            raise self._error("sent no picture that can be decoded", "Check it in a player.", permanent=False)

    def _describe(self, stream: av.VideoStream, image: NDArray[np.uint8]) -> SourceInfo:
        rate = stream.average_rate or stream.guessed_rate
        return SourceInfo(
            name=self.name,
            size_wh=(image.shape[1], image.shape[0]),
            rate_hz=float(rate) if rate else 0.0,
            live=True,
            detail=codec_detail(stream),
        )

    def _silent(self) -> SourceError:
        return self._error(
            f"has sent nothing for {self.timeout_s:g} s", "Check the network and the camera.", permanent=False
        )

    def _failure(self, error: Exception) -> SourceError:
        """The sentence for what FFmpeg says."""
        reason, hint, permanent = "cannot be reached", "Check the address and the network.", False
        if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError | PermissionError):
            reason, permanent = "refuses access", True
            hint = "Put user name and password into the address: rtsp://user:password@host/path."
        elif isinstance(error, av.error.HTTPNotFoundError):
            reason, hint = "does not exist on its server (404)", "Check the path in the address."
        elif isinstance(error, av.error.HTTPError):
            reason, hint = "is refused by its server", f"It says: {error.strerror}."
        elif isinstance(error, ConnectionRefusedError):
            reason, hint = "cannot be reached: nothing answers there", "Check host and port, and that the camera is on."
        elif isinstance(error, TimeoutError):
            return self._silent()
        elif isinstance(error, av.error.InvalidDataError):
            reason, hint = "sends no video that is understood", "Check the path in the address."
        elif isinstance(error, av.error.ProtocolNotFoundError):
            reason, hint, permanent = "needs a protocol that is not built in", "Use RTSP or HTTP.", True
        return self._error(reason, hint, permanent=permanent)

    def _error(self, reason: str, hint: str, *, permanent: bool) -> SourceError:
        return SourceError(f"{self.name} {reason}.", hint=hint, permanent=permanent)


def public_address(url: str) -> str:
    """An address for people and logs: without user name and password, and with secrets in its query masked."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "The stream address"
    host = parts.netloc.rpartition("@")[2]
    query = urlencode(
        [
            (key, "..." if any(word in key.lower() for word in SECRET_WORDS) else value)
            for key, value in parse_qsl(parts.query, keep_blank_values=True)
        ],
        safe="./:",
    )
    return urlunsplit(SplitResult(parts.scheme, host, parts.path, query, "")) or "The stream address"
