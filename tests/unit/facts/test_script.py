"""The script of facts, run for real by this machine's /bin/sh."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kanae.facts.model import Applied, BootSetting, HostBase, HostFacts, ObjectKey, Query
from kanae.facts.parse import parse
from kanae.facts.script import script
from kanae.layout import proxies

CONFIG_MAP = ObjectKey("configmaps", "default", "x")
EVERYTHING = Query(
    folders=("/etc/cni/net.d", "/it's here"),
    files=("/etc/hosts", "/it's here; $(touch /tmp/kanae-no)", "~/it's $(touch no)"),
    contents=("/etc/hostname",),
    certificates=("/etc/kubernetes/pki/ca.crt",),
    units=("kubelet.service", "a\\x2db@1.mount"),
    packages=("bash",),
    sysctls=("net.ipv4.ip_forward",),
    images=True,
    cluster=True,
    etcd=True,
    names=("api.example.org",),
    address="192.0.2.1",
    objects=(
        ObjectKey("daemonsets.apps", "kube-system", "kube-proxy"),
        ObjectKey("clusterroles.rbac.authorization.k8s.io", "", "system:node"),
        CONFIG_MAP,
    ),
    applied=(Applied(CONFIG_MAP, "v1", '{"data":{"a":"it\'s $(touch /tmp/kanae-no) %s \\n"}}'),),
)


def _shells() -> list[list[str]]:
    found = [[path] for name in ("dash", "sh") if (path := shutil.which(name))]
    busybox = shutil.which("busybox")
    return [*found, *([[busybox, "ash"]] if busybox else [])]


def _output(query: Query, state: Path) -> bytes:
    done = subprocess.run(["/bin/sh", "-c", script(query, str(state))], capture_output=True)
    assert done.stderr == b""
    assert done.returncode == 0
    return done.stdout


def _facts(query: Query, state: Path) -> HostFacts:
    sent = time.time()
    output = _output(query, state)
    return parse("here", query, output, sent, time.time(), str(state))


@pytest.mark.parametrize("shell", _shells(), ids=lambda shell: Path(shell[-1]).name)
def test_is_clean_posix_sh(shell: list[str]) -> None:
    for query in (Query(), EVERYTHING):
        subprocess.run([*shell, "-n"], input=script(query).encode(), check=True)


def test_may_be_fed_through_standard_input(tmp_path: Path) -> None:
    fed = subprocess.run(
        ["/bin/sh"], input=script(Query(), str(tmp_path)).encode(), capture_output=True, check=True
    )
    assert parse("here", Query(), fed.stdout, 0, 0).base.hostname


def test_base_facts_are_those_of_this_machine(tmp_path: Path) -> None:
    base = _facts(Query(), tmp_path).base
    assert base.hostname == os.uname().nodename
    assert base.kernel == os.uname().release
    assert base.cpus == len(os.sched_getaffinity(0))
    assert base.memory == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert abs(base.clock_offset) <= base.clock_error + 0.05
    assert base.disks["/var/lib/etcd"][1] > 0
    assert {"lo"} <= {interface.name for interface in base.interfaces}


def test_reads_kinds_modes_links_and_texts_under_any_name(tmp_path: Path) -> None:
    odd = tmp_path / 'it\'s  $(x) `y` "z" *;&'
    odd.write_text("one\ntwo\n")
    odd.chmod(0o640)
    link = tmp_path / "a link"
    link.symlink_to("to nowhere")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\x00\xfe")
    empty = tmp_path / "empty"
    empty.touch()
    paths = tuple(map(str, (odd, link, binary, empty, tmp_path)))
    files = _facts(
        Query(files=paths, contents=(*paths[:4], str(tmp_path / "missing"))), tmp_path
    ).files

    first = files[paths[0]]
    assert first is not None
    assert (first.kind, first.mode, first.size, first.text) == ("file", 0o640, 8, "one\ntwo\n")
    assert first.sha256 == hashlib.sha256(b"one\ntwo\n").hexdigest()
    second = files[paths[1]]
    assert second is not None
    assert (second.kind, second.target, second.sha256) == ("link", "to nowhere", "")
    third = files[paths[2]]
    assert third is not None
    assert third.text is None
    assert third.sha256
    fourth = files[paths[3]]
    assert fourth is not None
    assert fourth.text == ""
    folder = files[paths[4]]
    assert folder is not None
    assert folder.kind == "directory"
    assert files[str(tmp_path / "missing")] is None


def test_folders_are_listed_with_all_that_is_in_them(tmp_path: Path) -> None:
    folder, empty = tmp_path / "net.d", tmp_path / "an empty one"
    folder.mkdir()
    empty.mkdir()
    for name in (".hidden", "..odd", "a b; $(x)", "*", "10-x.conflist"):
        (folder / name).touch()
    (folder / "dangling").symlink_to("nowhere")
    asked = (str(folder), str(empty), str(tmp_path / "missing"))
    folders = _facts(Query(folders=asked), tmp_path).folders
    assert set(folders[asked[0]]) == {
        ".hidden", "..odd", "a b; $(x)", "*", "10-x.conflist", "dangling",
    }  # fmt: skip
    assert (folders[asked[1]], folders[asked[2]]) == ((), ())


def _with_modprobe(answer: str, tmp_path: Path) -> HostBase:
    """As the script reads it where no module is loaded and `modprobe --show-depends` says this."""
    fake = f"modprobe() {{ printf '%s\\n' {shlex.quote(answer)}; }}\n"
    text = script(Query(), str(tmp_path)).replace("/sys/module/", "/nowhere/")
    text = text.replace("/lib/modules/$release", "/")
    done = subprocess.run(["/bin/sh", "-c", fake + text], capture_output=True, check=True)
    return parse("here", Query(), done.stdout, 0, 0).base


@pytest.mark.parametrize(
    ("answer", "features", "unloaded", "forbidden"),
    [
        ("builtin overlay", True, False, False),
        ("insmod /lib/modules/6.1/overlay.ko", True, True, False),
        ("install /bin/false", False, False, True),
        ("install /bin/true ; echo no", False, False, True),
        ("insmod /lib/modules/6.1/llc.ko\ninstall /usr/bin/false", False, False, True),
        ("install /sbin/modprobe --ignore-install overlay && x", True, True, False),
    ],
)
def test_what_modprobe_would_do_tells_modules_apart(
    tmp_path: Path, answer: str, features: bool, unloaded: bool, forbidden: bool
) -> None:
    base = _with_modprobe(answer, tmp_path)
    assert ("overlay" in base.kernel_features) is features
    assert ("overlay" in base.unloaded_modules) is unloaded
    assert ("overlay" in base.forbidden_modules) is forbidden


def test_proxies_are_told_by_their_places_and_never_by_their_values(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    text = script(Query(), str(tmp_path)).replace("/etc/environment", str(environment))

    def places(content: str, **variables: str) -> tuple[str, ...]:
        environment.write_text(content)
        done = subprocess.run(
            ["/bin/sh", "-c", text], capture_output=True, check=True, env=variables
        )
        assert b"s3cret" not in done.stdout
        return parse("here", Query(), done.stdout, 0, 0).base.proxies

    secret = "http://me:s3cret@proxy.example:3128"
    assert places(f'PATH=/bin\nhttps_proxy="{secret}"\n') == (str(environment),)
    assert places(f"# HTTPS_PROXY={secret}\nno_proxy=x\nHTTP_PROXY=\n") == ()
    # What kanae's own units say, so that none comes from systemd's configuration.
    assert places(f"[Service]\n{proxies.EMPTY}\n") == ()
    assert places("", HTTPS_PROXY=secret) == ("the SSH session",)


def test_settings_of_files_are_those_that_hold_after_a_boot(tmp_path: Path) -> None:
    """By what `systemd-analyze cat-config` prints, comments and all."""
    said = """# /usr/lib/sysctl.d/50-default.conf
