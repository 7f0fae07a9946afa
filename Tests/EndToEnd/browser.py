"""A real Chromium without a window, driven by chromedriver."""

import json
import site

import programs

_packages = list((programs.ROOT / ".build/test-venv/lib").glob("python3*/site-packages"))
assert _packages, "selenium is missing: run scripts/setup test"
site.addsitedir(str(_packages[0]))

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402

AXE = _packages[0] / "axe_core_python/axe.min.js"


class Browser(webdriver.Chrome):
    """Records everything that is written to the console and every request."""

    def __init__(self, width=1400, height=1000, dark=False):
        options = webdriver.ChromeOptions()
        options.binary_location = programs.find("chromium")
        for word in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", "--no-proxy-server",
                     "--disable-features=Translate,OptimizationHints,MediaRouter",
                     f"--window-size={width},{height}"]:
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        super().__init__(options, Service(programs.find("chromedriver")))
        self.logged = []
        self.requested = []
        self.set_page_load_timeout(60)
        self.resize(width, height)
        self.scheme("dark" if dark else "light")

    def resize(self, width, height):
        """The page's own size: windows have a least width, phones do not."""
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def scheme(self, name):
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {
            "features": [{"name": "prefers-color-scheme", "value": name}]})

    def js(self, text, *arguments):
        return self.execute_script(text, *arguments)

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def texts(self, selector):
        return self.js(
            "return [...document.querySelectorAll(arguments[0])].map((n) => n.innerText)", selector)

    def wait(self, condition, what):
        return programs.wait_for(condition, what, interval=0.1)

    def collect(self):
        """What was logged and requested so far."""
        self.logged += self.get_log("browser")
        for entry in self.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requested.append(message["params"]["request"]["url"])
        return self.logged, self.requested

    def axe(self):
        """Violations of accessibility rules that axe-core finds, in words."""
        # Given to the page by the debugger's protocol: no policy of the page is in its way.
        self.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text()})
        found = self.execute_cdp_cmd("Runtime.evaluate", {
            "expression": "axe.run(document).then((r) => JSON.stringify(r.violations))",
            "awaitPromise": True})
        return [f"{one['id']}: {one['help']}: " + "; ".join(
            f"{node['html'][:120]} {node.get('failureSummary', '')}" for node in one["nodes"][:3])
            for one in json.loads(found["result"]["value"])]

    def stop(self):
        self.quit()
