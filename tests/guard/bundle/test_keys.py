from __future__ import annotations

import hashlib
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from guard.bundle.keys import create_key_pair, key_id, load_private_key, load_public_keys
from model.errors import InputError, RingwallError
from tests.support.full_disk import fill, full_disk

# RFC 8032, section 7.1, test 1.
RFC_SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def pem(key: object) -> bytes:
    private = getattr(key, "private_bytes", None)
    if private:
        return bytes(
            private(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
    public = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return bytes(public)


def test_a_key_is_named_by_the_digest_of_its_32_bytes() -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(RFC_SECRET).public_key()
    assert key_id(key) == hashlib.sha256(RFC_PUBLIC).hexdigest()[:16] == "21fe31dfa154a261"


def test_only_the_owner_may_read_the_private_key_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private, public, _ = create_key_pair(tmp_path / "keys")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (private, public)] == [0o600, 0o644]
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["guard-signing.key", "guard-signing.pub"]


def test_the_pair_belongs_together(tmp_path: Path) -> None:
    private, public, name = create_key_pair(tmp_path)
    trusted = load_public_keys([public])
    assert list(trusted) == [name]
    trusted[name].verify(load_private_key(private).sign(b"x"), b"x")


def test_of_pairs_made_at_once_one_is_whole_and_the_rest_are_refused(tmp_path: Path) -> None:
    makers = 8
    for number in range(10):
        folder, start = tmp_path / str(number), threading.Barrier(makers)

        def make(folder: Path, start: threading.Barrier) -> str:
            start.wait(60)
            try:
                return create_key_pair(folder)[2]
            except InputError as error:
                return error.problem

        with ThreadPoolExecutor(makers) as pool:
            made = [pool.submit(make, folder, start) for _ in range(makers)]
        outcomes = {future.result() for future in made} - {"is there already"}
        (name,) = outcomes
        assert load_public_keys([folder / "guard-signing.pub"]).keys() == {name}
        assert key_id(load_private_key(folder / "guard-signing.key").public_key()) == name
        assert len(list(folder.iterdir())) == 2


def test_no_half_of_a_pair_is_left_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def once(source: Path, target: Path) -> None:
        link(source, target)
        fill()

    monkeypatch.setattr(os, "link", once)
    with full_disk(10_000), pytest.raises(RingwallError, match=r"guard-signing\.pub: cannot be written"):
        create_key_pair(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["guard-signing.key", "guard-signing.pub"])
def test_a_key_that_is_there_is_not_replaced_unless_asked(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(InputError, match="is there already; keep it, or replace the pair with --force"):
        create_key_pair(tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]
    private, _, name = create_key_pair(tmp_path, force=True)
    assert key_id(load_private_key(private).public_key()) == name


def test_a_forced_private_key_is_not_readable_by_whoever_could_read_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "guard-signing.key").write_text("old")
    (tmp_path / "guard-signing.key").chmod(0o644)
    private, _, _ = create_key_pair(tmp_path, force=True)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


def test_a_public_key_in_place_of_the_private_one_is_named(tmp_path: Path) -> None:
    _, public, _ = create_key_pair(tmp_path)
    with pytest.raises(InputError, match="is a public key, and signing takes the private one; name the other file"):
        load_private_key(public)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_signing_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    private, _, _ = create_key_pair(tmp_path)
    private.chmod(mode)
    with pytest.raises(InputError, match=f"mode 0{mode:o}.*chmod 600"):
        load_private_key(private)


def test_a_file_may_hold_the_old_and_the_new_key(tmp_path: Path) -> None:
    _, one, first = create_key_pair(tmp_path / "a")
    _, two, second = create_key_pair(tmp_path / "b")
    one.write_bytes(one.read_bytes() + two.read_bytes())
    assert set(load_public_keys([one])) == {first, second}
    assert set(load_public_keys([two, one])) == {first, second}


def test_a_private_key_on_an_origin_host_is_refused_and_said(tmp_path: Path) -> None:
    private, public, _ = create_key_pair(tmp_path)
    public.write_bytes(public.read_bytes() + private.read_bytes())
    for path in (private, public):
        with pytest.raises(InputError, match="holds a private key, which belongs where stacks are deployed from"):
            load_public_keys([path])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        pem(ec.generate_private_key(ec.SECP256R1()).public_key()),
        b"trust: " + pem(ed25519.Ed25519PrivateKey.from_private_bytes(RFC_SECRET).public_key()),
        pem(ed25519.Ed25519PrivateKey.from_private_bytes(RFC_SECRET).public_key()) * 1000,
    ],
    ids=["empty", "text", "no such key", "another algorithm", "text beside it", "too large"],
)
def test_what_is_no_public_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pub").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pub"):
        load_public_keys([tmp_path / "a.pub"])


def test_what_is_no_signing_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    key = ed25519.Ed25519PrivateKey.from_private_bytes(RFC_SECRET)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    for content in (b"", pem(ec.generate_private_key(ec.SECP256R1())), encrypted):
        file.write_bytes(content)
        file.chmod(0o600)
        with pytest.raises(InputError, match="holds no unencrypted Ed25519 private key"):
            load_private_key(file)
    with pytest.raises(InputError, match="cannot be read"):
        load_private_key(tmp_path / "none")
