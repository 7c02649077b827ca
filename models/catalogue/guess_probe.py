"""Trying values and colours: which of them make a network's results make most sense."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue.guess_inputs import Likely, with_values
from scenescope.models.catalogue.guess_reading import Reading
from scenescope.models.catalogue.guess_score import mirrored, photos, sense
from scenescope.models.errors import ModelError
from scenescope.models.results import ResultBatch
from scenescope.models.vision.decoders import decoder_for
from scenescope.models.vision.inputs import InputSpec, prepare
from scenescope.models.vision.network import Network

__all__ = ["Probe", "chosen_values"]

Array = NDArray[Any]

TRIAL_S = 10.0
"""Time for trying values; what is not tried by then keeps what convention says."""
_SOME_SENSE = 0.15
_MOST_MIRRORED = 4
_TRUST_IN_SENSE = {"segmentation": 0.25, "heatmap-pose": 0.15}
"""A difference in sense that outweighs e : 1 in convention; areas and peaks are easily sure of nothing."""
_USUAL_TRUST = 0.07


@dataclass
class Probe:
    """Runs a network on the sample photos and remembers what came out.

    Attributes:
        network: in the trial process.
        name: of its input.
        card: as far as it is known; the decoders read labels and options from it.
    """

    network: Network
    name: str
    card: ModelCard
    _known: dict[tuple[InputSpec, int, bool], dict[str, Array]] = field(default_factory=dict)

    def outputs(self, spec: InputSpec, at: int, turned: bool = False) -> dict[str, Array]:
        """For one photo."""
        key = (spec, at, turned)
        if key not in self._known:
            image = mirrored(photos()[at]) if turned else photos()[at]
            self._known[key] = self.network.run({self.name: prepare(image, spec)[0]})
        return self._known[key]

    def results(self, spec: InputSpec, reading: Reading, turned: bool = False) -> list[ResultBatch]:
        """What a reading makes of every photo.

        Raises:
            ModelError: the decoder does not take these outputs.
        """
        labels = tuple(str(n) for n in range(reading.classes))
        card = replace(
            self.card, task=reading.task, architecture=reading.architecture, options=reading.options, labels=labels
        )
        first = self.outputs(spec, 0)
        decoder = decoder_for(card, spec, {name: np.zeros_like(value) for name, value in first.items()})
        found = []
        for at, photo in enumerate(photos()):
            image = mirrored(photo) if turned else photo
            found.append(decoder.decode(self.outputs(spec, at, turned), prepare(image, spec)[1], confidence=0.2))
        return found


def chosen_values(
    probe: Probe, spec: InputSpec, reading: Reading, likely: Mapping[tuple[str, str], Likely]
) -> Iterator[Likely]:
    """The (normalisation, colour) pairs after trial, the likeliest first; only those that ran."""
    order = sorted(likely, key=lambda pair: -likely[pair].confidence)
    deadline = time.monotonic() + TRIAL_S
    trust = _TRUST_IN_SENSE.get(reading.architecture, _USUAL_TRUST)
    scores: dict[tuple[str, str], float] = {}
    # Landmarks and descriptors are made for cut-out faces and hands; whole photos tell nothing about them.
    if len(order) > 1 and reading.architecture not in ("landmarks", "descriptor", "depth", "coordinate-pose"):
        first = _scored(probe, spec, reading, order, deadline, mirror=False)
        # The mirrored run costs as much again: only for the few that are likeliest now.
        worth = sorted(
            (pair for pair in first if first[pair] > _SOME_SENSE),
            key=lambda pair: -first[pair] / trust - float(np.log(likely[pair].confidence)),
        )[:_MOST_MIRRORED]
        second = _scored(probe, spec, reading, worth, deadline, mirror=True)
        # What was run twice is not compared with what was run once.
        whole = len(second) == len(worth)
        scores = {**{pair: 0.3 * score for pair, score in first.items()}, **second} if whole else first
    best = max(scores.values(), default=0.0)
    weight = {p: likely[p].confidence * float(np.exp((scores.get(p, 0.0) - best) / trust)) for p in order}
    total = sum(weight.values()) or 1.0
    for pair in sorted(order, key=lambda p: -weight[p]):
        why = likely[pair].why
        if (score := scores.get(pair, 0.0)) > _SOME_SENSE:
            most = "what it finds in sample photos makes most sense so"
            why = most if score == best else f"{why}, and what it finds in sample photos makes sense"
            why = f"{why} ({score:.2f} of 1)"
        yield Likely(pair, weight[pair] / total, why)


def _scored(
    probe: Probe,
    spec: InputSpec,
    reading: Reading,
    pairs: Sequence[tuple[str, str]],
    deadline: float,
    mirror: bool,
) -> dict[tuple[str, str], float]:
    """How much sense each pair makes; those for which time was left, and that ran."""
    pictures_wh = [(photo.shape[1], photo.shape[0]) for photo in photos()]
    scores: dict[tuple[str, str], float] = {}
    for pair in pairs:
        if time.monotonic() > deadline:
            break
        with contextlib.suppress(ModelError):
            values = with_values(spec, *pair)
            found = probe.results(values, reading)
            turned = probe.results(values, reading, turned=True) if mirror else []
            scores[pair] = sense(found, turned, pictures_wh)
    return scores
