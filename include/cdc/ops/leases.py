"""Leases, desired states and launches: who writes, and who should."""

from __future__ import annotations

from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.rows import DictRow

from cdc.errors import ConflictError, FencedError
from cdc.model.desired import Desired
from cdc.model.lease import Acquire, Fenced, Lease, Renew, Wait, decide
from cdc.ops.base import OpsDatabase
from cdc.ops.records import Launch


class LeaseStore(OpsDatabase):
    """Leases by query, decided by `cdc.model.lease` under a row lock and by this server's clock."""

    def acquire_lease(self, query: str, owner: str, ttl_s: float, *, previous_ended: bool = False) -> Lease:
        """Take the lease, or keep it.

        Args:
            query: what is written as.
            owner: who asks, such as YARN's application id and attempt.
            ttl_s: seconds it lasts without a renewal.
            previous_ended: whoever held it is known to have ended.

        Raises:
            ConflictError: another holds it; says who and until when.
        """
        with self.transaction() as connection:
            # Two first owners at once would both see no row.
            connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (query,))
            current, now = _stored(connection, query)
            match decide(current, owner, now, timedelta(seconds=ttl_s), previous_ended):
                case Acquire(epoch, expires_at) | Renew(epoch, expires_at):
                    _write(connection, query, epoch, owner, expires_at)
                    return Lease(query, epoch, owner, expires_at)
                case Wait(until, holder):
                    raise ConflictError(
                        f"query {query} is held by {holder} until {until:%H:%M:%S} UTC, asked for by "
                        f"{owner}: "
                        "wait until it has ended, or stop it with `cdc stream stop`"
                    )
                case Fenced():
                    raise _fenced(query, owner, current)

    def renew_lease(self, lease: Lease, ttl_s: float) -> Lease:
        """Keep the lease.

        Raises:
            FencedError: a newer owner has it.
        """
        with self.transaction() as connection:
            current, now = _stored(connection, lease.query)
            match decide(current, lease.owner, now, timedelta(seconds=ttl_s), held_epoch=lease.epoch):
                case Renew(epoch, expires_at):
                    _write(connection, lease.query, epoch, lease.owner, expires_at)
                    return Lease(lease.query, epoch, lease.owner, expires_at)
                case _:
                    raise _fenced(lease.query, lease.owner, current)

    def release_lease(self, lease: Lease) -> None:
        """Give it back; the epoch stays, so that the next one is higher. Nothing happens when it was lost."""
        self.rows(
            "UPDATE cdc_ops.leases SET expires_at = now() WHERE query = %s AND epoch = %s AND owner = %s",
            (lease.query, lease.epoch, lease.owner),
        )

    def lease(self, query: str) -> Lease | None:
        """The lease as it is stored, expired or not."""
        row = self.one(
            "SELECT query, epoch, owner, expires_at FROM cdc_ops.leases WHERE query = %s", (query,)
        )
        return Lease(**row) if row else None

    def request_stop(self, pipeline: str, stream: str) -> None:
        """Ask the stream's driver to end after the batch it is in."""
        self._desire(pipeline, stream, Desired.STOPPED)

    def request_pause(self, pipeline: str, stream: str) -> None:
        """The same, and say that it is meant: nothing but a resume starts the stream again."""
        self._desire(pipeline, stream, Desired.PAUSED)

    def request_drain(self, pipeline: str, stream: str) -> None:
        """Ask the driver to end so that another one can start; the schedule starts it, should nobody else."""
        self._desire(pipeline, stream, Desired.RESTARTING)

    def request_run(self, pipeline: str, stream: str) -> None:
        """Take every such request back."""
        self._desire(pipeline, stream, Desired.RUNNING)

    def desired_state(self, pipeline: str, stream: str) -> Desired:
        """What is wanted of the stream."""
        launch = self.launch(pipeline, stream)
        return Desired(launch.desired) if launch else Desired.RUNNING

    def record_launch(self, pipeline: str, stream: str, application_id: str, spec_hash: str) -> None:
        """Remember the application that carries the stream."""
        self.rows(
            "INSERT INTO cdc_ops.streams AS known (pipeline, stream, application_id, spec_hash, launched_at, "
            "waiting_since) VALUES (%(pipeline)s, %(stream)s, %(application)s, %(hash)s, now(), now()) "
            "ON CONFLICT (pipeline, stream) DO UPDATE SET application_id = excluded.application_id, "
            "spec_hash = excluded.spec_hash, launched_at = now(), failure = NULL, failed_at = NULL, "
            # A driver that gives up is launched again and again, which is no beginning.
            "waiting_since = CASE WHEN known.waiting_since < known.desired_at OR EXISTS (SELECT 1 "
            "FROM cdc_ops.queries q WHERE starts_with(q.query, %(queries)s) "
            "AND q.touched_at > known.waiting_since) THEN now() "
            "ELSE coalesce(known.waiting_since, now()) END",
            {
                "pipeline": pipeline,
                "stream": stream,
                "application": application_id,
                "hash": spec_hash,
                "queries": f"{pipeline}.{stream}.",
            },
        )

    def record_failure(self, pipeline: str, stream: str, failure: str) -> None:
        """Remember why the stream's driver ended; the next launch forgets it."""
        self.rows(
            "INSERT INTO cdc_ops.streams (pipeline, stream, failure, failed_at) VALUES (%s, %s, %s, now()) "
            "ON CONFLICT (pipeline, stream) DO UPDATE SET failure = excluded.failure, failed_at = now()",
            (pipeline, stream, failure),
        )

    def launch(self, pipeline: str, stream: str) -> Launch | None:
        """The last launch, and what is wanted of the stream; None for a stream nobody asked about yet."""
        where = "SELECT * FROM cdc_ops.streams WHERE pipeline = %s AND stream = %s"
        row = self.one(where, (pipeline, stream))
        return Launch(**row) if row else None

    def live_leases(self) -> list[Lease]:
        """The leases that have not expired."""
        rows = self.rows(
            "SELECT query, epoch, owner, expires_at FROM cdc_ops.leases "
            "WHERE expires_at > clock_timestamp() ORDER BY query"
        )
        return [Lease(**row) for row in rows]

    def all_launches(self) -> list[Launch]:
        """Every stream's last launch, of all pipelines that share this store."""
        return [Launch(**row) for row in self.rows("SELECT * FROM cdc_ops.streams ORDER BY pipeline, stream")]

    def _desire(self, pipeline: str, stream: str, state: Desired) -> None:
        self.rows(
            "INSERT INTO cdc_ops.streams AS known (pipeline, stream, desired) VALUES (%s, %s, %s) "
            "ON CONFLICT (pipeline, stream) DO UPDATE SET desired = excluded.desired, desired_at = CASE "
            "WHEN known.desired = excluded.desired THEN known.desired_at ELSE now() END",
            (pipeline, stream, state.value),
        )


