"""compare on a server with its client: who runs under the allocator, what counts, what goes wrong."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

import workbench as wb
from tests.cli.terminal import PATIENCE_S, WORKBENCH, assert_refused, start, wait_until
from tests.experiments.test_programs import compare
from workbench.errors import BadParameter
from workbench.experiments import Results, Run, measure_run, read_comparison_plan, read_sweep_plan
from workbench.processes.server import Server

# Answers every connection with what it was told in its environment; grows by 40 MB for a moment.
SERVER = """
import os, socket, subprocess, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
ward = subprocess.Popen(["sleep", "600"], start_new_session=True)
open("pids", "a").write(f"{os.getpid()} {ward.pid} ")
open("server", "w").write(os.environ.get("LD_PRELOAD", "") + os.environ.get("WORD", ""))
print("at work", flush=True)
while True:
    peer, _ = listener.accept()
    question = peer.recv(9)
    if question == b"die":
        os.kill(os.getpid(), 11)
    if question == b"leave":
        sys.exit(0)
    blob = b"x" * 40_000_000
    peer.sendall(b"7.5")
    peer.close()
"""
CLIENT = """
import os, socket, sys
open("client", "w").write(os.environ.get("LD_PRELOAD", "") + os.environ.get("WORD", ""))
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
peer.sendall(sys.argv[2].encode())
print("rate", peer.recv(9).decode())
"""


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the user is, with a server and a client."""
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "client.py").write_text(CLIENT)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def port() -> int:
    """One that is free."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
    return number


def words(port: int, question: str = "work", /, **options: object) -> list[object]:
    found = {
        "command": f"{sys.executable} client.py {port} {question}",
        "server": f"{sys.executable} server.py {port}",
        "ready": port,
        "figure": "rate:1/s,higher=regex:rate (.*)",
    } | options
    return [word for name, value in found.items() for word in (f"--{name.replace('_', '-')}", value)]


def assert_all_gone(folder: Path) -> None:
    """The servers, and what they started in sessions of their own, have ended."""
    pids = [int(word) for word in (folder / "pids").read_text().split()]
    assert len(pids) >= 2
    wait_until(lambda: not any(map(psutil.pid_exists, pids)))


@pytest.mark.parametrize("ready", ["PORT", "line:^at w.rk$", "test -e server"])
def test_the_server_runs_under_the_allocator_and_is_measured(tmp_path: Path, port: int, ready: str) -> None:
    options = {"ready": ready.replace("PORT", str(port)), "environment": "WORD=told", "output": "kept"}
    done = compare(*words(port, **options), "--prepare", "rm -f server", rounds=1)
    assert done.status == 0, done.stderr
    assert re.fullmatch(".*(hakmem.*)?told", (tmp_path / "server").read_text())
    assert (tmp_path / "client").read_text() == "told"
    results = Results.open(tmp_path / "kept")
    assert {result.figures["rate"] for result in results} == {7.5}
    assert all(result.peak_resident_bytes > 40e6 for result in results)
    assert_all_gone(tmp_path)


def test_the_client_can_run_under_the_allocator_too(tmp_path: Path, port: int) -> None:
    done = compare(*words(port), "--preload-client", "--stop", "SIGINT", rounds=1)
    assert done.status == 0, done.stderr
    assert (tmp_path / "server").read_text() == (tmp_path / "client").read_text() != ""
    assert_all_gone(tmp_path)


@pytest.mark.parametrize(
    ("question", "options", "said"),
    [
        ("die", {}, "crashed: the server was ended by SIGSEGV; it said: at work"),
        ("leave", {"command": "sh -c 'python3 client.py PORT leave; false'"}, "the server ended before its"),
        (
            "work",
            {"command": "sh -c 'echo lost; exit 3'"},
            "the client ended with exit code 3; it said",
        ),
        ("work", {"command": "sleep 600", "timeout": 0.3}, "timed out: the client did not end in time"),
        ("work", {"figure": "rate=regex:speed (.*)"}, "figure rate: nothing in the output matches"),
        (
            "work",
            {"ready": "line:never", "ready_timeout": 1},
            "within 1 s: no line of its output",
        ),
        (
            "work",
            {"ready": "sh -c 'echo no; exit 9'", "ready_timeout": 2},
            "exit code 9; it said: no",
        ),
        (
            "work",
            {"server": "sh -c 'echo gone; exit 4'"},
            "exit code 4; it said: gone (it was not",
        ),
        ("work", {"server": "true"}, "the server ended with exit code 0; have it stay in the foreground"),
    ],
)
def test_what_goes_wrong_is_one_line_and_nothing_runs_on(
    tmp_path: Path, port: int, question: str, options: dict[str, object], said: str
) -> None:
    given = {name: str(text).replace("PORT", str(port)) for name, text in options.items()}
    done = compare(*words(port, question, **given), rounds=20)
    assert done.status == 1
    ((reason, times),) = done.json["failures"].items()
    assert said in reason
    assert "\n" not in reason
    assert times == 1
    if "server" not in options:
        assert_all_gone(tmp_path)


def test_a_port_that_is_taken_is_told(port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        done = compare(*words(port))
    ((reason, _),) = done.json["failures"].items()
    assert f"port {port} is taken by another program" in reason


def test_a_stop_command_that_fails_and_a_server_that_does_not_listen_are_killed(
    tmp_path: Path, port: int
) -> None:
    client = (sys.executable, str(tmp_path / "client.py"), str(port), "work")
    deaf = ("sh", "-c", f"trap '' TERM; {shlex.join([sys.executable, 'server.py', str(port)])}")
    for stop in ("SIGTERM", ("sh", "-c", "exit 1")):
        server = Server(deaf, port, stop, grace_s=0.2)
        run = Run("deaf", command=client, server=server, folder=tmp_path, allocator="glibc")
        assert Run.from_json(run.to_json()) == run
        result = measure_run(run, warm_bytes=0)
        assert (result.status, result.reason) == ("completed", "")
    assert_all_gone(tmp_path)


def test_a_server_that_crashes_while_it_stops_has_failed(tmp_path: Path, port: int) -> None:
    client = (sys.executable, "client.py", str(port), "work")
    server = Server((sys.executable, "server.py", str(port)), port, "SIGABRT")
    run = Run("bad", command=client, server=server, folder=tmp_path, allocator="glibc")
    result = measure_run(run, warm_bytes=0)
    assert (result.status, result.reason.partition(";")[0]) == ("crashed", "the server was ended by SIGABRT")
    assert "while it stopped" in result.reason


def test_ctrl_c_leaves_nothing_running(tmp_path: Path, port: int) -> None:
    (tmp_path / "client.py").write_text("open('here', 'w'); import time; time.sleep(600)")
    line = [str(word) for word in words(port)]
    with start([WORKBENCH, "compare", *line, "--allocators", "glibc,hakmem"], cwd=tmp_path) as process:
        wait_until((tmp_path / "here").exists)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
    assert_all_gone(tmp_path)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"server": "no-such-server -x"}, "no-such-server: no such program on PATH"),
        ({"ready": "no-such-probe"}, "no-such-probe: no such program on PATH"),
        ({"stop": "SIGNOSE"}, "SIGNOSE: no such program on PATH"),
        ({"ready": ""}, "a --server needs --ready"),
        ({"ready": "99999"}, "port 99999 is not within 1 to 65535"),
        ({"ready": "line:("}, "is no regular expression"),
        ({"ready_timeout": "0"}, "ready_timeout_s: 0 is not above 0"),
        ({"environment": "LD_PRELOAD=x"}, "environment: 'LD_PRELOAD' cannot be set here"),
    ],
)
def test_wrong_servers_are_refused_before_anything_runs(extra: dict[str, str], said: str) -> None:
    assert_refused(compare(*words(1, **extra)), said)


def test_what_belongs_to_a_server_needs_one() -> None:
    assert_refused(
        compare("--command", "true", "--ready", "80"), "workbench: --ready can only be given with a --server"
    )
    assert_refused(
        compare("larson", "--server", "true", "--ready", "80"), "--server can only be given with a --command"
    )


def test_plans_have_the_same_fields(tmp_path: Path, port: int) -> None:
    works = f"""
        [[works]]
        name = "mine"
        server = "{sys.executable} server.py {port}"
        ready = {port}
        client = "{sys.executable} client.py {port} work"
        stop = "SIGINT"
        grace_s = 2
        ready_timeout_s = 20
        environment = {{ WORD = "told" }}
        folder = "."
        timeout_s = 60
        figures = [{{ name = "rate", unit = "1/s", better = "higher", regex = "rate (.*)" }}]
    """
    path = tmp_path / "plan.toml"
    path.write_text(f'allocators = ["glibc", "hakmem"]\n{works}')
    plan = read_comparison_plan(path)
    plan.check()
    run = plan.works[0].run
    assert Run.from_json(run.to_json()) == run
    assert run.server is not None
    assert (run.server.ready, run.server.stop, run.server.grace_s) == (port, "SIGINT", 2)
    result = measure_run(run, warm_bytes=0)
    assert (result.reason, result.figures["rate"]) == ("", 7.5)
    path.write_text(f'{works}\n[axes]\n"tls.grow_percent" = [60, 80]\n')
    assert len(read_sweep_plan(path)) == 2


def test_python_has_the_arguments_of_the_terminal(tmp_path: Path, port: int) -> None:
    found = wb.compare(
        ["glibc", "hakmem"],
        command=f"{sys.executable} client.py {port} work",
        command_name="mine",
        server=f"{sys.executable} server.py {port}",
        ready=str(port),
        stop="SIGINT",
        prepare="touch prepared",
        environment={"WORD": "told"},
        figures=["rate:1/s,higher=regex:rate (.*)"],
        warmup=1,
        rounds=1,
    )
    assert found.failures == {}
    assert {one.value for one in found.findings if one.measure.name == "rate"} == {7.5}
    assert len((tmp_path / "pids").read_text().split()) == 2 * (2 + 2)
    assert (tmp_path / "server").read_text().endswith("told")
    (work,) = found.plan.works
    assert work.name == "mine"
    programs = [command[0] for command in work.run.list_commands()]
    assert programs == [sys.executable, "touch", sys.executable]
    with pytest.raises(BadParameter, match="needs --ready"):
        wb.compare(["glibc", "hakmem"], command="true", server="true")
