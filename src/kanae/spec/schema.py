"""The JSON Schema of a spec, for editors and other tools."""

from __future__ import annotations

from typing import Any

from kanae.spec.models import Spec

# Changes when a spec that was valid no longer is.
SCHEMA_ID = "urn:kanae:spec:1"


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a spec file, with the names as they are in the file.

    It knows shapes and single values; what needs several fields only `kanae check` knows.
    """
    generated = Spec.model_json_schema(by_alias=True, mode="validation")
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "kanae spec",
    }
    return head | {key: value for key, value in generated.items() if key not in head}
