"""Protects downloads: only the right file ever gets its name, and every mirror gets its chance."""

import http.server
import os
import socket
import threading
from types import SimpleNamespace

import pytest

from tinynn.datasets.download import DownloadFailed, fetch

RIGHT = b"the right content" * 10_000  # more than one block of the stream


@pytest.fixture
def web(monkeypatch):
    """A real web server. web.replies[path]: (status, body, headers) one after another."""
    replies, requests = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            queue = replies.get(self.path, [(404, b"", {})])
            status, body, headers = queue.pop(0) if len(queue) > 1 else queue[0]
            self.send_response(status)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("urllib3.util.Retry.get_backoff_time", lambda self: 0)  # no waiting
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield SimpleNamespace(url=url, replies=replies, requests=requests)
    server.shutdown()
    server.server_close()
    thread.join()


def reply(body=RIGHT, status=200, **headers):
    return (status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def check(path):
    return None if path.read_bytes() == RIGHT else "this is not the right file"


def only_the_right_file(folder):
    return [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("data.gz", RIGHT)]


def test_the_first_mirror_is_enough(tmp_path, web):
    web.replies["/a"] = [reply()]
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/a"
    assert web.requests == ["/a"]
    assert only_the_right_file(tmp_path)


def test_the_folder_is_made(tmp_path, web):
    web.replies["/a"] = [reply()]
    fetch([f"{web.url}/a"], tmp_path / "new" / "folder" / "data.gz", check)
    assert only_the_right_file(tmp_path / "new" / "folder")


@pytest.mark.parametrize(
    "bad",
    [
        reply(b"not found", status=404),
        reply(RIGHT, status=403),  # the right content under a wrong status is no answer
        reply(b"<html>please log in</html>"),
        reply(RIGHT[:-1]),
        reply(RIGHT[:100_000], Content_Length=len(RIGHT)),
        reply(b"not gzip at all", Content_Encoding="gzip"),
        reply(RIGHT[:-1], Content_Length="nonsense"),
    ],
    ids=["404", "403", "wrong", "shorter", "cut off", "wrong encoding", "nonsense header"],
)
def test_a_bad_mirror_is_passed_over(tmp_path, web, bad):
    web.replies["/a"], web.replies["/b"] = [bad], [reply()]
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/b"
    assert only_the_right_file(tmp_path)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_errors_that_pass_are_tried_again_at_the_same_mirror(tmp_path, web, status):
    web.replies["/a"] = [reply(b"", status), reply(b"", status), reply()]
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/a"
    assert web.requests == ["/a", "/a", "/a"]
    assert only_the_right_file(tmp_path)


def test_retries_end_after_three(tmp_path, web):
    web.replies["/a"], web.replies["/b"] = [reply(b"", 500)], [reply()]
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/b"
    assert web.requests == ["/a", "/a", "/a", "/a", "/b"]


def test_each_retry_waits_longer_than_the_last(tmp_path, web, monkeypatch):
    waits = []
    monkeypatch.undo()  # the real waiting times, but nobody sleeps
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("time.sleep", waits.append)
    web.replies["/a"] = [reply(b"", 500)]
    with pytest.raises(DownloadFailed):
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert waits == sorted(set(waits))
    assert 0 < sum(waits) < 30


def test_a_mirror_cannot_make_anyone_wait_for_an_hour(tmp_path, web, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    web.replies["/a"] = [reply(b"", 429, Retry_After="3600")]
    web.replies["/b"] = [reply()]
    fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check)
    assert sum(waits) < 60


def test_a_redirection_is_followed(tmp_path, web):
    web.replies["/a"], web.replies["/there"] = [reply(b"", 302, Location="/there")], [reply()]
    fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert only_the_right_file(tmp_path)


def test_when_all_fail_the_error_lists_every_address_and_reason(tmp_path, web):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}/dead"  # nobody listens there any more
    web.replies.update({
        "/wrong": [reply(b"digits")],
        "/cut": [reply(b"half", Content_Length=8)],
        "/broken": [reply(b"", 503)],
    })  # fmt: skip
    addresses = [dead, *(f"{web.url}/{name}" for name in ("missing", "wrong", "cut", "broken"))]
    with pytest.raises(DownloadFailed) as caught:
        fetch(addresses, tmp_path / "data.gz", check)
    head, *lines = str(caught.value).splitlines()
    assert "data.gz" in head
    reasons = ["refused", "404", "this is not the right file", "4 more expected", "503"]
    for line, address, reason in zip(lines, addresses, reasons, strict=True):
        assert line.strip().startswith(f"{address}: ")
        assert reason in line
    assert list(tmp_path.iterdir()) == []


def test_the_name_is_given_only_after_the_check(tmp_path, web):
    seen = []

    def look(path):
        seen.append((path.read_bytes() == RIGHT, (tmp_path / "data.gz").exists()))

    web.replies["/a"] = [reply()]
    fetch([f"{web.url}/a"], tmp_path / "data.gz", look)
    assert seen == [(True, False)]


def test_an_old_file_is_replaced_on_success_and_kept_on_failure(tmp_path, web):
    path = tmp_path / "data.gz"
    path.write_bytes(b"old")
    web.replies["/a"] = [reply(b"wrong")]
    with pytest.raises(DownloadFailed):
        fetch([f"{web.url}/a"], path, check)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("data.gz", b"old")]
    web.replies["/a"] = [reply()]
    with path.open("rb") as reader:
        fetch([f"{web.url}/a"], path, check)
        assert reader.read() == b"old" or os.name != "posix"  # replaced in one move, not rewritten
    assert only_the_right_file(tmp_path)


def test_an_interrupted_download_leaves_nothing(tmp_path, web):
    def interrupt(path):
        assert path.exists()
        raise KeyboardInterrupt

    web.replies["/a"] = [reply()]
    with pytest.raises(KeyboardInterrupt):
        fetch([f"{web.url}/a"], tmp_path / "data.gz", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path, web):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        fetch([f"{web.url}/a"], tmp_path / "file" / "data.gz", check)
    assert web.requests == []


def test_no_progress_bar_where_the_output_is_no_terminal(tmp_path, web, capfd):
    web.replies["/a"] = [reply()]
    fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(os.name != "posix", reason="umask is POSIX's")
def test_permissions_follow_the_umask(tmp_path, web):
    web.replies["/a"] = [reply()]
    before = os.umask(0o027)
    try:
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    finally:
        os.umask(before)
    assert (tmp_path / "data.gz").stat().st_mode & 0o777 == 0o640
