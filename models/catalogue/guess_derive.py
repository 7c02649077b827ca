"""From a network that runs to a card: layout, size, meaning of the outputs, values, labels, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue.guess_files import Facts
from scenescope.models.catalogue.guess_inputs import (
    COLOURS,
    NORMALISATIONS,
    USUAL_SIZES,
    Likely,
    dtype_of,
    fits,
    layouts,
    likely_values,
    sizes,
    with_values,
)
from scenescope.models.catalogue.guess_labels import LabelSet, label_sets, names_of
from scenescope.models.catalogue.guess_outputs import readings
from scenescope.models.catalogue.guess_probe import Probe, chosen_values
from scenescope.models.catalogue.guess_reading import Reading, Seen
from scenescope.models.catalogue.guess_score import photos
from scenescope.models.errors import ModelError, ModelIncompatible
from scenescope.models.vision.inputs import InputSpec
from scenescope.models.vision.network import Network
from scenescope.models.vision.one_picture import of_one_picture

__all__ = ["TASKS_OF", "Derived", "Finding", "derive"]

FITS = ("letterbox", "letterbox top left", "stretch", "crop")
# Tasks that a decoder can be told to have; the first is the usual one.
TASKS_OF: dict[str, tuple[str, ...]] = {
    "yolo": ("detection", "instance-segmentation", "pose", "oriented-detection"),
    "nanodet": ("detection",),
    "ssd": ("detection",),
    "centernet": ("detection",),
    "detr": ("detection",),
    "classification": ("classification",),
    "segmentation": ("semantic-segmentation",),
    "matte": ("matte",),
    "movenet": ("pose",),
    "movenet-multi": ("pose",),
    "heatmap-pose": ("pose",),
    "coordinate-pose": ("pose",),
    "depth": ("depth",),
    "blazeface": ("face-detection",),
    "palm": ("palm-detection",),
    "landmarks": ("face-landmarks", "iris-landmarks", "hand-landmarks"),
    "descriptor": ("face-descriptor",),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was guessed.

    Attributes:
        field: "runtime", "task", "architecture", "boxes", "size", "layout", "colour", "normalisation", "dtype", "fit"
            or "labels".
        value: what is believed.
        confidence: 0..1; 1 for what the user has said.
        why: in words.
        choices: what else it could be, ``value`` among them.
        corrected: True when the user has said so.
    """

    field: str
    value: Any
    confidence: float
    why: str
    choices: tuple[Any, ...] = ()
    corrected: bool = False


@dataclass
class Derived:
    """Entries for the card, findings, and what went wrong."""

    card: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    problem: str = ""
    hint: str = ""


