"""Waiting for something to become true. The only place in the tests that sleeps: everything else
waits for the event it needs and never for a length of time."""

import time


class TimedOut(AssertionError):
    pass


def wait_until(predicate, within, what, every=0.02):
    """Returns the first true value of `predicate()`, asked every `every` seconds.

    Raises TimedOut, naming `what` was awaited, after `within` seconds. `what` may be a function,
    called at the end, so that it can say how things stood.
    """
    end = time.monotonic() + within
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise TimedOut(f"not within {within} s: {what() if callable(what) else what}")
        time.sleep(every)
