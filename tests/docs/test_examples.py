"""What can be copied from a page works."""

import argparse
import importlib
import re
import shlex

import pytest
import yaml

from agent.assemble import assemble, survey
from agent.cli import COMMANDS
from config.errors import Problems
from config.load import load
from config.model import File
from config.shapes import fields
from config.types import Secret
from exporters.notify.webhook import _key, signature
from tests.docs.pages import DOCS, PAGES, blocks, code, name

ENVIRONMENT = {
    "ALERT_WEBHOOK_URL": "https://hooks.example/x",
    "DATABASE_URL": "postgres://shop:word@db.internal/shop",
    "REDIS_URL": "redis://cache.internal",
    "SEARCH_TOKEN": "token",
}
SECRETS = {
    "dsn": "postgres://shop:word@db.internal/shop",
    "orders_dsn": "postgres://shop:word@db.internal/shop",
    "redis_url": "redis://cache.internal",
    "pagerduty": "0" * 32,
    "slack_url": "https://hooks.slack.com/services/T0/B0/x",
    "heartbeat_url": "https://hc-ping.com/5e6f",
    "teams_url": "https://prod.westeurope.logic.azure.com/workflows/x",
}
_COMMAND = re.compile(r"^(?:\$ )?outrider (.+)$", re.MULTILINE)
_NOT_SHELL = re.compile(r"^outrider (\d|COMMAND\b)")


def _whole(text):
    """A block as a file of its own, None when it is none: pieces of a file get the `service` that they lack."""
    keys = re.findall(r"^([a-z_]+):", text, re.MULTILINE)
    if not keys or keys[0] not in fields(File)[0]:
        return None
    return text if "service" in keys else f"service: shop\n{text}"


FILES = [
    pytest.param(whole, id=f"{name(page)}-{number}")
    for page in PAGES
    for number, block in enumerate(blocks(page))
    if block.language == "yaml" and (whole := _whole(block.text))
]


@pytest.mark.parametrize("text", FILES)
def test_a_configuration_is_right(text, tmp_path):
    """It loads, every kind takes its keys, every threshold fits its reading."""
    for secret in re.findall(r"\$\{file:/run/secrets/([\w/]+)\}", text):
        path = tmp_path / secret
        path.parent.mkdir(exist_ok=True)
        path.write_text(SECRETS.get(path.name, "token"))
    text = text.replace("/run/secrets", str(tmp_path))
    problems = Problems("page")
    assemble(load(text.encode(), ENVIRONMENT, "page", survey).config, problems)
    assert [str(problem) for problem in problems] == []


def test_there_are_configurations():
    """The test above looks at something."""
    assert len(FILES) >= 8


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_other_yaml_parses(page):
    """Whatever a YAML block is for, it is YAML; templates of Helm are left out."""
    for block in blocks(page):
        if block.language == "yaml" and "{{" not in block.text:
            assert list(yaml.safe_load_all(block.text))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist_and_take_their_options(page):
    """Every `outrider COMMAND ...` is one that the command line understands."""
    for text in code(page):
        for line in _COMMAND.findall(text):
            if _NOT_SHELL.match(f"outrider {line}"):
                continue
            command, *words = shlex.split(line.partition(" > ")[0], comments=True)
            assert command in {*COMMANDS, "help"}, line
            if command != "help":
                parser = argparse.ArgumentParser(exit_on_error=False)
                importlib.import_module(f"agent.cli.{command}").add_arguments(parser)
                parser.parse_args(words)


def test_every_command_has_its_section():
    """A command that is not on the page does not exist for a reader."""
    page = (DOCS / "cli.md").read_text()
    for command, what in COMMANDS.items():
        assert f"\n## {command}\n" in page
        assert what in page


def test_the_signature_is_verified():
    """The snippet of alerts.md takes what the webhook signs, and nothing else."""
    (snippet,) = (block.text for block in blocks(DOCS / "alerts.md") if block.language == "python")
    names = {}
    exec(snippet, names)
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"a":1}'
    signed = signature(_key(Secret(secret)), "msg_1", 1000, body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1000", "webhook-signature": f"v1,x {signed}"}
    assert names["verified"](secret, headers, body, 1010)
    assert not names["verified"](secret, headers, body + b" ", 1010)
    assert not names["verified"](secret, headers, body, 1400)
    assert not names["verified"](secret, {**headers, "webhook-id": "msg_2"}, body, 1010)
