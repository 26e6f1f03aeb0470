"""What the doctor says, as data beside a run, and as a part of its page.

HealthReport -> health_data -> health.json -> doctor_part
"""

import json
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from tinynn.checks import python_number
from tinynn.doctor import HealthReport
from tinynn.doctor.rules import FINE, NOTE, PROBLEM, UNKNOWN, Finding
from tinynn.files.atomic import PathLike, whole_file
from tinynn.page.charts import Line, chart
from tinynn.page.facts import RunFacts, number, part_of
from tinynn.page.part import Part, text
from tinynn.page.tables import Column, details, figure_text, table

NAME = "health.json"
BADGES = {PROBLEM: "bad", NOTE: "warn"}  # classes of page.css


def write_health(folder: PathLike, report: HealthReport) -> None:
    """Leave health.json in the folder of a run: the page then shows what the doctor says."""
    with whole_file(Path(folder) / NAME) as file:
        file.write(json.dumps(health_data(report), allow_nan=False).encode() + b"\n")


def health_data(report: HealthReport) -> dict[str, Any]:
    """Return the findings of a report, and the measurements that its picture is drawn from.

    Numbers that JSON does not know, NaN and infinity, are null.
    """
    return {
        "healthy": report.healthy,
        "headline": report.headline,
        "findings": [_finding(finding) for finding in report.findings],
        "steps": [
            {
                "step": step.number,
                "loss": _known(step.loss),
                "update_ratio": _all_known(step.update_ratio),
                "output_std": _all_known(step.output_std),
                "gradient": _all_known(step.gradient),
            }
            for step in report.record.steps
        ],
        "dead": {name: list(map(int, both)) for name, both in report.record.dead.items()},
    }


def doctor_part(facts: RunFacts) -> Part | None:
    """Return what the doctor says with its measurements; None if the run left nothing of it."""
    health = facts.health
    if health is None or "findings" not in health:
        return None
    findings = [one for one in _list(health["findings"]) if isinstance(one, dict)]
    found = [_shown(one) for one in findings if str(one.get("level")) in BADGES]
    if health.get("healthy") is True:
        found.insert(0, '<p class="finding"><b class="badge good">healthy</b> '
            "No problem was found.</p>")  # fmt: skip
    rest = [
        _rest(findings, level, title)
        for level, title in ((FINE, "What is fine"), (UNKNOWN, "What could not be measured"))
    ]
    update, data = _update_chart(health)
    charts = f'<div class="charts">{update}{_dead_units(health)}</div>'
    html = "\n".join([*found, *rest, "<h3>Measurements</h3>", charts, _layers(health)])
    return Part(
        "doctor",
        "What the doctor says",
        html,
        scripts=("charts.js",),
        data={"updates": data} if update else {},
    )


def _finding(finding: Finding) -> dict[str, Any]:
    names = ("name", "level", "title", "seen", "cause", "remedy")
    follows = [_finding(result) for result in finding.follows]
    return {**{name: getattr(finding, name) for name in names}, "follows": follows}


def _known(value: Any) -> float | None:
    """Return a number as JSON knows it: null, if it is not finite."""
    found = python_number(value)
    return found if isfinite(found) else None


def _all_known(values: dict[str, Any]) -> dict[str, float | None]:
    return {name: _known(value) for name, value in values.items()}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _shown(finding: dict[str, Any]) -> str:
    """Return a problem or a note as markup, with what follows from it."""
    level = str(finding.get("level"))
    said = "".join(
        f"<dt>{head}</dt><dd>{text(finding[name])}</dd>"
        for name, head in (("seen", "Seen"), ("cause", "Usual cause"), ("remedy", "Try"))
        if finding.get(name)
    )
    follows = "".join(
        f"<li>{text(one.get('title', ''))} "
        f'<span class="beside">{text(one.get("seen", ""))}</span></li>'
        for one in _list(finding.get("follows"))
        if isinstance(one, dict)
    )
    said += f"<dt>Follows</dt><dd><ul>{follows}</ul></dd>" if follows else ""
    return (
        f'<div class="finding"><h3><b class="badge {BADGES[level]}">{level}</b> '
        f"{text(finding.get('title', ''))}</h3><dl>{said}</dl></div>"
    )


def _rest(findings: Sequence[dict[str, Any]], level: str, title: str) -> str:
    items = [
        f"<li>{text(one.get('title', ''))}</li>" for one in findings if one.get("level") == level
    ]
    return details(f'<ul class="{level}">{"".join(items)}</ul>', f"{title}: {len(items)}")


def _update_chart(health: dict[str, Any]) -> tuple[str, dict[str, object]]:
    """Return the update-to-weight ratio of each matrix of weights, and its data."""
    steps = [one for one in _list(health.get("steps")) if isinstance(one, dict)]
    steps = [one for one in steps if number(one.get("step")) is not None]
    names = dict.fromkeys(name for one in steps for name in part_of(one, "update_ratio"))
    lines = []
    for colour, name in enumerate(names):
        known = [one for one in steps if number(part_of(one, "update_ratio").get(name))]
        ratios = [float(one["update_ratio"][name]) for one in known]
        lines.append(Line(name, colour, [float(one["step"]) for one in known], ratios))
    lines = [line for line in lines if line.xs and max(line.ys) > 0]
    if not lines:
        return "", {}
    title = "Update-to-weight ratio; usual: 0.0001 to 0.01"
    return chart("updates", title, lines, "step", log=True, form=".2g")


def _layers(health: dict[str, Any]) -> str:
    """Return a table of the layers, at the first and the last recorded step."""
    steps = [one for one in _list(health.get("steps")) if isinstance(one, dict)]
    if not steps:
        return ""
    first, last = steps[0], steps[-1]
    names = list(dict.fromkeys([*part_of(first, "output_std"), *part_of(last, "output_std")]))
    rows = []
    for name in names[::-1]:  # the doctor goes from the loss to the input
        cells = [
            figure_text(number(part_of(step, what).get(name)), ".3g")
            for what in ("output_std", "gradient")
            for step in (first, last)
        ]
        rows.append([(0.0, name), *cells])
    columns = [
        Column("Layer"),
        *(
            Column(f"{what}, {when} step", numbers=True)
            for what in ("output std", "gradient")
            for when in ("first", "last")
        ),
    ]
    return table("The layers, from the input up", columns, rows)


def _dead_units(health: dict[str, Any]) -> str:
    """Return a table of the units that are inactive for all samples that were tried."""
    rows = []
    for name, pair in part_of(health, "dead").items():
        dead, units = [*map(number, _list(pair)), None, None][:2]
        if dead is not None and units:
            share = dead / units
            rows.append(
                [
                    (0.0, name),
                    (dead, f"{dead:,.0f}"),
                    (units, f"{units:,.0f}"),
                    (share, f"{share:.0%}"),
                ]
            )
    columns = [Column("Layer"), *(Column(t, numbers=True) for t in ("dead", "units", "share"))]
    return (
        table("Units that are inactive for all of up to 1,000 samples", columns, rows)
        if rows
        else ""
    )
