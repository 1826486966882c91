"""What a trace tells is what counting it slowly tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.datasets.made_up import count_slowly, make_events, open_made_up, write_trace
from workbench.traces import CallKind, Trace
from workbench.traces.analysis import profile_trace
from workbench.traces.analysis_course import difference_bits, find_phases
from workbench.traces.analysis_tallies import (
    LEAST_LIFETIME,
    MOST_LIFETIME,
    SIZE_BOUNDS_BYTES,
    find_lifetime_bin,
    find_size_class,
)


@pytest.mark.parametrize("chunk_events", [1, 37, 1000, 100_000])
def test_it_is_what_counting_slowly_finds(tmp_path: Path, chunk_events: int) -> None:
    rows = make_events(seed=chunk_events, count=1500 if chunk_events == 1 else 20_000)
    slow = count_slowly(rows)
    with Trace.open(write_trace(tmp_path / "t.haktrace", rows, chunk_events)) as trace:
        profile = profile_trace(trace)
    assert profile.event_count == len(rows)
    assert profile.object_count == len(slow.sizes)
    assert profile.requested_bytes == slow.requested_bytes
    assert profile.peak_live_bytes == max(slow.live_bytes) == trace.metadata.peak_live_bytes
    assert profile.final_live_bytes == slow.live_bytes[-1]
    assert (profile.free_count, profile.cross_thread_frees) == (slow.frees, slow.cross_thread_frees)
    assert profile.live["live_bytes"].tolist() == [slow.live_bytes[event] for event in profile.live["event"]]
    assert profile.live["highest_bytes"].max() == profile.peak_live_bytes

    allocations = pd.Series(SIZE_BOUNDS_BYTES[find_size_class(np.array(slow.sizes))]).value_counts()
    sizes = profile.sizes.set_index("upto_bytes")
    assert sizes["allocations"][sizes["allocations"] > 0].to_dict() == allocations.to_dict()
    assert profile.common_sizes.iloc[0]["allocations"] == max(slow.sizes.count(s) for s in set(slow.sizes))
    for clock, position in (("events", 0), ("bytes", 1), ("us", 2)):
        table = profile.lifetimes[profile.lifetimes["clock"] == clock]
        columns = ["least", "most", "objects", "freed_bytes"]
        for least, most, objects, freed_bytes in table[columns].to_numpy():
            of_bin = [life for life in slow.lifetimes if least <= life[position] <= most]
            assert (objects, freed_bytes) == (len(of_bin), sum(life[3] for life in of_bin))
    assert profile.lifetimes_by_size["objects"].sum() == slow.frees
    assert profile.sites.set_index("site")["allocations"].to_dict() == pytest.approx(slow.by_site)
    assert profile.sites["freed"].sum() == slow.frees
    assert profile.threads.set_index("thread")["allocations"].to_dict() == slow.by_thread
    assert profile.threads["frees_of_others"].sum() == slow.cross_thread_frees
    assert profile.threads["freed_by_others"].sum() == slow.cross_thread_frees
    assert profile.reallocs["reallocs"].sum() == len(slow.resizes)
    assert profile.reallocs["grown"].sum() == sum(after > before for before, after in slow.resizes)
    assert profile.reallocs["before_bytes"].sum() == sum(before for before, _ in slow.resizes)


def test_most_objects_that_live_at_once_and_how_many_go_and_come(tmp_path: Path) -> None:
    # Four times: 100 objects of 48 bytes up, 70 of them down; ten of 1000 bytes come and stay.
    rows: list[tuple[int, ...]] = [(CallKind.MALLOC, 0, k, 1000, 0, 0, k) for k in range(10)]
    number = 10
    for _ in range(4):
        rows += [(CallKind.MALLOC, 0, number + k, 48, 0, 0, 10) for k in range(100)]
        rows += [(CallKind.FREE, 0, number + k, 0, 0, 0, 10) for k in range(70)]
        number += 100
    with Trace.open(write_trace(tmp_path / "t.haktrace", rows)) as trace:
        sizes = profile_trace(trace).sizes.set_index("upto_bytes")
    assert sizes["peak_live_objects"].to_dict() == {48: 190, 1024: 10}
    assert sizes["swing_objects"].to_dict() == {48: 70, 1024: 0}
    assert sizes["route"].to_dict() == {48: "tiny", 1024: "tiny"}


def test_sites_carry_their_names(tmp_path: Path) -> None:
    with open_made_up(tmp_path) as trace:
        sites = profile_trace(trace).sites.set_index("site")
    assert sites["module"][0] == "program"
    assert sites["offset"][3] == 0x300
    assert sites["allocations"].is_monotonic_decreasing


def test_a_change_of_the_mix_is_a_phase(tmp_path: Path) -> None:
    with open_made_up(tmp_path) as trace:
        phases = profile_trace(trace).phases
    assert len(phases) == 2
    assert phases["first_event"][1] == pytest.approx(10_000, abs=100)
    assert phases["event_count"].sum() == 20_000
    assert phases["mean_bytes"][0] < 50 < phases["mean_bytes"][1]


def test_phases_of_made_up_mixes() -> None:
    steady = np.tile([100, 5, 0], (50, 1))
    other = np.tile([0, 5, 100], (50, 1))
    assert find_phases(steady) == [(0, 50)]
    assert find_phases(np.concatenate([steady, other, steady])) == [(0, 50), (50, 100), (100, 150)]
    # One odd bin is no phase, nor is a stretch without allocations.
    odd = steady.copy()
    odd[20] = [0, 0, 50]
    odd[30:40] = 0
    assert find_phases(np.concatenate([odd, other])) == [(0, 50), (50, 100)]
    assert len(find_phases(np.concatenate([steady, other] * 5), most_phases=4)) <= 4
    assert find_phases(np.zeros((0, 3))) == []
    assert difference_bits(np.array([1.0, 0]), np.array([0, 1.0])) == 1


def test_a_trace_that_breaks_off_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_trace(tmp_path / "t.haktrace", make_events(1, 20_000))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with Trace.open(path) as trace:
        assert trace.damage
        profile = profile_trace(trace)
    assert 0 < profile.event_count < 20_000
    assert profile.live["event"].iloc[-1] == profile.event_count - 1


def test_an_empty_trace_has_empty_tables(tmp_path: Path) -> None:
    path = tmp_path / "empty.haktrace"
    write_trace(path, [(CallKind.THREAD_START, 1, 0, 0, 0, 0, 0), (CallKind.THREAD_END, 1, 0, 0, 0, 0, 5)])
    with Trace.open(path) as trace:
        profile = profile_trace(trace)
    assert (profile.event_count, profile.object_count, profile.peak_live_bytes) == (2, 0, 0)
    assert profile.cross_thread_percent == 0
    assert profile.sizes.empty
    assert profile.sites.empty


def test_bins() -> None:
    assert SIZE_BOUNDS_BYTES[find_size_class(np.array([0, 8, 9, 48, 49, 1025, 1 << 50]))].tolist() == [
        8, 8, 16, 48, 64, 1152, 1 << 40,
    ]  # fmt: skip
    for lifetime in (0, 1, 2, 3, 4, 1023, 1024, 1 << 40):
        index = int(find_lifetime_bin(np.array([lifetime]))[0])
        assert LEAST_LIFETIME[index] <= lifetime <= MOST_LIFETIME[index]
