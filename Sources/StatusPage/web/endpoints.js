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
    put(this.role,
      [endpoint.name, endpoint.backup ? "backup" : null].filter(Boolean).join(", "));
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
    const text = `${pool} ${e.address} ${e.name ?? ""} ${e.state} ${e.reason_text} ${e.backup ? "backup" : ""} `
      + (e.tuning ?? "");
    const low = text.toLowerCase();
    return words.every((word) => low.includes(word));
  }
}
