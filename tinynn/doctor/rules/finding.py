"""What a judgement says."""

from dataclasses import dataclass

PROBLEM, NOTE, FINE, UNKNOWN = "problem", "note", "fine", "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that was judged.

    name: of the judgement. level: "problem", "note", "fine" or "unknown". title: in one line. seen:
    the numbers. cause: the usual one. remedy: what to try. follows: what it has brought about.
    """

    name: str
    level: str
    title: str
    seen: str = ""
    cause: str = ""
    remedy: str = ""
    follows: tuple["Finding", ...] = ()
