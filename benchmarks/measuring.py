"""Time and peak memory of the variants of one step, each in a process of its own.

A step that has run leaves memory, threads and caches behind, so that every variant gets a fresh process. The
variants take turns for several rounds: what else the machine does meanwhile hits all of them alike, and the
fastest step of each is what the program prints. Ratios in one run can be compared; seconds of two machines,
or of two days, can't. On a CPU the processor time of all threads stands beside the wall time: it hardly
depends on what else is running.

How far a step is from what the hardware can do is told by its floating-point operations in matrix products
and convolutions, counted by torch, per second, compared with the rate of one large product.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import nan
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

Step = Callable[[], object]
"""Does what is measured once."""

Builder = Callable[[argparse.Namespace], Step]
"""Makes all that a variant needs and returns the step of it; a function at the top of a module."""


@dataclass(frozen=True)
class Measured:
    """The measurements of one variant.

    Attributes:
        seconds: Wall time of the fastest step.
        processor_seconds: Smallest processor time of a step, all threads together.
        steps: Number of steps that were timed.
        gigabytes: Peak memory, on a CPU of the whole process, imports included, on a GPU of the tensors.
        own_gigabytes: Peak memory beyond what the process had before the variant was built, which on a CPU
            leaves out the imports.
        operations: Floating-point operations of matrix products and convolutions in a step, those that are
            done again in the backward pass included.
    """

    seconds: float
    processor_seconds: float
    steps: int
    gigabytes: float
    own_gigabytes: float
    operations: float


def add_measuring_arguments(parser: argparse.ArgumentParser, steps: int = 2, rounds: int = 2) -> None:
    """``--device``, ``--threads``, ``--steps`` and ``--rounds``."""
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="of torch; default: as many as there are cores")
    parser.add_argument("--steps", type=int, default=steps, help="timed steps a round (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=rounds, help="processes a variant (default: %(default)s)"
    )
    parser.add_argument("--only", metavar="NAME", help="measure one of the variants alone")


def measure(variants: Mapping[str, Builder], arguments: argparse.Namespace) -> dict[str, Measured]:
    """Run all variants in turn.

    Args:
        variants: Builders of the variants by name.
        arguments: Arguments of the program, with those of `add_measuring_arguments`.

    Returns:
        Measurements of the variants by name.

    Raises:
        RuntimeError: A variant's process failed; its output is above.
    """
    if arguments.only is not None:
        variants = {arguments.only: variants[arguments.only]}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    memory: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    operations: dict[str, float] = {}
    turns = [name for _ in range(arguments.rounds) for name in variants]
    for name in tqdm(turns, desc="variants", unit="process"):
        seconds, peak, before, operations[name] = _in_a_process(name, variants[name], arguments)
        times[name] += seconds
        memory[name].append((peak, peak - before))
    return {
        name: Measured(
            min(wall for wall, _ in times[name]),
            min(processor for _, processor in times[name]),
            len(times[name]),
            *max(memory[name]),
            operations[name],
        )
        for name in variants
    }


Run = tuple[list[tuple[float, float]], float, float, float]
"""Wall and processor seconds of each step, memory at the peak and before there was anything, operations."""


def _in_a_process(name: str, builder: Builder, arguments: argparse.Namespace) -> Run:
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(builder, arguments, sending))
    process.start()
    sending.close()
    try:
        result: Run = receiving.recv()
    except EOFError:
        raise RuntimeError(f"'{name}' failed; its output above says why") from None
    finally:
        process.join()
    return result


def _run(builder: Builder, arguments: argparse.Namespace, sending: Any) -> None:
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    before = _peak_gigabytes(arguments.device)
    step = builder(arguments)
    times = []
    # the first step allocates, chooses algorithms and, with torch.compile, compiles
    for _ in range(1 + arguments.steps):
        start, start_processor = time.perf_counter(), time.process_time()
        step()
        if arguments.device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start, time.process_time() - start_processor))
    peak = _peak_gigabytes(arguments.device)
    with FlopCounterMode(display=False) as counter:
        step()
    sending.send((times[1:], peak, before, counter.get_total_flops()))


def _peak_gigabytes(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 1e9
    # not getrusage, whose number a process inherits from its parent
    status = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in status if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / 1e9


def matrix_rate(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations per second of products of two large square matrices, the best of five."""
    # long enough that starting and waiting don't count
    side, products = (8192, 10) if device.startswith("cuda") else (2048, 1)
    one, other = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        for _ in range(products):
            one @ other
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 * products / min(seconds[1:])


def print_rates(measured: Mapping[str, Measured], arguments: argparse.Namespace) -> None:
    """The operations of each variant per second, and what large products reach."""
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    half = torch.float16 if arguments.device.startswith("cuda") else torch.bfloat16
    rates = {dtype: matrix_rate(arguments.device, dtype) for dtype in (torch.float32, half)}
    for name, one in measured.items():
        rate = one.operations / one.seconds
        shares = ", ".join(f"{rate / best:.0%} of {_short(dtype)}" for dtype, best in rates.items())
        print(f"{name}: {one.operations / 1e12:.2f} TFLOP at {rate / 1e12:.2f} TFLOP/s, {shares}")
    products = ", ".join(f"{best / 1e12:.2f} TFLOP/s in {_short(dtype)}" for dtype, best in rates.items())
    print(f"products of two large matrices: {products}")


def print_table(measured: Mapping[str, Measured], baseline: str, unit: str = "step") -> None:
    """Seconds, memory, and both as ratios to one of the variants, or to the only one."""
    width = max(map(len, measured))
    reference = measured.get(baseline, next(iter(measured.values())))
    print(f"{'':{width}}  s/{unit:5}  faster  CPU s    less  peak GB  of memory  own GB  of memory")
    for name, one in measured.items():
        print(
            f"{name:{width}}  {one.seconds:7.3g}  {reference.seconds / one.seconds:5.2f}x  "
            f"{one.processor_seconds:5.3g}  {reference.processor_seconds / one.processor_seconds:5.2f}x  "
            f"{one.gigabytes:7.2f}  {one.gigabytes / reference.gigabytes:8.2f}x  "
            f"{one.own_gigabytes:6.2f}  {one.own_gigabytes / (reference.own_gigabytes or nan):8.2f}x"
        )


def print_machine(arguments: argparse.Namespace, packages: Sequence[str] = ("torch", "nnunetv2")) -> None:
    """What was measured on, with what and with which settings."""
    cuda = arguments.device.startswith("cuda")
    processor = torch.cuda.get_device_name() if cuda else f"{_cpu()}, {torch.get_num_threads()} threads"
    print(f"machine: {processor}")
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in packages))
    print("settings: " + ", ".join(f"{name}={value}" for name, value in vars(arguments).items()))


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
