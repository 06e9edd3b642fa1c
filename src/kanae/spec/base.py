"""What all models of the spec have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.fields import ComputedFieldInfo, FieldInfo


def _title(name: str, _: FieldInfo | ComputedFieldInfo) -> str:
    """A field's title in the JSON Schema, as editors show it."""
    return name.replace("_", " ").capitalize()


class Model(BaseModel):
    """Strict and immutable; unknown fields are errors."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        field_title_generator=_title,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=False,
    )
