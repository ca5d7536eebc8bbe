"""A bound on the pixels in memory, whatever the number of threads."""

import threading

_PHOTOGRAPHS = 256  # maximum number at a time, however small, since each has some overhead besides its pixels


class PixelBudget:
    """A limit on the pixels in memory at a time; a photograph above the limit has to be alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self.closed = False
        self.changed = threading.Condition()

    def take(self, pixels: int) -> int:
        """Wait for room -> the cost to pass to `give_back`.

        Raises:
            InterruptedError: the budget was closed.
        """
        cost = max(pixels, self.limit // _PHOTOGRAPHS)
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.taken == 0 or self.taken + cost <= self.limit)
            if self.closed:
                raise InterruptedError("the run was interrupted")
            self.taken += cost
        return cost

    def give_back(self, cost: int) -> None:
        """Make room for others."""
        with self.changed:
            self.taken -= cost
            self.changed.notify_all()

    def close(self) -> None:
        """Make all waiting and further calls of `take` fail."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
