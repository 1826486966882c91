"""Has a program that runs already load a library of ours: the agent, or the recorder.

gdb stops the program, tells what each thread is in, and writes some hundred bytes of code into padding of
the program's own pages (`native/injection`). It points one thread at them and lets go: the thread loads the
library and goes on where it was. The program never runs under gdb, and there is no breakpoint. So whatever
happens to gdb or to us, the program goes on, and either the call has begun or nothing is changed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from workbench.allocators import AGENT
from workbench.bindings import injection as injected
from workbench.control import WORKLOAD_KIND, block_directory, find_blocks
from workbench.errors import CannotInject, NoProcess, NotPermitted
from workbench.processes.memory import read_start, read_status
from workbench.processes.preload import check_elf, read_elf

_AGENT_FUNCTION = "hak_agent_start"
_MACHINE = "x86_64"  # whose instructions native/injection has

_PATIENCE_S = 60.0  # for all of it
_LOOKING_S = 20.0  # of them, for a thread at a safe place
_PAUSE_S = 0.05  # between two looks at the threads
_POLL_S = 0.01
_MOST_THREADS = 64  # that are looked at while the program is stopped
_MOST_FRAMES = 64
_MOST_TEXT_BYTES = 1024
_ADDRESSES_END = 0x7FFFFFFFF000
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_YAMA_ROOT_ONLY, _YAMA_NOBODY = 2, 3

# gdb reads the program's own symbols and no debug files: what it says must not depend on them. Of threads it
# needs only what the system knows; the library that knows more takes long if there are many.
_SETTINGS = ["auto-load no", "debuginfod enabled off", "language c"]
_SETTINGS += ["debug-file-directory /nonexistent", "libthread-db-search-path /nonexistent"]
_GDB = ["gdb", "-nx", "-q", "--interpreter=mi"]
_GDB += [word for setting in _SETTINGS for word in ("-iex", f"set {setting}")]

# What the code calls; and a function of this C library, whoever defines malloc.
_CALLED = ("dlopen", "dlsym", "dlerror", "__errno_location")
_C_LIBRARY = "gnu_get_libc_version"

# System calls in which a thread only waits, as x86-64 numbers them: read, poll, select, pause, nanosleep,
# accept, recvfrom, recvmsg, wait4, rt_sigtimedwait, rt_sigsuspend, io_getevents, clock_nanosleep,
# epoll_wait, waitid, pselect6, ppoll, epoll_pwait, accept4, epoll_pwait2. And futex, unless it is for a lock:
# the C library takes locks with FUTEX_WAIT, and waits for conditions, semaphores and threads with
# FUTEX_WAIT_BITSET.
_WAITS = {0, 7, 23, 34, 35, 43, 45, 47, 61, 128, 130, 208, 230, 232, 247, 270, 271, 281, 288, 441}
_FUTEX, _FUTEX_COMMANDS, _FUTEX_WAIT_BITSET = 202, 0x7F, 9

# In these a thread may hold a lock of the allocator's or the loader's, or is about to fork or to end.
_UNSAFE = re.compile(
    r"(alloc|allocarray|free|memalign)(@.*)?$|allocx|_je_|^malloc_|^mall(opt|info)|^operator (new|delete)"
    r"|^_*(v?fork|posix_spawnp?|pthread_(create|exit)|_?exit|quick_exit|at_quick_exit|atexit)$"
    r"|^_*(dl_|dlopen|dlsym|dlclose|dladdr|cxa_|libc_freeres)|signal handler called"
)
_OVER = (injected.DONE, injected.NOT_LOADED)
_LOADER = re.compile(r"/ld[-.][^/]*\.so[.\d]*$")


_START_ANEW = "start it anew with `workbench exec --agent`"


class _NotTold(CannotInject):
    """gdb refused a command."""


class InjectedAgent(NamedTuple):
    """What came of an injection: the kinds of the process's control blocks, and what people are told.

    That is mostly nothing; else, for example, that an allocator's version is not known.
    """

    kinds: list[str]
    told: list[str]


class _Call(NamedTuple):
    library: Path
    function: str
    argument: str
    is_global: bool


class _Mapping(NamedTuple):
    start: int
    end: int
    access: str
    path: str


def check_injectable(pid: int, library: Path | None = None) -> None:
    """See whether a program can be made to load a library, by default the agent. Nothing is changed.

    NoProcess if there is none, or it is a thread of the kernel's or has ended; NotPermitted if this user may
    not; CannotPreload if it is static, or of another architecture or C library; CannotInject if it is stopped
    or traced, has other files or a seccomp filter, gdb is missing, the processor is no
    x86-64, or, for the agent, if it has a control block.
    """
    try:
        status = read_status(pid)
        _check_status(pid, status)
        elf = read_elf(Path(f"/proc/{pid}/exe"))
    except FileNotFoundError:
        raise NoProcess(f"there is no process {pid}; `ps -e` lists what runs") from None
    except PermissionError:
        raise NotPermitted(
            f"process {pid}: the system lets only root look into it; in a container root needs CAP_SYS_PTRACE"
        ) from None
    if elf is not None:
        check_elf(elf, f"process {pid}")
    if (machine := platform.machine()) != _MACHINE:
        raise CannotInject(
            f"process {pid}: a program that runs can be taken on {_MACHINE}, not on {machine}; {_START_ANEW}"
        )
    path = AGENT if library is None else library
    if not _is_same_file(Path(f"/proc/{pid}/root{path}"), path):
        raise CannotInject(
            f"process {pid} is in another mount namespace, where {path} is not: start it anew there"
        )
    if library is None and (kinds := _find_kinds(pid)):
        raise CannotInject(f"process {pid} has a control block already: {', '.join(kinds)}")
    if shutil.which("gdb") is None:
        raise CannotInject("gdb is not installed: apt-get install gdb")


def inject(pid: int) -> InjectedAgent:
    """Have a program that runs load the agent, which publishes a control block for its allocator.

    The process is one of this user, unless this user is root. Errors are those of `check_injectable`;
    CannotInject also if no thread is at a safe place for 20 s, or the library cannot be loaded or cannot
    serve there. The program goes on.
    """
    check_injectable(pid)
    text = call_in(pid, AGENT, _AGENT_FUNCTION, is_global=True)
    kinds = _find_kinds(pid)
    if not kinds:
        raise CannotInject(f"process {pid} goes on without a control block: {text}")
    return InjectedAgent(kinds, text.splitlines())


def call_in(pid: int, library: Path, function: str, argument: str = "", *, is_global: bool = False) -> str:
    """Have a program that runs load a library and call a function of it, which `check_injectable` allows.

    The function takes the argument and returns a text. If the program has one of that name already, that one
    is called. `is_global`: libraries that the program loads later find the library's names. NoProcess if it
    has ended meanwhile; CannotInject if no thread is at a safe place for 20 s, or nothing is loaded.
    The program goes on.
    """
    call, start_s = _Call(library, function, argument, is_global), time.monotonic()
    with contextlib.closing(_Debugger(pid, start_s + _PATIENCE_S)) as debugger:
        debugger.read_symbols()
        while (area := debugger.begin_call(call)) is None:
            if time.monotonic() > start_s + _LOOKING_S:
                raise CannotInject(
                    f"process {pid} was in its allocator or at another unsafe place at each look for "
                    f"{_LOOKING_S:.0f} s; nothing is changed: try again when it is less busy"
                )
            time.sleep(_PAUSE_S)
    return _await_result(pid, area, start_s + _PATIENCE_S)


# ---- what stands in the way -------------------------------------------------------------------------


def _check_status(pid: int, status: dict[str, str]) -> None:
    state, tracer, uid = status["State"][0], status["TracerPid"], status["Uid"].split()[0]
    if state == "Z" and int(status["Threads"]) > 1:
        raise CannotInject(f"process {pid} goes on without its main thread, and gdb cannot take hold of it")
    if state in "ZX":
        raise NoProcess(f"process {pid} has ended already; name one that runs")
    if "VmSize" not in status:
        raise NoProcess(f"process {pid} is a thread of the kernel's; name a program")
    is_root = os.geteuid() == 0
    if not is_root and set(status["Uid"].split()) != {str(os.geteuid())}:
        raise NotPermitted(f"process {pid} belongs to another user (uid {uid}): use that user, or root")
    yama = int(_YAMA.read_text()) if _YAMA.exists() else 0
    if yama >= _YAMA_NOBODY:
        raise NotPermitted(f"{_YAMA} is {yama}: nobody may look into a program until the system boots anew")
    if yama and not is_root:
        remedy = "use sudo" if yama >= _YAMA_ROOT_ONLY else f"use sudo, or `echo 0 | sudo tee {_YAMA}`"
        raise NotPermitted(f"{_YAMA} is {yama}: only root may look into a program; {remedy}")
    if tracer != "0":
        raise CannotInject(
            f"process {pid} is traced by process {tracer}, a debugger or strace: end that first"
        )
    if state in "Tt":
        raise CannotInject(f"process {pid} is stopped: continue it with `kill -CONT {pid}` first")
    own = read_status(os.getpid())
    filters, own_filters = (int(each.get("Seccomp_filters", 0)) for each in (status, own))
    if status.get("Seccomp") == "1" or filters > own_filters:
        raise CannotInject(f"process {pid} has a seccomp filter, which may end it when it loads a library")


def _find_kinds(pid: int) -> list[str]:
    """Kinds of a process's blocks, by their files' names if they are another user's."""
    with contextlib.suppress(OSError):
        uid = Path(f"/proc/{pid}").stat().st_uid
        if uid != os.geteuid():
            folder = Path(f"/proc/{pid}/root{block_directory(uid)}")
            return sorted(path.suffix.removeprefix(".") for path in folder.glob(f"{pid}.{read_start(pid)}.*"))
    return sorted(info.kind for info in find_blocks(pid) if info.kind != WORKLOAD_KIND)


