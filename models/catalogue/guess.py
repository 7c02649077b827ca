"""Drop a model, it runs: what a file of the user's is, guessed from what it says, its shapes, and a trial run.

Nothing is opened in this process: parsers here read descriptions only, and networks run in the trial process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from scenescope.models.cards import ModelCard
from scenescope.models.catalogue.guess_derive import Derived, Finding, derive
from scenescope.models.catalogue.guess_files import Facts, facts_of, is_model
from scenescope.models.catalogue.guess_trial import TrialNetwork, Trials
from scenescope.models.catalogue.guess_whole import describe_checkpoint, describe_folder, match_factory
from scenescope.models.catalogue.risk import risk_of
from scenescope.models.catalogue.trust import require_trust
from scenescope.models.errors import ModelRefused, ScenescopeError
from scenescope.models.results import ResultBatch
from scenescope.models.vision.base import Image, VisionModel, open_model
from scenescope.models.vision.decoders import decoder_for
from scenescope.models.vision.inputs import InputSpec, prepare
from scenescope.models.vision.one_picture import of_one_picture

__all__ = ["Finding", "Guess", "Guesser", "guess", "is_model", "with_choice"]

# What is guessed anew when the user corrects something else.
_DEPENDENT = {"task": ("architecture", "boxes", "labels"), "architecture": ("boxes",), "layout": ("size",)}


@dataclass(frozen=True)
class Guess:
    """What is believed of a file.

    Attributes:
        path: of the file or folder.
        card: with which it can be used; not usable while there is a ``problem``.
        findings: what was guessed, with the confidence of each.
        tried: what was looked for and done, in words.
        problem: a sentence when the file is not understood, cannot be run, or is refused; empty otherwise.
        hint: what to do about the problem.
        refused: True when the file can run code and nobody has said that it may.
        choices: what the user has corrected, by field.
    """

    path: Path
    card: ModelCard
    findings: tuple[Finding, ...] = ()
    tried: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""
    refused: bool = False
    choices: Mapping[str, Any] = field(default_factory=dict)

    def finding(self, name: str) -> Finding | None:
        """The finding about a field; None when there is none."""
        return next((finding for finding in self.findings if finding.field == name), None)


class Guesser:
    """Guesses, takes corrections and shows results; keeps the trial process between. Close it, or use it with "with".

    Attributes:
        trials: the trial process; set ``trials.cancelled`` to end what is being done.
    """

    def __init__(self, trials: Trials | None = None) -> None:
        self.trials = trials or Trials()
        self._open: tuple[Any, TrialNetwork] | None = None
        self._loaded: tuple[ModelCard, VisionModel] | None = None

    def __enter__(self) -> Guesser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the trial process, and release a model that was loaded for a preview."""
        self.trials.close()
        self._open = None
        self._unload()

    def guess(self, path: Path, choices: Mapping[str, Any] | None = None) -> Guess:
        """What a file or folder is. Never raises for what is in it: the guess has a ``problem`` then.

        Args:
            path: of the file or folder.
            choices: what is known better, by field: ``{"task": "depth"}``.
        """
        facts = facts_of(path)
        chosen = dict(choices or {})
        blank = _blank_card(facts)
        try:
            derived = self._derived(facts, chosen)
        except ModelRefused as error:
            return self._failed(facts, chosen, error.user_message, error.hint, refused=True)
        except ScenescopeError as error:
            return self._failed(facts, chosen, error.user_message, error.hint)
        except Exception as error:
            # Whatever a strange file makes of a parser or a rule: the app goes on.
            text = f"{path.name} could not be guessed ({type(error).__name__}: {str(error).strip()[:200]})."
            return self._failed(facts, chosen, text, "This is a bug in Scenescope: please report it, with the file.")
        return Guess(
            path,
            replace(blank, **derived.card),
            tuple(derived.findings),
            tuple(facts.tried),
            derived.problem or facts.problem,
            derived.hint,
            choices=chosen,
        )

    def with_choice(self, guess: Guess, name: str, value: Any) -> Guess:
        """The guess with one field corrected; what depends on it is guessed and tried anew.

        Args:
            guess: as it was.
            name: of the field.
            value: one of the finding's ``choices``; for "labels" also a tuple of names.
        """
        return self.guess(guess.path, self.corrected(guess, name, value))

    @staticmethod
    def corrected(guess: Guess, name: str, value: Any) -> dict[str, Any]:
        """The choices of a guess with one more, without those that depend on it."""
        kept = {key: old for key, old in guess.choices.items() if key not in _DEPENDENT.get(name, ())}
        return {**kept, name: value}

    def infer(self, guess: Guess, image: Image, **options: Any) -> ResultBatch:
        """What the network finds in a picture, uint8 (H, W, 3) BGR.

        Raises:
            ScenescopeError: it cannot be run.
        """
        card = guess.card
        if not card.input:
            return self._model(card).infer([image], **options)[0]
        network = of_one_picture(self._network(card.runtime, guess.path, card.options), guess.path.name)
        spec = InputSpec.from_dict(card.input, card.title)
        tensor, geometry = prepare(image, spec)
        outputs = network.run({network.inputs[0].name: tensor})
        # The same outputs show their shapes: another run on zeros tells no more.
        return decoder_for(card, spec, outputs).decode(outputs, geometry, **options)

    def _derived(self, facts: Facts, choices: dict[str, Any]) -> Derived:
        if facts.problem:
            return Derived(problem=facts.problem)
        if facts.runtime == "ultralytics":
            require_trust(facts.path, risk_of(facts.path) or "It is a pickle, which can run any code while it loads")
            return describe_checkpoint(facts, self.trials)
        if facts.runtime == "transformers":
            if risk := risk_of(facts.path):
                require_trust(facts.path, risk)
            return describe_folder(facts, choices)
        if facts.runtime == "torchvision":
            match_factory(facts, self.trials)
        runtime = str(choices.get("runtime", facts.runtime))
        network = self._network(runtime, facts.path, facts.options)
        return derive(facts, network, _blank_card(facts), choices, runtime)

    def _network(self, runtime: str, path: Path, options: Mapping[str, Any]) -> TrialNetwork:
        """Opened in the trial process, unless it is open there."""
        about = path.stat()
        given = {key: options[key] for key in ("factory", "factory_options", "signature", "backend") if key in options}
        # A file that the user has come to trust is opened anew, and so is one that has changed.
        key = (runtime, path, about.st_mtime_ns, about.st_size, repr(given), self.trials.generation)
        if self._open is None or self._open[0] != key:
            self._open = None
            network = TrialNetwork(self.trials, runtime, path, given)
            self._open = ((*key[:-1], self.trials.generation), network)
        return self._open[1]

    def _model(self, card: ModelCard) -> VisionModel:
        """A whole model of a library's, loaded in this process."""
        if self._loaded is None or self._loaded[0] != card:
            self._unload()
            model = open_model(card)
            model.load()
            self._loaded = (card, model)
        return self._loaded[1]

    def _unload(self) -> None:
        if self._loaded is not None:
            self._loaded[1].close()
        self._loaded = None

    def _failed(self, facts: Facts, choices: dict[str, Any], problem: str, hint: str, refused: bool = False) -> Guess:
        return Guess(
            facts.path,
            _blank_card(facts),
            tried=tuple(facts.tried),
            problem=problem,
            hint=hint,
            refused=refused,
            choices=choices,
        )


def guess(path: Path) -> Guess:
    """What a file or folder is: see :meth:`Guesser.guess`."""
    with Guesser() as guesser:
        return guesser.guess(path)


def with_choice(guess: Guess, name: str, value: Any) -> Guess:
    """The guess with one field corrected: see :meth:`Guesser.with_choice`."""
    with Guesser() as guesser:
        return guesser.with_choice(guess, name, value)


def _blank_card(facts: Facts) -> ModelCard:
    """What is known before anything is guessed."""
    path = facts.path
    about = facts.metadata
    return ModelCard(
        name=path.stem or path.name,
        title=path.stem.replace("_", " ") or path.name,
        summary=str(about.get("description", ""))[:200],
        task="",
        architecture=facts.architecture,
        runtime=facts.runtime,
        file=path.name,
        sha256="",
        licence=_licence(str(about.get("license", ""))),
        source="a file of the user's",
        upstream=str(about.get("author", "")),
        origin="local",
        folder=path.parent,
    )


def _licence(said: str) -> str:
    """The name alone: of "AGPL-3.0 License (https://...)" the part before "License"."""
    return said.partition(" License")[0].partition(" (")[0].strip()[:60]
