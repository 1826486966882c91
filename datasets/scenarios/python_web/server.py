"""A web server with a thread a connection: listings, a report made on the spot, forms that are kept."""

import http.server
import json
import pathlib
import threading
import urllib.parse

kept = []
lock = threading.Lock()


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if not self.path.startswith("/report"):
            super().do_GET()
            return
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        rows = int(query["rows"][0])
        with lock:
            latest = [dict(form) for form in kept[-5:]]
        listed = [{"id": row, "name": f"row {row}"} for row in range(rows)]
        self.answer(json.dumps({"rows": listed, "latest": latest}))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/stop":
            self.answer("stopping")
            threading.Thread(target=self.server.shutdown).start()
            return
        with lock:
            kept.append({name: values[0] for name, values in urllib.parse.parse_qs(body).items()})
            if len(kept) > 200:
                del kept[:50]
        self.answer("kept")

    def answer(self, text):
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


pathlib.Path("page.html").write_text("<p>" + "A page of words. " * 2000)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = False  # its end waits for them
pathlib.Path("port.new").write_text(str(server.server_port))
pathlib.Path("port.new").rename("port")
server.serve_forever()
server.server_close()
