"""Settings that a live experiment tried, exported with its blocks; what `verify` can say of them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

import workbench as wb
from tests.cli.terminal import run_workbench
from workbench.errors import BadParameter, DamagedEvidence, WrongResults
from workbench.experiments.live_result import JudgedProbe, LivePlan, LiveResult, TimeBlock
from workbench.export.evidence_files import read_evidence
from workbench.export.live_evidence import LiveEvidence

PLAN = LivePlan(
    {"tls.max_slots": 2048},
    {"tls.max_slots": 512},
    blocks=24,
    probes=("rps:requests,counter,higher=echo 7", "process.resident"),
    guards=("process.resident<1e9",),
)


@pytest.fixture
def result() -> LiveResult:
    """An experiment nobody made, in which B is 5 % faster; one block has no value of the memory."""
    noise = random.Random(1)
    blocks = tuple(
        TimeBlock(
            arm,
            20.0 * number,
            {
                "rps": 1e4 * (1.05 if arm == "B" else 1.0) * (1 + noise.uniform(-0.01, 0.01)),
                "process.resident": None if number == 5 else 5e7 * (1 + noise.uniform(-0.05, 0.05)),
            },
        )
        for number, arm in enumerate(PLAN.design.arms)
    )
    judged = JudgedProbe("rps", "requests/s", "higher"), JudgedProbe("process.resident", "bytes", "lower")
    facts = dict.fromkeys(("target", "build", "machine", "software", "date"), "?")
    return LiveResult(
        PLAN, kind="hakmem", judged=judged, time_blocks=blocks, restored="A is restored", **facts
    )


def test_it_is_exported_with_its_blocks_and_read_back(result: LiveResult, tmp_path: Path) -> None:
    wb.export_settings(result, tmp_path / "tuned.env")
    assert wb.read_settings(tmp_path / "tuned.env") == {"tls.max_slots": 512}
    whole, claim = (read_evidence(tmp_path / name) for name in ("tuned.env.toml", "tuned.env"))
    assert isinstance(whole, LiveEvidence)
    assert isinstance(claim, LiveEvidence)
    assert whole.verdicts["rps"].endswith("), better")
    assert (claim.verdicts, claim.has_blocks) == (whole.verdicts, False)
    assert (claim.toml, claim.toml_sha256) == (whole.toml, whole.toml_sha256)
    assert whole.result.effects == result.effects
    assert [block.arm for block in whole.result.time_blocks] == PLAN.design.arms


def test_verify_computes_it_again_and_tells_how_to_repeat_it(result: LiveResult, tmp_path: Path) -> None:
    result.save(tmp_path / "folder")
    file = tmp_path / "tuned.toml"
    run_workbench("export", "--experiment", tmp_path / "folder", "--format", "toml", "-o", file)
    shipped = tmp_path / "shipped.env"
    run_workbench("export", "--experiment", tmp_path / "folder", "--format", "env", "-o", shipped)
    assert read_evidence(shipped.with_suffix(".env.toml")) == read_evidence(file)
    verified = run_workbench("verify", file)
    told = verified.stdout
    assert verified.status == 4
    assert "sound; its verdicts follow from its 24 blocks" in told
    assert "rps: B / A 1.05" in told
    assert f"to try it again on yours: workbench verify {file} --pid PID" in told
    sound = run_workbench("verify", file, "--check", "--json").json
    assert sound["status"] == "sound"
    assert (
        "workbench experiment PID --a tls.max_slots=2048 --b tls.max_slots=512 --probe "
        "'rps:requests,counter,higher=echo 7' --probe process.resident"
    ) in sound["command"]
    with pytest.raises(BadParameter, match="its claim is about a running process"):
        wb.verify(file)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("better", "worse", "the verdict about rps does not follow from its blocks"),
        ('arm = "B"', 'arm = "A"', "its blocks are not those of its plan"),
        ("seed = 1", "seed = 2", "its blocks are not those of its plan"),
        ("version = 1", "version = 9", "evidence"),
        ('unit = "bytes"', "unit = 7", "evidence"),
    ],
)
def test_what_was_changed_is_found(result: LiveResult, tmp_path: Path, old: str, new: str, said: str) -> None:
    wb.export_settings(result, file := tmp_path / "tuned.toml")
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(DamagedEvidence, match=said) as error:
        read_evidence(file)
    assert len(str(error.value).splitlines()) == 1


def test_other_settings_are_found(result: LiveResult, tmp_path: Path) -> None:
    wb.export_settings(result, file := tmp_path / "tuned.toml")
    file.write_text(file.read_text().replace('"tls.max_slots" = 512', '"tls.max_slots" = 640', 1))
    told = run_workbench("verify", file)
    assert told.status == 2
    assert "tls.max_slots is 640 in the file, 512 in its evidence" in told.stderr


def test_without_a_verdict_there_is_no_evidence(result: LiveResult, tmp_path: Path) -> None:
    early = replace(result, time_blocks=result.time_blocks[:6])
    with pytest.raises(WrongResults, match="6 of 24 blocks are done"):
        wb.export_settings(early, tmp_path / "tuned.toml")
    foreign = replace(result, kind="pond")
    with pytest.raises(BadParameter, match="the experiment was on pond"):
        wb.export_settings(foreign, tmp_path / "tuned.toml")
    assert not list(tmp_path.iterdir())


def test_a_plan_of_names_alone_can_be_read(result: LiveResult) -> None:
    plan = structs.replace(PLAN, probes=("rps",))
    assert "--probe rps" in LiveEvidence.from_result(replace(result, plan=plan)).command
