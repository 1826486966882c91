"""Makes up the same texts each time: a table of lines, and a history for git fast-import."""

import random


def make_lines(count):
    order = random.Random(2)
    words = [f"word{order.randrange(10**6)}" for _ in range(3000)]
    return "".join(f"{order.randrange(10**9)}\t{' '.join(order.choices(words, k=5))}\n" for _ in range(count))


def make_history(commits, files):
    """The stream of a history: each commit changes some lines of some large files."""
    order = random.Random(3)
    texts = [make_lines(3000).splitlines(keepends=True) for _ in range(files)]
    parts = []
    for number in range(commits):
        parts.append(f"commit refs/heads/main\ncommitter A B <a@b> {10**9 + number} +0000\ndata 3\nall\n")
        for file in order.sample(range(files), 8) if number else range(files):
            lines = texts[file]
            for _ in range(20):
                lines[order.randrange(len(lines))] = f"{number} {order.random()}\n"
            text = "".join(lines)
            parts.append(f"M 100644 inline file{file}\ndata {len(text)}\n{text}\n")
    return "".join(parts)
