"""SCAN over all nodes of a cluster with one cursor, as if it were one server."""

from __future__ import annotations

from typing import Any

from redis.asyncio.cluster import ClusterNode

from meterdeck.core.adapters.cluster_nodes import ClusterNodes

_NODES = 1 << 14  # there cannot be more: one slot each


async def scan_on(
    nodes: ClusterNodes, cursor: int | bytes | str, *options: Any
) -> tuple[int, list[bytes]]:
    """Return the next cursor and some keys; cursor 0 begins, and in a reply ends.

    The cursor says which node is asked, in the order of their slots, and where it
    stands there. A failover in between may hide keys until the next time around.
    """
    at, number = divmod(int(cursor), _NODES)
    masters = _masters(nodes)
    if number >= len(masters):  # there are fewer of them than before
        return 0, []
    cursors, keys = await nodes.cluster.execute_command(
        "SCAN", at, *options, target_nodes=[masters[number]]
    )
    at = next(iter(cursors.values()))
    if at == 0:
        number += 1
        if number == len(masters):
            return 0, keys
    return at * _NODES + number, keys


def _masters(nodes: ClusterNodes) -> list[ClusterNode]:
    # The library keeps one list for all slots of a range.
    ranges = {
        id(each): each for each in nodes.cluster.nodes_manager.slots_cache.values()
    }
    return list(dict.fromkeys(each[0] for each in ranges.values()))
