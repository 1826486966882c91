"""Learns from a trace in one pass: sizes, lifetimes, threads, call sites, live bytes, phases, reallocs.

What it suggests to try, each tunable with the figure that says so, are guesses of a good beginning and no
results: a replay says whether they hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.allocators import DEFAULT_ALLOCATOR, get_allocator
from workbench.symbols import Names
from workbench.traces.analysis_course import CourseTally
from workbench.traces.analysis_tallies import GroupTally, LifetimeTally, SizeTally
from workbench.traces.chunk import CallKind
from workbench.traces.objects import ObjectFollower
from workbench.traces.reader import Trace

_CACHED_ROUTES = ("tiny", "mid")
_LEAST_SHARE_PERCENT = 1.0  # of allocations, for a size class to count
_LEAST_OBJECTS = 10_000  # fewer are served in no time, whatever the caches hold
_LEAST_SLOTS = 64
_CROSS_THREAD_PERCENT = 5.0
_REMOTE_BATCH = 64
_FALL_SHARE = 0.5
_LEAST_IDLE_SHARE = 0.1  # of the trace's time


@dataclass(frozen=True)
class TraceProfile:
    """What a trace tells. Every table is a pandas frame with units in its columns.

    Parameters
    ----------
    event_count, object_count, thread_count, site_count : int
        Events, allocated objects, threads seen and call sites used.
    duration_s : float
        From the start to the last event.
    requested_bytes, peak_live_bytes, final_live_bytes : int
        Asked for in all (reallocs by their growth), live at most, and live at the end.
    free_count, cross_thread_frees : int
        Frees, and those of them by a thread that did not allocate the object.
    kinds : frame
        event, count.
    sizes : frame
        A row a size class: upto_bytes, route (the part of the allocator that serves it), allocations,
        share_percent, requested_bytes, requested_percent, peak_live_objects, and swing_objects: how many
        objects of the class went and came again within 16,384 events, at most.
    common_sizes : frame
        size_bytes, allocations, share_percent of the sizes asked for most often.
    lifetimes : frame
        A row a clock ("events", "bytes", "us") and bin: least, most (in the clock's unit), objects,
        share_percent, freed_bytes. Lifetime in bytes is what the program asked for meanwhile (as in
        Barrett and Zorn, "Using lifetime predictors", 1993).
    lifetimes_by_size : frame
        upto_bytes, least_lifetime_bytes, most_lifetime_bytes, objects.
    live : frame
        The live-bytes curve: event, time_s, live_bytes (at the end of the stretch), highest_bytes and
        live_objects.
    threads : frame
        thread, events, allocations, requested_bytes, reallocs, frees, frees_of_others, freed_by_others.
    sites : frame
        Most used first: site, module, offset, name (function and line, as far as the files of the recorded
        builds tell them), allocations, share_percent, requested_bytes, mean_bytes,
        freed, never_freed, freed_by_others, reallocs, mean_lifetime_events.
    reallocs : frame
        By size class before: upto_bytes, reallocs, grown, shrunk, same_class, before_bytes,
        after_bytes, growth.
    mix : frame
        Allocations in each stretch of events (rows, named by their first event) by size class (columns,
        named by the largest size in bytes).
    phases : frame
        phase, first_event, event_count, first_s, duration_s, allocations, mean_bytes, commonest_bytes
        (the size class asked for most) and commonest_percent.
    """

    event_count: int
    object_count: int
    thread_count: int
    site_count: int
    duration_s: float
    requested_bytes: int
    peak_live_bytes: int
    final_live_bytes: int
    free_count: int
    cross_thread_frees: int
    kinds: pd.DataFrame
    sizes: pd.DataFrame
    common_sizes: pd.DataFrame
    lifetimes: pd.DataFrame
    lifetimes_by_size: pd.DataFrame
    live: pd.DataFrame
    threads: pd.DataFrame
    sites: pd.DataFrame
    reallocs: pd.DataFrame
    mix: pd.DataFrame
    phases: pd.DataFrame

    @property
    def cross_thread_percent(self) -> float:
        """Share of frees by another thread than the one that allocated."""
        return 100.0 * self.cross_thread_frees / self.free_count if self.free_count else 0.0


def profile_trace(trace: Trace) -> TraceProfile:
    """Read a trace once and tell what is in it.

    Memory is bounded by the objects that are live at once, and by threads and call sites; a trace that
    is damaged is told as far as it can be read.
    """
    follower = ObjectFollower()
    course = CourseTally(trace.metadata.event_count)
    sizes, lifetimes, groups = SizeTally(), LifetimeTally(), GroupTally()
    kinds = np.zeros(len(CallKind), np.int64)
    last_ns = 0
    for chunk in trace.chunks():
        followed = follower.follow(chunk)
        for tally in (course, sizes, lifetimes, groups):
            tally.add(followed)
        kinds += np.bincount(chunk.kind, minlength=len(CallKind))
        last_ns = int(chunk.time_ns[-1])
    live, threads, sites = course.live_frame(), groups.thread_frame(), groups.site_frame()
    known = [(site.module, site.offset) for site in trace.sites]
    named = pd.DataFrame(known, columns=["module", "offset"]).loc[sites["site"]].reset_index(drop=True)
    names = Names(builds=trace.metadata.builds)
    named["name"] = [names.describe_call(*site) for site in named.itertuples(index=False, name=None)]
    return TraceProfile(
        event_count=int(kinds.sum()),
        object_count=int(kinds[: CallKind.ALIGNED + 1].sum()),
        thread_count=len(threads),
        site_count=len(sites),
        duration_s=last_ns / 1e9,
        requested_bytes=follower.clock_bytes,
        peak_live_bytes=int(live["highest_bytes"].max()) if len(live) else 0,
        final_live_bytes=follower.live_bytes,
        free_count=int(kinds[CallKind.FREE]),
        cross_thread_frees=int(threads["frees_of_others"].sum()),
        kinds=pd.DataFrame({"event": [kind.name.lower() for kind in CallKind], "count": kinds}),
        sizes=sizes.to_frame(),
        common_sizes=sizes.common_sizes(),
        lifetimes=lifetimes.to_frame(),
        lifetimes_by_size=lifetimes.by_size(),
        live=live,
        threads=threads,
        sites=pd.concat([sites[["site"]], named, sites.drop(columns="site")], axis=1),
        reallocs=groups.realloc_frame(),
        mix=course.mix_frame(),
        phases=course.phase_frame(),
    )


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
