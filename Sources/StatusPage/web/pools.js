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
