"""One scheduler and a virtual clock: every task stops at every call of a port.

Tasks are greenlets that run the real, synchronous code. Between any two calls the
scheduler may let others run, end the task for good, or leave it asleep for long.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from math import inf
from operator import itemgetter
from random import Random

from greenlet import getcurrent, greenlet

LATENCIES = (0.0, 0.005, 0.005, 0.05, 0.2)
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


class Crash(BaseException):
    """The process of a task ends here; nothing in the code may stop it."""


@dataclass(frozen=True)
class Chances:
    """How likely each fault is, at each opportunity; 0 for none."""

    crash: float = 0.0
    zombie: float = 0.0
    fail_before: float = 0.0
    fail_after: float = 0.0
    contended: float = 0.0
    partial: float = 0.0
    stale: float = 0.0
    drop: float = 0.0
    repeat: float = 0.0
    late: float = 0.0
    day_late: float = 0.0


CALM = Chances()


@dataclass
class Task:
    """A running piece of code; *done* is told whether it ended by itself. *number* is its own."""

    number: int
    name: str
    run: greenlet
    wakes: float
    mortal: bool
    done: Callable[[bool], None]
    begins: float = 0.0


@dataclass
class Scheduler:
    """Runs tasks until none is left; *steps* counts the switches between them.

    A mortal task ends for good once it is *longest* seconds old, as a function does. One that is a
    zombie sleeps for one of *naps* in the midst of its work.

    Tasks that can run are in the order of their numbers, so that a seed chooses the same ones
    again; the others are in a heap by the time at which they wake.
    """

    random: Random
    chances: Chances
    now: float = 0.0
    steps: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    longest: float = inf
    naps: tuple[float, ...] = (MINUTE, HOUR, 2 * HOUR)
    _awake: list[tuple[int, Task]] = field(default_factory=list)
    _asleep: list[tuple[float, int, Task]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _current: Task | None = None
    _home: greenlet = field(default_factory=getcurrent)

    def spawn(
        self,
        name: str,
        code: Callable[[], object],
        *,
        after: float = 0.0,
        mortal: bool = True,
        done: Callable[[bool], None] = lambda _ended: None,
    ) -> None:
        """Starts *code* as a task of its own, *after* seconds from now."""
        run = greenlet(code, self._home)
        begins = self.now + after
        self._put(Task(next(self._numbers), name, run, begins, mortal, done, begins))

    def run(self, limit: int) -> None:
        """Runs all tasks to their end; raises RuntimeError after *limit* steps."""
        while self._awake or self._asleep:
            self.steps += 1
            if self.steps > limit:
                left = [*(task for _, task in self._awake), *(task for *_, task in self._asleep)]
                names = Counter(task.name for task in left)
                raise RuntimeError(f"no end after {limit} steps: {names}")
            self._step(self._choose())

    def point(self) -> None:
        """Lets others run; called from within a task, at each call of a port."""
        if self._current is not None:
            self._home.switch()

    def travel(self) -> None:
        """A message on its way: others run for as long as it takes."""
        self.sleep(self.random.choice(LATENCIES))

    def sleep(self, seconds: float) -> None:
        """Lets others run for a time; called from within a task."""
        if self._current is not None:
            self._current.wakes = self.now + seconds
            self.point()

    def strikes(self, fault: str) -> bool:
        """Whether *fault* happens now, by its chance; counted if it does."""
        chance: float = getattr(self.chances, fault)
        if chance and self.random.random() < chance:
            self.faults[fault] += 1
            return True
        return False

    def _choose(self) -> Task:
        if not self._awake:
            self.now = max(self.now, self._asleep[0][0])
        while self._asleep and self._asleep[0][0] <= self.now:
            self._put(heappop(self._asleep)[-1])
        return self.random.choice(self._awake)[-1]

    def _put(self, task: Task) -> None:
        if task.wakes <= self.now:
            insort(self._awake, (task.number, task))
        else:
            heappush(self._asleep, (task.wakes, task.number, task))

    def _take(self, task: Task) -> None:
        del self._awake[bisect_left(self._awake, task.number, key=itemgetter(0))]

    def _step(self, task: Task) -> None:
        # Only what has begun can fall asleep: callers and queues give up in time.
        if task.mortal and task.run and self.strikes("zombie"):
            task.wakes = self.now + self.random.choice(self.naps)
            self._take(task)
            self._put(task)
            return
        self._current = task
        ended = True
        try:
            is_over = task.mortal and self.now > task.begins + self.longest
            if is_over or (task.mortal and self.strikes("crash")):
                ended = False
                if task.run:
                    task.run.throw(Crash)
            else:
                task.run.switch()
        except Crash:
            pass
        finally:
            self._current = None
        if task.run.dead or not ended:
            self._take(task)
            task.done(ended)
        elif task.wakes > self.now:
            self._take(task)
            self._put(task)
