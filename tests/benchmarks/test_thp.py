"""The plan that decides os.thp: it has what its question needs."""

from __future__ import annotations

from pathlib import Path

from workbench.experiments import read_comparison_plan


def test_the_plan_has_enough_programs_and_variants(repository: Path) -> None:
    plan = read_comparison_plan(repository / "benchmarks" / "thp.toml")
    assert len(plan.works) >= 12
    for work in plan.works:
        assert work.run.command
        inputs = [Path(path) for path in work.run.inputs]
        assert all(path.exists() for path in inputs if path.parent.name == "programs"), work.name
    shipped = next(variant for variant in plan.variants if variant.name == "as shipped")
    assert not shipped.tunables
    assert {variant.tunables.get("os.thp") for variant in plan.variants} >= {"default", "dense", "always"}
    assert {variant.allocator for variant in plan.variants} >= {"hakmem", "glibc", "mimalloc3"}
