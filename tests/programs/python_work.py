"""Ordinary work of a Python program, a task by name; what it prints depends on the work alone."""

from __future__ import annotations

import ast
import ctypes
import gc
import hashlib
import json
import os
import queue
import random
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

_CHILDREN = 12


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def digest(parts: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.encode())
    return whole.hexdigest()


def make_document(seed: int) -> object:
    numbers = random.Random(seed)
    return {
        f"key {i}": {
            "list": [numbers.randrange(1 << 40) for _ in range(numbers.randrange(30))],
            "text": 'ä\n"' * numbers.randrange(50),
            "real": numbers.random(),
            "nested": [[[None, True, {}]]] * numbers.randrange(5),
        }
        for i in range(600)
    }


def handle_json() -> None:
    for seed in range(4):
        document = make_document(seed)
        for indent in (None, 2):
            text = json.dumps(document, indent=indent, sort_keys=True)
            assert json.loads(text) == document
            say(len(text), digest([text]), zlib.crc32(zlib.compress(text.encode())))


def handle_syntax_trees() -> None:
    folder = Path(ast.__file__).parent
    for name in ("ast.py", "argparse.py", "typing.py", "subprocess.py", "inspect.py"):
        tree = ast.parse((folder / name).read_text(encoding="utf-8"))
        names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
        again = ast.parse(ast.unparse(tree))
        assert ast.dump(again) == ast.dump(tree)
        code = compile(tree, name, "exec")
        say(name, len(names), digest(names), len(code.co_consts))
    gc.collect()


def run_threads() -> None:
    passed: queue.Queue[dict[str, str]] = queue.Queue(200)
    made = 4000

    def produce(seed: int) -> int:
        numbers = random.Random(seed)
        for i in range(made):
            passed.put({str(i): "x" * numbers.randrange(3000)})
        return made

    def consume(_: int) -> int:
        return sum(len(text) for _ in range(made) for text in passed.get().values())

    with ThreadPoolExecutor(8) as pool:
        produced = [pool.submit(produce, seed) for seed in range(4)]
        consumed = [pool.submit(consume, seed) for seed in range(4)]
        say(sum(f.result() for f in produced), sum(f.result() for f in consumed))
    for _ in range(20):  # short lives
        threads = [threading.Thread(target=lambda: json.dumps(list(range(500)))) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def work_in_child(seed: int) -> str:
    return digest([json.dumps(make_document(seed))])


def run_children() -> None:
    is_over = threading.Event()

    def allocate() -> None:
        while not is_over.is_set():
            _ = [bytearray(size) for size in range(0, 40000, 97)]

    threads = [threading.Thread(target=allocate) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(_CHILDREN):  # forks while the others allocate
            child = os.fork()
            if child == 0:
                _ = [bytearray(size) for size in range(0, 100000, 531)]
                os._exit(number + 1)
            say("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        for text in ("one", "two"):
            shell = ["sh", "-c", f"echo {text}; cat; exit 3"]
            done = subprocess.run(shell, input=text * 1000, capture_output=True, text=True, check=False)
            say(done.returncode, len(done.stdout), done.stderr)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        say(*pool.map(work_in_child, range(6)))


def use_a_database() -> None:
    with sqlite3.connect("work.db") as connection:
        connection.execute("create table t (id integer primary key, name text, data blob)")
        rows = ((i, f"name {i * 7919 % 10007}", bytes(i % 400)) for i in range(10000))
        connection.executemany("insert into t values (?, ?, ?)", rows)
        connection.execute("create index by_name on t (name)")
        connection.create_function("twice", 1, lambda text: text * 2)
        for row in connection.execute(
            "select twice(name), sum(length(data)) from t group by substr(name, 1, 7) order by 1"
        ):
            say(*row)
        say(*connection.execute("pragma integrity_check"))
    connection.close()
    say(Path("work.db").stat().st_size)


def call_c_functions() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype = library.realloc.restype = library.calloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    library.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    for size in (1, 8, 100, 1024, 5000, 70000, 3 << 20):
        block = library.malloc(size)
        ctypes.memset(block, 0x5A, size)
        block = library.realloc(block, size * 3)
        say(size, ctypes.string_at(block, size) == b"\x5a" * size)
        library.free(block)
        block = library.calloc(size, 2)
        say(size, ctypes.string_at(block, 2 * size) == bytes(2 * size))
        library.free(block)
    library.strdup.restype = ctypes.c_void_p
    copies = [library.strdup(str(i).encode()) for i in range(5000)]
    say(sum(int(ctypes.string_at(copy)) for copy in copies))
    for copy in copies:
        library.free(copy)

    compare_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    values = (ctypes.c_int * 3000)(*((i * 7919) % 3001 for i in range(3000)))
    compare = compare_type(lambda a, b: a[0] - b[0])
    library.qsort(values, len(values), ctypes.sizeof(ctypes.c_int), compare)
    say(list(values) == sorted(values), sum(values))


TASKS: dict[str, Callable[[], None]] = {
    "json": handle_json,
    "ast": handle_syntax_trees,
    "threads": run_threads,
    "children": run_children,
    "sqlite3": use_a_database,
    "ctypes": call_c_functions,
}

if __name__ == "__main__":
    TASKS[sys.argv[1]]()
    say("all done")
