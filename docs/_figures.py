"""Pictures of the pages: each is drawn twice, for the light and for the dark colour scheme."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from io import BytesIO

from IPython.display import HTML
from matplotlib import rc_context
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Scheme:
    """The colours of a picture; what is trained is always `accent`, what is frozen `quiet`."""

    name: str
    text: str
    lines: str
    quiet: str
    accent: str
    second: str
    third: str


SCHEMES = (
    Scheme("light", "#1f2937", "#d1d5db", "#cbd5e1", "#c2410c", "#2563a8", "#0f766e"),
    Scheme("dark", "#e5e7eb", "#4b5563", "#475569", "#fb923c", "#7db4ee", "#5eead4"),
)


def draw(paint: Callable[[Figure, Scheme], None], alt: str, height: float = 3.0) -> HTML:
    """Draw a picture in both schemes; the page shows the one that fits.

    Args:
        paint: Draws into an empty figure with the colours of a scheme.
        alt: What the picture says, for those who do not see it.
        height: In inches; the width is 5, so that the letters can still be read on a phone.

    Returns:
        Two images, as SVG in the page itself.
    """
    images = []
    for scheme in SCHEMES:
        style = {
            "font.size": 11,
            "svg.hashsalt": "pages",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "legend.frameon": False,
            "text.color": scheme.text,
            "grid.color": scheme.lines,
            "axes.edgecolor": scheme.lines,
            **dict.fromkeys(("axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), scheme.text),
            **dict.fromkeys(("xtick.color", "ytick.color"), scheme.lines),
        }
        file = BytesIO()
        with rc_context(style):
            figure = Figure(figsize=(5, height), layout="constrained")
            paint(figure, scheme)
            figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        source = f"data:image/svg+xml;base64,{b64encode(file.getvalue()).decode()}"
        images.append(
            f'<img class="only-{scheme.name}" src="{source}" alt="{escape(alt)}" style="width: 100%; max-width: 36rem">'
        )
    return HTML("\n".join(images))
