"""What a rule returns."""

from dataclasses import dataclass

PROBLEM, NOTE, FINE, UNKNOWN = "problem", "note", "fine", "unknown"


@dataclass(frozen=True)
class Finding:
    """What one rule found.

    name: of the rule. level: "problem", "note", "fine" or "unknown". title: in one line. seen: the
    numbers. cause: the usual one. remedy: what to try. follows: findings that it explains.
    """

    name: str
    level: str
    title: str
    seen: str = ""
    cause: str = ""
    remedy: str = ""
    follows: tuple["Finding", ...] = ()
