"""A web server in Python, a thread a connection: bursts of large reports, and quiet times between them.

Usage: web_service.py BURSTS VISITORS SEED

Its visitors are threads of the same process. In a burst each of them asks for a few reports of up to 4000
rows; in the quiet time one visitor asks for small ones.
"""

import concurrent.futures
import http.client
import http.server
import json
import random
import sys
import threading
import time

QUIET_S = 0.2


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one packet

    def do_GET(self):
        rows = int(self.path.rsplit("=", 1)[1])
        made = [{"id": row, "name": f"row {row}", "tags": [str(row)] * (row % 5)} for row in range(rows)]
        content = json.dumps(made).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


def visit(port, seed, requests, most_rows):
    order = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    total = 0
    for _ in range(requests):
        connection.request("GET", f"/report?rows={order.randint(1, most_rows)}")
        total += len(json.loads(connection.getresponse().read()))
    connection.close()
    return total


def main():
    bursts, visitors, seed = map(int, sys.argv[1:])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    port, rows = server.server_port, 0
    for burst in range(bursts):
        with concurrent.futures.ThreadPoolExecutor(visitors) as pool:
            seeds = range(seed + burst * visitors, seed + (burst + 1) * visitors)
            rows += sum(pool.map(lambda one: visit(port, one, 3, 4000), seeds))
        end, requests = time.monotonic() + QUIET_S, 0
        while time.monotonic() < end:
            visit(port, seed + requests, 1, 20)
            requests += 1
            time.sleep(0.01)
    server.shutdown()
    print(f"{rows} rows")


main()
