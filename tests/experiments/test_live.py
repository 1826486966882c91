"""Live experiments on running programs: what they find, what ends them, and that A is always restored."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import workbench as wb
from tests.experiments.live_programs import (
    KNOB,
    PERIOD_S,
    WORKBENCH,
    A,
    B,
    assert_gone_back,
    await_value,
    make_probe,
    run_busy,
)
from workbench.control import ControlBlock, Settings
from workbench.errors import BadParameter, Leased, StartOnly, WorkbenchError, WrongPlan
from workbench.experiments import live
from workbench.experiments.live import LEASE_S, LiveExperiment, LiveProgress
from workbench.experiments.live_result import Guard, LivePlan, LiveResult
from workbench.plots import draw_blocks
from workbench.probes import Probe, probe_from_callable

#: `make soak ROWS=kills` kills a hundred experiments of each kind.
FACTOR = int(os.environ.get("SOAK_FACTOR", "1"))
# Eight pairs are enough for a verdict; a block that a busy machine holds up is not judged.
SHORT = LivePlan({KNOB: A}, {KNOB: B}, blocks=24, block_s=0.1, wash_out_s=0.0, seed=1)
LONG = LivePlan({KNOB: A}, {KNOB: B}, blocks=400, block_s=0.1, wash_out_s=0.0, seed=1)


@pytest.fixture(scope="module")
def busy() -> Iterator[subprocess.Popen[str]]:
    with run_busy() as process:
        yield process


@pytest.fixture
def block(busy: subprocess.Popen[str]) -> Iterator[ControlBlock]:
    with ControlBlock.open(busy.pid) as opened:
        yield opened


def assert_restored(block: ControlBlock) -> None:
    assert block.requested().values[KNOB] == A
    await_value(block.info.pid, lambda one: one.effective().values[KNOB] == A, 10)


def run_until(
    block: ControlBlock, number: int, act: object, *, plan: LivePlan = LONG, **options: object
) -> LiveResult:
    """Run an experiment in which something happens in a block; the rest of its plan is not to be reached."""
    done = threading.Event()

    def watch(now: LiveProgress) -> None:
        if now.number >= number and not done.is_set():
            done.set()
            act(experiment)  # type: ignore[operator]

    probes = options.pop("probes", [make_probe(block)])
    experiment = LiveExperiment(block, plan, probes, on_progress=watch, **options)  # type: ignore[arg-type]
    result = experiment.run()
    assert done.is_set()
    assert number - 1 <= len(result.time_blocks) < plan.blocks
    return result


def test_an_effect_is_told_written_at_every_boundary_and_kept(block: ControlBlock, tmp_path: Path) -> None:
    before = block.requested().generation
    result = LiveExperiment(block, SHORT, [make_probe(block)]).run()
    assert block.requested().generation - before >= SHORT.blocks
    assert result.ended == ""
    assert [one.arm for one in result.time_blocks] == SHORT.design.arms
    (effect,) = result.effects.values()
    assert effect.ratio.verdict == "better"
    assert effect.ratio.estimate == pytest.approx(1.05, abs=0.01)  # one 95 % interval in twenty misses it
    assert_restored(block)
    result.save(tmp_path)
    assert LiveResult.read(tmp_path) == result
    assert len(result.to_frame()) == SHORT.blocks
    assert "better" in repr(result)
    assert len(draw_blocks(result).data) == 2


def test_a_reading_belongs_to_the_block_in_which_it_began_and_ended(block: ControlBlock) -> None:
    def read() -> float:
        figure = 200.0 if block.requested().values[KNOB] == B else 100.0
        time.sleep(0.05)  # a reader that waits for a processor
        return figure

    probe = probe_from_callable("slow", read, "requests/s", better="higher", period_s=PERIOD_S)
    plan = LivePlan({KNOB: A}, {KNOB: B}, blocks=16, block_s=0.25, wash_out_s=0.0, seed=1)
    result = LiveExperiment(block, plan, [probe]).run()
    shown = {(one.arm, one.values["slow"]) for one in result.time_blocks}
    assert shown - {("A", None), ("B", None)} == {("A", 100.0), ("B", 200.0)}
    while any(thread.name == "probe slow" for thread in threading.enumerate()):
        time.sleep(0.01)  # it is in its last reading


def test_no_effect_is_no_verdict(block: ControlBlock) -> None:
    result = LiveExperiment(block, SHORT, [make_probe(block, gain=1.0)]).run()
    (effect,) = result.effects.values()
    assert effect.ratio.verdict == "cannot tell"


def test_it_ends_early_at_a_look_that_tells_all(block: ControlBlock) -> None:
    plan = LivePlan({KNOB: A}, {KNOB: B}, blocks=44, block_s=0.1, wash_out_s=0.0, looks=2)
    result = LiveExperiment(block, plan, [make_probe(block)]).run()
    assert result.ended == "all was told at look 1 of 2"
    assert len(result.time_blocks) == 22
    assert "better" in repr(result)


def test_stopped_it_keeps_what_was_measured(block: ControlBlock) -> None:
    result = run_until(block, 4, lambda experiment: experiment.stop())
    assert result.ended == "it was stopped"
    assert "no verdict before the declared blocks" in repr(result)
    assert_restored(block)


def test_who_moves_a_knob_by_hand_keeps_it(block: ControlBlock) -> None:
    result = run_until(block, 3, lambda _: block.set({KNOB: 777}))
    assert result.ended == f"somebody set {KNOB} to 777: it stays so, and the experiment ended"
    assert result.restored == f"A is restored, except {KNOB}, which somebody else set"
    assert block.requested().values[KNOB] == 777


def test_a_guard_ends_it_at_once(block: ControlBlock) -> None:
    errors = [0.0]
    watched = [probe_from_callable("errors", lambda: errors[0], period_s=PERIOD_S)]
    result = run_until(
        block,
        3,
        lambda _: errors.append(errors.pop() + 9),
        plan=LivePlan({KNOB: A}, {KNOB: B}, 400, 0.1, 0.0, guards=("errors<5",)),
        watched=watched,
    )
    assert result.ended.startswith("guard errors<5 was broken: 9 in block")
    assert_restored(block)


def test_a_probe_that_disappears_ends_it(block: ControlBlock) -> None:
    is_gone = threading.Event()

    def read() -> float:
        if is_gone.is_set():
            raise OSError("no such metric any more")
        return 1.0

    probe = probe_from_callable("fleeting", read, period_s=PERIOD_S)
    plan = LivePlan({KNOB: A}, {KNOB: B}, blocks=20, block_s=0.2, wash_out_s=0.0)
    result = run_until(block, 7, lambda _: is_gone.set(), plan=plan, probes=[probe])
    assert "probe fleeting had no value in block" in result.ended
    assert "of 20: OSError: no such metric any more" in result.ended
    assert 7 <= len(result.time_blocks) < 20
    assert_restored(block)


def test_a_block_in_which_the_machine_slept_is_told_and_not_judged(
    block: ControlBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept_s, today_s = [0.0], [0.0]
    monkeypatch.setattr(live, "_slept_s", lambda: slept_s[0])
    monkeypatch.setattr(time, "time", lambda: today_s[0])

    def jump(now: LiveProgress) -> None:
        today_s[0] = -1e6 if today_s[0] > 0 else 1e6  # the wall clock steps to and fro; nothing asks for it
        if now.number == 5:
            slept_s[0] = 3600.0

    plan = LivePlan({KNOB: A}, {KNOB: B}, blocks=24, block_s=0.3, wash_out_s=0.0, seed=1)
    result = LiveExperiment(block, plan, [make_probe(block)], on_progress=jump).run()
    assert (result.ended, len(result.time_blocks)) == ("", 24)
    assert [one.values["speed"] is None for one in result.time_blocks].index(True) == 4
    assert result.overlong == [
        "block 5 took 3600.3 s in place of 0.3 s, as if the machine had slept or its clock had jumped: "
        "it is not judged"
    ]
    assert result.effects["speed"].ratio.pairs == 11
    assert result.overlong[0] in str(result.to_table())
    assert_restored(block)


def test_an_experimenter_that_stood_still_ends_it_and_the_process_has_gone_back(block: ControlBlock) -> None:
    result = run_until(block, 3, lambda _: time.sleep(LEASE_S + 0.5))
    assert result.ended.endswith("has lapsed: the process went back by itself")
    assert result.restored == "A is restored; one process had ended or gone back by itself"
    assert len(result.time_blocks) >= 2
    assert_restored(block)


@pytest.mark.parametrize("how", ["ended", "became another program"])
def test_a_process_that_is_gone_ends_it(how: str) -> None:
    with run_busy() as process, ControlBlock.open(process.pid) as block:

        def end(_: object) -> None:
            if how == "ended":
                process.kill()
            else:
                assert process.stdin is not None
                process.stdin.write("exec\n")
                process.stdin.flush()

        still: list[Probe] = [probe_from_callable("still", lambda: 1.0, period_s=PERIOD_S)]
        result = run_until(block, 3, end, probes=still)
        assert len(result.ended.splitlines()) == 1
        assert any(word in result.ended for word in ("ended", "run any more", "another program"))


def test_a_child_that_begins_in_a_block_of_b_has_a(block: ControlBlock, busy: subprocess.Popen[str]) -> None:
    forked_in: list[int] = []

    def watch(now: LiveProgress) -> None:
        if now.arm == "B" and now.number and not forked_in:
            forked_in.append(now.number)
            assert busy.stdin is not None
            busy.stdin.write("fork\n")
            busy.stdin.flush()
        elif forked_in and now.number > forked_in[0] + 1:
            experiment.stop()

    plan = LivePlan({KNOB: A}, {KNOB: B}, blocks=40, block_s=0.4, wash_out_s=0.0, seed=1)
    experiment = LiveExperiment(block, plan, [make_probe(block)], on_progress=watch)
    result = experiment.run()
    assert (result.ended, result.restored) == ("it was stopped", "A is restored")
    assert_restored(block)
    assert busy.stdout is not None
    child = int(busy.stdout.readline())
    try:
        await_value(child, lambda one: one.requested().values[KNOB] == one.effective().values[KNOB] == A, 10)
    finally:
        os.kill(child, signal.SIGKILL)
        end_s = time.monotonic() + 30
        while Path(f"/proc/{child}").exists():
            assert time.monotonic() < end_s
            time.sleep(0.01)


def test_a_value_that_the_allocator_cuts_is_refused_and_a_restored(
    block: ControlBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = ControlBlock.effective

    def cut(self: ControlBlock) -> Settings:
        now = tell(self)
        return replace(now, values={**now.values, KNOB: min(int(now.values[KNOB]), 1000)})

    block.set({KNOB: A})
    with monkeypatch.context() as patched:
        patched.setattr(ControlBlock, "effective", cut)
        refused = f"B: {KNOB}={B} was refused or cut, and became 1000; give a value that stays"
        with pytest.raises(WrongPlan, match=refused):
            LiveExperiment(block, SHORT, [make_probe(block)]).run()
    assert_restored(block)
    block.take_lease({KNOB: A}, {KNOB: B}, number=7, length_s=LEASE_S)  # that of the experiment is gone
    block.end_lease(7)


def test_two_experiments_on_one_process_are_refused(block: ControlBlock) -> None:
    refused: list[str] = []

    def begin_another(experiment: LiveExperiment) -> None:
        with ControlBlock.open(block.info.pid) as again, pytest.raises(Leased) as error:
            LiveExperiment(again, SHORT, [make_probe(again)]).run()
        refused.append(str(error.value))
        experiment.stop()

    run_until(block, 2, begin_another)
    assert "is under an experiment of process" in refused[0]
    assert_restored(block)


@pytest.mark.parametrize(
    ("plan", "error", "words"),
    [
        (LivePlan({}, {"l25.initial_shards": 128}, 16, 0.1, 0), StartOnly, "takes effect at start only"),
        (LivePlan({}, {"tls.max_slot": 1}, 16, 0.1, 0), BadParameter, "did you mean"),
        (LivePlan({}, {KNOB: 10**9}, 16, 0.1, 0), WorkbenchError, "out of range"),
        (LivePlan({}, {KNOB: B}, 8, 0.1, 0), WrongPlan, "give at least 16"),
        (LivePlan({}, {KNOB: B}, 16, 0.05, 0), WrongPlan, "is read every 0.02 s: give blocks of at least"),
        (LivePlan({}, {KNOB: B}, 16, 0.1, 0.1), WrongPlan, "leaves nothing"),
        (LivePlan({}, {KNOB: B}, 16, 0.1, 0, guards=("sped<1",)), BadParameter, "unknown probe 'sped'"),
        (LivePlan({}, {KNOB: 32}, 16, 0.1, 0), WorkbenchError, "tls.initial_slots"),
        (LivePlan({"tls.min_slots": 1}, {KNOB: B}, 16, 0.1, 0), WrongPlan, "in A only"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    block: ControlBlock, plan: LivePlan, error: type[Exception], words: str
) -> None:
    before = block.requested()
    with pytest.raises(error, match=words) as refused:
        LiveExperiment(block, plan, [make_probe(block)])
    assert len(str(refused.value).splitlines()) == 1
    assert block.requested() == before


def test_a_probe_that_stands_twice_is_refused_before_anything_is_set(block: ControlBlock) -> None:
    before, plan = block.requested(), LivePlan({}, {KNOB: B}, 16, 0.1, 0)
    for twice in (["process.resident"] * 2, ["process.resident", "process.resident:bytes=echo 1"]):
        with pytest.raises(BadParameter, match=r"^process\.resident stands twice; give it once$"):
            live.prepare_experiment(block, plan, twice)
    assert block.requested() == before


def test_what_the_process_has_is_refused_as_b_before_anything_is_set(block: ControlBlock) -> None:
    block.set({KNOB: A})
    before = block.requested()
    with pytest.raises(WrongPlan, match=r"^B is what the process has, tls\.max_slots=\d+: give another"):
        live.prepare_experiment(block, LivePlan({}, {KNOB: A}, 16, 0.1, 0), [make_probe(block)])
    assert block.requested() == before
    same = LivePlan({KNOB: str(B)}, {KNOB: B}, 16, 0.1, 0)  # both are given: a check of the experiment itself
    assert live.prepare_experiment(block, same, [make_probe(block)]).plan.a == {KNOB: B}


def test_a_guard_is_read_as_it_is_written() -> None:
    assert str(Guard.parse(" errors < 5 ")) == "errors<5"
    assert Guard.parse("rps>1e3").is_kept(1500)
    assert not Guard.parse("rps>1e3").is_kept(500)
    for wrong in ("errors", "errors=5", "errors<many", "<5"):
        with pytest.raises(BadParameter, match="PROBE<LIMIT"):
            Guard.parse(wrong)


def test_what_cannot_be_read_back_needs_a_declared_a() -> None:
    with run_busy("--agent") as process, ControlBlock.open(process.pid) as block:
        knob, (low, high) = "M_TRIM_THRESHOLD", (2**20, 2**21)
        assert block.tunables[knob].is_write_only
        probe = probe_from_callable("still", lambda: 1.0, period_s=PERIOD_S)
        with pytest.raises(WrongPlan, match="cannot be read back"):
            LiveExperiment(block, LivePlan({}, {knob: high}, 16, 0.1, 0), [probe])
        result = LiveExperiment(block, LivePlan({knob: low}, {knob: high}, 16, 0.1, 0), [probe]).run()
        assert result.ended == ""
        assert block.requested().values[knob] == low


def kill_experiments(pid: int, knob: str, a: int, b: int) -> None:
    """Kill experiments at random moments."""
    moments = random.Random(FACTOR)
    for _ in range(2 * FACTOR):
        command = [sys.executable, "-m", "tests.experiments.live_programs", str(pid), knob, str(a), str(b)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as experimenter:
            assert experimenter.stdout is not None
            assert experimenter.stdout.readline().startswith("began")
            time.sleep(moments.uniform(0, 0.3))
            experimenter.send_signal(signal.SIGKILL)
        with ControlBlock.open(pid) as block:
            assert_gone_back(block, knob, a)


def test_a_killed_experiment_leaves_a(busy: subprocess.Popen[str]) -> None:
    kill_experiments(busy.pid, KNOB, A, B)


def test_a_killed_experiment_leaves_a_under_the_agent() -> None:
    with run_busy("--agent") as process:
        kill_experiments(process.pid, "M_TRIM_THRESHOLD", 2**20, 2**21)


def test_the_command_reports_and_ctrl_c_restores(busy: subprocess.Popen[str], tmp_path: Path) -> None:
    with ControlBlock.open(busy.pid) as block:
        block.set({KNOB: A})
    command = [
        *(
            str(WORKBENCH),
            "experiment",
            str(busy.pid),
            "--b",
            f"{KNOB}={B}",
            "--json",
            "--output",
            str(tmp_path),
        ),
        *("--probe", "process.minor_faults", "--block-seconds", "0.4", "--wash-out", "0", "--blocks", "400"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        await_value(busy.pid, lambda _: (tmp_path / "experiment.json").exists(), 60)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    report = json.loads(output)
    assert process.returncode == 130
    assert report["ended"] == "ended by Ctrl-C"
    assert report["restored"] == "A is restored"
    assert len(report["time_blocks"]) == len(LiveResult.read(tmp_path).time_blocks) >= 1
    with ControlBlock.open(busy.pid) as block:
        assert block.requested().values[KNOB] == A


def test_a_pilot_that_is_too_short_is_refused_at_once(busy: subprocess.Popen[str]) -> None:
    command = [str(WORKBENCH), "experiment", str(busy.pid), "--b", f"{KNOB}={B + 1}", "--pilot", "2"]
    done = subprocess.run(
        [*command, "--probe", "process.resident"], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr == ("workbench: --pilot 2: it is too short to foretell anything; give at least 60 s\n")


def test_python_takes_groups_and_metrics_of_the_process(busy: subprocess.Popen[str]) -> None:
    result = wb.experiment(
        f"parent:{busy.pid}",
        {KNOB: B},
        {KNOB: A},
        probes=["ss.busy_slabs", "process.resident"],
        period_s=0.03,
        blocks=16,
        block_s=0.1,
        wash_out_s=0,
        seed=1,
    )
    assert len(result.time_blocks) == 16
    assert "1 process" in result.target
    with ControlBlock.open(busy.pid) as block:
        assert block.requested().values[KNOB] == A
