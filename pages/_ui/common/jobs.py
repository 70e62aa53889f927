"""Long work in a thread of its own, shared by all sessions that want the same result. Knows nothing of what it does."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from draem_core.errors import Cancelled, DraemError

Result = TypeVar("Result")

_KEPT = 4  # finished jobs that stay in memory


@dataclass(eq=False)
class Progress:
    """What the work tells, and what it asks: whether somebody cancelled it."""

    phase: str = ""
    done: int = 0
    total: int = 0
    phase_began: float = field(default_factory=time.monotonic)
    began_with: int = 0  # images that were done when the phase began
    _cancel: threading.Event = field(default_factory=threading.Event)

    def begin(self, phase: str) -> Callable[[int, int], None]:
        """Start a phase; returns what to call with (done, total)."""
        self.phase, self.done, self.total = phase, 0, 0
        first = True

        def tell(done: int, total: int) -> None:
            nonlocal first
            if first:
                self.phase_began, self.began_with, first = time.monotonic(), done, False
            self.done, self.total = done, total

        return tell

    def cancel(self) -> None:
        self._cancel.set()

    def is_cancelled(self) -> bool:
        return self._cancel.is_set()

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the phase ends at its present speed; None before a step was timed."""
        fresh = self.done - self.began_with
        if fresh <= 0:
            return None
        return (time.monotonic() - self.phase_began) / fresh * (self.total - self.done)


class Job(Generic[Result]):
    """One piece of work; ``of`` is what it was started for."""

    def __init__(self, of: object, work: Callable[[Progress], Result]) -> None:
        self.of = of
        self.progress = Progress()
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[Progress], Result]) -> None:
        try:
            self._result = work(self.progress)
        except BaseException as error:  # told to whoever asks for the result
            self._error = error

    def wait(self, seconds: float) -> bool:
        """Wait so long at most; returns whether the work has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def failed(self) -> DraemError | None:
        """What a user can be told where the work ended without a result."""
        if self._error is None or isinstance(self._error, DraemError):
            return self._error
        raise self._error

    @property
    def was_cancelled(self) -> bool:
        return isinstance(self._error, Cancelled)

    @property
    def result(self) -> Result:
        assert self._result is not None, "ask `wait` and `failed` first"
        return self._result


class Jobs(Generic[Result]):
    """Running and finished jobs by key; the finished ones that were used longest ago are forgotten."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[Hashable, Job[Result]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, of: object) -> Job[Result] | None:
        """Return the job of a key, where it was started for an equal object."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None or (job.of != of and job.wait(0)):
                return None
            self._jobs.move_to_end(key)
            return job

    def start(self, key: Hashable, of: object, work: Callable[[Progress], Result]) -> Job[Result]:
        """Start the work, also where it has ended before; or return the job that somebody else has at work."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.wait(0):
                job = self._jobs[key] = Job(of, work)
            self._jobs.move_to_end(key)
            ended = [name for name, one in self._jobs.items() if name != key and one.wait(0)]
            for name in ended[: max(0, len(self._jobs) - _KEPT)]:
                del self._jobs[name]
            return job
