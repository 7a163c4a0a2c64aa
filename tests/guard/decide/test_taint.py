"""Untrusted text counts against the principal for a while, and no trick makes it forgotten."""

from __future__ import annotations

from guard.decide.taint import TABLE_FULL, TaintCircle, Taints
from model.defaults import Taint as TaintSettings
from tests.support.token_issuer import Clock


def test_taint_lasts_its_window_and_is_the_principals_alone() -> None:
    clock = Clock(0)
    taints = Taints(TaintSettings(window="10m"), clock)
    taints.mark("person:kari", "inc-1")
    clock.now = 599
    taint = taints.tainted("person:kari")
    assert taint is not None
    assert taint.incident == "inc-1"
    assert taints.tainted("person:ola") is None
    clock.now = 600
    assert taints.tainted("person:kari") is None


def test_later_mark_prolongs() -> None:
    clock = Clock(0)
    taints = Taints(TaintSettings(window="10m"), clock)
    taints.mark("person:kari", "inc-1")
    clock.now = 500
    taints.mark("person:kari", "inc-2")
    clock.now = 1099
    taint = taints.tainted("person:kari")
    assert taint is not None
    assert taint.incident == "inc-2"


def test_full_table_taints_everyone_until_the_lost_mark_ends() -> None:
    clock = Clock(0)
    taints = Taints(TaintSettings(window="10m"), clock, most=2)
    taints.mark("a", "inc-a")
    clock.now = 300
    taints.mark("b", "inc-b")
    taints.mark("c", "inc-c")
    for anyone in ("c", "d"):
        taint = taints.tainted(anyone)
        assert taint is not None
        assert taint.incident == TABLE_FULL
    clock.now = 900
    assert taints.tainted("c") is None
    assert taints.tainted("d") is None


def test_marking_again_in_a_full_table_taints_nobody_else() -> None:
    clock = Clock(0)
    taints = Taints(TaintSettings(window="10m"), clock, most=2)
    taints.mark("a", "inc-a")
    taints.mark("b", "inc-b")
    clock.now = 300
    taints.mark("a", "inc-a2")
    assert taints.tainted("d") is None
    clock.now = 600
    taints.mark("c", "inc-c")
    assert taints.tainted("d") is None
    assert taints.tainted("a") is not None


def test_marks_that_ended_make_room() -> None:
    clock = Clock(0)
    taints = Taints(TaintSettings(window="10m"), clock, most=2)
    taints.mark("a", "inc-a")
    taints.mark("b", "inc-b")
    clock.now = 600
    taints.mark("c", "inc-c")
    assert taints.tainted("c") is not None
    assert taints.tainted("d") is None


def test_another_window_applies_from_the_next_mark() -> None:
    clock = Clock(0)
    taints = Taints(TaintSettings(window="10m"), clock)
    taints.mark("a", "inc-a")
    taints.reconfigure(TaintSettings(window="1m"))
    taints.mark("b", "inc-b")
    clock.now = 60
    assert taints.tainted("a") is not None
    assert taints.tainted("b") is None


def test_a_suspected_text_counts_only_where_it_is_asked_for_and_never_lightens_an_attack() -> None:
    clock = Clock(0)
    taints = Taints(TaintSettings(window="10m"), clock)
    taints.mark("a", "inc-suspected", suspected=True)
    assert taints.tainted("a") is None
    assert (taint := taints.tainted("a", suspected=True)) is not None
    assert taint.incident == "inc-suspected"
    clock.now = 300
    taints.mark("a", "inc-attack")
    taints.mark("a", "inc-suspected-again", suspected=True)
    assert (taint := taints.tainted("a")) is not None
    assert taint.incident == "inc-attack"
    clock.now = 899
    assert taints.tainted("a", suspected=True) is not None
    clock.now = 900
    assert taints.tainted("a", suspected=True) is None


def test_a_mark_counts_at_every_server_of_the_circle_until_its_guard_ends() -> None:
    clock = Clock(0)
    web, mail = (Taints(TaintSettings(window="10m"), clock) for _ in range(2))
    circle = TaintCircle()
    mail.know(frozenset({"send_mail"}))
    circle.join("dev.web", web)
    circle.join("dev.mail", mail)
    web.mark("a", "inc-web")
    assert (taint := mail.tainted("a")) is not None
    assert (taint.incident, taint.server) == ("inc-web", "dev.web")
    assert mail.tainted("b") is None
    assert (own := web.tainted("a")) is not None
    assert own.server == ""
    web.mark("b", "inc-suspected", suspected=True)
    assert mail.tainted("b") is None
    assert mail.tainted("b", suspected=True) is not None
    assert circle.tools() == web.tools() == {"send_mail"}
    mail.know(frozenset({"send_letter"}))
    assert circle.tools() == web.tools() == {"send_letter"}
    circle.leave("dev.web")
    assert mail.tainted("a") is None
    circle.leave("dev.mail")
    assert circle.tools() == frozenset()
