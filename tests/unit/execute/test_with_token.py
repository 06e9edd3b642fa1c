"""The bootstrap token is put into kubeadm's documents only on their way to the host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ruamel.yaml import YAML

from kanae.execute.actions.kubeadm import TOKEN_TTL, new_token, token_secret, with_token
from kanae.render import kubeadm
from kanae.render.documents import to_yaml

from ...model.fixtures import V2, base_of, example


def loaded(text: str) -> list[dict[str, Any]]:
    return list(YAML(typ="safe", pure=True).load_all(text))  # pyright: ignore[reportUnknownMemberType,reportUnknownArgumentType,reportUnknownVariableType]  # untyped


def test_only_init_configuration_changes_and_only_by_the_token() -> None:
    spec = example("reference")
    config = to_yaml(kubeadm.init_documents(spec, "server1", base_of(spec, "server1", V2)))
    before, after = loaded(config), loaded(with_token(config, "abcdef.0123456789abcdef"))
    assert [each["kind"] for each in after] == [each["kind"] for each in before]
    for old, new in zip(before, after, strict=True):
        tokens = new.pop("bootstrapTokens", None)
        old.pop("bootstrapTokens", None)
        assert new == old
        assert (tokens is not None) == (new["kind"] == "InitConfiguration")
        if tokens:
            assert tokens == [
                {
                    "token": "abcdef.0123456789abcdef",
                    "ttl": TOKEN_TTL,
                    "usages": ["signing", "authentication"],
                    "groups": ["system:bootstrappers:kubeadm:default-node-token"],
                }
            ]


def test_a_token_of_digits_stays_a_text() -> None:
    text = with_token("kind: InitConfiguration\n", "123456.1234567890123456")
    assert loaded(text)[0]["bootstrapTokens"][0]["token"] == "123456.1234567890123456"


def test_a_secret_of_digits_stays_text_that_the_api_takes() -> None:
    """stringData holds strings only: a number would be refused."""
    [secret] = loaded(token_secret("123456.1234567890123456", "demo"))
    assert secret["metadata"]["name"] == "bootstrap-token-123456"
    assert secret["stringData"] == {
        "token-id": "123456",
        "token-secret": "1234567890123456",
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
        "description": "kanae, run of demo",
        "expiration": "@EXPIRATION@",
    }


def test_secrets_do_not_stay_in_the_cache_of_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def noting(documents: Sequence[Mapping[str, object]]) -> str:
        given.append(documents)
        return to_yaml(documents)

    monkeypatch.setattr("kanae.execute.actions.kubeadm.to_yaml", noting)
    with_token("kind: InitConfiguration\n", "abcdef.0123456789abcdef")
    token_secret("abcdef.0123456789abcdef", "demo")
    assert len(given) == 2
    assert "0123456789abcdef" not in repr(given)


def test_tokens_are_as_kubernetes_wants_them_and_never_the_same() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("[a-z0-9]{6}[.][a-z0-9]{16}", token) for token in made)
