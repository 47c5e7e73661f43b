"""`heartbeat`: what is refused, and what would be right."""

import pytest

from config.errors import ConfigError
from config.load import load

FILE = "service: s\nheartbeat: {{{}}}\n"


def test_the_url_is_enough_and_is_never_shown():
    """Everything else has a default; whoever knows the URL could beat in our place."""
    loaded = load(FILE.format("url: https://hc-ping.com/secret").encode(), {}, "here")
    assert str(loaded.config.heartbeat.url) == "https://hc-ping.com/***"
    assert (loaded.config.heartbeat.interval, loaded.config.heartbeat.method) == (60, "POST")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "heartbeat: needs the key `url`"),
        ("url: 'ftp://a/b'", "heartbeat.url: is not HTTP; write http://host:port/path or https://host/path"),
        ("url: 'http://a', interval: 500ms", "heartbeat.interval: is not between 1s and 1d; write for example 1m"),
        ("url: 'http://a', timeout: 31s", "heartbeat.timeout: is not between 0s and 30s; write for example 10s"),
        ("url: 'http://a', method: PUT", "heartbeat.method: 'PUT' "),
        ("url: 'http://a', headers: {content-type: x}", "heartbeat.headers.content-type: is set by Outrider itself"),
    ],
)
def test_what_is_wrong_is_told(written, told):
    """With its place, and what would be right."""
    with pytest.raises(ConfigError) as refused:
        load(FILE.format(written).encode(), {}, "here")
    assert told in str(refused.value)
