"""Background processes that work through a list of items, and what is said where one of them is killed."""

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

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerKilledError(UserError, RuntimeError):
    """A background process is gone, most likely because memory ran out."""


def results_of_workers(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    num_processes: int,
    title: str,
    killed: str,
) -> Iterator[tuple[int, Result]]:
    """Call a function with each of some items in background processes, with a progress bar.

    Args:
        work: The function; other processes import it from its module.
        items: What the function is called with, one item a call.
        num_processes: The most processes to start.
        title: Title of the progress bar.
        killed: What to say if memory runs out: what was killed and what to do.

    Yields:
        Index and result of each item, in the order in which they are finished.

    Raises:
        WorkerKilledError: A process was killed or had no memory left.
    """
    if not items:
        return
    # spawned like nnU-Net's own workers: a forked one could inherit a locked thread pool
    context = multiprocessing.get_context("spawn")
    workers = min(num_processes, len(items))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=exit_with_parent)
    try:
        futures = {pool.submit(work, item): index for index, item in enumerate(items)}
        for future in tqdm(as_completed(futures), total=len(items), desc=title, unit="case"):
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
