from __future__ import annotations

import pytest

from kanae.errors import UsageError
from kanae.lab.release import Image, chosen

HOSTS = ("h1", "h2")
B, T = Image.BOOKWORM, Image.TRIXIE


@pytest.mark.parametrize(
    ("words", "images"),
    [
        ([], {}),
        (["trixie"], {"h1": T, "h2": T}),
        (["h2=trixie"], {"h2": T}),
        (["h1=bookworm", "h2=trixie"], {"h1": B, "h2": T}),
        (["trixie", "h2=bookworm"], {"h1": T, "h2": B}),
        (["h2=bookworm", "trixie"], {"h1": T, "h2": B}),
        (["trixie", "trixie", "h1=trixie", "h1=trixie"], {"h1": T, "h2": T}),
    ],
)
def test_a_host_s_own_image_wins_over_that_of_all(
    words: list[str], images: dict[str, Image]
) -> None:
    assert chosen(words, HOSTS) == images


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sid"], "no image sid"),
        (["h1="], "no image "),
        (["h1=Trixie"], "no image Trixie"),
        (["h3=trixie"], "no host h3"),
        (["=trixie"], "no host "),
        (["trixie", "bookworm"], "all hosts cannot have two"),
        (["h1=trixie", "h1=bookworm"], "h1 cannot have two"),
    ],
)
def test_what_cannot_be_is_a_usage_error(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        chosen(words, HOSTS)
