"""inject: a program that runs already gets the agent, and goes on whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.agents.conftest import CAP_S, EVALUATOR, Evaluator, build, wait_for
from tests.cli.terminal import WORKBENCH, assert_refused, run_workbench
from tests.programs.redis_server import connect, serve
from workbench.allocators import AGENT, run_environment
from workbench.control import ControlBlock, block_directory, find_blocks
from workbench.errors import CannotInject, CannotPreload, NoProcess, NotPermitted, WorkbenchError
from workbench.processes import check_injectable, inject, injection
from workbench.processes.memory import read_status
from workbench.processes.preload import ElfFile

# `make soak` makes it 50: a hundred of each kind.
COUNT = 2 * int(os.environ.get("SOAK_FACTOR", "1"))

# Threads that make and drop objects, until there is input.
PYTHON = """
import sys, threading
is_over = False
def run():
    while not is_over:
        assert sum(len(str(number)) for number in range(500)) == 1390
        [bytes(size) for size in range(500)]
threads = [threading.Thread(target=run) for _ in range(3)]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.readline()
is_over = True
for thread in threads:
    thread.join()
"""
# A filter that allows every call.
CONFINED = """
import ctypes, struct
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7fff0000))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 1, ctypes.addressof(code)))
assert ctypes.CDLL(None).prctl(38, 1, 0, 0, 0) == 0
assert ctypes.CDLL(None).prctl(22, 2, program) == 0
print("ready", flush=True)
input()
"""


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of that name, built."""
    return build("busy", tmp_path_factory.mktemp("programs"))


