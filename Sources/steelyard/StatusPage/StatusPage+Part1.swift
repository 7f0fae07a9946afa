// A part of the page at /; scripts/embed-page wrote it.

extension StatusPage {
  static let part1 = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>steelyard</title>
    <link rel="icon" href="data:,">
    <style>
    :root {
      color-scheme: light dark;
      --page: #f4f5f7; --card: #fff; --text: #1b1f24; --quiet: #545d69; --line: #d5d9df;
      --accent: #0a58a8; --good: #16703a; --warn: #7d4f00; --bad: #ad1f16; --worst: #8a0f1f;
      --fill: #9dbfe3; --mark: #1b1f24; --head: #e9ecf0; --chart: #2f7cc9;
      font: 15px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --page: #0f1216; --card: #171b21; --text: #e7eaee; --quiet: #a0a9b5; --line: #333a44;
        --accent: #78b8ff; --good: #6ad39a; --warn: #ecc063; --bad: #ff948b; --worst: #ffb0a8;
        --fill: #2f5f93; --mark: #f2f4f7; --head: #1f252d; --chart: #6fb0f5;
      }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--text); }
    [hidden] { display: none !important; }
    a { color: var(--accent); }
    :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
    .skip { position: absolute; left: -100rem; top: 0; padding: .5rem 1rem; z-index: 3;
      background: var(--card); }
    .skip:focus { left: 0; }
    header, main, footer { max-width: 110rem; margin: 0 auto; padding: 0 1.25rem; }
    header { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem 1.5rem;
      padding-top: .9rem; }
    h1 { font-size: 1.25rem; margin: 0; display: flex; align-items: center; gap: .55rem; }
    h1 svg { width: 2rem; height: 1.25rem; fill: none; stroke: var(--accent); stroke-width: 1.6; }
    h2 { font-size: 1.05rem; margin: 1.4rem 0 .5rem; }
    .link { margin: 0; color: var(--quiet); }
    .live .link { color: var(--good); }
    .lost .link { color: var(--bad); }
    #facts { display: flex; flex-wrap: wrap; gap: .2rem 1.3rem; margin: 0; flex: 1; }
    #outcomes { flex-basis: 100%; }
    #facts div { display: flex; gap: .4rem; }
    .outcomes { display: flex; flex-wrap: wrap; gap: .2rem 1.3rem; margin: .2rem 0 .6rem; }
    .outcomes div { display: flex; gap: .4rem; }
    dt { color: var(--quiet); }
    dd.loud { color: var(--bad); }
    dd { margin: 0; font-weight: 600; }
    button, input, select { font: inherit; color: inherit; background: var(--card);
      border: 1px solid var(--quiet); border-radius: .35rem; padding: .22rem .6rem; }
    button { cursor: pointer; }
    button:disabled { opacity: .4; cursor: default; }
    button:hover:enabled { border-color: var(--accent); color: var(--accent); }
    .banner { margin: .7rem auto 0; max-width: 107.5rem; padding: .6rem 1rem; border-radius: .4rem;
      border: 2px solid var(--bad); background: var(--card); color: var(--bad); font-weight: 600; }
    .lost main { opacity: .62; filter: grayscale(1); }
    .conditions { list-style: none; margin: 0; padding: 0; display: grid; gap: .4rem; }
    .conditions li { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: baseline;
      background: var(--card); border: 1px solid var(--line); border-left: .4rem solid var(--good);
      border-radius: .35rem; padding: .4rem .8rem; }
    .conditions .warning { border-left-color: var(--warn); }
    .conditions .critical { border-left-color: var(--bad); }
    .conditions .disaster { border: 2px solid var(--worst); border-left-width: .4rem; }
    .severity { font-weight: 700; min-width: 6.2rem; }
    .none .severity, .ready { color: var(--good); }
    .warning .severity, .starting, .draining, .drained { color: var(--warn); }
    .critical .severity, .unhealthy, .stalled, .ejected { color: var(--bad); }
    .disaster .severity { color: var(--worst); }
    .where { font-weight: 600; overflow-wrap: anywhere; }
    .conditions .text { overflow-wrap: anywhere; }
    .since { color: var(--quiet); margin-left: auto; }
    .tools { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center;
      margin: 1.4rem 0 0; }
    .tools input { width: 17rem; max-width: 100%; }
    #shown { color: var(--quiet); }
    .pool { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
      margin: 1rem 0; padding: .2rem 1rem 1rem; }
    .pool > h2 { display: flex; flex-wrap: wrap; gap: .3rem .7rem; align-items: baseline;
      margin-top: .8rem; overflow-wrap: anywhere; }
    .chip { font-size: .85rem; font-weight: 400; border: 1px solid var(--line); border-radius: 1rem;
      padding: .05rem .6rem; color: var(--quiet); }
    .chip.loud { color: var(--warn); border-color: var(--warn); }
    .tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr));
      gap: .6rem; margin: .2rem 0 1rem; }
    .tile { border: 1px solid var(--line); border-radius: .4rem; padding: .45rem .7rem; }
    .tile .name { color: var(--quiet); font-size: .87rem; }
    .tile .value { font-size: 1.2rem; font-weight: 650; }
    .tile .more { color: var(--quiet); font-size: .87rem; min-height: 1.3em; }
    .spark { display: block; width: 100%; height: 2rem; }
    td .spark { width: 4.5rem; height: 1.5rem; margin-left: auto; }
    .spark path { fill: none; stroke: var(--chart); stroke-width: 1.5;
      vector-effect: non-scaling-stroke; }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; }
    th, td { padding: .3rem .42rem; text-align: right; border-bottom: 1px solid var(--line);
      vertical-align: middle; white-space: nowrap; }
    thead th { background: var(--head); font-weight: 600; white-space: normal; line-height: 1.25; }
    tbody th { font-weight: 400; }
    th button { border: 0; background: none; padding: 0; font-weight: 600; text-align: inherit; }
    th[aria-sort] button::after { content: " ↑"; }
    th[aria-sort="descending"] button::after { content: " ↓"; }
    .left { text-align: left; }
    .address { font-weight: 600; white-space: nowrap; }
    .state { white-space: nowrap; font-weight: 600; }
    .reason { min-width: 11rem; max-width: 26rem; font-size: .87rem; line-height: 1.3;
      color: var(--quiet); overflow-wrap: anywhere; white-space: normal; }
    .sub { display: block; font-size: .82rem; color: var(--quiet); white-space: nowrap;
      font-weight: 400; }
    .sub:empty { display: none; }
    .why { white-space: normal; min-width: 9rem; max-width: 15rem; }
    .share { min-width: 8rem; }
    .bar { position: relative; height: .55rem; background: var(--head); border-radius: .2rem;
      border: 1px solid var(--line); margin-top: .2rem; }
    .bar i { position: absolute; left: 0; top: 0; bottom: 0; background: var(--fill);
      border-radius: .15rem; }
    .bar b { position: absolute; top: -.2rem; bottom: -.2rem; width: 3px; margin-left: -1px;
      background: var(--mark); }
    .acts { white-space: nowrap; }
    .acts button { padding: .05rem .45rem; margin-left: .2rem; }
    .scroll { max-height: 26rem; overflow: auto; background: var(--card);
      border: 1px solid var(--line); border-radius: .4rem; }
    .decisions th, .decisions td { text-align: left; white-space: nowrap; }
    .decisions td:last-child { white-space: normal; overflow-wrap: anywhere; width: 60%; }
    .decisions thead th { position: sticky; top: 0; }
    footer { color: var(--quiet); padding-bottom: 1.5rem; }
    dialog { color: var(--text); background: var(--card); border: 1px solid var(--quiet);
      border-radius: .6rem; max-width: min(30rem, 92vw); padding: .5rem 1.4rem 1rem;
      overflow-wrap: anywhere; }
    dialog::backdrop { background: #0009; }
    dialog label { display: block; margin: .5rem 0; }
    dialog input, dialog select { width: 100%; }
    .buttons { display: flex; flex-wrap: wrap; gap: .6rem; }
    #act-warning:empty { display: none; }
    .error { color: var(--bad); font-weight: 600; }
    @media (max-width: 60rem) {
      header, main, footer { padding-left: .7rem; padding-right: .7rem; }
      .banner { margin-left: .7rem; margin-right: .7rem; }
      .pool { padding: .2rem .7rem .8rem; }
      header dl { flex-basis: 100%; order: 1; }
      header button { margin-left: auto; }
      .tiles { grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); }
      table, tbody, tr, td, tbody th { display: block; }
      thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
        clip-path: inset(50%); }
      tr { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; padding: .3rem 0; }
      td, tbody th { display: flex; justify-content: flex-end; gap: .7rem; border: 0;
        text-align: right; padding: .15rem .7rem; }
      td::before, tbody th::before { content: attr(data-label); color: var(--quiet);
        font-weight: 400; white-space: nowrap; margin-right: auto; }
      .left, .decisions td { text-align: right; white-space: normal; }
      .left, .decisions td { overflow-wrap: anywhere; }
      .decisions td:last-child { width: auto; }
      .reason { min-width: 0; max-width: none; }
      .sub { white-space: normal; }
      .share > div { width: 60%; }
      .scroll { border: 0; background: none; }
      .decisions tr { background: var(--card); }
    }
    @media (prefers-reduced-motion: no-preference) {
      .bar i, .bar b { transition: width .4s, left .4s; }
    }
    @media (forced-colors: active) {
      .bar i { background: Highlight; }
      .bar b { background: CanvasText; }
    }
    </style>
    </head>
    <body class="waiting">
    <a class="skip" href="#pools">Skip to the pools</a>
    <header>
      <h1><svg viewBox="0 0 32 20" aria-hidden="true">
        <path d="M2 6 30 3M10 5v4m-4 6 4-6 4 6zM24 4v4m-2 0h4v6h-4z"/></svg>steelyard</h1>
      <p id="link" class="link" role="status">connecting …</p>
      <dl id="facts"></dl>
      <button type="button" id="token-button">Token …</button>
      <div id="outcomes" role="group" aria-label="Requests of all pools"></div>
    </header>
    <div id="banner" class="banner" role="alert" hidden></div>
    <noscript>
      <p class="banner">This page needs JavaScript. The same numbers without it:
        <a href="api/v1/status">/api/v1/status</a> as JSON, <code>steelyard weights</code> and
        <code>steelyard explain POOL</code> on the command line, <a href="metrics">/metrics</a>
        for Prometheus.</p>
    </noscript>
    <main>
      <section aria-labelledby="conditions-title">
        <h2 id="conditions-title">Conditions</h2>
        <ul id="conditions" class="conditions" aria-live="polite" aria-relevant="additions"></ul>
      </section>
      <form id="tools" class="tools" role="search">
        <label>Filter <input id="filter" type="search" spellcheck="false"
          placeholder="address, state, reason, pool"></label>
        <label>Sort by <select id="sort"></select></label>
        <button type="button" id="direction" aria-label="Ascending">↑</button>
        <span id="shown" role="status"></span>
      </form>
      <div id="pools"></div>
      <section>
        <h2 id="decisions-title">Recent decisions</h2>
        <div class="scroll" tabindex="0" role="region" aria-labelledby="decisions-title">
          <table class="decisions" role="table">
            <thead role="rowgroup"><tr role="row"><th scope="col" role="columnheader">Time</th>
              <th scope="col" role="columnheader">Kind</th>
              <th scope="col" role="columnheader">Pool</th>
              <th scope="col" role="columnheader">Endpoint</th>
              <th scope="col" role="columnheader">What and why</th></tr></thead>
            <tbody id="decisions" role="rowgroup"></tbody>
          </table>
        </div>
        <details>
          <summary id="weights-title">Weight changes</summary>
          <div class="scroll" tabindex="0" role="region" aria-labelledby="weights-title">
            <table class="decisions" role="table" aria-labelledby="weights-title">
              <tbody id="weights" role="rowgroup"></tbody>
            </table>
          </div>
        </details>
      </section>
    </main>
    <footer>
      <p>Rates, ratios and quantiles are of the last ten seconds, charts of the last two minutes.
        <a href="metrics">Metrics</a> · <a href="api/v1/status">JSON</a> ·
        <a href="api/v1/openapi.yaml">API</a></p>
    </footer>
    <dialog id="token-dialog" aria-labelledby="token-title">
      <form>
        <h2 id="token-title">Token</h2>
        <p id="token-text">A read token shows the status where one is asked for; a write token lets
          this page drain and pin endpoints. It is kept in this tab until the tab is closed.</p>
        <label>Token
          <input id="token" type="password" autocomplete="off" spellcheck="false"></label>
        <p class="buttons"><button type="submit">Use it</button>
          <button type="button" id="token-forget">Forget it</button>
          <button type="button" id="token-cancel">Cancel</button></p>
      </form>
    </dialog>
    <dialog id="act-dialog" aria-labelledby="act-title">
      <form>
        <h2 id="act-title"></h2>
        <p id="act-text"></p>
        <p id="act-warning" class="error"></p>
        <label id="act-weight-label">Weight
          <input id="act-weight" type="number" min="0" max="1000000" step="any"></label>
        <label id="act-for-label">For
          <select id="act-for">
            <option value="">until it is undone</option>
            <option value="10m">10 minutes</option>
            <option value="1h">an hour</option>
            <option value="24h">a day</option>
          </select></label>
        <p id="act-error" class="error" role="alert"></p>
        <p class="buttons"><button type="submit" id="act-yes"></button>
          <button type="button" id="act-no">Cancel</button></p>
      </form>
    </dialog>
    <script>
    "use strict";
    {
    // Numbers as text, and nodes whose text is written only when it changed. Text from the server
    // becomes text nodes and attributes, never markup.
    const byId = (id) => document.getElementById(id);

    function make(tag, name, text) {
      const node = document.createElement(tag);
      if (name) node.className = name;
      if (text !== undefined) node.textContent = text;
      return node;
    }

    function put(node, text) {
      if (node.shownText === text) return;
      node.shownText = text;
      node.textContent = text;
    }

    function putAttribute(node, name, value) {
      if (node.getAttribute(name) !== value) node.setAttribute(name, value);
    }

    const unknown = "–";

    function number(value, digits = 3) {
      if (value === null || value === undefined) return unknown;
      if (value === 0) return "0";
      if (Math.abs(value) >= 10 ** digits) return Math.round(value).toLocaleString("en");
      return String(Number(value.toPrecision(digits)));
    }

    function percent(ratio) {
      return ratio === null || ratio === undefined ? unknown : number(ratio * 100, 3) + " %";
    }

    function seconds(value) {
      if (value === null || value === undefined) return unknown;
      if (value === 0) return "0 s";
      if (value < 0.001) return number(value * 1e6) + " µs";
      return value < 1 ? number(value * 1000) + " ms" : number(value) + " s";
    }

    function duration(value) {
      const whole = Math.max(0, Math.floor(value));
      if (whole < 60) return whole + " s";
      if (whole < 3600) return Math.floor(whole / 60) + " min " + (whole % 60) + " s";
      if (whole < 86400) {
        return Math.floor(whole / 3600) + " h " + Math.floor((whole % 3600) / 60) + " min";
      }
      return Math.floor(whole / 86400) + " d " + Math.floor((whole % 86400) / 3600) + " h";
    }

    function clock(time) {
      const date = new Date(time * 1000);
      const pad = (part) => String(part).padStart(2, "0");
      const hours = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
      const isToday = date.toDateString() === new Date().toDateString();
      return isToday ? hours : `${date.toLocaleDateString("en-CA")} ${hours}`;
    }

    // Charts of the last two minutes, a point a second; a gap is null.
    const pointsMax = 120;
    const svgSpace = "http://www.w3.org/2000/svg";

    class Spark {
      constructor(label, text) {
        this.label = label;
        this.text = text;
        this.points = [];
        this.node = document.createElementNS(svgSpace, "svg");
        this.node.setAttribute("class", "spark");
        this.node.setAttribute("viewBox", "0 0 120 30");
        this.node.setAttribute("preserveAspectRatio", "none");
        this.node.setAttribute("role", "img");
        this.path = document.createElementNS(svgSpace, "path");
        this.node.append(this.path);
        this.draw();
      }

      fill(points) {
        this.points = points.slice(-pointsMax);
        this.draw();
      }

      push(value) {
        this.points.push(value ?? null);
        if (this.points.length > pointsMax) this.points.shift();
        this.draw();
      }

      draw() {
        let most = 0;
        let least = Infinity;
        for (const value of this.points) {
          if (value === null) continue;
          if (value > most) most = value;
          if (value < least) least = value;
        }
        const first = pointsMax - this.points.length;
        let line = "";
        let isDown = false;
        this.points.forEach((value, index) => {
          if (value === null) {
            isDown = false;
            return;
          }
          const y = most > 0 ? 28 - 26 * value / most : 28;
          line += `${isDown ? "L" : "M"}${first + index} ${y.toFixed(1)}`;
          // A point between two gaps is seen too.
          if (!isDown && (this.points[index + 1] ?? null) === null) line += "h.8";
          isDown = true;
        });
        putAttribute(this.path, "d", line || "M0 0");
        const now = this.points.at(-1) ?? null;
        putAttribute(this.node, "aria-label", least === Infinity
          ? `${this.label}: nothing in the last two minutes`
          : `${this.label}, last two minutes: now ${this.text(now)}, `
            + `${this.text(least)} to ${this.text(most)}`);
      }
    }

    // One row an endpoint, its cells written in place; order and filter are the same for all pools.
    const glyphs = {
      ready: "●", starting: "◐", unhealthy: "✕", stalled: "■", ejected: "⊘", draining: "▽",
      drained: "▼",
    };

    // title, how it is sorted (nothing: not at all), class of its cells
    const columns = [
      ["Endpoint", (e) => e.address, "left"],
      ["State", (e) => Object.keys(glyphs).indexOf(e.state), "left"],
      ["Change", null, "acts"],
      ["Weight", (e) => e.effective_weight, ""],
      ["Reason", (e) => e.reason, "left reason"],
      ["Traffic / weight", (e) => (e.traffic_share ?? 0) - e.weight_share, "share"],
      ["In flight", (e) => e.in_flight, ""],
      ["Requests/s", (e) => e.requests_per_second ?? -1, ""],
      ["Errors", (e) => e.error_ratio ?? -1, ""],
      ["p50", (e) => e.p50_seconds ?? -1, ""],
      ["p99", (e) => e.p99_seconds ?? -1, ""],
      ["1st byte p99", (e) => e.first_byte_p99_seconds ?? -1, ""],
      ["Ejected", (e) => e.ejections, ""],
      ["2 minutes", null, ""],

    """#
}
