"""Fixtures: programs that stop with their test, and their output where it failed."""

import signal

import endpoints
import programs
import pytest
from allocations import Allocations
from certificates import Certificates
from names import Hosts
from secure import Secure

TEST_SECONDS_MAX = 240
LOG_TAIL_BYTES = 4000
# The files that take longest, longest first: workers begin with them, so that none is left over.
LONGEST = [
    "test_faults", "test_watchdog", "test_rules", "test_retries", "test_alerts", "test_timeouts",
    "test_package", "test_status_page", "test_status", "test_no_harm", "test_slow_clients",
    "test_load_bench", "test_service_manager", "test_top", "test_prometheus", "test_dashboards"]


class Stage:
    """Starts programs and endpoints for one test and stops them in reverse order. `node`: the test
    or module; marked `alone`, it gets the binary that is shipped. `secure`: all of them speak TLS
    with one another."""

    def __init__(self, directory, node, secure=None):
        self.directory = directory
        self.secure = secure
        self.binary = programs.RELEASE if node.get_closest_marker("alone") else None
        self.running = []
        self.logs = []

    def _keep(self, one):
        self.running.append(one)
        if hasattr(one, "log"):
            self.logs.append(one.log)
        return one

    def _room(self, name):
        return self.directory / f"{len(self.running)}-{name}"

    def steelyard(self, configuration, environment=None, under=(), admin_wrap=None):
        room = self._room("steelyard")
        self.logs.append(room / "steelyard.log")
        return self._keep(programs.Steelyard(
            room, configuration, environment, under, self.binary, self.secure,
            admin_wrap))

    def nginx(self, host="127.0.0.1", port=None, label="one", **options):
        if self.secure:
            options.setdefault("pair", self.secure.certificates.local)
        return self._keep(programs.Nginx(self._room("nginx"), host, port, label, **options))

    def node_exporter(self, host, port, procfs):
        return self._keep(
            programs.NodeExporter(self._room("node_exporter"), host, port, procfs))

    def prometheus(self, *targets, **options):
        return self._keep(programs.Prometheus(self._room("prometheus"), *targets, **options))

    def endpoint(self, answer, host="127.0.0.1", port=0, wrap=None):
        if self.secure:
            wrap = wrap or self.secure.accept
        return self._keep(endpoints.Endpoint(answer, host, port, wrap))

    def keep(self, one):
        """Anything else with a stop()."""
        return self._keep(one)

    def stop(self):
        for one in reversed(self.running):
            one.stop()


def minimal(addresses, **pool):
    """The smallest configuration: one listener, one pool, these endpoints."""
    return {
        "admin": {"listen": "127.0.0.1:0"}, "workers": 1,
        "listeners": [{"listen": "127.0.0.1:0", "pool": "text"}],
        "pools": {"text": {"endpoints": list(addresses), **pool}}}


@pytest.fixture(scope="session", autouse=True)
def binary():
    for binary in (programs.BINARY, programs.RELEASE):
        if not binary.exists():
            pytest.exit(
                f"{binary} is missing: make test builds it, or set STEELYARD, STEELYARD_RELEASE", 1)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def transport(request):
    """None in the clear; in tests marked `over_tls` also what makes everything speak TLS."""
    if getattr(request, "param", "plain") == "plain":
        return None
    return Secure(request.getfixturevalue("certificates"))


@pytest.fixture
def stage(tmp_path, request, transport):
    stage = Stage(tmp_path, request.node, transport)
    request.node.stages = [stage]
    yield stage
    stage.stop()


@pytest.fixture(scope="module")
def module_stage(tmp_path_factory, request, transport):
    stage = Stage(tmp_path_factory.mktemp(request.module.__name__), request.node, transport)
    request.node.stages = [stage]
    yield stage
    stage.stop()


@pytest.fixture(scope="module")
def endpoint(module_stage):
    """One that answers with what arrived; for modules that need no other."""
    return module_stage.endpoint(endpoints.echo)


@pytest.fixture(scope="module")
def steelyard(module_stage, endpoint):
    """In front of that endpoint."""
    return module_stage.steelyard(minimal([endpoint.address]))


@pytest.fixture(scope="session")
def hosts_library(tmp_path_factory):
    return programs.preloadable(tmp_path_factory.mktemp("hosts"), "hosts_file.c")


@pytest.fixture
def hosts(tmp_path, hosts_library):
    """The host names that steelyard finds when it is started with `hosts.environment`."""
    return Hosts(tmp_path, hosts_library)


@pytest.fixture(scope="session")
def allocations_library(tmp_path_factory):
    return programs.preloadable(tmp_path_factory.mktemp("allocations"), "malloc_count.c")


@pytest.fixture
def allocations(tmp_path, allocations_library):
    """Those of steelyard, when it is started with `allocations.environment`."""
    return Allocations(tmp_path, allocations_library)


@pytest.fixture(autouse=True)
def bounded():
    """No test runs longer than TEST_SECONDS_MAX, whatever it waits for."""

    def expire(*_):
        raise TimeoutError(f"the test ran for {TEST_SECONDS_MAX} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(TEST_SECONDS_MAX)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="also tests that are marked `long`")


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker("over_tls")
    if marker and marker.args != (False,):
        metafunc.parametrize("transport", ["plain", "tls"], indirect=True, scope="module")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        config.hook.pytest_deselected(
            items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if not report.failed:
        return
    for node in (item, item.parent):
        for stage in getattr(node, "stages", []):
            for log in dict.fromkeys(stage.logs):
                if log.exists():
                    tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
                    report.sections.append((f"{log}", tail))
