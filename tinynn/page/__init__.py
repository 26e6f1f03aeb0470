"""A run as one page: one HTML file, to watch a training, to look inside, and to send.

    log.csv, metrics.json, ...  -> facts.py -> a file for each part -> document.py -> report.html
    RunPage, while it trains    --'

Each part is made in Python, as markup that stands without scripts: status.py, curves.py,
quality.py with confusion.py, health.py, provenance.py. page.html, page.css and the scripts are
files of their own beside them. part.py says what a part is.
"""

from tinynn.page.run_page import RunPage
from tinynn.page.write import write_page

__all__ = ["RunPage", "write_page"]
