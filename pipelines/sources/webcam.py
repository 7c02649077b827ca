"""Cameras on this computer: named and found again by a stable id, read through OpenCV."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import SourceError
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.source import DeviceInfo, Source, SourceInfo
from scenescope.pipelines.sources._live import LiveReader

__all__ = ["Capture", "Webcam", "list_cameras", "opencv_handle", "stable_id_of_node"]

FIRST_PICTURE_S = 10.0
"""A camera may take this long to start; an integrated one that slept needs 3 to 5 s."""
SILENCE_S = 2.0
"""A camera that gives nothing for this long counts as gone."""

VIDIOC_QUERYCAP = 0x80685600
V4L2_CAPTURE = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE, and its multi-planar kind

PERMISSION_HINTS = {
    "linux": "Add yourself to the group 'video' (sudo usermod -aG video $USER) and log in again.",
    "darwin": "Allow it in System Settings, Privacy and Security, Camera, and start the program again.",
    "win32": "Allow desktop apps to use the camera in Settings, Privacy, Camera.",
}


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that is used; ``fakes.FakeCapture`` is another one."""

    def isOpened(self) -> bool: ...
    def set(self, propId: int, value: float) -> bool: ...  # noqa: N803
    def get(self, propId: int) -> float: ...  # noqa: N803
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, Any]: ...
    def release(self) -> None: ...


