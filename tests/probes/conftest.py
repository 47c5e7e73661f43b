"""Which event loops the probes' tests run on."""

import asyncio

import uvloop

BOTH = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(config, item):
    """The product runs on uvloop; what hangs on a loop's manners (floods, resets, TLS) must hold on both."""
    return BOTH if item.path.name in ("test_http_faults.py", "test_http_tls.py") else {"asyncio": BOTH["asyncio"]}
