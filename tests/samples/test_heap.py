"""Who holds the memory of a program with known allocations, as a user asks."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.terminal import assert_refused
from tests.samples.conftest import Start
from workbench.control import ControlBlock
from workbench.errors import NotPermitted
from workbench.samples import HeapProfile, read_heap, write_collapsed, write_pprof
from workbench.samples.pprof import _profile_class

SMALL = 10000 * 112  # the bytes of the size class
LARGE = 50 * 131072


def sum_up(profile: HeapProfile, function: str) -> tuple[float, float]:
    """Bytes in use by stacks with a function, and their standard error."""
    rows = profile.in_use()
    is_by = [any(frame.function == function for frame in profile.stacks[stack]) for stack in rows.index]
    return rows["bytes"][is_by].sum(), (rows["bytes_error"][is_by] ** 2).sum() ** 0.5


@pytest.mark.parametrize("options", [("-g",), ("-g", "-fomit-frame-pointer"), ("-fno-omit-frame-pointer",)])
def test_each_function_has_what_it_holds(start: Start, options: tuple[str, ...]) -> None:
    profile = read_heap(start(*options).pid)
    for function, exact in (("keep_small", SMALL), ("keep_large", LARGE)):
        found, error = sum_up(profile, function)
        assert 0 < error < exact / 4 or function == "keep_large"
        assert abs(found - exact) <= 4 * error + exact / 1000
    assert sum_up(profile, "churn") == (0, 0)
    assert abs(sum_up(profile, "main")[0] - SMALL - LARGE) < 0.2 * (SMALL + LARGE)
    for stack in profile.in_use().index:
        functions = [frame.function for frame in profile.stacks[stack]]
        assert not any(frame.module.startswith("libhakmem") for frame in profile.stacks[stack])
        if "hold" in functions:
            assert functions[-1] == "hold"
            assert ("main" in functions) == ("[the stack goes on]" not in functions)
    lines = [frame.line for stack in profile.stacks for frame in stack if frame.module == "shop"]
    assert any(lines) == ("-g" in options)
    assert profile.lost == 0


def test_lives_rates_and_rounding(start: Start) -> None:
    profile = read_heap(start("-g").pid)
    allocated, seconds = profile.allocated()
    assert seconds > 0
    assert len(allocated)
    churned = {stack for stack, frames in enumerate(profile.stacks) if frames[-1].function == "churn"}
    lives = profile.lifetimes()
    assert churned & set(lives.index)
    assert (lives.loc[list(churned & set(lives.index)), "median_s"] < 1).all()
    rounding = profile.rounding()
    lost, error = (float(rounding[name][112]) for name in ("lost_bytes", "lost_error"))
    assert abs(lost - 10000 * 12) <= 4 * error


def test_what_grew_since(start: Start) -> None:
    program = start("-g")
    before = read_heap(program.pid)
    assert before.grown_since(before).empty
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write("more\n")
    program.stdin.flush()
    assert program.stdout.readline() == "grown\n"
    after = read_heap(program.pid)
    grown = after.grown_since(before)
    assert abs(grown["bytes"].sum() - 1000 * 1024) <= 4 * (grown["bytes_error"] ** 2).sum() ** 0.5
    assert "grow" in {frame.function for stack in grown.index for frame in after.stacks[stack]}


@pytest.mark.parametrize(("kib", "outermost"), [("40", "_start"), ("1000", "[the stack goes on]")])
def test_a_deep_stack_is_followed_as_far_as_it_was_copied(start: Start, kib: str, outermost: str) -> None:
    profile = read_heap(start("-g", words=(kib,)).pid)
    assert abs(sum_up(profile, "keep_small")[0] - SMALL) < 0.3 * SMALL
    deep = [stack for stack in profile.stacks if any(frame.function == "dive" for frame in stack)]
    assert {stack[0].function for stack in deep} == {outermost}
    assert min(sum(frame.function == "dive" for frame in stack) for stack in deep) >= 5  # 6 KiB


def test_a_stripped_program_has_offsets_and_is_still_unwound(start: Start) -> None:
    profile = read_heap(start("-s").pid)
    names = {frame.function for stack in profile.stacks for frame in stack}
    assert any(name.startswith("shop+0x") for name in names)
    assert "keep_small" not in names
    deepest = profile.stacks[int(profile.in_use().index[0])]
    assert len(deepest) >= 4  # hold, keep_large, main, the C library


def test_a_program_whose_file_was_replaced_has_no_wrong_names(start: Start, tmp_path: Path) -> None:
    program = start("-g")
    path = tmp_path / "shop"
    path.unlink()
    others = "".join(f"int wrong_{number}(void) {{ return {number}; }}\n" for number in range(500))
    source = f"{others} int main(void) {{ return 0; }}"
    subprocess.run(["gcc", "-x", "c", "-", "-o", path], input=source, text=True, check=True)
    frames = {frame for stack in read_heap(program.pid).stacks for frame in stack}
    own = {frame.function for frame in frames if frame.module == "shop"}
    assert own
    assert all(function.startswith("shop (deleted)+0x") for function in own)


def test_code_that_the_program_made_has_the_names_that_it_tells(start: Start) -> None:
    program = start("-g", words=("jit",))

    def callers() -> set[tuple[str, ...]]:
        """Functions from main to keep_small."""
        stacks = [[frame.function for frame in stack] for stack in read_heap(program.pid).stacks]
        by_made = [names for names in stacks if "keep_small" in names]
        return {tuple(names[names.index("main") : names.index("keep_small")]) for names in by_made}

    between = ("main", "call_by_made_code")
    assert callers() == {(*between, "code made at run time")}
    maps = Path(f"/proc/{program.pid}/maps").read_text(encoding="utf-8")
    (made,) = (
        line.partition("-")[0]
        for line in maps.splitlines()
        if " r-xp 00000000 00:00 0" in line and "[" not in line
    )
    told = Path(f"/tmp/perf-{program.pid}.map")
    try:
        told.write_text(f"{made} 1000 py::work:/home/user/shop.py\nno line of a map\n", encoding="utf-8")
        assert callers() == {(*between, "py::work:/home/user/shop.py")}
    finally:
        told.unlink()


def test_a_static_program_is_refused_in_a_line(start: Start, invoke: Callable[..., Result]) -> None:
    program = start("-static-pie")
    assert_refused(invoke("heap", program.pid), "control block", "`workbench exec`")
    told = json.loads(invoke("memory", program.pid, "--json").stdout)
    assert told["resident_bytes"] > 0
    assert any("no control block" in note for note in told["notes"])


def test_files_for_other_tools(start: Start) -> None:
    profile = read_heap(start("-g").pid)
    lines = write_collapsed(profile).splitlines()
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == pytest.approx(
        profile.in_use()["bytes"].sum(), 1e-3
    )
    assert any(";main;keep_large;hold " in line for line in lines)
    message = _profile_class()()
    message.ParseFromString(gzip.decompress(write_pprof(profile)))
    kinds = [message.string_table[kind.type] for kind in message.sample_type]
    assert kinds == ["inuse_objects", "inuse_space", "alloc_objects", "alloc_space"]
    space = sum(sample.value[1] for sample in message.sample)
    assert space == pytest.approx(profile.in_use()["bytes"].sum(), 1e-3)
    modules = [message.string_table[mapping.filename] for mapping in message.mapping]
    assert modules[0] == "shop"  # the program: pprof shows it
    assert {location.mapping_id for location in message.location} <= set(range(1, len(modules) + 1))
    assert abs(message.time_nanos / 1e9 - time.time()) < 600
    names = {message.string_table[function.name] for function in message.function}
    assert {"keep_small", "keep_large", "main"} <= names
    locations = {location.id for location in message.location}
    assert all(set(sample.location_id) <= locations for sample in message.sample)


def test_the_command(start: Start, tmp_path: Path, invoke: Callable[..., Result]) -> None:
    program = start("-g")
    shown = invoke("heap", program.pid)
    assert shown.exit_code == 0, shown.output
    assert "hold:" in shown.stdout
    assert "keep_large:" in shown.stdout
    told = json.loads(invoke("heap", program.pid, "--json").stdout)
    assert abs(told["bytes"] - SMALL - LARGE) < 0.2 * (SMALL + LARGE)
    assert told["in_use"][0]["frames"][-1]["function"] == "hold"
    for format_name in ("pprof", "collapsed"):
        path = tmp_path / format_name
        result = invoke("heap", program.pid, "--format", format_name, "-o", path)
        assert result.stdout == f"{path}\n"
        assert path.stat().st_size > 100
    assert_refused(invoke("heap", program.pid, "--format", "pprof"), "needs -o FILE")
    grown = invoke("heap", program.pid, "--since", "0.1")
    assert "nothing grew" in grown.stdout


def test_who_takes_no_samples_is_told_how(start: Start, invoke: Callable[..., Result]) -> None:
    program = start(interval_bytes=0)
    wanted = f"`workbench set {program.pid} sample.interval_bytes=524288` takes some"
    assert_refused(invoke("heap", program.pid), wanted)
    with ControlBlock.open(program.pid) as block:
        block.set({"sample.interval_bytes": 4096})
    assert program.stdin is not None
    assert program.stdout is not None
    for _ in range(8):  # slow paths, in which the thread sees the setting
        program.stdin.write("more\n")
        program.stdin.flush()
        assert program.stdout.readline() == "grown\n"
    assert read_heap(program.pid).in_use()["bytes"].sum() > 0
    assert_refused(invoke("set", program.pid, "sample.interval_bytes=-1"), "sample.interval_bytes")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_process_is_refused(start: Start) -> None:
    program = start("-g")
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            read_heap(program.pid)
        except NotPermitted:
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
