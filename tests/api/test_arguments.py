"""Arguments of `parallel_map` that no work can be done with: one clear error before any is."""

from __future__ import annotations

import decimal
import fractions
import itertools
import math
import re
from typing import Any

import numpy
import pytest

from parallelflow import api


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when engines are looked for: what is refused is refused before."""

    def fail(ask: bool = True) -> None:
        pytest.fail("engines were looked for")

    for name in ("get_client", "client_for_run"):
        monkeypatch.setattr(api, name, fail)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("name", ["chunk_size", "buffer_size"])
@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0, ValueError, "must be at least 1, not 0"),
        pytest.param(-(10**5000), ValueError, "must be at least 1, not <int", id="huge"),
        (True, TypeError, "must be a whole number, not True"),
        (1.5, TypeError, "must be a whole number, not 1.5"),
        (math.nan, TypeError, "must be a whole number, not nan"),
        ("5", TypeError, "must be a whole number, not '5'"),
        ([], TypeError, r"must be a whole number, not \[\]"),
    ],
)
def test_sizes_that_are_none(name: str, value: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"^{name} {text}"):
        api.parallel_map(abs, [1], **{name: value})


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize("value", [10**30, numpy.int64(3), numpy.uint8(1), None])
def test_sizes_that_are_some(value: Any) -> None:
    assert api.parallel_map(abs, [-1, 2], chunk_size=value, buffer_size=value) == [1, 2]


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        ("5", TypeError, "'5'"),
        (b"5", TypeError, "b'5'"),
        (True, TypeError, "True"),
        (1j, TypeError, "1j"),
        ([5], TypeError, r"\[5\]"),
        (math.nan, ValueError, "nan"),
        (decimal.Decimal("nan"), TypeError, r"Decimal\('NaN'\)"),
    ],
)
def test_time_limits_that_are_none(value: Any, error: type[Exception], shown: str) -> None:
    with pytest.raises(error, match=f"^timeout must be a number of seconds, not {shown}$"):
        api.parallel_map(abs, [1], timeout=value)


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize(
    "value",
    [10**400, math.inf, 60, numpy.float32(60), fractions.Fraction(120, 2), decimal.Decimal(60)],
)
def test_time_limits_that_are_some(value: Any) -> None:
    assert api.parallel_map(abs, [-1, 2], timeout=value) == [1, 2]


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize("value", [-1, -math.inf, -(10**400), 0.0])
def test_time_limits_that_have_passed(value: Any) -> None:
    with pytest.raises(TimeoutError, match="elements had finished after"):
        api.parallel_map(abs, [-1, 2], timeout=value)
    assert api.parallel_map(abs, [], timeout=value) == []


@pytest.mark.usefixtures("nowhere")
def test_limits_of_elements_that_are_none() -> None:
    with pytest.raises(ValueError, match=r"^element_timeout must be more than 0, not 0"):
        api.parallel_map(abs, [1], element_timeout=0)
    with pytest.raises(TypeError, match=r"^element_timeout must be a number of seconds, not 'x'"):
        api.parallel_map(abs, [1], element_timeout="x")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"^retries must be at least 0, not -1"):
        api.parallel_map(abs, [1], retries=-1)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("value", [["raise"], {}, numpy.array(["raise", "x"]), None, "Raise"])
def test_policies_that_are_none(value: Any) -> None:
    words = "raise, finish, return, continue"
    with pytest.raises(ValueError, match=f"^on_error must be one of {words}, not "):
        api.parallel_map(abs, [1], on_error=value)


@pytest.mark.usefixtures("nowhere")
def test_what_cannot_be_called_or_iterated_over() -> None:
    with pytest.raises(TypeError, match=r"^parallel_map\(\) needs a function to call, not 5$"):
        api.parallel_map(5, [1])  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"^progress must be a function to call, not 'bar'$"):
        api.parallel_map(abs, [1], progress="bar")  # type: ignore[call-overload]
    nothing: Any
    for nothing in (7, None, numpy.array(3)):
        with pytest.raises(TypeError, match=r"^parallel_map\(\) cannot iterate over iterable 2, "):
            api.parallel_map(pow, [1], nothing)


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize(
    ("count", "shown"), [(10**12, "1e+12"), (10**30, "1e+30"), (10**500, "1.00e+500")]
)
def test_more_values_than_fit_into_memory(count: int, shown: str) -> None:
    with pytest.raises(ValueError, match=rf"one of {re.escape(shown)} values does not fit into"):
        api.parallel_map(abs, range(count))
    # The shortest one counts.
    assert api.parallel_map(pow, range(count), [1, 2]) == [0, 1]


@pytest.mark.usefixtures("where")
def test_endless_iterables_end_where_map_would() -> None:
    with pytest.raises(ZeroDivisionError):
        api.parallel_map(lambda i: 1 // (5 - i), itertools.count())
    with pytest.raises(TimeoutError):
        api.parallel_map(abs, itertools.count(), timeout=0.2)
