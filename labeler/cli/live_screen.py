"""What `watch` shows a person at a terminal: one table that is painted anew every second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from model.events import Event

BAR = 24


def show(events: Iterator[Event], source: str) -> Event:
    """Paint the events as they come; returns the last one, whose text stays on the terminal."""
    console = Console()
    last: Event = {}
    left: dict[str, str] = {}
    with Live(console=console, auto_refresh=False) as live:
        for last in events:
            kind = last["event"]
            if kind == "watched":
                live.update(_screen(last, source, left), refresh=True)
            elif kind == "alarm":
                live.console.print(Text(last["text"], style="bold red" if last["left"] else ""))
                left.pop(last["name"], None)
                if last["left"]:
                    left[last["name"]] = last["text"]
            elif kind == "note":
                style = "yellow" if last.get("level") == "warning" else ""
                live.console.print(Text(last["text"], style=style))
    if last.get("event") == "finished":
        console.print(last["text"])
        for path in last.get("files", ()):
            console.print(f"kept in {path}")
    return last


def _screen(now: Event, source: str, left: dict[str, str]) -> Group:
    value, low, high = now["hit_rate"]
    waits = now["latency_ms"]
    head = Text(
        f"{source}   {now['rate_hz']} shots/s   hits {_percent(value)} ({low:.1%} … {high:.1%})   "
        f"read {now['read_hz']}/s   latency {_ms(waits['p50'])} / {_ms(waits['p99'])} ms"
    )
    counts = Text(
        f"{now['seen']:,} came, {now['hits']:,} hits, {now['read']:,} read, "
        f"{now['dropped']:,} dropped, {now['skipped']:,} passed over, "
        f"{now['unreadable']:,} unreadable, {now['kept']:,} kept",
        style="yellow" if now["dropped"] else "dim",
    )
    table = Table("class", "", "share", "95 % interval", title="last minute", title_justify="left")
    for name, (share, lower, upper) in now["fractions"].items():
        style = "bold red" if name in left else ""
        filled = "█" * round(BAR * share) if share == share else ""
        table.add_row(name, f"{filled:{BAR}}", _percent(share), f"{lower:.1%} … {upper:.1%}",
                      style=style)  # fmt: skip
    return Group(head, counts, table, *_rules(now["contradictions"]), *map(_red, left.values()))


def _rules(broken: dict[str, int]) -> Iterator[Text]:
    for rule, count in sorted(broken.items(), key=lambda item: -item[1]):
        yield Text(f"{count} readings break: {rule}", style="yellow")


def _red(text: str) -> Text:
    return Text(text, style="bold red")


def _percent(share: Any) -> str:
    return f"{share:.1%}" if share == share else "–"


def _ms(time: Any) -> str:
    return f"{time:.0f}" if time == time else "–"
