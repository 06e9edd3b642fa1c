"""When certificates are issued anew."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from kanae.spec.base import Model
from kanae.spec.duration import age
from kanae.spec.text import Age


class Certificates(Model):
    """Those that the cluster's authorities have issued: they end a year after that."""

    renew_before: Age = Field(
        default="90d",
        description="`kanae apply` issues a certificate anew when less than this is left of it.",
    )

    @property
    def window(self) -> timedelta:
        return age(self.renew_before)
