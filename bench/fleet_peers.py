"""Twelve other replicas, each a real agent: whom an agent under measurement asks, and who ask it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from agent.demo.children import Outrider
from agent.demo.together import close_all, start_all
from bench.fleet_stage import HOST, port

PEERS = 12
SHARED = 10  # probes of the same names that all of them share: a view tells of each
FILE = """\
service: {service}
listen: {{public: '{host}:{public}', admin: 'unix:{folder}/admin.sock'}}
log: {{format: text}}
probes:
{probes}
readiness: {{{peers}, drain: 0s}}
"""


def urls(ports):
    """`peers` of a file, by HTTP."""
    listed = ", ".join(f"'http://{HOST}:{number}'" for number in ports)
    return f"peers: {{urls: [{listed}]}}"


@contextmanager
def replicas(ports, peers, *, service="bench", interval="5s"):
    """An agent at each of these ports, with these peers; all of them are ready."""
    probes = "\n".join(f"  p{number}: {{type: memory, shared: true, interval: {interval}}}" for number in range(SHARED))
    with ThreadPoolExecutor(1) as hands, TemporaryDirectory(prefix="outrider-bench-") as folder:
        made = []
        for number in ports:
            home = Path(folder) / str(number)
            home.mkdir()
            text = FILE.format(service=service, host=HOST, public=number, folder=home, probes=probes, peers=peers)
            (home / "outrider.yaml").write_text(text)
            made.append(Outrider(number, folder=home, file=home / "outrider.yaml", peers_token=""))
        try:
            hands.submit(start_all, made).result()
            yield made
        finally:
            hands.submit(close_all, made).result()


def ports():
    """A port for each."""
    return [port() for _ in range(PEERS)]
