"""`keys sync` over real HTTP: what stands at Kong follows what the issuer publishes, and fails closed."""

from __future__ import annotations

import pytest

from components.gateway.names import consumer_username, tags
from model.environment import Environment
from model.errors import InputError, Unreachable
from operations.keys.sync import sync_keys
from tests.support.issuer_keys import (
    CONSUMER,
    OWN_TAGS,
    jwk,
    pem,
    refused,
    settings,
    synced,
)
from tests.support.kong_admin import JwksStandIn, KongStandIn, jwks_server, kong_admin


def test_a_new_key_becomes_a_tagged_rs256_credential_under_its_kid(kong: KongStandIn, idp: JwksStandIn) -> None:
    idp.publish(jwk("k1"))
    assert synced(kong, idp).added == ("k1",)
    (credential,) = kong.credentials.values()
    assert credential["consumer"]["id"] == kong.consumers[CONSUMER]
    assert (credential["key"], credential["algorithm"], credential["tags"]) == ("k1", "RS256", OWN_TAGS)
    assert credential["rsa_public_key"] == pem("k1")
    assert len(credential["secret"]) >= 40


@pytest.mark.parametrize("edition", ["enterprise", "ai"])
def test_a_licensed_edition_reads_the_keys_itself_and_none_are_written(
    edition: str, kong: KongStandIn, idp: JwksStandIn
) -> None:
    idp.publish(jwk("k1"))
    report = sync_keys(settings(kong, idp, edition=edition, version="3.15.0.4"), "dev")
    assert (report.reader, report.issuers, report.changed) == ("openid-connect", (), False)
    assert report.as_json()["reader"] == "openid-connect"
    report.check()
    assert kong.log == []


def test_a_second_sync_changes_nothing(kong: KongStandIn, idp: JwksStandIn) -> None:
    idp.publish(jwk("k1"), jwk("k2"))
    synced(kong, idp)
    kong.log.clear()
    report = synced(kong, idp)
    assert not report.changed
    assert report.unchanged == {"k1": 0, "k2": 0}
    assert kong.writes() == []


def test_rotation_adds_the_new_key_before_it_removes_the_old(kong: KongStandIn, idp: JwksStandIn) -> None:
    old = kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    kong.credential(CONSUMER, "current", pem("current"), OWN_TAGS)
    idp.publish(jwk("current"), jwk("next"))
    report = synced(kong, idp)
    assert kong.writes() == [("POST", "next"), ("DELETE", old)]
    assert kong.kids(CONSUMER) == ["current", "next"]
    assert (report.added, report.removed, report.unchanged) == (("next",), ("old",), {"current": 0})


