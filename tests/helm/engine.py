"""The real Helm engine: a chart and values in, Kubernetes objects out."""

import json
from pathlib import Path

import helm_python
import yaml
from helm_python import _native

CHART = Path(__file__).parents[2] / "helm" / "outrider"
CI_VALUES = {path.stem.removesuffix("-values"): path for path in sorted((CHART / "ci").glob("*-values.yaml"))}


def values_of(name):
    """The values of one file in the chart's ci folder."""
    return yaml.safe_load(CI_VALUES[name].read_text())


def templates(values, *, chart=CHART, name="checkout", kube="1.33"):
    """Every rendered template by its path. The package's own `render` cannot say which Kubernetes it is for."""
    options = {"name": name, "namespace": "shop", "kube_version": f"v{kube}.0"}
    with helm_python.Chart.load(chart) as loaded:
        loaded.validate_schema(values)
        text = _native.call_string("helm_render", loaded._raw(), json.dumps(values), json.dumps(options))
    return json.loads(text)


def objects(values, **options):
    """Every rendered object, by kind and name."""
    found = {}
    for path, text in templates(values, **options).items():
        if not path.endswith("NOTES.txt"):
            for one in filter(None, yaml.load_all(text, yaml.CSafeLoader)):
                assert (one["kind"], one["metadata"]["name"]) not in found
                found[one["kind"], one["metadata"]["name"]] = one
    return found


def of_kind(found, kind):
    """The only object of a kind."""
    (one,) = (one for (its_kind, _), one in found.items() if its_kind == kind)
    return one


def service(found, name="checkout-outrider"):
    """A Service by its name: the one that the app's clients use, unless asked otherwise."""
    return found["Service", name]


def pod(found):
    """The Pod's spec in the only Deployment."""
    return of_kind(found, "Deployment")["spec"]["template"]["spec"]


def outrider(spec):
    """Outrider's container, wherever it stands in a Pod's spec."""
    everyone = [*(spec.get("initContainers") or []), *spec["containers"]]
    (one,) = (container for container in everyone if container["name"] == "outrider")
    return one
