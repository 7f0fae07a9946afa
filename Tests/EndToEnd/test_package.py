"""The Debian package and its unit: built, installed into a root that is thrown away, run by a real
systemd, removed and purged. This machine's own files are not touched."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import throwaway
from conftest import minimal
from endpoints import text
from programs import RELEASE, ROOT, wait_for

UNIT = ROOT / "config/systemd/steelyard.service"
FILE = "/etc/steelyard/steelyard.yaml"
VERSION = re.search(r'"(.+)"', (ROOT / "Sources/CLI/Version.swift").read_text()).group(1)
# What the unit leaves open, after `systemd-analyze security`: 0 (nothing) to 10.
EXPOSURE_MAX = 2.0


def build(*directories):
    """One package into each, at the same time."""
    builds = [subprocess.Popen(
        [ROOT / "scripts/deb", "--binary", RELEASE, "--output", directory, "--compression", "none"],
        stdout=subprocess.PIPE, text=True,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}) for directory in directories]
    paths = [Path(build.communicate(timeout=200)[0].splitlines()[0]) for build in builds]
    assert [build.returncode for build in builds] == [0] * len(builds)
    return paths


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    linked = subprocess.run(["ldd", RELEASE], capture_output=True, text=True).stdout
    if "libswiftCore" in linked:
        pytest.skip("a package is made of a build with --static-swift-stdlib")
    return build(tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def package(packages):
    return packages[0]


@pytest.fixture(scope="module")
def possible(tmp_path_factory):
    reason = throwaway.refusal(tmp_path_factory.mktemp("possible"))
    if reason:
        pytest.skip(reason)


@pytest.fixture
def root(possible, tmp_path):
    root = throwaway.Root(tmp_path)
    yield root
    root.stop()


@pytest.fixture(scope="module")
def host(possible, package, tmp_path_factory):
    """A machine with systemd and the package, whose unit runs and is watched closely."""
    host = throwaway.Root(tmp_path_factory.mktemp("host"), init="systemd")
    host.path("/etc/systemd/system/steelyard.service.d").mkdir(parents=True)
    host.path("/etc/systemd/system/steelyard.service.d/test.conf").write_text(
        "[Service]\nWatchdogSec=2s\n")
    install(host, package)
    yield host
    host.stop()


def install(root, package):
    copy = "/root/steelyard.deb"
    root.path(copy).write_bytes(package.read_bytes())
    return root.check("dpkg", "-i", copy)


def shown(host, name):
    return host.check("systemctl", "show", "--value", f"--property={name}", "steelyard").strip()


def status(root, target="/readyz", port=9900):
    return root.run("curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}",
                    f"http://127.0.0.1:{port}{target}").stdout


def begins_anew(host, configuration=None):
    """The unit with this configuration, or the package's own."""
    original = host.path(FILE + ".test-original")
    if not original.exists():
        original.write_text(host.path(FILE).read_text())
    host.path(FILE).write_text(configuration or original.read_text())
    host.check("systemctl", "restart", "steelyard")


# The package as a file.


def test_a_package_says_what_it_is_and_needs(package):
    assert package.name.startswith(f"steelyard_{VERSION}-1_")
    def field(name):
        return subprocess.run(["dpkg-deb", "-f", package, name], check=True, capture_output=True,
                              text=True).stdout.strip()
    assert field("Version") == f"{VERSION}-1"
    needs = field("Depends")
    assert re.search(r"libc6 \(>= 2\.\d+\)", needs) and "libyaml-0-2" in needs
    listed = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True,
                            text=True).stdout.splitlines()
    owners = {line.split()[1] for line in listed}
    assert owners == {"root/root"}
    names = {line.split()[-1] for line in listed}
    assert {"./usr/bin/steelyard", f".{FILE}", "./lib/systemd/system/steelyard.service",
            "./usr/share/doc/steelyard/copyright",
            "./usr/share/doc/steelyard/changelog.Debian.gz"} <= names
    for source, place in [
            ("config/prometheus", "./usr/share/steelyard/prometheus/"),
            ("dashboards", "./usr/share/steelyard/dashboards/"),
            ("docs/steelyard.1", "./usr/share/man/man1/steelyard.1.gz"),
            ("config/completions/_steelyard", "./usr/share/zsh/vendor-completions/_steelyard")]:
        assert (place in names) == (ROOT / source).exists(), place


def test_the_program_is_stripped_and_resolves_its_symbols_at_the_start(package, tmp_path):
    symbols = package.with_name(package.name.replace("steelyard_", "steelyard-dbgsym_"))
    for file in (package, symbols):
        subprocess.run(["dpkg-deb", "-x", file, tmp_path], check=True, timeout=60)
    program = tmp_path / "usr/bin/steelyard"

    def told(*words):
        return subprocess.run(
            words, check=True, capture_output=True, text=True, timeout=60).stdout
    # All of the table of addresses is read-only once it runs (full RELRO).
    dynamic, segments = told("readelf", "-dW", program), told("readelf", "-lW", program)
    assert "NOW" in dynamic and "PIE" in dynamic and "GNU_RELRO" in segments
    assert ".symtab" not in told("readelf", "-SW", program)
    identity = re.search(r"Build ID: ([0-9a-f]+)", told("readelf", "-n", program)).group(1)
    (file,) = (tmp_path / "usr/lib/debug/.build-id").rglob("*.debug")
    assert file.parent.name + file.stem == identity
    assert "Worker" in told("nm", file)


