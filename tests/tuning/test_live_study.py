"""Studies of a running process: on simulated noise, whose truth is known, and on a program that runs."""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from dataclasses import replace as change
from pathlib import Path

import pytest

import workbench as wb
from tests.experiments.live_programs import (
    KNOB,
    PERIOD_S,
    WORKBENCH,
    A,
    assert_gone_back,
    await_value,
    run_busy,
)
from workbench.commands.tune_live import read_ranges
from workbench.control import ControlBlock, Value
from workbench.errors import BadParameter, Leased, OutOfRange, StartOnly, WorkbenchError, WrongPlan
from workbench.experiments import JudgedProbe, LivePlan, LiveResult, TimeBlock
from workbench.experiments.live import LEASE_S
from workbench.experiments.terms import LEAST_CHANGES, TIME_OVER, ChangeLimit
from workbench.probes import Probe, probe_from_callable
from workbench.tuning import (
    Bounds,
    LiveSearch,
    LiveStudy,
    LiveStudyPlan,
    LiveStudyProgress,
    make_space,
    prepare_search,
)
from workbench.tuning.live_search import GiveUp

SPEED = JudgedProbe("speed", "requests/s", "higher")
MEMORY = JudgedProbe("memory", "bytes", "lower")
BEFORE = {KNOB: 512}
PLAN = LiveStudyPlan({KNOB: Bounds(64, 4096)}, candidates=10, blocks=24)


def make_result(plan: LivePlan, *judged: JudgedProbe) -> LiveResult:
    return LiveResult(plan, "process 1 (made up)", "hakmem", "", "", "", "", judged)


class SimulatedJudge:
    """Experiments on noise; `speed` says what settings bring, as the logarithm of a factor."""

    def __init__(self, seed: int, noise: float, optimum: float | None) -> None:
        self._random = random.Random(seed)
        self._noise, self._optimum = noise, optimum
        self.plans: list[LivePlan] = []

    def find_speed(self, settings: Mapping[str, Value]) -> float:
        if self._optimum is None:
            return 0.0
        return 0.1 - 0.05 * abs(math.log2(float(settings[KNOB]) / self._optimum))

    def __call__(self, plan: LivePlan, give_up: GiveUp, ends_s: float) -> LiveResult:
        self.plans.append(plan)
        result, level = make_result(plan, SPEED, MEMORY), 0.0
        for number, arm in enumerate(plan.design.arms, 1):
            level += self._random.gauss(0, self._noise / 5)  # and it drifts
            effect = self.find_speed(plan.b if arm == "B" else plan.a)
            speed = math.exp(level + effect + self._random.gauss(0, self._noise))
            memory = 1e8 * math.exp(self._random.gauss(0, self._noise))
            done = TimeBlock(arm, number * plan.block_s, {"speed": speed, "memory": memory})
            result = replace(result, time_blocks=(*result.time_blocks, done))
            if number % 2 == 0 and number < plan.blocks and (reason := give_up(result)):
                return replace(result, ended=reason)
        return result


def simulate(
    seed: int, optimum: float | None = None, candidates: int = 10
) -> tuple[LiveStudy, SimulatedJudge]:
    judge = SimulatedJudge(seed, 0.02, optimum)
    space = make_space(dict(PLAN.search))
    plan = LiveStudyPlan(PLAN.search, candidates=candidates, blocks=24, seed=seed)
    return LiveSearch(plan, space, BEFORE, SPEED, judge).run(), judge


def test_a_planted_optimum_is_found_and_confirmed_afresh() -> None:
    found = []
    for seed in range(10):
        study, judge = simulate(seed, 2048)
        assert study.ended == ""
        confirmed = judge.plans[-1]
        assert study.winner is not None
        assert (confirmed.a, confirmed.b) == (BEFORE, study.winner.settings)
        assert len({plan.seed for plan in judge.plans}) == len(judge.plans)
        found.append(judge.find_speed(study.proposal or BEFORE) - judge.find_speed(BEFORE))
        # Each candidate ran against the best so far.
        best: Mapping[str, Value] = BEFORE
        for trial, plan in zip(study.trials, judge.plans, strict=False):
            assert (plan.a, plan.b) == (best, trial.settings)
            best = trial.settings if trial.outcome == "better" else best
    # Of 10 % that can be won, most studies win most.
    assert sum(gain > 0.05 for gain in found) >= 9


