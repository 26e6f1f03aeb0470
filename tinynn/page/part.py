"""A part of the page: what each file of this folder makes of a run, and how its text is escaped.

Conventions for a part's script: it is a file of its own in this folder, one function that calls
itself, finds its own section by id and works without the others. What scripts share is in page.js,
which comes first. Markup is made here, in Python, and stands there without scripts, too; a script
makes elements and texts, never markup from a text. The page's policy forbids style attributes: use
classes (page.css has the colours, light and dark), attributes of SVG, or element.style in a script.
"""

from dataclasses import dataclass, field
from html import escape

from tinynn.errors import escape_control


@dataclass(frozen=True)
class Part:
    """One section of the page.

    id: of its <section>; the heading has id + "-title". title: the heading, and the link in the
    navigation; a plain text. html: what stands below the heading, all texts in it escaped; its own
    headings begin with h3. scripts, styles: names of files in this folder, each put into the page
    once. data: for a script, as JSON in <script type="application/json" id="data-ID">.
    """

    id: str
    title: str
    html: str
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    data: dict[str, object] = field(default_factory=dict)


def text(value: object) -> str:
    """Return a value as text for markup or for an attribute in quotes: never a tag of its own.

    >>> text("<img src=x onerror='alert(1)'>")
    '&lt;img src=x onerror=&#x27;alert(1)&#x27;&gt;'
    """
    words = str(value)
    return escape(words if words.isprintable() else escape_control(words))
