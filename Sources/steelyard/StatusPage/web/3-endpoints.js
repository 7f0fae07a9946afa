// One row an endpoint, its cells written in place; order and filter are the same for all pools.
const glyphs = {
  ready: "●", starting: "◐", unhealthy: "✕", stalled: "■", ejected: "⊘", draining: "▽",
  drained: "▼",
};

// title, how it is sorted (nothing: not at all), class of its cells
const columns = [
  ["Endpoint", (e) => e.address, "left"],
  ["State", (e) => Object.keys(glyphs).indexOf(e.state), "left"],
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
  ["Change", null, "acts"],
];

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
    this.cells[1].append(this.state, this.tuning);
    this.weight = make("span");
    this.weights = make("span", "sub");
    this.cells[2].append(this.weight, this.weights);
    this.share = make("div");
    this.shareText = make("span");
    const bar = make("div", "bar");
    this.traffic = make("i");
    this.mark = make("b");
    bar.append(this.traffic, this.mark);
    this.share.append(this.shareText, bar);
    this.cells[4].append(this.share);
    this.spark = new Spark(`Requests a second of ${endpoint.address}`, (v) => number(v));
    this.cells[12].append(this.spark.node);
    this.buttons = ["Drain", "Pin", "Undo"].map((verb) => {
      const button = make("button", "", verb);
      button.type = "button";
      button.setAttribute("aria-label", `${verb} ${endpoint.address} of ${pool}`);
      button.addEventListener("click", () => act(verb, pool, this.endpoint));
      this.cells[13].append(button);
      return button;
    });
  }

  show(endpoint, shareMax, mayWrite) {
    this.endpoint = endpoint;
    const put2 = (index, text) => put(this.cells[index], text);
    put(this.address, endpoint.address);
    put(this.role, endpoint.backup ? "backup" : "");
    put(this.state, `${glyphs[endpoint.state] ?? "?"} ${endpoint.state}`);
    if (this.state.className !== `state ${endpoint.state}`) {
      this.state.className = `state ${endpoint.state in glyphs ? endpoint.state : ""}`;
    }
    put(this.tuning, endpoint.tuning ? `${endpoint.tuning} by an operator` : "");
    put(this.weight, number(endpoint.effective_weight));
    put(this.weights,
      `base ${number(endpoint.base_weight)}, target ${number(endpoint.target_weight)}`);
    put2(3, endpoint.reason_text);
    put(this.shareText,
      `${percent(endpoint.traffic_share)} / ${percent(endpoint.weight_share)}`);
    const width = (share) => `${Math.min(100, shareMax > 0 ? 100 * share / shareMax : 0)}%`;
    this.traffic.style.width = width(endpoint.traffic_share ?? 0);
    this.mark.style.left = width(endpoint.weight_share);
    put2(5, number(endpoint.in_flight, 6));
    put2(6, number(endpoint.requests_per_second));
    put2(7, percent(endpoint.error_ratio));
    put2(8, seconds(endpoint.p50_seconds));
    put2(9, seconds(endpoint.p99_seconds));
    put2(10, seconds(endpoint.first_byte_p99_seconds));
    put2(11, number(endpoint.ejections, 6));
    this.cells[13].hidden = !mayWrite;
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