def test_where_nothing_matters_nothing_is_proposed() -> None:
    studies = [simulate(seed, candidates=4)[0] for seed in range(100)]
    assert not any(study.winner or study.proposal for study in studies)
    outcomes = [trial.outcome for study in studies for trial in study.trials]
    assert len(outcomes) == 400
    # And most of it was ended early.
    assert outcomes.count("pruned") > 200
    assert all("Nothing is proposed" in " ".join(study.describe()) for study in studies if not study.proposal)


def test_what_fails_is_told_and_not_tried_again() -> None:
    judge = SimulatedJudge(1, 0.02, None)
    asked: list[Value] = []

    def refuse(plan: LivePlan, give_up: GiveUp, ends_s: float) -> LiveResult:
        asked.append(plan.b[KNOB])
        if plan.b[KNOB] == 64:
            raise WrongPlan("it was cut")
        return judge(plan, give_up, ends_s)

    plan = LiveStudyPlan({KNOB: (1024, 64, 128)}, candidates=10, blocks=24, seed=5)
    study = LiveSearch(plan, make_space(dict(plan.search)), BEFORE, SPEED, refuse).run()
    assert sorted(asked[:3]) == [64, 128, 1024]
    assert len(study.trials) == 3
    assert [one.reason for one in study.trials if one.settings == {KNOB: 64}] == ["it was cut"]
    assert study.ended == ""


# --- on a program that runs ---

# Eight pairs are enough for a verdict; a block that a busy machine holds up is not judged.
SHORT = LiveStudyPlan(
    {KNOB: Bounds(256, 1024, step=256)}, candidates=3, blocks=24, block_s=0.1, wash_out_s=0.0, seed=1
)
LONG = change(SHORT, blocks=400, hours=1)


@pytest.fixture(scope="module")
def busy() -> Iterator[subprocess.Popen[str]]:
    with run_busy() as process:
        yield process


@pytest.fixture
def block(busy: subprocess.Popen[str]) -> Iterator[ControlBlock]:
    with ControlBlock.open(busy.pid) as opened:
        opened.set({KNOB: A})
        yield opened
        assert opened.requested().values[KNOB] == A
        opened.take_lease({KNOB: A}, {KNOB: A + 1}, number=7, length_s=LEASE_S)  # nobody else holds one
        opened.end_lease(7)


