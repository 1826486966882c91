"""exec: the program is the program, only its allocator is another."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import WORKBENCH, Finished, assert_refused, run_workbench, start, wait_until
from workbench.control import find_blocks

# From the outside, by the command: the program's own child has the allocator preloaded too.
ASK = f"""
import json, os, subprocess
command = [{str(WORKBENCH)!r}, "tunables", str(os.getpid()), "--json"]
answer = subprocess.run(command, capture_output=True, check=True)
found = {{entry["name"]: entry["effective"] for entry in json.loads(answer.stdout)["tunables"]}}
print(json.dumps({{name: found[name] for name in ("tls.grow_percent", "big.policy")}}))
"""
PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


def exec_(*arguments: object, stdin: str = "", env: dict[str, str] | None = None) -> Finished:
    return run_workbench("exec", *arguments, stdin=stdin, env=env)


def test_status_and_streams_are_the_programs_own() -> None:
    done = exec_("--", "sh", "-c", "cat; echo oops >&2; exit 37", stdin="hello\n")
    assert (done.status, done.stdout, done.stderr) == (37, "hello\n", "oops\n")


def test_options_of_the_program_are_left_alone() -> None:
    assert exec_("echo", "--json", "--set", "-h").stdout == "--json --set -h\n"
    assert exec_("--", "echo", "--", "-x").stdout == "-- -x\n"


def test_signals_reach_the_program() -> None:
    with start([WORKBENCH, "exec", "--", "sleep", "60"]) as process:
        wait_until(lambda: bool(find_blocks(pid=process.pid)))
        process.send_signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM


def test_no_signal_is_ignored_for_it() -> None:
    def ignored(prefix: list[object]) -> str:
        command = [*map(str, prefix), "grep", "SigIgn", "/proc/self/status"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert ignored([WORKBENCH, "exec", "--"]) == ignored([])


def test_allocator_is_preloaded() -> None:
    library = os.path.realpath(run_workbench("preload").stdout.strip())
    done = exec_("--", sys.executable, "-c", "print(open('/proc/self/maps').read())")
    assert library in done.stdout


def test_python_allocates_through_it_unless_told_otherwise() -> None:
    def read(*options: str, env: dict[str, str] | None = None) -> str | None:
        done = exec_(*options, "--", sys.executable, "-c", PRINT_ENVIRONMENT, env=env)
        found: str | None = json.loads(done.stdout).get("PYTHONMALLOC")
        return found

    assert read() == "malloc"
    assert read("--keep-pythonmalloc") is None
    assert read(env={"PYTHONMALLOC": "debug"}) == "debug"


def test_preload_of_the_user_is_kept(tmp_path: Path) -> None:
    (tmp_path / "own.c").write_text("int own_preload;")
    own = tmp_path / "own.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", own, tmp_path / "own.c"], check=True)
    done = exec_("--", "cat", "/proc/self/maps", env={"LD_PRELOAD": str(own)})
    assert str(own) in done.stdout
    assert "libhakmem.so" in done.stdout


def test_values_reach_the_allocator() -> None:
    done = exec_("--set", "tls.grow_percent=60", "--set", "big.policy=lfu", "--", sys.executable, "-c", ASK)
    assert done.stderr == ""
    assert json.loads(done.stdout) == {"tls.grow_percent": 60, "big.policy": "lfu"}


@pytest.mark.parametrize("form", ["env", "toml", "header"])
def test_settings_of_a_file(tmp_path: Path, form: str) -> None:
    source = tmp_path / "source.toml"
    source.write_text('[tunables]\n"tls.grow_percent" = 61\n"big.policy" = "lfu"\n')
    path = tmp_path / "exported"
    assert run_workbench("export", "--settings", source, "--format", form, "-o", path).status == 0
    done = exec_("--settings", path, "--set", "tls.grow_percent=62", "--", sys.executable, "-c", ASK)
    assert json.loads(done.stdout) == {"tls.grow_percent": 62, "big.policy": "lfu"}


def test_json_says_what_is_run() -> None:
    done = exec_("--json", "--set", "tls.grow_percent=60", "--", "echo", "x")
    assert done.stdout == "x\n"
    report = json.loads(done.stderr)
    assert report["command"] == ["echo", "x"]
    assert report["environment"]["HAKMEM_TLS_GROW_PERCENT"] == "60"
    assert "libhakmem.so" in report["environment"]["LD_PRELOAD"]


def test_static_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main(void) { return 0; }")
    program = tmp_path / "static"
    subprocess.run(["cc", "-static", "-o", program, tmp_path / "main.c"], check=True)
    assert_refused(exec_("--", program), str(program), "static")


def test_setuid_program_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "true"
    shutil.copy("/bin/true", program)
    program.chmod(0o4755)
    assert_refused(exec_("--", program), str(program), "setuid")


def test_no_program_is_refused(tmp_path: Path) -> None:
    assert_refused(exec_("--", tmp_path / "gone"), "gone")
    assert_refused(exec_("--", "no-such-program-anywhere"), "no-such-program-anywhere")
    assert_refused(exec_("--", tmp_path), str(tmp_path))
    (tmp_path / "text").write_text("hello")
    assert_refused(exec_("--", tmp_path / "text"), "text")
    assert_refused(exec_(), "COMMAND")
    assert_refused(exec_("--"), "COMMAND")


def test_wrong_values_are_refused(tmp_path: Path) -> None:
    assert_refused(exec_("--set", "tls.grow_percnt=60", "--", "true"), "tls.grow_percent")
    assert_refused(exec_("--set", "tls.grow_percent=100", "--", "true"), "tls.grow_percent", "50", "99")
    assert_refused(exec_("--set", "tls.grow_percent", "--", "true"), "name=value")
    assert_refused(exec_("--set", "tls.min_slots=2049", "--", "true"), "tls.min_slots", "tls.max_slots")
    assert_refused(exec_("--settings", tmp_path / "gone.env", "--", "true"), "gone.env")


def wait_for_path(pid: int) -> Path:
    """The block of a process, as soon as one is seen."""
    found: list[Path] = []

    def look() -> bool:
        found.extend(info.path for info in find_blocks(pid=pid))
        return bool(found)

    wait_until(look)
    return found[0]


def test_blocks_of_the_dead_are_swept() -> None:
    with start([WORKBENCH, "exec", "--", "sleep", "60"]) as process:
        path = wait_for_path(process.pid)
        process.kill()
        process.wait()
        wait_until(lambda: run_workbench("exec", "--", "true").status == 0 and not path.exists())
