"""`http.route` where the name does not tell it, and no looking where it does."""

from tests.agent.red.bodies import body, counts, measured, span


def test_the_name_that_ends_with_its_route_tells_it():
    """`GET /orders/{id}` is looked into once."""
    spans = [span("GET /orders/{id}", attributes={"a": "b", "http.route": "/orders/{id}"}) for _ in range(5)]
    assert counts(measured(body(*spans))) == {("/orders/{id}", "ok"): 5}


def test_a_name_of_many_routes_is_looked_into_each_time():
    """The same name with other routes: each counts for its own, wherever the attribute stands."""
    spans = [span("handle", attributes={"http.route": "/a"}), span("handle", attributes={"x": "y", "http.route": "/b"})]
    spans += [span("handle", attributes={"x": "y", "http.route": "/a"}), span("handle", attributes={"x": "y"})]
    assert counts(measured(body(*spans))) == {("/a", "ok"): 2, ("/b", "ok"): 1, ("handle", "ok"): 1}


def test_a_bare_method_may_have_a_route_later():
    """The first request that no route took does not decide for the rest."""
    spans = [span("GET"), span("GET", attributes={"http.route": "/late"}), span("GET")]
    assert counts(measured(body(*spans))) == {("GET", "ok"): 2, ("/late", "ok"): 1}


def test_names_without_a_route_are_cleaned():
    """Raw paths become one route."""
    spans = [span(f"GET /users/{number}", attributes={"url.path": f"/users/{number}"}) for number in range(300)]
    assert counts(measured(body(*spans))) == {("/users/{}", "ok"): 300}


def test_more_names_than_are_remembered():
    """What is known of names is thrown away when it is too much, and nothing is miscounted."""
    bodies = [body(*(span(f"GET /users/{n}x{part}/{n}") for n in range(450))) for part in range(10)]
    red = measured(*bodies, routes=5)
    assert sum(counts(red).values()) == 4500
