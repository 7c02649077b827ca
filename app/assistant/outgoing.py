"""Outgoing: the only way by which pictures leave, and what is decided before they do.

A picture goes to another computer only if the user has agreed to that host, and while sending is not paused; that is
made sure again every time that it is sent, by how far the host is then. Faces are blurred and the picture is coded
anew, without anything that came with its file; what is sent is noted first. Whatever cannot be made sure keeps the
picture here.

What was read or seen in pictures goes as words where pictures may go. Other words need no consent: what the detector
reports and what the user asks go to the server that the user has chosen. The pause holds back pictures, what was seen
in them, and what would be sent without having been asked for, also if it is words alone.
"""

from __future__ import annotations

import hashlib
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.app.assistant.consent import CONSENT, PAUSED, Consent, ConsentNeeded, endpoint_of, is_here
from scenescope.models import AssistantError, ScenescopeError
from scenescope.models.language import Picture, Reach, wider
from scenescope.models.language.server.endpoint import Endpoint
from scenescope.pipelines.log.talk import EgressRecord
from scenescope.pipelines.look_ring import LONGEST_PX, jpeg_of
from scenescope.widgets.settings import Settings

__all__ = ["CONSENT", "PAUSED", "ConsentNeeded", "FaceFinder", "Faces", "Outgoing", "Passage", "Sent"]

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