def derive(facts: Facts, network: Network, blank: ModelCard, choices: Mapping[str, Any], runtime: str) -> Derived:
    """All that can be guessed of a network in the trial process.

    Raises:
        ModelError: it cannot be run, or its outputs mean nothing that is known.
    """
    network = of_one_picture(network, facts.path.name)
    facts.metadata = {**facts.metadata, **dict(network.metadata)}
    probe = Probe(network, network.inputs[0].name, blank)
    layout, size, spec = _input(facts, network, probe, choices)
    found = _readings(facts, probe, spec, choices)
    reading = found[0]
    usual = USUAL_SIZES.get(reading.architecture)
    if size.confidence < 0.5 and "size" not in choices and usual and usual != spec.size_wh:
        spec, size = _at_usual_size(facts, probe, spec, reading, size, usual)
        found = _readings(facts, probe, spec, choices)
        reading = found[0]
    fit, padding, fitted = fits(reading)
    fit, fitted = _chosen_fit(facts, choices, fit, fitted)
    spec = replace(spec, fit=fit, padding=padding)  # type: ignore[arg-type]
    if fit == "crop":
        spec = replace(spec, crop_fraction=round(facts.ranges.get("crop", (0.875, 0, ""))[0], 4))
    values = _values(facts, probe, spec, reading, choices)
    spec = with_values(spec, *values[0].value)
    # With the right values the outputs may look different: fractions that were none, classes that were not there.
    again = [r for r in _readings(facts, probe, spec, choices) if r.architecture == reading.architecture]
    reading = next((r for r in again if r.task == reading.task), reading)
    labels = _labels(facts, reading, choices)
    facts.tried.append(f"ran it on {len(photos())} sample photos")
    options = {**facts.options, **reading.options}
    card = {
        "task": reading.task,
        "architecture": reading.architecture,
        "runtime": runtime,
        "input": spec.to_dict(),
        "labels": labels[0].names,
        "options": options,
    }
    findings = [
        _finding("runtime", runtime, 0.99, facts.runtime_why, _runtimes(facts.runtime), choices),
        *_of_reading(reading, found, choices),
        _finding("size", spec.size_wh, size.confidence, size.why, _other_sizes(network), choices),
        _finding("layout", spec.layout, layout.confidence, layout.why, ("NCHW", "NHWC"), choices),
        *_of_values(values, choices),
        _finding("dtype", spec.dtype, 0.99, "the file says so", (spec.dtype,), choices),
        _finding("fit", spec.fit, fitted.confidence, fitted.why, FITS, choices),
    ]
    if reading.classes or labels[0].names:
        titles = [one.title for one in labels]
        findings.append(_finding("labels", labels[0].title, labels[0].confidence, labels[0].why, titles, choices))
    return Derived(card, findings)


def _finding(
    name: str, value: Any, confidence: float, why: str, options: Sequence[Any], choices: Mapping[str, Any]
) -> Finding:
    every = tuple(dict.fromkeys([value, *options]))
    if name in choices:
        return Finding(name, value, 1.0, "you said so", every, True)
    return Finding(name, value, min(confidence, 0.99), why, every)


def _other_sizes(network: Network) -> tuple[tuple[int, int], ...]:
    """What the user may choose, where the network leaves a choice."""
    free = None in network.inputs[0].shape[1:]
    return tuple((side, side) for side in (128, 192, 224, 256, 320, 416, 512, 640)) if free else ()


def _runtimes(runtime: str) -> tuple[str, ...]:
    return ("onnxruntime", "opencv") if runtime == "onnxruntime" else (runtime,)


# The input ------------------------------------------------------------------------------------------------------------


def _input(
    facts: Facts, network: Network, probe: Probe, choices: Mapping[str, Any]
) -> tuple[Likely, Likely, InputSpec]:
    """The first layout and size that run."""
    info = network.inputs[0]
    candidates = layouts(info, facts.input_shape)
    if not candidates:
        raise ModelIncompatible(
            f"{facts.path.name} takes an input of {tuple(info.shape)}, which is not one picture with 1 or 3 channels.",
            hint="Export it again with an input of (1, 3, height, width) or (1, height, width, 3).",
        )
    if "layout" in choices:
        candidates = [c for c in candidates if c[0].value == choices["layout"]] or [
            (Likely(choices["layout"], 1.0, "you said so"), (None, None), 3)
        ]
    said = facts.metadata.get("imgsz")
    said = _pair(said) if isinstance(said, str) else said
    problem: ModelError | None = None
    for layout, free, channels in candidates:
        tries = sizes(free, said)
        if "size" in facts.ranges and None in free:
            tries.insert(0, Likely(*facts.ranges["size"]))
        if "size" in choices:
            tries = [Likely(tuple(choices["size"]), 1.0, "you said so")]
        for size in tries:
            spec = InputSpec(
                size_wh=size.value,
                layout=layout.value,
                colour="grey" if channels == 1 else "RGB",
                dtype=dtype_of(info),  # type: ignore[arg-type]
                fit="stretch",
            )
            spec = replace(spec, std=(1.0,)) if spec.dtype in ("uint8", "int32") else spec
            try:
                probe.outputs(spec, 0)
            except ModelError as error:
                problem = problem or error
                continue
            facts.tried.append(f"ran it on {size.value[0]} x {size.value[1]} pixels, {layout.value}")
            return layout, size, spec
    raise problem or ModelIncompatible(
        f"{facts.path.name} takes an input of {tuple(info.shape)}: no picture is so large."
    )


