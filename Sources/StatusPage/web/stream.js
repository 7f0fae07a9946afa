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
