"""Asking before something is done to a program that runs."""

from __future__ import annotations

import click

from workbench.errors import BadParameter


def ask_first(question: str) -> None:
    """Ask on standard error, and go on only after a yes.

    click.Abort after a no or Ctrl-C; BadParameter if standard input ends before an answer.
    """
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort as abort:
        if not isinstance(abort.__context__, EOFError):
            raise
        click.echo(err=True)  # ends the line of the question
        raise BadParameter("nobody is here to answer: give --yes") from None
