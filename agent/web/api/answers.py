"""What every answer of the API has in common: it is JSON."""

from typing import Any

from aiohttp import web

from agent.web.negotiate import JSON, best
from agent.web.problem import json_answer, problem
from agent.web.routes import Call


def as_json(call: Call, answer: Any) -> web.Response:
    """The answer, for a client that takes JSON."""
    if best(call.request.headers.get("Accept"), (JSON,)) is None:
        return problem(call.request, 406, f"this path offers {JSON} only")
    return json_answer(answer)
