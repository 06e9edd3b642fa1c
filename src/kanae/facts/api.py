"""The part of the script of facts that asks the API server: health, nodes, objects, and what
objects would be if they were applied.

The last is a dry run of server-side apply, so that defaults, and values that the server drops or
writes in its own way, are in the answer as they are in the cluster. One TLS connection carries all
requests one after another: kubectl costs 50 ms of processor time for each call before it does
anything, this costs 10 ms in all.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from kanae.facts.kinds import GROUPS, NAME, RESOURCE, VERSION, group_of
from kanae.facts.model import Applied, ObjectKey, Query
from kanae.facts.words import like, quoted
from kanae.layout import paths as at

# Who applies, in the server's records of whose each field is.
FIELD_MANAGER = "kanae"
# openssl does not read while it writes, and neither does the server: what they have in hand must
# fit into the buffers between them. These are of 64 KiB and more on each side.
_MOST_BYTES = 64 << 10

# The credentials are admin.conf's; they lie in a folder that only root can read, on tmpfs, until
# the script ends, and so do the objects.
_BY_OPENSSL = """\
admin=
[ ! -r {admin} ] || admin=$(cat {admin})
of_admin() {{
text=${{admin#*"$1: "}}
printf '%s' "${{text%%"$nl"*}}" | base64 -d 2>/dev/null
}}
case $admin in *'client-key-data: '*)
if [ -n "$slow" ] && have openssl; then
of_admin certificate-authority-data >"$tmp/.ca"
of_admin client-certificate-data >"$tmp/.certificate"
of_admin client-key-data >"$tmp/.key"
{{
printf 'GET %s HTTP/1.1\\r\\nHost: {address}\\r\\n\\r\\n' {paths}
{patches}printf 'GET /version HTTP/1.1\\r\\nHost: {address}\\r\\nConnection: close\\r\\n\\r\\n'
}} >"$tmp/.requests"
timeout -k 1 6 openssl s_client -quiet -connect {address}:{port} -verify_ip {address} \
-verify_return_error -CAfile "$tmp/.ca" -cert "$tmp/.certificate" -key "$tmp/.key" \
<"$tmp/.requests" >"$tmp/api" 2>/dev/null &
asked=y
fi ;;
esac
"""

_PATCHES = """\
printf 'PATCH %s?dryRun=All&force=true&fieldManager={manager} HTTP/1.1\\r\\nHost: {address}\\r\\n\
Content-Type: application/apply-patch+yaml\\r\\nContent-Length: %s\\r\\n\\r\\n%s' {words}
"""

# Where there is no openssl, or a kind's place in the API is not known here.
# /version is asked first: when it does not answer, nothing else is tried.
_BY_KUBECTL = """\
if [ -n "$slow" ] && [ -z "$asked" ] && have kubectl && \
[ -r {admin} ]; then
ask_api() {{
limit=$1
shift
timeout -k 1 $((limit + 1)) kubectl --kubeconfig {admin} --server https://{address}:{port} \
--cache-dir {cache} --request-timeout="${{limit}}s" "$@" 2>/dev/null
}}
{{
if ask_api 5 get --raw /version >"$tmp/api-version"; then
ask_api 5 get --raw /readyz >"$tmp/api-ready" &
ask_api 5 get --raw /api/v1/nodes >"$tmp/api-nodes" &
{gets}{stored}wait
fi
}} &
fi
"""

_GET = """\
{{ ask_api 5 get {where} --ignore-not-found -o json {names} >"$tmp/api-objects-{number}" ||
rm -f "$tmp/api-objects-{number}"; }} &
"""

# It prints nothing when the server refuses one of them.
_STORED = """\
printf '%s' {documents} | ask_api 15 apply --server-side --force-conflicts \
--field-manager={manager} --dry-run=server -o json -f - >"$tmp/api-stored" &
"""


def asking(query: Query) -> str:
    """The shell text that asks the API server of this host, in the background."""
    address, port = like(NAME, query.address), f"{query.api_port:d}"
    paths = _paths(query)
    by_openssl = ""
    if paths is not None and sum(len(each.text) for each in query.applied) <= _MOST_BYTES:
        by_openssl = _BY_OPENSSL.format(
            address=address,
            port=port,
            paths=quoted(["/readyz", "/api/v1/nodes", *paths.values()]),
            patches=_patches(query.applied, paths, address),
            admin=at.ADMIN_CONF,
        )
    return by_openssl + _BY_KUBECTL.format(
        address=address,
        port=port,
        gets="".join(_gets(query)),
        stored=_stored(query.applied),
        admin=at.ADMIN_CONF,
        cache=at.KUBECTL_CACHE,
    )


def _paths(query: Query) -> Mapping[ObjectKey, str] | None:
    """Object -> its URL's path; None when one is of a kind whose place is not known here."""
    versions = {each.key: each.version for each in query.applied}
    paths: dict[ObjectKey, str] = {}
    for key in query.objects:
        resource, _, group = like(RESOURCE, key.resource).partition(".")
        if group not in GROUPS or not resource.endswith("s"):
            return None
        version = like(VERSION, versions.get(key, GROUPS[group]))
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        where = f"/namespaces/{like(NAME, key.namespace)}" if key.namespace else ""
        paths[key] = f"{root}{where}/{resource}/{like(NAME, key.name)}"
    return paths


def _patches(applied: Iterable[Applied], paths: Mapping[ObjectKey, str], address: str) -> str:
    words: list[str] = []
    for each in applied:
        words += [paths[each.key], str(len(each.text.encode())), each.text]
    if not words:
        return ""
    return _PATCHES.format(manager=FIELD_MANAGER, address=address, words=quoted(words))


def _gets(query: Query) -> Iterable[str]:
    """One kubectl for each namespace: it cannot mix namespaces in one call."""
    versions = {each.key: each.version for each in query.applied}
    namespaces: dict[str, list[str]] = {}
    for key in query.objects:
        resource = like(RESOURCE, key.resource)
        if (group := group_of(resource)) and key in versions:
            kind = resource.removesuffix(f".{group}")
            resource = f"{kind}.{like(VERSION, versions[key])}.{group}"
        namespaces.setdefault(key.namespace, []).append(f"{resource}/{like(NAME, key.name)}")
    for number, (namespace, names) in enumerate(namespaces.items()):
        where = f"-n {like(NAME, namespace)}" if namespace else ""
        yield _GET.format(number=number, where=where, names=quoted(names))


def _stored(applied: Iterable[Applied]) -> str:
    texts = [each.text for each in applied]
    if not texts:
        return ""
    listed = f'{{"apiVersion":"v1","kind":"List","items":[{",".join(texts)}]}}'
    return _STORED.format(manager=FIELD_MANAGER, documents=shlex.quote(listed))
