"""export: from a live process into every format, and from every format back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.terminal import Program, assert_refused, run_workbench, start, wait_until
from workbench.control import find_blocks
from workbench.export import FORMATS, read_defaults
from workbench.processes import Run, Worker


@pytest.mark.parametrize("form", FORMATS)
def test_from_a_live_process(program: Program, tmp_path: Path, form: str) -> None:
    assert run_workbench("set", program.pid, "tls.grow_percent=60", "big.policy=lfu").status == 0
    path = tmp_path / "tuned"
    done = run_workbench("export", program.pid, "--format", form, "-o", path)
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    read = read_defaults(path)
    entries = run_workbench("tunables", program.pid, "--json").json["tunables"]
    assert read.values == {entry["name"]: entry["requested"] for entry in entries}
    assert read.values["big.policy"] == "lfu"
    assert read.provenance["process"].startswith(f"{program.pid}, ")
    assert read.provenance["changed"] == "tls.grow_percent 60 (default 80), big.policy lfu (default lru)"
    assert read.provenance["allocator build"]
    assert run_workbench("export", program.pid, "--format", form).stdout.splitlines()[0] in path.read_text()


@pytest.mark.parametrize(("source", "target"), list(pairwise([*FORMATS, "env"])))
def test_from_another_file(tmp_path: Path, invoke: Callable[..., Result], source: str, target: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    begin = tmp_path / "begin.env"
    begin.write_text("# seed: 12\n\nHAKMEM_TLS_GROW_PERCENT=60\nHAKMEM_SS_PURGE_DELAY_MS=-1\n")
    assert invoke("export", "--settings", begin, "--format", source, "-o", first).exit_code == 0
    assert invoke("export", "--settings", first, "--format", target, "-o", second).exit_code == 0
    assert read_defaults(second) == read_defaults(begin)
    assert read_defaults(second).provenance == {"seed": "12"}


def test_a_run_is_named_with_its_seed() -> None:
    worker = Worker.start(Run("random_mixed", {"slots": 512}, threads=1, seed=2**64 - 1, seconds=600))
    try:
        wait_until(lambda: bool(find_blocks(pid=worker.pid, kind="hakmem")))
        facts = run_workbench("export", worker.pid, "--format", "toml", "--json").json["provenance"]
        assert facts["workload"] == "random_mixed"
        assert facts["seed"] == "18446744073709551615"
        assert facts["threads"] == "1"
        assert "slots=512 " in facts["parameters"]
    finally:
        worker.kill()


def test_sourced_in_a_shell_it_starts_another_program_so(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "tuned.env"
    run_workbench("set", program.pid, "tls.grow_percent=60")
    run_workbench("export", program.pid, "--format", "env", "-o", path)
    library = run_workbench("preload").stdout.strip()
    script = 'set -a; . "$1"; LD_PRELOAD="$2"; echo ready; exec cat'
    with start(["sh", "-euc", script, "sh", path, library]) as other:
        wait_until(lambda: [info.command for info in find_blocks(pid=other.pid)] == ["cat"])
        entries = run_workbench("tunables", other.pid, "--json").json["tunables"]
        assert {entry["name"]: entry["effective"] for entry in entries}["tls.grow_percent"] == 60


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[tunables]\n"tls.grow_percnt" = 60\n')
    assert_refused(run_workbench("export", "--format", "env"), "PID", "--settings")
    assert_refused(run_workbench("export", 1, "--settings", wrong, "--format", "env"), "PID", "--settings")
    assert_refused(run_workbench("export", "--settings", wrong), "--format")
    assert_refused(run_workbench("export", "--settings", wrong, "--format", "yaml"), "yaml", "env", "toml")
    assert_refused(run_workbench("export", "--settings", wrong, "--format", "env"), "tls.grow_percent")
    right = tmp_path / "right.toml"
    right.write_text('[tunables]\n"tls.grow_percent" = 60\n')
    target = tmp_path / "gone" / "file"
    done = run_workbench("export", "--settings", right, "--format", "env", "-o", target)
    assert_refused(done, str(target.parent), "no such folder; make it first")
