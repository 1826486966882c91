"""The front end's modules are joined into one script, and what cannot be joined is refused."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from workbench.panel.front_end import join_modules, read_front


def join(**files: str) -> str:
    return join_modules(lambda name: files[name.removesuffix(".js")])


def test_every_module_is_part_of_the_script_once() -> None:
    script = join_modules(read_front)
    assert re.findall(r"^(?:import|export)\b.*", script, flags=re.MULTILINE) == ["export default {"]
    folder = resources.files("workbench.panel") / "front"
    modules = [path for path in folder.iterdir() if path.name.endswith(".js")]
    assert len(modules) > 5
    for path in modules:
        assert script.count(path.read_text(encoding="utf-8").splitlines()[0]) == 1, path


def test_what_is_imported_comes_first() -> None:
    script = join(
        main='import { b } from "./b.js";\nimport { A } from "./a.js";\n\nexport default { b, A };\n',
        b='import {\n  A,\n} from "./a.js";\nexport const b = new A();\n',
        a="export class A {}\n",
    )
    assert script == "class A {}\n\nconst b = new A();\n\n\nexport default { b, A };\n"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {
                "main": 'import { a } from "./a.js";\n',
                "a": 'import { b } from "./b.js";\nexport const a = 1;\n',
                "b": 'import { a } from "./a.js";\nexport const b = 1;\n',
            },
            "in a circle: main.js → a.js → b.js → a.js",
        ),
        (
            {
                "main": 'import { a } from "./a.js";\nfunction make() {}\n',
                "a": "export let a;\nclass make {}\n",
            },
            "make is defined in a.js and in main.js",
        ),
        ({"main": 'import * as a from "./a.js";\n'}, 'main.js: .* import * as a from "./a.js";'),
        ({"main": "const a = 1;\nexport { a };\n"}, "main.js: .* export { a };"),
        (
            {"main": 'import { a } from "./a.js";\n', "a": "export const a = 1;\nexport default a;\n"},
            "a.js: .* export default a;",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(files: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told).replace(r"\.\*", ".*")):
        join(**files)
