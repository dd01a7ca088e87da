"""The catalogue of measures."""

from __future__ import annotations

from docs.making.docstrings import described
from docs.making.grids import code, grid, plain
from nsh_core.measures import MEASURES, Place

_K = "mAP@k"


def catalogue() -> str:
    """Every measure: its name, what it is called, which way is better, where it is shown; and what places are."""
    rows = [
        (
            code(one.name),
            plain(one.label.replace("{map}", _K).replace("{cut}", "k")),
            one.better or "",
            one.unit,
            "yes" if one.needs_labels else "",
            ", ".join(one.shown),
        )
        for one in MEASURES.entries()
    ]
    places = described(Place, "attributes")
    return "\n\n".join(
        (
            grid(("name", "what it is", "better", "unit", "looks at labels", "shown in"), rows),
            "## Where measures are shown",
            grid(("place", "what it is"), [(code(Place[name].value), plain(told)) for name, told in places.items()]),
        )
    )
