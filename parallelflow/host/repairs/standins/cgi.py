"""What VisTrails uses of ``cgi``, removed in Python 3.13 (``escape`` in 3.8)."""

from __future__ import annotations

import html


def escape(s: str, quote: bool = False) -> str:
    """Replace ``&``, ``<`` and ``>``, and ``"`` too if ``quote`` is true.

    Parameters
    ----------
    s : str
        The text.
    quote : bool
        Whether the text is for an attribute's value.

    Returns
    -------
    str
        The text for an HTML page.
    """
    escaped = html.escape(s, quote=False)
    return escaped.replace('"', "&quot;") if quote else escaped
