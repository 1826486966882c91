"""Adaptive against fixed caches: the plan, and what a small run of it tells."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from workbench.experiments import Results, read_comparison_plan


def test_fixed_caches_keep_their_size_and_the_report_says_so(repository: Path, tmp_path: Path) -> None:
    plan = read_comparison_plan(repository / "benchmarks" / "adaptive.toml")
    plan.check()
    assert [variant.name for variant in plan.variants] == ["adaptive", "fixed 64", "fixed 2048"]
    command = [sys.executable, "-m", "benchmarks.adaptive", "--rounds", "1", "--seconds", "0.2"]
    run = subprocess.run(
        [*command, "--only", "phases / 1", "--results", str(tmp_path / "results")],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "| phases / 1 |" in run.stdout
    assert "too few rounds" in run.stdout
    cached = {
        result.run.tunables.get("tls.initial_slots"): result.peak_cached_bytes
        for result in Results.open(tmp_path / "results")
    }
    assert (cached[64] or 0) < (cached[2048] or 0)
