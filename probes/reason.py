"""Why an attempt ended as it did: a closed list, so that it can be a metric label."""

from enum import StrEnum


class Reason(StrEnum):
    """One attempt has one reason. Text from outside never becomes one; the list grows only here."""

    OK = "ok"
    DNS_NXDOMAIN = "dns_nxdomain"
    DNS_SERVFAIL = "dns_servfail"
    DNS_TIMEOUT = "dns_timeout"
    DNS_OTHER = "dns_other"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_UNREACHABLE = "connect_unreachable"
    CONNECTION_RESET = "connection_reset"
    TLS_EXPIRED = "tls_expired"
    TLS_NOT_YET_VALID = "tls_not_yet_valid"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_NAME_MISMATCH = "tls_name_mismatch"
    TLS_HANDSHAKE = "tls_handshake"
    AUTH = "auth"
    PROTOCOL = "protocol"
    STATUS = "status"
    ASSERTION = "assertion"
    BODY_TOO_LARGE = "body_too_large"
    READ_TIMEOUT = "read_timeout"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    STARTING_UP = "starting_up"
    STOPPING = "stopping"
    READ_ONLY = "read_only"
    LOADING = "loading"
    WRONG_ROLE = "wrong_role"
    LINK_DOWN = "link_down"
    WRITES_REFUSED = "writes_refused"
    THROTTLED = "throttled"
    NOT_FOUND = "not_found"
    THRESHOLD = "threshold"
    OVERDUE = "overdue"
    REPORTED = "reported"
    UNREADABLE = "unreadable"
    QUERY = "query"
    STALE_CONNECTION = "stale_connection"
    WAITING = "waiting"  # there is nothing to judge yet: the attempt is skipped
    INCONCLUSIVE = "inconclusive"
    CONFIG = "config"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


#: Reasons that say "it did not answer in time": the only ones a stalled agent may have caused itself.
TIMEOUTS = frozenset({Reason.DNS_TIMEOUT, Reason.CONNECT_TIMEOUT, Reason.READ_TIMEOUT})
