"""What `lockdown` and `revoke` ask of Cloudflare beside the engine, against a strict stand-in."""

from __future__ import annotations

from typing import Any

import pytest

from model import effects
from model.environment import Cloudflare
from model.errors import Unreachable
from tests.support.access_api import SECRET, TOKEN, AccessApi, access_api
from tests.support.projects import ACCOUNT, ZONE
from wire.cloudflare import AccessUser, CloudflareApi

ADA = {"id": "11111111-0000-4000-8000-000000000001", "uid": "22222222-0000-4000-8000-000000000002"}


def client(api: AccessApi, token: str = TOKEN, waits: list[float] | None = None) -> CloudflareApi:
    settings = Cloudflare(account_id=ACCOUNT, zone="example.com", zone_id=ZONE, team="example", api=api.url)
    return CloudflareApi(settings, token, sleep=(waits if waits is not None else []).append)


def test_sessions_of_the_one_application_end() -> None:
    with access_api(applications={"app-1": {}, "app-2": {}}) as api, client(api) as cloudflare:
        cloudflare.revoke_sessions("app-1")
        assert api.ended == ["app-1"]
        with pytest.raises(Unreachable, match=r"11021.*not confirmed"):
            cloudflare.revoke_sessions("app-3")


def test_a_request_for_a_change_is_noted_for_ctrl_c_and_a_reading_is_not() -> None:
    effects.forget()
    with access_api(applications={"app-1": {}}) as api, client(api) as cloudflare:
        cloudflare.find_user(email="ada@example.com")
        assert effects.descriptions() == []
        cloudflare.revoke_sessions("app-1")
        cloudflare.revoke_sessions("app-1")
    assert effects.descriptions() == ["Cloudflare was asked for changes"]
    effects.forget()


def test_a_person_is_found_by_address_and_by_either_identifier() -> None:
    users = [{"email": f"p{number}@example.com", "id": f"id-{number}", "uid": f"uid-{number}"} for number in range(150)]
    users.append({"email": "Ada@example.com", **ADA})
    ada = AccessUser("Ada@example.com", (ADA["id"], ADA["uid"]))
    with access_api(users=users) as api, client(api) as cloudflare:
        assert cloudflare.find_user(email="Ada@example.com") == ada
        assert [cloudflare.find_user(sub=ADA[key]) for key in ("id", "uid")] == [ada, ada]
        assert cloudflare.find_user(email="nobody@example.com") is None
        assert cloudflare.find_user(sub="id-150") is None


def test_a_filter_that_finds_somebody_else_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    bob = {"email": "bob@example.com", "id": "bob", "uid": "bob"}
    with access_api() as api, client(api) as cloudflare:
        good = {"success": True, "errors": [], "messages": [], "result": [bob], "result_info": {"total_pages": 1}}
        monkeypatch.setattr(api, "_route", lambda *_: (200, {}, good))
        assert cloudflare.find_user(email="ada@example.com") is None


def test_a_service_token_is_disabled_and_enabled_and_nothing_else_of_it_changes() -> None:
    token = {"name": "dev-ci", "client_id": "ci.access", "enabled": True, "client_secret": SECRET}
    untouched = {**token, "client_id": "x.access"}
    with access_api(service_tokens={"t-0": untouched, "t-1": dict(token)}) as api, client(api) as cloudflare:
        cloudflare.set_service_token("ci.access", enabled=False)
        assert api.service_tokens == {"t-0": untouched, "t-1": {**token, "enabled": False}}
        cloudflare.set_service_token("ci.access", enabled=True)
        assert api.service_tokens == {"t-0": untouched, "t-1": token}
        with pytest.raises(Unreachable, match=r"no service token with client id y\.access"):
            cloudflare.set_service_token("y.access", enabled=False)


def test_an_api_that_does_not_say_disabled_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    token = {"name": "dev-ci", "client_id": "ci.access", "enabled": True}
    answer: dict[str, Any] = {"success": True, "errors": [], "messages": [], "result": {"id": "t-1", **token}}
    with access_api(service_tokens={"t-1": token}) as api, client(api) as cloudflare:
        monkeypatch.setattr(api, "_update", lambda *_: (200, {}, answer))
        with pytest.raises(Unreachable, match="does not say that the service token is disabled"):
            cloudflare.set_service_token("ci.access", enabled=False)


def test_a_busy_api_is_asked_again_as_late_as_it_says() -> None:
    waits: list[float] = []
    faults = [(429, {"retry-after": "3"}), (503, {})]
    with access_api(faults=faults) as api, client(api, waits=waits) as cloudflare:
        cloudflare.revoke_user("ada@example.com")
        assert (api.ended, waits) == (["ada@example.com"], [3.0, 1.5])


def test_an_api_that_stays_busy_is_an_error_after_three_tries() -> None:
    with access_api(faults=[(500, {})] * 4) as api, client(api) as cloudflare:
        with pytest.raises(Unreachable, match=r"HTTP 500, 500: try again later \(tried 3 times\)"):
            cloudflare.revoke_user("ada@example.com")
        assert (api.ended, len(api.faults)) == ([], 1)


def test_a_refused_token_is_told_with_the_permission_and_never_shown() -> None:
    with access_api() as api, client(api, token="cfut_wrong-token") as cloudflare, pytest.raises(Unreachable) as caught:
        cloudflare.revoke_user("ada@example.com")
    assert "give a token with the permission Access: Organizations, Identity Providers, and Groups Write" in str(
        caught.value
    )
    assert "wrong-token" not in str(caught.value)


def test_looking_up_a_person_names_the_permission_that_the_api_reference_names() -> None:
    with (
        access_api() as api,
        client(api, token="cfut_wrong-token") as cloudflare,
        pytest.raises(Unreachable, match=r"give a token with the permission Access: Audit Logs Read$"),
    ):
        cloudflare.find_user(email="ada@example.com")
