"""The plan knows the rules of the embedded engine as the engine has them, and those without exceptions are among them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from model.detection_rules import DETECTION_RULES
from model.engines import VENDORS
from model.finding_exceptions import NO_EXCEPTION

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_the_engine_says() -> None:
    file = ROOT / "docs" / "generate_detection_rules.py"
    spec = importlib.util.spec_from_file_location("docs_generate_detection_rules", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = (ROOT / "model" / "detection_rules.py").read_text(encoding="utf-8")
    assert table == module.detection_rules(), "run `python docs/generate_detection_rules.py`"
    page = (ROOT / "docs" / "reference" / "detection-rules.md").read_text(encoding="utf-8")
    assert page == module.rules_page(), "run `python docs/generate_detection_rules.py`"
    assert all(f"| `{name}` |" in page for name in DETECTION_RULES)


def test_every_rule_without_exceptions_is_a_rule() -> None:
    own = {name for name in NO_EXCEPTION if name.partition(".")[0] not in VENDORS}
    assert own <= DETECTION_RULES.keys()
