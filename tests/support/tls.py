"""Servers behind TLS, with certificates made for one test."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import trustme
from cryptography.hazmat.primitives import serialization


@dataclass(frozen=True)
class Authority:
    """Signs certificates; `file` has its own, for those who trust it."""

    authority: trustme.CA
    file: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "Authority":
        """Make one."""
        found = cls(trustme.CA(), folder / "authority.pem")
        found.authority.cert_pem.write_to_path(str(found.file))
        return found

    def server(
        self, name: str = "127.0.0.1", *, clients: bool = False
    ) -> ssl.SSLContext:
        """Return what a server of that name shows, and asks of its clients."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(context)
        if clients:
            self.authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, folder: Path, password: str) -> tuple[Path, Path]:
        """Write a client's certificate, and its key locked with a password."""
        issued = self.authority.issue_cert("client")
        pem = issued.private_key_pem.bytes()
        key = serialization.load_pem_private_key(pem, None)
        locked = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode()),
        )
        certificate, kept = folder / "client.pem", folder / "client.key"
        certificate.write_bytes(issued.cert_chain_pems[0].bytes())
        kept.write_bytes(locked)
        return certificate, kept


@asynccontextmanager
async def before(url: str, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """Take connections with TLS and pass them on to `url`; yield the port."""
    target = urlsplit(url)
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                to.write(data)
                await to.drain()
        except OSError:
            return
        finally:
            to.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = await asyncio.open_connection(target.hostname, target.port)
        for work in (carry(reader, inner[1]), carry(inner[0], writer)):
            task = asyncio.create_task(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
