"""A user's own notebook: kernels under an allocator, `%%allocations` in their cells, the panel on itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.cli.terminal import run_workbench, wait_until
from workbench.allocators import get_allocator
from workbench.control import ControlBlock, find_blocks
from workbench.errors import MissingAllocator

TIMEOUT_S = 180


class Kernel:
    """A kernel that runs, spoken to as a notebook does."""

    page = ""  # what was shown last, as HTML

    def __init__(self, name: str) -> None:
        self._manager = KernelManager(kernel_name=name)
        self._manager.start_kernel()
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=TIMEOUT_S)
        self.pid = int(self.run("__import__('os').getpid()")[0])

    def run(self, code: str, *, interrupt: str = "") -> tuple[str, str]:
        """Output of a cell, and the name of the error with which it ended; interrupts once it says so."""
        told: list[str] = []

        def note(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                told.append(content["text"])
                if interrupt and interrupt in "".join(told):
                    self._manager.interrupt_kernel()
            elif message["msg_type"] in ("display_data", "execute_result"):
                told.append(content["data"].get("text/plain", "") + "\n")
                self.page = content["data"].get("text/html", "")

        answer = self._client.execute_interactive(code, output_hook=note, timeout=TIMEOUT_S)["content"]
        return "".join(told), answer.get("ename", "")

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Kernel]]:
    """Starts a kernel by its name; all end with the tests of this file."""
    running: list[Kernel] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        assert run_workbench("kernel", "install", "hakmem").status == 0

        def start_one(name: str) -> Kernel:
            running.append(Kernel(name))
            return running[-1]

        yield start_one
        for kernel in running:
            kernel.close()


@pytest.fixture(scope="module")
def kernel(start: Callable[[str], Kernel]) -> Kernel:
    started = start("python3-hakmem")
    assert started.run("import ctypes, os; libc = ctypes.CDLL(None)") == ("", "")
    return started


def test_a_cell_tells_what_it_allocated(kernel: Kernel) -> None:
    shown, error = kernel.run("%%allocations told\nfor _ in range(50_000): libc.calloc(1, 1000)")
    assert error == ""
    assert "allocations, " in shown
    assert "found a cache empty" in shown
    assert "not counted" not in shown
    assert kernel.page.count("<polyline") == 3
    value, _ = kernel.run("told.allocations, told.misses, *map(int, told.to_frame().loc['heap.live_bytes'])")
    allocations, misses, before, after, change = eval(value)
    assert 50_000 <= allocations < 1_000_000
    assert 0 < misses < 50_000
    assert 50_000 * 1000 < change == after - before < 1.2 * 50_000 * 1000
    assert eval(kernel.run("list(told.samples)")[0]) == ["in use", "in caches", "resident"]
    # What measuring costs is not the cell's; now and then another thread of the kernel hands its counts in.
    counts = []
    for _ in range(5):
        kernel.run("%%allocations told\npass")
        counts.append(int(kernel.run("told.allocations")[0]))
    assert min(counts) < 100
    # What is freed again is seen as the most that there was.
    kernel.run("%%allocations told\nx = bytearray(100 << 20); x[::4096] = bytes(len(x[::4096])); del x")
    value, _ = kernel.run("bool(told.peak_resident_bytes - told.samples['resident'].iloc[-1] > 90 << 20)")
    assert eval(value)


def test_a_cell_that_ends_in_another_way_is_told_as_well(kernel: Kernel) -> None:
    shown, error = kernel.run("%%allocations told\nkept = bytes(1 << 20)\nraise KeyError('mine')")
    assert error == "KeyError"
    assert "allocations, " in shown
    loop = "import time\nprint('begun', flush=True)\nwhile True: time.sleep(0.01)"
    shown, error = kernel.run(f"%%allocations told\n{loop}", interrupt="begun")
    assert error == "KeyboardInterrupt"
    assert "allocations, " in shown
    shown, error = kernel.run(
        "%%allocations told\npid = os.fork()\nif pid == 0: os._exit(7)\nos.waitpid(pid, 0)[1] >> 8"
    )
    assert (error, shown.count("allocations, "), shown.rstrip()[-1]) == ("", 1, "7")
    shown, error = kernel.run(
        "%%allocations outer\n%%allocations inner\nx = bytearray(50 << 20); x[::4096] = x[::4096]; del x"
    )
    assert (error, shown.count("allocations, ")) == ("", 2)
    for name in ("inner", "outer"):  # the inner one does not take the outer one's peak away
        value, _ = kernel.run(
            f"bool({name}.peak_resident_bytes - {name}.samples['resident'].iloc[0] > 45 << 20)"
        )
        assert eval(value)
    assert kernel.run("%%allocations a b\n1")[1] == "UsageError"
    assert kernel.run("%%allocations\n1 +")[1] == "SyntaxError"
    assert kernel.run("%%allocations\n1\n1 + 1")[0].endswith("\n2\n")


def test_the_panel_attaches_to_its_own_kernel(kernel: Kernel, tmp_path: Path) -> None:
    """The allocator that is linked into the workbench does not hide the one that serves the kernel."""
    opened = (
        f"import workbench as wb; panel = wb.tuning_panel(sessions={str(tmp_path)!r}, target=os.getpid())"
    )
    assert kernel.run(opened) == ("", "")
    assert kernel.run("wb.ControlBlock.own().info.kind") == ("'hakmem-hak'\n", "")
    wait_until(lambda: kernel.run("panel.state")[0] == "'attached'\n")
    assert [(info.kind, info.serves_malloc) for info in find_blocks(kernel.pid)] == [
        ("hakmem", True),
        ("hakmem-hak", False),
    ]
    listed, _ = kernel.run("[info.kind for info in wb.list_processes() if info.pid == os.getpid()]")
    assert eval(listed) == ["hakmem"]
    with ControlBlock.open(kernel.pid) as block:
        assert block.info.kind == "hakmem"
        block.set({"tls.grow_percent": 61})
        wait_until(lambda: kernel.run("panel.requested['tls.grow_percent']")[0] == "61\n")
        kernel.run("panel.set({'tls.grow_percent': 62})")
        wait_until(lambda: block.requested().values["tls.grow_percent"] == 62)
    # It shows up for others in the same way, and is let go with what it had.
    assert f'"pid": {kernel.pid}, "start' in run_workbench("ps", "--json").stdout
    kernel.run("panel.detach(); panel.close()")


def test_one_that_runs_is_seen_and_goes_on_when_it_is_removed(kernel: Kernel) -> None:
    (told,) = run_workbench("kernel", "list", "--json").json
    assert told["pids"] == [kernel.pid]
    removed = run_workbench("kernel", "remove", "python3-hakmem")
    assert f"process {kernel.pid} is a kernel of python3-hakmem and goes on" in removed.stderr
    assert kernel.run("1 + 1") == ("2\n", "")


def test_children_can_be_kept_out(start: Callable[[str], Kernel]) -> None:
    try:
        get_allocator("jemalloc")
    except MissingAllocator as missing:
        pytest.skip(str(missing))
    assert run_workbench("kernel", "install", "jemalloc", "--kernel-only").status == 0
    kernel = start("python3-jemalloc")
    assert kernel.run("open('/proc/self/maps').read().count('libjemalloc') > 0") == ("True\n", "")
    assert [info.kind for info in find_blocks(kernel.pid) if info.serves_malloc] == ["jemalloc"]
    shown, error = kernel.run("!env; cat /proc/self/maps")
    assert (error, "PATH=" in shown, "libc.so" in shown) == ("", True, True)
    for absent in ("libjemalloc", "libworkbench", "PYTHONMALLOC", "WORKBENCH_KERNEL"):
        assert absent not in shown
    shown, error = kernel.run("%%allocations told\nx = [bytearray(1000) for _ in range(20_000)]")
    assert (error, "allocations, " in shown, "not counted" in shown) == ("", True, False)


def test_any_other_kernel_tells_what_it_can(start: Callable[[str], Kernel]) -> None:
    kernel = start("python3")
    assert kernel.run("%load_ext workbench") == ("", "")
    shown, error = kernel.run("%%allocations told\nx = bytearray(30 << 20)")
    assert error == ""
    assert "allocations not counted" in shown
    assert "`workbench kernel install`" in shown
    assert "CPython's own" in shown
    value, _ = kernel.run("told.allocations, bool(told.to_frame().loc['in use_bytes', 'change'] > 29 << 20)")
    assert eval(value) == (None, True)
