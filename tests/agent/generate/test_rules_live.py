"""A real Prometheus with the rule file, beside a real agent."""

import json
import urllib.parse
import urllib.request

from agent.generate.rules import FILE, rules
from tests.agent.generate.tools import needs
from tests.agent.peers.scraped import Prometheus
from tests.running import agent

OBJECTIVE = """
probes:
  own: {type: http, url: "http://127.0.0.1:1/", interval: 1s, slo: 99.9%}
labels: {team: payments}
"""
#: What is known from the first scrape on, before anything was counted.
AT_ONCE = ("slo:objective:ratio", "slo:error_budget:ratio", "slo:time_period:days", "sloth_slo_info")


class Ruled(Prometheus):
    """With the rules, evaluated often enough for a test."""

    def _prepare(self):
        super()._prepare()
        text = rules().replace("interval: 30s", "interval: 500ms").replace("interval: 5m", "interval: 1s")
        (self.folder / FILE).write_text(text.replace("interval: 150s", "interval: 1s"))
        file = self.folder / "prometheus.yml"
        file.write_text(json.dumps({**json.loads(file.read_text()), "rule_files": [FILE]}))

    def ask(self, path, **words):
        """The `data` of one answer of the API."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(words)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def found(self, query):
        """The labels of each series that the query finds."""
        return [each["metric"] for each in self.ask("query", query=query)["result"]]


@needs("prometheus")
def test_rules_find_what_an_agent_exports():
    """No rule fails over real series, and each objective is there under both kinds of names."""
    with agent(OBJECTIVE) as running:
        running.until("/livez")
        with Ruled({"outrider": ([running.public], {})}) as prometheus:
            for name in AT_ONCE:
                (labels,) = running.wait(lambda name=name: prometheus.found(name), name)
                wanted = {"service": "bench", "slo": "own", "sloth_id": "bench-own", "sloth_slo": "own"}
                assert wanted.items() <= labels.items()
            threshold = 'outrider:slo_alert_threshold:ratio{pair="page-quick"}'
            assert running.wait(lambda: prometheus.found(f"{threshold} > 0.0143 < 0.0145"), threshold)
            running.wait(lambda: prometheus.found('ALERTS{alertname="OutriderWatchdog"}'), "the watchdog")
            groups = prometheus.ask("rules")["groups"]
            evaluated = [rule for group in groups for rule in group["rules"]]
            assert len(evaluated) == rules().count("expr:")
            assert [rule.get("lastError", "") for rule in evaluated if rule["health"] == "err"] == []
