"""The page at / in a real Chromium: what it shows is what is, by mouse and by keyboard, in both
colour schemes and on a narrow screen, with hostile names, 200 endpoints and a server that goes."""

import json
import re
import signal
import time

import pytest
import wire
from browser import Browser
from loads import Load
from conftest import minimal
from endpoints import text
from programs import ROOT, free_port, wait_for
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

READ, WRITE = "read-token-0123456789", "write-token-0123456789"
WEB = ROOT / "Sources/StatusPage/web"
HOSTILE = "<img src=x onerror=alert(1)>\"'&</script>"


@pytest.fixture(scope="module")
def chromium():
    browser = Browser()
    yield browser
    browser.stop()


@pytest.fixture
def browser(chromium):
    """The one browser, with nothing left of the test before; nothing it says may be an error."""
    chromium.get("about:blank")
    chromium.collect()
    chromium.logged, chromium.requested = [], []
    chromium.resize(1400, 1000)
    chromium.scheme("light")
    yield chromium


class Watched:
    """Two endpoints that answer, some load, a write token."""

    def __init__(self, stage, count=2, name="text", admin=None, **pool):
        self.endpoints = [stage.endpoint(text()) for _ in range(count)]
        self.addresses = [one.address for one in self.endpoints]
        configuration = minimal(self.addresses, weights={"law": "static"}, **pool)
        configuration["pools"] = {name: configuration["pools"]["text"]}
        configuration["listeners"][0]["pool"] = name
        configuration["admin"].update(write_token={"env": "WRITE"}, **(admin or {}))
        self.configuration = configuration
        self.steelyard = stage.steelyard(
            configuration, environment={"WRITE": WRITE, "READ": READ})
        self.load = stage.keep(Load(self.steelyard, 2, 0.02, "GET"))
        self.stage = stage

    def open(self, browser, token=None):
        url = "http://%s:%d/" % self.steelyard.admin
        browser.get(url)
        if token:
            browser.js("sessionStorage.setItem('steelyard token', arguments[0])", token)
            browser.get(url)
        browser.wait(lambda: "live" in browser.text("#link"), "the page to be live")
        browser.wait(lambda: len(browser.texts("tbody .address")) >= len(self.addresses),
                     "its rows")
        return url

    def status(self):
        return json.loads(self.steelyard.admin_get("/api/v1/status").content)

    def states(self):
        return [one["state"] for one in self.status()["pools"][0]["endpoints"]]


def cells(browser, label):
    return browser.texts(f'.pool tbody [data-label="{label}"]')


def press(browser, *keys):
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def focus(browser):
    return browser.js("""
      const node = document.activeElement;
      return node.getAttribute("aria-label") || node.labels?.[0]?.innerText.trim()
        || node.innerText || node.tagName""")


