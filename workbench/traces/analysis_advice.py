"""What a trace suggests to try: tunables of the allocator, each with the figure that says so.

These are guesses of a good beginning, not results: a replay says whether they hold.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from workbench.allocators import DEFAULT_ALLOCATOR, get_allocator
from workbench.traces.analysis import TraceProfile

_CACHED_ROUTES = ("tiny", "mid")
_LEAST_SHARE_PERCENT = 1.0  # of allocations, for a size class to count
_LEAST_OBJECTS = 10_000  # fewer are served in no time, whatever the caches hold
_LEAST_SLOTS = 64
_CROSS_THREAD_PERCENT = 5.0
_REMOTE_BATCH = 64
_FALL_SHARE = 0.5
_LEAST_IDLE_SHARE = 0.1  # of the trace's time


def suggest_tunables(profile: TraceProfile, allocator_name: str = DEFAULT_ALLOCATOR) -> pd.DataFrame:
    """Values to try for a program like this one; a row a tunable that would differ from its default.

    Parameters
    ----------
    profile : TraceProfile
    allocator_name : str
        Whose tunables; its row in the table says which of them serve what.

    Returns
    -------
    DataFrame
        tunable, value, default (in the tunable's unit), unit and why.
    """
    allocator = get_allocator(allocator_name)
    rows = []
    for name, wanted, why in [*_wish_slots(profile), *_wish_remote(profile), *_wish_purge(profile)]:
        tunable = allocator.tunables.get(allocator.suggestions.get(name, ""))
        if tunable is None:
            continue
        value = int(min(max(wanted, tunable.minimum), tunable.maximum))
        if value != tunable.default:
            rows.append((tunable.name, value, tunable.default, tunable.unit, why))
    return pd.DataFrame(rows, columns=["tunable", "value", "default", "unit", "why"])


def _wish_slots(profile: TraceProfile) -> Iterator[tuple[str, float, str]]:
    """A thread's cache serves a swing of live objects by itself if it has as many slots."""
    sizes = profile.sizes
    busy = sizes[sizes["route"].isin(_CACHED_ROUTES) & (sizes["share_percent"] >= _LEAST_SHARE_PERCENT)]
    if busy.empty or profile.object_count < _LEAST_OBJECTS:
        return
    widest = busy.iloc[int(busy["swing_objects"].argmax())]
    swing, size_bytes = int(widest["swing_objects"]), int(widest["upto_bytes"])
    why = f"{swing} objects of up to {size_bytes} bytes go and come again; no other busy class has more"
    yield "most_slots", max(_LEAST_SLOTS, _round_up(swing)), why
    typical = np.average(busy["swing_objects"], weights=busy["allocations"])
    why = f"{typical:.0f} go and come again in a busy class on average"
    # Half of it: what a thread begins with, it has for every class.
    yield "first_slots", max(_LEAST_SLOTS, _round_up(typical / 2)), why


def _wish_remote(profile: TraceProfile) -> Iterator[tuple[str, float, str]]:
    if profile.cross_thread_percent >= _CROSS_THREAD_PERCENT:
        why = f"{profile.cross_thread_percent:.0f} % of frees are of another thread's objects"
        yield "remote_batch", _REMOTE_BATCH, why


def _wish_purge(profile: TraceProfile) -> Iterator[tuple[str, float, str]]:
    if profile.final_live_bytes > _FALL_SHARE * profile.peak_live_bytes or len(profile.live) < 2:
        return
    # Where the curve falls for the last time: what follows is time in which memory lies idle.
    above = profile.live["highest_bytes"] > _FALL_SHARE * profile.peak_live_bytes
    fall_s = float(profile.live["time_s"][above].max()) if above.any() else profile.duration_s
    idle_ms = 1000.0 * (profile.duration_s - fall_s)
    if idle_ms >= _LEAST_IDLE_SHARE * 1000.0 * profile.duration_s:
        yield "idle_ms", idle_ms / 10, f"less than half of the peak lives in the last {idle_ms:.0f} ms"


def _round_up(value: float) -> int:
    """The next power of two."""
    return 1 << max(0, int(value) - 1).bit_length()
