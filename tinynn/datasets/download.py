"""Fetch one file from the first mirror that has it; only if its content is right does it stay."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

CONNECT_SECONDS, READ_SECONDS = 10, 30
RETRIES, LONGEST_WAIT_SECONDS = 3, 15


class DownloadFailed(RuntimeError):
    """No mirror gave the file; it lists each address and its reason."""


def fetch(urls: Sequence[str], path: Path, check: Callable[[Path], str | None]) -> str:
    """Download `path` from the first of `urls` that gives the right file; return that address.

    urls: mirrors, tried in order, each three times again after errors that may pass (by urllib3's
    Retry). path: where it goes, in one move, when it is whole and right; its folder is made. check:
    gets the file, returns None or what is wrong with it. On a terminal a progress bar shows. Raises
    DownloadFailed if no mirror served, OSError if the folder cannot be written.

    >>> fetch([], Path("a.gz"), lambda path: None)
    Traceback (most recent call last):
        ...
    tinynn.datasets.download.DownloadFailed: a.gz could not be downloaded:
    """
    import requests

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    reasons = []
    try:
        for url in urls:
            try:
                _download(url, temporary)
            except requests.RequestException as error:
                reasons.append(f"{url}: {error}")
                continue
            wrong = check(temporary)
            if wrong is None:
                temporary.replace(path)
                return url
            reasons.append(f"{url}: {wrong}")
    finally:
        temporary.unlink(missing_ok=True)
    raise DownloadFailed("\n  ".join([f"{path.name} could not be downloaded:", *reasons]))


def _download(url: str, path: Path) -> None:
    """Stream one address into a file; requests' errors are raised as they are."""
    import requests
    from requests.adapters import HTTPAdapter
    from tqdm import tqdm
    from urllib3.response import BaseHTTPResponse
    from urllib3.util import Retry

    class ShortRetry(Retry):
        """Waits as long as the server asks for, but nobody sits through an hour."""

        def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, LONGEST_WAIT_SECONDS)

    retry = ShortRetry(RETRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=retry))
        session.mount("http://", HTTPAdapter(max_retries=retry))
        with session.get(url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
            response.raise_for_status()
            declared = response.headers.get("Content-Length", "")
            size = int(declared) if declared.isdecimal() else None
            with (
                path.open("wb") as file,
                tqdm(
                    total=size, desc=path.name, unit="B", unit_scale=True, leave=False, disable=None
                ) as bar,
            ):
                for block in response.iter_content(2**16):
                    file.write(block)
                    bar.update(len(block))
