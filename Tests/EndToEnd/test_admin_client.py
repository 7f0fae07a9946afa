"""The command line behind a proxy that sends the admin server's answers in its own way."""

import http.client
import http.server
import json
import threading

import pytest
from conftest import minimal
from programs import run_steelyard

OK, UNAVAILABLE = 0, 69


class Proxy(http.server.BaseHTTPRequestHandler):
    """Asks the admin server and sends its answer as `form` says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        origin = http.client.HTTPConnection(*self.server.origin, timeout=10)
        origin.request(self.command, self.path, headers={"Accept": self.headers["Accept"]})
        answer = origin.getresponse()
        content = answer.read()
        self.server.served += 1
        if self.server.form == "interim":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        if self.server.form == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif self.server.form != "until close":
            extra = 1 if self.server.form == "cut" else 0
            self.send_header("Content-Length", str(len(content) + extra))
        self.end_headers()
        if self.server.form == "chunked":
            middle = len(content) // 2
            for piece in (content[:middle], content[middle:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(content)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.served = 0
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("form", ["length", "chunked", "until close", "interim"])
def test_answers_are_read_however_their_end_is_told(stage, proxy, form):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    proxy.origin, proxy.form = steelyard.admin, form
    address = "127.0.0.1:%d" % proxy.server_address[1]
    for words in (("weights", "--json"), ("top", "--once", "--json")):
        done = run_steelyard(*words, "--admin", address)
        assert (done.returncode, done.stderr) == (OK, ""), (words, done.stderr)
        assert json.loads(done.stdout)["pools"][0]["name"] == "text"
    assert proxy.served == 2


def test_half_an_answer_is_none(stage, proxy):
    steelyard = stage.steelyard(minimal(["127.0.0.1:9"]))
    proxy.origin, proxy.form = steelyard.admin, "cut"
    done = run_steelyard("weights", "--admin", "127.0.0.1:%d" % proxy.server_address[1])
    assert done.returncode == UNAVAILABLE
    assert "does not answer like steelyard's admin server" in done.stderr
