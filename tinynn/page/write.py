"""A finished run, or several, as one page.

log.csv, metrics.json, ... -> RunFacts -> parts -> one HTML file
  facts.py                              |
  status.py, curves.py, quality.py, health.py, network.py, provenance.py
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinynn import checks
from tinynn.errors import InputError
from tinynn.files.atomic import PathLike, refuse_no_place, whole_file
from tinynn.files.kinds import LENGTH, kind_of

if TYPE_CHECKING:  # what a page is made of is imported when one is made
    from tinynn.page.facts import RunFacts

FILES = ("log.csv", "run.jsonl", "metrics.json", "health.json", "test.npz", "model.npz")
NETWORK_LIMIT = 8_000_000  # bytes of model.npz; they take 4/3 as many in the page


@checks.short_traceback
def write_page(
    run_folder: PathLike | Sequence[PathLike], path: PathLike, network_limit: int = NETWORK_LIMIT
) -> None:
    """Write a run as one HTML file, which opens in any browser, without a network.

    run_folder: a folder with the log.csv that CSVLogger wrote, and what else a run leaves: see
    tinynn/page/facts.py; or a list of folders: then their curves are drawn together. path: of the
    page; a file there is replaced. What a run lacks is left out. network_limit: the size of
    model.npz in bytes, 0 or more, up to which the network stands in the page, to be tried; default
    8,000,000. Raises InputError for what is not the folder of a run, an OSError if its files cannot
    be read, or the page not be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "log.csv").write_text("epoch,loss\\n1,0.5\\n")
    ...     write_page(folder, f"{folder}/report.html")
    ...     Path(folder, "report.html").read_text(encoding="utf-8")[:15]
    '<!doctype html>'
    """
    from tinynn.page.facts import read_run

    checks.check_integer("network_limit", network_limit, least=0)
    refuse_no_place(path)
    folders: list[Any] = [run_folder]
    if isinstance(run_folder, Iterable) and not isinstance(run_folder, str):
        folders = list(run_folder)
    if not folders:
        raise InputError("write_page needs the folder of a run, or a list of them; got none.")
    runs = [read_run(folder) for folder in folders]
    refuse_own_file(path, folders)
    refuse_no_page(path)
    names = Counter(run.name for run in runs)
    for run, folder in zip(runs, folders, strict=True):
        if names[run.name] > 1:
            run.name = str(Path(folder))
    save_page(runs, path, network_limit)


def refuse_own_file(path: PathLike, folders: Iterable[PathLike]) -> None:
    """Raise InputError if a page would take the place of a file that it is made of."""
    if Path(path).resolve() in {(Path(one) / name).resolve() for one in folders for name in FILES}:
        raise InputError(
            f"The page would replace {path}, of which it is made. Give it another name, such as "
            "report.html."
        )


def refuse_no_page(path: PathLike) -> None:
    """Raise InputError if a file that is no page stands where a page would take its place."""
    if not Path(path).exists():
        return
    with Path(path).open("rb") as file:
        beginning = file.read(LENGTH)
    kind = kind_of(beginning)
    if beginning and "(HTML)" not in kind:
        raise InputError(
            f"A page would replace {path}, which is {kind or 'a file of another kind'}. Give it "
            "another name, such as report.html, or move that file away."
        )


def save_page(
    runs: Sequence["RunFacts"], path: PathLike, network_limit: int = NETWORK_LIMIT
) -> None:
    """Write the page of what is known of the runs: whole, or not at all."""
    from tinynn.page.curves import curves_part
    from tinynn.page.document import document
    from tinynn.page.health import doctor_part
    from tinynn.page.network import part_of_run
    from tinynn.page.provenance import provenance_part
    from tinynn.page.quality import quality_part
    from tinynn.page.status import reload_seconds, status_part

    head, refresh = status_part(runs), 0
    parts = [curves_part(runs)]
    if len(runs) == 1:
        refresh = reload_seconds(runs[0])
        network = part_of_run(runs[0], network_limit)
        others = quality_part(runs[0]), doctor_part(runs[0]), network
        parts += [part for part in others if part is not None]
    parts.append(provenance_part(list(runs)))
    with whole_file(path) as file:
        file.write(document(head, parts, refresh))
