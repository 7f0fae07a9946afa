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
