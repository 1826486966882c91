"""Reads and writes JSON documents, then parses, rewrites and compiles Python sources: all made up here."""

import ast
import json
import random

DOCUMENTS = 45
SOURCES = 10
FUNCTIONS = 18

rng = random.Random(20)


def make_value(depth):
    choice = rng.random()
    if depth == 0 or choice < 0.35:
        return rng.choice([rng.randrange(10**6), rng.random(), "word " * rng.randrange(1, 9), None, True])
    if choice < 0.65:
        return [make_value(depth - 1) for _ in range(rng.randrange(1, 9))]
    return {f"key {rng.randrange(400)}": make_value(depth - 1) for _ in range(rng.randrange(1, 9))}


def make_source():
    lines = []
    for number in range(FUNCTIONS):
        lines.append(f"def function_{number}(first, second=None, *rest):")
        lines.append(f"    '''Adds {number}, or not.'''")
        lines.append(f"    total = [first * {rng.randrange(99)} + item for item in rest if item != second]")
        for _ in range(rng.randrange(2, 7)):
            name = f"local_{rng.randrange(9)}"
            lines.append(f"    {name} = {{'a': {rng.randrange(9)}, 'b': (first, '{name}')}}")
            lines.append(f"    if {name}['a'] > {rng.randrange(9)}: total.append(len({name}))")
        lines.append("    return sum(total) if total else None")
    return "\n".join(lines)


class Rename(ast.NodeTransformer):
    """Names in capitals, constants one more."""

    def visit_Name(self, node):
        return ast.copy_location(ast.Name(node.id.upper(), node.ctx), node)

    def visit_Constant(self, node):
        return ast.copy_location(ast.Constant(node.value + 1), node) if type(node.value) is int else node


size = 0
kept = []
for _ in range(DOCUMENTS):
    text = json.dumps(make_value(6), sort_keys=True, indent=1)
    kept.append(json.loads(text))
    if len(kept) > 25:  # some documents stay a while
        kept.pop(rng.randrange(len(kept)))
    size += len(text)
for _ in range(SOURCES):
    tree = ast.parse(make_source())
    size += sum(1 for _ in ast.walk(tree))
    size += len(ast.unparse(Rename().visit(tree)))
    compile(ast.fix_missing_locations(tree), "made_up.py", "exec")
print(size)
