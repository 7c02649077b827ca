"""Turn: one question or order, from the user's words to the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from scenescope.app.assistant.asked import Asked
from scenescope.app.assistant.checks import Facts as Known
from scenescope.app.assistant.checks import check
from scenescope.app.assistant.gate import TurnGate
from scenescope.app.assistant.ledger import Ledger
from scenescope.app.assistant.looking import (
    cleared,
    evidence_of_pictures,
    look_result,
    pictures_for,
    telling,
    timed,
)
from scenescope.app.assistant.message_book import NOT_WHOLE, UNCHECKED, MessageBook
from scenescope.app.assistant.nearest import Near, told_of
from scenescope.app.assistant.orders import Order, OrderContext, Unclear, parse_order
from scenescope.app.assistant.parts import Parts
from scenescope.app.assistant.rules import RulesProvider
from scenescope.app.assistant.tools.registry import Toolbox
from scenescope.models import ScenescopeError
from scenescope.models.language import (
    Change,
    Done,
    Evidence,
    Failed,
    LanguageModel,
    Message,
    MessageKind,
    Proposal,
    Request,
    Role,
    StreamEvent,
    TextDelta,
    ToolCall,
    ToolResult,
    media_time,
)
from scenescope.pipelines.sampler import Reason
from scenescope.pipelines.scene_state import SceneState, clean_text

__all__ = ["YOU", "Turn"]

YOU = "You"
MAX_EVIDENCE = 8
MAX_SUGGESTIONS = 4
MAX_TOLD_CHARS = 80


class Turn:
    """Works out the answer to one question, or carries out one order. ``run`` once, on a thread that may wait.

    What the rules understand whole they answer, since then it is exact; and an order is carried out by itself only if
    the rules understand it whole. The rest goes to the model, if there is one. Only what asks for no more than a
    description is left to a model that can look.

    Args:
        parts: what the assistant works with.
        rules: the built-in rules.
        model: who answers; the rules themselves when no model was chosen.
        looker: who can look at pictures.
        ledger: takes changes and proposals.
        book: takes the answer as it grows.
        asked: the question's message.
        asked_before: what whoever answers was asked before.

    Attributes:
        model: as given; may be another one as long as it has not begun.
    """

    def __init__(
        self,
        parts: Parts,
        rules: RulesProvider,
        model: LanguageModel,
        looker: Callable[[], LanguageModel | None],
        ledger: Ledger,
        book: MessageBook,
        asked: Message,
        asked_before: Asked,
    ) -> None:
        self._parts = parts
        self._rules = rules
        self.model = model
        self._looker = looker
        self._ledger = ledger
        self._book = book
        self._asked = asked
        self._asked_before = asked_before
        self._cancelled = threading.Event()
        self._shown: Message | None = None

    def cancel(self) -> None:
        """End it soon: what was said so far stays. Any thread."""
        self._cancelled.set()
        self.model.cancel()

    def failed(self, problem: str, hint: str = "") -> Message:
        """Say that there is no answer, or that it broke off."""
        shown = self._shown
        if shown is not None and (shown.text.strip() or shown.changes or shown.proposals):
            return self._put(replace(shown, doing="", notes=(problem, NOT_WHOLE), hint=hint))
        failed = self._message("", self.model.label) if shown is None else shown
        return self._put(replace(failed, kind=MessageKind.ERROR, text=problem, hint=hint, doing=""))

    def run(self, undo: Callable[[], tuple[Change, str] | None]) -> Message:
        """The answer, after it was told.

        Args:
            undo: takes back what was done last, and says what that was; or why it needs a click, and was left.
        """
        question, scene = self._asked.text, self._parts.observer.state
        before = () if self._is_suggested else self._asked_before.before(self.model, question)
        try:
            if self._rules.understands(question, scene) and not self._is_for_eyes(question, scene):
                return self._by(self._rules, Request(Role.ANSWER, scene, question), checked=True)
            context = self._parts.orders() if self._parts.orders is not None else None
            order = parse_order(question, context) if context is not None else None
            if isinstance(order, Unclear) and context is not None and not (order.sought and self._has_tools):
                suggestions = order.suggestions or self._near(question, scene, context).suggestions
                says, evidence = self._found(order)
                return self._put(replace(self._message(says), suggestions=suggestions, evidence=evidence))
            if isinstance(order, Order):
                return self._ordered(order, undo)
            if self._is_for_eyes(question, scene):
                return self._by_looking(question, scene)
            if self.model is self._rules:
                return self._not_understood(question, scene, context)
            if not self._has_tools:
                return self._by_looking(question, scene)
            return self._with_tools(question, scene, before)
        except ScenescopeError as error:
            return self.failed(error.user_message, error.hint)

    def _is_for_eyes(self, question: str, scene: SceneState) -> bool:
        """A look says more than the rules do."""
        return self._rules.is_open(question, scene) and self._looker() is not None

    @property
    def _is_suggested(self) -> bool:
        """The question was clicked, not typed: it may hold names that others gave to a class, a zone or a file."""
        return any(self._asked.text in message.suggestions for message in self._book.messages)

    # Ways to answer ----------------------------------------------------------------------------------------------

    def _ordered(self, order: Order, undo: Callable[[], tuple[Change, str] | None]) -> Message:
        if order.undo:
            return self._put(replace(self._undoing(undo()), checked=True))
        toolbox = self._toolbox()
        if toolbox is None:
            return self.failed("There is nothing here that could be changed.")
        gate = TurnGate(toolbox, self._ledger)
        made = gate.command(order.calls)
        said = [one.text for one in made if isinstance(one, ToolResult)]
        if any(isinstance(one, Proposal) for one in made):
            said.append("This needs your click:")
        message = replace(self._message(" ".join(filter(None, said)) or order.says), checked=True)
        return self._put(self._with_gate(message, gate))

    def _undoing(self, undone: tuple[Change, str] | None) -> Message:
        if undone is None:
            hint = "Ctrl+Z undoes what you did yourself."
            return replace(self._message("I have changed nothing that could be undone."), hint=hint)
        change, why = undone
        if not why:
            return self._message(f"Undone: {change.title}.")
        asks = self._message(f"This is undone with a click on Undo: {change.title}. {why}")
        return replace(asks, changes=(change,))

    @property
    def _has_tools(self) -> bool:
        """Somebody answers who can look things up, and propose what to do."""
        return self.model is not self._rules and Role.ANSWER in self.model.roles

    def _found(self, order: Unclear) -> tuple[str, tuple[Evidence, ...]]:
        """Why an order is unclear; for a moment that no stage tells, also where captions and marks speak of it."""
        knowledge = self._parts.knowledge
        if not order.sought or knowledge is None:
            return order.says, ()
        knowledge.flush()
        hits = told_of(order.sought, knowledge)
        if not hits:
            return f"{order.says} No caption or mark speaks of it.", ()
        told = "; ".join(f"{media_time(hit.t_s)} '{clean_text(hit.text, MAX_TOLD_CHARS)}'" for hit in hits)
        evidence = tuple(knowledge.evidence_at(hit.frame, hit.t_s, hit.track_id, hit.event_id) for hit in hits)
        return f"{order.says} Nearest among captions and marks: {told}.", evidence

    def _near(self, question: str, scene: SceneState, context: OrderContext) -> Near:
        return self._parts.nearest().to(question, context, self._rules.examples(scene))

    def _not_understood(self, question: str, scene: SceneState, context: OrderContext | None) -> Message:
        """What the rules say to it, and the nearest things that can be asked and ordered."""
        answer = self._rules.answer(question, scene)
        suggestions = answer.suggestions
        if context is not None:
            near = self._near(question, scene, context)
            if near.found or self._rules.is_order(question):
                suggestions = tuple(dict.fromkeys((*near.suggestions, *suggestions)))
        message = self._message(answer.text)
        return self._put(replace(message, evidence=answer.evidence, suggestions=suggestions[:MAX_SUGGESTIONS]))

    def _toolbox(self) -> Toolbox | None:
        make, looker = self._parts.toolbox, self._looker()
        if make is None:
            return None
        return make(
            None if looker is None else lambda question, back_s: look_result(self._parts, looker, question, back_s)
        )

    def _with_tools(self, question: str, scene: SceneState, before: tuple[str, ...]) -> Message:
        toolbox = self._toolbox()
        request = Request(Role.ANSWER, scene, question, asked_before=before)
        if toolbox is None:
            return self._by(self.model, request)
        tell = telling(self._parts, self.model)
        gate = TurnGate(toolbox, self._ledger, clean_words=not self._is_suggested, tell=tell)
        try:
            return self._by(self.model, replace(request, tools=toolbox.specs, call=gate.call), gate=gate)
        finally:
            gate.close()

    def _by_looking(self, question: str, scene: SceneState) -> Message:
        looker = self._looker() or self.model
        self._put(replace(self._message("", looker.label), doing="Looking"))
        pictures = pictures_for(self._parts, looker, "question")
        if self._parts.sampler is not None:
            self._parts.sampler.begin(Reason.QUESTION)
        leave = cleared(self._parts, looker, pictures, "question")
        return self._by(looker, Request(Role.LOOK, scene, question, pictures=pictures, clearance=leave))

    def _by(
        self, model: LanguageModel, request: Request, *, checked: bool = False, gate: TurnGate | None = None
    ) -> Message:
        """What a model makes of a request, shown as it grows; checked at the end unless it was looked up anyway."""
        grows = replace(self._shown or self._message(""), author=model.label, pictures=request.pictures)
        if not checked:
            grows = self._put(replace(grows, doing="Looking" if request.pictures else "Thinking"))
        for event in self._events(model, request):
            match event:
                case TextDelta(delta):
                    grows = replace(grows, text=grows.text + delta, doing=UNCHECKED)
                case ToolCall(_, name):
                    grows = replace(grows, doing=f"Looking up: {name.replace('_', ' ')}")
                case Failed(problem, hint):
                    self._shown = replace(grows, doing="")
                    return self.failed(problem, hint)
                case Done(evidence, suggestions, sure=sure):
                    passed = checked and sure
                    whole = replace(grows, evidence=evidence, suggestions=suggestions, doing="", checked=passed)
                    return self._finished(whole, request, gate, checked)
            if not checked:
                grows = self._put(self._with_gate(grows, gate))
        return self.failed(f"{model.label} broke off without an answer.", "Ask again.")

    def _events(self, model: LanguageModel, request: Request) -> Iterator[StreamEvent]:
        events = model.respond(request)
        if request.role is Role.LOOK:
            events = timed(self._parts, model, events)
        if self._cancelled.is_set():
            # Too early for the model to know.
            yield Failed("Stopped.", cancelled=True)
            return
        for event in events:
            yield event
            if self._cancelled.is_set() and not isinstance(event, Done):
                model.cancel()

    def _finished(self, whole: Message, request: Request, gate: TurnGate | None, checked: bool) -> Message:
        whole = self._with_gate(whole, gate)
        if not (whole.text.strip() or whole.changes or whole.proposals):
            return self.failed(f"{whole.author} gave no answer.", "Ask in other words.")
        if checked:
            return self._put(whole)
        assert isinstance(request.scene, SceneState)
        given = gate.results if gate is not None else ()
        results = tuple(result for result in given if result.proves)
        found = check(
            whole.text,
            Known(
                request.scene,
                results,
                question=request.question,
                wall_s=self._wall_s(request),
                looked=request.role is Role.LOOK or len(results) < len(given),
            ),
        )
        evidence = dict.fromkeys((*whole.evidence, *found.evidence, *evidence_of_pictures(request.pictures)))
        notes, hint = found.notes, whole.hint
        if gate is not None and (withheld := gate.withheld) is not None:
            notes = (f"{whole.author} was not told what was read or seen in pictures. {withheld.user_message}", *notes)
            hint = hint or withheld.hint
        return self._put(
            replace(whole, evidence=tuple(evidence)[:MAX_EVIDENCE], notes=notes, hint=hint, checked=found.confirmed)
        )

    def _wall_s(self, request: Request) -> float | None:
        knowledge, scene = self._parts.knowledge, request.scene
        return knowledge.wall_s(scene.pts_s) if knowledge is not None and isinstance(scene, SceneState) else None

    # The message -------------------------------------------------------------------------------------------------

    def _message(self, text: str, author: str = "") -> Message:
        return Message(0, MessageKind.ANSWER, author or self._rules.label, text, time.time(), self._asked.pts_s)

    def _with_gate(self, message: Message, gate: TurnGate | None) -> Message:
        if gate is None:
            return message
        evidence: tuple[Evidence, ...] = tuple(dict.fromkeys((*message.evidence, *gate.evidence)))[:MAX_EVIDENCE]
        return replace(message, changes=gate.changes, proposals=gate.proposals, evidence=evidence)

    def _put(self, message: Message) -> Message:
        """Show the message: for the first time, or in place of what it was before."""
        if message.message_id:
            self._book.put(message)
        else:
            message = self._book.post(message)
        self._shown = message
        return message
