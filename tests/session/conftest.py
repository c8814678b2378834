"""Engines that were started in another folder than the sessions that use them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from parallelflow.engine.process_settings import SETTINGS
from parallelflow.engine_manager import EngineManager


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Return a client of two engines that were started in a folder of their own."""
    before = Path.cwd()
    manager = EngineManager(profile="session-state")
    manager.configure(engines=2)
    os.chdir(tmp_path_factory.mktemp("engines"))
    try:
        connected = manager.ensure_engines()
    finally:
        os.chdir(before)  # tests of other folders follow
    yield connected
    manager.stop()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Path]:
    """Work in a folder of the test's own; give every setting back at its end."""
    folder, before = Path.cwd(), [(setting, setting.read()) for setting in SETTINGS]
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(folder)
    for setting, value in before:
        if setting.read() != value:
            setting.write(value)
