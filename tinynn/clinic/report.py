"""What the clinic found out about someone's code."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from tinynn.clinic.places import Place
from tinynn.gradcheck import GradientReport
from tinynn.gradcheck.rows import GradientRow
from tinynn.reports import Report


@dataclass(frozen=True)
class Finding:
    """One mistake.

    array: of which the gradient is wrong, "" if it is no gradient. mistake: its short name. file
    and line: of the caller's code, "" and 0 if not known. function: in which. sentence: what is
    wrong, and what would be right.
    """

    array: str
    mistake: str
    file: str
    line: int
    function: str
    sentence: str

    def __str__(self) -> str:
        what = f"d{self.array} of {self.function}" if self.array else self.function
        return f"SUSPECT  {what} ({Place(self.file, self.line)}).\nPATTERN  {self.sentence}"


def with_common(findings: list[Finding], wrong: list[str], right: list[str]) -> list[Finding]:
    """Say, of several wrong gradients without a known mistake, which beside them are right."""
    unknown = [i for i, finding in enumerate(findings) if finding.mistake == "other"]
    if len(wrong) < 2 or not right or not unknown:
        return findings
    first = findings[unknown[0]]
    text = (
        f"{first.sentence} Wrong are {', '.join(wrong)}, right are {', '.join(right)}: look at "
        "what the wrong ones alone are computed from, such as the derivative of an activation."
    )
    told = replace(first, sentence=text)
    return [told if i == unknown[0] else finding for i, finding in enumerate(findings)]


@dataclass(frozen=True, repr=False)
class FunctionReport(Report):
    """What `check_function` found: `ok`, `findings`, `rows`, `conventions`. Shows as a table.

    name: of the function or class. form: which form it has. rows: as in GradientReport, for each
    array with a gradient. findings: the mistakes, in the order in which to repair them.
    conventions: what the code does in its own way, and what is no mistake. printed: what the code
    printed.

    >>> report = FunctionReport("f", "a pair of functions", (), (), ("Samples are rows.",))
    >>> print(report)
    f, a pair of functions: right.
    NOTE     Samples are rows.
    """

    name: str
    form: str
    rows: tuple[GradientRow, ...]
    findings: tuple[Finding, ...] = ()
    conventions: tuple[str, ...] = ()
    printed: str = ""

    @property
    def ok(self) -> bool:
        """Whether no mistake was found."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """Return it as a dict that JSON can hold."""
        rows = [{"array": r.name, "ok": r.ok, "at": r.at, "backward": _number(r.backward),
                 "differences": _number(r.differences)} for r in self.rows]  # fmt: skip
        return {
            "name": self.name,
            "form": self.form,
            "ok": self.ok,
            "findings": [asdict(finding) for finding in self.findings],
            "conventions": [*self.conventions],
            "rows": rows,
            "printed": self.printed,
        }

    def __str__(self) -> str:
        lines = [f"{self.name}, {self.form}: {'right' if self.ok else 'wrong'}."]
        if self.rows:
            lines.append(str(GradientReport(self.rows, most_skipped=1.0)))
        lines += [str(finding) for finding in self.findings]
        lines += [f"NOTE     {convention}" for convention in self.conventions]
        if self.printed:
            count = self.printed.count("\n") or 1
            lines.append(f"NOTE     It prints {count} line{'s' if count > 1 else ''} of its own.")
        return "\n".join(lines)


def _number(value: float) -> float | str:
    """Return a number as JSON can hold it: NaN and infinity as texts."""
    return value if abs(value) < float("inf") else str(value)
