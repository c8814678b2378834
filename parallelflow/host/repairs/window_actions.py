"""Repairs of what the entries of VisTrails' window do."""

from __future__ import annotations

import functools
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

from parallelflow.system import safe_files

from .repair import Repair, always

#: The version as its last release calls itself; the source says 2.x.
VERSION = "3.0"

#: Seconds; the window waits for the answer.
ANSWER_SECONDS = 5.0

# -- Control Flow Assistant ---------------------------------------------------------


def _find_items_by_place_alone(module: Any) -> None:
    from PyQt5.QtGui import QTransform

    scene = module.QPipelineScene
    item_at = scene.itemAt

    def find(self: Any, *place: Any) -> Any:
        if place and not isinstance(place[-1], QTransform):
            place = (*place, QTransform())
        return item_at(self, *place)

    scene.itemAt = find


# -- Reload -------------------------------------------------------------------------


def _connect_the_ports_there_are(module: Any) -> None:
    from PyQt5 import sip

    scene = module.QPipelineScene
    update = scene.update_connections

    @functools.wraps(update)
    def connect_and_update(self: Any, modules: Any = None) -> None:
        if not self.skip_update:
            for number, item in list(self.connections.items()):
                ports = [p for p in (item.srcPortItem, item.dstPortItem) if p is not None]
                if any(map(sip.isdeleted, ports)):
                    _connect_again(self, number, item)
        update(self, modules)

    scene.update_connections = connect_and_update


def _connect_again(scene: Any, number: int, item: Any) -> None:
    """Draw a connection between the ports that its modules have now."""
    from PyQt5 import sip

    for end in item.connectingModules:
        if not sip.isdeleted(end):
            end.connectionItems.pop(number, None)
    scene.removeItem(item)
    del scene.connections[number]
    connection = scene.current_pipeline.connections.get(number)
    if connection is not None:
        scene.addConnection(connection)


# -- version ------------------------------------------------------------------------


def _tell_the_version(system: Any) -> None:
    system.VERSION = VERSION
    if not (Path(system.vistrails_root_directory()).parent / ".git").exists():
        # Else git is asked, about whatever repository the folder happens to be in.
        system.vistrails_revision = lambda: f"Python {sys.version.split()[0]}"


def _ask_for_the_latest_version(system: Any) -> None:
    import urllib.request

    url = "http://www.vistrails.org/download/download.php?id=release_version.txt"

    def ask() -> str:
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
                text = answer.read(100).decode("ascii", "replace").strip()
        except OSError as e:
            raise OSError(f"www.vistrails.org does not answer ({e})") from e
        if not re.fullmatch(r"\d+(\.\d+)*", text):
            raise ValueError("www.vistrails.org does not tell a version")
        return text

    def newer() -> tuple[bool, str | None]:
        latest = system.get_latest_vistrails_version()
        here, there = ([int(n) for n in v.split(".")] for v in (system.VERSION, latest))
        return (True, latest) if here < there else (False, None)

    system.get_latest_vistrails_version = ask
    system.new_vistrails_release_exists = newer


def _tell_what_cannot_be_checked(window: Any) -> None:
    show = window.QVistrailsWindow.showUpdatesMessage

    @functools.wraps(show)
    def show_or_tell(self: Any) -> None:
        try:
            show(self)
        except (OSError, ValueError) as e:
            window.QtWidgets.QMessageBox.information(
                self,
                "Check for VisTrails Updates",
                f"This is VisTrails {VERSION}. Whether there is a newer version is not known: {e}.",
            )

    window.QVistrailsWindow.showUpdatesMessage = show_or_tell


# -- files --------------------------------------------------------------------------


def _start_in_the_working_folder(system: Any) -> None:
    try:
        here = Path.cwd()
    except OSError:  # it has been removed
        here = Path.home()
    inside = here == Path(here.anchor) or not os.access(here, os.W_OK)
    system.set_vistrails_file_directory(str(Path.home() if inside else here))


def _write_text(controller: Any) -> None:
    owner = controller.VistrailController
    save = owner.save_version_graph

    @functools.wraps(save)
    def save_text(self: Any, filename: Any, *args: Any, **kwargs: Any) -> None:
        if not isinstance(filename, str):
            save(self, filename, *args, **kwargs)
            return
        text = io.StringIO()  # first, so that what fails leaves the file as it was
        save(self, text, *args, **kwargs)
        safe_files.replace_text(Path(filename), text.getvalue())

    owner.save_version_graph = save_text


# -- a second window ----------------------------------------------------------------


def _tell_of_the_first_window(application: Any) -> None:
    singleton = application.VistrailsApplicationSingleton

    def hand_over(self: Any, local_socket: Any, args: Any) -> bool:
        answer = self.send_message(local_socket, str(args).encode())
        if answer is True:
            application.debug.warning(
                "VisTrails is open already: a file that was named opens in its window"
            )
            return True
        if answer is not False:
            application.debug.warning(f"VisTrails is open already, and says: {answer}")
        return False

    singleton.found_another_instance_running = hand_over


REPAIRS = (
    Repair(
        name="assistant-ports",
        symptom="TypeError: itemAt() at the first click in the Control Flow Assistant",
        cause="from Qt 5 on, a scene looks for an item by a place and a transformation",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.pipeline_view_select",),
        needed=always,
        after=_find_items_by_place_alone,
    ),
    Repair(
        name="reload-connections",
        symptom="RuntimeError: wrapped C/C++ object of type QGraphicsPortRectItem has been "
        "deleted, when a package is reloaded after the exploration view was open",
        cause="a second picture of the workflow keeps connections to ports that were made again",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.pipeline_view",),
        needed=always,
        after=_connect_the_ports_there_are,
    ),
    Repair(
        name="version",
        symptom="About and logs tell the version 2.x and the revision of whatever repository "
        "VisTrails' folder is in",
        cause="the source has no version of its own, and git is asked",
        affected="VisTrails 3.0",
        modules=("vistrails.core.system",),
        needed=always,
        after=_tell_the_version,
    ),
    Repair(
        name="updates",
        symptom="ValueError: invalid literal for int() with base 10: 'x', or URLError, on Help > "
        "Check for Updates",
        cause="the version is 2.x, and the answer is taken as it comes, if it comes",
        affected="VisTrails 3.0",
        modules=("vistrails.core.system",),
        needed=always,
        after=_ask_for_the_latest_version,
    ),
    Repair(
        name="updates-message",
        symptom="a traceback when www.vistrails.org cannot be asked for its latest version",
        cause="nothing is caught",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.vistrails_window",),
        needed=always,
        after=_tell_what_cannot_be_checked,
    ),
    Repair(
        name="start-folder",
        symptom="Open and Save begin in the environment's site-packages",
        cause="the folder is taken from where VisTrails' own files are",
        affected="installed copies of VisTrails 3.0",
        modules=("vistrails.core.system",),
        needed=always,
        after=_start_in_the_working_folder,
    ),
    Repair(
        name="dot-export",
        symptom="TypeError: a bytes-like object is required, and an empty file, on Export > "
        "Version Tree to DOT",
        cause="text is written to a file that was opened for bytes",
        affected="VisTrails 3.0 on Python 3",
        modules=("vistrails.core.vistrail.controller",),
        needed=always,
        after=_write_text,
    ),
    Repair(
        name="second-window",
        symptom="a second window that hands its file over to the first reports that as CRITICAL",
        cause="all messages about it are of that level",
        affected="VisTrails 3.0",
        modules=("vistrails.gui.application",),
        needed=always,
        after=_tell_of_the_first_window,
    ),
)
