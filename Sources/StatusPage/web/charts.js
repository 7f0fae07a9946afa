// Charts of the last two minutes, a point a second; a gap is null.
const pointsMax = 120;
const svgSpace = "http://www.w3.org/2000/svg";

class Spark {
  constructor(label, text) {
    this.label = label;
    this.text = text;
    this.points = [];
    this.node = document.createElementNS(svgSpace, "svg");
    this.node.setAttribute("class", "spark");
    this.node.setAttribute("viewBox", "0 0 120 30");
    this.node.setAttribute("preserveAspectRatio", "none");
    this.node.setAttribute("role", "img");
    this.path = document.createElementNS(svgSpace, "path");
    this.node.append(this.path);
    this.draw();
  }

  fill(points) {
    this.points = points.slice(-pointsMax);
    this.draw();
  }

  push(value) {
    this.points.push(value ?? null);
    if (this.points.length > pointsMax) this.points.shift();
    this.draw();
  }

  draw() {
    let most = 0;
    let least = Infinity;
    for (const value of this.points) {
      if (value === null) continue;
      if (value > most) most = value;
      if (value < least) least = value;
    }
    const first = pointsMax - this.points.length;
    let line = "";
    let isDown = false;
    this.points.forEach((value, index) => {
      if (value === null) {
        isDown = false;
        return;
      }
      const y = most > 0 ? 28 - 26 * value / most : 28;
      line += `${isDown ? "L" : "M"}${first + index} ${y.toFixed(1)}`;
      // A point between two gaps is seen too.
      if (!isDown && (this.points[index + 1] ?? null) === null) line += "h.8";
      isDown = true;
    });
    putAttribute(this.path, "d", line || "M0 0");
    const now = this.points.at(-1) ?? null;
    putAttribute(this.node, "aria-label", least === Infinity
      ? `${this.label}: nothing in the last two minutes`
      : `${this.label}, last two minutes: now ${this.text(now)}, `
        + `${this.text(least)} to ${this.text(most)}`);
  }
}
