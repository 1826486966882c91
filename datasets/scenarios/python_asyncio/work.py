"""An asyncio server of a small key-value store, and its clients, all in one event loop over loopback."""

import asyncio
import json
import random

CLIENTS = 40
REQUESTS = 140

store = {}


async def serve(reader, writer):
    while line := await reader.readline():
        request = json.loads(line)
        key = request["key"]
        if request["do"] == "put":
            store[key] = request["value"]
            answer = {"ok": True, "size": len(store)}
        elif request["do"] == "drop":
            answer = {"ok": store.pop(key, None) is not None}
        else:
            found = store.get(key)
            answer = {"ok": found is not None, "value": found}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def ask(port, number):
    rng = random.Random(number)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    answered = 0
    for _ in range(REQUESTS):
        request = {"do": rng.choice(["put", "put", "get", "get", "get", "drop"]), "key": rng.randrange(3000)}
        if request["do"] == "put":
            request["value"] = {"owner": number, "notes": ["note " * rng.randrange(20)] * rng.randrange(6)}
        writer.write(json.dumps(request).encode() + b"\n")
        await writer.drain()
        answer = json.loads(await asyncio.wait_for(reader.readline(), 60))
        answered += answer["ok"]
    writer.close()
    await writer.wait_closed()
    return answered


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    answers = await asyncio.gather(*(ask(port, number) for number in range(CLIENTS)))
    server.close()
    await server.wait_closed()
    print(sum(answers) > 0, len(store) > 0)


asyncio.run(main())
