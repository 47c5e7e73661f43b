"""`/peerz`: what this replica tells the others."""

from aiohttp import web

from agent.web.desk import Desk
from agent.web.problem import json_answer, problem
from agent.web.routes import Call


class Peerz:
    """For replicas of the same service alone, where they share a token."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def get(self, call: Call) -> web.Response:
        """The identity, whether it wants out, and the newest attempts of each shared probe."""
        tokens = self._desk.peer_tokens()
        if tokens is not None and not tokens.accepts(call.request.headers.get("Authorization")):
            challenge = {"WWW-Authenticate": 'Bearer realm="outrider"'}
            sentence = "this is for replicas that share `readiness.peers.token`"
            return problem(call.request, 401, sentence, headers=challenge)
        told = self._desk.peerz()
        if told is None:
            return problem(call.request, 404, "no peers are configured; write `readiness.peers` in the file")
        return json_answer(told)
