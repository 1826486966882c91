"""`workbench compare --export` and `workbench verify`, as a user meets them."""

from __future__ import annotations

import dataclasses
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.cli.terminal import PATIENCE_S, WORKBENCH, assert_refused, run_workbench, start, wait_until
from tests.experiments.results_fixture import make_result
from tests.export.evidence_fixture import make_evidence
from workbench.cli import cli
from workbench.experiments import ComparisonPlan, Results, Run, Variant, Work, conclude
from workbench.export import FORMATS, read_defaults, write_defaults
from workbench.export.evidence import Evidence
from workbench.export.evidence_files import read_evidence, write_evidence
from workbench.export.toml import render_evidence

LARGE = {"tls.adaptive": False, "tls.initial_slots": 1024}
SMALL = {"tls.adaptive": False, "tls.initial_slots": 16}
# What bins of these sizes keep differs manyfold on any machine; what is claimed about it is made up.
WORK = Work("phases", Run("phases", seconds=0.1, threads=1))


def claim_cached(folder: Path, settings: dict[str, Any], baseline: dict[str, Any], factor: float) -> Evidence:
    """The claim that settings keep so many times the bytes in their caches, and nothing else."""
    plan = ComparisonPlan(
        (WORK,), (Variant("before", tunables=baseline), Variant("tuned", tunables=settings)), 9
    )
    results = Results.open(folder)
    with results.writing():
        for cell in plan.list_cells():
            cached = 1e6 * (factor if cell.variant == "tuned" else 1.0) * (1 + cell.round / 1000)
            results.add(make_result(cell.run, mean_cached_bytes=cached))
    whole = Evidence.from_comparison(conclude(plan, results))
    return dataclasses.replace(
        whole, claims=tuple(claim for claim in whole.claims if claim.measure == "cached")
    )


@pytest.mark.parametrize(
    ("settings", "baseline", "factor", "word", "status"),
    [
        (SMALL, LARGE, 0.9, "confirmed", 0),
        (LARGE, SMALL, 0.9, "refuted", 1),
        (SMALL, LARGE, 1e-9, "weaker", 3),
    ],
    ids=["gain", "no gain", "smaller gain"],
)
def test_claims_are_tried_by_running_them(
    tmp_path: Path, settings: dict[str, Any], baseline: dict[str, Any], factor: float, word: str, status: int
) -> None:
    evidence = claim_cached(tmp_path / "results", settings, baseline, factor)
    path = tmp_path / "tuned.toml"
    write_evidence(path, evidence)
    run = run_workbench("verify", path, "--rounds", 8, "--json")
    assert run.status == status, run.stdout + run.stderr
    assert (run.json["status"], run.json["rounds"]) == (word, 8)
    (claim,) = run.json["claims"]
    assert claim["claim"]["measure"] == "cached"
    assert claim["found"]["ratio"]["pairs"] == 8
    assert any(text.startswith("workload runner: rrrr") for text in run.json["differences"])


def test_a_comparison_is_exported_and_verified_in_every_format(tmp_path: Path) -> None:
    options = ("--seconds", 0.1, "--threads", 1, "--rounds", 8, "--output", tmp_path / "kept")
    command = (
        *("compare", "phases", "--allocators", "hakmem,glibc"),
        *("--variant", "small:tls.adaptive=0,tls.initial_slots=16"),
    )
    assert_refused(run_workbench(*command, *options, "--export", tmp_path / "a.conf"), "tells no format")
    assert_refused(run_workbench(*command, *options, "--winner", "small"), "give --export FILE too")
    assert_refused(
        run_workbench(*command, *options, "--export", tmp_path / "a.env", "--winner", "glibc"), "glibc"
    )
    made = run_workbench(*command, *options, "--export", tmp_path / "tuned.toml")
    assert made.status == 0, made.stderr
    for form in FORMATS.values():
        path = tmp_path / f"again{form.suffix}"
        converted = run_workbench(
            *("export", "--settings", tmp_path / "tuned.toml", "--format", form.name, "-o", path)
        )
        assert converted.status == 0, converted.stderr
        whole = read_evidence(tmp_path / "tuned.toml")
        assert whole is not None
        assert read_evidence(path) == (whole if form.name == "toml" else whole.shorten())
        assert read_defaults(path).values == {"tls.adaptive": False, "tls.initial_slots": 16}
        checked = run_workbench("verify", path, "--check", "--full")
        assert checked.status == 0, checked.stderr
        assert "sound; its claim would be tried in 8 rounds, 16 runs" in checked.stdout
        started = run_workbench("run", "random_mixed", "--settings", path, "--operations", 1000)
        assert started.status == 0, started.stderr


