"""The tests of the api run on the shared cluster, and in this process without one."""

from __future__ import annotations

from typing import Any

import pytest

from parallelflow import api


@pytest.fixture(params=["here", "cluster"])
def where(request: pytest.FixtureRequest, monkeypatch: Any) -> str:
    """Run a test in this process and on a cluster."""
    if request.param == "cluster":
        request.getfixturevalue("cluster")
    else:
        for name in ("get_client", "client_for_run"):
            monkeypatch.setattr(api, name, lambda ask=True: None)
    return str(request.param)
