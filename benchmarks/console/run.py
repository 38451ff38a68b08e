"""The console: browsers on the desk and the wall, and hundreds of tabs before one console.

    python -m benchmarks console              # five minutes; needs Chromium (YUETONE_CHROMIUM or PATH)
    python -m benchmarks console --parts tabs
    python -m benchmarks console --smoke

The calls are made up (benchmarks/console/feed.py) at the pace of real ones: 3 events a second each, and 200
calls on the wall that all change twice a second. ``wall`` and ``desk`` drive a real Chromium; of its main
thread its own time counts. A text is late from its making at the server to the frame in which it is painted.
``tabs`` opens 200 desks and 40 walls, and reads the console's processor time and memory. ``shift`` replays
eight hours of a call, a hundred times as fast, and reads how the memory of the page grows.
Writes benchmarks/results/console.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright
from websockets.asyncio.client import connect

from benchmarks.console.feed import feeding
from benchmarks.facts import RESULTS, environment, spread, write_result
from benchmarks.serving.processes import cpu_seconds, resident_mib

SEED = 23
CALLS, DESKS, WALLS = 200, 200, 40
PARTS = ("wall", "desk", "tabs", "shift")
SHIFT_HOURS, SHIFT_FASTER = 8, 100
_PAINTED = """
window.late = [];
window.seen = new Set();
new MutationObserver(() => requestAnimationFrame(() => {
  for (const node of document.querySelectorAll(".strip .tail, #log .line-said:last-child .text")) {
    const sent = Number(node.parentElement.textContent.split("@").pop());
    if (sent && !window.seen.has(sent)) { window.seen.add(sent); window.late.push(Date.now() - sent); }
  }
})).observe(document.querySelector("#columns"), {subtree: true, childList: true, characterData: true});
"""
_OVER = "(list => list.scrollHeight - list.clientHeight)(document.querySelector('#tiles'))"


@asynccontextmanager
async def console(server: int) -> AsyncIterator[tuple[str, int]]:
    """Run a console as people do; yield its address and process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = ("console", "--server", f"127.0.0.1:{server}", "--port", str(port))
    command = [str(Path(sys.executable).with_name("yuetone")), *own]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None  # noqa: S101
    await process.stdout.readline()
    try:
        await asyncio.sleep(1.0)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def page_of(address: str, size: tuple[int, int]) -> AsyncIterator[Page]:
    """Open a page in Chromium."""
    path = os.environ.get("YUETONE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("no Chromium: apt-get install chromium, or set YUETONE_CHROMIUM")
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": size[0], "height": size[1]})
        await page.goto(address)
        yield page
        await browser.close()


async def metrics(page: Page) -> Callable[[], Awaitable[dict[str, float]]]:
    """Return what reads the figures of a page's main thread, in its own processor time."""
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})

    async def read() -> dict[str, float]:
        found = await session.send("Performance.getMetrics")
        return {one["name"]: one["value"] for one in found["metrics"]}

    return read


async def wall(seconds: int) -> dict[str, Any]:
    """Look at a wall of 200 calls."""
    async with feeding(CALLS, SEED) as port, console(port) as (base, _pid):
        async with page_of(f"{base}/wall", (1920, 1080)) as page:
            await page.wait_for_selector(f"#tiles > li:nth-child({CALLS})")
            await asyncio.sleep(3)
            read = await metrics(page)
            before = await read()
            await asyncio.sleep(seconds)
            after = await read()
            over = await page.evaluate(
                "(list => list.scrollHeight - list.clientHeight)(document.querySelector('#tiles'))"
            )
        return {
            "calls": CALLS,
            "seconds": seconds,
            "main_thread_share": round((after["TaskDuration"] - before["TaskDuration"]) / seconds, 4),
            "nodes": int(after["Nodes"]),
            "heap_mb": round(after["JSHeapUsedSize"] / 1e6, 2),
            "pixels_that_do_not_fit": max(0, over),
        }


