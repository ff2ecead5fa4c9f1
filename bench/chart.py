"""The chart for the README: POST rates of one run, as an SVG that is legible on light and dark pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _BAR, _GAP, _LEFT, _TOP = 720, 30, 16, 190, 46

_STYLE = """<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328 }
.quiet { fill: #59636e } .ours { fill: #0969da } .other { fill: #8c959f } .value { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .quiet { fill: #9198a1 } .ours { fill: #4493f8 } .other { fill: #656c76 }
}
</style>"""


@dataclass(frozen=True)
class Bar:
    """One server: its median rate, and what is said beside it."""

    name: str
    rate: float
    beside: str
    ours: bool


def svg(title: str, bars: Sequence[Bar]) -> str:
    """Horizontal bars, longest as wide as there is room."""
    height = _TOP + len(bars) * (_BAR + _GAP)
    scale = (_WIDTH - _LEFT - 250) / max(bar.rate for bar in bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        _STYLE,
        f'<text x="0" y="20" class="quiet">{escape(title)}</text>',
        *(_bar(bar, _TOP + place * (_BAR + _GAP), scale) for place, bar in enumerate(bars)),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _bar(bar: Bar, top: int, scale: float) -> str:
    width, middle = bar.rate * scale, top + _BAR / 2 + 5
    kind = "ours" if bar.ours else "other"
    return (
        f'<text x="{_LEFT - 12}" y="{middle}" text-anchor="end">{escape(bar.name)}</text>'
        f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="3" class="{kind}"/>'
        f'<text x="{_LEFT + width + 10:.1f}" y="{middle}"><tspan class="value">{bar.rate:,.0f}/s</tspan>'
        f'<tspan class="quiet" dx="8">{escape(bar.beside)}</tspan></text>'
    )
