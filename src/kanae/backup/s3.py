"""Backups in S3-compatible object storage."""

from __future__ import annotations

import asyncio
import configparser
import hashlib
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from kanae import paths
from kanae.artifacts import atomic
from kanae.backup import name as names
from kanae.backup.name import BackupName
from kanae.backup.target import Kept
from kanae.errors import BackupBroken, BackupError, NoBackup, UsageError
from kanae.spec.backup import ObjectStorage
from kanae.spec.places import Bucket

if TYPE_CHECKING:
    from minio import Minio

T = TypeVar("T")
# S3 takes at most 10,000 parts of an object: 640 GB.
_PART: Final = 64 << 20
_CHUNK: Final = 1 << 20
# Seconds to connect, and without a byte.
_CONNECT, _IDLE = 10.0, 60.0
_NAMED: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True, slots=True)
class Credentials:
    key: str
    secret: str = field(repr=False)
    session: str | None = field(default=None, repr=False)


def credentials(environment: Mapping[str, str]) -> Credentials:
    """From the variables that all programs for S3 know, else from their file. UsageError when
    there are none, or when others than the file's owner may read it."""
    given = [environment.get(name, "") for name in _NAMED]
    if all(given):
        return Credentials(given[0], given[1], environment.get("AWS_SESSION_TOKEN") or None)
    named = environment.get("AWS_SHARED_CREDENTIALS_FILE", "")
    file = Path(named) if named else paths.home() / ".aws" / "credentials"
    profile = environment.get("AWS_PROFILE") or "default"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with file.open(encoding="utf-8") as stream:
            if os.fstat(stream.fileno()).st_mode & 0o077:
                raise UsageError(f"{file}: others may read it", remedy=f"chmod 600 {file}")
            parser.read_file(stream)
        section = parser[profile]
        return Credentials(
            section["aws_access_key_id"],
            section["aws_secret_access_key"],
            section.get("aws_session_token"),
        )
    except FileNotFoundError:
        why = f"{' and '.join(_NAMED)} are not set, and there is no {file}"
    except OSError as error:
        why = f"{file} cannot be read: {error.strerror}"
    except (configparser.Error, KeyError, UnicodeDecodeError):
        why = f"{file} has no key and secret in its section {profile!r}"
    raise UsageError(
        f"no credentials for object storage: {why}",
        remedy="set both variables, or write them into that file, mode 0600",
    )


class BucketTarget:
    """A `kanae.backup.target.Target`. An object appears when all of it has arrived."""

    def __init__(
        self, bucket: Bucket, server: ObjectStorage, credentials: Credentials, staging: Path
    ) -> None:
        prefix = f"{bucket.prefix}/" if bucket.prefix else ""
        self.where = f"s3://{bucket.name}/{bucket.prefix}".rstrip("/")
        self.staging = staging
        self._bucket, self._prefix, self._server = bucket.name, prefix, server
        self._credentials = credentials

    def _key(self, name: BackupName) -> str:
        return f"{self._prefix}{name}"

    async def kept(self) -> list[Kept]:
        return await self._call("list backups", self._kept)

    def _kept(self, client: Minio) -> list[Kept]:
        found: list[Kept] = []
        for each in client.list_objects(self._bucket, prefix=self._prefix or None):
            name = names.parse((each.object_name or "").removeprefix(self._prefix))
            if name is not None:
                found.append(Kept(name, each.size or 0))
        return found

    async def put(self, file: Path, name: BackupName, sha256: str) -> None:
        def put(client: Minio) -> str:
            with file.open("rb") as stream:
                client.put_object(
                    self._bucket, self._key(name), stream, file.stat().st_size, part_size=_PART
                )
            return self._digest(client, name)

        if await self._call(f"put {name}", put) != sha256:
            raise BackupBroken(
                f"{self.where}: {name} does not read back as it was sent",
                remedy="see the server; then make the backup again",
            )
        await asyncio.to_thread(file.unlink)

    def _digest(self, client: Minio, name: BackupName) -> str:
        digest = hashlib.sha256()
        for chunk in self._chunks(client, name):
            digest.update(chunk)
        return digest.hexdigest()

    def _chunks(self, client: Minio, name: BackupName) -> Generator[bytes, None, None]:
        answer = client.get_object(self._bucket, self._key(name))
        try:
            yield from answer.stream(_CHUNK)
        finally:
            answer.close()
            answer.release_conn()

    @asynccontextmanager
    async def local(self, name: BackupName) -> AsyncGenerator[Path, None]:
        copy = self.staging / f".fetched-{secrets.token_hex(4)}-{name}"

        def fetch(client: Minio) -> None:
            with atomic.written(copy, 0o600) as out:
                for chunk in self._chunks(client, name):
                    out.write(chunk)

        try:
            await self._call(f"get {name}", fetch)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    async def remove(self, name: BackupName) -> None:
        await self._call(
            f"remove {name}", lambda client: client.remove_object(self._bucket, self._key(name))
        )

    async def _call(self, what: str, call: Callable[[Minio], T]) -> T:
        def told() -> T:
            with self._errors(what), self._client() as client:
                return call(client)

        return await asyncio.to_thread(told)

    @contextmanager
    def _client(self) -> Generator[Minio, None, None]:
        import urllib3
        from minio import Minio

        parts = urlsplit(self._server.endpoint)
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT, read=_IDLE),
            retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503]),
            # The machine's own authorities, unless a variable names others.
            cert_reqs="CERT_REQUIRED",
            ca_certs=os.environ.get("SSL_CERT_FILE"),
        )
        with pool:
            yield Minio(
                parts.netloc,
                access_key=self._credentials.key,
                secret_key=self._credentials.secret,
                session_token=self._credentials.session,
                secure=parts.scheme == "https",
                region=self._server.region,
                http_client=pool,
            )

    @contextmanager
    def _errors(self, what: str) -> Generator[None, None, None]:
        import urllib3
        from minio.error import MinioException, S3Error

        try:
            yield
        except S3Error as error:
            if error.code in ("NoSuchKey", "NoSuchBucket"):
                raise NoBackup(
                    f"{self.where}: cannot {what}: there is no such "
                    f"{'bucket' if error.code == 'NoSuchBucket' else 'object'}",
                    remedy="make the bucket" if error.code == "NoSuchBucket" else "",
                ) from None
            raise self._failed(what, f"{error.code}: {error.message}") from None
        except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._failed(what, str(error)) from None
        except OSError as error:
            raise self._failed(what, error.strerror or str(error)) from None

    def _failed(self, what: str, why: str) -> BackupError:
        return BackupError(
            f"{self._server.endpoint}, {self.where}: cannot {what}: {why}",
            remedy="see backup.s3 in the spec, the credentials and what they may do",
        )
