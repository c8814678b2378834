"""The module that VisTrails shows."""

from contextlib import suppress

from vistrails.core.modules.config import IPort, OPort
from vistrails.core.modules.vistrails_module import Module, ModuleError
from vistrails.packages.parallelflow import api

from .tasks import count_spanning

# Lattices of one task: long enough to be worth a message, short enough to see progress.
BATCH = 50

# The window is drawn, and its Cancel button looked at, whenever progress is told.
POLL_SECONDS = 0.1


class Percolation(Module):
    """Estimates how often a random square lattice lets water through.

    Each site of the lattice is open with the given probability. The result is the share of
    lattices with a path of open sites from top to bottom. It depends on the inputs alone, not
    on where it is computed.
    """

    _input_ports = [
        IPort("size", "basic:Integer", default=32),
        IPort("probability", "basic:Float", default=0.59),
        IPort("samples", "basic:Integer", default=2000),
        IPort("seed", "basic:Integer", default=1),
        IPort("ask", "basic:Boolean", default=True, optional=True),
    ]
    _output_ports = [OPort("share", "basic:Float"), OPort("engines", "basic:Integer")]

    def compute(self):
        """Count the lattices, on engines where there are any."""
        size, probability = self.get_input("size"), self.get_input("probability")
        samples, seed = self.get_input("samples"), self.get_input("seed")
        if size < 1 or samples < 1 or not 0 <= probability <= 1:
            raise ModuleError(
                self, "size and samples must be 1 or more, probability between 0 and 1"
            )
        tasks = [
            (size, probability, seed, batch, min(BATCH, samples - start))
            for batch, start in enumerate(range(0, samples, BATCH))
        ]
        view = api.load_balanced_view(ask=self.get_input("ask"))
        counts = self.count_here(tasks) if view is None else self.count_on_engines(view, tasks)
        self.set_output("share", sum(counts) / samples)
        self.set_output("engines", 0 if view is None else len(view.client.ids))

    def count_here(self, tasks):
        """Return the tasks' counts, computed one after the other in this process."""
        counts = []
        for task in tasks:
            counts.append(count_spanning(*task))
            self.logging.update_progress(self, len(counts) / len(tasks))
        return counts

    def count_on_engines(self, view, tasks):
        """Return the tasks' counts, each computed by whichever engine is free."""
        results = [view.apply_async(count_spanning, *task) for task in tasks]
        try:
            while not all(result.ready() for result in results):
                view.client.wait(results, timeout=POLL_SECONDS)
                done = sum(result.ready() for result in results)
                self.logging.update_progress(self, done / len(tasks))
                if api.get_client(ask=False) is not view.client:
                    raise ModuleError(self, "the cluster went away; execute again")
        except BaseException:  # also when the user cancels: leave no task behind
            with suppress(OSError):  # there may be no connection any more
                view.client.abort(results, block=False)
            raise
        self.logging.update_progress(self, 1.0)  # the last ones may have come since
        counts = [result.get() for result in results]
        view.client.purge_local_results(results)  # it would keep them as long as VisTrails runs
        return counts


_modules = [Percolation]
