"""A client of a Redis Cluster, used like that of a single server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline, RedisCluster
from redis.exceptions import AskError, ClusterDownError, ConnectionError, TimeoutError

from meterdeck.core.adapters.cluster_lanes import ClusterLanes
from meterdeck.core.adapters.cluster_nodes import ClusterNodes
from meterdeck.core.adapters.cluster_scan import scan_on
from meterdeck.core.adapters.fair_pool import FairPool
from meterdeck.core.adapters.only_reading import writes
from meterdeck.core.adapters.redis_client import RoutedRedis, send_once
from meterdeck.core.adapters.redis_refusals import is_elsewhere
from meterdeck.core.errors import RedisRefused, RedisUnreachable, UnknownOutcome
from meterdeck.core.model.context import RedisOptions

_OF_ALL = ("DBSIZE", "KEYS")  # the library would ask one node only
_NO_ANSWER = (AskError, ClusterDownError, ConnectionError, TimeoutError)


def open_cluster(
    options: RedisOptions, connections: int, *, reads_only: bool = False
) -> RoutedRedis:
    """Return a client of all nodes; see `open_redis`."""
    return ClusterClient(options, connections, reads_only=reads_only)


class ClusterClient(RoutedRedis):
    """Sends each command where its key is; SCAN goes from node to node.

    Pipelines are no transactions: their commands go to several nodes at once. MGET
    and other commands with keys of different slots are refused.
    """

    def __init__(
        self, options: RedisOptions, connections: int, *, reads_only: bool = False
    ) -> None:
        # The library's class wants a pool; all connections are the nodes' own.
        self._gate = FairPool(max_connections=1, wait_s=1.0, reads_only=reads_only)
        super().__init__(connection_pool=self._gate)
        self._options = options
        self._connections = connections
        self._known: dict[asyncio.AbstractEventLoop, ClusterNodes] = {}
        self._lanes: dict[ClusterNodes, ClusterLanes] = {}

    @property
    def nodes(self) -> ClusterNodes:
        """What is known of the cluster in the running event loop."""
        loop = asyncio.get_running_loop()
        nodes = self._known.get(loop)
        if nodes is None:
            for ended in [each for each in self._known if each.is_closed()]:
                gone = self._known.pop(ended)
                self._lanes.pop(gone, None)
                gone.abandon()
            nodes = ClusterNodes(self._options, self._connections, like=self._gate)
            self._known[loop] = nodes
        return nodes

    @property
    def lanes(self) -> ClusterLanes:
        """What carries script calls to all nodes in the running event loop."""
        nodes = self.nodes
        lanes = self._lanes.get(nodes)
        if lanes is None:
            lanes = self._lanes[nodes] = ClusterLanes(nodes)
        return lanes

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command that only reads, or that does no harm when sent twice."""
        nodes = self.nodes
        self._refuse(args)
        if args[0] == "SCAN" and "target_nodes" not in options:
            return await nodes.run(lambda: scan_on(nodes, *args[1:]))
        if args[0] in _OF_ALL:
            options.setdefault("target_nodes", RedisCluster.PRIMARIES)
        return await nodes.run(lambda: nodes.cluster.execute_command(*args, **options))

    def pipeline(self, transaction: bool = False, shard_hint: Any = None) -> Pipeline:
        """Return a pipeline; it is no transaction.

        Raises:
            ValueError: `transaction` is asked for.
        """
        if transaction:
            raise ValueError("a cluster has no transaction over several tenants")
        pipeline = _ClusterPipeline(self.nodes, self._refuse)  # type: ignore[abstract]  # the library's
        return cast("Pipeline", pipeline)

    def _refuse(self, command: tuple[Any, ...]) -> None:
        refused = self._gate.refusal()
        if refused is not None and writes(command):
            raise refused

    async def pool_of(self, slot: int) -> FairPool:
        """Return the connections to the node that has a slot's keys."""
        return await self.nodes.pool_of(slot)

    async def execute_at(
        self, slot: int, command: bytes, *, what: str, operation_id: str
    ) -> object:
        """Send a packed write at most once to a node that does it.

        Raises:
            RedisUnreachable, UnknownOutcome, RedisRefused: As in `redis_errors`.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self.nodes.timeout_s
        while True:
            pool = await self.pool_of(slot)
            try:
                return await send_once(
                    pool, command, what=what, operation_id=operation_id
                )
            except RedisRefused as error:
                if not is_elsewhere(error) or loop.time() >= until:
                    raise
                await self.look_again(error)
            except (RedisUnreachable, UnknownOutcome):
                self.lost()
                raise

    async def look_again(self, error: RedisRefused) -> None:
        """Find out anew where the keys are."""
        await self.nodes.look()

    def lost(self) -> None:
        """Look at the cluster anew in the background."""
        self.nodes.lost()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close all connections; what is on its way is lost."""
        nodes = self._known.pop(asyncio.get_running_loop(), None)
        if nodes is None:
            return
        lanes = self._lanes.pop(nodes, None)
        if lanes is not None:
            await lanes.aclose()
        await nodes.aclose()


class _ClusterPipeline(ClusterPipeline):
    """The library's, that waits for its turn and hides no lost answer."""

    def __init__(
        self, nodes: ClusterNodes, refuse: Callable[[tuple[Any, ...]], None]
    ) -> None:
        super().__init__(nodes.cluster)
        self._nodes = nodes
        self._refuse = refuse

    async def __aenter__(self) -> _ClusterPipeline:
        return self  # nothing is sent before `execute`

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Note a command for `execute`."""
        self._refuse(args)
        return super().execute_command(*args, **options)

    def time(self, **_options: Any) -> Any:
        """Ask one node for its clock; the library does not allow it in pipelines."""
        return self.execute_command("TIME")

    async def execute(
        self, raise_on_error: bool = True, allow_redirections: bool = True
    ) -> list[Any]:
        """Send all commands; return their replies in order."""
        return await self._nodes.run(
            lambda: self._execute(raise_on_error, allow_redirections)
        )

    async def _execute(self, raise_on_error: bool, redirect: bool) -> list[Any]:
        replies: list[Any] = await super().execute(raise_on_error, redirect)
        for reply in replies:
            if isinstance(reply, _NO_ANSWER):
                raise reply
        return replies
