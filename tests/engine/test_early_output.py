"""What a running element has written so far is published by whole lines, once."""

from __future__ import annotations

from typing import Any

from parallelflow.engine.early_output import MOST_CHARACTERS, EarlyOutput, Written
from parallelflow.names import EARLY_OUTPUT

Part = tuple[int, int, Written, bool]


class Element:
    """A chunk of elements from index 10 on, of which one runs and writes."""

    def __init__(self) -> None:
        self.published: list[Part] = []
        self.outputs: dict[int, Written] = {}
        self.position = 0
        self.written: list[tuple[str, str, bytearray]] = []
        self._early = EarlyOutput(
            10, self.outputs, lambda content: self.published.extend(content[EARLY_OUTPUT])
        )

    def write(self, text: str, stream: str = "stdout", encoding: str = "utf-8") -> None:
        if self.written and self.written[-1][:2] == (stream, encoding):
            self.written[-1][2].extend(text.encode(encoding))
        else:
            self.written.append((stream, encoding, bytearray(text.encode(encoding))))

    def end(self) -> None:
        if self.written:
            self.outputs[self.position] = [(s, data.decode(e)) for s, e, data in self.written]
        self.written = []
        self.position += 1

    def look(self, position: int | None = None) -> list[Part]:
        """Return what is published at this look."""
        del self.published[:]
        self._early.look(self.position, self.written, lambda: position or self.position)
        return list(self.published)


def test_elements_that_take_no_time_publish_nothing() -> None:
    chunk = Element()
    for _ in range(5):
        chunk.write("line\n")
        assert chunk.look() == []
        chunk.end()


def test_whole_lines_are_published_at_the_second_look() -> None:
    chunk = Element()
    chunk.write("one\nt")
    assert chunk.look() == []
    assert chunk.look() == [(10, 0, [("stdout", "one\n")], False)]
    assert chunk.look() == []
    chunk.write("wo\n")
    chunk.write("wrong\n", "stderr")
    expected = [("stdout", "two\n"), ("stderr", "wrong\n")]
    assert chunk.look() == [(10, 4, expected, False)]


def test_elements_before_it_come_with_it_as_a_whole() -> None:
    chunk = Element()
    chunk.write("a\n")
    chunk.look(), chunk.look()
    chunk.write("b")
    chunk.end()
    chunk.end()
    chunk.write("c\n")
    assert chunk.look() == []
    assert chunk.look() == [
        (10, 2, [("stdout", "b")], True),
        (11, 0, [], True),
        (12, 0, [("stdout", "c\n")], False),
    ]
    chunk.write("d\n")
    assert chunk.look() == [(12, 2, [("stdout", "d\n")], False)]


def test_an_element_that_ends_meanwhile_publishes_nothing() -> None:
    chunk = Element()
    chunk.write("a\n")
    chunk.look()
    assert chunk.look(position=1) == []
    assert chunk.look() == [(10, 0, [("stdout", "a\n")], False)]


def test_very_much_waits_for_the_result() -> None:
    chunk = Element()
    chunk.look()
    chunk.write("x" * MOST_CHARACTERS + "\n")
    assert chunk.look() == []
    chunk.write("y\n")
    assert chunk.look() == []


def test_lines_of_another_encoding_wait_for_the_result() -> None:
    chunk = Element()
    chunk.look()
    chunk.write("a\n")
    chunk.write("b\n", encoding="utf-16")
    chunk.write("c\n")
    found: Any = chunk.look()
    assert found == [(10, 0, [("stdout", "a\n")], False)]
    assert chunk.look() == []
