"""Outgoing: the only way by which pictures leave, and what is decided before they do.

A picture goes to another computer only if the user has agreed to that host, and while sending is not paused. Faces are
blurred and the picture is coded anew, without anything that came with its file; what is sent is noted first. Whatever
cannot be made sure keeps the picture here.

Words need no consent: what the detector reports and what the user asks go to the server that the user has chosen. The
pause holds back pictures, and what would be sent without having been asked for, also if it is words alone.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import AssistantError, ScenescopeError
from scenescope.models.language import Picture, Reach
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.pipelines.log.talk import EgressRecord
from scenescope.pipelines.look_ring import LONGEST_PX, jpeg_of

__all__ = ["CONSENT", "PAUSED", "ConsentNeeded", "FaceFinder", "Faces", "Outgoing", "Sent", "host_of"]

CONSENT = "assistant.consent"
PAUSED = "assistant.sending_paused"

# Rather too many faces than too few: those of the sample photos have 0.7 or more, and much that is none has 0.2.
CONFIDENCE = 0.4
TILES = 3
# On each side, of the longer side of a box.
MARGIN = 0.3
# Left of a face along its longer side.
CELLS = 5
FACE_NETWORK = "blazeface_short_range_128"

Image = NDArray[np.uint8]
Faces = Callable[[Image], NDArray[Any]]
"""Boxes (N, 4) of the faces in a picture, as left, top, right, bottom in pixels. Raises when it cannot look."""


class Store(Protocol):
    """Where consent is kept: the settings."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key."""
        ...

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        ...


class ConsentNeeded(AssistantError):
    """The user has not agreed to send pictures to a host. Nothing was sent.

    Attributes:
        host: where they would go, in ASCII.
        reach: how far that is.
        pictures: what would be sent, as it would be sent; empty where nobody is to be shown it.
    """

    def __init__(self, host: str, reach: Reach, count: int, pictures: tuple[Picture, ...] = ()) -> None:
        what = "a picture" if count == 1 else f"{count} pictures"
        super().__init__(
            f"You have not agreed to send {what} to {host}, so none was sent.",
            hint="Agree when you are asked, without a window by --send-pictures; or choose a model on this computer.",
        )
        self.host = host
        self.reach = reach
        self.pictures = pictures


@dataclass(frozen=True)
class Sent:
    """The last picture that was sent, as it was sent: to whom and when, Unix time."""

    host: str
    picture: Picture
    wall_s: float


def host_of(text: str) -> str:
    """The host of an address, one form for all ways to write it: ASCII, lower case, without port, path and brackets.

    Raises:
        AssistantError: there is no host in it.
    """
    url = text.strip()
    if "://" not in url:
        bare = url.strip("[]")
        try:
            url = f"http://[{ipaddress.IPv6Address(bare)}]"
        except ValueError:
            url = f"http://{url}"
    return Endpoint(url).host