async def desk(seconds: int) -> dict[str, Any]:
    """Look at a desk with one call."""
    async with feeding(CALLS, SEED) as port, console(port) as (base, _pid):
        async with page_of(f"{base}/desk?call=call-1", (1366, 641)) as page:
            await page.wait_for_selector("#log .line-said")
            await page.evaluate(_PAINTED)
            await asyncio.sleep(seconds)
            late = await page.evaluate("window.late")
        return {"seconds": seconds, "made_until_painted": spread([ms / 1000 for ms in late])}


async def tabs(desks: int, walls: int, seconds: int) -> dict[str, Any]:
    """Open many tabs before one console."""
    async with feeding(CALLS, SEED) as port, console(port) as (base, pid):
        wanted = [{"calls": None, f"call:call-{number % CALLS}": None} for number in range(desks)]
        wanted += [{"calls": None, "alerts": None} for _ in range(walls)]
        taken = {"messages": 0, "bytes": 0}
        tasks = [asyncio.create_task(_tab(base, topics, taken)) for topics in wanted]
        await asyncio.sleep(10)
        before, started = cpu_seconds(pid), dict(taken)
        await asyncio.sleep(seconds)
        used = cpu_seconds(pid) - before
        broken = sum(task.done() for task in tasks)
        found = {
            "desks": desks,
            "walls": walls,
            "seconds": seconds,
            "cores": round(used / seconds, 3),
            "resident_mib": round(resident_mib(pid)),
            "messages_a_second": round((taken["messages"] - started["messages"]) / seconds),
            "kb_a_second": round((taken["bytes"] - started["bytes"]) / seconds / 1000),
            "broken": broken,
        }
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return found


async def _tab(base: str, topics: dict[str, None], taken: dict[str, int]) -> None:
    """Do what a page does: ask for topics, and acknowledge each message."""
    address = base.replace("http", "ws") + "/live"
    async with connect(address, origin=base, max_size=None, compression=None) as socket_:  # type: ignore[arg-type]
        await socket_.send(json.dumps({"open": topics}))
        async for message in socket_:
            taken["messages"] += 1
            taken["bytes"] += len(message)
            await socket_.send(json.dumps({"ack": json.loads(message)["n"]}))


async def shift(hours: float, faster: float) -> dict[str, Any]:
    """Leave a desk open for a working day's worth of one call."""
    seconds = hours * 3_600 / faster
    async with feeding(CALLS, SEED, faster) as port, console(port) as (base, _pid):
        async with page_of(f"{base}/desk?call=call-1", (1366, 641)) as page:
            await page.wait_for_selector("#log .line-said")
            read = await metrics(page)
            await page.context.new_cdp_session(page)
            heaps = []
            for _quarter in range(4):
                await asyncio.sleep(seconds / 4)
                session = await page.context.new_cdp_session(page)
                await session.send("HeapProfiler.collectGarbage")
                heaps.append(round((await read())["JSHeapUsedSize"] / 1e6, 2))
            lines = await page.evaluate("document.querySelectorAll('#log .line-said').length")
        return {"hours": hours, "faster": faster, "heap_mb_by_quarter": heaps, "lines": lines}


def main() -> None:
    """Run the parts that are asked for."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--smoke", action="store_true", help="small: whether it runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    small = chosen.smoke
    works: dict[str, Callable[[], Any]] = {
        "wall": lambda: wall(3 if small else 60),
        "desk": lambda: desk(5 if small else 60),
        "tabs": lambda: tabs(*((4, 2, 3) if small else (DESKS, WALLS, 30))),
        "shift": lambda: shift(0.1 if small else SHIFT_HOURS, SHIFT_FASTER),
    }
    path = chosen.out / "console.json"
    before = json.loads(path.read_text("utf-8")) if path.is_file() and not small else {}
    before.pop("command", None)
    result = {**before, "benchmark": "console", "environment": environment()}
    for name in chosen.parts:
        result[name] = asyncio.run(works[name]())
        print(json.dumps({name: result[name]}, indent=1), flush=True)
    write_result("console", result, chosen.out)


if __name__ == "__main__":
    main()
