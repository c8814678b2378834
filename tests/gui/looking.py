"""Whether all of a window can be seen and reached: what a person finds by looking and by Tab."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: More parts than any of our windows has.
MOST_TABS = 60

#: A frame's title bar, and the panel of a desktop; pixels.
FRAME_HEIGHT = 30


def look_at(widget: Any, size: tuple[int, int]) -> None:
    """Fail if a window does not fit a screen, cuts a text or has a part that keys do not reach."""
    from PyQt5.QtWidgets import QApplication

    QApplication.processEvents()
    window = widget.window()
    faults = list(_cut(widget))
    if window.width() > size[0] or window.height() > size[1] - FRAME_HEIGHT:
        faults.append(f"it is {window.width()} x {window.height()}")
    faults += _not_reached(widget)
    assert not faults, f"{type(widget).__name__} at {size[0]} x {size[1]}: " + "; ".join(faults)


def _parts(widget: Any) -> Iterator[Any]:
    """Yield the visible parts of a window, not those inside of Qt's own and of other windows."""
    from PyQt5 import QtWidgets as Q

    whole = (
        Q.QAbstractItemView, Q.QAbstractScrollArea, Q.QComboBox, Q.QAbstractSpinBox, Q.QTabBar,
        Q.QLineEdit,
    )  # fmt: skip
    for child in widget.children():
        if not isinstance(child, Q.QWidget) or child.isWindow() or not child.isVisible():
            continue
        yield child
        if type(child).__name__ == "ScrolledPage":  # what is not in sight is scrolled to
            yield from _parts(child.widget())
        elif not isinstance(child, whole):
            yield from _parts(child)


def _cut(widget: Any) -> Iterator[str]:
    """Yield what is outside of what it is in, and texts that have too little room."""
    from PyQt5 import QtWidgets as Q

    for part in _parts(widget):
        name = _name(part)
        box = part.parentWidget().rect()
        if not box.contains(part.geometry()):
            yield f"{name} is cut: {part.geometry()} in {box}"
        if isinstance(part, Q.QAbstractButton) and part.text():
            needed = part.minimumSizeHint()
            if part.width() < needed.width() or part.height() < needed.height():
                yield f"{name} is {part.width()} x {part.height()}, needs {needed}"
        if isinstance(part, Q.QLabel) and part.text():
            if part.wordWrap():
                if part.height() < part.heightForWidth(part.width()):
                    yield f"{name} is {part.height()} high, not {part.heightForWidth(part.width())}"
            elif part.width() < part.sizeHint().width() - 1:
                yield f"{name} is {part.width()} wide, not {part.sizeHint().width()}"


def _not_reached(widget: Any) -> list[str]:
    """Press Tab until it goes round; return the parts that can take keys and were not met."""
    from PyQt5 import QtWidgets as Q
    from PyQt5.QtCore import Qt
    from PyQt5.QtTest import QTest

    window = widget.window()
    window.activateWindow()
    Q.QApplication.processEvents()
    wanted = [
        part
        for part in _parts(widget)
        if part.isEnabled()
        and part.focusPolicy() & Qt.TabFocus == Qt.TabFocus
        and not isinstance(part, Q.QScrollBar)
    ]
    if not wanted:
        return []
    if Q.QApplication.focusWidget() is None or not widget.isAncestorOf(
        Q.QApplication.focusWidget()
    ):
        wanted[0].setFocus(Qt.TabFocusReason)
    met: list[Any] = []
    for _ in range(MOST_TABS):
        focus = Q.QApplication.focusWidget()
        if focus is None or focus in met:
            break
        met.append(focus)
        QTest.keyClick(focus, Qt.Key_Tab)
    reached = {*met, *(part.focusProxy() for part in met)}
    way = ", ".join(map(_name, met))
    return [
        f"{_name(p)} is not reached by Tab ({way})"
        for p in wanted
        if not {p, p.focusProxy()} & reached
    ]


def _name(part: Any) -> str:
    text = part.text() if hasattr(part, "text") and callable(part.text) else ""
    return f"{type(part).__name__} '{text}'" if text else f"{type(part).__name__}"
