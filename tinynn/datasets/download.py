"""Fetch one file from the first mirror that has it, and keep it only if its content is right.

    mirror -> a temporary file -> check -> name

Only a complete and right file gets the name, in one move (atomic.py): a download that fails or is
killed before that leaves no file of this name.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Any

from tinynn.errors import InputError, of_file
from tinynn.files import locks
from tinynn.files.atomic import whole_file

if TYPE_CHECKING:
    from requests import Response

CONNECT_SECONDS, READ_SECONDS = 10, 30
RETRIES, LONGEST_WAIT_SECONDS = 3, 15
MOST_BYTES = 2**26  # Fashion-MNIST's largest file has 26 million
DEFAULT_SECONDS = 900  # enough for Fashion-MNIST's 26 MB at 30 kB a second


class DownloadFailed(RuntimeError):
    """No mirror gave the file; the message lists each address and what failed there."""


def fetch(urls: Sequence[str], path: Path, check: Callable[[Path], str | None]) -> str:
    """Download `path` from the first of `urls` that gives the right file; return that address.

    urls: mirrors, tried in order; each is tried up to three more times after errors that may be
    temporary, and for `seconds_allowed()` at most. path: where the file goes, in one move, when it
    is complete and right; its folder is made. check: gets the file's path, returns None, or what is
    wrong with it. On a terminal there is a progress bar. Raises DownloadFailed if no mirror gave
    the file, OSError if the folder cannot be written.

    >>> fetch([], Path("a.gz"), lambda path: None)
    Traceback (most recent call last):
        ...
    tinynn.datasets.download.DownloadFailed: a.gz could not be downloaded:
    """
    try:
        import requests
        import tqdm  # noqa: F401  # for the bar
        import urllib3
    except ImportError as error:
        raise DownloadFailed(
            f"{path.name} could not be downloaded: this needs requests and tqdm ({error}). Install "
            "them: pip install requests tqdm"
        ) from error

    seconds = seconds_allowed()
    path.parent.mkdir(parents=True, exist_ok=True)
    errors = (  # urllib3 raises the last two for a malformed header
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
            reasons.append(f"{url}: {of_file(str(error))}")
    raise DownloadFailed("\n  ".join([f"{path.name} could not be downloaded:", *reasons]))


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Make the folder and lock it: one process goes on, the others print that they wait, and wait.

    The folder itself is locked, so no lock file can be left behind, and a process that dies holds
    no lock. Where such locks do not exist (Windows, some network drives), several processes
    download at once, which takes longer but is as safe.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, one_at_a_time(Path(folder)):
    ...     print("alone")
    alone
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = None
    try:
        with suppress(OSError):  # Windows opens no folder, and some network drives have no locks
            handle = os.open(folder, os.O_RDONLY)
            if not locks.lock(handle):
                print(f"Another process downloads to {folder}: waiting for it.", file=sys.stderr)
                while not locks.lock(handle):
                    sleep(0.1)
        yield
    finally:
        if handle is not None:
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
    """Download one address into a file; raises requests.Timeout if that takes too many seconds.

    The time limits of requests start again with each byte, and do not include the look-up of the
    server's name: a server that sends one byte every second could go on for ever. So the transfer
    runs in a thread, and the caller waits only until the deadline. A thread that is late then ends
    at its next block or try, when the server closes the connection, or with the program.
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
        thread.join(
            min(deadline - monotonic() + 0.001, 1)
        )  # on Windows, Ctrl-C is noticed in between
    if failures:
        raise failures.pop()  # pop: a kept error would keep the socket open


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
        """Waits as long as the server asks, but at most LONGEST_WAIT_SECONDS."""

        def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, LONGEST_WAIT_SECONDS)

        def increment(self, *args: Any, **kwargs: Any) -> "ShortRetry":
            stop_when_late()
            return super().increment(*args, **kwargs)

    retry = ShortRetry(RETRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    timeout = (min(CONNECT_SECONDS, seconds), min(READ_SECONDS, seconds))
    as_it_is = {"Accept-Encoding": "identity"}  # .gz files are compressed already
    with requests.Session() as session:
        session.hooks["response"].append(_drop_body_of_redirection)
        session.mount("https://", HTTPAdapter(max_retries=retry))
        session.mount("http://", HTTPAdapter(max_retries=retry))
        while True:
            try:
                with session.get(url, stream=True, timeout=timeout, headers=as_it_is) as response:
                    response.raise_for_status()
                    return _save(response, file, stop_when_late)
            except ProtocolError as error:  # the body ended early; urllib3 does not retry then
                retry = retry.increment("GET", url, error=error)
                retry.sleep()


def _drop_body_of_redirection(response: "Response", **settings: Any) -> None:
    """Close the response of a redirection: requests would read its whole body, of any length."""
    if response.is_redirect:
        response.close()


def _save(response: "Response", file: IO[bytes], stop_when_late: Callable[[], None]) -> None:
    """Write a body to a file as it comes; what an earlier try has written is removed."""
    from requests import HTTPError
    from tqdm import tqdm

    size, name = response.raw.length_remaining, response.url.rpartition("/")[2]
    file.seek(0)
    file.truncate()
    with tqdm(total=size, desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar:
        # read1 returns what has arrived, decompresses nothing, and waits for no full block
        while block := response.raw.read1(2**16):
            stop_when_late()
            file.write(block)
            if file.tell() > MOST_BYTES:
                raise HTTPError(f"sends more than {MOST_BYTES:,} bytes, but all files are smaller")
            bar.update(len(block))
