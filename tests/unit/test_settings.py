"""The settings without a session of VisTrails: what the last session of the user's has kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from parallelflow.engine_manager import manager
from parallelflow.settings import Settings, settings

# As VisTrails writes them.
KEPT = """\
<startup version="0.1"><configuration/><packages>
<package name="other"><configuration>
<key name="engines"><int value="9"/></key></configuration></package>
<package name="parallelflow"><configuration>
<key name="profile"><str value="{profile}"/></key>
<key name="engines"><int value="3"/></key>
<key name="askToStart"><bool value="False"/></key>
<key name="onError"><str value="finish others"/></key>
<key name="chunkSize"><int value="many"/></key>
</configuration></package></packages></startup>
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a user who has had VisTrails' window open."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(manager, "_manager", None)
    file = tmp_path / ".vistrails" / "startup.xml"
    file.parent.mkdir()
    file.write_text(KEPT.format(profile="work"))
    return file


def test_they_are_those_that_vistrails_has_kept(kept: Path) -> None:
    assert settings() == Settings("work", 3, False, 0, "finish others")
    kept.write_text(KEPT.format(profile="home"))
    os.utime(kept, ns=(1, 1))
    assert settings().profile == "home"


def test_what_makes_no_sense_is_left_out(kept: Path) -> None:
    kept.write_text(KEPT.format(profile=" ").replace('value="3"', 'value="-2"'))
    assert (settings().profile, settings().engines) == ("default", 0)
    launcher = (
        '<key name="launcher"><str value=" slurm "/></key></configuration></package></packages>'
    )
    text = KEPT.format(profile="a").replace("</configuration></package></packages>", launcher)
    kept.write_text(text.replace("many", "-4"))
    os.utime(kept, ns=(3, 3))
    assert (settings().launcher, settings().chunkSize) == ("slurm", 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<startup",
        "<startup/>",
        "<packages/>",
        '<?xml version="1.0" encoding="none"?><startup/>',
    ],
)
def test_a_file_that_says_nothing_leaves_the_defaults(kept: Path, text: str) -> None:
    kept.write_text(text)
    assert settings() == Settings()
    kept.unlink()
    assert settings() == Settings()


def test_the_manager_uses_the_profile_that_was_chosen_last(
    kept: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert manager.get_manager().profile == "work"
    monkeypatch.setattr(manager, "_manager", None)
    kept.write_text(KEPT.format(profile="../away"))
    os.utime(kept, ns=(2, 2))
    assert manager.get_manager().profile == "default"
    assert "'../away' is not a valid profile name" in caplog.text
