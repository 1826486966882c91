"""What is served for Prometheus: its parsers take it, and the dashboard asks for what is served."""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.error import HTTPError

import msgspec
import pytest
from click.testing import Result
from msgspec import Meta
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from tests.cli.terminal import WORKBENCH, Program, assert_refused, run_workbench, start
from workbench.api.dashboard import make_dashboard
from workbench.control import ControlBlock


def read_samples(
    text: str, parse: Callable[[str], Iterable[Metric]] = parse_open
) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("group", "")): sample.value
        for family in parse(text)
        for sample in family.samples
        if sample.labels.get("kind", "hakmem") == "hakmem"
    }


def test_one_process_once(untouched_program: Program) -> None:
    pid = untouched_program.pid
    samples = read_samples(run_workbench("metrics", pid, "--format", "openmetrics").stdout)
    with ControlBlock.open(pid) as block:
        requested = {
            name: float(value)
            for name, value in block.requested().values.items()
            if not isinstance(value, str)
        }
    assert samples["hakmem_setting_tls_grow_ratio", ""] == requested["tls.grow_percent"] / 100
    assert samples["hakmem_setting_ss_purge_delay_seconds", ""] == requested["ss.purge_delay_ms"] / 1000
    assert samples["hakmem_setting_tls_max_slots", ""] == requested["tls.max_slots"]
    assert samples["allocator_operations_total", ""] > 0
    assert samples["process_resident_bytes", ""] > 1 << 20
    assert samples["hakmem_tls_capacity_slots", "C0"] > 0


def test_served_until_interrupted(untouched_program: Program) -> None:
    command = [WORKBENCH, "serve-metrics", "--port", "0", "--probe", "depth:jobs=echo 12"]
    with start(command) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[0]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", url)
        samples: dict[tuple[str, str], float] = {}
        for _ in range(100):  # the probe is read on a thread of its own
            with urllib.request.urlopen(url, timeout=60) as answer:
                samples = read_samples(answer.read().decode(), parse_plain)
            if ("probe_depth_jobs", "") in samples:
                break
        assert samples["probe_depth_jobs", ""] == 12
        asked = {
            name
            for panel in make_dashboard()["panels"]
            for name in re.findall(r"(\w+)\{", panel["targets"][0]["expr"])
        }
        served = {name for name, _ in samples}
        others = {
            "allocator_misses_total",
            "allocator_live_bytes",
            "allocator_dirty_bytes",
            "cgroup_memory_bytes",
        }
        assert asked - served <= others  # not every allocator, and not every machine, has these
        with pytest.raises(HTTPError, match="404"):
            urllib.request.urlopen(f"{url}x", timeout=60)
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0


def test_where_it_cannot_listen() -> None:
    for address in ("nope.invalid", "192.0.2.1"):
        assert_refused(
            run_workbench("serve-metrics", "--address", address),
            f"{address}, port 9709: ",
            "; choose another with --address",
        )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_refused(run_workbench("serve-metrics", "--port", port), "; choose another with --port")


def test_the_dashboard_is_a_file(invoke: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "dashboard.json"
    assert invoke("serve-metrics", "--dashboard", path).exit_code == 0
    assert json.loads(path.read_text()) == make_dashboard()


class Place(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Of a panel, in a grid of 24 columns."""

    h: Annotated[int, Meta(gt=0)]
    w: Annotated[int, Meta(gt=0, le=24)]
    x: Annotated[int, Meta(ge=0, lt=24)]
    y: Annotated[int, Meta(ge=0)]


class Source(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    type: str
    uid: str


class Target(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    ref_id: Annotated[str, Meta(min_length=1)]
    datasource: Source
    expr: Annotated[str, Meta(min_length=1)]
    legend_format: str


class Fields(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    defaults: dict[str, Any]
    overrides: list[dict[str, Any]]


class ChartPanel(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    id: Annotated[int, Meta(gt=0)]
    type: Literal["timeseries"]
    title: str
    datasource: Source
    grid_pos: Place
    field_config: Fields
    options: dict[str, Any]
    targets: list[Target]


class Variable(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    name: str
    type: Literal["query", "datasource"]
    label: str
    hide: Literal[0, 1, 2]
    query: str
    datasource: Source | None = None
    refresh: Literal[0, 1, 2] = 0
    multi: bool = False
    include_all: bool = False
    current: dict[str, str] = {}


class Dashboard(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What Grafana's own schema (kinds/dashboard/dashboard_kind.cue) says of the fields that ours has."""

    title: str
    uid: Annotated[str, Meta(min_length=8, max_length=40)]
    schema_version: Annotated[int, Meta(ge=36, lt=2**16)]
    refresh: Annotated[str, Meta(pattern=r"^\d+[smhd]$")]
    time: dict[Literal["from", "to"], str]
    editable: bool
    graph_tooltip: Literal[0, 1, 2]
    templating: dict[Literal["list"], list[Variable]]
    panels: list[ChartPanel]


def test_the_dashboard_is_as_grafanas_schema_says() -> None:
    dashboard = msgspec.convert(make_dashboard(), Dashboard)
    assert len({panel.id for panel in dashboard.panels}) == len(dashboard.panels) == 9
    places = [panel.grid_pos for panel in dashboard.panels]
    cells = [
        (x, y) for one in places for x in range(one.x, one.x + one.w) for y in range(one.y, one.y + one.h)
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    # The units are names of Grafana's; each variable that is used is there.
    assert {panel.field_config.defaults["unit"] for panel in dashboard.panels} <= {"ops", "bytes", "short"}
    known = {variable.name for variable in dashboard.templating["list"]} | {"__rate_interval", "__all"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(make_dashboard())))
    assert used == known


def test_wrong_ports_and_addresses(invoke: Callable[..., Result]) -> None:
    for arguments in (["--address", "203.0.113.1"], ["--address", "nowhere.invalid"], ["--port", "70000"]):
        result = invoke("serve-metrics", *arguments)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1 or "Usage" in result.stderr