class Webcam(Source):
    """A camera of this computer.

    ``grab`` blocks in the driver, so it runs on a thread of its own (see :class:`LiveReader`): ``read`` and ``open``
    can always be interrupted, and a camera that hangs is reported after two seconds. Opened again after a failure, it
    looks for the same camera by its stable id, asks for the same size and rate, and goes on counting its frames.

    Args:
        device: the camera, its stable id, its name, a number, or on Linux a path; None for the default one.
        size_wh: size to ask for; the camera may give another, which ``SourceInfo`` then says.
        rate_hz: frames a second to ask for.
        lister: gives the cameras that are connected now; called on every ``open``, on the thread that opens.
        opener: opens a handle of :func:`opencv_handle`; ``cv2.VideoCapture`` but in tests.
    """

    live = True

    def __init__(
        self,
        device: DeviceInfo | str | int | None = None,
        size_wh: tuple[int, int] | None = None,
        rate_hz: float | None = None,
        lister: Callable[[], Sequence[DeviceInfo]] | None = None,
        opener: Callable[[Any, int], Capture] = cv2.VideoCapture,
    ) -> None:
        self.size_wh = size_wh
        self.rate_hz = rate_hz
        self.device = device if isinstance(device, DeviceInfo) else None
        self._wanted = device.stable_id if isinstance(device, DeviceInfo) else "" if device is None else str(device)
        self._lister = lister or list_cameras
        self._opener = opener
        self._reader: LiveReader[tuple[NDArray[np.uint8], float]] | None = None
        self._first: tuple[NDArray[np.uint8], float] | None = None
        self._granted_hz = 0.0
        self._next_index = 0
        self._started_s: float | None = None

    def open(self) -> SourceInfo:
        """Find the camera, open it, and wait for its first picture.

        Raises:
            SourceError: not connected, not allowed, in use, or silent.
        """
        self.close()
        listed = self._lister()
        self.device = device = self._find(listed)
        handle, backend = opencv_handle(device.stable_id, [camera.stable_id for camera in listed])
        self._check_access(handle)
        self._granted_hz = 0.0
        self._reader = LiveReader(
            f"camera {device.name}", lambda reader: self._grab_all(reader, handle, backend), newest=True
        )
        self._first = self._take(FIRST_PICTURE_S)
        if self._first is None:
            raise SourceError(f"Opening {device.name} was interrupted.", hint="Open it again.")
        image, captured_s = self._first
        if self._started_s is None:
            self._started_s = captured_s
        size_wh = (image.shape[1], image.shape[0])
        asked = self.size_wh is not None and size_wh != self.size_wh
        return SourceInfo(
            name=device.name,
            size_wh=size_wh,
            rate_hz=self._granted_hz or self.rate_hz or 0.0,
            live=True,
            detail=f"gives {size_wh[0]}x{size_wh[1]} instead of {self.size_wh[0]}x{self.size_wh[1]}"
            if asked and self.size_wh
            else "camera",
        )

    def read(self) -> Frame | None:
        """The newest picture, waiting for one; None when interrupted.

        Raises:
            SourceError: unplugged, stopped, or silent for two seconds; not permanent.
        """
        taken, self._first = self._first or self._take(SILENCE_S), None
        if taken is None:
            return None
        image, captured_s = taken
        assert self.device is not None
        assert self._started_s is not None
        index, self._next_index = self._next_index, self._next_index + 1
        return Frame(image, index, captured_s - self._started_s, captured_s, self.device.name)

    def interrupt(self) -> None:
        """Make a waiting ``read`` return None, and a waiting ``open`` raise."""
        reader = self._reader
        if reader is not None:
            reader.interrupt()

    def close(self) -> None:
        """Let go of the camera; when its driver hangs, as soon as that returns."""
        reader, self._reader, self._first = self._reader, None, None
        if reader is not None:
            reader.stop()

    def _take(self, timeout_s: float) -> tuple[NDArray[np.uint8], float] | None:
        assert self.device is not None
        if self._reader is None:
            return None
        try:
            return self._reader.take(timeout_s)
        except TimeoutError:
            raise SourceError(
                f"{self.device.name} has given no picture for {timeout_s:g} s.",
                hint="Unplug it and plug it in again, and close other programs that use it.",
                permanent=False,
            ) from None

    def _find(self, listed: Sequence[DeviceInfo]) -> DeviceInfo:
        """The wanted camera among those connected."""
        wanted = self._wanted
        if not wanted and listed:
            # From now on this very camera is meant, also when the default changes.
            chosen = next((camera for camera in listed if camera.is_default), listed[0])
            self._wanted = chosen.stable_id
            return chosen
        node = stable_id_of_node(Path(wanted)) if wanted.startswith("/dev/") else wanted
        for camera in listed:
            if camera.stable_id in (wanted, node):
                return camera
        same_name = [camera for camera in listed if camera.name.casefold() == wanted.casefold()]
        if len(same_name) == 1:
            self._wanted = same_name[0].stable_id
            return same_name[0]
        if wanted.isdecimal() or (wanted.startswith("/dev/") and Path(wanted).exists()):
            return DeviceInfo(wanted, f"Camera {wanted}" if wanted.isdecimal() else wanted)
        if not wanted and sys.platform != "linux":
            return DeviceInfo("0", "Camera 0")  # only Qt can list cameras there, and it was not asked
        name = self.device.name if self.device is not None else wanted
        raise SourceError(
            f"{name} is not connected." if name else "No camera is connected.",
            hint="Plug it in; 'scenescope devices' lists the cameras that are found."
            if name
            else "Plug one in, or try the demo camera.",
            permanent=False,
        )

    def _check_access(self, handle: str | int) -> None:
        assert self.device is not None
        if isinstance(handle, str) and Path(handle).exists() and not os.access(handle, os.R_OK | os.W_OK):
            raise SourceError(
                f"This user may not use {self.device.name} ({handle}).",
                hint=PERMISSION_HINTS["linux"],
                permanent=False,
            )

    def _grab_all(self, reader: LiveReader[tuple[NDArray[np.uint8], float]], handle: str | int, backend: int) -> None:
        """On the reader's thread: open the camera and hand over its pictures until nobody wants more."""
        assert self.device is not None
        name = self.device.name
        capture = self._opener(handle, backend)
        try:
            if not capture.isOpened():
                numbered = sys.platform == "linux" and self.device.stable_id.isdecimal()
                if numbered and not Path(f"/dev/video{handle}").exists():
                    raise SourceError(f"{name} is not connected.", hint="Plug it in.", permanent=False)
                raise SourceError(
                    f"{name} cannot be opened: another program uses it, or this one is not allowed to.",
                    hint=f"Close other programs that use it. {PERMISSION_HINTS.get(sys.platform, '')}".strip(),
                    permanent=False,
                )
            self._configure(capture, backend)
            while not reader.stopping:
                grabbed = capture.grab()
                captured_s = time.monotonic()
                good, image = capture.retrieve() if grabbed else (False, None)
                if not good or image is None or not image.size:
                    raise SourceError(
                        f"{name} was unplugged or stopped.",
                        hint="Plug it in again; it goes on by itself.",
                        permanent=False,
                    )
                reader.put((_as_bgr(image), captured_s))
        finally:
            capture.release()

    def _configure(self, capture: Capture, backend: int) -> None:
        if self.size_wh is not None:
            if backend == cv2.CAP_V4L2 and self.size_wh[0] * self.size_wh[1] > 640 * 480:
                # Uncompressed pictures of this size do not pass through USB 2 at full rate.
                capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self.size_wh[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self.size_wh[1])
        if self.rate_hz is not None:
            capture.set(cv2.CAP_PROP_FPS, self.rate_hz)
        self._granted_hz = max(capture.get(cv2.CAP_PROP_FPS), 0.0)


