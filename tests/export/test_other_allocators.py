"""Settings of other allocators, exported in their own language for whoever starts the program."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import run_workbench
from workbench.allocators import allocators, get_allocator
from workbench.control import Value
from workbench.export import FORMATS, read_defaults, render_defaults, write_defaults
from workbench.export.verification import STATUSES

yaml: Any = import_module("yaml")
ROWS = [allocator.name for allocator in allocators() if allocator.has_agent]
JEMALLOC: dict[str, Value] = {"arenas.dirty_decay_ms": 0, "background_thread": True, "opt.narenas": 3}
GLIBC: dict[str, Value] = {"arena_max": 2, "M_TRIM_THRESHOLD": 131072}
CONF = "dirty_decay_ms:0,background_thread:true,narenas:3"


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "header"])
@pytest.mark.parametrize("name", ROWS)
def test_every_format_gives_the_same_start(name: str, form: str, tmp_path: Path) -> None:
    allocator = get_allocator(name)
    values = allocator.presets[0].values
    path = tmp_path / f"tuned{FORMATS[form].suffix}"
    write_defaults(path, form, values, {"seed": "1"}, allocator=allocator)
    assert path.read_text().splitlines()[0] == f"# Defaults of {name}, written by the workbench."
    read = read_defaults(path)
    assert (read.allocator.name, read.provenance) == (name, {"seed": "1"})
    assert allocator.environment_of(read.values) == allocator.environment_of(values)


def render(form: str, values: dict[str, Value]) -> str:
    return render_defaults(form, values, {})


def test_an_environment_file_has_the_allocators_line() -> None:
    assert render("env", JEMALLOC).splitlines()[-1] == f"MALLOC_CONF={CONF}"
    line = "GLIBC_TUNABLES=glibc.malloc.trim_threshold=131072:glibc.malloc.arena_max=2"
    assert render("env", GLIBC).splitlines()[-1] == line


def test_systemd_and_docker_have_it_in_their_lines() -> None:
    lines = render("systemd", JEMALLOC).splitlines()
    assert "[Service]" in lines
    assert lines[-1] == f'Environment="MALLOC_CONF={CONF}"'
    assert render("docker", JEMALLOC).splitlines()[-1] == f'ENV MALLOC_CONF="{CONF}"'


def test_compose_and_kubernetes_read_it() -> None:
    content: Any = yaml.safe_load(render("compose", JEMALLOC))
    assert content == {"services": {"app": {"environment": {"MALLOC_CONF": CONF}}}}
    content = yaml.safe_load(render("kubernetes", {"purge_delay": -1, "arena_purge_mult": 2}))
    assert content == {
        "env": [
            {"name": "MIMALLOC_PURGE_DELAY", "value": "-1"},
            {"name": "MIMALLOC_ARENA_PURGE_MULT", "value": "2"},
        ]
    }


def test_what_people_write_is_read(tmp_path: Path) -> None:
    for name, text in {
        "a.service.conf": "[Service]\nEnvironment=MALLOC_CONF=narenas:3\n",
        "a.dockerfile": "ENV MALLOC_CONF=narenas:3\n",
        "a.compose.yaml": "services:\n  app:\n    environment:\n      MALLOC_CONF: narenas:3\n",
        "a.pod.yaml": "env:\n- {name: MALLOC_CONF, value: narenas:3}\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert read_defaults(tmp_path / name).values == {"opt.narenas": 3}


def test_a_variant_is_compared_exported_and_verified(tmp_path: Path) -> None:
    """The claim is run again; whether it holds on a busy machine is not asked."""
    path = tmp_path / "tuned.service.conf"
    words = ("--allocators", "jemalloc", "--variant", "now:arena.i.dirty_decay_ms=0", "--operations", "2000")
    done = run_workbench("compare", "pair", *words, "--rounds", "8", "--export", path)
    assert done.status == 0, done.stderr
    assert 'Environment="MALLOC_CONF=dirty_decay_ms:0"' in path.read_text()
    report = run_workbench("verify", path, "--quick", "--json").json
    assert report["status"] in STATUSES
    assert report["differences"] == []
