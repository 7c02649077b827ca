"""``scenescope ask``: the assistant without a window, about a source that comes to an end or an event log.

It answers questions; there is nothing that it could change, so orders are refused. What is agreed to here holds for
this run, and what is sent is noted in the user's own event log.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scenescope.app.assistant import Assistant, Parts
from scenescope.app.assistant.knowledge import Knowledge, Search
from scenescope.app.assistant.looking import address_of
from scenescope.app.assistant.orders import OrderContext, kinds_of, parse_order
from scenescope.app.assistant.outgoing import CONSENT, PAUSED, Outgoing
from scenescope.app.assistant.providers import Providers
from scenescope.app.assistant.rules import LABEL, RulesProvider
from scenescope.app.assistant.tools.host import NoHost, no_window, zones_of
from scenescope.app.assistant.tools.registry import Toolbox, toolbox
from scenescope.app.assistant.words import vocabulary
from scenescope.app.progress import Progress
from scenescope.app.run import EXIT_DONE, EXIT_INTERRUPTED, RunRequest, pipeline_of, run
from scenescope.app.settings import Environment, Settings
from scenescope.models import SinkError, SourceError, SpecError
from scenescope.models.language import LanguageModel, Message, MessageKind, Risk
from scenescope.models.language.sentences import SentenceEmbedder
from scenescope.pipelines import PipelineSpec, presets
from scenescope.pipelines.log.meaning import search_by_meaning
from scenescope.pipelines.log.records import Session
from scenescope.pipelines.log.schema import APPLICATION_ID
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.log.talk import EgressRecord
from scenescope.pipelines.look_ring import LookRing
from scenescope.pipelines.scene import SceneObserver
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.sinks.event_log import LogSink
from scenescope.pipelines.sources.open import open_source
from scenescope.widgets.settings import MemorySettings

__all__ = ["EXIT_NOT_ANSWERED", "AskRequest", "Reply", "ask"]

EXIT_NOT_ANSWERED = 3
SQLITE = b"SQLite format 3\x00"


@dataclass(frozen=True)
class AskRequest:
    """What the user asks; see ``scenescope ask --help``."""

    source: str
    question: str
    provider: str = "rules"
    model: str = ""
    pipeline: str = presets.DEFAULT
    zones: Path | None = None
    session_id: int | None = None
    max_frames: int | None = None
    send_pictures: bool = False


@dataclass(frozen=True)
class Reply:
    """What the assistant said."""

    message: Message
    provider: str

    @property
    def exit_code(self) -> int:
        """0 for an answer that was looked up or passed its checks, 3 otherwise."""
        answered = self.message.kind is MessageKind.ANSWER and self.message.checked
        return EXIT_DONE if answered else EXIT_NOT_ANSWERED

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        message = self.message
        content: dict[str, Any] = {
            "answer": message.text,
            "evidence": [
                {"frame": one.frame_index, "t_s": round(one.pts_s, 3), "event_id": one.event_id}
                for one in message.evidence
            ],
            "provider": self.provider,
            "checked": message.checked,
        }
        more = {"notes": list(message.notes), "hint": message.hint, "suggestions": list(message.suggestions)}
        return content | {name: value for name, value in more.items() if value}

    def text(self) -> str:
        """For people."""
        message = self.message
        lines = [message.text, *message.notes, message.hint]
        if message.evidence:
            lines.append(f"Seen at {', '.join(map(str, message.evidence))}.")
        lines += [f"  You can ask: {one}" for one in message.suggestions]
        return "\n".join(filter(None, lines))


def ask(request: AskRequest, progress: Progress, interrupted: threading.Event, environment: Environment) -> Reply | int:
    """Answer one question.

    Args:
        request: what to answer, and about what.
        progress: told how the analysis of a source goes.
        interrupted: when it is set, the analysis or the answer ends soon.
        environment: tells where presets, models and what is known of servers are.

    Returns:
        The reply; the exit code where it was interrupted or the analysis did not succeed.

    Raises:
        ScenescopeError: the source, the log, the pipeline or the provider is wrong.
    """
    # Before anything that takes long: whoever cannot answer is told at once.
    providers = Providers(Settings.of_user(environment), environment.data_dir / "servers.json")
    model = providers.named(request.provider, request.model)
    if is_event_log(Path(request.source)):
        return _about_log(request, interrupted, environment, model)
    return _about_source(request, progress, interrupted, environment, model)


def is_event_log(path: Path) -> bool:
    """Whether a file is an event log of this program."""
    try:
        if path.open("rb").read(len(SQLITE)) != SQLITE:
            return False
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return bool(db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID)
    except (OSError, sqlite3.Error):
        return False


def _about_log(
    request: AskRequest, interrupted: threading.Event, environment: Environment, model: LanguageModel | None
) -> Reply | int:
    for option, given in (("--zones", request.zones), ("--max-frames", request.max_frames)):
        if given is not None:
            raise SpecError(f"{option} is for a source, and {request.source} is an event log.", hint="Leave it out.")
    with closing(EventLog(Path(request.source))) as log:
        session = _session(log, request)
        spec = _spec_of(session)
        observer = SceneObserver()
        knowledge = Knowledge(
            lambda: observer.state, log, lambda: session.id, zones=lambda: zones_of(spec), search=_search(log)
        )
        if _is_order(request.question, knowledge, spec):
            return _refusal(request)
        return _answered(request, _parts(observer, knowledge, spec), interrupted, environment, model)


def _about_source(
    request: AskRequest,
    progress: Progress,
    interrupted: threading.Event,
    environment: Environment,
    model: LanguageModel | None,
) -> Reply | int:
    if request.session_id is not None:
        raise SpecError("--session is for an event log.", hint="Leave it out.")
    if request.max_frames is None and open_source(request.source).live:
        raise SourceError(f"{request.source} has no end.", hint="Say after how many frames: --max-frames 300.")
    analysis = RunRequest(request.source, pipeline=request.pipeline, zones=request.zones, max_frames=request.max_frames)
    spec = pipeline_of(analysis, Progress(quiet=True), environment.presets_dir)
    before = Knowledge(SceneState, None, lambda: None, zones=lambda: zones_of(spec))
    if _is_order(request.question, before, spec):
        return _refusal(request)
    with TemporaryDirectory(prefix="scenescope-") as folder, closing(EventLog(Path(folder) / "events.sqlite")) as log:
        observer, ring, sink = SceneObserver(), LookRing(), LogSink(log, pictures=False)
        outcome = run(analysis, progress, interrupted, environment.presets_dir, (observer, ring, sink))
        if outcome.exit_code != EXIT_DONE:
            return outcome.exit_code
        log.flush()
        knowledge = Knowledge(
            lambda: observer.state,
            log,
            lambda: sink.latest_session_id,
            zones=lambda: zones_of(spec),
            search=_search(log),
        )
        parts = _parts(observer, knowledge, spec)
        parts.ring = ring
        return _answered(request, parts, interrupted, environment, model)


def _is_order(question: str, knowledge: Knowledge, spec: PipelineSpec) -> bool:
    """Whether something is to be done instead of answered, understood or not; told before anything was analysed."""
    rules, labels = RulesProvider(knowledge=knowledge), vocabulary().labels
    if rules.understands(question, SceneState(known_labels=labels)):
        return False
    context = OrderContext(spec, kinds_of(), zones_of(spec), labels)
    return rules.is_order(question) or parse_order(question, context) is not None


def _refusal(request: AskRequest) -> Reply:
    why = no_window()
    message = Message(0, MessageKind.ERROR, LABEL, why.user_message, time.time(), hint=why.hint)
    return Reply(message, request.provider)


def _search(log: EventLog) -> Search:
    """By words, and by meaning where the extra is installed; its network is opened when a model first searches."""
    embedder = SentenceEmbedder()
    if embedder.available() is not None:
        return log.search
    return partial(search_by_meaning, log.meanings, log.search, embedder.embed, embedder.name)


def _parts(observer: SceneObserver, knowledge: Knowledge, spec: PipelineSpec) -> Parts:
    host = NoHost(lambda: spec)
    return Parts(
        observer,
        knowledge=knowledge,
        toolbox=lambda look: Toolbox([t for t in toolbox(host, knowledge, look).values() if t.risk is Risk.READ]),
    )


def _outgoing(request: AskRequest, environment: Environment, model: LanguageModel | None) -> Outgoing:
    """The way out, by what the user agreed to in the window, or on this line for this run alone."""
    settings = Settings.of_user(environment)

    def note(record: EgressRecord) -> None:
        with closing(EventLog(environment.events_file)) as log:
            log.talk.add_egress(record)

    outgoing = Outgoing(MemorySettings({key: settings.get(key) for key in (CONSENT, PAUSED)}), note)
    if request.send_pictures and model is not None and (address := address_of(model)):
        outgoing.agree(address, model.reach)
    return outgoing


def _answered(
    request: AskRequest,
    parts: Parts,
    interrupted: threading.Event,
    environment: Environment,
    model: LanguageModel | None,
) -> Reply | int:
    outgoing = parts.outgoing = _outgoing(request, environment, model)
    assistant = Assistant(parts, describer=model, answerer=model)
    try:
        message = assistant.answer(request.question, interrupted=interrupted)
        return EXIT_INTERRUPTED if interrupted.is_set() else Reply(message, request.provider)
    finally:
        assistant.close()
        for host, count in outgoing.sent.items():
            print(f"Sent {count} picture{'s' * (count != 1)} to {host}.", file=sys.stderr)


def _session(log: EventLog, request: AskRequest) -> Session:
    sessions = log.sessions()
    if not sessions:
        raise SinkError(f"{request.source} holds no session.", hint="Watch or analyse something first.")
    if request.session_id is None:
        return sessions[0]
    found = next((one for one in sessions if one.id == request.session_id), None)
    if found is None:
        numbers = ", ".join(str(one.id) for one in sessions[:10])
        raise SinkError(f"{request.source} has no session {request.session_id}.", hint=f"It has {numbers}.")
    return found


def _spec_of(session: Session) -> PipelineSpec:
    """The pipeline that the session was made with, for the names of its zones."""
    try:
        return PipelineSpec.from_yaml(session.pipeline) if session.pipeline else PipelineSpec()
    except SpecError:
        return PipelineSpec()