def _stored(connection: Connection[DictRow], query: str) -> tuple[Lease | None, datetime]:
    statement = "SELECT query, epoch, owner, expires_at FROM cdc_ops.leases WHERE query = %s FOR UPDATE"
    row = connection.execute(statement, (query,)).fetchone()
    # Not now(), which is when the transaction began, before it waited for the row.
    clock = connection.execute("SELECT clock_timestamp() AS now").fetchone()
    if clock is None:
        raise AssertionError("SELECT clock_timestamp() returned no row")
    return (Lease(**row) if row else None), clock["now"]


def _write(connection: Connection[DictRow], query: str, epoch: int, owner: str, expires_at: datetime) -> None:
    connection.execute(
        "INSERT INTO cdc_ops.leases (query, epoch, owner, expires_at) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (query) DO UPDATE SET epoch = excluded.epoch, owner = excluded.owner, "
        "expires_at = excluded.expires_at, acquired_at = CASE WHEN leases.epoch = excluded.epoch "
        "THEN leases.acquired_at ELSE now() END",
        (query, epoch, owner, expires_at),
    )


def _fenced(query: str, owner: str, current: Lease | None) -> FencedError:
    newer = f"{current.owner} (epoch {current.epoch})" if current else "nobody: the lease was removed"
    return FencedError(
        f"query {query}: {owner} has lost its lease to {newer}; it must end without writing more"
    )
