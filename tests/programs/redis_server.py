"""A redis server on a socket of its own, and as much of its protocol as asking it takes."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from workbench.allocators import run_environment

CAP_S = 120.0

Reply = bytes | int | None


class Client:
    """A connection to a server."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(CAP_S)
        self._socket.connect(str(path))
        self._answers: BinaryIO = self._socket.makefile("rb")

    def ask(self, *words: bytes | str | int) -> Reply:
        return self.ask_all([words])[0]

    def ask_all(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[Reply]:
        """Send commands in one go, then read their answers."""
        self._socket.sendall(b"".join(map(_encode, commands)))
        return [self._read() for _ in commands]

    def close(self) -> None:
        self._answers.close()
        self._socket.close()

    def _read(self) -> Reply:
        line = self._answers.readline()
        assert line.endswith(b"\r\n"), "the server hung up"
        kind, rest = line[:1], line[1:-2]
        assert kind in b"+:$", line
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if rest == b"-1":
            return None
        return self._answers.read(int(rest) + 2)[:-2]


@contextlib.contextmanager
def connect(folder: Path) -> Iterator[Client]:
    """Connect to the server of that folder."""
    client = Client(folder / "socket")
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def serve(folder: Path, prefix: Sequence[str | Path]) -> Iterator[int]:
    """Run a server on `folder/socket` and `folder/dump.rdb`; gives its process id once it answers."""
    command = [*prefix, "redis-server", "--port", "0", "--unixsocket", folder / "socket", "--dir", folder]
    options = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "notice"]
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [*command, *options], env=run_environment(None), stdout=subprocess.PIPE, stderr=errors
        )
        try:
            assert process.stdout is not None
            said = b""
            for line in process.stdout:
                said += line
                if b"ready to accept connections" in line or b"accept connections at" in line:
                    break
            else:
                raise AssertionError(f"no server: {said.decode()}")
            yield process.pid
            with connect(folder) as client:
                assert client.ask("PING") == b"PONG"
        finally:
            process.terminate()
            rest, _ = process.communicate(timeout=CAP_S)
            (folder / "log").write_bytes(said + rest)
    assert process.returncode == 0, rest.decode()


def _encode(words: Sequence[bytes | str | int]) -> bytes:
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    lines = [b"*%d\r\n" % len(encoded)]
    lines += [b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded]
    return b"".join(lines)
