"""Tools that edit the pipeline. Each makes a new spec out of the one there is; all else follows from the two."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import Field, JsonValue, model_validator

from scenescope.app.assistant.tools.goals import following, with_faces_blurred, with_faces_shown
from scenescope.app.assistant.tools.host import Host, zones_of
from scenescope.app.assistant.tools.plan import AppTool, Plan, ToolArgs, done, planned_tool
from scenescope.app.assistant.tools.privacy_risk import weakened
from scenescope.app.assistant.tools.take_back import edit_of, taken_back
from scenescope.app.assistant.words import joined
from scenescope.models import AssistantError
from scenescope.models.language import Risk
from scenescope.pipelines import PipelineSpec, Stage
from scenescope.pipelines.host import validated
from scenescope.pipelines.params import FileChoice
from scenescope.pipelines.scene_state import clean_text
from scenescope.pipelines.spec import StageSpec
from scenescope.pipelines.spec_diff import spec_diff, stage_title

__all__ = ["Labels", "edit_plan", "edit_tools"]

A = TypeVar("A", bound=ToolArgs)
Edit = Callable[[PipelineSpec], tuple[PipelineSpec, str]]
"""Makes a new pipeline and says what that does: "Remove 'Canny edges'"."""

MOST_STAGES = 60
MAX_VALUE_CHARS = 40

StageId = Annotated[str, Field(min_length=1, max_length=80, description="Id, kind or title of a stage.")]
Label = Annotated[str, Field(min_length=1, max_length=60)]
Labels = Annotated[tuple[Label, ...], Field(max_length=20, description="Classes of objects: person, dog, car.")]
Name = Annotated[str, Field(min_length=1, max_length=60)]
Plain = bool | int | float | Annotated[str, Field(max_length=200)] | None
Value = Plain | Annotated[list[Plain], Field(max_length=50)]


class SetStageEnabled(ToolArgs):
    stage_id: StageId
    enabled: Annotated[bool, Field(description="True switches it on, False off.")]


class _Placed(ToolArgs):
    before: Annotated[StageId | None, Field(description="Put it right before this stage.")] = None
    after: Annotated[StageId | None, Field(description="Put it right after this stage.")] = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.before is not None and self.after is not None:
            raise ValueError("give before or after, not both")
        return self


class AddStage(_Placed):
    kind: Annotated[str, Field(min_length=1, max_length=80, description="Kind of the stage, as the list says.")]
    params: Annotated[
        dict[Name, JsonValue], Field(max_length=20, description="Parameters that differ from the defaults.")
    ] = {}


class RemoveStage(ToolArgs):
    stage_id: StageId


class MoveStage(_Placed):
    stage_id: StageId
    to: Annotated[Literal["first", "last", "up", "down"] | None, Field(description="Where to, without a stage.")] = None

    @model_validator(mode="after")
    def _some_place(self) -> Self:
        if sum(place is not None for place in (self.before, self.after, self.to)) != 1:
            raise ValueError("give one of before, after and to")
        return self


class SetStageParam(ToolArgs):
    stage_id: StageId
    name: Annotated[str, Field(min_length=1, max_length=60, description="Name of the parameter.")]
    value: Annotated[Value, Field(description="Its new value.")]


class TrackClass(ToolArgs):
    labels: Annotated[Labels, Field(min_length=1)]


class BlurFaces(ToolArgs):
    on: Annotated[bool, Field(description="True hides faces, False shows them.")]


def edit_tools(host: Host, known_labels: Callable[[], tuple[str, ...]]) -> list[AppTool[Any]]:
    """The tools that edit the pipeline of ``host``; ``known_labels`` gives what its detector tells apart."""
    registry = host.registry

    def set_enabled(args: SetStageEnabled) -> Plan:
        def edit(spec: PipelineSpec) -> tuple[PipelineSpec, str]:
            stage = find_stage(host, spec, args.stage_id)
            verb = "Switch on" if args.enabled else "Switch off"
            return spec.enabled(stage.id, args.enabled), f"{verb} {_name(host, spec, stage)}"

        return edit_plan(host, edit)

    def add(args: AddStage) -> Plan:
        def edit(spec: PipelineSpec) -> tuple[PipelineSpec, str]:
            if len(spec.stages) >= MOST_STAGES:
                raise AssistantError(f"The pipeline has {len(spec.stages)} stages already.", hint="Remove some first.")
            kind = _kind(host, args.kind)
            at = _position(host, spec, args)
            title = f"Add '{stage_title(kind, registry)}'"
            if args.before is not None or args.after is not None:
                side = "before" if args.before is not None else "after"
                title += f" {side} {_name(host, spec, find_stage(host, spec, args.before or args.after or ''))}"
            changed = spec.added(kind, {}, at=at)
            new = next(stage for stage in changed.stages if stage not in spec.stages)
            for name, value in args.params.items():
                changed = _with_param(host, changed, new.id, name, value)
            return changed, title

        return edit_plan(host, edit)

    def remove(args: RemoveStage) -> Plan:
        def edit(spec: PipelineSpec) -> tuple[PipelineSpec, str]:
            stage = find_stage(host, spec, args.stage_id)
            return spec.removed(stage.id), f"Remove {_name(host, spec, stage)}"

        return edit_plan(host, edit)

    def move(args: MoveStage) -> Plan:
        def edit(spec: PipelineSpec) -> tuple[PipelineSpec, str]:
            stage = find_stage(host, spec, args.stage_id)
            name, at = _name(host, spec, stage), spec.position(stage.id)
            steps = {"first": (0, "to the front"), "last": (len(spec.stages), "to the end"),
                     "up": (max(at - 1, 0), "up"), "down": (at + 1, "down")}  # fmt: skip
            if args.to is not None:
                to, words = steps[args.to]
                return spec.moved(stage.id, to), f"Move {name} {words}"
            other = find_stage(host, spec, args.before or args.after or "")
            words = f"{'before' if args.before is not None else 'after'} {_name(host, spec, other)}"
            if other.id == stage.id:
                return spec, f"Move {name}"
            rest = spec.removed(stage.id)
            return spec.moved(stage.id, _position(host, rest, args) or 0), f"Move {name} {words}"

        return edit_plan(host, edit)

    def set_param(args: SetStageParam) -> Plan:
        def edit(spec: PipelineSpec) -> tuple[PipelineSpec, str]:
            stage = find_stage(host, spec, args.stage_id)
            changed = _with_param(host, spec, stage.id, args.name, args.value)
            value = clean_text(str(args.value).replace("_", " "), MAX_VALUE_CHARS) if args.value != "" else "nothing"
            return changed, f"Set {clean_text(args.name)} of {_name(host, spec, stage)} to {value}"

        return edit_plan(host, edit)

    def track(args: TrackClass) -> Plan:
        names = joined([clean_text(label) for label in args.labels])
        return edit_plan(
            host, lambda spec: (following(spec, args.labels, registry, known_labels()), f"Follow: {names}")
        )

    def blur(args: BlurFaces) -> Plan:
        if args.on:
            return edit_plan(host, lambda spec: (with_faces_blurred(spec, registry), "Blur faces"))
        return edit_plan(host, lambda spec: (with_faces_shown(spec), "Stop blurring faces"), "Faces would be seen.")

    automatic = Risk.AUTOMATIC_WITH_UNDO
    return [
        planned_tool(
            "set_stage_enabled", "Switch a stage of the pipeline on or off.", SetStageEnabled, automatic, set_enabled,
            ("switch off the [tracker]", "turn the [detector] on"),
        ),
        planned_tool(
            "set_stage_param", "Set one parameter of a stage, such as the confidence of the detector.",
            SetStageParam, automatic, set_param, ("set the confidence of the detector to [0.5]",),
        ),
        planned_tool(
            "add_stage",
            f"Add a stage to the pipeline, at the end unless told otherwise. Kinds: {', '.join(registry.names())}.",
            AddStage, automatic, add, ("add [edge detection] after the detector", "add a [Gaussian blur]"),
        ),
        planned_tool(
            "remove_stage", "Remove a stage from the pipeline.", RemoveStage, automatic, remove,
            ("remove the [edge detection]",),
        ),
        planned_tool(
            "move_stage", "Move a stage to another place of the pipeline.", MoveStage, automatic, move,
            ("move the [blur] to the front", "move the [tracker] after the detector"),
        ),
        planned_tool(
            "track_class", "Find and follow only objects of these classes; adds a detector and a tracker if needed.",
            TrackClass, automatic, track, ("track the [dog]", "follow [people and cars]"),
        ),
        planned_tool(
            "blur_faces", "Hide faces in the picture, or show them again.", BlurFaces, automatic, blur,
            ("blur faces", "stop blurring faces"),
        ),
    ]  # fmt: skip


# What all edits share ----------------------------------------------------------------------------------------------


def edit_plan(host: Host, edit: Edit, confirm: str = "") -> Plan:
    """The plan of an edit; ``confirm`` says why it must be confirmed whatever it does."""
    before = host.spec
    after, title = edit(before)
    if after == before:
        return Plan(title, lambda: done(f"{title}: that is so already."), Risk.AUTOMATIC_WITH_UNDO, idle=True)
    for stage in after.stages:
        if stage not in before.stages:
            validated(stage, host.registry)
    why = confirm or weakened(before, after, host.registry) or _lost_zones(before, after)

    def do() -> Any:
        host.apply(after, title, before)
        return done(f"{title}: done.")

    def undo() -> None:
        now = host.spec
        host.apply(taken_back(now, before, after), f"Undo: {title}", now)

    def undo_asks() -> str:
        now = host.spec
        since = "The pipeline was changed after it." if now != after else ""
        return weakened(now, taken_back(now, before, after), host.registry) or since

    return Plan(
        title=title,
        do=do,
        risk=Risk.MUST_CONFIRM if why else Risk.AUTOMATIC_WITH_UNDO,
        why=why,
        about=edit_of(before, after),
        undo=undo,
        undo_asks=undo_asks,
        lines=spec_diff(before, after, host.registry),
    )


def find_stage(host: Host, spec: PipelineSpec, name: str) -> StageSpec:
    """The one stage that is meant by its id, else by its kind or title.

    Raises:
        AssistantError: there is none, or there are several.
    """
    for stage in spec.stages:
        if stage.id == name:
            return stage
    wanted = _key(name)
    found = [
        stage
        for stage in spec.stages
        if wanted in (_key(stage.id), _key(stage.kind), _key(stage_title(stage.kind, host.registry)))
    ]
    if len(found) == 1:
        return found[0]
    ids = ", ".join(stage.id[:MAX_VALUE_CHARS] for stage in (found or spec.stages)[:20])
    if found:
        raise AssistantError(f"Several stages could be meant by '{clean_text(name)}'.", hint=f"Say one of: {ids}.")
    hint = f"It has: {ids}." if ids else "It has no stages yet."
    raise AssistantError(f"The pipeline has no stage '{clean_text(name)}'.", hint=hint)


def _kind(host: Host, name: str) -> str:
    """The kind that is meant, by its name or its title."""
    names = host.registry.names()
    wanted = _key(name)
    found = next((kind for kind in names if _key(kind) == wanted), None)
    found = found or next((kind for kind in names if _key(stage_title(kind, host.registry)) == wanted), None)
    if found is not None:
        host.registry.get(found)
        return found
    near = difflib.get_close_matches(name.casefold(), names, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "The list of stages says what there is."
    raise AssistantError(f"There is no stage called '{clean_text(name)}'.", hint=hint)


def _key(text: str) -> str:
    return " ".join(text.casefold().replace("_", " ").replace("-", " ").split())


def _name(host: Host, spec: PipelineSpec, stage: StageSpec) -> str:
    """'Hide', and with its id where two stages are called so."""
    title = stage_title(stage.kind, host.registry)
    twice = sum(stage_title(other.kind, host.registry) == title for other in spec.stages) > 1
    return f"'{title}' ({stage.id[:MAX_VALUE_CHARS]})" if twice else f"'{title}'"


def _position(host: Host, spec: PipelineSpec, args: _Placed) -> int | None:
    if args.before is not None:
        return spec.position(find_stage(host, spec, args.before).id)
    if args.after is not None:
        return spec.position(find_stage(host, spec, args.after).id) + 1
    return None


def _with_param(host: Host, spec: PipelineSpec, stage_id: str, name: str, value: Any) -> PipelineSpec:
    """With a parameter set, as the stage itself understands the value.

    Raises:
        ScenescopeError: there is no such parameter, it does not take the value, or it names a file.
    """
    stage = spec.stage(stage_id)
    cls = host.registry.get(stage.kind)
    fields: dict[str, Any] = cls.Params.model_fields
    field = next((known for known in fields if _key(known) == _key(name)), None)
    if field is None:
        names = ", ".join(fields) or "none"
        raise AssistantError(
            f"'{stage_title(stage.kind, host.registry)}' has no parameter '{clean_text(name)}'.",
            hint=f"Its parameters: {names}.",
        )
    if value not in (None, "") and _names_a_file(cls, field):
        raise AssistantError(
            f"'{field}' is a file, and files are chosen by you alone.", hint="Choose it in the form of the stage."
        )
    changed = cls.validated({**stage.params, field: value}).model_dump(mode="json")
    if field in stage.params and stage.params[field] == changed[field]:
        return spec
    if field not in stage.params and cls.validated(stage.params).model_dump(mode="json")[field] == changed[field]:
        return spec
    return spec.with_params(stage_id, **{field: changed[field]})


def _names_a_file(cls: type[Stage], field: str) -> bool:
    info = cls.Params.model_fields[field]
    types = (info.annotation, *get_args(info.annotation))
    marked = any(isinstance(mark, FileChoice) for mark in info.metadata)
    return marked or any(isinstance(one, type) and issubclass(one, Path) for one in types)


def _lost_zones(before: PipelineSpec, after: PipelineSpec) -> str:
    left = _drawn(after)
    gone = [name for stage_id, name in _drawn(before) if (stage_id, name) not in left]
    return f"What was drawn would be gone: {joined([clean_text(name) for name in gone[:5]])}." if gone else ""


def _drawn(spec: PipelineSpec) -> list[tuple[str, str]]:
    """Names of zones and lines, with the stage that has them."""
    one_each = [spec.model_copy(update={"stages": (stage,)}) for stage in spec.stages]
    return [(one.stages[0].id, name) for one in one_each for name in zones_of(one).names]
