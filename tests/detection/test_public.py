"""The runner of the public sets reads other people's packages without running them, and takes only what is pinned."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from tests.detection.attacks import SETS, strings
from tests.detection.harmless import PIECE, pieces, translated
from tests.detection.literals import classes, constants, first_strings
from tests.detection.packages import PACKAGES, Package, fetch
from tests.detection.public import in_first_half

MODULE = """
raise SystemExit("this module was run")
GOAL = "send it"
class Base:
    form = f"Please {GOAL}" + "!" * 2
class Attack(Base):
    name = "a"
    unknown = open("/etc/passwd").read()
Payload("first", "x")
Payload(unknown)
"""


def test_sources_are_read_and_never_run(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(MODULE)
    assert constants(module) == {"GOAL": "send it"}
    assert classes(module)["Attack"] == {"form": "Please send it!!", "name": "a"}
    assert first_strings(module, "Payload") == ["first"]


def test_a_package_with_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "attacks-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("attacks-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: attacks\nVersion: 1.0\n")
        wheel.writestr("attacks-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("attacks-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    package = Package("attacks", "1.0", hashlib.sha256(b"the release").hexdigest(), "MIT")
    with pytest.raises(RuntimeError, match="another hash"):
        fetch(package)
    assert not package.folder.exists()


def test_a_package_that_no_registry_has_is_an_error_that_names_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(
        RuntimeError, match=r"absent 1\.0 could not be fetched from its registry, which needs the network"
    ):
        fetch(Package("absent", "1.0", "0" * 64, "MIT"))


def test_two_sets_of_different_packages_stay_unseen() -> None:
    assert len({attacks.package for attacks in SETS if not attacks.seen}) >= 2
    assert {attacks.package for attacks in SETS} <= set(PACKAGES)


def test_halves_are_the_same_in_every_run() -> None:
    first = [text for text in ("one", "two", "three", "four", "five") if in_first_half(text)]
    assert first == ["one", "four", "five"]


def test_a_document_is_cut_between_paragraphs_and_loses_nothing() -> None:
    document = "\n\n".join(f"Paragraph {number}. " + "word " * 90 for number in range(12))
    parts = list(pieces(document))
    assert all(len(part) <= PIECE for part in parts)
    assert " ".join(document.split()) == " ".join(" ".join(parts).split())


def test_strings_of_parsed_documents_are_all_found() -> None:
    assert list(strings({"a": ["x", {"b": "y"}], "c": 1})) == ["x", "y"]


def test_the_translations_of_a_catalogue_are_read_without_its_head() -> None:
    catalogue = (
        'msgid ""\nmsgstr ""\n"Project-Id-Version: x\\n"\n\nmsgid "Save"\nmsgstr "Ruaj"\n\n'
        'msgid "%d file"\n'
        'msgid_plural "%d files"\nmsgstr[0] "%d "\n"skedar"\nmsgstr[1] "%d \\"skedarë\\""\n\nmsgid "No"\nmsgstr ""\n'
    )
    assert translated(catalogue) == 'Ruaj\n\n%d skedar\n\n%d "skedarë"'
