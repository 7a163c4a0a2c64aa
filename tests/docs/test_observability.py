"""The dashboard and the alerts of examples/observability: every metric, label and series they name is one of the guard's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
from prometheus_client.samples import Sample
from ruamel.yaml import YAML

from guard.metrics import GuardMetrics
from operations.audit_export.meter import ExportMeter
from tests.support.guard_service import Origin, guarded

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "observability"
#: The labels that a scrape adds, as examples/observability/prometheus.yml says.
SCRAPED = {"job", "instance", "server"}
OF_RATES = {"rate", "increase", "irate"}


def read(name: str) -> Any:
    return YAML(typ="safe").load((FOLDER / name).read_text("utf-8"))


ALERTS = {rule["alert"]: rule for group in read("alerts.yml")["groups"] for rule in group["rules"]}
PANELS = [panel for panel in json.loads((FOLDER / "dashboard.json").read_text("utf-8"))["panels"] if "targets" in panel]
TARGETS = [(panel["title"], target["expr"], target["legendFormat"]) for panel in PANELS for target in panel["targets"]]


def parsed(expression: str) -> promql.Expr:
    return promql.parse(expression.replace("$__rate_interval", "5m"))


def nodes(expr: Any, within: str = "") -> Iterator[tuple[Any, str]]:
    """Every part of an expression, with the function it is an argument of."""
    yield expr, within
    match expr:
        case promql.Call():
            for argument in expr.args:
                yield from nodes(argument, expr.func.name)
        case promql.AggregateExpr() | promql.ParenExpr() | promql.UnaryExpr():
            yield from nodes(expr.expr, within)
        case promql.BinaryExpr():
            yield from nodes(expr.lhs, within)
            yield from nodes(expr.rhs, within)
        case promql.MatrixSelector():
            yield from nodes(expr.vector_selector, within)
        case promql.VectorSelector() | promql.NumberLiteral() | promql.StringLiteral():
            pass
        case _:
            raise AssertionError(f"this test does not know {type(expr).__name__}")


def served() -> dict[str, tuple[str, set[str]]]:
    """The name of every series to the kind and labels of its metric; a histogram has three."""
    series = {}
    for family in GuardMetrics().registry.collect():
        labels = set(labels_of(family.name))
        if family.type == "histogram":
            series[f"{family.name}_bucket"] = ("counter", labels | {"le"})
            series |= {f"{family.name}_{end}": ("counter", labels) for end in ("count", "sum")}
        else:
            series[family.name + ("_total" if family.type == "counter" else "")] = (family.type, labels)
    for family in ExportMeter(0, lambda: 0).registry.collect():
        series[family.name + ("_total" if family.type == "counter" else "")] = (family.type, set())
    return series


def labels_of(name: str) -> tuple[str, ...]:
    from guard.metrics import COUNTERS, GAUGES, HISTOGRAMS, PREFIX

    return {**COUNTERS, **HISTOGRAMS, **GAUGES}[name.removeprefix(PREFIX)].labels


SERVED = served()


def faults(expression: str) -> list[str]:
    found = []
    for node, function in nodes(parsed(expression)):
        if isinstance(node, promql.VectorSelector) and node.name != "up":
            if node.name not in SERVED:
                found.append(f"no metric {node.name}")
                continue
            kind, labels = SERVED[node.name]
            found += [
                f"{node.name} has no label {m.name}" for m in node.matchers.matchers if m.name not in labels | SCRAPED
            ]
            if (kind == "counter") != (function in OF_RATES):
                found.append(f"{node.name} is a {kind}, in {function or 'no function'}")
        elif isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            inner = next(part for part, _ in nodes(node.expr) if isinstance(part, promql.VectorSelector))
            known = SERVED[str(inner.name)][1] | SCRAPED
            found += [f"{inner.name} has no label {label}" for label in node.modifier.labels if label not in known]
    return found


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_names_metrics_and_labels_that_exist(name: str) -> None:
    assert faults(ALERTS[name]["expr"]) == []
    assert ALERTS[name]["labels"]["severity"] in ("critical", "warning")
    shown = re.findall(r"\$labels\.(\w+)", ALERTS[name]["annotations"]["summary"])
    selectors = [node for node, _ in nodes(parsed(ALERTS[name]["expr"])) if isinstance(node, promql.VectorSelector)]
    known = SCRAPED.union(*(SERVED[str(node.name)][1] for node in selectors if node.name != "up"))
    assert set(shown) <= known


@pytest.mark.parametrize(("panel", "expression", "legend"), TARGETS)
def test_a_panel_names_metrics_and_labels_that_exist(panel: str, expression: str, legend: str) -> None:
    assert faults(expression) == []
    assert 'server=~"$server"' in expression, "the choice of servers above the dashboard counts"
    expr = parsed(expression)
    grouped = [
        node.modifier.labels for node, _ in nodes(expr) if isinstance(node, promql.AggregateExpr) and node.modifier
    ]
    known = set().union(*grouped) if grouped else SCRAPED
    assert set(re.findall(r"{{(\w+)}}", legend)) <= known


def test_faults_are_seen() -> None:
    assert faults("increase(ringwall_guard_gone_total[5m])") == ["no metric ringwall_guard_gone_total"]
    assert faults('increase(ringwall_guard_outcomes_total{reason="x"}[5m])') == [
        "ringwall_guard_outcomes_total has no label reason"
    ]
    assert faults("sum by (tool) (rate(ringwall_guard_outcomes_total[5m]))") == [
        "ringwall_guard_outcomes_total has no label tool"
    ]
    assert faults("rate(ringwall_guard_ready[5m])") == ["ringwall_guard_ready is a gauge, in rate"]
    with pytest.raises(ValueError, match="paren"):
        faults("sum(")


async def test_what_alerts_watch_is_there_from_the_start(tmp_path: Path) -> None:
    """A series that begins at 1 never rose: `increase` sees nothing of the first event."""
    async with guarded(Origin(), tmp_path) as guard:
        runtime = guard.service.runtime
        runtime.metrics.state(runtime.readiness(), runtime.taints.count())
        registries = (runtime.metrics.registry, ExportMeter(0, lambda: 0).registry)
        samples = [sample for registry in registries for family in registry.collect() for sample in family.samples]
    for alert, rule in ALERTS.items():
        for node, _ in nodes(parsed(rule["expr"])):
            if isinstance(node, promql.VectorSelector) and node.name != "up":
                assert any(matches(node, sample) for sample in samples), alert


def matches(selector: promql.VectorSelector, sample: Sample) -> bool:
    def holds(matcher: promql.Matcher) -> bool:
        value = sample.labels.get(matcher.name, "")
        return bool(re.fullmatch(matcher.value, value)) if matcher.op == promql.MatchOp.Re else matcher.value == value

    return sample.name == selector.name and all(map(holds, selector.matchers.matchers))


def test_the_scraper_looks_at_the_port_where_a_guard_serves_its_metrics() -> None:
    config = read("prometheus.yml")
    assert config["rule_files"] == ["alerts.yml"]
    guards, exports = config["scrape_configs"]
    for job, alert, target in (
        (guards, "RingwallGuardDown", "127.0.0.1:10010"),
        (exports, "RingwallExportDown", "127.0.0.1:10510"),
    ):
        assert f'job="{job["job_name"]}"' in ALERTS[alert]["expr"]
        [group] = job["static_configs"]
        assert (set(group["labels"]), group["targets"]) == ({"server"}, [target])


def test_the_page_says_what_to_do_about_each_alert() -> None:
    page = (ROOT / "docs" / "operate" / "monitoring.md").read_text("utf-8")
    assert re.findall(r"^\| `(Ringwall\w+)` \|", page, re.MULTILINE) == list(ALERTS)


def test_every_metric_of_tools_and_models_has_a_panel() -> None:
    shown = " ".join(expression for _, expression, _ in TARGETS)
    missing = [name for name in SERVED if re.match(r"ringwall_guard_(tool|model)_", name) and name not in shown]
    assert missing == []


def test_panels_fit_their_grid_and_have_a_number_each() -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
