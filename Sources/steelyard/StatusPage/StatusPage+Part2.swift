// A part of the page at /; scripts/embed-page wrote it.

extension StatusPage {
  static let part2 = #"""
    ];

    // Where a column stands.
    const at = Object.fromEntries(columns.map(([title], index) => [title, index]));

    const view = { sort: -1, isDescending: false, filter: "" };

    class EndpointRow {
      constructor(pool, endpoint, act) {
        this.node = make("tr");
        this.node.setAttribute("role", "row");
        this.cells = columns.map(([title, , name], index) => {
          const cell = make(index === 0 ? "th" : "td", name);
          if (index === 0) cell.scope = "row";
          cell.setAttribute("role", index === 0 ? "rowheader" : "cell");
          cell.dataset.label = title;
          this.node.append(cell);
          return cell;
        });
        this.address = make("span", "address");
        this.role = make("span", "sub");
        this.cells[0].append(this.address, this.role);
        this.state = make("span", "state");
        this.tuning = make("span", "sub");
        this.why = make("span", "sub why");
        this.cells[1].append(this.state, this.tuning, this.why);
        this.weight = make("span");
        this.weights = make("span", "sub");
        this.cells[at.Weight].append(this.weight, this.weights);
        this.share = make("div");
        this.shareText = make("span");
        const bar = make("div", "bar");
        this.traffic = make("i");
        this.mark = make("b");
        bar.append(this.traffic, this.mark);
        this.share.append(this.shareText, bar);
        this.cells[at["Traffic / weight"]].append(this.share);
        this.spark = new Spark(`Requests a second of ${endpoint.address}`, (v) => number(v));
        this.cells[at["2 minutes"]].append(this.spark.node);
        this.buttons = ["Drain", "Pin", "Undo"].map((verb) => {
          const button = make("button", "", verb);
          button.type = "button";
          button.setAttribute("aria-label", `${verb} ${endpoint.address} of ${pool}`);
          button.addEventListener("click", () => act(verb, pool, this.endpoint));
          this.cells[at.Change].append(button);
          return button;
        });
      }

      show(endpoint, shareMax, mayWrite) {
        this.endpoint = endpoint;
        const putCell = (title, text) => put(this.cells[at[title]], text);
        put(this.address, endpoint.address);
        put(this.role, endpoint.backup ? "backup" : "");
        put(this.state, `${glyphs[endpoint.state] ?? "?"} ${endpoint.state}`);
        if (this.state.className !== `state ${endpoint.state}`) {
          this.state.className = `state ${endpoint.state in glyphs ? endpoint.state : ""}`;
        }
        put(this.why, endpoint.state_text ?? "");
        put(this.tuning, endpoint.tuning ? `${endpoint.tuning} by an operator` : "");
        put(this.weight, number(endpoint.effective_weight));
        put(this.weights,
          `base ${number(endpoint.base_weight)} → ${number(endpoint.target_weight)}`);
        putCell("Reason", endpoint.reason_text);
        put(this.shareText,
          `${percent(endpoint.traffic_share)} / ${percent(endpoint.weight_share)}`);
        const width = (share) => `${Math.min(100, shareMax > 0 ? 100 * share / shareMax : 0)}%`;
        this.traffic.style.width = width(endpoint.traffic_share ?? 0);
        this.mark.style.left = width(endpoint.weight_share);
        putCell("In flight", number(endpoint.in_flight, 6));
        putCell("Requests/s", number(endpoint.requests_per_second));
        putCell("Errors", percent(endpoint.error_ratio));
        putCell("p50", seconds(endpoint.p50_seconds));
        putCell("p99", seconds(endpoint.p99_seconds));
        putCell("1st byte p99", seconds(endpoint.first_byte_p99_seconds));
        putCell("Ejected", number(endpoint.ejections, 6));
        this.cells[at.Change].hidden = !mayWrite;
        this.buttons[0].disabled = endpoint.tuning === "drained";
        this.buttons[2].disabled = endpoint.tuning === null;
      }

      matches(pool, words) {
        const e = this.endpoint;
        const text = `${pool} ${e.address} ${e.state} ${e.reason_text} ${e.backup ? "backup" : ""} `
          + (e.tuning ?? "");
        const low = text.toLowerCase();
        return words.every((word) => low.includes(word));
      }
    }

    // A section for each pool: its numbers with charts, and the table of its endpoints.
    const tiles = [
      // title, value, further words, chart's key, chart's number from the status, number as text
      ["Requests/s", (p) => number(p.arrivals_per_second), () => "", "arrivals_per_second",
        (p) => p.arrivals_per_second, (v) => number(v)],
      ["Failed", (p) => percent(p.failure_ratio),
        (p) => `5xx ${percent(p.error_ratio)}`, "failure_ratio",
        (p) => p.failure_ratio, percent],
      ["Response time p99", (p) => seconds(p.p99_seconds),
        (p) => `p50 ${seconds(p.p50_seconds)}`, "p99_seconds", (p) => p.p99_seconds, seconds],
      ["First byte p99", (p) => seconds(p.first_byte_p99_seconds),
        (p) => `p50 ${seconds(p.first_byte_p50_seconds)}`, null, null, null],
      ["In flight", (p) => number(p.in_flight, 6), () => "", "in_flight", (p) => p.in_flight,
        (v) => number(v, 6)],
      ["Queue",
        (p) => p.queue ? `${number(p.queue.length, 6)} of ${number(p.queue.limit, 6)}` : "none",
        (p) => p.queue ? `oldest waits ${seconds(p.queue.oldest_wait_seconds)}` : "",
        "queue_length", (p) => p.queue ? p.queue.length : null, (v) => number(v, 6)],
      ["Demand of capacity", (p) => percent(p.demand_ratio),
        (p) => p.forecast_requests_per_second === null ? "no forecast yet"
          : `${number(p.forecast_requests_per_second)} requests/s in 5 min`, null, null, null],
    ];

    // What became of requests: title, key of the status, whether more than 0 of it is no good.
    const outcomes = [
      ["arrivals/s", "arrivals_per_second", false], ["answered/s", "answered_per_second", false],
      ["4xx/s", "client_errors_per_second", false], ["5xx/s", "server_errors_per_second", true],
      ["refused/s", "refused_per_second", true], ["given up/s", "given_up_per_second", true],
    ];

    class Outcomes {
      constructor() {
        this.node = make("dl", "outcomes");
        this.values = outcomes.map(([title]) => {
          const pair = make("div");
          const value = make("dd");
          pair.append(make("dt", "", title), value);
          this.node.append(pair);
          return value;
        });
      }

      show(status) {
        outcomes.forEach(([, key, isBad], index) => {
          put(this.values[index], number(status[key]));
          putAttribute(this.values[index], "class", isBad && status[key] > 0 ? "loud" : "");
        });
      }
    }

    class PoolSection {
      constructor(pool, act) {
        this.name = pool.name;
        this.act = act;
        this.rows = new Map();
        this.node = make("section", "pool");
        const title = make("h2");
        title.append(make("span", "", pool.name));
        this.chips = [make("span", "chip"), make("span", "chip"), make("span", "chip loud")];
        title.append(...this.chips);
        this.node.append(title);
        this.node.setAttribute("aria-label", `Pool ${pool.name}`);
        this.outcomes = new Outcomes();
        this.node.append(this.outcomes.node);
        const grid = make("div", "tiles");
        this.tiles = tiles.map(([name, , , key, , text]) => {
          const node = make("div", "tile");
          const tile = { node, value: make("div", "value"), more: make("div", "more") };
          node.append(make("div", "name", name), tile.value, tile.more);
          if (key) {
            tile.spark = new Spark(`${name} of pool ${pool.name}`, text);
            node.append(tile.spark.node);
          }
          grid.append(node);
          return tile;
        });
        this.node.append(grid, this.makeTable());
      }

      makeTable() {
        const table = make("table");
        table.setAttribute("role", "table");
        table.setAttribute("aria-label", `Endpoints of pool ${this.name}`);
        const head = make("thead");
        head.setAttribute("role", "rowgroup");
        const row = make("tr");
        row.setAttribute("role", "row");
        this.heads = columns.map(([title, key, name], index) => {
          const cell = make("th", name.replace("reason", ""));
          cell.scope = "col";
          cell.setAttribute("role", "columnheader");
          if (key) {
            const button = make("button", "", title);
            button.type = "button";
            button.addEventListener("click", () => sortBy(index));
            cell.append(button);
          } else {
            cell.textContent = title;
          }
          row.append(cell);
          return cell;
        });
        head.append(row);
        this.body = make("tbody");
        this.body.setAttribute("role", "rowgroup");
        table.append(head, this.body);
        const wide = make("div", "wide");
        wide.append(table);
        return wide;
      }

      /// `isNew`: a second has passed since the last one.
      show(pool, isNew, mayWrite) {
        put(this.chips[0], pool.balance);
        put(this.chips[1], `law ${pool.law}`);
        const loud = [pool.dry_run ? "dry run" : "", pool.frozen ? "frozen" : ""].filter(Boolean);
        put(this.chips[2], loud.join(", "));
        this.chips[2].hidden = loud.length === 0;
        this.outcomes.show(pool);
        tiles.forEach(([, value, more, , point], index) => {
          const tile = this.tiles[index];
          put(tile.value, value(pool));
          put(tile.more, more(pool));
          if (tile.spark && isNew) tile.spark.push(point(pool));
        });
        this.tiles[5].node.hidden = pool.queue === null;
        this.tiles[6].node.hidden = pool.demand_ratio === null;
        this.heads[at.Change].hidden = !mayWrite;
        let shareMax = 0;
        for (const e of pool.endpoints) {
          shareMax = Math.max(shareMax, e.weight_share, e.traffic_share ?? 0);
        }
        const seen = new Set();
        let isChanged = false;
        for (const endpoint of pool.endpoints) {
          seen.add(endpoint.address);
          let row = this.rows.get(endpoint.address);
          if (!row) {
            row = new EndpointRow(this.name, endpoint, this.act);
            this.rows.set(endpoint.address, row);
            isChanged = true;
          }
          row.show(endpoint, shareMax, mayWrite);
          if (isNew) row.spark.push(endpoint.requests_per_second);
        }
        for (const [address, row] of this.rows) {
          if (seen.has(address)) continue;
          row.node.remove();
          this.rows.delete(address);
          isChanged = true;
        }
        this.order = pool.endpoints.map((endpoint) => endpoint.address);
        return isChanged;
      }

      fill(history) {
        tiles.forEach(([, , , key], index) => {
          if (key) this.tiles[index].spark.fill(history[key] ?? []);
        });
        for (const one of history.endpoints) {
          this.rows.get(one.address)?.spark.fill(one.requests_per_second);
        }
      }

      /// Puts the rows in order and gives how many are shown.
      arrange(words) {
        const rows = this.order.map((address) => this.rows.get(address));
        const key = columns[view.sort]?.[1];
        if (key) {
          const sign = view.isDescending ? -1 : 1;
          const keys = new Map(rows.map((row) => [row, key(row.endpoint)]));
          rows.sort((a, b) => {
            const [x, y] = [keys.get(a), keys.get(b)];
            return sign * (typeof x === "string"
              ? x.localeCompare(y, "en", { numeric: true }) : x - y);
          });
        }
        this.heads.forEach((head, index) => {
          if (index !== view.sort) head.removeAttribute("aria-sort");
          else putAttribute(head, "aria-sort", view.isDescending ? "descending" : "ascending");
        });
        let shown = 0;
        let at = this.body.firstChild;
        for (const row of rows) {
          const isShown = row.matches(this.name, words);
          row.node.hidden = !isShown;
          if (isShown) shown += 1;
          if (row.node === at) at = at.nextSibling;
          else this.body.insertBefore(row.node, at);
        }
        return shown;
      }
    }

    // The page as a whole: what comes from the stream is shown, order and filter are kept.
    const sections = new Map();
    let history = null;
    let lastTime = 0;
    let lastStatus = null;
    let arrangedAt = 0;

    function show(status) {
      const isNew = status.time > lastTime;
      lastTime = status.time;
      lastStatus = status;
      showFacts(status);
      showConditions(status);
      const mayWrite = status.write === "token" && token() !== "";
      const seen = new Set();
      let isChanged = false;
      for (const pool of status.pools) {
        seen.add(pool.name);
        let section = sections.get(pool.name);
        if (!section) {
          section = new PoolSection(pool, askToAct);
          sections.set(pool.name, section);
          byId("pools").append(section.node);
          isChanged = true;
        }
        isChanged = section.show(pool, isNew && !history, mayWrite) || isChanged;
      }
      for (const [name, section] of sections) {
        if (seen.has(name)) continue;
        section.node.remove();
        sections.delete(name);
      }
      if (history) {
        for (const pool of history.pools) sections.get(pool.name)?.fill(pool);
        history = null;
      }
      showDecisions("decisions", status.decisions);
      showDecisions("weights", status.weight_changes ?? []);
      // Rows do not move under somebody's hands.
      const isHeld = document.activeElement?.closest("tbody") !== null;
      if (isChanged || !isHeld && performance.now() - arrangedAt > 5000) arrange();
    }

    const facts = new Map();
    const requestOutcomes = new Outcomes();
    byId("outcomes").append(requestOutcomes.node);

    function showFacts(status) {
      const values = [
        ["version", status.version], ["revision", number(status.revision, 15)],
        ["up", duration(status.uptime_seconds)],
        ["own errors/s", number(status.own_errors_per_second)],
        ["connections", number(status.connections, 9)], ["workers", number(status.workers)],
        ["ready", status.ready ? "yes" : "no"],
      ];
      for (const [name, value] of values) {
        if (!facts.has(name)) {
          const pair = make("div");
          facts.set(name, make("dd"));
          pair.append(make("dt", "", name), facts.get(name));
          byId("facts").append(pair);
        }
        put(facts.get(name), value);
      }
      requestOutcomes.show(status);
    }

    const signs = { warning: "▲ warning", critical: "◆ critical", disaster: "✖ disaster" };
    const conditionNodes = new Map();

    function showConditions(status) {
      const list = byId("conditions");
      const seen = new Set();
      const entries = status.conditions.map((c) =>
        [`${c.alert} ${c.pool} ${c.endpoint}`, c.severity, signs[c.severity] ?? c.severity,
          c.alert.replace(/^Steelyard/, "").replace(/([a-z])([A-Z])/g, "$1 $2"),
          [c.pool, c.endpoint].filter(Boolean).join(", "), c.text,
          `since ${clock(c.since)} (${duration(status.time - c.since)})`]);
      if (entries.length === 0) {
        entries.push(["none", "none", "✓ all is well", "", "", "No condition holds.", ""]);
      } else if (status.condition_count > entries.length) {
        const more = status.condition_count - entries.length;
        entries.push(["more", "warning", signs.warning, "", "", `and ${more} more`, ""]);
      }
      entries.forEach(([key, severity, sign, name, where, text, since], index) => {
        seen.add(key);
        let node = conditionNodes.get(key);
        if (!node) {
          const parts = ["severity", "name", "where", "text", "since"].map((n) => make("span", n));
          const item = make("li", severity in signs ? severity : "none");
          item.append(...parts);
          node = { item, parts };
          conditionNodes.set(key, node);
        }
        [sign, name, where, text, since].forEach((words, at) => put(node.parts[at], words));
        if (list.children[index] !== node.item) {
          list.insertBefore(node.item, list.children[index] ?? null);
        }
      });
      for (const [key, node] of conditionNodes) {
        if (seen.has(key)) continue;
        node.item.remove();
        conditionNodes.delete(key);
      }
      showTitle();
    }

    /// Of a tab that nobody looks at, the title is all that is seen.
    function showTitle() {
      const count = lastStatus?.condition_count ?? 0;
      if (document.body.className === "lost") document.title = "✖ not connected, steelyard";
      else document.title = count > 0 ? `▲ ${count} steelyard` : "steelyard";
    }

    const shownDecisions = new Map();


    """#
}
