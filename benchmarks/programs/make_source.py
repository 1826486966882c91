"""Makes up a large C file, always the same one: what the compiler's benchmark compiles."""

import random

FUNCTIONS = 240


def make_function(number, order):
    names = [f"v{place}" for place in range(order.randrange(4, 9))]
    lines = [f"static long function_{number}(const struct item *item, long first)", "{"]
    lines += [f"    long {name} = first + {order.randrange(1000)};" for name in names]
    for _ in range(order.randrange(6, 14)):
        one, other = order.choice(names), order.choice(names)
        lines += order.choice(
            [
                [f"    {one} += item[{other} & 7].fields[{order.randrange(6)}] * {order.randrange(2, 99)};"],
                [
                    f"    for (long i = 0; i < {order.randrange(3, 40)}; i++)",
                    f"        {one} ^= {other} << (i & 15);",
                ],
                [f"    if ({one} > {other})", f"        {one} -= {other} / {order.randrange(2, 50)};"],
                [
                    f"    switch ({other} & 3) {{",
                    *(f"    case {case}: {one} += {order.randrange(999)}; break;" for case in range(3)),
                    f"    default: {one} = -{one};",
                    "    }",
                ],
            ]
        )
        if number and order.random() < 0.3:
            lines.append(f"    {one} += function_{order.randrange(number)}(item, {other});")
    return [*lines, f"    return {' + '.join(names)};", "}"]


def make_source():
    order = random.Random(1)
    lines = ["struct item { long fields[6]; };"]
    for number in range(FUNCTIONS):
        lines += make_function(number, order)
    lines += ["long run(const struct item *item)", "{", "    return 0"]
    lines += [f"        + function_{number}(item, {number})" for number in range(FUNCTIONS)]
    return "\n".join([*lines, "        ;", "}", ""])
