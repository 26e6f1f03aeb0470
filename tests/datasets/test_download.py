"""Protects downloads: only the right file ever gets its name, and every mirror gets its chance."""

import os
import socket
import stat
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from time import perf_counter, sleep

import pytest

from tinynn.datasets import download
from tinynn.datasets.download import DownloadFailed, fetch, one_at_a_time, seconds_allowed

RIGHT = b"the right content" * 10_000  # more than one block of the stream


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


@pytest.mark.first_cases(8)
@pytest.mark.parametrize(
    "bad",
    [
        reply(b"not found", status=404),
        reply(RIGHT, status=403),  # the right content under a wrong status is no answer
        reply(b"<html>please log in</html>"),
        reply(RIGHT[:-1]),
        reply(RIGHT[:-1] + b"!"),
        reply(RIGHT[:100_000], Content_Length=len(RIGHT)),
        reply(RIGHT[:100_000], Content_Length=None),
        reply(b"not gzip at all", Content_Encoding="gzip"),
        reply(RIGHT[:-1], Content_Length="nonsense"),
        reply(RIGHT[:-1], Content_Length="1, 2"),
        reply(RIGHT[:-1], Content_Length="9" * 5000),
        reply(b"", 429, Retry_After="soon"),
        reply(b"", 302, Location="/a"),
        reply(b"", 302, Location="nonsense://"),
        reply(b"", 302, Location="http://[::1/x"),
        reply(b"", 302, Location="http://127.0.0.1:99999999/x"),
        reply(b"", 429, Retry_After="1" * 5000),
        reply(b"", 429, Retry_After="Fri, 31 Dec 9999999999 23:59:59 GMT"),
    ],
    ids=[
        "404",
        "403",
        "wrong",
        "shorter",
        "same length",
        "cut off",
        "cut off without a length",
        "wrong encoding",
        "nonsense header",
        "two lengths",
        "5000 digits",
        "nonsense Retry-After",
        "redirected in circles",
        "redirected to nowhere",
        "redirected to no address",
        "redirected to no port",
        "Retry-After of 5000 digits",
        "Retry-After beyond all years",
    ],
)
def test_a_bad_mirror_is_passed_over(tmp_path, web, bad):
    web.replies["/a"], web.replies["/b"] = [bad], [reply()]
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/b"
    assert only_the_right_file(tmp_path)


