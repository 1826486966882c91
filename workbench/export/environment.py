"""Environment variables, as a shell, systemd, Docker, compose and Kubernetes want them.

All have one assignment a line and comments on lines of their own. What an environment file's readers, a shell
and systemd, both understand is little: values without spaces unless quoted. So nothing else is written, and a
comment never ends in a backslash.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.allocators import Allocator, StartPlace, find_place, read_variable, spell, write_variables
from workbench.control import Tunable, Value
from workbench.errors import BadParameter
from workbench.export.format import Assignment, Format, describe_value, group_values

_NAME = r"([A-Za-z_][A-Za-z0-9_]*)"


@dataclass(frozen=True)
class Environment(Format):
    """A way to write environment variables.

    The head stands before the assignments; each of them is a line, which the pattern matches, with groups for
    name and value.
    """

    head: str = ""
    line: str = "{name}={value}"
    pattern: str = rf"(?:export\s+)?{_NAME}=(.*)"

    def identify(self, tunable: Tunable, allocator: Allocator) -> str:
        """Its variable; one that nobody reads has the name of the tunable, for a program that does."""
        if tunable.environment or allocator.has_agent:
            return tunable.environment
        return re.sub(r"[^A-Z0-9]", "_", tunable.name.upper())

    def render(self, comments: Sequence[str], values: Mapping[str, Value], allocator: Allocator) -> str:
        """The assignments by component, variables that several tunables share at the end."""
        lines = [*(f"# {line}" for line in comments), *self.head.splitlines()]
        shared: list[tuple[Tunable, Value]] = []
        for group, members in group_values(values, allocator.tunables):
            lines += ["", f"# {group}"]
            for tunable, value in members:
                name = f"{tunable.name} = {spell(value)}"
                identifier = self.identify(tunable, allocator)
                if not identifier:
                    lines.append(f"# {name}: it cannot be given at start")
                    continue
                place = find_place(tunable) if tunable.environment else StartPlace(identifier)
                if value != tunable.default:
                    lines.append(
                        f"# {f'{name}, ' if place.separator else ''}{describe_value(tunable, value)}:"
                    )
                if place.separator:
                    shared.append((tunable, value))
                else:
                    lines.append(self._assign(place.name, spell(value)))
        lines += [self._assign(name, text) for name, text in write_variables(shared).items()]
        return "\n".join(lines) + "\n"

    def _assign(self, name: str, value: str) -> str:
        return self.line.format(name=name, value=value if '"' in self.line else shlex.quote(value))

    def expand(self, found: list[Assignment], allocator: Allocator) -> list[Assignment]:
        """A variable that tunables share is as many assignments."""
        return [
            Assignment(identifier, text, one.line)
            for one in found
            for identifier, text in read_variable(one.identifier, one.text, allocator.tunables)
        ]

    def scan(self, text: str) -> list[Assignment]:
        """One a line; comments and the lines of the head are passed over."""
        found = []
        passed = {line.strip() for line in self.head.splitlines()}
        for number, line in enumerate(text.split("\n"), start=1):
            stripped = line.strip()
            if not stripped or stripped[0] in "#;" or stripped in passed:
                continue
            match = re.fullmatch(self.pattern, stripped)
            try:
                words = shlex.split(match[2]) if match else []
            except ValueError:
                match, words = None, []
            if match is None or len(words) > 1:
                form = self.line.format(name="NAME", value="value").replace('"', "").strip()
                raise BadParameter(f"line {number}: '{stripped}' is not {form}; quote a value with spaces")
            found.append(Assignment(match[1], words[0] if words else "", number))
        return found

    def recognises(self, text: str) -> bool:
        """Whether a line is an assignment."""
        return re.search(rf"^\s*{self.pattern}$", text, re.MULTILINE) is not None


ENVIRONMENT = Environment(
    "env",
    "environment file",
    ".env",
    "environment file, for a shell, systemd's EnvironmentFile, docker --env-file",
)
#: Files in which others keep the environment of what they start.
DEPLOYMENTS = (
    Environment(
        "systemd",
        "systemd drop-in",
        ".service.conf",
        "drop-in of a systemd service",
        "\n[Service]",
        'Environment="{name}={value}"',
        rf'Environment="?{_NAME}=([^"]*)"?',
    ),
    Environment(
        "docker",
        "Dockerfile",
        ".dockerfile",
        "ENV lines of a Dockerfile",
        "",
        'ENV {name}="{value}"',
        rf"ENV[ \t]+{_NAME}[= ](.*)",
    ),
    Environment(
        "compose",
        "compose file",
        ".compose.yaml",
        "environment of a service in a compose file",
        "\nservices:\n  app:\n    environment:",
        '      {name}: "{value}"',
        rf"{_NAME}:[ \t]+(.*)",
    ),
    Environment(
        "kubernetes",
        "Kubernetes container",
        ".pod.yaml",
        "env of a container in Kubernetes",
        "\nenv:",
        '  - {{name: {name}, value: "{value}"}}',
        rf"- \{{name: {_NAME}, value: (.*)\}}",
    ),
)
