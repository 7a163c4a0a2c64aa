"""Every report of the table is held by tests that exist, and the page says what the table says."""

from __future__ import annotations

from tests.cases.table import CASES, PAGE, page, unknown_tests


def test_every_report_names_tests_that_exist() -> None:
    assert unknown_tests() == []
    assert all(case.outcome.startswith("Not yet: ") for case in CASES if not case.tests)


def test_a_report_stands_once_and_in_order() -> None:
    ids = [case.id for case in CASES]
    assert ids == sorted(set(ids), key=lambda id_: (not id_.isdigit(), int(id_) if id_.isdigit() else 0, id_))


def test_the_page_is_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()
