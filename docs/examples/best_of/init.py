"""The fold that VisTrails shows."""

from vistrails.packages.controlflow.fold import FoldWithModule


class BestOf(FoldWithModule):
    """Finds the element of a list for which a module gives the highest value.

    The result is the element and its value.
    """

    def setInitialValue(self):
        """Begin without a best one."""
        self.initialValue = None

    def operation(self):
        """Compare an element with the best of those before it."""
        if self.partialResult is None or self.elementResult > self.partialResult[1]:
            self.partialResult = self.element, self.elementResult


_modules = [BestOf]