def test_no_key_is_removed_when_a_new_one_cannot_be_added(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    idp.publish(jwk("next"))
    kong.fail["POST"] = 500
    assert "500" in str(synced(kong, idp).error)
    assert kong.kids(CONSUMER) == ["old"]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    idp.publish(jwk("next"))
    report = synced(kong, idp, dry_run=True)
    assert (report.added, report.removed) == (("next",), ("old",))
    assert kong.writes() == []


@pytest.mark.parametrize("made_by", [[], ["ringwall"], tags("prod"), ["someone"]])
def test_a_credential_that_ringwall_did_not_make_is_left_alone_and_reported(
    kong: KongStandIn, idp: JwksStandIn, made_by: list[str]
) -> None:
    kong.credential(CONSUMER, "theirs", pem("theirs"), made_by)
    idp.publish(jwk("k1"))
    report = synced(kong, idp)
    assert kong.kids(CONSUMER) == ["k1", "theirs"]
    assert (report.foreign, report.trusts_strangers) == (("theirs",), True)


def stranger(kong: KongStandIn) -> None:
    """A consumer of somebody else's in the issuer's group, with keys of its own; and one in another group."""
    kong.join("mallory", "issuer-idp")
    for kid in ("m2", "m1"):
        kong.credential("mallory", kid, pem("mallory"), OWN_TAGS)
    kong.join("other", "partners")
    kong.credential("other", "o1", pem("other"), [])


def test_a_stranger_in_the_issuers_group_is_named_with_every_key_and_left_alone(
    kong: KongStandIn, idp: JwksStandIn
) -> None:
    stranger(kong)
    idp.publish(jwk("k1"))
    (found,) = synced(kong, idp).strangers
    assert (found.consumer, found.kids, found.removed) == ("mallory", ("m1", "m2"), False)
    assert kong.group("issuer-idp") == [CONSUMER, "mallory"]


def test_a_stranger_is_found_on_every_page_and_without_a_key_too(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.page = 2
    for index in range(5):
        kong.join(f"mallory-{index}", "issuer-idp")
    idp.publish(jwk("k1"))
    assert [stranger.consumer for stranger in synced(kong, idp).strangers] == [f"mallory-{index}" for index in range(5)]


def test_a_stranger_is_named_also_where_the_issuer_does_not_answer(kong: KongStandIn, idp: JwksStandIn) -> None:
    stranger(kong)
    idp.status = 500
    report = synced(kong, idp)
    assert "answered 500" in str(report.error)
    assert [stranger.consumer for stranger in report.strangers] == ["mallory"]


def test_another_environment_of_the_project_is_no_stranger(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.join(consumer_username("prod", "idp"), "issuer-idp")
    idp.publish(jwk("k1"))
    assert not synced(kong, idp, environments=["dev", "prod"]).trusts_strangers
    assert [stranger.consumer for stranger in synced(kong, idp).strangers] == [consumer_username("prod", "idp")]


def test_strangers_leave_the_group_and_foreign_keys_go_only_when_told(kong: KongStandIn, idp: JwksStandIn) -> None:
    stranger(kong)
    kong.credential(CONSUMER, "theirs", pem("theirs"), [])
    idp.publish(jwk("k1"))
    planned = synced(kong, idp, remove_strangers=True, dry_run=True)
    assert (planned.foreign, [stranger.removed for stranger in planned.strangers]) == (("theirs",), [False])
    assert kong.group("issuer-idp") == [CONSUMER, "mallory"]
    report = synced(kong, idp, remove_strangers=True)
    assert (report.thrown_out, report.foreign, report.trusts_strangers) == (("theirs",), (), False)
    assert (kong.group("issuer-idp"), kong.kids(CONSUMER)) == ([CONSUMER], ["k1"])
    # Their consumer and its keys may serve something else.
    assert (kong.group("partners"), kong.kids("mallory")) == (["other"], ["m1", "m2"])
    assert not synced(kong, idp).trusts_strangers


def test_every_page_of_credentials_is_read(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.page = 2
    for index in range(5):
        kong.credential(CONSUMER, f"old-{index}", pem("old"), OWN_TAGS)
    idp.publish(jwk("k1"))
    assert len(synced(kong, idp).removed) == 5
    assert kong.kids(CONSUMER) == ["k1"]


def test_a_known_kid_with_another_key_is_refused(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "k1", pem("k1"), OWN_TAGS)
    idp.publish(jwk("k1", name="attacker"), jwk("k2"))
    assert "k1 has another key at Kong than at the issuer" in refused(kong, idp)


def test_replace_swaps_the_key_of_a_known_kid_in_one_step(kong: KongStandIn, idp: JwksStandIn) -> None:
    credential = kong.credential(CONSUMER, "k1", pem("k1"), OWN_TAGS)
    idp.publish(jwk("k1", name="renewed"))
    assert synced(kong, idp, replace=True).replaced == ("k1",)
    assert kong.writes() == [("PATCH", credential)]
    assert kong.credentials[credential]["rsa_public_key"] == pem("renewed")


def test_replace_does_not_touch_what_ringwall_did_not_make(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "k1", pem("theirs"), ["someone"])
    idp.publish(jwk("k1"))
    assert "Ringwall did not put it there" in refused(kong, idp, replace=True)


def test_a_known_kid_with_a_shared_secret_algorithm_is_a_substitution(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(CONSUMER, "k1", pem("k1"), OWN_TAGS, algorithm="HS256")
    idp.publish(jwk("k1"))
    assert "another key at Kong" in refused(kong, idp)


def test_a_kid_of_another_consumer_is_refused(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(consumer_username("dev", "access"), "k1", pem("k1"), OWN_TAGS)
    kong.credential(CONSUMER, "old", pem("old"), OWN_TAGS)
    idp.publish(jwk("k1"))
    assert "k1 belongs to another consumer" in str(synced(kong, idp).error)
    assert kong.kids(CONSUMER) == ["old"]


def test_an_issuer_that_fails_does_not_keep_the_others_from_their_keys(kong: KongStandIn, idp: JwksStandIn) -> None:
    base = settings(kong, idp).dump()
    idp.publish(jwk("k1"))
    with jwks_server() as broken:
        base["issuers"]["broken"] = {"issuer": "https://b.example.com", "jwks_uri": broken.url}
        both = Environment.model_validate(base)
        report = sync_keys(both, "dev", issuers=["broken", "idp"])
    assert report.issuers[1].added == ("k1",)
    with pytest.raises(Unreachable, match=r"^issuer broken: "):
        report.check()


def test_an_unknown_issuer_is_wrong_input(kong: KongStandIn, idp: JwksStandIn) -> None:
    with pytest.raises(InputError, match=r"there is no issuer nobody; correct it \(known: access, idp\)"):
        sync_keys(settings(kong, idp), "dev", issuers=["nobody"])


def test_the_admin_token_comes_from_the_environment(
    kong: KongStandIn, idp: JwksStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    kong.token = "right"
    idp.publish(jwk("k1"))
    for wrong in (None, "wrong"):
        if wrong:
            monkeypatch.setenv("KONG_ADMIN_TOKEN", wrong)
        with pytest.raises(Unreachable, match="refused the token; set KONG_ADMIN_TOKEN") as caught:
            synced(kong, idp)
        assert "wrong" not in str(caught.value)
    monkeypatch.setenv("KONG_ADMIN_TOKEN", "right")
    assert synced(kong, idp).added == ("k1",)


@pytest.mark.parametrize("version", ["3.8.0", "3.10.0", "4.0.0", "", "not Kong"])
def test_another_line_of_kong_is_refused(kong: KongStandIn, idp: JwksStandIn, version: str) -> None:
    kong.version = version
    with pytest.raises(Unreachable, match=r"the stack file says Kong 3\.9\.3"):
        synced(kong, idp)
    assert kong.writes() == []


def test_a_kong_that_is_not_there_is_one_line(kong: KongStandIn, idp: JwksStandIn) -> None:
    with kong_admin() as gone:
        pass
    with pytest.raises(
        Unreachable, match=r"^Kong's Admin API at http://127\.0\.0\.1:\d+ does not answer \(.*\); [^\n]*$"
    ):
        sync_keys(settings(gone, idp), "dev", issuers=["idp"])


def test_something_else_than_kong_is_refused(idp: JwksStandIn) -> None:
    idp.body = b"<html></html>"
    with kong_admin() as stand_in:
        stand_in.uri = idp.url
        with pytest.raises(Unreachable, match="is not Kong's Admin API"):
            synced(stand_in, idp)
