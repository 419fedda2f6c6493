"""Background processes: one task after the other in each, and what is said where one of them is killed."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from nnunetv2_semiseg.core.errors import UserError

Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkerKilledError(UserError, RuntimeError):
    """A background process is gone, most likely because memory ran out."""


def results_of_workers(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    num_processes: int,
    title: str,
    killed: str,
) -> Iterator[tuple[int, Result]]:
    """Do tasks in background processes, with a progress bar.

    Args:
        work: Function of a module, called in another process.
        tasks: What it is called with.
        num_processes: At most.
        title: Of the bar.
        killed: What to say if memory runs out: what it was and what to do.

    Yields:
        Index and result of each task, in the order in which they are finished.

    Raises:
        WorkerKilledError: A process was killed or had no memory left.
    """
    if not tasks:
        return
    # spawned like nnU-Net's own workers: a forked one could inherit a locked thread pool
    context = multiprocessing.get_context("spawn")
    workers = min(num_processes, len(tasks))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=exit_with_parent)
    try:
        futures = {pool.submit(work, task): index for index, task in enumerate(tasks)}
        for future in tqdm(as_completed(futures), total=len(tasks), desc=title, unit="case"):
            yield futures[future], future.result()
    except (BrokenProcessPool, MemoryError):
        raise WorkerKilledError(killed) from None
    finally:
        pool.shutdown(cancel_futures=True)


def exit_with_parent() -> None:
    """Let this worker end when the process that started it is killed; the pool itself would wait forever."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
