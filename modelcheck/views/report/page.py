"""The page that all reports share: its head, its parts, and the runs that its script steps through.

Knows nothing of what is reported.
"""

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template

from modelcheck.version import __version__

Links = Mapping[int, str]
"""The names of traces, by the place of their result."""


def render(
    *,
    title: str,
    summary: str,
    sections: str,
    legend: str = "",
    documents: Mapping[str, str],
    contents: str = "",
) -> str:
    """The page as one HTML document; all but the title is HTML, `documents` are runs by name."""
    parts = files(__package__)
    template = Template(parts.joinpath("template.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(title),
        style=parts.joinpath("style.css").read_text(encoding="utf-8"),
        script=parts.joinpath("script.js").read_text(encoding="utf-8"),
        summary=summary,
        contents=contents,
        sections=sections,
        legend=legend,
        traces="\n".join(
            f'<script type="application/json" class="trace" data-name="{name}">{data}</script>'
            for name, data in documents.items()
        ),
        version=escape(__version__),
    )