@contextmanager
def running(*command: str | Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """A program that says that it is ready; it ends with its input, and well."""
    with subprocess.Popen(
        command,
        env=run_environment(None) | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
            process.communicate("\n", timeout=CAP_S)
            assert process.returncode == 0
        finally:
            process.kill()


def has_agent(pid: int) -> bool:
    return "libworkbench-agent" in Path(f"/proc/{pid}/maps").read_text()


def assert_serves(pid: int, kind: str = "glibc") -> None:
    """The agent does what is asked for."""
    with ControlBlock.open(pid, kind) as block:
        action = next(iter(block.actions))
        block.act(action)
        wait_for(lambda: block.action_counts()[action] == (1, 1))


@pytest.mark.parametrize("number", range(COUNT))
def test_a_program_that_allocates_all_the_time(number: int, busy: Path) -> None:
    del number
    with running(busy) as program:
        assert inject(program.pid) == (["glibc"], [])
        assert_serves(program.pid)


@pytest.mark.parametrize("number", range(COUNT))
def test_python_with_threads(number: int) -> None:
    del number
    with running("/usr/bin/python3", "-c", PYTHON, PYTHONMALLOC="malloc") as program:
        assert inject(program.pid) == (["glibc"], [])
        assert_serves(program.pid)


@pytest.mark.parametrize("number", range(COUNT))
def test_redis_under_load(number: int, tmp_path: Path) -> None:
    del number
    load = ["redis-benchmark", "-s", str(tmp_path / "socket"), "-q", "-d", "500", "-c", "20", "-t", "rpush"]
    with serve(tmp_path, []) as pid, connect(tmp_path) as client:
        with subprocess.Popen([*load, "-n", "100000000"], stdout=subprocess.DEVNULL) as process:
            try:
                wait_for(lambda: int(str(client.ask("llen", "mylist"))) > 0)
                assert inject(pid) == (["jemalloc"], [])
                assert_serves(pid, "jemalloc")
                assert process.poll() is None
            finally:
                process.kill()
        before = int(str(client.ask("llen", "mylist")))
        assert client.ask("rpush", "mylist", "last") == before + 1


def test_it_says_what_it_will_do_and_asks() -> None:
    with running("/usr/bin/python3", "-c", "print('ready', flush=True); input()") as program:
        said = run_workbench("inject", program.pid, stdin="n\n")
        assert said.status != 0
        assert f"gdb stops process {program.pid} (python3)" in said.stderr
        assert not has_agent(program.pid)
        said = run_workbench("inject", program.pid, stdin="y\n")
        assert (said.status, said.stdout) == (0, f"process {program.pid} has a control block: glibc\n")
        assert run_workbench("set", program.pid, "M_MXFAST=64").status == 0
        assert_serves(program.pid)
        assert "has a control block already: glibc" in refuse(program.pid)


def test_a_library_that_waits_for_it_gets_its_thread() -> None:
    command = [str(WORKBENCH), "exec", "--agent=on-demand", "--", "/usr/bin/python3", "-c", EVALUATOR]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        program = Evaluator(process, "glibc")
        assert find_blocks(program.pid) == []
        assert run_workbench("inject", program.pid, "--yes", "--json").json == {
            "pid": program.pid,
            "kinds": ["glibc"],
            "told": [],
        }
        assert_serves(program.pid)
        assert program.tell("1 + 1") == "2"
        process.communicate(timeout=CAP_S)
        assert process.returncode == 0


def test_a_wait_goes_on_where_it_was() -> None:
    """A system call that the stop interrupted is repeated with what is left of its time."""
    wait = "import ctypes; print('ready', flush=True); left = ctypes.CDLL(None).sleep(3); input(); exit(left)"
    with running("/usr/bin/python3", "-c", wait) as program:
        inject(program.pid)
        assert_serves(program.pid)


@pytest.mark.parametrize(
    ("command", "is_begun"),
    [
        ("-target-attach", False),
        ("-stack-list-frames", False),
        ("-data-write-memory-bytes", False),
        ("rip=", True),
    ],
)
def test_the_end_of_gdb_is_not_the_programs(
    command: str, is_begun: bool, busy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = injection._Debugger._ask
    killed = []

    def ask_and_kill(debugger: injection._Debugger, asked: str) -> str:
        said = ask(debugger, asked)
        if command in asked:
            killed.append(asked)
            debugger._process.kill()
        return said

    monkeypatch.setattr(injection._Debugger, "_ask", ask_and_kill)
    with running(busy) as program:
        with pytest.raises(CannotInject, match="gdb has ended early"):
            inject(program.pid)
        assert killed
        if is_begun:
            wait_for(lambda: find_blocks(program.pid) != [])
            assert_serves(program.pid)
        else:
            assert not has_agent(program.pid)


def test_other_processors_are_refused(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with running(busy) as program:
        assert "taken on x86_64, not on aarch64; start it anew" in refuse(program.pid)


def test_the_end_of_gdb_is_seen_though_its_child_lives(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection, "_GDB", ["sh", "-c", "sleep 100 & kill -9 $$"])
    with running(busy) as program, pytest.raises(CannotInject, match="gdb has ended early"):
        inject(program.pid)


def test_a_thread_in_the_allocator_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection, "_LOOKING_S", 0.0)
    library, program_path = tmp_path / "stuck.so", tmp_path / "program"
    (tmp_path / "stuck.c").write_text(
        "#include <unistd.h>\nvoid *malloc(size_t n) { static char b[4096]; char c;"
        'if (write(1, "ready\\n", 6) == 6 && read(0, &c, 1) >= 0) return b; return b + n; }'
    )
    (tmp_path / "program.c").write_text("#include <stdlib.h>\nint main(void) { return !malloc(8); }")
    for source, *options in (("stuck.c", "-shared", "-o", library), ("program.c", "-o", program_path)):
        compile_ = ["gcc", "-O0", "-fPIC", "-fno-builtin", str(tmp_path / source), *map(str, options)]
        subprocess.run(compile_, check=True, timeout=CAP_S)
    with running(program_path, LD_PRELOAD=str(library)) as program:
        with pytest.raises(CannotInject, match=r"in its allocator .* nothing is changed"):
            inject(program.pid)
        assert not has_agent(program.pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take another user's program")
def test_root_takes_another_users_program(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = "print('ready', flush=True); input()"
    user = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # where that user may read
        Path(folder).chmod(0o755)
        monkeypatch.setattr(injection, "AGENT", Path(shutil.copy(AGENT, folder)))
        with running(*user, "/usr/bin/python3", "-c", wait) as program:
            assert inject(program.pid) == (["glibc"], [])
            assert "has a control block already: glibc" in refuse(program.pid)
    (left,) = block_directory(65534).glob(f"{program.pid}.*")  # nothing of that user's will clear it away
    left.unlink()


def test_what_the_loader_says_is_told(busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.so").write_text("no library")
    monkeypatch.setattr(injection, "AGENT", tmp_path / "broken.so")
    with (
        running(busy) as program,
        pytest.raises(CannotInject, match=r"cannot load the library: .*file too short"),
    ):
        inject(program.pid)


# ---- refusals ---------------------------------------------------------------------------------------


def refuse(pid: int, error: type[WorkbenchError] = CannotInject) -> str:
    """What is said to a request that must not be carried out."""
    with pytest.raises(error) as raised:
        check_injectable(pid)
    return str(raised.value)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"], env=run_environment(None)) as process:
        wait_for(lambda: Path(f"/proc/{process.pid}/exe").readlink().name != Path(sys.executable).name)
        check_injectable(process.pid)
        try:
            yield process
        finally:
            process.kill()


def test_no_such_process() -> None:
    assert_refused(run_workbench("inject", 2**22 + 1, "--yes"), "there is no process")


def test_no_gdb(sleeper: subprocess.Popen[bytes]) -> None:
    said = run_workbench("inject", sleeper.pid, "--yes", env={"PATH": "/nonexistent"})
    assert_refused(said, "gdb is not installed: apt-get install gdb")


def test_a_process_that_has_ended() -> None:
    with subprocess.Popen(["true"]) as process:
        wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert "has ended already" in refuse(process.pid, NoProcess)


def test_a_process_whose_main_thread_has_ended(life: Path) -> None:
    with subprocess.Popen([life, "leave"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
        assert "goes on without its main thread" in refuse(process.pid)
        process.communicate(timeout=CAP_S)
        assert process.returncode == 0


def test_a_process_that_is_stopped(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.send_signal(signal.SIGSTOP)
    wait_for(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED)
    assert f"continue it with `kill -CONT {sleeper.pid}` first" in refuse(sleeper.pid)


def test_a_process_that_is_traced() -> None:
    with subprocess.Popen(
        ["strace", "-o", "/dev/null", "sh", "-c", "read line"], stdin=subprocess.PIPE
    ) as tracer:
        wait_for(lambda: any(child.name() == "sh" for child in psutil.Process(tracer.pid).children()))
        (child,) = psutil.Process(tracer.pid).children()
        assert f"is traced by process {tracer.pid}" in refuse(child.pid)
        tracer.communicate(timeout=CAP_S)


def test_a_static_program(tmp_path: Path) -> None:
    program = build("busy", tmp_path, "-static")
    with running(program) as process:
        assert "it is static" in refuse(process.pid, CannotPreload)


def test_another_architecture(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = ElfFile(bits=32, machine=0, interpreter=None)
    monkeypatch.setattr(injection, "read_elf", lambda _: narrow)
    assert "another architecture" in refuse(sleeper.pid, CannotPreload)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces")
def test_another_mount_namespace() -> None:
    hide = f"mount -t tmpfs none {AGENT.parent} && echo ready && read line"
    with running("unshare", "-m", "sh", "-c", hide) as program:
        assert "is in another mount namespace" in refuse(program.pid)


def test_a_program_that_confines_itself() -> None:
    with running("/usr/bin/python3", "-c", CONFINED) as program:
        assert "has a seccomp filter" in refuse(program.pid)


def test_a_thread_of_the_kernels(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    status = read_status(sleeper.pid)
    del status["VmSize"]
    monkeypatch.setattr(injection, "read_status", lambda _: status)
    assert "is a thread of the kernel's" in refuse(sleeper.pid, NoProcess)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has the right that is taken away")
def test_root_without_the_right_to_trace(sleeper: subprocess.Popen[bytes]) -> None:
    without = ("setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace")
    command = [*without, str(WORKBENCH), "inject", str(sleeper.pid), "--yes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CAP_S, check=False)
    assert done.returncode == 2
    assert "in a container root needs CAP_SYS_PTRACE" in done.stderr


def test_another_users_process(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert f"belongs to another user (uid {os.getuid()})" in refuse(sleeper.pid, NotPermitted)


@pytest.mark.parametrize(
    ("scope", "is_root", "said"),
    [(1, False, "sudo tee"), (2, False, "use sudo"), (3, True, "until the system boots anew"), (2, True, "")],
)
def test_tracing_that_is_not_permitted(
    scope: int,
    is_root: bool,
    said: str,
    sleeper: subprocess.Popen[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "scope").write_text(f"{scope}\n")
    monkeypatch.setattr(injection, "_YAMA", tmp_path / "scope")
    status = read_status(sleeper.pid)
    uid = 0 if is_root else 12345
    status["Uid"] = f"{uid} {uid} {uid} {uid}"
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(injection, "read_status", lambda _: status)
    if said:
        assert said in refuse(sleeper.pid, NotPermitted)
    else:
        check_injectable(sleeper.pid)


def test_a_c_library_that_was_replaced(tmp_path: Path) -> None:
    copy = tmp_path / "libc.so.6"
    with running("/usr/bin/python3", "-c", "print('ready', flush=True); input()") as program:
        (path,) = {
            mapping.path
            for mapping in injection._read_mappings(program.pid)
            if mapping.path.endswith("/libc.so.6")
        }
    copy.write_bytes(Path(path).read_bytes())
    wait = "print('ready', flush=True); input()"
    with running("/usr/bin/python3", "-c", wait, LD_LIBRARY_PATH=str(tmp_path)) as program:
        copy.unlink()
        with pytest.raises(CannotInject, match="as after an update of the C library"):
            inject(program.pid)
