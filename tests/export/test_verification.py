"""What stands in the way of a claim, and what is not as it was: each is named."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.export.evidence_fixture import SETTINGS, fill_results, make_evidence
from tests.replay import programs
from workbench.experiments import (
    ComparisonPlan,
    Run,
    Variant,
    Work,
    conclude,
    describe_machine,
    describe_software,
)
from workbench.experiments.inference import least_pairs
from workbench.export.evidence import AllocatorBuild, Evidence, checksum_files
from workbench.export.verification import (
    QUICK_ROUNDS,
    find_differences,
    find_obstacles,
    judge_claims,
    plan_verification,
)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """As if it had been made here."""
    made = make_evidence(tmp_path_factory.mktemp("results"))
    here = describe_software("hakmem")
    return dataclasses.replace(
        made,
        machine=describe_machine(),
        workbench_version=here.workbench_version,
        source_revision=here.source_revision,
        runner_checksum=here.runner_checksum,
        allocators={"hakmem": AllocatorBuild(here.allocator_version, here.allocator_checksum, "")},
    )


def change(evidence: Evidence, path: tuple[str | int, ...], value: Any) -> Evidence:
    """The evidence as somebody else wrote it, with another value in one place."""
    content: Any = json.loads(json.dumps(evidence.to_dict()))
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    fields = {field.name: content[field.name] for field in dataclasses.fields(evidence)}
    kept = {"settings", "defaults", "plan", "files"}
    return dataclasses.replace(evidence, **{name: fields[name] for name in kept & {str(path[0])}})


def test_what_was_made_here_has_no_obstacle_and_no_difference(evidence: Evidence) -> None:
    assert find_obstacles(evidence) == []
    assert find_differences(evidence) == []


TUNED = ("plan", "variants", 1, "tunables")
TRIAL = ("plan", "works", 0, "trial")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ((*TUNED, "tls.grow_procent"), 60, "unknown tunable 'tls.grow_procent': did you mean"),
        ((*TUNED, "tls.grow_percent"), 600, "tls.grow_percent = 600 is out of range: 50 to 99 %"),
        ((*TUNED, "big.policy"), "fifo", "big.policy"),
        ((*TUNED, "tls.max_slots"), 8, "tls."),  # below tls.min_slots
        ((*TRIAL, "workload"), "larsen", "random_mixed: unknown workload 'larsen': did you mean 'larson'"),
        ((*TRIAL, "parameters"), {"slott": 3}, "unknown parameter"),
        ((*TRIAL, "parameters"), {"slots": 0}, "slots"),
        ((*TRIAL, "threads"), 10**6, "threads: 1000000"),
        ((*TRIAL, "tunables"), {"tls.max_slots": 5000}, "tls.max_slots = 5000 is out of range"),
        (("plan", "variants", 0, "allocator"), "ptmalloc9", "unknown allocator 'ptmalloc9'"),
        (TRIAL, {"workload": "x", "command": ["no-such-program"]}, "no-such-program: no such program"),
        (
            TRIAL,
            {"workload": "x", "command": ["true"], "inputs": ["no/such/file"]},
            "no/such/file: it cannot be read",
        ),
        (TRIAL, {"workload": "replay", "trace": "no_such_dataset"}, "unknown dataset 'no_such_dataset'"),
        (TRIAL, {"workload": "replay", "trace": "no/such.haktrace"}, "no/such.haktrace: no such file"),
    ],
)
def test_obstacles_are_named(evidence: Evidence, path: tuple[Any, ...], value: Any, said: str) -> None:
    obstacles = find_obstacles(change(evidence, path, value))
    assert len(obstacles) == 1, obstacles
    assert said in obstacles[0]
    assert "\n" not in obstacles[0]


def test_a_tunable_that_is_gone_is_told_from_one_that_never_was(evidence: Evidence) -> None:
    older = change(evidence, (*TUNED, "tls.old_slots"), 7)
    older = dataclasses.replace(older, defaults={**older.defaults, "tls.old_slots": 5})
    (told,) = find_obstacles(older)
    assert told.startswith("tunable tls.old_slots = 7 no longer exists (unknown tunable 'tls.old_slots': did")
    assert "tunable tls.old_slots no longer exists; its default was 5" in find_differences(older)


def test_all_obstacles_are_told_at_once(evidence: Evidence) -> None:
    worse = change(evidence, TUNED, {"tls.grow_percent": 600, "tls.max_slotz": 3})
    worse = dataclasses.replace(worse, plan=change(worse, (*TRIAL, "workload"), "larsen").plan)
    told = "; ".join(find_obstacles(worse))
    for words in ("tls.grow_percent = 600", "tls.max_slotz", "larsen"):
        assert words in told


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"workbench_version": "0.0.9"}, "workbench: 0.0.9 then, "),
        ({"source_revision": "abc"}, "source revision: abc then, "),
        ({"runner_checksum": "f" * 64}, "workload runner: ffffffffffff then, "),
        ({"allocators": {"hakmem": AllocatorBuild("9.9", "e" * 64, "")}}, "hakmem, version: 9.9 then, "),
        (
            {"allocators": {"hakmem": AllocatorBuild("9.9", "e" * 64, "")}},
            "hakmem, library: eeeeeeeeeeee",
        ),
        ({"machine": {"id": "0" * 16, "description": "another machine"}}, "machine: another machine then, "),
        ({"machine": {"governor": "powersave"}}, "CPU governor: powersave then, "),
        ({"machine": {"huge_pages": "sometimes"}}, "transparent huge pages: sometimes then, "),
        ({"defaults": {"tls.grow_percent": 75}}, "tls.grow_percent: its default was 75 and is 80"),
        ({"defaults": {}}, "tunables that were not there then: tls.adaptive"),
    ],
)
def test_differences_are_named(evidence: Evidence, fields: Mapping[str, Any], said: str) -> None:
    given = dict(fields)
    if "machine" in given:
        given["machine"] = dataclasses.replace(evidence.machine, **given["machine"])
    if given.get("defaults"):
        given["defaults"] = {**evidence.defaults, **given["defaults"]}
    differences = find_differences(dataclasses.replace(evidence, **given))
    assert any(text.startswith(said) or said in text for text in differences), differences


def test_runs_with_other_content_hashes_are_named(evidence: Evidence) -> None:
    others = tuple(
        dataclasses.replace(series, ids=tuple("0" * 32 for _ in series.ids)) for series in evidence.trials
    )
    differences = find_differences(dataclasses.replace(evidence, trials=others))
    assert any("content hashes of the runs" in text for text in differences)


def test_another_recording_or_file_of_the_same_name_is_named(tmp_path: Path, evidence: Evidence) -> None:
    script = tmp_path / "script.sh"
    script.write_text("true\n")
    run = Run("script", command=("sh", "script.sh"), inputs=(script,))
    plan = ComparisonPlan((Work("script", run),), (Variant("a"), Variant("b", tunables=SETTINGS)))
    claimed = dataclasses.replace(evidence, plan=plan.to_dict(), files=checksum_files(plan))
    assert find_obstacles(claimed) == []
    script.write_text("false\n")
    assert "file script.sh: it is another one, with checksum" in find_obstacles(claimed)[0]
    script.unlink()
    assert "it cannot be read" in find_obstacles(claimed)[0]


def test_another_trace_of_the_same_name_is_named(
    tmp_path: Path, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trace = programs.write(tmp_path / "some.haktrace", programs.mixed(200, seed=1))
    plan = ComparisonPlan(
        (Work("some", Run("replay", trace=str(trace))),), (Variant("a"), Variant("b", tunables=SETTINGS))
    )
    claimed = dataclasses.replace(evidence, plan=plan.to_dict(), files=checksum_files(plan))
    assert find_obstacles(claimed) == []
    trace.unlink()
    assert "no such file" in find_obstacles(claimed)[0]
    programs.write(trace, programs.mixed(200, seed=2))
    assert f"trace {trace}: it is another one, with checksum" in find_obstacles(claimed)[0]
    trace.write_bytes(b"no trace at all")
    assert len(find_obstacles(claimed)) == 1


# --- what is run ---


def test_quick_and_full_have_their_rounds_and_unseen_seeds(evidence: Evidence) -> None:
    seen = {seed for series in evidence.trials for seed in series.seeds}
    quick, full = plan_verification(evidence), plan_verification(evidence, "full")
    assert (quick.rounds, full.rounds, plan_verification(evidence, rounds=33).rounds) == (
        QUICK_ROUNDS,
        12,
        33,
    )
    assert plan_verification(dataclasses.replace(evidence, rounds=2), "full").rounds == least_pairs()
    for plan in (quick, full):
        plan.check()
        assert not {cell.run.seed for cell in plan.list_cells()} & seen
        assert plan.variants == evidence.comparison_plan.variants
        assert plan.looks == 1
    kept = plan_verification(evidence, "full", keeps_seeds=True)
    assert {cell.run.seed for cell in kept.list_cells()} == seen
    assert {cell.run.resolve().id for cell in kept.list_cells()} == {
        run_id for series in evidence.trials for run_id in series.ids
    }


def test_the_last_seeds_have_room_before_them(evidence: Evidence) -> None:
    last = change(evidence, (*TRIAL, "seed"), 2**64 - 12)
    plan = plan_verification(last, rounds=10)
    plan.check()
    assert all(0 <= cell.run.seed < 2**64 for cell in plan.list_cells())


@pytest.mark.parametrize(
    ("factor", "status"), [(1.05, "confirmed"), (1.02, "weaker"), (1.0, "refuted"), (0.9, "refuted")]
)
def test_the_file_is_as_its_worst_claim(
    tmp_path: Path, evidence: Evidence, factor: float, status: str
) -> None:
    plan = plan_verification(evidence, "full")
    results = fill_results(plan, tmp_path / "results", factor, noise=0.002)
    found = judge_claims(evidence, conclude(plan, results))
    assert found.status == status
    assert {one.status for one in found.judgements if one.claim.measure == "throughput"} == {status}
    assert {one.status for one in found.judgements if one.claim.measure == "peak resident"} == {"confirmed"}


def test_too_few_rounds_cannot_tell_and_say_how_many_would(tmp_path: Path, evidence: Evidence) -> None:
    plan = plan_verification(evidence, rounds=3)
    results = fill_results(plan, tmp_path / "results", 1.05)
    found = judge_claims(evidence, conclude(plan, results))
    assert (found.status, found.more_rounds) == ("cannot tell", least_pairs() - 3)


def test_a_file_that_claims_nothing_cannot_be_told(tmp_path: Path) -> None:
    nothing = make_evidence(tmp_path / "results", rounds=2)
    plan = plan_verification(nothing, rounds=2)
    found = judge_claims(nothing, conclude(plan, fill_results(plan, tmp_path / "again")))
    assert (found.judgements, found.status, found.more_rounds) == ((), "cannot tell", None)