# net.ipv4.ip_forward = 7
net.ipv4.conf.*.rp_filter = 2
-net.ipv4.conf.all.rp_filter

# /etc/sysctl.d/90-kanae.conf
net.ipv4.ip_forward = 1
fs.inotify.max_user_instances=8192
# /etc/sysctl.d/99-sysctl.conf
# /etc/sysctl.conf - a file that is often edited
-net/ipv4/ip_forward =  0
; fs.inotify.max_user_instances = 1
"""
    asked = (
        "net.ipv4.ip_forward",
        "fs.inotify.max_user_instances",
        "net.ipv4.conf.eth0.rp_filter",
        "vm.overcommit_memory",
    )
    (tmp_path / "said").write_text(said)
    played = f"""have() {{ true; }}
timeout() {{ case $* in *' cat-config sysctl.d') cat {tmp_path}/said ;; esac; }}
"""
    text = script(Query(sysctls=asked), str(tmp_path / "state"))
    # In place of the host's own, where the section is printed.
    text = text.replace("section boot-sysctls\n", f"section boot-sysctls\n{played}")
    output = subprocess.run(["/bin/sh", "-c", text], capture_output=True, check=True).stdout
    assert parse("here", Query(sysctls=asked), output, 0, 0).boot_sysctls == {
        "net.ipv4.ip_forward": BootSetting("0", "/etc/sysctl.d/99-sysctl.conf"),
        "fs.inotify.max_user_instances": BootSetting("8192", "/etc/sysctl.d/90-kanae.conf"),
        "net.ipv4.conf.eth0.rp_filter": BootSetting("2", "/usr/lib/sysctl.d/50-default.conf"),
    }


def test_packages_of_every_package_manager_that_is_there_are_found(tmp_path: Path) -> None:
    """As on a Fedora that also has Debian's tools. rpm's query answers like this one."""
    rpm = "rpm() { printf 'package bash is not installed\\ninstalled made-up 1-2\\n'; }\n"
    query = Query(packages=("bash", "made-up", "nope"))
    output = subprocess.run(
        ["/bin/sh", "-c", rpm + script(query, str(tmp_path))], capture_output=True, check=True
    ).stdout
    packages = parse("here", query, output, 0, 0).packages
    assert packages["made-up"] == "1-2"
    assert packages["nope"] is None
    assert (packages["bash"] is not None) is (shutil.which("dpkg-query") is not None)


def test_a_dry_run_is_asked_for_in_the_connection_of_all_else(tmp_path: Path) -> None:
    """openssl is played, which gets what would be sent. Its program is found by the real name."""
    admin = tmp_path / "admin.conf"
    encoded = base64.b64encode(b"x").decode()
    fields = ("certificate-authority-data", "client-certificate-data", "client-key-data")
    admin.write_text("".join(f"{field}: {encoded}\n" for field in fields))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "openssl").write_text(f"#!/bin/sh\ncat >{tmp_path}/sent\n")
    (programs / "openssl").chmod(0o755)
    text = script(EVERYTHING, str(tmp_path)).replace("/etc/kubernetes/admin.conf", str(admin))
    text = text.replace("PATH=/usr/local/sbin", f"PATH={programs}:/usr/local/sbin")
    subprocess.run(["/bin/sh", "-c", text], check=True, capture_output=True)
    sent = (tmp_path / "sent").read_bytes()
    requests = re.findall(rb"((?:GET|PATCH) \S+) HTTP/1.1\r\n", sent)
    config_map = b"/api/v1/namespaces/default/configmaps/x"
    assert requests == [
        b"GET /readyz",
        b"GET /api/v1/nodes",
        b"GET /apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy",
        b"GET /apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
        b"GET " + config_map,
        b"PATCH " + config_map + b"?dryRun=All&force=true&fieldManager=kanae",
        b"GET /version",
    ]
    body = EVERYTHING.applied[0].text.encode()
    assert b"Content-Length: %d\r\n\r\n%sGET" % (len(body), body) in sent


def test_many_objects_and_those_of_unknown_kinds_go_by_kubectl() -> None:
    """openssl writes all before it reads: more than fits into buffers would stand for ever."""
    large = replace(EVERYTHING, applied=(Applied(CONFIG_MAP, "v1", "x" * (65 << 10)),))
    thing = ObjectKey("things.example.org", "", "t")
    unknown = Query(cluster=True, objects=(thing,), applied=(Applied(thing, "v1beta1", "{}"),))
    for query in (large, unknown):
        assert "s_client" not in script(query)
        assert "--dry-run=server" in script(query)
    assert "things.v1beta1.example.org/t" in script(unknown)
    assert "s_client" in script(EVERYTHING)


def _aged(path: Path, content: bytes) -> None:
    """Write a file whose change time is in the past as far as the cache is concerned."""
    path.write_bytes(content)
    deadline = time.monotonic() + 10
    while int(time.time()) - int(path.stat().st_ctime) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)


def test_hashes_of_large_files_come_from_the_cache_until_the_file_changes(tmp_path: Path) -> None:
    state, big, other = tmp_path / "state", tmp_path / "a big one", tmp_path / "other"
    content = b"a" * 100_000
    _aged(big, content)
    shutil.copy(big, other)
    query = Query(files=(str(big), str(other)))
    true = hashlib.sha256(content).hexdigest()

    def read() -> str:
        fact = _facts(query, state).files[str(big)]
        assert fact is not None
        return fact.sha256

    assert read() == true
    cache = state / "hashes"
    assert cache.stat().st_mode & 0o777 == 0o600
    assert str(big) in cache.read_text()
    assert str(other) not in cache.read_text()  # it has only just been written
    cache.write_text(cache.read_text().replace(true, "0" * 64))
    assert read() == "0" * 64  # so it was not read again

    before = big.stat()
    big.write_bytes(b"b" * 100_000)
    os.utime(big, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert big.stat().st_size == before.st_size
    assert big.stat().st_ino == before.st_ino
    assert read() == hashlib.sha256(b"b" * 100_000).hexdigest()


def test_a_state_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    blocker = tmp_path / "state"
    blocker.write_text("a file where a folder should be")
    big = tmp_path / "big"
    _aged(big, b"x" * 70_000)
    fact = _facts(Query(files=(str(big),)), blocker).files[str(big)]
    assert fact is not None
    assert fact.sha256 == hashlib.sha256(b"x" * 70_000).hexdigest()


def test_marks_are_read_without_being_asked_for(tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / "cluster").write_text("reference\n")
    assert _facts(Query(), tmp_path).marks == {"cluster": "reference\n"}


def _pair(folder: Path, name: str) -> tuple[Path, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.crt"
    path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.with_suffix(".key").write_bytes(private)
    return path, private


def test_certificates_are_matched_with_keys_that_stay_on_the_host(tmp_path: Path) -> None:
    good, private = _pair(tmp_path, "good")
    bad, _ = _pair(tmp_path, "bad")
    bad.with_suffix(".key").write_bytes(private)
    alone, _ = _pair(tmp_path, "alone")
    alone.with_suffix(".key").unlink()
    both = tmp_path / "current.pem"
    both.write_bytes(good.read_bytes() + private)
    config = tmp_path / "admin.conf"
    encoded = base64.b64encode(good.read_bytes()).decode()
    secret = base64.b64encode(private).decode()
    config.write_text(
        f"users:\n- user:\n    client-certificate-data: {encoded}\n    client-key-data: {secret}\n"
    )
    rubbish = tmp_path / "rubbish.crt"
    rubbish.write_text("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n")
    asked = tuple(map(str, (good, bad, alone, both, config, rubbish, tmp_path / "missing.crt")))
    query = Query(certificates=asked)
    found = _facts(query, tmp_path).certificates

    matches = [fact.key_matches for fact in found.values() if fact is not None]
    assert matches == [True, False, None, True, None]
    assert found[asked[5]] is None
    assert found[asked[6]] is None
    first = found[asked[0]]
    assert first is not None
    assert first.subject == "CN=good"
    assert first.sans == {"a.example"}
    output = _output(query, tmp_path)
    for line in private.splitlines()[1:-1]:
        assert line not in output
    assert secret.encode() not in output


@pytest.mark.parametrize(
    "query",
    [
        Query(files=("relative",)),
        Query(files=("/two\nlines",)),
        Query(contents=("/back\\slash",)),
        Query(units=("--all",)),
        Query(packages=("-f=x",)),
        Query(sysctls=("../../etc/shadow",)),
        Query(cluster=True, address="10.0.0.1; reboot"),
        Query(cluster=True, objects=(ObjectKey("pods", "", "--all"),)),
    ],
    ids=str,
)
def test_names_that_no_host_could_have_are_refused(query: Query) -> None:
    with pytest.raises(ValueError, match="not a "):
        script(query)
