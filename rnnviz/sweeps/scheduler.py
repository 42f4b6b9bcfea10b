"""Who computes the rows of a sweep."""

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from rnnviz.sweeps.results import SweepResult
from rnnviz.sweeps.task import Task


class Future(Protocol):
    """A row that was asked for, as `concurrent.futures` and Dask know it."""

    def result(self) -> SweepResult:
        """The row's finding.

        Raises
        ------
        CancelledError
            If the sweep was stopped before.
        Exception
            If the row was lost; the message says how.
        """


class Scheduler(Protocol):
    """Computes rows and yields them in the order of completion. A `with` block ends its processes."""

    @property
    def ahead(self) -> int:
        """Number of rows to submit at a time, so that no worker is idle."""

    def submit(self, task: Task) -> Future:
        """Have a row computed."""

    def completed(self) -> Iterator[Future]:
        """Each submitted row once, as soon as it is done or given up; ends when there is none left.

        Rows may be submitted meanwhile.
        """

    def stop(self) -> None:
        """Give up every row that is not done; any thread may call it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Stop, and wait for running rows."""
