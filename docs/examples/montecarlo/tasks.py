"""What engines compute: no VisTrails here, and nothing that a plain engine lacks."""

from ipyparallel import interactive


# "interactive" has ipyparallel send the function's code: engines need no copy of this package.
# In return it sees nothing of this file, so it imports what it uses.
@interactive
def count_spanning(size, probability, seed, batch, samples):
    """Return how many of some random lattices have a path of open sites from top to bottom.

    Parameters
    ----------
    size : int
        Sites along each side of the square lattice.
    probability : float
        With which a site is open, 0 to 1.
    seed, batch : int
        They alone decide the random numbers, whichever engine computes the batch.
    samples : int
        Number of lattices.
    """
    from random import Random

    random = Random(f"{seed} {batch}").random
    spanning = 0
    for _ in range(samples):
        is_open = [[random() < probability for _ in range(size)] for _ in range(size)]
        reached = [(0, column) for column in range(size) if is_open[0][column]]
        for row, column in reached:
            is_open[row][column] = False  # each site once
        while reached:
            row, column = reached.pop()
            if row == size - 1:
                spanning += 1
                break
            for r, c in (
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
                (row - 1, column),
            ):
                if r >= 0 and 0 <= c < size and is_open[r][c]:
                    is_open[r][c] = False
                    reached.append((r, c))
    return spanning