def _anchors(page):
    """What a link to a part of the page may say: its headings, as they are commonly written."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_every_link_of_the_documentation_leads_to_a_file_of_the_package(package, tmp_path):
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True, timeout=60)
    pages = sorted((tmp_path / "usr/share/doc/steelyard").rglob("*.md"))
    links, broken = 0, []
    for page in pages:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            links += 1
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            if not file.exists() or anchor and anchor not in _anchors(file):
                broken.append(f"{page.name}: {target}")
    assert not broken
    alerts = (tmp_path / "usr/share/steelyard/prometheus/alerts.yml").read_text()
    runbooks = re.findall(r"runbook_url: (\S+)", alerts)
    assert runbooks and all(re.match(r"https?://[^#]+#\w+$", one) for one in runbooks)
    assert len(pages) > 25 and links > 150
    named = set(re.findall(r"config/scenarios/[\w-]+\.yaml", "".join(p.read_text() for p in pages)))
    assert named and all((tmp_path / "usr/share/doc/steelyard" / one).exists() for one in named)


def test_the_same_sources_make_the_same_bytes(packages):
    one, two = packages
    assert one.read_bytes() == two.read_bytes()


# A machine without systemd.


def test_install_run_remove_purge_without_systemd(root, package):
    accounts = [root.path(name).read_text() for name in ("/etc/passwd", "/etc/group")]
    install(root, package)
    root.path("/root/steelyard.deb").unlink()
    assert "steelyard" in root.check("getent", "passwd", "steelyard")
    assert root.check("steelyard", "version").strip() == f"steelyard {VERSION}"
    root.check("steelyard", "check", FILE)
    command = re.search(r"^ExecStart=(.+)$", UNIT.read_text(), re.M).group(1).split()
    with subprocess.Popen(
            root.command("setpriv", "--reuid=steelyard", "--regid=steelyard", "--init-groups",
                         "--no-new-privs", *command), stderr=subprocess.DEVNULL) as server:
        wait_for(lambda: status(root) == "200", "an answer of /readyz")
        root.check("kill", root.check("pgrep", "-u", "steelyard", "-x", "steelyard").strip())
        assert server.wait(30) == 0
    root.check("dpkg", "--remove", "steelyard")
    assert root.path(FILE).exists() and not root.path("/usr/bin/steelyard").exists()
    root.check("dpkg", "--purge", "steelyard")
    left = [name for name in root.upper() if "steelyard" in name]
    assert left == []
    assert accounts == [root.path(name).read_text() for name in ("/etc/passwd", "/etc/group")]


# A machine with systemd.


def test_the_unit_runs_once_installed_and_says_what_it_does(host):
    begins_anew(host)
    assert shown(host, "ActiveState") == "active" and shown(host, "Type") == "notify"
    assert shown(host, "UnitFileState") == "enabled"
    assert status(host) == "200"
    assert shown(host, "StatusText") == "Serving: 1 of 1 endpoints take requests"
    assert shown(host, "NRestarts") == "0"


def test_the_process_has_no_more_rights_than_it_needs(host):
    begins_anew(host)
    facts = dict(line.split(":\t", 1) for line in
                 host.path(f"/proc/{shown(host, 'MainPID')}/status").read_text().splitlines())
    user = host.check("id", "-u", "steelyard").strip()
    assert facts["Uid"].split() == [user] * 4
    net_bind_service = f"{1 << 10:016x}"
    assert facts["CapEff"] == facts["CapBnd"] == net_bind_service
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"
    # As many files as the unit says, or as this machine lets systemd give.
    assert files(host, shown(host, "MainPID")) == [min(1048576, files(host, 1)[1])] * 2


def files(host, pid):
    limits = host.path(f"/proc/{pid}/limits").read_text()
    return [int(number) for number in
            re.search(r"Max open files +(\d+) +(\d+)", limits).groups()]


def test_a_reload_takes_low_ports_and_logs_where_the_unit_allows_them(host):
    begins_anew(host)
    pid = shown(host, "MainPID")
    host.path(FILE).write_text(
        "access_log: {path: /var/log/steelyard/access.log}\n"
        "listeners: [{listen: ':80', routes: [{match: {path: /}, respond: {status: 204}}]}]\n"
        "pools: {text: {endpoints: ['127.0.0.1:8000']}}\n")
    host.check("systemctl", "reload", "steelyard")
    wait_for(lambda: status(host, "/", 80) == "204", "the new listener")
    log = host.path("/var/log/steelyard/access.log")
    wait_for(lambda: log.exists() and "status=204" in log.read_text(), "a line of the access log")
    assert shown(host, "MainPID") == pid
    # Rotation, as the package's snippet does it.
    log.rename(log.with_suffix(".1"))
    host.check("systemctl", "kill", "--kill-whom=main", "--signal=USR1", "steelyard")
    wait_for(log.exists, "a new file")
    assert log.stat().st_uid == int(host.check("id", "-u", "steelyard"))


def test_a_reload_of_a_bad_file_fails_and_changes_nothing(host):
    begins_anew(host)
    pid = shown(host, "MainPID")
    host.path(FILE).write_text("listeners: nonsense\n")
    assert host.run("systemctl", "reload", "steelyard").returncode != 0
    assert shown(host, "ActiveState") == "active" and shown(host, "MainPID") == pid
    assert status(host) == "200"


def test_a_bad_file_is_not_started_again_and_again(host):
    begins_anew(host)
    host.path(FILE).write_text("listeners: nonsense\n")
    assert host.run("systemctl", "restart", "steelyard").returncode != 0
    assert shown(host, "ActiveState") == "failed" and shown(host, "ExecMainStatus") == "78"
    assert shown(host, "NRestarts") == "0"
    host.check("systemctl", "reset-failed", "steelyard")


def test_a_hang_is_noticed_and_ended(host):
    begins_anew(host)
    pid = shown(host, "MainPID")
    host.check("kill", "-STOP", pid)
    wait_for(lambda: shown(host, "NRestarts") == "1", "the restart")
    wait_for(lambda: shown(host, "ActiveState") == "active" and status(host) == "200", "service")
    assert shown(host, "MainPID") != pid


def test_an_upgrade_leaves_the_old_process_alone_and_a_stop_is_clean(host, package):
    begins_anew(host)
    pid = shown(host, "MainPID")
    install(host, package)
    assert shown(host, "MainPID") == pid and status(host) == "200"
    host.check("systemctl", "restart", "steelyard")
    assert shown(host, "MainPID") != pid and status(host) == "200"
    host.check("systemctl", "stop", "steelyard")
    assert shown(host, "ActiveState") == "inactive" and shown(host, "Result") == "success"


def test_a_removal_stops_the_service_and_a_purge_leaves_nothing(host, package):
    begins_anew(host)
    host.check("dpkg", "--remove", "steelyard")
    assert status(host) == "000"
    assert not host.run("getent", "passwd", "steelyard").returncode
    install(host, package)
    assert status(host) == "200"
    host.path(FILE + ".test-original").unlink()
    shutil.rmtree(host.path("/etc/systemd/system/steelyard.service.d"))
    host.path("/root/steelyard.deb").unlink()
    host.check("dpkg", "--purge", "steelyard")
    assert [name for name in host.upper() if "steelyard" in name] == []
    assert host.run("getent", "passwd", "steelyard").returncode == 2
    assert host.run("getent", "group", "steelyard").returncode == 2


# The unit as a file.


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    # The program may not be installed on this machine.
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/usr/bin/steelyard", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and str(UNIT.name) not in done.stderr, done.stderr
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", copy], capture_output=True,
        text=True, timeout=60)
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout).group(1))
    print(f"exposure {exposure}")
    assert exposure <= EXPOSURE_MAX


def calls_of(group):
    """The system calls of a group of `systemd-analyze syscall-filter`, with those of its groups."""
    lines = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True,
        timeout=60).stdout.splitlines()
    found = set()
    for name in (line.strip() for line in lines[1:]):
        if name.startswith("@"):
            found |= calls_of(name)
        elif name and not name.startswith("#"):
            found.add(name)
    return found


def test_no_system_call_is_one_that_the_unit_forbids(stage, tmp_path):
    trace = tmp_path / "trace"
    endpoint = stage.endpoint(text(b"x" * 100_000))
    configuration = minimal([endpoint.address]) | {
        "access_log": {"path": str(tmp_path / "access.log")}}
    configuration["pools"]["text"]["weights"] = {"scrape": [{"preset": "vllm"}]}
    configuration["pools"]["names"] = {"endpoints": ["localhost.localdomain:1"]}
    steelyard = stage.steelyard(
        configuration, {"NOTIFY_SOCKET": "@nobody"}, under=("strace", "-D", "-f", "-o", str(trace)))
    for _ in range(3):
        assert steelyard.get("/").status == 200
    steelyard.metrics()
    steelyard.send_signal(signal.SIGHUP)
    wait_for(lambda: steelyard.events("configuration reloaded"), "the reload")
    steelyard.send_signal(signal.SIGTERM)
    assert steelyard.wait() == 0
    wait_for(lambda: "exited with 0" in trace.read_text(), "the whole trace")
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.M))
    assert {"epoll_pwait", "accept4", "sendto"} <= made
    print(f"{len(made)} system calls: {' '.join(sorted(made))}")
    allowed = calls_of("@system-service") - calls_of("@privileged")
    assert made - allowed == {"execve"} - allowed
