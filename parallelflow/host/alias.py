"""Import hook: one package under two names, and repairs when VisTrails is imported.

VisTrails finds its packages under ``vistrails.packages``, where it brings a broken
``parallelflow`` of its own. The finder installed here answers
``vistrails.packages.parallelflow`` (and every module below it) with the modules of
this distribution: the same objects, whichever name is imported first. It also
applies the repairs of the folder ``repairs`` when VisTrails' modules are imported.

This file is read at the start of every Python of an environment where Parallel Flow
is installed (by the distribution's ``.pth`` file), so it imports nothing that is not
loaded already and does nothing until VisTrails is imported.
"""

from __future__ import annotations

import sys

from parallelflow.names import ALIAS, PACKAGE, VISTRAILS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _AliasLoader:
    """Loader that answers an alias with the module itself, unchanged."""

    def __init__(self, real_name: str) -> None:
        self._real_name = real_name
        self._real_spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        from importlib import import_module

        module = import_module(self._real_name)
        self._real_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias's spec on the module. Its own one
        # is what reload, pickle and relative imports go by.
        module.__spec__ = self._real_spec


class _RepairingLoader:
    """Loader that applies repairs around what a module's own loader does."""

    def __init__(self, loader: object) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        from importlib.machinery import ExtensionFileLoader

        from . import repairs

        if isinstance(self._loader, ExtensionFileLoader):  # most of its import is done here
            with repairs.around_creation(spec.name):
                return self._loader.create_module(spec)
        return self._loader.create_module(spec)  # type: ignore[attr-defined]

    def exec_module(self, module: ModuleType) -> None:
        from . import repairs

        # Whoever looks at the module afterwards (inspect, pkgutil, reload) sees its own loader.
        module.__loader__ = self._loader  # type: ignore[assignment]
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader  # type: ignore[assignment]
        with repairs.around_import(module.__name__):
            self._loader.exec_module(module)  # type: ignore[attr-defined]


class VistrailsFinder:
    """Meta-path finder of the alias and of the modules that need a repair.

    Attributes
    ----------
    others : container of str
        Names outside VisTrails that it looks after: standard modules that VisTrails
        needs and this Python lacks. Empty until VisTrails is first imported.
    """

    def __init__(self) -> None:
        self.others: Container[str] = ()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find the module of an alias, or one that has repairs.

        Parameters
        ----------
        fullname : str
            The absolute name that is being imported.
        path : sequence of str or None
            The folders of the parent package.
        target : module or None
            The module being reloaded.

        Returns
        -------
        ModuleSpec or None
            None leaves the name to the other finders.
        """
        if fullname.partition(".")[0] != VISTRAILS and fullname not in self.others:
            return None
        if fullname == ALIAS or fullname.startswith(ALIAS + "."):
            return self._alias(fullname)
        from . import repairs

        if fullname == VISTRAILS:
            self.others = repairs.modules_outside_vistrails()
        spec = self._other_finders(fullname, path, target) or repairs.find_standin(fullname)
        if spec is None:
            return None
        if spec.loader is not None and repairs.has_repairs(fullname):
            spec.loader = _RepairingLoader(spec.loader)  # type: ignore[assignment]
        return spec

    @staticmethod
    def _alias(fullname: str) -> ModuleSpec | None:
        from importlib.machinery import ModuleSpec
        from importlib.util import find_spec

        real_name = PACKAGE + fullname[len(ALIAS) :]
        real = find_spec(real_name)
        if real is None:
            return None
        spec = ModuleSpec(fullname, _AliasLoader(real_name), origin=real.origin)  # type: ignore[arg-type]
        spec.submodule_search_locations = real.submodule_search_locations
        return spec

    def _other_finders(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if find else None
            if spec is not None:
                return spec
        return None


def activate() -> None:
    """Make Parallel Flow importable by VisTrails, and repair VisTrails when it is imported.

    Safe to call any number of times, before or after VisTrails was imported. It
    imports neither VisTrails nor Qt.
    """
    if any(isinstance(finder, VistrailsFinder) for finder in sys.meta_path):
        return
    finder = VistrailsFinder()
    sys.meta_path.insert(0, finder)
    if VISTRAILS in sys.modules:
        from . import repairs

        finder.others = repairs.modules_outside_vistrails()
        repairs.repair_imported_modules()
