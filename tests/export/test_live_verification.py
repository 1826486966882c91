"""A live experiment that was exported, run again on a process: it agrees, or not, or cannot be tried."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import workbench as wb
from tests.cli.terminal import run_workbench
from tests.experiments.live_programs import KNOB, PERIOD_S, A, B, run_busy
from workbench.control import ControlBlock
from workbench.errors import BadParameter, NoProcess
from workbench.experiments.live_result import JudgedProbe, LiveResult
from workbench.export.live_evidence import LiveEvidence
from workbench.export.live_verification import LiveVerification, judge_repetition

SPEED = "speed:requests,higher=file:{}"


@dataclass
class Service:
    """A program, and a file with a figure that B multiplies by `gain`."""

    block: ControlBlock
    file: Path
    gain: float = 1.05
    end: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        number = 0
        while not self.end.wait(PERIOD_S / 4):
            number += 1
            gain = self.gain if self.block.requested().values[KNOB] == B else 1.0
            new = self.file.with_suffix(".new")
            new.write_text(str(100 * gain * (1 + 0.001 * (number % 3 - 1))))
            new.replace(self.file)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_busy() as process, ControlBlock.open(process.pid) as block, contextlib.ExitStack() as ended:
        block.set({KNOB: A})
        made = Service(block, tmp_path_factory.mktemp("service") / "speed")
        made.file.write_text("100")
        writer = threading.Thread(target=made.write)
        writer.start()
        ended.callback(writer.join)
        ended.callback(made.end.set)
        yield made


@pytest.fixture(scope="module")
def claim(service: Service) -> LiveResult:
    """What an experiment found on it."""
    result = wb.experiment(
        service.block.info.pid,
        {KNOB: B},
        probes=[SPEED.format(service.file)],
        period_s=PERIOD_S,
        blocks=16,
        block_s=0.1,
        wash_out_s=0,
        seed=1,
    )
    (effect,) = result.effects.values()
    assert effect.describe() == "better"
    return result


@pytest.fixture
def file(claim: LiveResult, tmp_path: Path) -> Path:
    wb.export_settings(claim, tmp_path / "tuned.toml")
    return tmp_path / "tuned.toml"


def test_what_is_found_again_is_confirmed(service: Service, file: Path, tmp_path: Path) -> None:
    before = service.block.requested().generation
    found = wb.verify(file, target=service.block.info.pid, output=tmp_path / "again")
    assert isinstance(found, LiveVerification)
    assert (found.status, found.differences) == ("confirmed", [])
    assert "A is restored" in str(found.to_table())
    assert service.block.requested().generation - before >= 16
    assert service.block.requested().values[KNOB] == A
    again = LiveResult.read(tmp_path / "again")
    assert (again.plan.period_s, again.plan.blocks) == (PERIOD_S, 16)
    assert again.plan.seed != 1


def test_what_is_not_found_again_is_refuted(
    service: Service, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "gain", 1.0)
    done = run_workbench("verify", file, "--pid", service.block.info.pid, "--same-seeds", "--json")
    assert (done.status, done.json["status"]) == (1, "refuted")
    assert done.json["claims"][0]["words"] == "the same within 1 % here"
    assert (done.json["plan"]["seed"], done.json["restored"]) == (1, "A is restored")


def test_an_experiment_that_ended_early_tells_nothing(claim: LiveResult) -> None:
    evidence = LiveEvidence.from_result(claim)
    early = replace(claim, time_blocks=claim.time_blocks[:6], ended="it was stopped")
    found = judge_repetition(evidence, early)
    assert found.status == "cannot tell"
    assert found.judgements[0].words == "no verdict before the declared blocks"


@pytest.mark.parametrize("gain", [1.05, 0.95])
def test_a_figure_without_a_better_way_agrees_if_it_goes_the_same_way(claim: LiveResult, gain: float) -> None:
    there = replace(claim, judged=(JudgedProbe("speed", "requests"),))
    turned = [
        replace_values(block, 2 - gain if block.arm == "B" else 1.0 - 0.001 * (number % 3))
        for number, block in enumerate(claim.time_blocks)
    ]
    contrary = replace(there, time_blocks=tuple(turned))
    found = judge_repetition(LiveEvidence.from_result(contrary), contrary)
    assert found.status == "confirmed"
    others = [replace_values(block, gain if block.arm == "B" else 1.0) for block in claim.time_blocks]
    found = judge_repetition(LiveEvidence.from_result(contrary), replace(there, time_blocks=tuple(others)))
    assert found.status == "refuted"


def replace_values(block: wb.experiments.TimeBlock, value: float) -> wb.experiments.TimeBlock:
    return type(block)(block.arm, block.began_s, {"speed": value})


def test_what_cannot_be_tried_is_said_in_a_line(
    service: Service, claim: LiveResult, file: Path, tmp_path: Path
) -> None:
    pid = service.block.info.pid
    service.block.set({KNOB: 700})
    try:
        with pytest.raises(BadParameter, match=f"does not have it: set {KNOB}={A} first") as refused:
            wb.verify(file, target=pid)
        assert len(str(refused.value).splitlines()) == 1
        assert service.block.requested().values[KNOB] == 700
    finally:
        service.block.set({KNOB: A})
    wb.export_settings(claim, tmp_path / "tuned.env")
    with pytest.raises(BadParameter, match=r"no blocks to compare with: verify tuned\.env\.toml"):
        wb.verify(tmp_path / "tuned.env", target=pid)
    text = file.read_text()
    file.write_text(text.replace("=file:", "=cat ", 1))
    with pytest.raises(BadParameter, match=r"its probes run `cat .*speed`; if you trust the file"):
        wb.verify(file, target=pid)
    wb.export_settings({KNOB: B}, tmp_path / "plain.toml")
    with pytest.raises(BadParameter, match="it is not about a live experiment: name no process"):
        wb.verify(tmp_path / "plain.toml", target=pid)
    with pytest.raises(NoProcess, match="process 1 has no control block of kind 'hakmem'"):
        wb.verify(tmp_path / "tuned.env.toml", target=1)
