"""Office: the assistant of a window, put together with all that it works with."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache

from scenescope.app.assistant.commands import AssistantCommands
from scenescope.app.assistant.controller import Assistant
from scenescope.app.assistant.desk import Desk
from scenescope.app.assistant.jobs import Jobs
from scenescope.app.assistant.knowledge import Knowledge
from scenescope.app.assistant.moments import Moments
from scenescope.app.assistant.nearest import Nearest
from scenescope.app.assistant.orders import KindWords, OrderContext, kinds_of
from scenescope.app.assistant.outgoing import ConsentNeeded, FaceFinder, Outgoing
from scenescope.app.assistant.parts import Parts, facts_of
from scenescope.app.assistant.providers import Providers
from scenescope.app.assistant.tools.host import zones_of
from scenescope.app.assistant.tools.registry import toolbox
from scenescope.app.settings import Environment
from scenescope.models.catalogue import current
from scenescope.models.language.sentences import SentenceEmbedder
from scenescope.pipelines import STAGES
from scenescope.pipelines.log.meaning import search_by_meaning
from scenescope.pipelines.log.records import SearchHit
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.look_ring import LookRing
from scenescope.pipelines.sampler import GlanceSink, Sampler
from scenescope.pipelines.scene import SceneObserver
from scenescope.pipelines.watches import WatchBook
from scenescope.pipelines.watches.check import labels_of
from scenescope.pipelines.watches.sink import WatchSink
from scenescope.widgets.assistant_choices import min_interval_s
from scenescope.widgets.assistant_panel import AssistantPanel
from scenescope.widgets.main_window import MainWindow

__all__ = ["Office"]

BUNDLED_DETECTOR = "nanodet_g_416_coco"


class Office:
    """Makes the assistant of a window, and ends it.

    Args:
        window: what it acts on.
        panel: where it is talked to.
        observer: what watches the scene, a sink of the window's engine.
        log: where what happens and what is said is kept.
        environment: tells where watches and what is known of servers are.
        menu: lists the entries of the menus.
    """

    def __init__(
        self,
        window: MainWindow,
        panel: AssistantPanel,
        observer: SceneObserver,
        log: EventLog,
        environment: Environment,
        menu: Callable[[], tuple[str, ...]],
    ) -> None:
        self._window, self._panel, self._observer, self._log = window, panel, observer, log
        engine, settings, sink = window.engine, window.settings, window.inspection.log_sink
        self._embedder = SentenceEmbedder()
        self._opening = Jobs("sentence-network")
        self._by_meaning, self._by_words = Nearest(self._embedder.embed), Nearest()
        self._faces = FaceFinder()
        self.outgoing = Outgoing(settings, log.talk.add_egress, faces=self._faces)
        self.watches = WatchBook(environment.config_dir / "watches.yaml")
        self.ring = LookRing.at(engine)
        self.sampler = Sampler(min_interval_s=min_interval_s(settings))
        self.knowledge = Knowledge(
            lambda: observer.state,
            log,
            lambda: sink.latest_session_id,
            zones=lambda: zones_of(engine.spec),
            caught_up=sink.wait_for,
            search=self._search,
        )
        self.moments = Moments(window, panel, self.ring, log)
        desk = Desk(window, self.watches, show_moment=self.moments.show)
        self.parts = Parts(
            observer,
            facts=facts_of(engine, menu),
            knowledge=self.knowledge,
            log=log,
            session_id=lambda: sink.session_id,
            ring=self.ring,
            sampler=self.sampler,
            outgoing=self.outgoing,
            toolbox=lambda look: toolbox(desk, self.knowledge, look),
            orders=self._orders,
            nearest=self._nearest,
            ask_consent=self._ask_consent,
        )
        self.desk = desk
        self.assistant = Assistant(self.parts)
        self._sinks = (
            GlanceSink(self.sampler, lambda: observer.news[1]),
            WatchSink(self.watches, self.assistant.watch_hit),
        )
        for one in self._sinks:
            engine.add_sink(one)
        panel.set_conversation(self.assistant)
        self.commands = AssistantCommands(
            window, panel, self.assistant, Providers(settings, environment.data_dir / "servers.json"),
            self.outgoing, self.watches, self.sampler, log,
        )  # fmt: skip
        tools = toolbox(desk, self.knowledge).values()
        window.help.phrases = tuple(phrase for tool in tools for phrase in tool.phrases)
        if self.watches.notice:
            window.notices.warn(self.watches.notice, "")

    def close(self) -> None:
        """End what is under way; after the window was closed and before the log is."""
        self._panel.set_conversation(None)
        self.commands.close()
        self.moments.close()
        self.assistant.close()
        self._opening.close()
        self.ring.detach()
        self._faces.close()

    def _ask_consent(self, needed: ConsentNeeded) -> bool:
        return self.commands.ask_consent(needed)

    # Words -------------------------------------------------------------------------------------------------------

    def _orders(self) -> OrderContext:
        engine, scene, source = self._window.engine, self._observer.state, self.desk.source
        spec = engine.spec
        known = scene.known_labels or labels_of(spec)
        return OrderContext(
            spec=spec,
            kinds=_kinds(tuple(STAGES.names())),
            zones=zones_of(spec),
            known_labels=known or _bundled_labels(),
            may_know_more=not known,
            track_ids=tuple(track.track_id for track in scene.tracks if track.track_id is not None),
            panels=tuple(self.desk.panels),
            live=source.active and not source.film,
            duration_s=source.duration_s,
            watches=tuple(rule.name for rule in self.watches.rules),
        )

    def _has_embedder(self) -> bool:
        """Whether sentences can be compared by meaning now. It takes seconds to open, and is not waited for."""
        if self._embedder.ready:
            return True
        if self._embedder.available() is None and not self._opening.busy:
            self._opening.add(lambda: self._embedder.embed([""]))
        return False

    def _nearest(self) -> Nearest:
        return self._by_meaning if self._has_embedder() else self._by_words

    def _search(self, text: str, session_id: int | None, limit: int) -> list[SearchHit]:
        if not self._has_embedder():
            return self._log.search(text, session_id, limit)
        return search_by_meaning(
            self._log.meanings, self._log.search, self._embedder.embed, self._embedder.name, text, session_id, limit
        )


@cache
def _bundled_labels() -> tuple[str, ...]:
    """What the detector that comes along can tell apart, as long as there is no other."""
    return current().card(BUNDLED_DETECTOR).labels


@lru_cache(maxsize=1)
def _kinds(names: tuple[str, ...]) -> dict[str, KindWords]:
    """What the stages are called; looked up anew when one was added or taken away."""
    return kinds_of(STAGES)