def _is_same_file(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


# ---- the program's memory ---------------------------------------------------------------------------


def _read_mappings(pid: int) -> list[_Mapping]:
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text(errors="replace").splitlines():
        span, access, _, _, _, *path = line.split(maxsplit=5)
        start, _, end = span.partition("-")
        found.append(_Mapping(int(start, 16), int(end, 16), access, "".join(path)))
    return found


def _find_path(mappings: list[_Mapping], address: int) -> str:
    return next((each.path for each in mappings if each.start <= address < each.end), "")


def _read_memory(pid: int, address: int, count: int) -> bytes:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(count)


def _find_area(mappings: list[_Mapping]) -> int:
    """The middle of the largest gap between mappings: nobody else will map just there."""
    pairs = [pair for pair in itertools.pairwise(mappings) if pair[1].start < _ADDRESSES_END]
    size, start = max((after.start - before.end, before.end) for before, after in pairs)
    return (start + size // 2) & ~0xFFFF


def _find_room(pid: int, mappings: list[_Mapping], count: int) -> int | None:
    """Where code fits: in the padding of the last page of a file's code, if no data follow there.

    Not in the loader's: what is looked up from there is looked up nowhere. The code of a call that is over
    makes room for the next.
    """
    for mapping, after in itertools.pairwise(mappings):
        if mapping.access == "r-xp" and (after.path, after.access) == (mapping.path, "r--p"):
            if _LOADER.search(mapping.path):
                continue
            place = (mapping.end - count) & ~0xF
            before = _read_memory(pid, place - 16, mapping.end - place + 16)
            if not any(before) or (not any(before[:16]) and _is_over(pid, mapping, place)):
                return place
    return None


def _is_over(pid: int, mapping: _Mapping, place: int) -> bool:
    """Whether all that stands from here on is the code of a call that is over. The program is stopped."""
    text = _read_memory(pid, place, mapping.end - place)
    start = next((at for at in range(0, len(text), 16) if any(text[at : at + 16])), 0)
    area = injected.read_area(text[start:])
    with contextlib.suppress(OSError):
        if not area or injected.read_result(_read_memory(pid, area, injected.RESULT_BYTES))[0] not in _OVER:
            return False
        tasks = Path(f"/proc/{pid}/task").iterdir()
        counters = [int((task / "syscall").read_text().split()[-1], 16) for task in tasks]
        return not any(mapping.end - len(text) <= counter < mapping.end for counter in counters)
    return False


def _await_result(pid: int, area: int, end_s: float) -> str:
    while time.monotonic() < end_s:
        try:
            state, place = injected.read_result(_read_memory(pid, area, injected.RESULT_BYTES))
            if state in _OVER:
                text = _read_memory(pid, place, _MOST_TEXT_BYTES).split(b"\0")[0].decode(errors="replace")
                if state == injected.DONE:
                    return text
                raise CannotInject(f"process {pid} goes on, and cannot load the library: {text}")
        except FileNotFoundError:
            raise NoProcess(f"process {pid} has ended meanwhile") from None
        except OSError:  # the area is not mapped yet
            pass
        time.sleep(_POLL_S)
    raise CannotInject(
        f"process {pid} has not loaded the library within {_PATIENCE_S:.0f} s: it may be stopped or busy; it "
        "goes on, and may load it later"
    )


# ---- gdb --------------------------------------------------------------------------------------------


class _Debugger:
    """gdb, by its machine interface. It has a session of its own: no Ctrl-C is meant for it."""

    def __init__(self, pid: int, end_s: float) -> None:
        self._pid = pid
        self._end_s = end_s
        self._is_attached = False
        self._said = b""
        self._process = subprocess.Popen(
            _GDB,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._end = os.pidfd_open(self._process.pid)

    def read_symbols(self) -> None:
        """Read the program's symbols, which takes long, before the program is stopped."""
        self._ask(f"-file-exec-and-symbols /proc/{self._pid}/exe")
        self._evaluate("sizeof(int)")

    def close(self) -> None:
        """End gdb. If the program is stopped just then, the system lets it go."""
        os.killpg(
            self._process.pid, signal.SIGKILL
        )  # with the child on which it tries what the system can do
        self._process.communicate()
        os.close(self._end)
        if self._is_attached:  # a stop that was asked for, and has not come about yet, would stay
            with contextlib.suppress(OSError):
                os.kill(self._pid, signal.SIGCONT)

    def begin_call(self, call: _Call) -> int | None:
        """Stop the program, and point a thread at the code if one is at a safe place; let the program go.

        Returns where the result will be; None if no thread was at such a place, and nothing was changed.
        """
        self._is_attached = True
        self._ask(f"-target-attach {self._pid}")
        try:
            return self._begin_call(_read_mappings(self._pid), call)
        finally:
            self._ask("-target-detach")
            self._is_attached = False

    def _begin_call(self, mappings: list[_Mapping], call: _Call) -> int | None:
        places = {name: self._find_function(name, mappings) for name in (*_CALLED, "malloc", _C_LIBRARY)}
        allocator, c_library = (_find_path(mappings, places[name]) for name in ("malloc", _C_LIBRARY))
        thread = self._find_thread(mappings, allocator, c_library)
        if thread is None:
            return None
        area = _find_area(mappings)
        called = {name.strip("_"): places[name] for name in _CALLED}
        begun = injected.InjectedCall(
            next=self._evaluate("(long)$rip", thread), area=area, is_global=call.is_global, **called
        )
        code = injected.make_code(begun, call.library, call.function, call.argument)
        room = _find_room(self._pid, mappings, len(code))
        if room is None:
            raise CannotInject(
                f"process {self._pid} has no room for {len(code)} bytes of code: {_START_ANEW}"
            )
        self._ask(f"-data-write-memory-bytes {room:#x} {code.hex()}")
        self._evaluate(f"$rip={room + injected.ENTRY:#x}", thread)  # one store, and it happens
        return area

    def _find_function(self, name: str, mappings: list[_Mapping]) -> int:
        with contextlib.suppress(_NotTold):
            place = self._evaluate(f"(long)&{name}")
            path = _find_path(mappings, place)
            if path.startswith("/") and not path.endswith(" (deleted)"):
                return place
        raise CannotInject(
            f"process {self._pid}: gdb does not find {name} in its files, as after an update of the C "
            f"library: {_START_ANEW}"
        )

    def _find_thread(self, mappings: list[_Mapping], allocator: str, c_library: str) -> int | None:
        """Find a thread, if possible the main one, that holds no lock which the call may need."""
        own_object = {allocator} - {c_library, str(Path(f"/proc/{self._pid}/exe").readlink())}
        threads = re.findall(r'thread-id="(\d+)"', self._ask("-thread-list-ids"))
        for thread in sorted(map(int, threads))[:_MOST_THREADS]:
            said = ""
            with contextlib.suppress(_NotTold):
                said = self._ask(f"-stack-list-frames --thread {thread} 0 {_MOST_FRAMES}")
            frames = re.findall(r'addr="(\w+)",func="([^"]*)"', said)
            paths = [_find_path(mappings, int(address, 16)) for address, _ in frames]
            if not frames or any(_UNSAFE.search(function) for _, function in frames):
                continue
            if any(path in own_object or _LOADER.search(path) for path in paths):
                continue
            # Inner functions of the C library, or of an allocator in the program, may have no names.
            if paths[0] not in (c_library, allocator) or self._waits(thread):
                return thread
        return None

    def _waits(self, thread: int) -> bool:
        number = self._evaluate("(long)$orig_rax", thread)
        if number == _FUTEX:
            return self._evaluate("(long)$rsi", thread) & _FUTEX_COMMANDS == _FUTEX_WAIT_BITSET
        return number in _WAITS

    def _evaluate(self, expression: str, thread: int | None = None) -> int:
        where = f"--thread {thread} --frame 0 " if thread else ""
        found = re.search(
            r'value="[^"]*?(-?\d+)', self._ask(f'-data-evaluate-expression {where}"{expression}"')
        )
        assert found is not None, expression
        return int(found[1])

    def _ask(self, command: str) -> str:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then there is no answer
            self._process.stdin.write(command.encode() + b"\n")
            self._process.stdin.flush()
        while not (line := self._read_line()).startswith("^"):
            pass
        if line.startswith("^error"):
            said = re.search(r'msg="((?:[^"\\]|\\.)*)"', line)
            raise _NotTold(f"process {self._pid}: gdb says: {said[1] if said else line}")
        return line

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        while b"\n" not in self._said:
            left_s = max(0.0, self._end_s - time.monotonic())
            # Its child holds the pipe open, too: gdb's own end is what tells.
            output = self._process.stdout.fileno()
            readable = select.select([output, self._end], [], [], left_s)[0]
            if not readable:
                raise CannotInject(
                    f"process {self._pid}: gdb takes longer than {_PATIENCE_S:.0f} s; it goes on"
                )
            said = b""
            if output in readable:
                said = os.read(output, 1 << 16)
            if not said:
                raise CannotInject(f"process {self._pid}: gdb has ended early; the program goes on")
            self._said += said
        line, _, self._said = self._said.partition(b"\n")
        return line.decode(errors="replace")
