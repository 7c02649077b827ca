"""PipelineSpec: the wish. The only thing that the window, files, undo and the assistant edit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scenescope.models import SpecError
from scenescope.pipelines.stage import params_problem

__all__ = ["PipelineSpec", "StageSpec"]

SCHEMA_VERSION = 1


class StageSpec(BaseModel):
    """One stage as it is wished: which kind, with which parameters.

    ``params`` are kept as written, also for a kind whose plugin is not installed, so that saving loses nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", description="Unique in the pipeline; names its results.")]
    kind: Annotated[str, Field(min_length=1, description="The stage's name, as 'scenescope stages list' shows it.")]
    enabled: bool = True
    params: dict[str, Any] = Field(default_factory=dict)


class PipelineSpec(BaseModel):
    """An ordered list of stages. Frozen: every edit makes a new one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(SCHEMA_VERSION, ge=1, le=SCHEMA_VERSION, description="Version of this file format.")
    name: str = Field("", description="Shown to people.")
    description: str = ""
    stages: tuple[StageSpec, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [stage.id for stage in self.stages]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"two stages have the id '{twice[0]}'")
        return self

    # Edits -------------------------------------------------------------------------------------------------------

    def stage(self, stage_id: str) -> StageSpec:
        """The stage with this id.

        Raises:
            SpecError: there is none.
        """
        return self.stages[self.position(stage_id)]

    def position(self, stage_id: str) -> int:
        """Where the stage with this id stands, from 0."""
        for position, stage in enumerate(self.stages):
            if stage.id == stage_id:
                return position
        raise SpecError(f"The pipeline has no stage '{stage_id}'.")

    def added(self, kind: str, params: dict[str, Any] | None = None, at: int | None = None) -> PipelineSpec:
        """With a new stage of ``kind`` before position ``at``, or at the end."""
        new = StageSpec(id=self.free_id(kind), kind=kind, params=dict(params or {}))
        at = len(self.stages) if at is None else at
        return self._with((*self.stages[:at], new, *self.stages[at:]))

    def removed(self, stage_id: str) -> PipelineSpec:
        """Without the stage."""
        at = self.position(stage_id)
        return self._with((*self.stages[:at], *self.stages[at + 1 :]))

    def moved(self, stage_id: str, to: int) -> PipelineSpec:
        """With the stage at position ``to`` of the new order."""
        stage = self.stage(stage_id)
        rest = [other for other in self.stages if other.id != stage_id]
        rest.insert(max(0, min(to, len(rest))), stage)
        return self._with(tuple(rest))

    def duplicated(self, stage_id: str) -> PipelineSpec:
        """With a copy of the stage right after it."""
        at = self.position(stage_id)
        copy = self.stages[at].model_copy(update={"id": self.free_id(self.stages[at].kind)})
        return self._with((*self.stages[: at + 1], copy, *self.stages[at + 1 :]))

    def enabled(self, stage_id: str, on: bool) -> PipelineSpec:
        """With the stage on or off."""
        return self._changed(stage_id, enabled=on)

    def with_params(self, stage_id: str, **values: Any) -> PipelineSpec:
        """With some parameters of the stage set."""
        return self._changed(stage_id, params={**self.stage(stage_id).params, **values})

    def free_id(self, kind: str) -> str:
        """``kind`` if no stage has that id, else ``kind-2``, ``kind-3``, ..."""
        base = re.sub(r"[^A-Za-z0-9_-]", "-", kind)
        taken = {stage.id for stage in self.stages}
        return next(i for n in range(1, len(taken) + 2) if (i := base if n == 1 else f"{base}-{n}") not in taken)

    def _changed(self, stage_id: str, **update: Any) -> PipelineSpec:
        at = self.position(stage_id)
        return self._with((*self.stages[:at], self.stages[at].model_copy(update=update), *self.stages[at + 1 :]))

    def _with(self, stages: tuple[StageSpec, ...]) -> PipelineSpec:
        return self.model_copy(update={"stages": stages})

    # Files -------------------------------------------------------------------------------------------------------

    def to_yaml(self) -> str:
        """The file's text."""
        text: str = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        return text

    @classmethod
    def from_yaml(cls, text: str, where: str = "The pipeline") -> PipelineSpec:
        """Read a file's text.

        Raises:
            SpecError: it is not YAML, or not a pipeline; the message names ``where`` and the first fault.
        """
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f" (line {mark.line + 1})" if mark else ""
            raise SpecError(f"{where} is not valid YAML{line}.", hint="Check its indentation and quotes.") from error
        if not isinstance(content, dict):
            raise SpecError(f"{where} is not a pipeline: it must hold 'stages:' with a list.")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise SpecError(f"{where} is not a pipeline: {params_problem(error)}.") from error

    def save(self, path: Path) -> None:
        """Write the file; an interrupted write leaves the old one whole."""
        scratch = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(self.to_yaml(), encoding="utf-8")
            scratch.replace(path)
        except OSError as error:
            raise SpecError(f"Cannot write {path}: {error.strerror}.", hint="Choose another folder.") from error

    @classmethod
    def load(cls, path: Path) -> PipelineSpec:
        """Read a file.

        Raises:
            SpecError: it is missing, unreadable, not text, or not a pipeline.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise SpecError(f"{path} is not a text file.") from error
        except OSError as error:
            raise SpecError(f"Cannot read {path}: {error.strerror}.") from error
        return cls.from_yaml(text, where=str(path))

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON Schema of the file, for editors that complete and check YAML."""
        schema = cls.model_json_schema()
        schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        schema["title"] = "Scenescope pipeline"
        return schema
