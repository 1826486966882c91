"""A server that a command is the client of: how it is started, known to be ready, and stopped."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import msgspec

from workbench.errors import BadParameter, OutOfRange
from workbench.plain_values import show
from workbench.processes.program import split_command

_MOST_PORT = 65535
_LINE = "line:"


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program that runs, under the allocator that is measured, while its client does.

    Parameters
    ----------
    command : tuple of str
        It stays in the foreground.
    ready : int, str or tuple of str
        When the client may start: once something listens at this port, a line of the server's output matches
        this regular expression, or this command ends well.
    stop : str or tuple of str
        A signal, or a command, after which the server ends.
    ready_timeout_s : float
        It has failed if it is not ready after so long.
    grace_s : float
        After so long a server that was stopped is killed.
    preloads_client : bool
        Whether the client runs under the allocator too.
    """

    command: tuple[str, ...]
    ready: int | str | tuple[str, ...]
    stop: str | tuple[str, ...] = "SIGTERM"
    ready_timeout_s: float = 30.0
    grace_s: float = 10.0
    preloads_client: bool = False

    def list_commands(self) -> Iterator[tuple[str, ...]]:
        """All commands that it runs."""
        yield self.command
        for what in (self.ready, self.stop):
            if isinstance(what, tuple):
                yield what

    def check(self) -> None:
        """See whether it makes sense.

        Raises
        ------
        BadParameter, OutOfRange
            With the field and what is wrong.
        """
        if not all(self.list_commands()):
            raise BadParameter("server: a command is empty; name a program")
        if isinstance(self.ready, int) and not 0 < self.ready <= _MOST_PORT:
            raise OutOfRange(f"ready: port {self.ready} is not within 1 to {_MOST_PORT}")
        if isinstance(self.ready, str):
            try:
                re.compile(self.ready)
            except re.error as error:
                raise BadParameter(f"ready: {show(self.ready)} is no regular expression ({error})") from None
        if isinstance(self.stop, str) and self.stop not in signal.Signals.__members__:
            raise BadParameter(f"stop: {show(self.stop)} is no signal, such as SIGTERM")
        for name in ("ready_timeout_s", "grace_s"):
            if not 0 < getattr(self, name) <= 1e7:
                raise OutOfRange(f"{name}: {getattr(self, name):g} is not above 0 and at most 10000000")


def parse_ready(text: str, *, by_shell: bool = False) -> int | str | tuple[str, ...]:
    """Read what says that a server is ready: a port, line:PATTERN, or a command."""
    if text.isdecimal():
        return int(text)
    return text.removeprefix(_LINE) if text.startswith(_LINE) else split_command(text, by_shell=by_shell)


def parse_stop(text: str, *, by_shell: bool = False) -> str | tuple[str, ...]:
    """Read how a server is stopped: the name of a signal, or a command."""
    return text if text in signal.Signals.__members__ else split_command(text, by_shell=by_shell)


def make_server(
    command: str,
    *,
    ready: str | None = None,
    stop: str | None = None,
    ready_timeout_s: float | None = None,
    preload_client: bool | None = None,
    by_shell: bool = False,
) -> Server:
    """A server as somebody types it; what is None has its default.

    BadParameter if nothing says when it is ready, or a command is empty.
    """
    if not ready:
        raise BadParameter("a --server needs --ready: a port, line:PATTERN of its output, or a command")
    given = {
        "stop": stop and parse_stop(stop, by_shell=by_shell),
        "ready_timeout_s": ready_timeout_s,
        "preloads_client": preload_client,
    }
    server = Server(split_command(command, by_shell=by_shell), parse_ready(ready, by_shell=by_shell))
    return msgspec.structs.replace(
        server, **{name: value for name, value in given.items() if value is not None}
    )