def _as_bgr(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Cameras of one channel give grey pictures."""
    if image.ndim == 2 or image.shape[2] == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.ascontiguousarray(image[:, :, :3], np.uint8)


def opencv_handle(stable_id: str, listed: Sequence[str], platform: str = sys.platform) -> tuple[str | int, int]:
    """What OpenCV calls the camera that Qt (or ``list_cameras``) calls ``stable_id``, and with which backend.

    - Linux: an id is a path under /dev, of which OpenCV's V4L2 backend takes the node itself. Numbers are not used:
      they change when a camera is plugged in again.
    - Windows: Qt lists what ``MFEnumDeviceSources`` gives, in that order (its ids are Media Foundation's symbolic
      links), and OpenCV's MSMF backend counts in the same enumeration. DirectShow counts in another one.
    - macOS: OpenCV's AVFoundation backend sorts the cameras by their unique id and counts in that order (since 4.7);
      Qt's ids are these unique ids, in another order.

    A stable id that is a number is such a count already. The backend is always named, as "any" may count differently.

    Args:
        stable_id: the camera.
        listed: the ids of all cameras connected now, in the order of the list.
        platform: as ``sys.platform``.
    """
    backend = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_MSMF, "darwin": cv2.CAP_AVFOUNDATION}.get(platform, cv2.CAP_ANY)
    if platform == "linux" and stable_id.startswith("/dev/"):
        return str(Path(stable_id).resolve()), backend
    ordered = sorted(listed) if platform == "darwin" else list(listed)
    if stable_id in ordered:
        return ordered.index(stable_id), backend
    return (int(stable_id) if stable_id.isdecimal() else stable_id), backend


def list_cameras(
    sysfs: Path = Path("/sys/class/video4linux"), links: Path = Path("/dev/v4l"), nodes: Path = Path("/dev")
) -> list[DeviceInfo]:
    """The cameras of a Linux computer, without Qt; elsewhere an empty list (``widgets.cameras`` lists them there).

    Nodes that do not capture (most cameras have a second one for metadata) are left out. Formats are not listed.
    """
    numbered = [entry for entry in sysfs.glob("video*") if entry.name[5:].isdecimal()] if sysfs.is_dir() else []
    cameras: list[DeviceInfo] = []
    for entry in sorted(numbered, key=lambda found: int(found.name[5:])):
        node = nodes / entry.name
        if _captures(node, entry):
            name = _first_line(entry / "name") or entry.name
            cameras.append(DeviceInfo(stable_id_of_node(node, links), name, is_default=not cameras))
    return cameras


def stable_id_of_node(node: Path, links: Path = Path("/dev/v4l")) -> str:
    """The path by which udev names the same device whenever and wherever it is plugged in; else the node's own.

    By-id names hold maker, model and serial number; of two alike without serial numbers only one has such a name, and
    the other is told by the port that it is plugged into.
    """
    target = node.resolve()
    for kind in ("by-id", "by-path"):
        folder = links / kind
        if folder.is_dir():
            for link in sorted(folder.iterdir()):
                if link.resolve() == target:
                    return str(link)
    return str(node)


def _captures(node: Path, entry: Path) -> bool:
    """Whether a node gives pictures, asked from the driver, or guessed from its number when it may not be opened."""
    try:
        import fcntl

        descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except (ImportError, OSError):
        return _first_line(entry / "index") in ("", "0")
    try:
        # struct v4l2_capability: 104 bytes, device_caps at 88.
        answer = fcntl.ioctl(descriptor, VIDIOC_QUERYCAP, bytes(104))
        return bool(int.from_bytes(answer[88:92], sys.byteorder) & V4L2_CAPTURE)
    except OSError:
        return _first_line(entry / "index") in ("", "0")
    finally:
        os.close(descriptor)


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
