"""exec and inject: a control block for any program, with an allocator preloaded or as it runs already."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from workbench.allocators import AGENT, get_allocator, put_first
from workbench.commands.arguments import (
    BEFORE_A_COMMAND,
    PidType,
    allocator_option,
    command_argument,
    keep_pythonmalloc_option,
    read_settings,
    set_option,
    settings_option,
)
from workbench.commands.asking import ask_first
from workbench.commands.output import Answer, answering, print_json
from workbench.control import explain_no_block
from workbench.errors import BadParameter
from workbench.inherited import was_ignoring_children
from workbench.processes import (
    check_injectable,
    check_preloadable,
    inject,
    name_process,
    preload_environment,
)
from workbench.processes.group import GROUP_VARIABLE, group_path

_PYTHONMALLOC = "PYTHONMALLOC"


@click.command("exec", context_settings=BEFORE_A_COMMAND)
@allocator_option
@set_option
@settings_option
@click.option(
    "--agent",
    "agent",
    is_flag=False,
    flag_value="at-start",
    type=click.Choice(["at-start", "on-demand"]),
    help="Keep the program's own allocator; preload only the agent, which publishes a control block for it. "
    "--agent=on-demand, also with --allocator: the agent makes neither block nor thread until "
    "`workbench inject` asks it to.",
)
@click.option(
    "--group",
    metavar="NAME",
    help="Start it in a named group; `workbench set group:NAME` also acts on what starts there later.",
)
@keep_pythonmalloc_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print the command and its environment as JSON on standard error."
)
@command_argument
def execute(
    allocator_name: str,
    assignments: tuple[str, ...],
    settings_path: Path | None,
    agent: str | None,
    group: str | None,
    keep_pythonmalloc: bool,
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Run a program with an allocator preloaded. The program replaces this process.

    Signals, standard input and output and the exit status are the program's own. What a preload
    cannot reach (static and setuid programs, and their scripts) is refused.
    """
    check_preloadable(list(command))
    context = click.get_current_context()
    keeps_allocator = (
        agent is not None and context.get_parameter_source("allocator_name") is ParameterSource.DEFAULT
    )
    environment = dict(os.environ)
    allocator = None if keeps_allocator else get_allocator(allocator_name)
    if allocator is None:
        if assignments or settings_path is not None:
            raise BadParameter(
                "--agent keeps the program's own allocator; set its tunables with `workbench set`"
            )
        environment["LD_PRELOAD"] = put_first(AGENT, environment.get("LD_PRELOAD", ""))
    else:
        if agent is not None and not allocator.has_agent:
            raise BadParameter(f"{allocator.name} publishes a control block of its own; leave out --agent")
        settings = read_settings(settings_path, assignments, allocator)
        environment = preload_environment(settings, environment, allocator)
        if not keep_pythonmalloc:
            environment.setdefault(_PYTHONMALLOC, "malloc")
    if agent is not None:
        environment["HAKMEM_AGENT"] = agent
    if group is not None:
        environment[GROUP_VARIABLE] = str(group_path(group))
    problem = _find_problem() if agent != "on-demand" and (allocator is None or allocator.kind) else ""
    if problem:
        click.echo(f"workbench: {command[0]} runs without a control block: {problem}", err=True)
    if as_json:
        changed = {name: text for name, text in environment.items() if os.environ.get(name) != text}
        print_json({"pid": os.getpid(), "command": command, "environment": changed}, err=True)
    _leave()
    try:
        os.execvpe(command[0], list(command), environment)
    except OSError as error:
        raise BadParameter(f"{command[0]}: {error.strerror}; name a program that can be run") from error


def _find_problem() -> str:
    """Why the program will have no control block, unless that is wanted.

    Asked in a child: the question starts an allocator, whose block would bear the program's pid for a moment.
    """
    answers, answer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            problem, is_wanted = explain_no_block()
            os.write(answer, b"" if is_wanted else problem.encode())
        finally:
            os._exit(0)
    os.close(answer)
    with os.fdopen(answers, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    # Python ignores these two; an ignored signal would stay ignored in the program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if was_ignoring_children():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)


@click.command("inject")
@click.argument("pid", metavar="PID", type=PidType())
@click.option("--yes", is_flag=True, help="Do not ask.")
@answering
def inject_agent(pid: int, yes: bool) -> Answer:
    """Load the agent into a program that runs already, so that its allocator can be tuned.

    It says what it will do, and asks first. gdb must be installed, and the program must be this user's (root
    may take any). A program that runs under `workbench exec --agent=on-demand` has the
    library already and gets only its thread. If it does not work, the program goes on.
    """
    check_injectable(pid)
    if not yes:
        question = (
            f"gdb stops process {pid} ({name_process(pid)}) for some tenths of a second. Then one of its "
            f"threads loads {AGENT}, which starts a thread of its own and stays until the program ends. "
            "A call in which a thread waits may return early, as after a signal. Go on?"
        )
        ask_first(question)
    kinds, told = inject(pid)
    uid = Path(f"/proc/{pid}").stat().st_uid
    if uid != os.geteuid():
        told = [*told, f"it belongs to the user {uid}: tune it as that user"]
    line = f"process {pid} has a control block: {', '.join(kinds)}"
    return Answer({"pid": pid, "kinds": kinds, "told": told}, line, *told)
