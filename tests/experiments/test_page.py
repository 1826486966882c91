"""The plans that docs/experiments.md shows are plans."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.experiments.plan_file import read_comparison_plan, read_sweep_plan


def read_block(repository: Path, name: str) -> str:
    page = (repository / "docs" / "experiments.md").read_text(encoding="utf-8")
    blocks = re.findall(rf"^```toml\n# {re.escape(name)}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def test_the_comparison_is_one(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "comparison.toml"
    path.write_text(read_block(repository, path.name), encoding="utf-8")
    plan = read_comparison_plan(path)
    plan.check()
    assert [variant.name for variant in plan.variants] == ["defaults", "early"]
    assert len(plan.works) == 3


def test_the_sweep_is_one(repository: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(read_block(repository, path.name), encoding="utf-8")
    assert len(read_sweep_plan(path)) == 20 * 3
