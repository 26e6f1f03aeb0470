"""Fetch one file from the first mirror that has it; only if its content is right does it stay.

    mirror -> a temporary file -> check -> name

The name is given in one move, to a whole and right file (atomic.py): whatever breaks off or is
killed before that leaves no name behind.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Any

from tinynn.errors import InputError, escape_control
from tinynn.files.atomic import whole_file

if TYPE_CHECKING:
    from requests import Response

CONNECT_SECONDS, READ_SECONDS = 10, 30
RETRIES, LONGEST_WAIT_SECONDS = 3, 15
MOST_BYTES = 2**26  # Fashion-MNIST's largest file has 26 million
DEFAULT_SECONDS = 900  # enough for Fashion-MNIST's 26 MB at 30 kB a second


class DownloadFailed(RuntimeError):
    """No mirror gave the file; it lists each address and its reason."""


def fetch(urls: Sequence[str], path: Path, check: Callable[[Path], str | None]) -> str:
    """Download `path` from the first of `urls` that gives the right file; return that address.

    urls: mirrors, tried in order, each three times again after errors that may pass, and in all no
    longer than `seconds_allowed`. path: where it goes, in one move, when it is whole and right; its
    folder is made. check: gets the file, returns None or what is wrong with it. On a terminal a
    progress bar shows. Raises DownloadFailed if no mirror served, OSError if the folder cannot be
    written.

    >>> fetch([], Path("a.gz"), lambda path: None)
    Traceback (most recent call last):
        ...
    tinynn.datasets.download.DownloadFailed: a.gz could not be downloaded:
    """
    import requests
    import urllib3

    seconds = seconds_allowed()
    path.parent.mkdir(parents=True, exist_ok=True)
    errors = (  # the last two: what urllib3 lets through of nonsense in a header
        DownloadFailed,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        ValueError,
        OverflowError,
    )
    reasons = []
    for url in urls:
        try:
            with whole_file(path) as file:
                _download(url, file, seconds)
                file.flush()
                if wrong := check(Path(file.name)):
                    raise DownloadFailed(wrong)
            return url
        except errors as error:
            reasons.append(f"{url}: {escape_control(str(error))}")
    raise DownloadFailed("\n  ".join([f"{path.name} could not be downloaded:", *reasons]))


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Make the folder and lock it: one process goes on, others say that they wait, and do.

    It is the folder itself that is locked, so there is no lock file to leave behind, and a process
    that dies holds nothing. Where there are no such locks (Windows, some network drives) processes
    download side by side, which takes longer but is as safe.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, one_at_a_time(Path(folder)):
    ...     print("alone")
    alone
    """
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"Another process downloads to {folder}: waiting for it.", file=sys.stderr)
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def seconds_allowed() -> float:
    """Return the time that one address gets for one file: $TINYNN_DOWNLOAD_SECONDS, or 900.

    >>> seconds_allowed()
    900.0
    """
    text = os.environ.get("TINYNN_DOWNLOAD_SECONDS") or str(DEFAULT_SECONDS)
    with suppress(ValueError):
        if float(text) > 0:
            return float(text)
    raise InputError(f"TINYNN_DOWNLOAD_SECONDS should be a positive number, got {text!r}.")


def _download(url: str, file: IO[bytes], seconds: float) -> None:
    """Download one address into a file within some seconds; if not, requests.Timeout is raised.

    The time limits of requests hold for each byte anew, and none of them for the look-up of a name:
    a server that sends one byte of its headers every second could go on for ever. So a thread waits
    for it and not the caller. Once that one has gone on, what the thread gets has no file to go to:
    it ends with the next block or try, or when the server hangs up, or with the program.
    """
    import requests

    deadline = monotonic() + seconds
    failures: list[BaseException] = []

    def stop_when_late() -> None:
        if monotonic() >= deadline:
            raise requests.Timeout(
                f"not done after {seconds:g} seconds. TINYNN_DOWNLOAD_SECONDS=... allows more."
            )

    def transfer() -> None:
        try:
            _transfer(url, file, seconds, stop_when_late)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=transfer, name=f"download of {url}", daemon=True)
    thread.start()
    while thread.is_alive():
        stop_when_late()
        thread.join(min(deadline - monotonic() + 0.001, 1))  # Windows hears Ctrl-C in between
    if failures:
        raise failures.pop()  # and not kept: it would keep the socket of a broken answer open


def _transfer(
    url: str, file: IO[bytes], seconds: float, stop_when_late: Callable[[], None]
) -> None:
    """Stream one address into a file; raises the errors of requests and of urllib3 as they are."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import ProtocolError
    from urllib3.response import BaseHTTPResponse
    from urllib3.util import Retry

    class ShortRetry(Retry):
        """Waits as long as the server asks for, but nobody sits through an hour."""

        def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, LONGEST_WAIT_SECONDS)

        def increment(self, *args: Any, **kwargs: Any) -> "ShortRetry":
            stop_when_late()
            return super().increment(*args, **kwargs)

    retry = ShortRetry(RETRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    timeout = (min(CONNECT_SECONDS, seconds), min(READ_SECONDS, seconds))
    as_it_is = {"Accept-Encoding": "identity"}  # .gz files are packed already
    with requests.Session() as session:
        session.hooks["response"].append(_drop_body_of_redirection)
        session.mount("https://", HTTPAdapter(max_retries=retry))
        session.mount("http://", HTTPAdapter(max_retries=retry))
        while True:
            try:
                with session.get(url, stream=True, timeout=timeout, headers=as_it_is) as response:
                    response.raise_for_status()
                    return _save(response, file, stop_when_late)
            except ProtocolError as error:  # broken off in mid-body, where urllib3 gives up
                retry = retry.increment("GET", url, error=error)
                retry.sleep()


def _drop_body_of_redirection(response: "Response", **settings: Any) -> None:
    """Close a response that only points elsewhere: requests would read it, however long it is."""
    if response.is_redirect:
        response.close()


def _save(response: "Response", file: IO[bytes], stop_when_late: Callable[[], None]) -> None:
    """Write a body to a file as it comes, in place of what a try before has left there."""
    from requests import HTTPError
    from tqdm import tqdm

    size, name = response.raw.length_remaining, response.url.rpartition("/")[2]
    file.seek(0)
    file.truncate()
    with tqdm(total=size, desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar:
        # read1 gives what has come, unpacks nothing, and does not wait for a whole block
        while block := response.raw.read1(2**16):
            stop_when_late()
            file.write(block)
            if file.tell() > MOST_BYTES:
                raise HTTPError(
                    f"sends more than {MOST_BYTES:,} bytes, which none of the files has"
                )
            bar.update(len(block))
