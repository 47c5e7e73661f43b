"""Pure: the structure of one body on its way. Spans go out, resources are completed, what becomes empty goes too."""

from bisect import bisect_left
from collections.abc import Collection, Generator, Sequence
from typing import Any, NamedTuple

from agent.relay.enrich import Completer
from agent.relay.sampling import Sampler
from agent.relay.thin import RESOURCES, SCOPE, SPAN, SPANS, Node
from agent.relay.wire import header

_TURN = 500  # messages between two turns of the loop: half a millisecond
_FREE_BYTES = 64 * 1024  # that any body may grow by
_RESOURCE, _TRACE_STATE = 0x0A, 0x1A  # tags


class _Count(NamedTuple):
    """Messages inside another one: how many stay in it, and how many were left out."""

    stay: int = 0
    out: int = 0

    @property
    def empty(self) -> bool:
        """Whether it became so: what was empty before is none of our business."""
        return bool(self.out) and not self.stay

    def also(self, more: "_Count") -> "_Count":
        return _Count(self.stay + more.stay, self.out + more.out)


class Trim:
    """The editor (see rewrite.py) of one body. `invalid` are ordinals of spans to leave out.

    Afterwards `left` spans remain, and `sampled` were left out by the sampler.
    """

    def __init__(
        self, size: int, invalid: Collection[int], sampler: Sampler | None, completer: Completer | None
    ) -> None:
        self.left = self.sampled = 0
        self.root = SPANS if invalid or sampler else RESOURCES
        self._invalid = sorted(invalid)
        self._sampler = sampler
        self._completer = completer
        self._seen = 0  # spans
        self._room = size + _FREE_BYTES  # a million empty groups must not get a million resources
        # Of the messages that are open now:
        self._group = self._scope = _Count()
        self._resource: list[bytes] = []
        self._trace_id = self._trace_state = b""

    def piece(self, node: Node, body: bytes, first: bool) -> Generator[None, None, bytes]:
        """A run of fields of a request, a group, a scope or a span."""
        if node.kind is None:
            return body
        message = node.kind.FromString(body)
        if node is self.root:
            yield from self._groups(message.groups)
        elif node is SPAN:
            self._part(message, first)
        elif node is SCOPE:
            self._scope = (_Count() if first else self._scope).also(self._spans(message.spans))
        else:
            yield from self._group_part(message, first)
        return bytes(message.SerializeToString())

    def end(self, node: Node) -> bytes | None:
        """What stands in front in a message that was open, None when nothing is left in it."""
        if node is self.root or node.kind is None:
            return b""
        if node is SPAN:
            return self._end_span()
        if node is SCOPE:
            self._group = self._group.also(_Count(0, 1) if self._scope.empty else _Count(1, 0))
            return None if self._scope.empty else b""
        if self._group.empty:
            return None
        resource = self._filled(b"".join(self._resource))
        return header(_RESOURCE, len(resource)) + resource if resource else b""

    def _groups(self, groups: Any) -> Generator[None, None, None]:
        gone: list[int] = []
        for place, group in enumerate(groups):
            if self.root is SPANS and (yield from self._scopes(group.scopes)).empty:
                gone.append(place)
            elif self._completer:
                self._complete(group.resource)
            if place % _TURN == _TURN - 1:
                yield
        _leave_out(groups, gone)

    def _scopes(self, scopes: Any) -> Generator[None, None, _Count]:
        gone: list[int] = []
        for place, scope in enumerate(scopes):
            if self._spans(scope.spans).empty:
                gone.append(place)
            if place % _TURN == _TURN - 1:
                yield
        _leave_out(scopes, gone)
        return _Count(len(scopes), len(gone))

    def _spans(self, spans: Any) -> _Count:
        number, seen = len(spans), self._seen
        self._seen = seen + number
        gone: Sequence[int] = ()
        if self._invalid:
            between = bisect_left(self._invalid, seen), bisect_left(self._invalid, seen + number)
            gone = [ordinal - seen for ordinal in self._invalid[slice(*between)]]
        if self._sampler:
            gone = self._sample(spans, gone, self._sampler)
        left = number - len(gone)
        self.left += left
        _leave_out(spans, gone)
        return _Count(left, len(gone))

    def _sample(self, spans: Any, invalid: Collection[int], sampler: Sampler) -> Sequence[int]:
        """The places of spans that go, with the invalid ones; the others get their tracestate."""
        least, fresh, gone = sampler.least, sampler.fresh, []
        out = frozenset(invalid)
        for place, span in enumerate(spans):
            if out and place in out:
                gone.append(place)
            elif before := span.trace_state:
                after = sampler.judge(span.trace_id, before)
                if after is None:
                    gone.append(place)
                elif after is not before:
                    span.trace_state = after
            elif span.trace_id[-7:] >= least:  # as the sampler judges: a call for each span would take as long again
                span.trace_state = fresh
            else:
                gone.append(place)
        self.sampled += len(gone) - len(out)
        return gone

    def _complete(self, resource: Any) -> None:
        """The resource of a group; it may come in several parts, which are one by concatenation."""
        had = resource[0] if len(resource) == 1 else b"".join(resource)
        full = self._filled(had)
        if full is not had:
            del resource[:]
            resource.append(full)

    def _filled(self, resource: bytes) -> bytes:
        full = self._completer.complete(resource) if self._completer else resource
        self._room -= len(full) - len(resource)
        return full if self._room >= 0 else resource

    def _group_part(self, message: Any, first: bool) -> Generator[None, None, None]:
        if first:
            self._group, self._resource = _Count(), []
        self._resource += message.resource
        del message.resource[:]  # it is put in front at the end, wherever it came
        if self.root is SPANS:
            self._group = self._group.also((yield from self._scopes(message.scopes)))

    def _part(self, message: Any, first: bool) -> None:
        """Of a span that is larger than a piece: its id and its state may be in different ones."""
        if first:
            self._trace_id = self._trace_state = b""
        if message.HasField("trace_id"):
            self._trace_id = message.trace_id
        if message.HasField("trace_state"):
            self._trace_state = message.trace_state
            message.ClearField("trace_state")

    def _end_span(self) -> bytes | None:
        ordinal = self._seen
        self._seen += 1
        place = bisect_left(self._invalid, ordinal)
        out = place < len(self._invalid) and self._invalid[place] == ordinal
        state: bytes | None = self._trace_state
        if not out and self._sampler:
            state = self._sampler.judge(self._trace_id, self._trace_state)
            self.sampled += state is None
        if out or state is None:
            self._scope = self._scope.also(_Count(0, 1))
            return None
        self._scope = self._scope.also(_Count(1, 0))
        self.left += 1
        return header(_TRACE_STATE, len(state)) + state if state else b""


def _leave_out(messages: Any, places: Sequence[int]) -> None:
    """Delete from the end, a run at a time: each deletion moves all that follow."""
    end = len(places)
    while end:
        begin = end - 1
        while begin and places[begin - 1] == places[begin] - 1:
            begin -= 1
        del messages[places[begin] : places[end - 1] + 1]
        end = begin