@dataclass(frozen=True)
class Sent:
    """The last picture that was sent, as it was sent: to whom and when, Unix time."""

    host: str
    picture: Picture
    wall_s: float


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
        store: where it is kept what the user has agreed to, and whether sending is paused.
        record: told of everything that leaves this computer, before it does; where it fails, nothing is sent.
        faces: finds the faces that are blurred.
        wall_clock: Unix time.
    """

    def __init__(
        self,
        store: Settings,
        record: Callable[[EgressRecord], None],
        *,
        faces: Faces | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._consent = Consent(store)
        self._record = record
        self._faces = faces or FaceFinder()
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._passages: weakref.WeakSet[Passage] = weakref.WeakSet()
        self._sent: Counter[str] = Counter()
        self._last: Sent | None = None

    # What the user decides ---------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """True while no picture leaves this computer, whatever was agreed to, nor words that nobody asked for."""
        return self._consent.paused

    @paused.setter
    def paused(self, on: bool) -> None:
        self._consent.paused = on
        self.recall()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that the user has agreed to, in ASCII, sorted."""
        return self._consent.hosts

    def agree(self, address: str, reach: Reach) -> None:
        """The user agrees to send pictures to a host that is so far away, by a click.

        Raises:
            AssistantError: this is no address.
        """
        self._consent.agree(address, reach)

    def withdraw(self, address: str) -> None:
        """The user no longer agrees to send pictures to a host."""
        self._consent.withdraw(address)
        self.recall()

    def recall(self) -> None:
        """Stop sending what may not be sent any more. At once."""
        with self._lock:
            passages = list(self._passages)
        for passage in passages:
            passage.recall()

    def refuse_if_paused(self, address: str, reach: Reach) -> None:
        """Let nothing pass to another computer while sending is paused; the arguments are those of :meth:`prepare`.

        Raises:
            AssistantError: it is paused.
        """
        self._consent.refuse_if_paused(endpoint_of(address) if address else None, reach)

    # What leaves -------------------------------------------------------------------------------------------------

    def prepare(
        self,
        pictures: Sequence[Picture],
        address: str,
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
            address: who would get them; "" for a model of ours on this computer.
            reach: how far that is.
            purpose: what for, for the list of what was sent.
            preview: where the user has not agreed, make ready what would be sent, so that it can be shown.

        Raises:
            ConsentNeeded: the user has not agreed to that host as it is now.
            AssistantError: sending is paused, or a picture cannot be made fit to be sent.
        """
        endpoint = endpoint_of(address) if address else None
        if is_here(endpoint, reach):
            return tuple(_coded(_image(picture), picture) for picture in pictures)
        if endpoint is None:
            raise AssistantError("It is not known where the pictures would go, so none was sent.")
        what = "a picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
        try:
            self._consent.check(endpoint, reach, what)
        except ConsentNeeded as needed:
            if preview:
                needed.pictures = tuple(map(self._fit, pictures))
            raise
        fit = tuple(map(self._fit, pictures))
        # It was decided while faces were looked for, perhaps.
        self._consent.check(endpoint, reach, what)
        if fit:
            self._go(endpoint, reach, fit, purpose)
        return fit

    def passage(self, pictures: Sequence[Picture], address: str, reach: Reach, purpose: str = "look") -> Passage:
        """Lets pictures that were prepared, and so noted once, go out; the arguments are those of :meth:`prepare`."""
        passage = Passage(self, tuple(pictures), endpoint_of(address) if address else None, reach, purpose)
        with self._lock:
            self._passages.add(passage)
        return passage

    def tell(self, words: str, address: str, reach: Reach, purpose: str = "look") -> None:
        """Let words that were read or seen in pictures go where pictures may, which is noted as if it were done.

        Raises:
            ConsentNeeded: the user has not agreed to that host as it is now.
            AssistantError: sending is paused, or it cannot be noted.
        """
        endpoint = endpoint_of(address) if address else None
        if is_here(endpoint, reach):
            return
        if endpoint is None:
            raise AssistantError("It is not known where the words would go, so none was sent.")
        what = "what was read or seen in pictures"
        self._consent.check(endpoint, reach, what)
        self._note(endpoint, reach, 0, len(words.encode()), f"{purpose}, as words")
        self._consent.check(endpoint, reach, what)

    def go_on(self, passage: Passage, reach: Reach, *, note: bool) -> None:
        """Let the pictures of a passage be sent to where they would go now; noted where they had not been.

        Raises:
            AssistantError: they may not, or it cannot be noted.
        """
        endpoint = passage.endpoint
        if is_here(endpoint, reach):
            return
        if endpoint is None:
            raise AssistantError("It is not known where the pictures would go, so none was sent.")
        self._consent.check(endpoint, reach, "pictures")
        if note:
            self._go(endpoint, reach, passage.pictures, f"{passage.purpose}, again")

    def _go(self, endpoint: Endpoint, reach: Reach, fit: tuple[Picture, ...], purpose: str) -> None:
        size = sum(len(picture.jpeg) for picture in fit)
        hashes = tuple(hashlib.sha256(picture.jpeg).hexdigest() for picture in fit)
        self._note(endpoint, reach, len(fit), size, purpose, hashes)
        # Decided while it was noted, perhaps: rather noted and not sent than sent all the same.
        self._consent.check(endpoint, reach, "pictures")
        with self._lock:
            self._sent[endpoint.host] += len(fit)
            self._last = Sent(endpoint.host, fit[-1], self._wall_clock())

    def _note(
        self, endpoint: Endpoint, reach: Reach, pictures: int, size: int, purpose: str, hashes: tuple[str, ...] = ()
    ) -> None:
        where = reach.name.lower().replace("_", " ")
        record = EgressRecord(self._wall_clock(), endpoint.host, where, pictures, size, purpose, hashes)
        try:
            self._record(record)
        except Exception as error:
            raise AssistantError(
                f"What is sent cannot be noted ({error}), so it was not sent.",
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


class Passage:
    """Lets the pictures of one request leave this computer: a :class:`~scenescope.models.language.Clearance`.

    Args:
        outgoing: decides.
        pictures: as they were prepared.
        endpoint: where they go; None for this program.
        reach: how far that was when they were prepared.
        purpose: what for.
    """

    def __init__(
        self, outgoing: Outgoing, pictures: tuple[Picture, ...], endpoint: Endpoint | None, reach: Reach, purpose: str
    ) -> None:
        self.pictures, self.endpoint, self.purpose = pictures, endpoint, purpose
        self._outgoing = outgoing
        self._reach = reach
        self._asked = False
        self._stop: Callable[[AssistantError], None] | None = None

    def ask(self, reach: Reach) -> None:
        """Before the pictures are sent; what was not noted when they were prepared is now.

        Raises:
            AssistantError: they may not go there, or not any more.
        """
        note = self._asked or wider(reach, self._reach)
        self._asked, self._reach = True, reach
        self._outgoing.go_on(self, reach, note=note)

    def on_recall(self, stop: Callable[[AssistantError], None]) -> None:
        """Have it ended once the pictures may not go any more."""
        self._stop = stop

    def recall(self) -> None:
        """End it, if the pictures may not go any more."""
        try:
            self._outgoing.go_on(self, self._reach, note=False)
        except AssistantError as why:
            if self._stop is not None:
                self._stop(why)


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