def test_a_comparison_that_could_not_tell_claims_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tuned.toml"
    made = run_workbench(
        *("compare", "pair", "--operations", 1000, "--rounds", 2, "--allocators", "hakmem"),
        *("--variant", "small:tls.max_slots=256", "--export", path),
    )
    assert made.status == 0, made.stderr
    assert f"note: {path} claims nothing, since 2 rounds could not tell" in made.stderr
    checked = run_workbench("verify", path, "--check")
    assert (checked.status, checked.stdout) == (
        0,
        f"{path}: sound, but it claims nothing: its own rounds (2) could not tell; "
        "export a comparison with more\n",
    )
    assert run_workbench("verify", path, "--check", "--json").json["claims_nothing"]


def test_for_people_it_says_what_was_claimed_and_what_is_so(tmp_path: Path) -> None:
    path = tmp_path / "tuned.env"
    write_evidence(path, claim_cached(tmp_path / "results", SMALL, LARGE, 0.9))
    run = run_workbench("verify", path, "--rounds", 2, "--output", tmp_path / "kept")
    assert run.status == 4
    assert "tuned against before; claimed 20" in run.stdout
    assert "note: machine: a machine, 2 cores then, " in run.stdout
    assert "0.900 (0.900 to 0.900)" in run.stdout
    assert "cannot tell: about 6 more rounds would (--rounds 8)" in run.stdout
    assert len(Results.open(tmp_path / "kept")) == 4


def test_ctrl_c_tells_what_is_done(tmp_path: Path) -> None:
    path, folder = tmp_path / "tuned.toml", tmp_path / "kept"
    write_evidence(path, claim_cached(tmp_path / "results", SMALL, LARGE, 0.9))
    command = [WORKBENCH, "verify", str(path), "--rounds", "1000", "--output", str(folder), "--json"]
    with start(command) as process:
        wait_until(lambda: len(list(folder.glob("trials/*.json"))) >= 5)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
    told = json.loads(output)
    assert told["status"] == "interrupted"
    assert 2 <= told["rounds"] < 1000
    assert [claim["status"] for claim in told["claims"]] == ["cannot tell"]


def test_what_cannot_be_tried_is_named_and_nothing_runs(tmp_path: Path) -> None:
    evidence = claim_cached(tmp_path / "results", SMALL, LARGE, 0.9)
    path = tmp_path / "tuned.toml"
    write_evidence(path, evidence)
    stale = dataclasses.replace(
        evidence,
        settings={"tls.initial_slots": 9999, "tls.gone": 1},
        defaults={**evidence.defaults, "tls.gone": 0},
        plan={
            **evidence.plan,
            "variants": [
                evidence.plan["variants"][0],
                {
                    "name": "tuned",
                    "allocator": "hakmem",
                    "tunables": {"tls.initial_slots": 9999, "tls.gone": 1},
                },
            ],
        },
    )
    head, _, _ = path.read_text().partition("[evidence]")
    settings = head.replace('"tls.initial_slots" = 16', '"tls.initial_slots" = 9999\n"tls.gone" = 1')
    settings = settings.replace('"tls.adaptive" = false # default 1\n', "")
    path.write_text("\n".join([settings, *render_evidence(stale.to_dict())]))
    run = run_workbench("verify", path)
    assert run.status == 2
    assert "the claim cannot be tried here: " in run.stderr
    assert "tunable tls.gone = 1 no longer exists" in run.stderr
    assert "tls.initial_slots = 9999 is out of range: 1 to 4096" in run.stderr
    told = run_workbench("verify", path, "--json")
    assert told.status == 2
    assert told.json["status"] == "not tried"
    assert len(told.json["obstacles"]) == 2
    assert "tunable tls.gone no longer exists; its default was 0" in told.json["differences"]


def test_wrong_files_are_one_line(tmp_path: Path) -> None:
    plain = tmp_path / "plain.env"
    write_defaults(plain, "env", {"tls.grow_percent": 60}, {})
    changed = tmp_path / "changed.toml"
    write_evidence(changed, make_evidence(tmp_path / "results", rounds=2))
    changed.write_text(changed.read_text().replace('"tls.grow_percent" = 60', '"tls.grow_percent" = 61', 1))
    cases = [
        (("no/such.toml",), "No such file"),
        ((str(plain),), "it carries no evidence; `workbench compare ... --export FILE`"),
        ((str(changed),), "the settings are not those that were measured: tls.grow_percent is 61"),
        ((str(changed), "--rounds", "0"), "0 is not in the range"),
        ((str(tmp_path),), "Is a directory"),
        ((), "Missing argument"),
    ]
    for arguments, said in cases:
        assert_refused(CliRunner().invoke(cli, ["verify", *arguments]), said)
    changed.write_text(changed.read_text().replace('verdict = "cannot tell"', 'verdict = "better"', 1))
    assert_refused(
        CliRunner().invoke(cli, ["verify", str(changed)]),
        "throughput of random_mixed does not follow from its runs: verdict better stands there",
    )
