"""From a file to a configuration."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import lastgood
from config.errors import ConfigError
from config.load import load, locate


def refusal(source, environment=None):
    """The text of the error that loading ends in."""
    with pytest.raises(ConfigError) as refused:
        load(source, environment or {})
    return str(refused.value)


def test_a_file(tmp_path):
    """A good file is loaded with its bytes, its name and the files whose change matters."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "dsn").write_text("postgres://u:p@db/x\n")
    file = tmp_path / "etc" / "outrider.yaml"
    file.parent.mkdir()
    text = f"service: s\nprobes: {{db: {{type: postgres, dsn: '${{file:{secrets}/dsn}}'}}}}\n"
    file.write_text(text)
    loaded = load(file, {})
    assert loaded.config.service == "s"
    assert loaded.raw == text.encode()
    assert loaded.source == str(file)
    assert loaded.files == {file, secrets / "dsn"}


def test_bytes_name_no_file():
    """What comes from the environment is loaded the same, and no file is to be watched."""
    loaded = load(b"service: ${NAME}", {"NAME": "shop"})
    assert (loaded.config.service, loaded.source, loaded.files) == ("shop", "environment", frozenset())


def test_all_stages_report_together():
    """A missing variable, an unknown key and an impossible value come in one go."""
    text = b"service: ${NONE}\nprobs: {}\nprobes: {a: {type: http, interval: 5}}\n"
    assert refusal(text).splitlines() == [
        "environment:1:10: service: the environment variable NONE is not set; set it, or write ${NONE:-default}",
        "environment:2:1: probs: unknown key; did you mean `probes`?",
        "environment:3:36: probes.a.interval: '5' has no unit; write 10s or 500ms",
    ]


def test_files_that_cannot_be_read(tmp_path):
    """Missing, a folder, a pipe: one line each, naming the file, and no waiting."""
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("none.yaml", "No such file"), ("", "Is a directory"), ("pipe", "not a regular file")):
        said = refusal(tmp_path / name)
        assert said.startswith(f"{tmp_path / name}: cannot be read: ")
        assert why in said
        assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "is empty; the smallest file is `service: checkout`"),
        (b"# nothing\n", "is empty"),
        (b"[a]", "environment:1:1: is not made of keys and values"),
        (b"hello", "environment:1:1: is not made of keys and values"),
        (b"{", "is not valid YAML"),
    ],
)
def test_what_is_no_configuration(text, says):
    """One line says what it is instead."""
    said = refusal(text)
    assert says in said
    assert "\n" not in said


def test_a_larger_file_is_not_read(tmp_path):
    """A file of the wrong kind does not fill memory."""
    file = tmp_path / "big.yaml"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    assert "is larger than 1024 KiB" in refusal(file)


@pytest.mark.parametrize(
    ("option", "environment", "found"),
    [
        ("a.yaml", {"OUTRIDER_CONFIG": "b.yaml"}, Path("a.yaml")),
        (None, {"OUTRIDER_CONFIG": "b.yaml"}, Path("b.yaml")),
        (None, {"OUTRIDER_CONFIG": ""}, None),
        (None, {}, None),
    ],
)
def test_which_file(tmp_path, option, environment, found):
    """The option stands before the variable, and the variable before the default place."""
    assert locate(option, environment, tmp_path / "none.yaml") == found
    (tmp_path / "there.yaml").touch()
    assert locate(option, environment, tmp_path / "there.yaml") == (found or tmp_path / "there.yaml")


def test_a_default_place_that_may_not_be_seen(monkeypatch, tmp_path):
    """A folder closed to this user is a fault to be told, and not a reason for discovery."""

    def closed(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", closed)
    assert locate(None, {}, tmp_path / "outrider.yaml") == tmp_path / "outrider.yaml"


@pytest.mark.case("X07")
def test_a_bad_file_leaves_the_good_one_alone(tmp_path):
    """What was loaded before stays as it was, and the last good bytes can be recalled."""
    file = tmp_path / "outrider.yaml"
    file.write_text("service: good\n")
    good = load(file, {})
    lastgood.keep(tmp_path, good.raw)
    file.write_text("service: [bad]\n")
    refusal(file)
    assert good.config.service == "good"
    assert load(lastgood.recall(tmp_path), {}).config == good.config


def test_the_last_good_file_is_private_and_whole(tmp_path):
    """Nothing kept is None; then the newest bytes, mode 0600, and no other file stays behind."""
    assert lastgood.recall(tmp_path) is None
    lastgood.keep(tmp_path, b"service: one\n")
    lastgood.keep(tmp_path, b"service: two\n")
    assert lastgood.recall(tmp_path) == b"service: two\n"
    kept = tmp_path / lastgood.NAME
    assert kept.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [kept]


def test_a_file_that_cannot_be_kept(tmp_path):
    """A fault on the way raises, and leaves neither a half file nor a temporary one."""
    (tmp_path / lastgood.NAME).mkdir()
    with pytest.raises(OSError, match="directory"):
        lastgood.keep(tmp_path, b"service: one\n")
    assert [path.name for path in tmp_path.iterdir()] == [lastgood.NAME]
    with pytest.raises(FileNotFoundError):
        lastgood.keep(tmp_path / "missing", b"")


def test_loading_imports_no_other_part():
    """The ground floor stands alone, and costs no network or event loop library."""
    code = (
        "import sys; from config.load import load; load(b'service: s', {});"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'agent', 'probes', 'exporters', 'asyncio', 'aiohttp'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
