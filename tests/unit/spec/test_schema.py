"""The published JSON Schema is that of the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from kanae.cli.schema import command
from kanae.spec.models import Spec
from kanae.spec.schema import json_schema

PUBLISHED = Path(__file__).parents[3] / "docs" / "spec.schema.json"


def test_the_published_schema_is_current() -> None:
    assert PUBLISHED.read_text() == CliRunner().invoke(command).output


def test_the_schema_says_what_it_is() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].startswith("urn:kanae:")
    assert schema["required"] == ["name", "kubernetes", "hosts"]


def _objects(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in (schema, *schema["$defs"].values()) if "properties" in part]


def test_names_are_those_of_the_file_and_no_others_are_allowed() -> None:
    for part in _objects(json_schema()):
        assert part["additionalProperties"] is False
        assert not [name for name in part["properties"] if "_" in name]
    names = {field.alias for field in Spec.model_fields.values()}
    assert names == set(json_schema()["properties"])


def test_every_field_has_a_title_and_says_what_it_is() -> None:
    definitions = json_schema()["$defs"]
    for part in _objects(json_schema()):
        for name, field in part["properties"].items():
            reference = json.dumps(field)
            described = "description" in reference or any(
                f'"#/$defs/{kind}"' in reference and "description" in definitions[kind]
                for kind in definitions
            )
            assert described, f"{part['title']}.{name}"
            assert {"title", "$ref", "anyOf"} & set(field), f"{part['title']}.{name}"
