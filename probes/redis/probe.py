"""The `redis` probe."""

import secrets
import ssl
from collections.abc import Mapping
from typing import ClassVar

from config.net.tls import TlsFileError, client_context
from probes.base import Attempt, Kind, Measurement, ProbeContext, ProbeFailed, Reading, ReadingSpec
from probes.reason import Reason
from probes.redis import reasons
from probes.redis.connection import Answer, Connection, Overrun, ProtocolError, ServerError
from probes.redis.info import Info
from probes.redis.options import RedisOptions, WriteCheck
from probes.steady import SteadyProbe
from probes.stopwatch import Stopwatch


class RedisProbe(SteadyProbe[RedisOptions, Connection]):
    """PING, on request a key written and read back, the server's role, and how full it is.

    Where another replica reads the latter, it asks for the role only where one is wanted, and nothing of the rest.
    Keeps one connection and holds a second one only during a fresh attempt. The user needs to be allowed `PING` and
    `INFO`; without `INFO` the readings are missing, and the attempt is a warning.
    """

    options_type = RedisOptions
    expected = (OSError, TimeoutError, ssl.SSLError, EOFError, ServerError, ProtocolError, Overrun)
    readings: ClassVar[Mapping[str, ReadingSpec]] = {
        "ping": ReadingSpec("round trip of PING", "seconds"),
        "memory_used": ReadingSpec(
            "used memory as a share of maxmemory, or of the machine's where none is set", "ratio", of_target=True
        ),
        "used_memory": ReadingSpec("memory that the server's allocator has given out", "bytes", of_target=True),
        "connected_clients": ReadingSpec("connected clients, this probe included", of_target=True),
        "connected_clients_used": ReadingSpec("connected clients as a share of maxclients", "ratio", of_target=True),
        "evicted_keys": ReadingSpec("keys evicted because maxmemory was reached", kind=Kind.COUNTER, of_target=True),
        "rejected_connections": ReadingSpec(
            "connections refused because maxclients was reached", kind=Kind.COUNTER, of_target=True
        ),
        "master_last_io": ReadingSpec("time since a replica last heard from its master", "seconds", of_target=True),
    }
    facts = ("version", "role")

    def __init__(self, options: RedisOptions, context: ProbeContext) -> None:
        super().__init__(options, context)
        self._place = options.place()
        chosen = options.write_check if isinstance(options.write_check, WriteCheck) else WriteCheck()
        self._key = chosen.key or f"outrider:write-check:{context.service}:{secrets.token_hex(4)}"
        self._ttl = str(max(1, round(chosen.ttl)))

    @classmethod
    def target(cls, options: RedisOptions) -> str:
        """`host:port/database`, or the socket's path."""
        place = options.place()
        return place.path or f"{place.host}:{place.port}/{place.database}"

    def classify(self, error: Exception) -> tuple[Reason, str] | None:
        """Redis' error codes, and what is not Redis' protocol."""
        return reasons.of_client(error)

    async def connect(self, watch: Stopwatch) -> Connection:
        """A connection named for the service (without spaces, which CLIENT SETNAME refuses)."""
        name = "-".join(f"outrider:{self.context.service}".split())
        try:
            context = client_context(self.options.tls) if self._place.secure else None
        except TlsFileError as error:
            raise ProbeFailed(Reason.CONFIG, str(error), phase="tls") from error
        server = self.options.tls.server_name
        return await Connection.open(self._place, context, server, name, watch, self.context.family)

    async def look(self, link: Connection, watch: Stopwatch, attempt: Attempt) -> Measurement:
        """PING, the write check if it is wanted, then INFO, or its part on the role, or not even that."""
        watch.enter("ping")
        (pong,) = await link.ask(("PING",))
        seconds = watch.stop()
        concern = self._pong(pong)
        if self.options.write_check:
            watch.enter("write_check")
            await self._write(link)
        if not attempt.readings and self.options.role == "any":
            return self._bare(concern, watch, seconds)
        watch.enter("info")
        (answer,) = await link.ask(("INFO",) if attempt.readings else ("INFO", "replication"))
        watch.stop()
        if not isinstance(answer, str):
            return self._blind(answer, concern, watch, seconds)
        info = Info.parse(answer)
        if attempt.readings:
            found = self._judged(info, concern, watch, seconds)
        else:
            found = self._bare(concern, watch, seconds, role=info.role)
        return self._in_role(info, found)

    def _pong(self, pong: Answer) -> str:
        """What is wrong although the server answers; raises where it does not answer a PING as it should."""
        if isinstance(pong, ServerError):
            # It still answers reads; whoever needs writes asks for the write check.
            if reasons.of_server(pong)[0] is Reason.WRITES_REFUSED:
                return str(pong)
            raise pong
        if pong != "PONG":
            raise ProtocolError("PING is not answered with PONG")
        return ""

    async def _write(self, link: Connection) -> None:
        value = secrets.token_hex(8)
        written, read = await link.ask(("SET", self._key, value, "EX", self._ttl), ("GET", self._key))
        for answer in (written, read):
            if isinstance(answer, ServerError):
                reason, said = reasons.of_server(answer)
                raise ProbeFailed(reason, f"the write check: {said}", phase="write_check")
        if read != value:
            raise ProbeFailed(Reason.ASSERTION, "the write check: the key read back is another", phase="write_check")

    def _blind(self, answer: Answer, concern: str, watch: Stopwatch, seconds: float) -> Measurement:
        """The server answers, but will not say how it is."""
        said = f"INFO: {reasons.of_server(answer)[1]}" if isinstance(answer, ServerError) else "INFO: not a text"
        found = Measurement(
            readings=(self.reading("ping", seconds), self.reading("memory_used", None)),
            phases=watch.seconds,
            concerns=(Reason.WRITES_REFUSED, Reason.UNREADABLE) if concern else (Reason.UNREADABLE,),
            detail=concern or said,
        )
        if self.options.role != "any":
            reason = reasons.of_server(answer)[0] if isinstance(answer, ServerError) else Reason.PROTOCOL
            raise ProbeFailed(reason, f"the role cannot be told: {said}", phase="info", measurement=found)
        return found

    def _bare(self, concern: str, watch: Stopwatch, seconds: float, role: str = "") -> Measurement:
        """Nothing but what this replica alone can tell."""
        return Measurement(
            readings=(self.reading("ping", seconds),),
            phases=watch.seconds,
            facts={"role": role} if role else {},
            concerns=(Reason.WRITES_REFUSED,) if concern else (),
            detail=concern,
        )

    def _judged(self, info: Info, concern: str, watch: Stopwatch, seconds: float) -> Measurement:
        concerns = {
            Reason.WRITES_REFUSED: concern or ("" if info.saves else "the append-only file cannot be written"),
            Reason.LINK_DOWN: "" if info.linked else "the replica hears nothing from its master",
        }
        return Measurement(
            readings=self._readings(info, seconds),
            phases=watch.seconds,
            facts={"version": info.version, "role": info.role},
            concerns=tuple(reason for reason, said in concerns.items() if said),
            detail="; ".join(filter(None, concerns.values())),
        )

    def _in_role(self, info: Info, found: Measurement) -> Measurement:
        """What was found, if the server is in the role that the service needs."""
        if self.options.role not in ("any", info.role):
            said = f"a {self.options.role} is wanted, this is a {info.role or 'server that does not tell its role'}"
            raise ProbeFailed(Reason.WRONG_ROLE, said, phase="info", measurement=found)
        return found

    def _readings(self, info: Info, seconds: float) -> tuple[Reading, ...]:
        values = {
            "ping": seconds,
            "memory_used": info.memory_used,
            "connected_clients_used": info.clients_used,
            **{name: info.number(name) for name in _PLAIN_FIELDS},
        }
        readings = [self.reading(name, value) for name, value in values.items() if value is not None]
        if info.role == "replica":
            silence = info.number("master_last_io_seconds_ago") if info.linked else None
            readings.append(self.reading("master_last_io", silence))
        return tuple(readings)


#: Readings that are fields of INFO under the same name.
_PLAIN_FIELDS = ("used_memory", "connected_clients", "evicted_keys", "rejected_connections")
