"""Files that a library runs by itself, or that need one to be a network at all: folders, checkpoints, bare weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenescope.models.catalogue.guess_derive import Derived, Finding
from scenescope.models.catalogue.guess_files import Facts, named_normalisation
from scenescope.models.catalogue.guess_trial import START_AND_OPEN_S, Trials
from scenescope.models.errors import ModelIncompatible
from scenescope.models.vision.runtimes import require
from scenescope.models.vision.ultralytics_results import TASKS

__all__ = ["describe_checkpoint", "describe_folder", "match_factory"]

_INSTANCES = ("instance-segmentation", "semantic-segmentation")


def describe_folder(facts: Facts, choices: Mapping[str, Any]) -> Derived:
    """A folder of transformers: its configuration says it all, and the library prepares the pictures."""
    require("transformers")
    why = facts.task_why
    tasks = _INSTANCES if facts.task in _INSTANCES else (facts.task,)
    task = str(choices.get("task", facts.task))
    findings = [
        Finding("runtime", facts.runtime, 0.99, facts.runtime_why, (facts.runtime,)),
        Finding("task", task, 1.0 if "task" in choices else 0.98, why, tasks, "task" in choices),
        Finding("architecture", facts.architecture, 0.98, "config.json says so (model_type)", (facts.architecture,)),
    ]
    for name, (value, confidence, said) in facts.ranges.items():
        findings.append(Finding(name, value, confidence, said, (value,)))
    if facts.labels:
        title = f"{len(facts.labels)} names in the file"
        findings.append(Finding("labels", title, 0.98, facts.labels_why, (title,)))
    facts.tried.append("read config.json and preprocessor_config.json")
    card = {"task": task, "architecture": facts.architecture, "runtime": facts.runtime, "labels": facts.labels}
    return Derived(card=card, findings=findings)


def describe_checkpoint(facts: Facts, trials: Trials) -> Derived:
    """A checkpoint that the user trusts: Ultralytics is asked, in the trial process.

    Raises:
        ModelError: it is none of Ultralytics', or the library is not installed.
    """
    require("ultralytics")
    facts.tried.append("opened by Ultralytics in the trial process")
    try:
        said, _ = trials.ask("ultralytics", facts.path.name, START_AND_OPEN_S, path=str(facts.path.resolve()))
    except ModelIncompatible as error:
        raise ModelIncompatible(
            f"{facts.path.name} is a checkpoint, but not one that Ultralytics can open: {error.user_message}",
            hint="Weights without a network cannot be run: export the network as ONNX, TorchScript or .pt2.",
        ) from error
    task = TASKS.get(said["task"], "")
    if not task:
        raise ModelIncompatible(f"{facts.path.name} is for the task '{said['task']}', which has no result here.")
    labels, size = tuple(said["names"]), said["imgsz"]
    size_wh = (size, size) if isinstance(size, int) else tuple(reversed(size))
    title = f"{len(labels)} names in the file"
    family = "detr" if said["head"] == "RTDETRDecoder" else "yolo"
    why = f"Ultralytics says so: its head is {said['head']}"
    findings = [
        Finding("runtime", "ultralytics", 0.99, facts.runtime_why, ("ultralytics",)),
        Finding("task", task, 0.99, why, (task,)),
        Finding("architecture", family, 0.99, why, (family,)),
        Finding("size", size_wh, 0.9, "it was trained with this size", (size_wh,)),
        Finding("colour", "RGB", 0.99, "Ultralytics prepares the picture", ("RGB",)),
        Finding("normalisation", "0..1", 0.99, "Ultralytics prepares the picture", ("0..1",)),
        Finding("labels", title, 0.99, "the file lists them", (title,)),
    ]
    card = {"task": task, "architecture": family, "runtime": "ultralytics", "labels": labels}
    return Derived(card=card, findings=findings)


def match_factory(facts: Facts, trials: Trials) -> None:
    """Find the network of torchvision that bare weights belong to, and put it into the facts.

    Raises:
        ModelError: there is none, or the library is not installed.
    """
    require("torchvision")
    shapes = {name: list(shape) for name, shape in facts.tensors.items()}
    name = facts.path.name
    facts.tried.append(f"compared its {len(shapes)} tensors with torchvision's networks")
    said, _ = trials.ask("factory", name, START_AND_OPEN_S, shapes=shapes, stem=facts.path.stem)
    found = said["match"]
    if found is None or found["share"] < 0.98 or not found["task"]:
        near = f" The nearest is {found['factory']}, of which {found['share']:.0%} fit." if found else ""
        raise ModelIncompatible(
            f"{name} holds weights only, and they belong to no network of torchvision for pictures.{near}",
            hint="Put the folder with its config.json here, or export the network as ONNX, TorchScript or .pt2.",
        )
    factory = found["factory"]
    facts.options = {"factory": factory}
    if found["classes"] is not None:
        facts.options["factory_options"] = {"num_classes": found["classes"]}
    facts.runtime_why = f"all its tensors are those of torchvision's {factory}"
    why = f"torchvision prepares pictures for {factory} so"
    if found["mean"]:
        facts.ranges["normalisation"] = (named_normalisation(found["mean"], found["std"]), 0.97, why)
    else:
        facts.ranges["normalisation"] = ("0..1", 0.95, f"{factory} does the rest itself")
    facts.ranges["colour"] = ("RGB", 0.98, why)
    if size := found["size"]:
        facts.ranges["size"] = ((size, size), 0.95, why)
        if found["task"] == "classification" and found["resize"]:
            facts.ranges["crop"] = (size / max(found["resize"], size), 0.95, why)
    facts.task, facts.task_why = found["task"], f"torchvision's {factory} is for it"
