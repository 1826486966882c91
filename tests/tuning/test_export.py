"""The winner becomes a file with its evidence; what is no winner does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.terminal import assert_refused
from tests.tuning.fakes import FakeMeasurer, hidden_optimum, make_plan, same
from workbench.cli import cli
from workbench.export import read_defaults
from workbench.export.evidence import Evidence
from workbench.export.evidence_files import read_evidence
from workbench.tuning import Study


def run_study(folder: Path, measurer: FakeMeasurer) -> Study:
    """All of it with made-up measurements, beside the study file: the command finds it done."""
    study = Study.open(make_plan(folder), folder / "study.toml", measure=measurer)
    study.inject({"tls.grow_percent": 60})
    study.run()
    study.compare_held_out()
    return study


@pytest.mark.parametrize("name", ["tuned.env", "tuned.toml", "tuned.h"])
def test_the_winner_is_written_with_its_evidence(tmp_path: Path, name: str) -> None:
    study = run_study(tmp_path, FakeMeasurer(hidden_optimum))
    path = tmp_path / name
    run = CliRunner().invoke(cli, ["tune", str(tmp_path / "study.toml"), "--export", str(path)])
    assert run.exit_code == 0, run.stderr
    assert f"wrote {path} with the winner's settings and their evidence" in run.stderr
    assert "better than the defaults on what was held out" in run.stdout
    assert read_defaults(path).values.items() >= study.best_settings().items()
    evidence = read_evidence(path)
    assert isinstance(evidence, Evidence)
    assert dict(evidence.settings) == study.best_settings()
    assert {claim.verdict for claim in evidence.claims if claim.measure == "throughput"} == {"better"}
    assert min(work.run.seed for work in evidence.comparison_plan.works) == 100


def test_without_a_winner_nothing_is_written(tmp_path: Path) -> None:
    run_study(tmp_path, FakeMeasurer(same))
    path = tmp_path / "tuned.toml"
    run = CliRunner().invoke(cli, ["tune", str(tmp_path / "study.toml"), "--export", str(path)])
    assert run.exit_code == 2
    assert "nothing beats the defaults" in run.stdout
    assert run.stderr.count("\n") == 1
    assert "nothing was exported, since nothing beats the defaults" in run.stderr
    assert not path.exists()
    assert_refused(
        CliRunner().invoke(cli, ["tune", str(tmp_path / "none.toml"), "--export", str(path)]),
        "cannot be read",
    )
