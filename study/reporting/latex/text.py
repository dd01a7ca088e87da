"""Plain text as LaTeX, for a document that loads no package for it."""

from __future__ import annotations

import re
from unicodedata import normalize

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "*": "{*}",  # after the end of a row the last two would be its options
    "-": "-{}", "`": "{`}", "−": "$-$",
}  # fmt: skip
_NAMES = {
    "αβγδεζηθικλμνξπρςστυφχψω": "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho "
    "varsigma sigma tau upsilon varphi chi psi omega",
    "ΓΔΘΛΞΠΣΥΦΨΩ": "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
    "†‡×÷±·°µ≤≥≠≈∞→←↔√∈∑∂∇∥": "dagger ddagger times div pm cdot circ mu le ge ne approx infty rightarrow leftarrow "
    "leftrightarrow surd in sum partial nabla parallel",
}
_MATHS = {
    sign: rf"$\{name}$"
    for signs, names in _NAMES.items()
    for sign, name in zip(signs, names.split(), strict=True)
}  # fmt: skip
# What does not stand as it is: all but signs of ASCII that mean nothing to LaTeX, and letters that pdflatex has without
# another encoding of fonts. Of two hyphens, which would become a dash, the first one.
_OTHER = re.compile(r"-(?=-)|[^ !'()+,\-./0-9:;=?@A-Z\]a-zÀ-žȘșȚț–—‘’“”…]|[×÷ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲų]")


def escape(text: str) -> str:
    """Plain text as LaTeX; a letter that pdflatex has none for is named by its number, as U+4E2D.

    Args:
        text: Of one line.
    """
    return _OTHER.sub(_as_latex, normalize("NFC", text))


def _as_latex(match: re.Match[str]) -> str:
    sign = match.group()
    if sign == '"':
        return "{``}" if re.search(r"(^|[\s(\[{])$", match.string[: match.start()]) else "{''}"
    return _SPECIAL.get(sign) or _MATHS.get(sign) or f"U+{ord(sign):04X}"
