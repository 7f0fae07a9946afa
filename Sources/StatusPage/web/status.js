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

function showDecisions(id, decisions) {
  const newest = decisions.length + " " + (decisions[0]?.time ?? "");
  if (newest === shownDecisions.get(id)) return;
  shownDecisions.set(id, newest);
  byId(id).replaceChildren(...decisions.map((d) => {
    const row = make("tr");
    row.setAttribute("role", "row");
    const texts = [clock(d.time), d.kind, d.pool ?? "all",
      d.endpoint ?? (d.pool ? "the pool" : ""), d.text];
    ["Time", "Kind", "Pool", "Endpoint", "What and why"].forEach((label, index) => {
      const cell = make("td", "", texts[index]);
      cell.setAttribute("role", "cell");
      cell.dataset.label = label;
      row.append(cell);
    });
    return row;
  }));
}

function arrange() {
  arrangedAt = performance.now();
  const words = view.filter.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  let all = 0;
  for (const section of sections.values()) {
    const count = section.arrange(words);
    section.node.hidden = words.length > 0 && count === 0;
    shown += count;
    all += section.rows.size;
  }
  put(byId("shown"), words.length > 0 ? `${shown} of ${all} endpoints` : `${all} endpoints`);
  byId("sort").value = String(view.sort);
  put(byId("direction"), view.isDescending ? "↓" : "↑");
  putAttribute(byId("direction"), "aria-label", view.isDescending ? "Descending" : "Ascending");
}

// Names go up first, numbers down.
function goesDown(index) {
  return index >= 0 && ![at.Endpoint, at.State, at.Reason].includes(index);
}

function sortBy(index) {
  view.isDescending = view.sort === index ? !view.isDescending : goesDown(index);
  view.sort = index;
  arrange();
}

function begin() {
  const select = byId("sort");
  const none = make("option", "", "configuration");
  none.value = "-1";
  select.append(none);
  columns.forEach(([title, key], index) => {
    if (!key) return;
    const option = make("option", "", title);
    option.value = String(index);
    select.append(option);
  });
  select.addEventListener("change", () => {
    view.sort = Number(select.value);
    view.isDescending = goesDown(view.sort);
    arrange();
  });
  byId("direction").addEventListener("click", () => {
    view.isDescending = !view.isDescending;
    arrange();
  });
  byId("filter").addEventListener("input", (event) => {
    view.filter = event.target.value;
    arrange();
  });
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  beginActions();
  follow();
}
