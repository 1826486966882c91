"""The command line: the group of commands, and how each of them ends.

What a command does stands in `workbench.commands`; here is what all have in common: wrong input is
one line on standard error and status 2, an interrupt and a closed pipe end without a traceback.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from workbench import interrupt
from workbench.commands import COMMANDS, load_command
from workbench.commands.output import STATUS_FAILED, STATUS_WRONG_INPUT
from workbench.errors import BadParameter, NotDone, WorkbenchError, suggest_nearest

#: Of the command. Another distribution brings a `workbench`, too.
NAMES = ("workbench", "hakmem")
STATUS_CLOSED_PIPE = 141  # 128 + SIGPIPE


class CommandGroup(click.Group):
    """A group whose every command ends tidily."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line; ends the process with the command's status in standalone mode."""
        del standalone_mode  # errors are shown here, not by click
        result = None
        try:
            result = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except WorkbenchError as error:
            result = _refuse(str(error))
            if isinstance(error, NotDone):
                result = STATUS_FAILED
        except click.Abort:
            result = interrupt.STATUS_INTERRUPTED
        except click.exceptions.NoArgsIsHelpError as error:  # a group alone, such as `workbench trace`
            click.echo(error.ctx.get_help() if error.ctx is not None else "")
            result = 0
        except click.ClickException as error:
            result = _refuse(error.format_message())
        except BrokenPipeError:
            result = _abandon_output()
        except OSError as error:
            result = _give_up(error)
        except interrupt.Terminated as terminated:
            terminated.end()
        sys.exit(result if isinstance(result, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that has gone away ends it as it would any program in a pipe."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would end with status 1
            return _abandon_output()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without importing the commands."""
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        found = [CompletionItem(name, help=COMMANDS[name].help) for name in names]
        return found or click.Command.shell_complete(self, ctx, incomplete)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order in which one would meet them, not of the alphabet."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, which is when the libraries that it needs are imported."""
        del ctx
        return load_command(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; once it is imported it sees to interrupts itself."""
        if ctx.resilient_parsing and args[0] not in COMMANDS:  # a shell asks what could follow
            return None, None, []
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = suggest_nearest(args[0], COMMANDS) or "`workbench --help` lists the commands"
            raise BadParameter(f"unknown command '{args[0]}': {hint}")
        found = super().resolve_command(ctx, args)
        interrupt.raise_again()
        interrupt.tidy_up_when_terminated()
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in COMMANDS.items()])


def _refuse(message: str) -> int:
    with contextlib.suppress(OSError):  # nobody can be told; the status tells it, too
        click.echo("workbench: " + " ".join(message.split()), err=True)
    return STATUS_WRONG_INPUT


def _give_up(error: OSError) -> int:
    # A full disk, a folder without permission: not wrong input, and no fault to trace.
    name = error.filename
    try:
        sys.stdout.flush()
    except OSError:  # still: what could not be written is in the buffer
        name = name or "standard output"
        _drop_output()
    what = "it is closed" if name == "standard output" and error.errno == errno.EBADF else error.strerror
    _refuse(f"{name}: {what}" if name else str(what or error))
    return STATUS_FAILED


def _abandon_output() -> int:
    _drop_output()
    return STATUS_CLOSED_PIPE


def _drop_output() -> None:
    # The interpreter flushes at exit and would complain once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(
    package_name="hakmem-workbench",
    prog_name="workbench",
    message="%(prog)s %(version)s",
    help="Show the version.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Tune the thresholds of the HAKMEM allocator while a program runs."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        return
    from workbench.control import sweep_dead_blocks

    sweep_dead_blocks()


def main() -> None:
    """Entry point of the command, under the name by which it was called."""
    name = os.path.basename(sys.argv[0])  # noqa: PTH119 (no path is meant)
    try:
        cli.main(prog_name=name if name in NAMES else NAMES[0])
    finally:
        interrupt.end_at_once()
