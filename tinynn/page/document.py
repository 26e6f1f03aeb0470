"""The whole page of its parts: one file with styles, scripts and data, and no address outside it.

    parts -> sections, links, data  -> page.html, with page.css and page.js -> bytes

The policy (Content Security Policy Level 3, W3C, section 2.3.1) allows the very scripts and styles
that stand here, by their hash, and pictures that stand here; and no connection.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path
from string import Template

from tinynn.page.part import Part, text

FOLDER = Path(__file__).parent
REFRESH = '<noscript><meta http-equiv="refresh" content="{}"></noscript>'


def document(head: Part, parts: Iterable[Part], refresh: int = 0) -> bytes:
    """Return the page as a file.

    head: what stands above the navigation; its title is that of the window. refresh: seconds after
    which a browser without scripts reads the page anew, while a training goes on; 0: never.
    """
    parts = list(parts)
    styles = _files(["page.css", *(name for part in [head, *parts] for name in part.styles)])
    scripts = _files(["page.js", *(name for part in [head, *parts] for name in part.scripts)])
    policy = (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    template = Template((FOLDER / "page.html").read_text(encoding="utf-8"))
    page = template.substitute(
        policy=policy,
        refresh=REFRESH.format(refresh) if refresh else "",
        title=text(head.title),
        styles="\n".join(f"<style>{style}</style>" for style in styles),
        masthead=head.html,
        links="\n".join(f'<li><a href="#{part.id}">{text(part.title)}</a></li>' for part in parts),
        sections="\n\n".join(_section(part) for part in parts),
        data="\n".join(_data(part) for part in [head, *parts] if part.data),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )
    return page.encode()


def json_text(data: object) -> str:
    """Return JSON that may stand within <script>: no text in it can end the element.

    Numbers that JSON does not know raise ValueError.

    >>> json_text({"name": "</script><!--"})
    '{"name":"\\\\u003c/script>\\\\u003c!--"}'
    """
    plain = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return plain.replace("<", "\\u003c")  # a "<" of JSON stands in texts alone


def _section(part: Part) -> str:
    return (
        f'<section id="{part.id}" aria-labelledby="{part.id}-title">\n'
        f'<h2 id="{part.id}-title">{text(part.title)}</h2>\n{part.html}\n</section>'
    )


def _data(part: Part) -> str:
    return f'<script type="application/json" id="data-{part.id}">{json_text(part.data)}</script>'


def _files(names: Iterable[str]) -> list[str]:
    """Return the texts of files of this folder, each once."""
    return [(FOLDER / name).read_text(encoding="utf-8") for name in dict.fromkeys(names)]


def _hashes(contents: Iterable[str]) -> str:
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    return " ".join(f"'sha256-{b64encode(digest).decode()}'" for digest in digests)
