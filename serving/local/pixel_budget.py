"""A bound on the pixels in memory, whatever the number of threads."""

import threading

_PHOTOGRAPHS = 256  # at most at a time, however small: their overhead is not their pixels


class PixelBudget:
    """Pixels that may be in memory at a time; one photograph above the limit may be there alone."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self.closed = False
        self.changed = threading.Condition()

    def take(self, pixels: int) -> int:
        """Wait for room, and return what `give_back` must be given. Raises InterruptedError when closed."""
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
        """Let those who wait fail."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
