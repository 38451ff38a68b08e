"""One function over many items: here, in processes of this machine, or on a Ray cluster.

Ray is optional (``pip install 'yuetone[ray]'``). Its reports to its makers are turned off.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, TypeVar

from client.errors import ClientError

T = TypeVar("T")
R = TypeVar("R")
Make = Callable[[], Callable[[T], R]]
HERE = "local"
"""Name of a Ray cluster that is started for the occasion, on this machine."""

_worker: Any = None


def spread(
    make: Make[T, R], items: Sequence[T], *, processes: int = 1, ray: str | None = None
) -> Iterator[tuple[int, R]]:
    """Yield the number of each item and what came of it, as they are done.

    Args:
        make: makes the function, once in each process; it goes there by pickle, as items and results do.
        items: the items.
        processes: workers; on a Ray cluster, 1 means as many as it has cores.
        ray: address of a Ray cluster, ``auto`` for the one of this machine, ``local`` to start one; None does
            without.

    Raises:
        ClientError: Ray is not installed, or its cluster cannot be reached.
    """
    if ray is not None:
        yield from _on_ray(make, items, processes, ray)
    elif processes == 1:
        work = make()
        yield from ((number, work(item)) for number, item in enumerate(items))
    else:
        yield from _in_processes(make, items, processes)


def _in_processes(make: Make[T, R], items: Sequence[T], processes: int) -> Iterator[tuple[int, R]]:
    context = get_context("spawn")  # a fork of a process with threads may hang
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(make,)) as pool:
        numbers = {pool.submit(_work, item): number for number, item in enumerate(items)}
        try:
            for done in as_completed(numbers):
                yield numbers[done], done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(make: Make[Any, Any]) -> None:
    global _worker  # noqa: PLW0603 (one a process, as the pool wants it)
    _worker = make()


def _work(item: Any) -> Any:
    return _worker(item)


class _RayWorker:
    """The function in a process of Ray's; an item a batch."""

    def __init__(self, make: bytes) -> None:
        self._work = pickle.loads(make)()  # noqa: S301 (our own, a moment ago)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        results = [pickle.dumps(self._work(pickle.loads(item))) for item in batch["item"]]  # noqa: S301
        return {"number": batch["number"], "result": results}


def _on_ray(make: Make[T, R], items: Sequence[T], processes: int, address: str) -> Iterator[tuple[int, R]]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    try:
        import ray  # noqa: PLC0415 (optional, large)
        import ray.data  # noqa: PLC0415
    except ImportError as error:
        raise ClientError("Ray is not installed: pip install 'yuetone[ray]'") from error
    where = None if address == HERE else address
    try:
        ray.init(where, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClientError(f"no Ray cluster at {address}: start one with 'ray start --head'") from error
    try:
        workers = processes if processes > 1 else max(1, int(ray.cluster_resources().get("CPU", 1)))
        rows = [{"number": number, "item": pickle.dumps(item)} for number, item in enumerate(items)]
        data = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _RayWorker,
            fn_constructor_args=(pickle.dumps(make),),
            batch_size=1,
            concurrency=min(workers, len(rows)),
            num_cpus=1,
        )
        for row in data.iter_rows():
            yield int(row["number"]), pickle.loads(row["result"])  # noqa: S301 (as above)
    finally:
        ray.shutdown()
