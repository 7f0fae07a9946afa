"""A flame graph as one SVG file that needs nothing else: a title on hovering, a click zooms in, a
click on the lowest row zooms out, and Ctrl-F marks what matches."""

from xml.sax.saxutils import escape, quoteattr

WIDTH = 1400
ROW = 17
HEAD = 46
# Narrower frames are left out, in pixels.
NARROWEST = 0.2
COLOURS = {
    "kernel": "#e8a36b", "Balancer": "#7aa6d8", "HTTP": "#8cc28c", "IO": "#b59bd6",
    "Fleet": "#d8c97a", "Exposition": "#d88c9a", "Primitives": "#9ac7c7", "CSystem": "#c7b299",
    "libc": "#b8b8b8", "Swift": "#f0c0a0", "": "#dddddd"}
OTHER = "#a9c4a9"

SCRIPT = """
var frames = [].slice.call(document.querySelectorAll('g.f')), full = WIDTH;
var detail = document.getElementById('detail');
function number(g, name) { return parseFloat(g.getAttribute(name)); }
function place(g, x, w) {
  var r = g.querySelector('rect'), t = g.querySelector('text');
  r.setAttribute('x', x); r.setAttribute('width', Math.max(w - 0.5, 0.1));
  t.setAttribute('x', x + 3);
  var room = Math.floor((w - 5) / 6.6), name = g.getAttribute('data-n');
  t.textContent = room < 3 ? '' : name.length <= room ? name : name.slice(0, room - 2) + '..';
}
function zoom(to) {
  var x = number(to, 'data-x'), w = number(to, 'data-w'), row = number(to, 'data-r');
  frames.forEach(function (g) {
    var gx = number(g, 'data-x'), gw = number(g, 'data-w'), below = number(g, 'data-r') <= row;
    var holds = gx <= x + 1e-6 && gx + gw >= x + w - 1e-6;
    var inside = gx >= x - 1e-6 && gx + gw <= x + w + 1e-6;
    g.style.display = (below ? holds : inside) ? '' : 'none';
    g.style.opacity = below && g !== to ? 0.5 : 1;
    if (below && holds) place(g, 0, full);
    else if (inside) place(g, (gx - x) / w * full, gw / w * full);
  });
}
frames.forEach(function (g) {
  g.onclick = function () { zoom(g); };
  g.onmouseover = function () { detail.textContent = g.querySelector('title').textContent; };
});
document.addEventListener('keydown', function (event) {
  if (!(event.key === 'f' && (event.ctrlKey || event.metaKey))) return;
  event.preventDefault();
  var wanted = prompt('Mark the frames whose name matches (a regular expression):');
  frames.forEach(function (g) {
    var matches = wanted && new RegExp(wanted, 'i').test(g.getAttribute('data-n'));
    g.querySelector('rect').style.fill = matches ? '#d040d0' : '';
  });
});
"""


class Node:
    """A place in the tree of stacks: how many samples went through it, and how many ended there."""

    __slots__ = ("frame", "count", "children")

    def __init__(self, frame):
        self.frame, self.count, self.children = frame, 0, {}

    def child(self, frame):
        key = frame.title
        if key not in self.children:
            self.children[key] = Node(frame)
        return self.children[key]

    def depth(self):
        return 1 + max((one.depth() for one in self.children.values()), default=0)


def tree(samples, root):
    """All samples as one tree under `root`, a frame."""
    top = Node(root)
    for frames in samples:
        top.count += 1
        node = top
        for frame in reversed(frames):
            node = node.child(frame)
            node.count += 1
    return top


def svg(top, title):
    """The tree as text of an SVG file; the root is the lowest row."""
    whole = max(top.count, 1)
    shapes, deepest = [], 0

    def draw(node, left, row):
        nonlocal deepest
        width = node.count / whole * WIDTH
        if width < NARROWEST:
            return
        deepest = max(deepest, row)
        shapes.append((node, left, width, row))
        for key in sorted(node.children):
            draw(node.children[key], left, row + 1)
            left += node.children[key].count / whole * WIDTH

    draw(top, 0.0, 0)
    height = HEAD + (deepest + 1) * ROW + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="ui-monospace, monospace" font-size="11">',
        "<style>g.f:hover rect { stroke: #000; } g.f { cursor: pointer; }</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="#fbfaf7"/>',
        f'<text x="{WIDTH // 2}" y="20" text-anchor="middle" font-size="14">{escape(title)}</text>',
        '<text x="4" y="38" fill="#666">Click: zoom; click the lowest row: all. Ctrl-F: mark. '
        "Colours: rooms; orange: kernel.</text>"]
    for node, left, width, row in shapes:
        y = HEAD + (deepest - row) * ROW
        frame = node.frame
        name = frame.symbol if frame.room == "kernel" else frame.title
        room = int((width - 5) / 6.6)
        shown = "" if room < 3 else name if len(name) <= room else name[:room - 2] + ".."
        fill = COLOURS.get(frame.room, OTHER)
        inlined = ", inlined" if frame.is_inlined else ""
        hover = f"{name} ({node.count} samples, {100 * node.count / whole:.2f} %{inlined})"
        parts.append(
            f'<g class="f" data-n={quoteattr(name)} data-x="{left:.3f}" data-w="{width:.3f}" '
            f'data-r="{row}"><title>{escape(hover)}</title><rect x="{left:.2f}" y="{y}" '
            f'width="{max(width - 0.5, 0.1):.2f}" height="{ROW - 1}" rx="1" fill="{fill}"/>'
            f'<text x="{left + 3:.2f}" y="{y + 12}">{escape(shown)}</text></g>')
    parts.append(f'<text id="detail" x="4" y="{height - 8}"></text>')
    script = SCRIPT.replace("WIDTH", str(WIDTH))
    parts.append(f"<script><![CDATA[{script}]]></script></svg>")
    return "\n".join(parts) + "\n"
