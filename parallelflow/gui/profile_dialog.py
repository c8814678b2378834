"""Change profile: the IPython profiles, what runs on each, and a new one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import (
    QDialogButtonBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QTreeWidgetItem,
    QWidget,
)

from parallelflow.engine_manager.model import Inventory, Origin, ProfileInfo, State
from parallelflow.engine_manager.system.profiles import check_name
from parallelflow.errors import ProfileError

from .cleanup_dialog import Choice, CleanupDialog
from .cluster_manager import ClusterManager
from .parts import Busy, ErrorPanel, PlainDialog, label, table, tip
from .setup_dialog import SetupDialog
from .tasks import Task

__all__ = ["ProfileDialog"]

TITLES = ("Profile", "Cluster", "Configured for clusters", "Folder")


class ProfileDialog(PlainDialog):
    """Lists the profiles, and changes to one or makes a new one.

    Parameters
    ----------
    manager : EngineManager
        Whose profile.
    remember : callable
        Called with the name of the profile that was changed to.
    parent : QWidget, optional
        The window that it belongs to.

    Attributes
    ----------
    changed_to : signal (str)
        The profile has changed.
    """

    changed_to = pyqtSignal(str)

    def __init__(
        self,
        manager: ClusterManager,
        remember: Callable[[str], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("Change profile", parent)
        self._manager = manager
        self._remember = remember
        self._select = manager.profile
        self._doing = False
        self.profiles: list[ProfileInfo] = []
        self.question: CleanupDialog | None = None
        self.setup: SetupDialog | None = None
        self._build()
        self.load()

    def _build(self) -> None:
        self.text = label(f"The profile in use is '{self._manager.profile}'.")
        self.table = table(TITLES)
        self.table.currentItemChanged.connect(lambda *_: self._enable())
        self.table.itemActivated.connect(lambda *_: self._use())
        self.busy = Busy()
        self.error = ErrorPanel()
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name of a new profile")
        self.name.setMaxLength(64)
        self.name.textChanged.connect(lambda _: self._enable())
        self.name.returnPressed.connect(self._create)
        self.create_button = QPushButton("Create &new")
        self.create_button.setAutoDefault(False)
        self.create_button.clicked.connect(self._create)
        self.setup_button = QPushButton("&Set up...")
        self.setup_button.setAutoDefault(False)
        self.setup_button.setToolTip("Engines of the chosen profile on other machines: ssh, Slurm")
        self.setup_button.clicked.connect(self._set_up)
        self.hint = label()
        self.hint.hide()
        row = QHBoxLayout()
        row.addWidget(self.name, 1)
        row.addWidget(self.create_button)
        row.addWidget(self.setup_button)
        buttons = QDialogButtonBox()
        self.use_button = buttons.addButton("&Use this profile", QDialogButtonBox.AcceptRole)
        self.cancel_button = buttons.addButton(QDialogButtonBox.Cancel)
        self.use_button.clicked.connect(self._use)
        self.cancel_button.clicked.connect(self.reject)
        self.column.addWidget(self.text)
        self.column.addWidget(self.table, 1)
        self.column.addWidget(self.busy)
        self.column.addLayout(row)
        self.column.addWidget(self.hint)
        self.column.addWidget(self.error)
        self.add_buttons(buttons)
        self.use_button.setDefault(True)
        self.setTabOrder(self.table, self.name)
        self.setTabOrder(self.name, self.create_button)
        self.setTabOrder(self.create_button, self.setup_button)
        self.resize(740, 340)
        self.table.setFocus(Qt.OtherFocusReason)
        self._enable()

    # -- the list -----------------------------------------------------------------------------

    def load(self) -> None:
        """Look for the profiles and what runs on them, in a thread."""
        self.busy.show()
        task = Task(lambda task: self._manager.profiles())
        task.done.connect(self.show_profiles)
        task.failed.connect(self._fail)
        task.start()

    def show_profiles(self, profiles: list[ProfileInfo]) -> None:
        """Show the profiles; the one in use is chosen, or one that was just made."""
        self.busy.hide()
        self.profiles = profiles
        self.table.clear()
        for profile in profiles:
            name = f"{profile.name} (in use)" if profile.current else profile.name
            configured = "yes" if profile.configured else "no"
            item = QTreeWidgetItem([name, clusters(profile), configured, _short(profile.folder)])
            item.setData(0, Qt.UserRole, profile.name)
            item.setToolTip(3, tip(str(profile.folder)))
            self.table.addTopLevelItem(item)
            if profile.name == self._select:
                self.table.setCurrentItem(item)
        self._enable()

    def chosen(self) -> str:
        """Return the chosen profile's name, empty if there is none."""
        item = self.table.currentItem()
        return str(item.data(0, Qt.UserRole)) if item is not None else ""

    def _enable(self) -> None:
        chosen = self.chosen()
        self.use_button.setEnabled(
            bool(chosen) and chosen != self._manager.profile and not self._doing
        )
        name, hint = self.name.text(), ""
        if name:
            try:
                check_name(name)
                if any(profile.name == name for profile in self.profiles):
                    hint = f"There is a profile '{name}' already: choose it above."
            except ProfileError as e:
                hint = str(e)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self.create_button.setEnabled(bool(name) and not hint and not self._doing)
        self.setup_button.setEnabled(bool(chosen) and not self._doing)
        # Enter means what the focus is in.
        making = self.create_button.isEnabled() and self.name.hasFocus()
        (self.create_button if making else self.use_button).setDefault(True)

    # -- a new one ----------------------------------------------------------------------------

    def _create(self) -> None:
        if not self.create_button.isEnabled():
            return
        name, manager = self.name.text(), self._manager
        self._begin(f"Making the profile '{name}' ...")
        task = Task(lambda task: (manager.create_profile(name), name)[1])
        task.done.connect(self._created)
        task.failed.connect(self._fail)
        task.start()

    def _created(self, name: str) -> None:
        self._end(f"The profile '{name}' has been made.")
        self._select = name
        self.name.clear()
        self.table.setFocus(Qt.OtherFocusReason)
        self.load()

    # -- engines elsewhere ----------------------------------------------------------------------

    def _set_up(self) -> None:
        """Open the form of the chosen profile."""
        self._select = self.chosen()
        self.setup = SetupDialog(self._select, self)
        self.setup.written.connect(self.load)
        self.setup.open()

    # -- changing -----------------------------------------------------------------------------

    def _use(self) -> None:
        """Change at once, or first ask what is to happen to the cluster there is."""
        if not self.use_button.isEnabled():
            return
        self._select = self.chosen()
        self._begin("Looking at what runs ...")
        task = Task(lambda task: self._manager.inventory())
        task.done.connect(self._ask)
        task.failed.connect(self._fail)
        task.start()

    def _ask(self, inventory: Inventory) -> None:
        connected = self._manager.state in (State.CONTROLLER, State.ENGINES)
        if not connected and not inventory.of(Origin.THIS_SESSION):
            self._change()
            return
        self._end("")
        before, after = self._manager.profile, self._select
        why = (
            f"The session is connected to a cluster of '{before}'. Before it changes to '{after}':"
        )
        if not connected:
            why = f"Before the session changes from '{before}' to '{after}':"
        self.question = CleanupDialog(self._manager, self, "Change profile", why, self._settle)
        self.question.settled.connect(self._changed)
        self.question.open()

    def _change(self) -> None:
        """Change without a question: there is nothing to ask about."""
        name, manager = self._select, self._manager
        self._begin(f"Changing to the profile '{name}' ...")
        task = Task(lambda task: manager.change_profile(name))
        task.done.connect(self._changed)
        task.failed.connect(self._fail)
        task.start()

    def _settle(self, choice: Choice) -> object:
        """Stop or leave what runs and change; in a thread."""
        left = self._manager.cleanup() if choice is Choice.STOP else []
        self._manager.change_profile(self._select, leave=choice is Choice.LEAVE)
        return left

    def _changed(self, _: object) -> None:
        self._doing = False
        profile = self._manager.profile
        self._remember(profile)
        self.changed_to.emit(profile)
        self.accept()

    # -- meanwhile ----------------------------------------------------------------------------

    def _begin(self, text: str) -> None:
        self._doing = True
        self.error.hide()
        self.busy.show()
        self.text.setText(text)
        self._enable()

    def _end(self, text: str) -> None:
        self._doing = False
        self.busy.hide()
        self.text.setText(text or f"The profile in use is '{self._manager.profile}'.")
        self._enable()

    def _fail(self, error: Exception) -> None:
        self._end("")
        self.error.show_error(error)
        self.refit()

    def reject(self) -> None:
        """Close and keep everything as it is, unless a change is under way."""
        if not self._doing:
            super().reject()


def clusters(profile: ProfileInfo) -> str:
    """Return what runs on a profile, one line."""
    found = []
    for cluster in profile.clusters:
        name = f"{cluster.cluster_id}: " if cluster.cluster_id else ""
        found.append(f"{name}runs on {cluster.host}, {cluster.origin.value}")
    return "; ".join(found)


def _short(folder: str) -> str:
    """Return a folder's path with ``~`` for the user's own."""
    home = str(Path.home())
    return "~" + folder[len(home) :] if folder.startswith(home + os.sep) else folder