class FaceFinder:
    """Finds faces with the bundled network, which is loaded when it is needed first. Any thread; one call at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._network: Any = None

    def __call__(self, image: Image) -> NDArray[Any]:
        """Boxes (N, 4) of the faces in a picture, also of those that its border cuts.

        Raises:
            ModelError: the network cannot be loaded.
        """
        from scenescope.models.catalogue import current
        from scenescope.models.vision.base import open_model
        from scenescope.models.vision.faces import find_faces
        from scenescope.models.vision.placement import LoadOptions

        with self._lock:
            if self._network is None:
                network = open_model(current().card(FACE_NETWORK))
                network.load(LoadOptions(device="cpu"))
                self._network = network
            return find_faces(self._network, image, CONFIDENCE, TILES, clip=False).xyxy

    def close(self) -> None:
        """Let the network go; it is loaded again when it is needed again."""
        with self._lock:
            network, self._network = self._network, None
        if network is not None:
            network.close()


class Outgoing:
    """Decides what may be sent where, makes it fit to be sent, and keeps count. Safe to use from any thread.

    Args:
        store: where the hosts that the user has agreed to are kept, and whether sending is paused.
        record: told of everything that leaves this computer, before it does; where it fails, nothing is sent.
        faces: finds the faces that are blurred.
        wall_clock: Unix time.
    """

    def __init__(
        self,
        store: Store,
        record: Callable[[EgressRecord], None],
        *,
        faces: Faces | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._record = record
        self._faces = faces or FaceFinder()
        self._wall_clock = wall_clock
        self._lock = threading.RLock()
        self._sent: Counter[str] = Counter()
        self._last: Sent | None = None

    # What the user decides ---------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """True while no picture leaves this computer, whatever was agreed to, nor words that nobody asked for."""
        kept = self._store.get(PAUSED)
        # Anything else than a plain no is a yes.
        return not (kept is None or kept is False)

    @paused.setter
    def paused(self, on: bool) -> None:
        with self._lock:
            self._store.set(PAUSED, bool(on))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that the user has agreed to, in ASCII, sorted."""
        kept = self._store.get(CONSENT)
        return tuple(sorted({host for host in kept if isinstance(host, str)})) if isinstance(kept, list) else ()

    def consent(self, host: str, on: bool) -> None:
        """The user agrees, or no longer agrees, to send pictures to a host, over whatever port and path.

        Raises:
            AssistantError: this is no host.
        """
        name = host_of(host)
        with self._lock:
            others = [one for one in self.hosts if one != name]
            self._store.set(CONSENT, sorted([*others, name] if on else others))

    def refuse_if_paused(self, endpoint_host: str, reach: Reach) -> None:
        """Let nothing pass to another computer while sending is paused; the arguments are those of :meth:`prepare`.

        Raises:
            AssistantError: it is paused.
        """
        if self.paused and not _is_here(host_of(endpoint_host) if endpoint_host else "", reach):
            raise AssistantError(
                "Sending is paused, so nothing was sent.", hint="Go on sending (Ctrl+Shift+B), and ask again."
            )

    # What leaves -------------------------------------------------------------------------------------------------

    def prepare(
        self,
        pictures: Sequence[Picture],
        endpoint_host: str,
        reach: Reach,
        purpose: str = "look",
        *,
        preview: bool = False,
    ) -> tuple[Picture, ...]:
        """Pictures as they may be sent, which is noted as if it were done. May take a second; not for the GUI thread.

        To this computer, ``reach`` and a host that is this computer under any network, they are only coded anew. A
        host that happens to be here, but is not so by its name, is treated as elsewhere.

        Args:
            pictures: what a model is to look at.
            endpoint_host: who would get them; "" for a model of ours on this computer.
            reach: how far that is.
            purpose: what for, for the list of what was sent.
            preview: where the user has not agreed, make ready what would be sent, so that it can be shown.

        Raises:
            ConsentNeeded: the user has not agreed to that host.
            AssistantError: sending is paused, or a picture cannot be made fit to be sent.
        """
        host = host_of(endpoint_host) if endpoint_host else ""
        if _is_here(host, reach):
            return tuple(_coded(_image(picture), picture) for picture in pictures)
        if not host:
            raise AssistantError("It is not known where the pictures would go, so none was sent.")

        def refuse(shown: Sequence[Picture] = ()) -> None:
            self.refuse_if_paused(host, reach)
            if host not in self.hosts:
                raise ConsentNeeded(host, reach, len(pictures), tuple(map(self._fit, shown)))

        refuse(pictures if preview else ())
        fit = tuple(map(self._fit, pictures))
        # It was decided while faces were looked for, perhaps.
        refuse()
        if fit:
            self._note(host, reach, fit, purpose)
            # Or while it was noted: rather noted and not sent than sent all the same.
            refuse()
            with self._lock:
                self._sent[host] += len(fit)
                self._last = Sent(host, fit[-1], self._wall_clock())
        return fit

    def _note(self, host: str, reach: Reach, fit: tuple[Picture, ...], purpose: str) -> None:
        size = sum(len(picture.jpeg) for picture in fit)
        hashes = tuple(hashlib.sha256(picture.jpeg).hexdigest() for picture in fit)
        where = reach.name.lower().replace("_", " ")
        try:
            self._record(EgressRecord(self._wall_clock(), host, where, len(fit), size, purpose, hashes))
        except Exception as error:
            raise AssistantError(
                f"What is sent cannot be noted ({error}), so no picture was sent.",
                hint="See that the disk has room and the event log can be written to.",
            ) from error

    def _fit(self, picture: Picture) -> Picture:
        return _coded(self._without_faces(_image(picture)), picture)

    def _without_faces(self, image: Image) -> Image:
        try:
            boxes = np.asarray(self._faces(image), np.float64).reshape(-1, 4)
            return _blurred(image, boxes)
        except Exception as error:
            why = error.user_message if isinstance(error, ScenescopeError) else f"{type(error).__name__}: {error}"
            raise AssistantError(
                f"Faces cannot be looked for, so no picture was sent: {why.rstrip('.')}.",
                hint="Choose a model on this computer, or install Scenescope again.",
            ) from error

    # What left ---------------------------------------------------------------------------------------------------

    @property
    def sent(self) -> Mapping[str, int]:
        """How many pictures went to each host since the program started."""
        with self._lock:
            return MappingProxyType(dict(self._sent))

    @property
    def last(self) -> Sent | None:
        """The last picture that was sent."""
        return self._last


def _is_here(host: str, reach: Reach) -> bool:
    return reach is Reach.THIS_COMPUTER and (not host or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    """Whether a host is this computer under any network. RFC 6761, 6.3 for the name."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _image(picture: Picture) -> Image:
    """The pixels alone, uint8 (H, W, 3) BGR, upright, at most 512 along the longer side."""
    try:
        image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise AssistantError(f"Picture {picture.frame_index} is damaged, so no picture was sent.", hint="Ask again.")
    height, width = image.shape[:2]
    scale = LONGEST_PX / max(width, height)
    if scale < 1:
        size_wh = max(round(width * scale), 1), max(round(height * scale), 1)
        image = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(image, np.uint8)


def _coded(image: Image, picture: Picture) -> Picture:
    data, size_wh = jpeg_of(image)
    return Picture(data, picture.frame_index, picture.pts_s, size_wh)


def _blurred(image: Image, boxes: NDArray[np.float64]) -> Image:
    """A copy that keeps no more than a few coarse cells of each box and what is around it."""
    out = image.copy()
    height, width = image.shape[:2]
    if not np.isfinite(boxes).all():
        raise ValueError("a face is nowhere")
    for left, top, right, bottom in boxes.tolist():
        longer = max(right - left, bottom - top)
        more = MARGIN * longer
        x1, y1 = max(int(left - more), 0), max(int(top - more), 0)
        x2, y2 = min(int(np.ceil(right + more)), width), min(int(np.ceil(bottom + more)), height)
        if x2 <= x1 or y2 <= y1:
            continue
        # Of the whole box, also where it lies outside the picture: half a face gets half the cells.
        cell_px = max((longer + 2 * more) / CELLS, 1.0)
        cells = max(round((x2 - x1) / cell_px), 1), max(round((y2 - y1) / cell_px), 1)
        coarse = cv2.resize(image[y1:y2, x1:x2], cells, interpolation=cv2.INTER_AREA)
        out[y1:y2, x1:x2] = cv2.resize(coarse, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
    return out
