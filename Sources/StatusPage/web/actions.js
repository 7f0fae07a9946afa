// The token, kept in this tab, and the changes that are made with it, each after a question.
const tokenKey = "steelyard token";

function token() {
  return sessionStorage.getItem(tokenKey) ?? "";
}

function authorization() {
  return token() === "" ? {} : { Authorization: `Bearer ${token()}` };
}

const tokenText = byId("token-text").textContent;

function askForToken(reason) {
  const dialog = byId("token-dialog");
  put(byId("token-text"), reason || tokenText);
  if (dialog.open) return;
  byId("token").value = token();
  dialog.showModal();
}

function setToken(value) {
  if (value === "") sessionStorage.removeItem(tokenKey);
  else sessionStorage.setItem(tokenKey, value);
  byId("token-dialog").close();
  reconnect();
}

/// Without this endpoint nobody of the pool takes new requests.
function isLast(pool, address) {
  const endpoints = lastStatus.pools.find((one) => one.name === pool)?.endpoints ?? [];
  const takers = endpoints.filter(
    (e) => ["ready", "starting"].includes(e.state) && e.effective_weight > 0);
  return takers.length === 1 && takers[0].address === address;
}

let pending = null;

const questions = {
  Drain: ["Drain this endpoint?", "gets no new requests; those that run may end.", "Drain it"],
  Pin: ["Pin this endpoint's weight?", "keeps this weight, whatever the law says.", "Pin it"],
  Undo: ["Undo for this endpoint?",
    "loses pins, factors and drains: law and health decide again.", "Undo"],
};

function askToAct(verb, pool, endpoint) {
  pending = { verb, pool, address: endpoint.address };
  const [title, text, yes] = questions[verb];
  byId("act-title").textContent = title;
  byId("act-text").textContent = `${endpoint.address} of pool ${pool} ${text}`;
  byId("act-yes").textContent = yes;
  byId("act-error").textContent = "";
  byId("act-warning").textContent = !isLast(pool, endpoint.address) || verb === "Undo" ? ""
    : verb === "Drain" ? "It is the last of the pool that takes requests: they will be refused."
      : "It is the last of the pool that takes requests: with weight 0 they are refused.";
  byId("act-yes").disabled = false;
  byId("act-weight").value = endpoint.effective_weight;
  byId("act-weight-label").hidden = verb !== "Pin";
  byId("act-for-label").hidden = verb === "Undo";
  byId("act-for").value = "";
  byId("act-dialog").showModal();
}

async function act() {
  const question = pending;
  const { verb, pool, address } = question;
  const query = new URLSearchParams();
  if (verb === "Pin") query.set("weight", byId("act-weight").value);
  if (verb !== "Undo" && byId("act-for").value) query.set("for", byId("act-for").value);
  const resource = { Drain: "drain", Pin: "pin", Undo: "reset" }[verb];
  const path = `api/v1/pools/${encodeURIComponent(pool)}/endpoints/`
    + `${encodeURIComponent(address)}/${resource}?${query}`;
  byId("act-yes").disabled = true;
  try {
    const answer = await fetch(path, {
      method: "POST", headers: authorization(), signal: AbortSignal.timeout(10000),
    });
    const text = await answer.text();
    // Meanwhile somebody may have been asked something else.
    if (pending !== question) return;
    if (answer.ok) {
      byId("act-dialog").close();
    } else {
      let detail = text;
      try {
        detail = JSON.parse(text).detail ?? text;
      } catch {
        // Plain text says it as it is.
      }
      byId("act-error").textContent = `${answer.status}: ${detail.slice(0, 500)}`;
    }
  } catch (error) {
    if (pending !== question) return;
    byId("act-error").textContent = `steelyard does not answer: ${error.message}`;
  } finally {
    if (pending === question) byId("act-yes").disabled = false;
  }
}

function beginActions() {
  byId("token-button").addEventListener("click", () => askForToken(""));
  byId("token-cancel").addEventListener("click", () => byId("token-dialog").close());
  byId("token-forget").addEventListener("click", () => setToken(""));
  byId("token-dialog").querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const value = byId("token").value.trim();
    // No other can be sent.
    if (/^[\x21-\x7e]*$/.test(value)) setToken(value);
    else askForToken("A token is of visible ASCII characters only.");
  });
  byId("act-no").addEventListener("click", () => byId("act-dialog").close());
  byId("act-dialog").querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}
