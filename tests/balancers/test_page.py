"""What docs/balancers.md says of the product itself."""

import yaml

from agent.web.balancers import grpc_health
from tests.balancers.conftest import yaml_page
from tests.docs.pages import DOCS, ROOT


def test_the_kubelet_probes_are_those_of_the_chart():
    """The page and the chart write the same numbers."""
    values = yaml.safe_load((ROOT / "helm/outrider/values.yaml").read_text())
    for name, probe in yaml.safe_load(yaml_page("startupProbe")).items():
        assert probe.pop("httpGet")["port"] == 9740
        wanted = {key: value for key, value in values[name].items() if key != "enabled"}
        assert probe == wanted, name


def test_the_limits_are_those_of_the_code():
    """The page's limits of gRPC."""
    text = " ".join((DOCS / "balancers.md").read_text().split())
    assert f"{grpc_health._CONNECTIONS} connections of {grpc_health._STREAMS} calls" in text
    assert f"{grpc_health.WATCHERS} Watches" in text
    assert f"within {grpc_health.LOOK_EVERY} s" in text