def test_the_page_is_the_same_for_everybody_and_allows_nothing_else(stage):
    fleet = Watched(stage, admin={"read_token": {"env": "READ"}}, name="a-name-of-its-own")
    files = {}
    for path in ["/", "/page.css", "/page.js"]:
        with wire.Connection(fleet.steelyard.admin) as connection:
            files[path] = connection.exchange("GET", path)
    content = b"".join(one.content for one in files.values())
    assert {one.status for one in files.values()} == {200}
    assert [one.one("Content-Type") for one in files.values()] == [
        "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"]
    assert {one.one("X-Content-Type-Options") for one in files.values()} == {"nosniff"}
    assert {one.one("Cache-Control") for one in files.values()} == {"no-store"}
    assert {one.one("Content-Security-Policy") for one in files.values()} == {
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
    assert len(content) < 64 * 1024 and b"a-name-of-its-own" not in content
    assert b"innerHTML" not in content and b"http://www.w3.org/2000/svg" in content
    page = files["/"].content
    assert re.findall(rb'(?:src|href)="([^"]*)"', page)[:4] == [
        b"data:,", b"page.css", b"page.js", b"#pools"]
    assert b"<style" not in page and b"style=" not in page and b"<script>" not in page


def test_the_binary_holds_the_page_as_it_is_written(stage):
    fleet = Watched(stage)
    written = {file.name: file.read_bytes() for file in WEB.iterdir()}
    with wire.Connection(fleet.steelyard.admin) as connection:
        assert connection.exchange("GET", "/").content == written.pop("page.html")
        assert connection.exchange("GET", "/page.css").content == written.pop("page.css")
        script = connection.exchange("GET", "/page.js").content
    assert len(written) > 5
    for part in written.values():
        assert script.count(part) == 1
    for name in ["/page.html", "/text.js", "/page.js/"]:
        with wire.Connection(fleet.steelyard.admin) as connection:
            assert connection.exchange("GET", name).status == 404


def test_it_is_live_and_speaks_to_nobody_else(stage, browser):
    fleet = Watched(stage)
    url = fleet.open(browser)
    assert browser.texts("tbody .address") == fleet.addresses
    assert browser.texts("tbody .state") == ["● ready"] * 2
    browser.wait(lambda: cells(browser, "Requests/s")[0] not in ("0", "–"), "traffic")
    browser.wait(lambda: cells(browser, "p99")[0].endswith("s"), "quantiles")
    before = browser.js("return document.querySelectorAll('.spark path')[0].getAttribute('d')")
    browser.wait(
        lambda: browser.js("return document.querySelectorAll('.spark path')[0].getAttribute('d')")
        != before, "the chart to move")
    label = browser.js("return document.querySelector('.spark').getAttribute('aria-label')")
    assert label.startswith("Requests/s of pool text, last two minutes: now ")
    # What it shows is what the API says.
    (pool,) = fleet.status()["pools"]
    weights = [one.split()[0] for one in cells(browser, "Weight")]
    assert [float(w) for w in weights] == [e["effective_weight"] for e in pool["endpoints"]]
    # Without a token there is nothing to press.
    assert browser.js("return document.querySelectorAll('.acts button')[0].offsetParent") is None
    assert_silent(browser)
    _, requested = browser.collect()
    assert {one for one in requested if not one.startswith((url, "data:", "about:"))} == set()
    assert url + "api/v1/status/events" in requested


def test_a_fault_is_told_and_its_end_too(stage, browser):
    fleet = Watched(stage)
    fleet.open(browser, WRITE)
    browser.wait(lambda: "No condition holds" in browser.text("#conditions"), "all to be well")
    for address in fleet.addresses:
        order(fleet, address, "drain")
    browser.wait(lambda: "disaster" in browser.text("#conditions"), "the condition")
    assert "No Eligible Endpoint" in browser.text("#conditions")
    assert browser.title.startswith("▲ ")
    assert "drain" in browser.text("#decisions")
    for address in fleet.addresses:
        order(fleet, address, "reset")
    browser.wait(lambda: "disaster" not in browser.text("#conditions"), "its end")


def order(fleet, address, verb):
    pool = next(iter(fleet.configuration["pools"]))
    with wire.Connection(fleet.steelyard.admin) as connection:
        answer = connection.exchange(
            "POST", f"/api/v1/pools/{pool}/endpoints/{address}/{verb}",
            fields=[("Authorization", f"Bearer {WRITE}")])
    assert answer.status == 200, answer


def test_rows_are_sorted_and_filtered(stage, browser):
    fleet = Watched(stage, count=3)
    order(fleet, fleet.addresses[1], "pin?weight=5")
    order(fleet, fleet.addresses[2], "pin?weight=3")
    fleet.open(browser)
    browser.wait(lambda: [one.split()[0] for one in cells(browser, "Weight")] == ["1", "5", "3"],
                 "the pins")
    one, two, three = fleet.addresses

    def shown():
        return browser.texts("tbody tr:not([hidden]) .address")

    head = browser.find_element(By.XPATH, "//thead//button[text()='Weight']")
    head.click()
    assert shown() == [two, three, one]
    cell = head.find_element(By.XPATH, "..")
    assert cell.get_attribute("aria-sort") == "descending"
    head.click()
    assert shown() == [one, three, two]
    assert cell.get_attribute("aria-sort") == "ascending"
    box = browser.find_element(By.ID, "filter")
    box.send_keys("pinned " + two.split(":")[1])
    browser.wait(lambda: shown() == [two], "the filter")
    assert browser.text("#shown") == "1 of 3 endpoints"
    box.clear()
    box.send_keys("nothing like this")
    browser.wait(lambda: shown() == [], "nothing to be left")
    box.clear()
    box.send_keys("READY")
    browser.wait(lambda: len(shown()) == 3, "all")


def test_drain_pin_and_undo_change_the_fleet_after_a_question(stage, browser):
    fleet = Watched(stage)
    fleet.open(browser)
    browser.find_element(By.ID, "token-button").click()
    press(browser, "no-such-token-00", Keys.ENTER)
    browser.wait(lambda: "does not take this token" in browser.text("#token-dialog"), "a no")
    browser.find_element(By.ID, "token").clear()
    browser.find_element(By.ID, "token").send_keys(WRITE, Keys.ENTER)
    browser.wait(lambda: "live" in browser.text("#link"), "the page to be live again")
    address = fleet.addresses[1]

    def button(verb):
        found = f'[aria-label="{verb} {address} of text"]'
        browser.wait(
            lambda: browser.js("return document.querySelector(arguments[0])?.offsetParent", found),
            verb)
        return browser.find_element(By.CSS_SELECTOR, found)

    # A question that is answered by no changes nothing.
    button("Drain").click()
    assert address in browser.text("#act-text")
    browser.find_element(By.ID, "act-no").click()
    assert fleet.states() == ["ready", "ready"]
    button("Drain").click()
    browser.find_element(By.ID, "act-yes").click()
    browser.wait(lambda: fleet.states() == ["ready", "draining"], "the drain")
    browser.wait(lambda: browser.texts("tbody .state")[1] == "▽ draining", "it to be shown")
    button("Undo").click()
    press(browser, Keys.ENTER)
    browser.wait(lambda: fleet.states() == ["ready", "ready"], "its end")
    button("Pin").click()
    weight = browser.find_element(By.ID, "act-weight")
    weight.clear()
    weight.send_keys("2.5")
    browser.find_element(By.ID, "act-yes").click()
    browser.wait(
        lambda: fleet.status()["pools"][0]["endpoints"][1]["effective_weight"] == 2.5, "the pin")
    # What the API refuses is said, and the question stays.
    browser.wait(lambda: not browser.js("return document.querySelector('dialog[open]')"), "its end")
    button("Pin").click()
    browser.js("document.getElementById('act-weight').value = ''")
    browser.find_element(By.ID, "act-yes").click()
    browser.wait(lambda: "weight must be a number" in browser.text("#act-error"), "a refusal")
    press(browser, Keys.ESCAPE)
    audit = [event for event in fleet.steelyard.events() if address in str(event)]
    assert audit, "changes leave lines in the log"


def test_every_control_is_reached_by_keyboard_and_seen(stage, browser):
    fleet = Watched(stage)
    fleet.open(browser, WRITE)
    browser.wait(lambda: browser.text(".acts button"), "the buttons")
    wanted = browser.js("""
      return [...document.querySelectorAll("a[href], button, input, select, [tabindex='0']")]
        .filter((node) => node.checkVisibility() && !node.disabled && !node.closest("dialog"))
        .length""")
    browser.js("document.activeElement.blur()")
    reached, outlines = [], set()
    for _ in range(wanted):
        press(browser, Keys.TAB)
        reached.append(browser.js("""
          const node = document.activeElement;
          node.reached = (node.reached ?? 0) + 1;
          return [node.reached, getComputedStyle(node).outlineStyle]""") + [focus(browser)])
    assert [one[2] for one in reached if one[0] != 1] == []
    assert reached[0][2] == "Skip to the pools"
    assert {one[1] for one in reached} == {"solid"}
    names = [one[2] for one in reached]
    assert f"Drain {fleet.addresses[0]} of text" in names and "Recent decisions" not in names[:5]
    # A dialog takes the focus, keeps it and gives it back.
    browser.js("document.querySelector('.acts button').focus()")
    press(browser, Keys.ENTER)
    for _ in range(5):
        press(browser, Keys.TAB)
        assert browser.js("const n = document.activeElement;"
                          "return n === document.body || n.closest('dialog') !== null")
    browser.js("document.getElementById('act-no').focus()")
    press(browser, Keys.ESCAPE)
    assert focus(browser) == f"Drain {fleet.addresses[0]} of text"


def test_it_is_accessible_and_fits(stage, browser):
    fleet = Watched(stage, name="a-pool-with-a-rather-long-name-that-goes-on-and-on-for-a-while")
    order(fleet, fleet.addresses[0], "drain")
    fleet.open(browser, WRITE)
    browser.wait(lambda: "critical" in browser.text("#conditions"), "a condition")
    for scheme, width in [("light", 1400), ("dark", 1400), ("light", 400), ("dark", 400)]:
        browser.scheme(scheme)
        browser.resize(width, 900)
        assert browser.axe() == [], (scheme, width)
        assert browser.js("return document.documentElement.scrollWidth") <= width
    browser.find_element(By.CSS_SELECTOR, ".acts button:not([disabled])").click()
    for scheme in ["dark", "light"]:
        browser.scheme(scheme)
        assert browser.axe() == [], scheme
    press(browser, Keys.ESCAPE)


def test_long_addresses_fit_a_dialog_on_a_narrow_screen(stage, browser):
    address = "[2001:db8:85a3:8d3:1319:8a2e:370:1b58]:8000"
    configuration = minimal([address], weights={"law": "static"})
    configuration["admin"]["write_token"] = {"env": "WRITE"}
    steelyard = stage.steelyard(configuration, environment={"WRITE": WRITE})
    browser.resize(320, 640)
    browser.get("http://%s:%d/" % steelyard.admin)
    browser.js("sessionStorage.setItem('steelyard token', arguments[0])", WRITE)
    browser.get("http://%s:%d/" % steelyard.admin)
    browser.wait(lambda: browser.text(".acts button"), "the buttons")
    browser.js("document.querySelector('.acts button').click()")
    assert address in browser.text("#act-text")
    assert browser.js("""
      const dialog = document.getElementById("act-dialog");
      return dialog.scrollWidth <= dialog.clientWidth""")
    assert browser.js("return document.documentElement.scrollWidth") <= 320


def test_hostile_bytes_of_an_endpoint_stay_text(stage, browser):
    hostile = stage.endpoint(text(HOSTILE.encode(), status=500))
    fleet = Watched(stage)
    pool = fleet.configuration["pools"]["text"]
    pool["weights"]["scrape"] = [{
        "path": "/metrics", "port": hostile.port,
        "signals": [{"name": "waiting", "metric": "x", "normal": 1, "alarm": 2}]}]
    fleet.steelyard = stage.steelyard(fleet.configuration, environment={"WRITE": WRITE})
    fleet.open(browser)
    browser.wait(lambda: "onerror=alert(1)" in browser.text("#decisions"), "what it said")
    assert HOSTILE in browser.text("#decisions")
    assert browser.js("return document.querySelectorAll('img').length") == 0
    assert_silent(browser)


def assert_silent(browser):
    """No error, no warning, no violation of the policy in the console."""
    logged, _ = browser.collect()
    assert [entry for entry in logged if entry["level"] != "INFO"] == []


def test_a_lost_server_is_told_and_found_again(stage, browser):
    fleet = Watched(stage)
    port = free_port()
    fleet.configuration["admin"]["listen"] = f"127.0.0.1:{port}"
    first = stage.steelyard(fleet.configuration, environment={"WRITE": WRITE})
    fleet.steelyard = first
    fleet.open(browser)
    first.stop()
    browser.wait(lambda: "Connection lost since" in browser.text("#banner"), "the banner")
    assert browser.js("return document.body.className") == "lost"
    stage.steelyard(fleet.configuration, environment={"WRITE": WRITE})
    browser.wait(lambda: "live" in browser.text("#link"), "the page to be live again")
    assert not browser.find_element(By.ID, "banner").is_displayed()
    assert browser.texts("tbody .address") == fleet.addresses


def test_what_is_shown_is_of_when_it_came(stage, browser):
    fleet = Watched(stage)
    fleet.open(browser)
    fleet.steelyard.send_signal(signal.SIGSTOP)
    stopped = time.time()
    # The silence is noticed later: here an hour later, by the page's clock.
    browser.js("const real = Date.now; Date.now = () => real() + 3600e3")
    fleet.steelyard.send_signal(signal.SIGKILL)
    browser.wait(lambda: "Connection lost since" in browser.text("#banner"), "the banner")
    moments = [time.strftime("%H:%M:%S", time.localtime(stopped + late)) for late in range(-3, 3)]
    assert any(f"since {moment}:" in browser.text("#banner") for moment in moments), (
        browser.text("#banner"), moments)
    # A tab among others shows its title alone.
    assert browser.title == "✖ not connected, steelyard"


def test_a_wrong_token_is_told_once_and_a_right_one_forgets_it(stage, browser):
    fleet = Watched(stage)
    fleet.open(browser)
    browser.js("""
      const banner = document.getElementById("banner");
      window.told = [];
      new MutationObserver(() => window.told.push(banner.textContent))
        .observe(banner, { childList: true });""")

    def say(token):
        browser.find_element(By.ID, "token-button").click()
        text = browser.text("#token-text")
        browser.find_element(By.ID, "token").clear()
        browser.find_element(By.ID, "token").send_keys(token, Keys.ENTER)
        return text

    say("token\u20130123456789abcdef")
    assert "visible ASCII characters only" in browser.text("#token-dialog")
    browser.find_element(By.ID, "token-cancel").click()
    assert say("wrong-token-0123456789").startswith("A read token shows")
    browser.wait(lambda: "does not take this token" in browser.text("#token-dialog"), "a no")
    browser.find_element(By.ID, "token-cancel").click()
    # Two more tries, each refused.
    browser.wait(lambda: "every 2 s" in browser.text("#banner"), "more tries")
    assert not browser.js("return document.getElementById('token-dialog').open")
    assert say(WRITE).startswith("A read token shows")
    browser.wait(lambda: "live" in browser.text("#link"), "the page to be live")
    told = browser.js("return window.told")
    assert told and all("does not take this token" in text for text in told), told


def test_an_answer_is_for_the_question_that_was_asked(stage, browser):
    fleet = Watched(stage)
    fleet.open(browser, WRITE)
    one, two = fleet.addresses

    def click(found):
        browser.js("document.querySelector(arguments[0]).click()", found)

    fleet.steelyard.send_signal(signal.SIGSTOP)
    click(f'[aria-label="Pin {one} of text"]')
    browser.js("document.getElementById('act-weight').value = '0.5'")
    click("#act-yes")
    click("#act-no")
    click(f'[aria-label="Drain {two} of text"]')
    fleet.steelyard.send_signal(signal.SIGCONT)
    browser.wait(lambda: "pinned" in browser.text("tbody tr"), "the pin to be shown")
    assert browser.js("return document.getElementById('act-dialog').open")
    assert two in browser.text("#act-text")
    click("#act-yes")
    browser.wait(lambda: fleet.states() == ["ready", "draining"], "the drain")


def test_who_takes_away_the_last_endpoint_is_told(stage, browser):
    fleet = Watched(stage)
    fleet.open(browser, WRITE)

    def warning(verb, address):
        browser.js("document.querySelector(arguments[0]).click()",
                   f'[aria-label="{verb} {address} of text"]')
        shown = browser.text("#act-warning")
        browser.find_element(By.ID, "act-no").click()
        return shown

    one, two = fleet.addresses
    assert warning("Drain", two) == warning("Pin", two) == ""
    order(fleet, one, "pin?weight=0")
    browser.wait(lambda: "pinned" in browser.text("tbody tr"), "the pin")
    assert "will be refused" in warning("Drain", two)
    assert "with weight 0" in warning("Pin", two)
    assert warning("Drain", one) == warning("Undo", one) == ""
    # What cannot be pressed looks so: there is nothing to undo.
    assert browser.js("""
      return [...document.querySelectorAll(".acts button")]
        .map((one) => getComputedStyle(one).opacity < 1)""") == [
            False, False, False, False, False, True]


def test_a_token_is_asked_for_where_reading_needs_one(stage, browser):
    fleet = Watched(stage, admin={"read_token": {"env": "READ"}})
    browser.get("http://%s:%d/" % fleet.steelyard.admin)
    browser.wait(lambda: "asks for a read or write token" in browser.text("#token-dialog"),
                 "the question")
    browser.find_element(By.ID, "token").send_keys(READ, Keys.ENTER)
    browser.wait(lambda: "live" in browser.text("#link"), "the page to be live")
    assert browser.texts("tbody .address") == fleet.addresses
    # The token is in no address and in no lasting store.
    assert READ not in browser.current_url and READ not in str(browser.get_cookies())
    assert browser.js("return localStorage.length") == 0


def test_two_hundred_endpoints_are_updated_in_time(stage, browser):
    addresses = [f"127.0.1.{number}:{3000 + number}" for number in range(1, 201)]
    steelyard = stage.steelyard(minimal(addresses, weights={"law": "static"}))
    browser.get("http://%s:%d/" % steelyard.admin)
    browser.wait(lambda: len(browser.texts("tbody .address")) == 200, "200 rows")
    times = []
    for _ in range(4):
        before = browser.text("#facts")
        browser.wait(lambda: browser.text("#facts") != before, "an update")
        times.append(float(browser.js(
            "return document.documentElement.dataset.updateMilliseconds")))
    print(f"milliseconds an update of 200 endpoints: {times}")
    assert min(times) < 100, times
    assert browser.js("return document.documentElement.scrollWidth") <= 1400


def test_without_scripts_it_says_where_the_numbers_are(stage, browser):
    fleet = Watched(stage)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get("http://%s:%d/" % fleet.steelyard.admin)
        shown = browser.find_element(By.TAG_NAME, "noscript").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "steelyard weights" in shown and "/api/v1/status" in shown
    assert wait_for(lambda: fleet.steelyard.admin_status("/api/v1/status"), "it") == 200
