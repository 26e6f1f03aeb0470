"""A real web server on this machine, which misbehaves in the way that a test asks for."""

import http.server
import ssl
import threading
from types import SimpleNamespace

import pytest
import trustme


@pytest.fixture
def tls(tmp_path, monkeypatch):
    """What a server of this machine needs for https; requests trusts it. With it `web` is https."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    return context


@pytest.fixture
def web(request, monkeypatch):
    """web.replies[path]: one after another, (status, body, headers), or a function of the handler.

    web.over is set when the test is over, for functions that wait.
    """
    replies, requests, over = {}, [], threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            queue = replies.get(self.path, [(404, b"", {})])
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
            if callable(answer):
                answer(self)
                return
            status, body, headers = answer
            self.send_response(status)
            for name, value in {"Content-Length": len(body), **headers}.items():
                if value is not None:
                    self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # clients that hang up are what the tests are about

    monkeypatch.delenv("TINYNN_DOWNLOAD_SECONDS", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("urllib3.util.Retry.get_backoff_time", lambda self: 0)  # no waiting
    server = Server(("127.0.0.1", 0), Handler)
    server.over = over
    scheme = "https" if "tls" in request.fixturenames else "http"
    if scheme == "https":
        context = request.getfixturevalue("tls")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"{scheme}://127.0.0.1:{server.server_port}"
    yield SimpleNamespace(url=url, replies=replies, requests=requests, over=over)
    over.set()
    server.shutdown()
    server.server_close()
    thread.join()
