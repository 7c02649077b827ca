"""Thirty model files are guessed; twenty-four at least must be right with no edits, and none may end the app."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from scenescope.models import ResultBatch
from scenescope.models.catalogue.guess import Guess, Guesser
from scenescope.models.catalogue.guess_score import photos

# Looked for, not imported: collecting the tests must not load them all.
NEEDED = ("torchvision", "tensorflow", "ultralytics", "transformers", "onnx")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} is not installed"),
]


@pytest.fixture
def guesser() -> Iterator[Guesser]:
    with Guesser() as made:
        yield made


def wrong(guess: Guess, truth: object) -> dict[str, object]:
    """What was guessed where it is not the truth."""
    if guess.problem:
        return {"problem": guess.problem}
    names = {"size_wh": "size"}
    found = {"labels": len(guess.card.labels) or _count(guess)}
    for field in ("runtime", "task", "architecture", "layout", "size_wh", "normalisation", "colour"):
        finding = guess.finding(names.get(field, field))
        found[field] = finding.value if finding else None
    return {key: value for key, value in found.items() if getattr(truth, key) not in (None, value)}


def _count(guess: Guess) -> int:
    """How many classes are counted, where they have no names: "19 numbers"."""
    labels = guess.finding("labels")
    return int(str(labels.value).split()[0]) if labels else 0


def _zoo() -> ModuleType:
    """The module beside this one; pytest imports test files alone."""
    spec = importlib.util.spec_from_file_location("model_zoo", Path(__file__).with_name("model_zoo.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["model_zoo"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_at_least_24_of_30_are_guessed_right(
    guesser: Guesser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = _zoo().zoo(tmp_path)
    assert len(made) == 30
    right, rows = 0, []
    for truth, path in made:
        guess = guesser.guess(path)
        errors = wrong(guess, truth)
        right += not errors
        if guess.card.input and not guess.problem:
            # And it runs.
            assert isinstance(guesser.infer(guess, photos()[0]), ResultBatch)
        said = guess.finding("task")
        sure = f"{said.confidence:.2f}" if said else "-"
        verdict = "WRONG" if errors else "right"
        rows.append(f"{verdict} {truth.file:15} {truth.task:22} {truth.architecture:15} {sure} {errors or ''}")
    with capsys.disabled():
        print("\n" + "\n".join(rows) + f"\n{right} of {len(made)} guessed right with no edits")
    assert right >= 24
