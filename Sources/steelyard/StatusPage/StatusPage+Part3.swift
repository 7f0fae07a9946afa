// A part of the page at /; scripts/embed-page wrote it.

extension StatusPage {
  static let part3 = #"""
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

    // Server-sent events read through fetch, so that a token can be sent; connects again by itself.
    const silenceMax = 8000;
    const pauses = [500, 1000, 2000, 4000, 8000, 15000];
    let tries = 0;
    let heardAt = null;
    let isAsked = false;
    let refused = null;
    let current = null;
    let wake = null;

    function setLink(state, text) {
      document.body.className = state;
      put(byId("link"), text);
      showTitle();
    }

    function lose(why, pause) {
      setLink("lost", "not connected");
      const banner = byId("banner");
      banner.hidden = false;
      const again = `trying again every ${Math.max(1, Math.round(pause / 1000))} s.`;
      put(banner, heardAt === null ? `Not connected: ${why}; ${again}`
        : `Connection lost since ${clock(heardAt)}: ${why}. What is shown is of then; ${again}`);
    }

    function found() {
      tries = 0;
      refused = null;
      heardAt = Date.now() / 1000;
      byId("banner").hidden = true;
      setLink("live", "● live");
    }

    function take(event) {
      const data = JSON.parse(event.data);
      if (event.name === "history") {
        history = data;
        lastTime = data.time;
      } else if (event.name === "status") {
        const begun = performance.now();
        show(data);
        found();
        // For whoever wants to know what an update costs.
        document.documentElement.dataset.updateMilliseconds =
          (performance.now() - begun).toFixed(1);
      }
    }

    /// The fields of one event: lines up to an empty one.
    function parse(block) {
      const event = { name: "message", data: "" };
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) event.name = line.slice(7);
        else if (line.startsWith("data: ")) event.data += line.slice(6);
      }
      return event;
    }

    async function readStream(body, isSilent) {
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        isSilent();
        text += value;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          const event = parse(text.slice(0, end));
          text = text.slice(end + 2);
          if (event.data) take(event);
        }
      }
    }

    async function connect() {
      current = new AbortController();
      const controller = current;
      let timer = null;
      const watch = () => {
        clearTimeout(timer);
        timer = setTimeout(() => controller.abort(), silenceMax);
      };
      watch();
      try {
        const answer = await fetch("api/v1/status/events", {
          headers: authorization(), cache: "no-store", signal: controller.signal,
        });
        if (answer.status === 401 || answer.status === 403) {
          const why = token() === "" ? "steelyard asks for a read or write token"
            : "steelyard does not take this token";
          // Once: whoever cancels is not asked again and again.
          if (refused !== token()) askForToken(why + ".");
          refused = token();
          return why;
        }
        if (!answer.ok) return `steelyard answers ${answer.status}`;
        await readStream(answer.body, watch);
        return "the stream ended";
      } catch {
        return "steelyard does not answer";
      } finally {
        clearTimeout(timer);
      }
    }

    async function follow() {
      for (;;) {
        isAsked = false;
        const why = await connect();
        // With another token, that is no loss.
        if (isAsked) continue;
        const pause = pauses[Math.min(tries, pauses.length - 1)];
        tries += 1;
        lose(why, pause);
        // Not all pages come back in the same moment.
        const jitter = 1 + Math.random() / 4;
        await new Promise((resolve) => {
          wake = resolve;
          setTimeout(resolve, pause * jitter);
        });
      }
    }

    function reconnect() {
      tries = 0;
      refused = null;
      isAsked = true;
      current?.abort();
      wake?.();
    }

    begin();
    }
    </script>
    </body>
    </html>

    """#
}
