"""All ConfigMaps of a drill's namespace, page by page."""

from __future__ import annotations

import ssl

from kanae.drills.probing import objects
from kanae.drills.probing.client import RequestFailed, Route, StatusFailed
from kanae.drills.probing.pipelining import exchange


async def list_all(
    route: Route, context: ssl.SSLContext, namespace: str, *, deadline: float
) -> tuple[int, list[tuple[str, int]]]:
    """The list's resourceVersion, and each object's name and own. deadline: seconds for a page.

    Raises RequestFailed, also when an answer is no list. All pages show one moment: that of the
    first one.
    """
    found: list[tuple[str, int]] = []
    token = ""
    while True:
        request = objects.list_page(route, namespace, token)
        page = await exchange(route, context, request, deadline=deadline)
        if page.status != 200:
            raise StatusFailed(page.status, page.body.decode(errors="replace"))
        try:
            body = objects.decode(page.body)
            _, revision = objects.name_and_revision(body)
            found += [objects.name_and_revision(item) for item in objects.items(body)]
        except ValueError as error:
            raise RequestFailed("malformed", f"list: {error}") from None
        token = str(objects.part(body, "metadata").get("continue") or "")
        if not token:
            return revision, found
