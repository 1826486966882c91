"""Visitors of the web server: a few at a time, each some requests on one connection. Ends the server."""

import concurrent.futures
import http.client
import pathlib
import random
import time
import urllib.parse

VISITORS = 120
REQUESTS = 16


def visit(port, number):
    rng = random.Random(number)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for _ in range(REQUESTS):
        choice = rng.random()
        if choice < 0.25:
            form = {
                "name": f"visitor {number}",
                "text": "words " * rng.randrange(60),
                "mark": rng.randrange(9),
            }
            connection.request("POST", "/form", urllib.parse.urlencode(form))
        elif choice < 0.7:
            connection.request("GET", f"/report?rows={rng.randrange(60)}")
        else:
            connection.request("GET", rng.choice(["/", "/page.html", "/missing"]))
        connection.getresponse().read()
    connection.close()


deadline = time.monotonic() + 60
while not pathlib.Path("port").exists():
    assert time.monotonic() < deadline, "no server"
    time.sleep(0.01)
port = int(pathlib.Path("port").read_text())
with concurrent.futures.ThreadPoolExecutor(6) as pool:
    list(pool.map(visit, [port] * VISITORS, range(VISITORS)))
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
connection.request("POST", "/stop", "")
connection.getresponse().read()
