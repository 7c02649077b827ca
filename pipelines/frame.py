"""One picture on its way through the pipeline, and what was found in it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from scenescope.models import ResultBatch, StageContractError

if TYPE_CHECKING:
    from scenescope.pipelines.spec import StageSpec

__all__ = ["Frame", "Result", "Stamp", "picture_problem"]

Image = NDArray[np.uint8]
Matrix = NDArray[np.float64]
R = TypeVar("R", bound=ResultBatch)
T = TypeVar("T")

IDENTITY: Matrix = np.eye(3)
IDENTITY.flags.writeable = False


@dataclass(frozen=True)
class Stamp:
    """Which captured picture something belongs to: frame ``index``, and ``captured_s`` on the monotonic clock."""

    index: int
    captured_s: float


@dataclass(frozen=True, eq=False)
class Result:
    """A result with where it came from.

    ``to_source`` maps the pixels it is measured in to those of the source picture; ``stamp`` names the captured
    picture it was found in, which for a side-lane stage is an older one than the frame that carries it.
    """

    value: ResultBatch
    to_source: Matrix
    stamp: Stamp


class _Derived:
    """Things computed once from one picture (a device tensor, a grey copy), shared by all frames that show it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._values: dict[Any, Any] = {}

    def get(self, key: Any, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._values:
                self._values[key] = make()
            value: T = self._values[key]
            return value


def picture_problem(image: Any) -> str | None:
    """What is wrong with a picture, as the end of a sentence ("float64 (480, 640)"); None when it is BGR uint8."""
    if not isinstance(image, np.ndarray):
        return type(image).__name__
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        return f"{image.dtype} {image.shape}"
    return None


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture with its place in time and the results of the stages so far. Never changed, only replaced.

    Attributes:
        image: read-only uint8 (H, W, 3), BGR.
        index: number of the picture in its source, from 0.
        pts_s: presentation time in seconds of media time; for live sources, seconds since the source opened.
        captured_s: when it was captured, on ``time.monotonic()``.
        source: name of the source, for people.
        results: what was found, by the id of the stage that found it, in pipeline order.
        to_source: float64 (3, 3), maps pixels of ``image`` to pixels of the source picture.
        edited: True once a stage has replaced the picture.
        hidden_by: the stages that have hidden what they are to hide, as they were wished.
    """

    image: Image
    index: int = 0
    pts_s: float = 0.0
    captured_s: float = 0.0
    source: str = ""
    results: Mapping[str, Result] = field(default_factory=lambda: MappingProxyType({}))
    to_source: Matrix = field(default_factory=lambda: IDENTITY)
    edited: bool = False
    source_size_wh: tuple[int, int] = (0, 0)
    hidden_by: tuple[StageSpec, ...] = ()
    _derived: _Derived = field(default_factory=_Derived, repr=False)

    def __post_init__(self) -> None:
        problem = picture_problem(self.image)
        if problem:
            raise StageContractError(problem)
        if self.image.flags.writeable:
            image = self.image.view()
            image.flags.writeable = False
            object.__setattr__(self, "image", image)
        if self.source_size_wh == (0, 0):
            object.__setattr__(self, "source_size_wh", self.size_wh)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of ``image`` in pixels."""
        height, width = self.image.shape[:2]
        return width, height

    @property
    def stamp(self) -> Stamp:
        """Index and capture time."""
        return Stamp(self.index, self.captured_s)

    def with_image(self, image: NDArray[Any], to_previous: Matrix | None = None) -> Self:
        """A frame that shows another picture.

        Args:
            image: uint8 (H, W, 3) BGR, or uint8 (H, W) grey, which becomes BGR.
            to_previous: float64 (3, 3), maps pixels of the new picture to pixels of this one. Needed when pixels have
                moved (crop, resize, rotation); without it the new picture must have the size of this one.

        Raises:
            StageContractError: the picture is not uint8, has no pixels, or changed its size without ``to_previous``.
        """
        if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 2 and image.size:
            image = np.repeat(image[:, :, None], 3, axis=2)
        problem = picture_problem(image)
        if problem:
            raise StageContractError(problem)
        if to_previous is None and image.shape != self.image.shape:
            raise StageContractError(
                f"a picture of {image.shape[1]}x{image.shape[0]} for one of {self.size_wh[0]}x{self.size_wh[1]} "
                "without saying where its pixels came from",
                hint="Pass to_previous to with_image.",
            )
        to_source = self.to_source if to_previous is None else self.to_source @ to_previous
        return replace(self, image=image, to_source=to_source, edited=True, _derived=_Derived())

    def with_result(self, name: str, value: ResultBatch, stamp: Stamp | None = None) -> Self:
        """A frame that also carries ``value``, measured in pixels of ``image``, under ``name``."""
        return self.with_results({name: Result(value, self.to_source, stamp or self.stamp)})

    def with_results(self, more: Mapping[str, Result]) -> Self:
        """A frame that also carries results made elsewhere, with the coordinates and stamps that they have."""
        return replace(self, results=MappingProxyType({**self.results, **more}))

    def result(self, name: str) -> ResultBatch | None:
        """The result called ``name`` in pixels of ``image``; None when there is none."""
        entry = self.results.get(name)
        return None if entry is None else self._seen_from(entry, self.to_source)

    def latest(self, kind: type[R]) -> tuple[str, R] | None:
        """Name and value of the last result that is a ``kind``, in pixels of ``image``; None when there is none."""
        for name in reversed(list(self.results)):
            if isinstance(self.results[name].value, kind):
                value = self.result(name)
                assert isinstance(value, kind)
                return name, value
        return None

    def in_source_pixels(self) -> Iterator[tuple[str, Result]]:
        """Every result, mapped to pixels of the source picture."""
        for name, entry in self.results.items():
            yield name, replace(entry, value=self._seen_from(entry, IDENTITY), to_source=IDENTITY)

    @staticmethod
    def _seen_from(entry: Result, to_source: Matrix) -> ResultBatch:
        if entry.to_source is to_source or np.array_equal(entry.to_source, to_source):
            return entry.value
        return entry.value.warped(np.linalg.inv(to_source) @ entry.to_source)

    def derived(self, key: Any, make: Callable[[], T]) -> T:
        """What ``make`` computes from this picture, computed once and shared: a device tensor, a grey copy."""
        return self._derived.get(key, make)
