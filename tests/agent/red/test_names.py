"""Routes out of names: one for many requests, and words that people know."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.red.names import LENGTH, is_bare, label, route_of

CASES = {
    "GET /orders": "/orders",
    "GET /orders/17": "/orders/{}",
    "GET /orders/17/items/4?full=1#top": "/orders/{}/items/{}",
    "GET /orders/{id}": "/orders/{id}",
    "/users/<int:id>/posts/:post": "/users/<int:id>/posts/:post",
    "HTTP GET /a": "/a",
    "PUT https://shop.example/carts/9/lines": "/carts/{}/lines",
    "GET https://shop.example": "/",
    "GET /f/5b8efff7-9803-8103-d269-b633813fc60c": "/f/{}",
    "GET /f/5b8efff798038103d269b633813fc60c": "/f/{}",
    "GET /f/facade": "/f/facade",
    "GET /v1/api2/oauth2": "/v1/api2/oauth2",
    "GET /orders/order-12345": "/orders/{}",
    "GET /ulid/01ARZ3NDEKTSV4RRFFQ69G5FAV": "/ulid/{}",
    "GET /of/jo@example.com/mail": "/of/{}/mail",
    "GET /at/2026-01-05/10.0.0.1": "/at/{}/{}",
    "GET": "GET",
    "HTTP GET": "HTTP GET",
    "process order 12345": "process order {}",
    "orders process": "orders process",
    "grpc.health.v1.Health/Check": "grpc.health.v1.Health/Check",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": (
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    ),
    "": "_unnamed",
}


@pytest.mark.parametrize(("name", "route"), CASES.items())
def test_a_name_becomes_a_route(name, route):
    """Query, host and identifiers go; words, templates and RPCs stay."""
    assert route_of(name) == route


@given(st.text(max_size=2000))
def test_any_text_becomes_a_label(name):
    """Short, one line, fit for UTF-8, and made without a fault."""
    route = route_of(name)
    assert route == label(route)
    assert 0 < len(route) <= LENGTH or not name.strip()
    assert len(route.encode().decode().splitlines()) <= 1


@given(st.integers(min_value=0), st.uuids())
def test_identifiers_do_not_multiply_routes(number, uuid):
    """Whatever the number or the UUID, it is one route."""
    assert route_of(f"GET /orders/{number}/lines/{uuid}") == "/orders/{}/lines/{}"
    assert not re.search(r"\d", route_of(f"refund {number} of {uuid}"))


def test_what_says_only_the_method():
    """These tell nothing of a route; a route of one word does."""
    assert [is_bare(name) for name in ("GET", "HTTP POST", "HTTP", "_OTHER", "GET /", "checkout")] == [True] * 4 + [
        False
    ] * 2
