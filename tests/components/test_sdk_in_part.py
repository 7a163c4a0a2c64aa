"""An SDK imported in part has the same names, types and plans; one of another shape is imported whole."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.sdk_in_part import import_in_part
from tests.support.projects import write_project

IN_PART = """\
from components.providers import load_sdks
load_sdks()
"""
IMPORT_WHOLE = """\
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # pulumi-cloudflare warns about its own old names
import pulumi_cloudflare, pulumi_kong
"""
NAMES = """\
import json, sys
import pulumi_cloudflare as sdk
from pulumi.runtime import rpc
names = json.loads(sys.stdin.read()) or [
    name for name, value in vars(sdk).items() if name[0] != "_" and type(value).__name__ != "module"
]
homes = {name: getattr(getattr(sdk, name), "__module__", "") for name in sorted(names)}
registered = sorted(rpc._RESOURCE_MODULES)
providers = sorted(rpc._RESOURCE_PACKAGES)
print(json.dumps([type(sdk).__name__, homes, registered, providers]))
"""
PLANS = """\
import json, sys
from pathlib import Path
from model.project import load
from model.project import open_project
from plan.offline import plan_stack
from plan.render import to_json
project = open_project(Path(sys.argv[1]))
plans = {stack: to_json(plan_stack(project, load(project, stack))) for stack in project.stacks()}
print(json.dumps([plans, sum(name.startswith("pulumi_cloudflare.") for name in sys.modules)]))
"""


def run(program: str, *arguments: str, stdin: str = "") -> list[object]:
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    answer: list[object] = json.loads(process.stdout)
    return answer


def test_every_name_leads_to_the_module_that_the_whole_import_takes_it_from() -> None:
    full_names = run(IMPORT_WHOLE + NAMES, stdin="[]")
    names = full_names[1]
    assert isinstance(names, dict)
    assert {"DnsRecord", "DnsRecordArgs", "DnsRecordDataArgs", "Provider", "get_zone", "R2Bucket"} <= set(names)
    part = run(IN_PART + NAMES, stdin=json.dumps(list(names)))
    assert part[0] == "_Package", "a name was found in no module of its own, so the package was imported whole"
    assert part[1:] == full_names[1:]


def test_plans_are_the_same_and_take_a_few_modules_only(tmp_path: Path) -> None:
    root = write_project(tmp_path, every_shape=True)
    (full_plans, every), (part, few) = run(IMPORT_WHOLE + PLANS, str(root)), run(PLANS, str(root))
    assert part == full_plans
    assert isinstance(few, int)
    assert isinstance(every, int)
    assert few < 20 < 700 < every


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A generated SDK of two resources; a resource's module says in `loaded` that it was imported."""
    folder = tmp_path / "made_sdk"
    folder.mkdir()
    (folder / "_utilities.py").write_text(
        "loaded = []\ndef register(**_): loaded.append('register')\n", encoding="utf-8"
    )
    for name, kind in (("zone", "Zone"), ("dns_record", "DnsRecord")):
        (folder / f"{name}.py").write_text(
            f"from . import _utilities\n_utilities.loaded.append({name!r})\n__all__ = ['{kind}Args', '{kind}']\n"
            f"class {kind}: pass\nclass {kind}Args: pass\n",
            encoding="utf-8",
        )
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_sdk"]:
        del sys.modules[name]


GENERATED = """\
import builtins as _builtins
from . import _utilities
import typing
# Export this package's modules as members:
from .dns_record import *
from .zone import *
if typing.TYPE_CHECKING:
    import made_sdk.zone as __zone
_utilities.register(resource_modules="[]", resource_packages="[]")
"""


def load(sdk: Path, init: str) -> types.ModuleType:
    (sdk / "__init__.py").write_text(init, encoding="utf-8")
    return import_in_part("made_sdk")


def test_module_is_imported_when_a_name_of_it_is_asked_for(sdk: Path) -> None:
    package = load(sdk, GENERATED)
    assert package._utilities.loaded == ["register"]
    assert package.DnsRecordArgs.__module__ == "made_sdk.dns_record"
    assert package.DnsRecord is sys.modules["made_sdk.dns_record"].DnsRecord
    assert package._utilities.loaded == ["register", "dns_record"]
    from made_sdk import Zone  # type: ignore[import-not-found]

    assert Zone.__module__ == "made_sdk.zone"


def test_name_that_no_module_is_named_after_brings_the_whole_package(sdk: Path) -> None:
    zone = (sdk / "zone.py").read_text(encoding="utf-8")
    (sdk / "zone.py").write_text(zone.replace("'Zone']", "'Zone', 'Hold']") + "class Hold: pass\n", encoding="utf-8")
    package = load(sdk, GENERATED)
    record = package.DnsRecord
    assert package.Hold.__module__ == "made_sdk.zone"
    assert type(package) is types.ModuleType
    assert package.DnsRecord is record
    with pytest.raises(AttributeError, match="made_sdk"):
        _ = package.NoSuchThing


@pytest.mark.parametrize(
    "statement",
    [
        "Record = DnsRecord\n",
        "def record():\n    return DnsRecord\n",
        "class Record(DnsRecord): pass\n",
        "print = DnsRecord.__name__\n",
        "_utilities.register(resource_modules=DnsRecord, resource_packages='')\n",
        "if typing:\n    Record = DnsRecord\n",
    ],
)
def test_init_of_another_shape_is_run_whole(sdk: Path, statement: str) -> None:
    package = load(sdk, GENERATED + statement)
    assert type(package) is types.ModuleType
    assert {"dns_record", "zone"} <= set(package._utilities.loaded)
    assert package.Zone.__module__ == "made_sdk.zone"


def test_sdk_without_star_imports_is_run_whole(sdk: Path) -> None:
    package = load(sdk, "from . import _utilities\nfrom .zone import Zone\n")
    assert type(package) is types.ModuleType
    assert package._utilities.loaded == ["zone"]
    assert not hasattr(package, "DnsRecord")


def test_package_that_is_imported_already_is_left_as_it_is(sdk: Path) -> None:
    (sdk / "__init__.py").write_text(GENERATED, encoding="utf-8")
    import made_sdk

    assert import_in_part("made_sdk") is made_sdk
    assert type(made_sdk) is types.ModuleType


def test_function_named_as_its_module_is_the_function_however_the_module_came(sdk: Path) -> None:
    (sdk / "get_zone.py").write_text(
        "__all__ = ['get_zone', 'ZoneResult']\ndef get_zone(): ...\nclass ZoneResult: ...\n"
    )
    package = load(sdk, GENERATED.replace("from .zone", "from .get_zone import *\nfrom .zone"))
    import made_sdk.get_zone  # type: ignore[import-not-found]

    assert package.get_zone.__module__ == "made_sdk.get_zone"
    assert callable(package.get_zone)
    assert made_sdk.ZoneResult is package.ZoneResult
