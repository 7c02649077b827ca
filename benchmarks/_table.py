"""Shared by the benchmarks: alternating rounds, medians, and a table."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

__all__ = ["alternate", "show"]


def alternate(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each contender in each round; the order turns round, so that drift hits all alike."""
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def show(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]], note: str = "") -> None:
    """Print a table with the machine it was measured on."""
    table = Table(title=title, caption=note or None, title_justify="left", caption_justify="left")
    for at, name in enumerate(header):
        table.add_column(name, justify="left" if at == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console = Console(width=110)
    console.print(table)
    console.print(f"[dim]{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}[/dim]\n")


def spread(values: list[float], unit: float = 1.0, digits: int = 1) -> str:
    """Median with least and most, "12.3 (11.9 to 14.0)"."""
    low, mid, high = min(values) / unit, statistics.median(values) / unit, max(values) / unit
    return f"{mid:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
