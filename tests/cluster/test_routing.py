"""Which node a gateway asks."""

from __future__ import annotations

from typing import Any

from pipeline.cluster.rows import NodeRow
from pipeline.rpc.routing import SILENT_S, NodeRouter


class Rows:
    """The nodes as a database tells them."""

    def __init__(self, *rows: NodeRow) -> None:
        self.rows = list(rows)

    def nodes(self) -> list[NodeRow]:
        return self.rows


def row(name: str, *, live: int = 0, draining: bool = False, silent_s: float = 0.1) -> NodeRow:
    address = f"127.0.0.1:{5_000 + len(name)}"
    return NodeRow(name=name, address=address, silent_s=silent_s, live=live, room=10, draining=draining)


async def chosen(how: str, *rows: NodeRow) -> set[str]:
    rows_: Any = Rows(*rows)
    router = NodeRouter(rows_, None, 10.0)
    await router.look()
    found = {node.name for _turn in range(40) if (node := getattr(router, how)()) is not None}
    await router.close()
    return found


async def test_a_node_that_leaves_is_asked_only_where_no_other_is() -> None:
    """Its health says NOT_SERVING: another machine whose gateway asks it would seem ill."""
    assert await chosen("any", row("a", draining=True), row("bb"), row("ccc")) == {"bb", "ccc"}
    assert await chosen("any", row("a", draining=True)) == {"a"}


async def test_a_node_that_is_silent_is_not_asked() -> None:
    assert await chosen("any", row("a", silent_s=SILENT_S + 1), row("bb")) == {"bb"}
    assert await chosen("any", row("a", silent_s=SILENT_S + 1)) == set()
    assert await chosen("for_new", row("a", silent_s=SILENT_S + 1), row("bb")) == {"bb"}


async def test_new_calls_go_to_the_freer_one() -> None:
    assert await chosen("for_new", row("a", live=10), row("bb", draining=True)) == {"a"}
    busy = await chosen("for_new", row("a", live=100), row("bb"))
    assert busy == {"bb"}
