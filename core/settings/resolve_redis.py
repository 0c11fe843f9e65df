"""Make resolved `RedisOptions` of one context's validated settings."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from meterdeck.core.errors import ConfigError
from meterdeck.core.model.context import (
    ClusterOptions,
    RedisOptions,
    Secret,
    SentinelOptions,
)
from meterdeck.core.model.keys import KeyLayout
from meterdeck.core.settings.endpoints import RedisAddress, host_port, redis_address
from meterdeck.core.settings.layers import Path_
from meterdeck.core.settings.problems import Origins
from meterdeck.core.settings.schema import RedisSettings
from meterdeck.core.settings.secrets import Vault, secret_where
from meterdeck.core.settings.url_files import with_files_found

_SENTINEL_PORT = 26379
_REDIS_PORT = 6379


def resolve_redis(
    context: str, found: RedisSettings, origins: Origins, vault: Vault
) -> RedisOptions:
    """Resolve [contexts.NAME.redis]; its secrets are fetched.

    Raises:
        ConfigError: Settings do not fit together, or a secret is missing.
    """
    return _Redis(("contexts", context, "redis"), found, origins, vault).options()


@dataclass(frozen=True, slots=True)
class _Redis:
    path: Path_
    found: RedisSettings
    origins: Origins
    vault: Vault

    def options(self) -> RedisOptions:
        found = self.found
        sentinel = self._sentinel()
        address = redis_address(
            found.url, self._where("url"), hostless=sentinel is not None
        )
        layout = self._layout()
        cluster = self._cluster(address)
        self._check_tls(address)
        password, tls_key = self._password(address), self._secret("tls_key_password")
        url = with_files_found(address.url, self._where("url"), self.vault.path)
        try:
            return RedisOptions(
                url=url,
                username=found.username or address.username,
                password=password,
                timeout_s=found.timeout_seconds,
                layout=layout,
                retention_days=found.retention_days,
                sentinel=sentinel,
                cluster=cluster,
                tls_verify=found.tls_verify,
                tls_key_password=tls_key,
            )
        except ConfigError as error:
            raise self._placed(error) from None

    def _sentinel(self) -> SentinelOptions | None:
        found = self.found
        if not found.sentinels:
            for name in ("master_name", "sentinel_username", "sentinel_password"):
                if getattr(found, name):
                    problem = "is of no use without sentinels"
                    fix = 'name them: sentinels = ["host:26379"]'
                    raise ConfigError(self._where(name), problem, fix)
            return None
        if found.cluster:
            problem = "a Redis Cluster has no Sentinels"
            fix = "leave out sentinels, or cluster = true"
            raise ConfigError(self._where("sentinels"), problem, fix)
        if not found.master_name:
            problem = "is missing, and the Sentinels may watch several masters"
            fix = 'write what they call yours, like master_name = "mymaster"'
            raise ConfigError(self._where("master_name"), problem, fix)
        where = self._where("sentinels")
        return SentinelOptions(
            tuple(host_port(text, where, _SENTINEL_PORT) for text in found.sentinels),
            found.master_name,
            found.sentinel_username,
            self._secret("sentinel_password"),
        )

    def _cluster(self, address: RedisAddress) -> ClusterOptions | None:
        where = self._where("cluster_nodes")
        nodes = tuple(
            host_port(text, where, _REDIS_PORT) for text in self.found.cluster_nodes
        )
        if not self.found.cluster:
            if nodes:
                problem = "is of no use where Redis is no cluster"
                raise ConfigError(where, problem, "set cluster = true")
            return None
        parts = urlsplit(address.url)
        if parts.scheme == "unix":
            problem = "is a socket, and the nodes of a cluster are reached by TCP"
            raise ConfigError(self._where("url"), problem, "write redis://host:port")
        if parts.path.strip("/0"):
            problem = "names a database, and a cluster has only number 0"
            raise ConfigError(self._where("url"), problem, "leave it out")
        return ClusterOptions(nodes)

    def _check_tls(self, address: RedisAddress) -> None:
        parts, found = urlsplit(address.url), self.found
        if not found.tls_verify and parts.scheme != "rediss":
            problem = "is false, and the url has no certificate to verify"
            raise ConfigError(
                self._where("tls_verify"), problem, "write rediss://, or leave it out"
            )
        if found.tls_key_password is None:
            return
        where = self._where("tls_key_password")
        if not any(name == "ssl_keyfile" for name, _ in parse_qsl(parts.query)):
            problem = "opens no key: the url names none"
            raise ConfigError(where, problem, "add ?ssl_certfile=FILE&ssl_keyfile=FILE")

    def _password(self, address: RedisAddress) -> Secret | None:
        if address.password is None:
            return self._secret("password")
        self.vault.allow_plain(self._where("url"))
        if self.found.password is not None:
            where = secret_where(self.origins, (*self.path, "password"))
            raise ConfigError(where, "the URL holds a password already", "keep one")
        return address.password

    def _secret(self, name: str) -> Secret | None:
        source = getattr(self.found, name)
        if source is None:
            return None
        where = secret_where(self.origins, (*self.path, name))
        return self.vault.fetch(source, where)

    def _layout(self) -> KeyLayout:
        found = self.found
        try:
            return KeyLayout(found.key_template, found.prefix, found.tagged)
        except ConfigError as error:
            raise self._placed(error) from None

    def _placed(self, error: ConfigError) -> ConfigError:
        """Say in which file the setting stands that the model complains about."""
        where = self._where(error.where.removeprefix("redis."))
        return ConfigError(where, error.problem, error.fix)

    def _where(self, name: str) -> str:
        return self.origins.where((*self.path, name))
