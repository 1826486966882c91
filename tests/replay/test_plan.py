"""Plans say the same as their traces, in every order that they allow, and are kept while they are good."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.replay import plan_reader, programs
from tests.replay.conftest import count_events
from workbench.errors import BadParameter, DamagedTrace
from workbench.traces import CallKind, Trace
from workbench.traces import plan as plans
from workbench.traces.plan import find_plan

SEEDS = range(4)


def test_one_thread_is_one_lane_in_the_traces_order(mixed: Path) -> None:
    plan = find_plan(mixed)
    assert (plan.lane_count, plan.event_count, plan.skipped_frees) == (1, count_events(mixed), 0)
    (lane,) = plan_reader.read_lanes(plan.path)
    with Trace.open(mixed) as trace:
        expected = [
            (int(kind), int(size))
            for chunk in trace.chunks()
            for kind, size in zip(chunk.kind, chunk.size_bytes, strict=True)
        ]
        duration_us = trace.metadata.duration_s * 1e6
    assert [(step.kind, step.size) for step in lane] == expected
    assert sum(step.delta_us for step in lane) == pytest.approx(duration_us, abs=1)
    assert plan.slot_count <= 4096 + 64


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_of_the_lanes_frees_what_the_trace_frees(tmp_path: Path, seed: int) -> None:
    script = programs.mixed(2500, seed, threads=5)
    plan = find_plan(programs.write(tmp_path / "t.haktrace", script))
    player = plan_reader.Player(plan_reader.read_lanes(plan.path), seed)
    player.play()
    sizes: dict[int, int] = {}
    freed: Counter[int] = Counter()
    for kind, _, item, size, _, _ in script.rows:
        if kind < CallKind.FREE:
            sizes[item] = size
        elif kind == CallKind.FREE:
            freed[sizes[item]] += 1
    assert Counter(player.freed) == freed


@pytest.mark.parametrize("seed", SEEDS)
def test_threads_one_after_the_other_share_a_lane_and_none_deadlocks(pipeline: Path, seed: int) -> None:
    plan = find_plan(pipeline)
    assert plan.lane_count == 3
    player = plan_reader.Player(plan_reader.read_lanes(plan.path), seed)
    player.play()
    assert len(player.freed) == 3 * 1500
    assert player.handed_over == 6


def test_a_thread_does_not_begin_before_its_creator_came_to_it(tmp_path: Path) -> None:
    script = programs.Script()
    for _ in range(100):
        script.allocate(0, 10)
    script.start(1)
    script.allocate(1, 20)
    lanes = plan_reader.read_lanes(find_plan(programs.write(tmp_path / "t.haktrace", script)).path)
    assert [step.kind for step in lanes[0]][-1] == plan_reader.SIGNAL_START
    assert [step.kind for step in lanes[1]] == [plan_reader.AWAIT_START, plan_reader.MALLOC]


def test_a_producer_is_bounded_in_how_far_it_runs_ahead(tmp_path: Path) -> None:
    script = programs.Script()
    script.start(1)
    for _ in range(200):
        script.free(1, script.allocate(0, 100_000))
    plan = find_plan(programs.write(tmp_path / "t.haktrace", script))
    for seed in SEEDS:
        player = plan_reader.Player(plan_reader.read_lanes(plan.path), seed)
        player.play()
        assert player.most_live_bytes <= 2 * 2**20


def test_long_silences_are_kept(tmp_path: Path) -> None:
    script = programs.Script()
    script.allocate(0, 10)
    script.time_ns += 7_200_000_000_000
    script.allocate(0, 10)
    plan = find_plan(programs.write(tmp_path / "t.haktrace", script))
    assert plan.duration_s == pytest.approx(7200, abs=0.01)
    (lane,) = plan_reader.read_lanes(plan.path)
    assert (
        sum(step.delta_us + (step.size if step.kind == plan_reader.GAP else 0) for step in lane)
        == 7_200_000_004
    )


def test_more_threads_at_once_than_lanes_are_refused(tmp_path: Path, plan_cache: Path) -> None:
    script = programs.Script()
    for thread in range(1, 300):
        script.start(thread)
        script.allocate(thread, 8)
    path = programs.write(tmp_path / "crowd.haktrace", script)
    with pytest.raises(DamagedTrace, match=r"crowd\.haktrace: more than 256 threads"):
        find_plan(path)
    assert list(plan_cache.iterdir()) == []


def test_hundreds_of_threads_one_after_the_other_fit(tmp_path: Path) -> None:
    plan = find_plan(programs.write(tmp_path / "t.haktrace", programs.pipeline(400, 1, 3)))
    assert plan.lane_count == 2


def test_a_plan_is_compiled_once_and_again_when_the_trace_is_another(tmp_path: Path, mixed: Path) -> None:
    first = find_plan(mixed)
    inode = first.path.stat().st_ino
    copy = tmp_path / "elsewhere.haktrace"
    copy.write_bytes(mixed.read_bytes())
    assert find_plan(mixed).path.stat().st_ino == inode
    assert find_plan(copy) == first
    programs.write(mixed, programs.mixed(100, seed=4))
    assert find_plan(mixed).event_count == 100


@pytest.mark.parametrize("offset", [0, 8, 40, 600, 65536, 65536 + 700, 3 * 65536 - 1])
def test_a_damaged_or_older_plan_is_compiled_again(mixed: Path, offset: int) -> None:
    sound = find_plan(mixed)
    content = sound.path.read_bytes()
    damaged = bytearray(content)
    damaged[offset] ^= 0x40
    sound.path.unlink()
    sound.path.write_bytes(damaged)
    again = find_plan(mixed)
    assert again == sound
    assert again.path.read_bytes() == content


def test_a_plan_cut_short_is_compiled_again(mixed: Path) -> None:
    sound = find_plan(mixed)
    content = sound.path.read_bytes()
    os.truncate(sound.path, len(content) // 2)
    assert find_plan(mixed).path.read_bytes() == content


def test_the_cache_gives_up_what_was_used_longest_ago(
    tmp_path: Path, plan_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "MAXIMUM_CACHE_BYTES", 2 * 131072)
    paths = [programs.write(tmp_path / f"{seed}.haktrace", programs.mixed(50, seed)) for seed in range(3)]
    kept = [find_plan(path).path for path in paths[:2]]
    for age, path in enumerate(kept):
        os.utime(path, (age + 1, path.stat().st_mtime))
    find_plan(paths[0])  # used again just now
    newest = find_plan(paths[2]).path
    assert set(plan_cache.iterdir()) == {kept[0], newest}


def test_what_precedes_the_damage_of_a_trace_is_compiled(tmp_path: Path) -> None:
    path = programs.write(tmp_path / "t.haktrace", programs.mixed(6000, seed=1))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with Trace.open(path) as trace:
        assert trace.damage is not None
    assert 0 < find_plan(path).event_count < 6000


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match=r"missing\.haktrace: No such file"):
        find_plan(tmp_path / "missing.haktrace")
    with pytest.raises(BadParameter, match="it is a folder"):
        find_plan(tmp_path)
    (tmp_path / "text.haktrace").write_text("hello" * 100)
    with pytest.raises(DamagedTrace, match=r"text\.haktrace"):
        find_plan(tmp_path / "text.haktrace")
    empty = programs.write(tmp_path / "empty.haktrace", programs.Script())
    with pytest.raises(BadParameter, match="no allocation to replay"):
        find_plan(empty)


def test_live_objects_in_a_row_are_found_and_removed_by_a_few_looks(tmp_path: Path, repository: Path) -> None:
    # Numbers in a row, as every program has them, were once one run as long as all that lived.
    compiler = shutil.which("cc")
    assert compiler is not None
    program = tmp_path / "table"
    source = Path(__file__).with_name("table.c")
    subprocess.run(
        [compiler, "-O1", f"-I{repository / 'native' / 'workloads'}", source, "-o", program], check=True
    )
    answer = subprocess.run([program], capture_output=True, text=True, timeout=120, check=True)
    longest = {int(step): int(run) for step, run in map(str.split, answer.stdout.splitlines())}
    assert len(longest) == 26
    assert max(longest.values()) < 1000
