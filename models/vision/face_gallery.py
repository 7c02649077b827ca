"""A gallery of people who agreed to be recognised: descriptors of their faces in one local file, no pictures."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.catalogue import current
from scenescope.models.errors import ModelError
from scenescope.models.people import Faces
from scenescope.models.results import Detections
from scenescope.models.vision.base import VisionModel, open_model
from scenescope.models.vision.crops import angle_of, infer_crop, turned_square
from scenescope.models.vision.decoders.descriptor import Descriptors
from scenescope.models.vision.faces import find_faces
from scenescope.models.vision.inputs import InputSpec, warped
from scenescope.models.vision.tensor_model import TensorModel

__all__ = ["UNKNOWN", "FaceGallery", "FaceReader", "Sample", "current_gallery", "describe", "face_crop"]

Image = NDArray[np.uint8]

UNKNOWN = "unknown"
_FILE = "faces.json"
# A face with forehead and chin: of 1.0 to 2.0 times the box, this set the same face under other light, turned, mirrored
# and smaller (least cosine 0.87) furthest apart from other faces (most 0.46).
_CROP_SCALE = 1.4


def face_crop(faces: Detections, row: int, size_wh: tuple[int, int]) -> NDArray[np.float64]:
    """The map from a square crop to the picture, float64 (3, 3); with level eyes where they are :class:`Faces`."""
    angle = angle_of(*faces.points_xy[row, :2]) if isinstance(faces, Faces) else 0.0
    return turned_square(faces.center_xy[row], float(faces.size_wh[row].max()) * _CROP_SCALE, angle, size_wh)


def describe(network: TensorModel, image: Image, faces: Detections) -> NDArray[np.float32]:
    """A descriptor for each face, float32 (N, D), of length 1.

    Args:
        network: loaded, of the task "face-descriptor".
        image: uint8 (H, W, 3) BGR.
        faces: with boxes that are not cut off at the border.
    """
    rows = []
    for row in range(len(faces)):
        found = infer_crop(network, image, face_crop(faces, row, network.spec.size_wh))
        assert isinstance(found, Descriptors)
        rows.append(found.vector[0])
    return np.array(rows, np.float32)


class FaceReader:
    """Faces of one picture, to choose one from and enrol it. Loads its networks when they are first needed.

    Args:
        faces: name of the network that finds faces.
        network: name of the one that describes them.
    """

    def __init__(self, faces: str = "blazeface_short_range_128", network: str = "face_embedding_faceres_224") -> None:
        self._names = (faces, network)
        self._networks: dict[str, VisionModel] = {}

    def find(self, image: Image, size_px: int = 128) -> tuple[Detections, list[Image]]:
        """Faces, the largest first, and a square picture of each, uint8 (size_px, size_px, 3) BGR. Describes nobody."""
        faces = find_faces(self._network(self._names[0]), image, 0.5, clip=False)
        faces = faces[np.argsort(-faces.size_wh.prod(axis=1), kind="stable")]
        spec = InputSpec((size_px, size_px))
        return faces, [warped(image, spec, face_crop(faces, row, spec.size_wh))[0] for row in range(len(faces))]

    def sample(self, image: Image, face: Detections) -> Sample:
        """The descriptor of one face, a single row of what :meth:`find` found in this picture."""
        network = self._network(self._names[1])
        assert isinstance(network, TensorModel)
        return Sample(self._names[1], describe(network, image, face)[0])

    def close(self) -> None:
        """Release the networks."""
        for network in self._networks.values():
            network.close()
        self._networks = {}

    def _network(self, name: str) -> VisionModel:
        if name not in self._networks:
            network = open_model(current().card(name))
            network.load()
            self._networks[name] = network
        return self._networks[name]


@dataclass(frozen=True, eq=False)
class Sample:
    """One descriptor, float32 (D,) of length 1, and the name of the network it came from: others make other ones."""

    network: str
    vector: NDArray[np.float32]


People = dict[str, tuple[Sample, ...]]


class FaceGallery:
    """People by name, each with one or more samples. May be used from several threads.

    Every change is written at once, to a file that only its owner may read; what is deleted is gone from the file. A
    change that another process makes to the file is seen.

    Args:
        path: of the file; None keeps everything in memory only.

    Raises:
        ModelError: (by every method) the file cannot be read or written. A damaged one is set aside first, so that
            the next call begins with an empty gallery.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._people: People = {}
        self._seen: tuple[int, int] | None = None

    def people(self) -> People:
        """Everybody and their samples, by name in order of the alphabet."""
        with self._lock:
            self._refresh()
            return dict(sorted(self._people.items(), key=lambda item: item[0].casefold()))

    def add(self, name: str, *samples: Sample) -> None:
        """Enrol somebody, or add samples to somebody enrolled."""
        name = self._valid(name)
        if samples:
            with self._lock:
                self._refresh()
                self._write({**self._people, name: (*self._people.get(name, ()), *samples)})

    def rename(self, old: str, new: str) -> None:
        """Call somebody by another name; a name that exists gets the samples of both."""
        new = self._valid(new)
        with self._lock:
            self._refresh()
            if new != old and old in self._people:
                rest = {name: samples for name, samples in self._people.items() if name != old}
                self._write({**rest, new: (*rest.get(new, ()), *self._people[old])})

    def delete(self, name: str) -> tuple[Sample, ...]:
        """Remove somebody, and return the samples that there were."""
        with self._lock:
            self._refresh()
            samples = self._people.get(name, ())
            self._write({other: kept for other, kept in self._people.items() if other != name})
            return samples

    def clear(self) -> None:
        """Remove everybody, the file, and files that were set aside as damaged."""
        with self._lock:
            self._people, self._seen = {}, None
            if self.path is not None:
                try:
                    for path in self.path.parent.glob(f"{self.path.name}*"):
                        path.unlink()
                except OSError as error:
                    raise self._failed("deleted", error) from error

    def match(
        self, vectors: NDArray[np.float32], network: str, threshold: float, margin: float
    ) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.float32]]:
        """Who the faces are.

        Args:
            vectors: descriptors (N, D), of length 1.
            network: the name of the one they came from.
            threshold: the least cosine similarity with a sample of the person.
            margin: by how much the likeliest person must be likelier than the next.

        Returns:
            The names, and for each face the index of its name, -1 for nobody, and the similarity to the likeliest.
        """
        people = self.people()
        names = tuple(people)
        alike = np.full((len(vectors), len(names)), -1.0, np.float32)
        for at, samples in enumerate(people.values()):
            fitting = (s for s in samples if s.network == network and s.vector.shape == vectors.shape[1:])
            known = [sample.vector for sample in fitting]
            if known and len(vectors):
                alike[:, at] = (vectors @ np.array(known).T).max(axis=1)
        if not names or not len(vectors):
            return names, np.full(len(vectors), -1, np.int64), np.zeros(len(vectors), np.float32)
        ranked = np.sort(np.hstack([alike, np.full((len(alike), 1), -1.0, np.float32)]), axis=1)
        best, second = ranked[:, -1], ranked[:, -2]
        sure = (best >= threshold) & (best - second >= margin)
        return names, np.where(sure, alike.argmax(axis=1), -1), best

    # The file -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _valid(name: str) -> str:
        name = " ".join(name.split())
        if not name or name.casefold() == UNKNOWN or len(name) > 80:
            raise ModelError(
                f"'{name}' cannot be the name of a person.", hint=f"Give a name of 1 to 80 letters, not '{UNKNOWN}'."
            )
        return name

    def _refresh(self) -> None:
        """Read the file if it is not the one that was read or written last."""
        if self.path is None:
            return
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._people, self._seen = {}, None
            return
        except OSError as error:
            raise self._failed("read", error) from error
        if (status.st_mtime_ns, status.st_ino) == self._seen:
            return
        self._people = {}
        try:
            self._people = _decoded(self.path.read_bytes())
        except OSError as error:
            raise self._failed("read", error) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            aside = self.path.with_name(f"{self.path.name}.damaged")
            self.path.replace(aside)
            raise ModelError(
                f"The face gallery {self.path} is damaged and was set aside as {aside.name}; nobody is enrolled now.",
                hint="Enrol the people again, or put a copy of the file in its place.",
                permanent=False,
            ) from error
        self._seen = (status.st_mtime_ns, status.st_ino)

    def _write(self, people: People) -> None:
        if self.path is not None:
            beside = self.path.with_name(f"{self.path.name}.new")
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                beside.unlink(missing_ok=True)
                # Only its owner may read it, from the first byte on.
                with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(_encoded(people))
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(self.path)
                status = self.path.stat()
            except OSError as error:
                with contextlib.suppress(OSError):
                    beside.unlink(missing_ok=True)
                raise self._failed("written", error) from error
            self._seen = (status.st_mtime_ns, status.st_ino)
        self._people = people

    def _failed(self, done: str, error: OSError) -> ModelError:
        return ModelError(
            f"The face gallery {self.path} cannot be {done}: {error.strerror or error}.",
            hint="Look at the permissions of the folder and at the space that is left.",
            permanent=False,
        )


def _encoded(people: People) -> bytes:
    content = {
        name: [
            {"network": sample.network, "vector": base64.b64encode(sample.vector.astype("<f4").tobytes()).decode()}
            for sample in samples
        ]
        for name, samples in people.items()
    }
    return json.dumps({"version": 1, "people": content}, indent=1, ensure_ascii=False).encode()


def _decoded(content: bytes) -> People:
    people: dict[str, Any] = json.loads(content)["people"]
    return {name: tuple(_sample(entry) for entry in entries) for name, entries in people.items()}


def _sample(entry: dict[str, str]) -> Sample:
    vector = np.frombuffer(base64.b64decode(entry["vector"], validate=True), "<f4").astype(np.float32)
    if not len(vector) or not np.isfinite(vector).all():
        raise ValueError("not a descriptor")
    return Sample(entry["network"], vector)


_galleries: dict[Path | None, FaceGallery] = {}
_galleries_lock = threading.Lock()


def current_gallery() -> FaceGallery:
    """The gallery in the folder of the catalogue in use, one for the whole process; without a folder, in memory."""
    folder = current().folder
    path = None if folder is None else folder / _FILE
    with _galleries_lock:
        return _galleries.setdefault(path, FaceGallery(path))
