"""A pipeline of threads: one makes lines of a log, three take them apart, one sums up."""

import queue
import random
import threading

BATCHES = 300
LINES = 60
WORKERS = 3

raw = queue.Queue(maxsize=20)
parsed = queue.Queue(maxsize=20)


def make():
    rng = random.Random(12)
    for batch in range(BATCHES):
        lines = []
        for _ in range(LINES):
            words = " ".join(f"word{rng.randrange(500)}" for _ in range(rng.randrange(2, 9)))
            lines.append(f"{batch} host{rng.randrange(40)} {rng.randrange(10**6)} {words}")
        raw.put(lines)
    for _ in range(WORKERS):
        raw.put(None)


def parse():
    while (lines := raw.get()) is not None:
        rows = []
        for line in lines:
            batch, host, size, *words = line.split()
            rows.append({"batch": int(batch), "host": host, "size": int(size), "words": words})
        parsed.put(rows)
    parsed.put(None)


def sum_up():
    sizes, counts, latest = {}, {}, []
    ended = 0
    while ended < WORKERS:
        rows = parsed.get()
        if rows is None:
            ended += 1
            continue
        for row in rows:
            sizes[row["host"]] = sizes.get(row["host"], 0) + row["size"]
            for word in row["words"]:
                counts[word] = counts.get(word, 0) + 1
        latest = [*latest[-30:], rows]
    print(sum(sizes.values()), sum(counts.values()), len(latest))


threads = [threading.Thread(target=make), threading.Thread(target=sum_up)]
threads += [threading.Thread(target=parse) for _ in range(WORKERS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