def _pair(said: str) -> Any:
    numbers = [int(n) for n in names_of(said) if n.isdecimal()]
    return numbers if len(numbers) == 2 else int(said) if said.isdecimal() else None


def _at_usual_size(
    facts: Facts, probe: Probe, spec: InputSpec, reading: Reading, size: Likely, usual: tuple[int, int]
) -> tuple[InputSpec, Likely]:
    larger = replace(spec, size_wh=usual)
    try:
        probe.outputs(larger, 0)
        probe.results(larger, reading)
    except ModelError:
        return spec, size
    facts.tried.append(f"ran it on {usual[0]} x {usual[1]} pixels as well")
    return larger, Likely(usual, 0.55, f"it takes several sizes; {reading.architecture} networks mostly have this one")


def _chosen_fit(facts: Facts, choices: Mapping[str, Any], fit: str, likely: Likely) -> tuple[str, Likely]:
    if "fit" in choices:
        return choices["fit"], Likely(choices["fit"], 1.0, "you said so")
    if "fit" in facts.ranges and fit != "crop":
        return facts.ranges["fit"][0], Likely(*facts.ranges["fit"])
    return fit, likely


def _values(facts: Facts, probe: Probe, spec: InputSpec, reading: Reading, choices: Mapping[str, Any]) -> list[Likely]:
    """Pairs of normalisation and colour, the likeliest first."""
    likely = likely_values(reading, spec, facts.metadata)
    for name, at in (("normalisation", 0), ("colour", 1)):
        if name in choices:
            likely = _fixed(likely, at, choices[name], 1.0, "you said so")
        elif name in facts.ranges and facts.ranges[name][0] in (*NORMALISATIONS, *COLOURS):
            likely = _fixed(likely, at, *facts.ranges[name])
    if spec.colour == "grey":
        likely = {(n, "grey"): replace(v, value=(n, "grey")) for (n, c), v in likely.items() if c == "RGB"}
    settled = max(v.confidence for v in likely.values()) / sum(v.confidence for v in likely.values()) > 0.9
    if settled:
        total = sum(v.confidence for v in likely.values())
        return sorted(
            (replace(v, confidence=v.confidence / total) for v in likely.values()), key=lambda v: -v.confidence
        )
    return list(chosen_values(probe, spec, reading, likely))


def _fixed(
    likely: Mapping[tuple[str, str], Likely], at: int, value: str, confidence: float, why: str
) -> dict[tuple[str, str], Likely]:
    """Only pairs with one value, or nearly only: of the others a little is left."""
    others: dict[str, float] = {}
    for pair, weight in likely.items():
        others[pair[1 - at]] = others.get(pair[1 - at], 0.0) + weight.confidence
    fixed: dict[tuple[str, str], Likely] = {}
    for other, weight_of_other in others.items():
        pair = (value, other) if at == 0 else (other, value)
        fixed[pair] = Likely(pair, confidence * weight_of_other, why)
    for pair, weight in likely.items():
        if pair not in fixed and confidence < 1:
            fixed[pair] = replace(weight, confidence=(1 - confidence) * weight.confidence)
    return fixed


def _of_values(values: Sequence[Likely], choices: Mapping[str, Any]) -> list[Finding]:
    """Findings about normalisation and colour: what is known of one adds up over the other."""
    findings = []
    for name, at, every in (("colour", 1, COLOURS), ("normalisation", 0, tuple(NORMALISATIONS))):
        best = values[0].value[at]
        confidence = sum(v.confidence for v in values if v.value[at] == best)
        options = () if best == "grey" else every
        findings.append(_finding(name, best, confidence, values[0].why, options, choices))
    return findings


