"""The datasets: the card of each, what it and the recording say compared, and the table in the README."""

from __future__ import annotations

import hashlib
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd
import tomlkit

from workbench.errors import BadParameter, DamagedDataset, DamagedTrace, WrongTraceVersion
from workbench.plain_values import read_value
from workbench.traces import SUFFIX, Trace
from workbench.traces.analysis import TraceProfile, profile_trace
from workbench.traces.places import CARD_SUFFIX, datasets_folder, find, find_card
from workbench.units import format_rough

LICENCE = "CC0-1.0"
_CURVE_POINTS = 16
OVERVIEW = "README.md"
_BEGIN = "<!-- made from the cards by `workbench datasets rebuild` -->\n"
_END = "<!-- end -->\n"
_HEADER = (
    "| dataset | what ran | events | threads | freed by another | live at most | file | bytes/event |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
)


@dataclass(frozen=True)
class Card:
    """What a dataset is.

    Parameters
    ----------
    name, help : str
        What it is called, and what its program did.
    program : str
        The program that was recorded.
    command : str
        As it was called, in the scenario's folder.
    scenario : str
        What was run: the same, or what called it.
    environment : mapping of str to str
        What the scenario sets besides a plain environment.
    date : str
        Day of the recording, UTC.
    debian : str
        Release, and the machine's architecture.
    versions : mapping of str to str
        Debian packages of the programs, the C library and the workbench.
    licence : str
    sha256 : str
        Checksum of the file.
    trace_checksum : str
        Checksum of the events and call sites, however the file is compressed.
    file_bytes : int
    events, threads, objects, frees, reallocs : int
    call_sites : int
        Places that allocate.
    duration_s : float
    requested_bytes, peak_live_bytes, final_live_bytes : int
    cross_thread_percent : float
        Share of frees in another thread than the allocation.
    size_histogram : mapping of int to int
        Allocations up to so many bytes (and above the row before).
    live_events, live_bytes : tuple of int
        A few points of the curve: event number, and bytes live after it.
    """

    name: str
    help: str
    program: str
    command: str
    scenario: str
    environment: Mapping[str, str]
    date: str
    debian: str
    versions: Mapping[str, str]
    licence: str
    sha256: str
    trace_checksum: str
    file_bytes: int
    events: int
    threads: int
    objects: int
    frees: int
    reallocs: int
    call_sites: int
    duration_s: float
    requested_bytes: int
    peak_live_bytes: int
    final_live_bytes: int
    cross_thread_percent: float
    size_histogram: Mapping[int, int]
    live_events: tuple[int, ...]
    live_bytes: tuple[int, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a card; DamagedDataset if it is none."""
        try:
            values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
            curve = values.pop("live_curve")
            values |= {"live_events": curve["event"], "live_bytes": curve["live_bytes"]}
            return read_value(cls, values, "the card")
        except (BadParameter, ValueError, KeyError, TypeError) as error:
            raise DamagedDataset(
                f"{path.name}: it is not a dataset's card ({error}); make it again with "
                f"`workbench datasets rebuild {path.stem}`"
            ) from None

    def write(self, path: Path) -> None:
        """Write the card as TOML."""
        values = asdict(self)
        values["size_histogram"] = {str(size): count for size, count in self.size_histogram.items()}
        values["live_curve"] = {"event": values.pop("live_events"), "live_bytes": values.pop("live_bytes")}
        path.write_text(tomlkit.dumps(values), encoding="utf-8")


def measure_trace(path: Path) -> dict[str, Any]:
    """Read a recording and tell what its card has to say of it.

    DamagedTrace or WrongTraceVersion if it is no sound trace.
    """
    with Trace.open(path) as trace:
        if trace.damage is not None:
            raise DamagedTrace(trace.damage)
        profile = profile_trace(trace)
        metadata = trace.metadata
    kinds = profile.kinds.set_index("event")["count"]
    return {
        "program": metadata.program,
        "command": shlex.join(metadata.command),
        "date": metadata.date[:10],
        "versions": dict(metadata.versions),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "trace_checksum": metadata.checksum,
        "file_bytes": path.stat().st_size,
        "events": profile.event_count,
        "threads": profile.thread_count,
        "objects": profile.object_count,
        "frees": profile.free_count,
        "reallocs": int(kinds["realloc"]),
        "call_sites": profile.site_count,
        "duration_s": round(profile.duration_s, 6),
        "requested_bytes": profile.requested_bytes,
        "peak_live_bytes": profile.peak_live_bytes,
        "final_live_bytes": profile.final_live_bytes,
        "cross_thread_percent": round(profile.cross_thread_percent, 3),
        **_sketch(profile),
    }


def compare_with_trace(card: Card, path: Path) -> list[str]:
    """Say what of a card is not what its recording says, one line each.

    Nothing of a file is trusted that does not have the card's checksum.
    """
    if not path.is_file():
        return [f"{path.name} is missing"]
    if hashlib.sha256(path.read_bytes()).hexdigest() != card.sha256:
        return [f"{path.name} is not the file of the card: its SHA-256 differs"]
    try:
        measured = measure_trace(path)
    except (DamagedTrace, WrongTraceVersion) as error:
        return [str(error)]
    return [
        f"{name}: the card says {_shorten(getattr(card, name))}, the recording {_shorten(value)}"
        for name, value in measured.items()
        if getattr(card, name) != value
    ]


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _sketch(profile: TraceProfile) -> dict[str, Any]:
    """The size histogram by powers of two, and a few points of the live-bytes curve."""
    sizes = profile.sizes[profile.sizes["allocations"] > 0]
    rounded = [1 << (int(upto_bytes) - 1).bit_length() for upto_bytes in sizes["upto_bytes"]]
    rows = len(profile.live)
    count = min(rows, _CURVE_POINTS)
    points = profile.live.iloc[[rows * number // count - 1 for number in range(1, count + 1)]]
    return {
        "size_histogram": sizes["allocations"].groupby(rounded).sum().to_dict(),
        "live_events": tuple(points["event"].tolist()),
        "live_bytes": tuple(points["live_bytes"].tolist()),
    }


def known_datasets() -> Mapping[str, Card]:
    """The cards of all datasets, by name.

    UnknownDataset or DamagedDataset if there are no datasets here, or a card cannot be read.
    """
    return {path.stem: Card.read(path) for path in sorted(datasets_folder().glob(f"*{CARD_SUFFIX}"))}


def load(name: str) -> pd.DataFrame:
    """Read a dataset as a table, a row an event.

    Parameters
    ----------
    name : str
        Name of a dataset.

    Returns
    -------
    DataFrame
        kind (malloc, calloc, aligned, realloc, free, thread_start, thread_end), thread (0 is the
        first), object_id, size_bytes, alignment_bytes (0: default), site (row of the trace's table of
        call sites), time_ns (since the start, in whole microseconds).

    Raises
    ------
    UnknownDataset, DamagedTrace
        If there is none of that name, or its file is not sound.
    """
    with Trace.open(find(name)) as trace:
        return trace.to_frame()


def verify(name: str) -> list[str]:
    """Recompute what a dataset's card says from its recording, checksums first: a line a thing that is wrong.

    UnknownDataset or DamagedDataset if there is none of that name, or its card cannot be read.
    """
    path = find_card(name)
    return compare_with_trace(Card.read(path), path.with_suffix(SUFFIX))


def render_overview(cards: Iterable[Card]) -> str:
    """A Markdown table of datasets, a row each, and what they come to together."""
    shown = list(cards)
    rows = "".join(f"| {' | '.join(_describe(card))} |\n" for card in shown)
    events, file_bytes = sum(card.events for card in shown), sum(card.file_bytes for card in shown)
    size, mean = format_rough(file_bytes, "bytes"), f"{file_bytes / max(1, events):.2f}"
    return f"{_HEADER}{rows}\n{len(shown)} recordings, {events:,} events, {size}: {mean} bytes an event.\n"


def replace_overview(text: str, cards: Iterable[Card]) -> str:
    """A README's text with this table; as it was if it has no place for one."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        return text
    return f"{before}{begin}\n{render_overview(cards)}\n{end}{after}"


def update_overview() -> None:
    """Bring the README of the folder of datasets up to date, if it has one."""
    path = datasets_folder() / OVERVIEW
    if path.is_file():
        text = replace_overview(path.read_text(encoding="utf-8"), known_datasets().values())
        path.write_text(text, encoding="utf-8")


def _describe(card: Card) -> tuple[str, ...]:
    return (
        f"[`{card.name}`]({card.name}.toml)",
        card.help,
        f"{card.events:,}",
        str(card.threads),
        f"{card.cross_thread_percent:.1f} %" if card.threads > 1 else "–",
        format_rough(card.peak_live_bytes, "bytes"),
        format_rough(card.file_bytes, "bytes"),
        f"{card.file_bytes / max(1, card.events):.2f}",
    )
