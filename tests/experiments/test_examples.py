"""The programs that come as examples run, small, under two allocators, and tell every figure."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from workbench.experiments import Results, Variant, Work, read_comparison_plan, run_comparison

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = {
    "gcc": {"FUNCTIONS": "20"},
    "nginx": {"REQUESTS": "200"},
    "postgresql": {"SCALE": "1", "TRANSACTIONS": "20"},
    "python": {"DOCUMENTS": "600"},
    "redis": {"REQUESTS": "2000"},
    "sqlite": {"ROWS": "20000"},
}


def test_every_example_has_a_small_size() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.toml")} == SMALL.keys()


@pytest.mark.parametrize("name", SMALL)
def test_an_example_runs_with_its_figures(tmp_path: Path, name: str) -> None:
    plan = read_comparison_plan(EXAMPLES / f"{name}.toml")
    plan.check()
    ((work),) = plan.works
    run = work.run
    assert SMALL[name].keys() <= run.environment.keys()
    environment = {**run.environment, **SMALL[name]}
    server = run.server
    if server is not None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        assert server.ready == int(run.environment["PORT"]) or name == "postgresql"
        server = replace(server, ready=port) if isinstance(server.ready, int) else server
        environment["PORT"] = str(port)
    small = Work(work.name, replace(run, environment=environment, server=server))
    variants = (Variant("glibc", "glibc"), Variant("hakmem"))
    found = run_comparison(
        replace(plan, works=(small,), variants=variants, rounds=1, warmup=0), Results.open(tmp_path)
    )
    assert found.failures == {}
    assert found.rounds == 1
    results = list(found.results)
    for figure in run.figures:
        assert all(result.figures[figure.name] >= 0 for result in results)
    assert all(result.peak_resident_bytes > 1e6 for result in results)