def test_no_mirror_fills_the_disk(tmp_path, web, monkeypatch):
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", "5")  # the other limit, if this one is missing

    def send_for_ever(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:  # until the other side hangs up
            handler.wfile.write(bytes(2**20))

    web.replies["/a"] = [send_for_ever]
    with pytest.raises(DownloadFailed, match="/a: sends more than 67,108,864 bytes"):
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirection_fills_the_memory(tmp_path, web, monkeypatch, status):
    """requests would read the whole body of a redirection before it follows it."""
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", "5")  # the other limit, if this one is missing
    sent = []

    def redirect_for_ever(handler):
        handler.send_response(status)
        handler.send_header("Location", "/b")
        handler.end_headers()
        while len(sent) < 200:
            handler.wfile.write(bytes(2**20))
            sent.append(2**20)

    web.replies["/a"], web.replies["/b"] = [redirect_for_ever], [reply()]
    assert fetch([f"{web.url}/a"], tmp_path / "data.gz", check) == f"{web.url}/a"
    assert len(sent) < 100  # what the sockets hold
    assert only_the_right_file(tmp_path)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_temporary_errors_are_tried_again_at_the_same_mirror(tmp_path, web, status):
    web.replies["/a"] = [reply(b"", status), reply(b"", status), reply()]
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/a"
    assert web.requests == ["/a", "/a", "/a"]
    assert only_the_right_file(tmp_path)


def test_temporary_errors_are_tried_again_over_https(tmp_path, tls, web):
    web.replies["/a"] = [reply(b"", 503), reply()]
    assert fetch([f"{web.url}/a"], tmp_path / "data.gz", check) == f"{web.url}/a"
    assert web.url.startswith("https:")
    assert web.requests == ["/a", "/a"]


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


@pytest.mark.slow
def test_no_retry_waits_beyond_the_total_time_limit(tmp_path, web, monkeypatch):
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", "0.5")
    web.replies["/a"] = [reply(b"", 429, Retry_After="15")]
    began = perf_counter()
    with pytest.raises(DownloadFailed, match=r"not done after 0\.5 seconds"):
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert perf_counter() - began < 5


def test_a_retry_waits_as_long_as_the_server_asks(tmp_path, web, monkeypatch):
    waits = []
    monkeypatch.setattr("time.sleep", waits.append)
    web.replies["/a"] = [reply(b"", 429, Retry_After="2"), reply()]
    fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert waits == [2]
    assert only_the_right_file(tmp_path)


def send_half(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(RIGHT)))
    handler.end_headers()
    handler.wfile.write(RIGHT[: len(RIGHT) // 2])


def reset(handler):
    """Break off in the middle of the body as a crash does, so that the client gets ECONNRESET."""
    send_half(handler)
    sleep(0.05)  # or the reset would overtake the data
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


@pytest.mark.parametrize("broken", [send_half, reset])
def test_a_body_that_breaks_off_is_fetched_again_from_its_start(tmp_path, web, broken):
    web.replies["/a"] = [broken, broken, reply()]
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/a"
    assert web.requests == ["/a", "/a", "/a"]
    assert only_the_right_file(tmp_path)


@pytest.mark.parametrize("broken", [send_half, reset])
def test_a_body_that_breaks_off_four_times_is_left_for_the_next_mirror(tmp_path, web, broken):
    web.replies["/a"], web.replies["/b"] = [broken], [reply()]
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/b"
    assert web.requests == ["/a", "/a", "/a", "/a", "/b"]
    assert only_the_right_file(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True], ids=["never answers", "falls silent in mid-body"])
def test_a_silent_server_is_left_for_the_next_mirror(tmp_path, web, monkeypatch, half):
    def fall_silent(handler):
        if half:
            send_half(handler)
        web.over.wait(20)

    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    monkeypatch.setattr(download, "RETRIES", 1)
    web.replies["/a"], web.replies["/b"] = [fall_silent], [reply()]
    began = perf_counter()
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/b"
    assert perf_counter() - began < 10
    assert only_the_right_file(tmp_path)


def test_connecting_and_reading_always_have_a_time_limit(tmp_path, web, monkeypatch):
    import requests

    seen, get = [], requests.Session.get

    def remember(session, url, **options):
        seen.append(options["timeout"])
        return get(session, url, **options)

    monkeypatch.setattr(requests.Session, "get", remember)
    web.replies["/a"] = [reply()]
    fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", "5")
    fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert seen == [(10, 30), (5, 5)]


def drip(handler, block=b".", seconds=5):
    for _ in range(20 * seconds):  # not for ever: without a limit the test should fail, not hang
        if handler.server.over.wait(0.05):
            return
        handler.wfile.write(block)


def drip_the_status(handler):
    handler.wfile.write(b"HTTP/1.1 200 ")
    drip(handler)


def drip_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    drip(handler, b"X: x\r\n")


def drip_the_body(handler):
    send_half(handler)
    drip(handler)


def drip_without_a_length(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    drip(handler)


def drip_the_size_of_a_chunk(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    drip(handler, b"0")


def drip_the_trailer(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    drip(handler, b"X: x\r\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "dripping",
    [
        drip_headers,
        drip_the_body,
        pytest.param(drip_the_status, marks=pytest.mark.slow),
        pytest.param(drip_without_a_length, marks=pytest.mark.slow),
        pytest.param(drip_the_size_of_a_chunk, marks=pytest.mark.slow),
        pytest.param(drip_the_trailer, marks=pytest.mark.slow),
    ],
)
def test_a_byte_at_a_time_ends_at_the_total_time_limit_which_the_error_names(
    tmp_path, web, monkeypatch, dripping
):
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", "0.4")
    web.replies["/a"], web.replies["/b"] = [dripping], [reply()]
    began = perf_counter()
    with pytest.raises(DownloadFailed) as caught:
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert perf_counter() - began < 2  # what drips goes on for five seconds
    assert "not done after 0.4 seconds. TINYNN_DOWNLOAD_SECONDS=" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check) == f"{web.url}/b"
    assert only_the_right_file(tmp_path)


@pytest.mark.slow
def test_a_very_slow_download_through_tls_ends_at_the_total_time_limit(tmp_path, tls, monkeypatch):
    def drip_the_status():
        with suppress(OSError):  # the client hangs up
            connection = tls.wrap_socket(listener.accept()[0], server_side=True)
            with connection:
                connection.sendall(b"HTTP/1.1 200 ")
                for _ in range(100):
                    if over.wait(0.05):
                        return
                    connection.sendall(b".")

    over = threading.Event()
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", "0.6")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=drip_the_status)
        server.start()
        began = perf_counter()
        with pytest.raises(DownloadFailed, match=r"not done after 0\.6 seconds"):
            fetch([f"https://127.0.0.1:{listener.getsockname()[1]}/a"], tmp_path / "a", check)
        assert perf_counter() - began < 3
        over.set()
        server.join()


@pytest.mark.slow
def test_a_name_that_is_looked_up_for_ever_ends_at_the_total_time_limit(tmp_path, web, monkeypatch):
    """No time limit of a socket holds for looking up a name."""
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: web.over.wait(5))
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", "0.3")
    began = perf_counter()
    with pytest.raises(DownloadFailed, match=r"not done after 0\.3 seconds"):
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert perf_counter() - began < 3


def waiting(web):
    """The threads that still wait for this server."""
    return [t for t in threading.enumerate() if t.name.startswith(f"download of {web.url}")]


def test_nobody_waits_when_the_download_is_over(tmp_path, web):
    web.replies["/a"] = [reply(b"", 500), send_half, reply()]
    fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert not waiting(web)


@pytest.mark.slow
def test_what_comes_after_the_time_limit_is_written_nowhere(tmp_path, web, monkeypatch):
    answer = threading.Event()

    def drip_and_answer(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not answer.wait(0.05):
            handler.wfile.write(b"x")
        handler.wfile.write(f"\r\nContent-Length: {len(RIGHT)}\r\n\r\n".encode() + RIGHT)

    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", "0.4")
    web.replies["/a"], web.replies["/b"] = [drip_and_answer], [reply()]
    fetch([f"{web.url}/a", f"{web.url}/b"], tmp_path / "data.gz", check)
    assert len(waiting(web)) == 1
    answer.set()
    while waiting(web):
        sleep(0.01)
    assert only_the_right_file(tmp_path)


@pytest.mark.slow
def test_a_program_ends_though_a_server_still_sends_slowly(tmp_path, web):
    program = """
import sys
from pathlib import Path
from tinynn.datasets.download import DownloadFailed, fetch
try:
    fetch([sys.argv[1]], Path(sys.argv[2]), lambda path: None)
except DownloadFailed as error:
    print(error)
"""
    web.replies["/a"] = [lambda handler: drip(handler, seconds=30)]
    command = [sys.executable, "-c", program, f"{web.url}/a", str(tmp_path / "data.gz")]
    environment = {**os.environ, "TINYNN_DOWNLOAD_SECONDS": "0.4"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 0
    assert "not done after 0.4 seconds" in ended.stdout
    assert ended.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["inf", "1e300"])
def test_a_time_limit_may_be_endless(tmp_path, web, monkeypatch, text):
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", text)
    monkeypatch.setattr("threading.excepthook", lambda args: pytest.fail(str(args)))
    web.replies["/a"] = [send_half, reply()]
    fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert only_the_right_file(tmp_path)


@pytest.mark.slow
def test_tries_at_one_mirror_end_at_the_total_time_limit(tmp_path, web, monkeypatch):
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", "0.3")
    web.replies["/a"] = [lambda handler: web.over.wait(20)]
    with pytest.raises(DownloadFailed, match=r"not done after 0\.3 seconds"):
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert web.requests == ["/a"]


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan"])
def test_an_invalid_time_limit_is_refused(tmp_path, web, monkeypatch, text):
    monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", text)
    with pytest.raises(ValueError, match=f"TINYNN_DOWNLOAD_SECONDS.*positive number.*{text}"):
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert web.requests == []


def test_without_a_time_limit_of_ones_own_it_is_a_quarter_of_an_hour(monkeypatch):
    for text in ("", None):
        if text is None:
            monkeypatch.delenv("TINYNN_DOWNLOAD_SECONDS", raising=False)
        else:
            monkeypatch.setenv("TINYNN_DOWNLOAD_SECONDS", text)
        assert seconds_allowed() == 900


def test_a_gz_file_is_stored_as_it_is_though_the_server_calls_it_encoded(tmp_path, web):
    web.replies["/a"] = [reply(Content_Encoding="gzip")]  # some servers say so of every .gz
    fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert only_the_right_file(tmp_path)


def test_the_server_is_asked_for_no_compression(tmp_path, web):
    asked = []

    def listen(handler):
        asked.append(handler.headers["Accept-Encoding"])
        handler.send_error(404)

    web.replies["/a"] = [listen]
    with pytest.raises(DownloadFailed):
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert asked == ["identity"]


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


def test_what_a_server_says_cannot_steer_the_terminal(tmp_path, web):
    web.replies["/a"] = [lambda handler: handler.wfile.write(b"HTTP/1.1 404 \x1b[2Jgone\r\n\r\n")]
    with pytest.raises(DownloadFailed, match=r"\\x1b\[2Jgone") as caught:
        fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert "\x1b" not in str(caught.value)


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


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path, web, monkeypatch):
    synced, fsync = [], os.fsync

    def remember(handle):
        fsync(handle)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            synced.append((os.fstat(handle).st_size, (tmp_path / "data.gz").exists()))

    monkeypatch.setattr("os.fsync", remember)
    web.replies["/a"] = [reply()]
    fetch([f"{web.url}/a"], tmp_path / "data.gz", check)
    assert synced == [(len(RIGHT), False)]


@pytest.mark.slow
def test_only_one_is_inside_the_lock_at_a_time(tmp_path):
    inside, most = [], []

    def enter():
        with one_at_a_time(tmp_path):
            inside.append(1)
            most.append(len(inside))
            sleep(0.05)
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]
    assert list(tmp_path.iterdir()) == []  # no lock file stays


def test_who_waits_is_told_for_what(tmp_path, capsys):
    with one_at_a_time(tmp_path):
        assert capsys.readouterr().err == ""
        waiting = threading.Thread(target=lambda: one_at_a_time(tmp_path).__enter__())
        waiting.start()
        while not (told := capsys.readouterr().err):
            sleep(0.01)
    waiting.join()
    assert told == f"Another process downloads to {tmp_path}: waiting for it.\n"


@pytest.mark.parametrize("system", ["no locks at all", "a network drive without locks", "Windows"])
def test_without_locks_nobody_waits(tmp_path, monkeypatch, request, system):
    def refuse(handle, operation):
        raise OSError("no locks here")

    if system == "no locks at all":
        monkeypatch.setitem(sys.modules, "fcntl", None)
    elif system == "Windows":
        request.getfixturevalue("windows")
    else:
        monkeypatch.setattr("fcntl.flock", refuse)
    with one_at_a_time(tmp_path), one_at_a_time(tmp_path):
        pass