def make_probe(block: ControlBlock, gain: float = 1.1) -> Probe:
    """A figure that each 256 slots more than A multiply by `gain`, with noise that the clock makes."""

    def read() -> float:
        noise = 1 + 0.002 * (time.monotonic_ns() // 1000 % 7 - 3) / 3
        return 100.0 * noise * float(gain ** ((float(block.requested().values[KNOB]) - A) / 256))

    return probe_from_callable("speed", read, "requests/s", better="higher", period_s=PERIOD_S)


def run_until(
    block: ControlBlock,
    act: Callable[[LiveSearch], object],
    plan: LiveStudyPlan = LONG,
    probes: tuple[Probe, ...] = (),
) -> LiveStudy:
    """Run a study in which something happens in the third block of its first candidate."""
    search = prepare_search(block, plan, [make_probe(block), *probes])
    acted: list[int] = []

    def watch(now: LiveStudyProgress) -> None:
        if now.experiment.number >= 3 and not acted:
            acted.append(now.experiment.number)
            act(search)

    search.on_progress = watch
    study = search.run()
    assert acted
    (trial,) = study.trials
    assert trial.outcome == "ended early"
    assert trial.result is not None
    assert 2 <= len(trial.result.time_blocks) < plan.blocks
    assert not study.proposal
    return study


def test_the_best_is_proposed_and_the_process_has_what_it_had(block: ControlBlock, tmp_path: Path) -> None:
    study = prepare_search(block, SHORT, [make_probe(block)]).run()
    assert study.ended == ""
    assert study.before == {KNOB: A}
    # All others of 256, 512, 768 and 1024.
    assert sorted(trial.settings[KNOB] for trial in study.trials) == [256, 768, 1024]
    assert study.proposal == {KNOB: 1024}
    assert study.confirmation is not None
    assert study.confirmation.plan.a == {KNOB: A}
    told = " ".join(study.describe())
    assert f"Proposed: {KNOB}=1024." in told
    assert told.endswith("A is restored.")
    study.save(tmp_path)
    assert LiveStudy.read(tmp_path) == study
    assert LiveResult.read(tmp_path) == study.confirmation
    assert list(study.to_frame()["outcome"]) == [trial.outcome for trial in study.trials]
    assert "proposed" in repr(study)
    wb.export_settings(study, tmp_path / "tuned.toml")
    assert wb.read_settings(tmp_path / "tuned.toml") == {KNOB: 1024}


def test_ended_by_a_guard(block: ControlBlock) -> None:
    errors = [0.0]
    watched = probe_from_callable("errors", lambda: errors[0], period_s=PERIOD_S)
    study = run_until(
        block, lambda _: errors.append(errors.pop() + 9), change(LONG, guards=("errors<5",)), (watched,)
    )
    assert study.ended.startswith("guard errors<5 was broken: 9 in block")
    assert study.restored == "A is restored"


def test_stopped(block: ControlBlock) -> None:
    assert run_until(block, lambda search: search.stop()).ended == "it was stopped"


def test_who_moves_a_knob_by_hand_keeps_it(block: ControlBlock) -> None:
    study = run_until(block, lambda _: block.set({KNOB: 777}))
    assert study.ended.startswith(f"somebody set {KNOB} to 777")
    assert block.requested().values[KNOB] == 777
    block.set({KNOB: A})


def test_another_study_of_the_process_is_refused(block: ControlBlock) -> None:
    def begin_another(search: LiveSearch) -> None:
        with (
            ControlBlock.open(block.info.pid) as again,
            pytest.raises(Leased, match="is under an experiment"),
        ):
            prepare_search(again, SHORT, [make_probe(again)]).run()
        search.stop()

    run_until(block, begin_another)


def test_it_waits_for_the_limit_of_changes_with_what_the_process_had(block: ControlBlock) -> None:
    seen: list[Value] = []
    plan = change(LONG, most_changes_per_hour=20)
    search = prepare_search(block, plan, [make_probe(block)])

    def watch(now: LiveStudyProgress) -> None:
        if now.experiment.waits:
            seen.append(block.requested().values[KNOB])
            search.stop()

    search.on_progress = watch
    generation = block.requested().generation
    study = search.run()
    assert seen == [A]
    assert study.ended == "it was stopped"
    blocks = [len(trial.result.time_blocks) for trial in study.trials if trial.result is not None]
    assert 4 <= sum(blocks) <= 20
    assert block.requested().generation - generation <= 30  # written at every boundary, also where it stays


def test_the_limit_counts_an_hour() -> None:
    now = [0.0]
    limit = ChangeLimit(LEAST_CHANGES + 1, lambda: now[0])
    assert limit.allows_pair
    for _ in range(2):
        limit.note()
        now[0] += 1
    assert not limit.allows_pair
    now[0] = 3600.0
    assert limit.allows_pair
    assert ChangeLimit().allows_pair


def test_the_time_of_the_search_leaves_room_for_the_final_comparison() -> None:
    judge = SimulatedJudge(1, 0.02, 2048)
    times: list[float] = []

    def run_late(plan: LivePlan, give_up: GiveUp, ends_s: float) -> LiveResult:
        times.append(ends_s)
        result = judge(plan, give_up, ends_s)
        return replace(result, ended=TIME_OVER) if len(times) == 3 else result

    study = LiveSearch(PLAN, make_space(dict(PLAN.search)), BEFORE, SPEED, run_late).run()
    assert study.ended == TIME_OVER
    assert study.trials[-1].outcome == "ended early"
    assert study.confirmation is not None
    assert times[-1] - times[0] == pytest.approx(PLAN.comparison_s)


@pytest.mark.parametrize(
    ("plan", "error", "words"),
    [
        (change(SHORT, search={"l25.initial_shards": Bounds()}), StartOnly, "takes effect at start only"),
        (change(SHORT, search={"tls.max_slot": Bounds()}), WrongPlan, "did you mean"),
        (change(SHORT, search={KNOB: Bounds(64, 10**9)}), WrongPlan, "out of range"),
        (change(SHORT, search={KNOB: Bounds(64, 128, step=100)}), WrongPlan, "no steps of 100 lead from 64"),
        (change(SHORT, search={KNOB: Bounds(1, 32)}), WrongPlan, "no values of these ranges keep"),
        (change(SHORT, search={}), WrongPlan, "names no tunable"),
        (change(SHORT, candidates=0), OutOfRange, "candidates: 0"),
        (change(SHORT, most_changes_per_hour=3), OutOfRange, "most_changes_per_hour: 3"),
        (change(SHORT, hours=0.0001), WrongPlan, "leave no room"),
        (change(SHORT, blocks=8), WrongPlan, "give at least 16"),
        (change(SHORT, guards=("sped<1",)), BadParameter, "unknown probe 'sped'"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line_before_anything_changes(
    block: ControlBlock, plan: LiveStudyPlan, error: type[Exception], words: str
) -> None:
    before = block.requested()
    with pytest.raises(error, match=words) as refused:
        prepare_search(block, plan, [make_probe(block)])
    assert len(str(refused.value).splitlines()) == 1
    assert block.requested() == before


def test_a_figure_needs_a_better_side(block: ControlBlock) -> None:
    still = probe_from_callable("still", lambda: 1.0, period_s=PERIOD_S)
    with pytest.raises(BadParameter, match="probe still: say what is better, lower or higher"):
        prepare_search(block, SHORT, [still])
    prepare_search(block, SHORT, [still], better="lower")


def test_what_cannot_be_read_back_needs_a_declared_a_and_goes_back_to_it() -> None:
    knob, low, high = "M_TRIM_THRESHOLD", 2**20, 2**22
    plan = change(SHORT, search={knob: Bounds(low, high, step=low)}, candidates=2)
    with run_busy("--agent") as process, ControlBlock.open(process.pid) as block:
        still = probe_from_callable("still", lambda: 1.0, better="higher", period_s=PERIOD_S)
        with pytest.raises(WrongPlan, match="cannot be read back"):
            prepare_search(block, plan, [still])
        study = prepare_search(block, change(plan, a={knob: low}), [still]).run()
        assert [trial.outcome for trial in study.trials] == ["pruned", "pruned"]
        assert block.requested().values[knob] == low


# --- the way back ---

# A study for ever: its first candidate wins, so that further ones run against it; to be killed.
TUNER = """
import sys
from tests.tuning.test_live_study import SHORT, Bounds, ControlBlock, change, make_probe, prepare_search
from tests.experiments.live_programs import KNOB
plan = change(SHORT, search={KNOB: Bounds(768, 4096)}, candidates=1000)
with ControlBlock.open(int(sys.argv[1])) as block:
    search = prepare_search(block, plan, [make_probe(block)])
    def tell(now):
        if search.study.winner is not None and now.experiment.number:
            print("a winner", flush=True)
    search.on_progress = tell
    search.run()
"""


def test_a_killed_tuner_leaves_what_the_process_had(block: ControlBlock) -> None:
    moments = random.Random(3)
    for _ in range(2):
        tuner = subprocess.Popen(
            [sys.executable, "-c", TUNER, str(block.info.pid)], stdout=subprocess.PIPE, text=True
        )
        with tuner:
            assert tuner.stdout is not None
            assert tuner.stdout.readline() == "a winner\n"
            time.sleep(moments.uniform(0, 0.3))
            tuner.send_signal(signal.SIGKILL)
        assert_gone_back(block, KNOB, A)


def run_command(pid: int | str, *words: str) -> list[str]:
    return [
        *(str(WORKBENCH), "tune-live", str(pid), "--range", f"{KNOB}=256:1024:256", "--wash-out", "0"),
        *("--probe", "process.minor_faults", "--block-seconds", "0.4", *words),
    ]


def test_ctrl_c_ends_the_command_and_keeps_what_was_measured(block: ControlBlock, tmp_path: Path) -> None:
    command = run_command(block.info.pid, "--blocks", "400", "--json", "--output", str(tmp_path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        await_value(block.info.pid, lambda one: one.requested().values[KNOB] != A, 60)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    report = json.loads(output)
    assert process.returncode == 130
    assert (report["ended"], report["restored"]) == ("ended by Ctrl-C", "A is restored")
    assert report["proposal"] == {}
    assert len(LiveStudy.read(tmp_path).trials) == len(report["trials"]) == 1
    assert "Nothing is proposed" in (tmp_path / "study.html").read_text()


def test_the_command_tries_a_group_and_tells_in_plain_words(block: ControlBlock) -> None:
    done = subprocess.run(
        run_command(f"parent:{block.info.pid}", "--blocks", "16", "--candidates", "1", "--export", "x.env"),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    # Slots do nothing to these page faults: it is proposed in one study of hundreds at most.
    assert "(1 process): process.minor_faults, before: tls.max_slots=512" in done.stdout
    assert "Nothing is proposed" in done.stdout
    assert "A is restored." in done.stdout
    assert "nothing was exported" in done.stderr
    assert done.returncode == 2


def test_ranges_are_read_as_they_are_written(block: ControlBlock) -> None:
    texts = (
        "tls.max_slots=64:512:64",
        "ss.purge_delay_ms = 100:200",
        "route.profile=hot,full",
        "tls.adaptive",
    )
    assert read_ranges(texts, block.tunables) == {
        "tls.max_slots": Bounds(64, 512, step=64),
        "ss.purge_delay_ms": Bounds(100, 200),
        "route.profile": ("hot", "full"),
        "tls.adaptive": Bounds(),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tls.max_slot=1:2", "did you mean 'tls.max_slots'"),
        ("tls.max_slots=1:2:3:4", "give NAME, NAME=LOW:HIGH, NAME=LOW:HIGH:STEP"),
        ("tls.max_slots=64:many", "many"),
        ("tls.max_slots=64:128:few", "--range tls.max_slots"),
        ("tls.max_slots=64:1e12", "out of range"),
    ],
)
def test_wrong_ranges_are_refused_in_a_line(block: ControlBlock, text: str, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said) as refused:
        read_ranges([text], block.tunables)
    assert len(str(refused.value).splitlines()) == 1


def test_python_keeps_what_is_proposed_if_told_so(block: ControlBlock, tmp_path: Path) -> None:
    study = wb.tune_live(
        block.info.pid,
        {KNOB: [A, 1024]},
        probes=[make_probe(block)],
        candidates=2,
        blocks=24,
        block_s=0.1,
        wash_out_s=0,
        keep=True,
        output=tmp_path,
    )
    assert study.is_kept
    assert block.requested().values[KNOB] == 1024
    assert "The process keeps it." in study.describe()
    assert LiveStudy.read(tmp_path) == study
    assert "workbench export --experiment" in (tmp_path / "study.html").read_text()
    block.set({KNOB: A})
