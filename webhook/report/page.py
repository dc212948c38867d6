"""The report as a page of HTML: one file that needs nothing else, has no scripts, and may not load anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from webhook.core import OPT_IN, Treatment
from webhook.report.week_plot import week_plot

if TYPE_CHECKING:
    from webhook.report.document import ReportDocument

MOST_ROWS: Final = 200
"""Of a table of pods, sidecars or namespaces; the JSON has all."""

# Names on the page are written by whoever may create a pod, so every value is escaped, without exception.
_TEMPLATES: Final = Environment(loader=PackageLoader("webhook.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True)


def write_page(report: ReportDocument) -> str:
    """The page."""

    def pods_of(treatment: str) -> int:
        return sum(one.pods for one in report.treatments if one.treatment == treatment)

    return _TEMPLATES.get_template("page.html.jinja").render(
        report=report,
        plot=week_plot(report.weeks),
        pods_of=pods_of,
        class_of=_class_of,
        most=MOST_ROWS,
        opt_in=OPT_IN,
    )


def _class_of(treatment: str) -> str:
    """The class that has the treatment's colour."""
    return treatment if treatment in list(Treatment) else "unseen"