# The outputs ----------------------------------------------------------------------------------------------------------


def _readings(facts: Facts, probe: Probe, spec: InputSpec, choices: Mapping[str, Any]) -> list[Reading]:
    """Readings that the decoders take and the choices allow, the likeliest first.

    Raises:
        ModelIncompatible: there is none; the message says what the outputs are.
    """
    outputs = [probe.outputs(spec, at) for at in range(len(photos()))]
    stem = facts.path.stem.lower()
    names = " ".join([stem, probe.name, *outputs[0]]).lower()
    count = len(names_of(facts.metadata.get("names"))) or len(facts.labels)
    seen = Seen(outputs, spec.size_wh, spec.layout, facts.metadata, names, count)
    found = readings(seen)
    if facts.task:
        found.sort(key=lambda r: (r.task != facts.task, -r.confidence))
    wanted = {key: choices[key] for key in ("task", "architecture", "boxes") if key in choices}
    fitting = [r for r in found if all(getattr(r, key) == value for key, value in wanted.items())]
    if wanted and not fitting:
        fitting = _forced(wanted, count)
    good = []
    for reading in [*fitting, *(r for r in found if r not in fitting)]:
        try:
            probe.results(spec, reading)
        except Exception as error:
            text = getattr(error, "user_message", "") or f"{type(error).__name__}: {error}"
            facts.tried.append(f"its outputs as {reading.architecture} ({reading.task}): {text}")
            continue
        good.append(reading)
    if not good or (fitting and good[0] not in fitting):
        shapes = ", ".join(f"{name} {value.shape}" for name, value in outputs[0].items())
        what = f"not for {' / '.join(str(v) for v in wanted.values())}" if wanted else "nothing that is known here"
        raise ModelIncompatible(
            f"{facts.path.name} runs, but its outputs mean {what}: {shapes[:300]}.",
            hint="Networks are known that give boxes, classes, areas, points or depth.",
        )
    return good


def _forced(wanted: Mapping[str, Any], count: int) -> list[Reading]:
    """What the user says that it is, where no rule says so."""
    return [
        Reading(task, architecture, "as its decoder takes them", 0.3, "you said so", {}, count)
        for architecture, tasks in TASKS_OF.items()
        for task in tasks
        if wanted.get("task", task) == task and wanted.get("architecture", architecture) == architecture
    ]


def _of_reading(reading: Reading, found: Sequence[Reading], choices: Mapping[str, Any]) -> list[Finding]:
    tasks = [*(r.task for r in found), *(task for tasks in TASKS_OF.values() for task in tasks)]
    same_task = [r for r in found if r.task == reading.task]
    known = [a for a, tasks_of in TASKS_OF.items() if reading.task in tasks_of]
    families = [*(r.architecture for r in same_task), *known]
    forms = [r.boxes for r in same_task if r.architecture == reading.architecture]
    # Of one task several readings may speak, and those of others against it.
    task_confidence = 1.0 - float(np.prod([1.0 - r.confidence for r in same_task]))
    task_confidence -= 0.5 * max([r.confidence - 0.4 for r in found if r.task != reading.task] + [0.0])
    return [
        _finding("task", reading.task, task_confidence, reading.why, tasks, choices),
        _finding("architecture", reading.architecture, reading.confidence, reading.why, families, choices),
        _finding("boxes", reading.boxes, reading.confidence, reading.why, forms, choices),
    ]


def _labels(facts: Facts, reading: Reading, choices: Mapping[str, Any]) -> list[LabelSet]:
    found = label_sets(facts, reading.classes)
    chosen = choices.get("labels")
    if isinstance(chosen, tuple | list):
        own = LabelSet(f"{len(chosen)} names of yours", tuple(str(name) for name in chosen), 1.0, "you said so")
        return [own, *found]
    best = [s for s in found if s.title == chosen] if chosen else []
    return [*best, *(s for s in found if s not in best)]
