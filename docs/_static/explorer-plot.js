// The explorer's pictures: curves sampled with their jumps, and an SVG of them. Knows nothing of activations.
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const CHARACTER = 7;
  const AROUND = { top: 10, bottom: 42 };

  const element = (name, attributes, text = "") => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };

  const between = (low, high, count) => Array.from({ length: count + 1 }, (_, k) => low + ((high - low) * k) / count);

  /**
   * Both sides of the jump between two points, or null where the function only climbs: of halves, the one in which
   * it changes more has the jump, down to neighbouring doubles.
   */
  const jump = (f, left, right) => {
    const whole = Math.abs(right[1] - left[1]);
    let [a, b] = [left, right];
    for (let k = 0; k < 60; k++) {
      const x = (a[0] + b[0]) / 2;
      if (x === a[0] || x === b[0]) break;
      const middle = [x, f(x)];
      if (Math.abs(middle[1] - a[1]) > Math.abs(b[1] - middle[1])) b = middle;
      else a = middle;
    }
    return Math.abs(b[1] - a[1]) > whole / 2 ? [a, b] : null;
  };

  /** Points of f in segments that end where it jumps: a line there would be values that are none. */
  const sample = (f, low, high, count) => {
    const points = between(low, high, count).map((x) => [x, f(x)]);
    const values = points.map(([, y]) => y).filter(Number.isFinite);
    const visible = (Math.max(...values) - Math.min(...values)) / 100;
    const segments = [[points[0]]];
    for (let k = 1; k <= count; k++) {
      const [before, point] = [points[k - 1], points[k]];
      const found = Math.abs(point[1] - before[1]) > visible ? jump(f, before, point) : null;
      if (found) {
        segments.at(-1).push(found[0]);
        segments.push([found[1]]);
      }
      segments.at(-1).push(point);
    }
    return segments;
  };

  /** A function that is constant between its steps, as one line with right angles. */
  const staircase = (f, low, high, count) => {
    const line = [];
    for (const x of between(low, high, count)) {
      const y = f(x);
      if (line.length && line.at(-1)[1] !== y) line.push([x, line.at(-1)[1]]);
      line.push([x, y]);
    }
    return [line];
  };

  /**
   * From where to where the values are shown: all of them, but for what leaves `clip` while a good part stays in it;
   * with 0, if that is not far off.
   */
  const visibleRange = (segments, clip) => {
    const all = segments.flat().map(([, y]) => y).filter(Number.isFinite);
    if (!all.length) return [-1, 1];
    const inside = all.filter((y) => y >= clip[0] && y <= clip[1]);
    const shown = inside.length > 0.4 * all.length ? inside : all;
    const cut = shown === inside && inside.length < all.length;
    let [low, high] = [Math.min(...shown), Math.max(...shown)];
    if (cut && all.some((y) => y > clip[1])) high = clip[1];
    if (cut && all.some((y) => y < clip[0])) low = clip[0];
    if (low > 0 && low <= high - low) low = 0;
    if (high < 0 && -high <= high - low) high = 0;
    const margin = 0.06 * (high - low) || 0.1 * Math.abs(high) || 1;
    return [low - margin, high + margin];
  };

  /** A step of 1, 2 or 5 times a power of 10 that makes about so many parts. */
  const niceStep = (span, parts) => {
    const power = 10 ** Math.floor(Math.log10(span / parts));
    return power * ([1, 2, 5].find((factor) => factor * power * parts >= span) ?? 10);
  };

  const decimals = (value, step) => {
    if (Math.abs(value) >= 1e5) return value.toExponential(1);
    return (value || 0).toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  };

  /** Positions and words of an axis; `whole` where only whole numbers mean something. */
  const ticks = ([low, high], parts, { whole = false, words = decimals } = {}) => {
    const step = Math.max(niceStep(high - low, parts), whole ? 1 : 0);
    const first = Math.ceil(low / step);
    const count = Math.floor(high / step) - first;
    return Array.from({ length: count + 1 }, (_, k) => (first + k) * step).map((at) => [at, words(at, step)]);
  };

  const path = (segments, toX, toY, height) =>
    segments
      .map((points) => points.filter(([, y]) => Number.isFinite(y)))
      .filter((points) => points.length)
      .map((points) => {
        // Renderers round coordinates that are far off the picture.
        const clamped = points.map(([x, y]) => [toX(x), Math.min(Math.max(toY(y), -9 * height), 9 * height)]);
        return `M${clamped.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}`;
      })
      .join("");

  const axes = (chart, size, toX, toY) => {
    const parts = [];
    for (const [at, words] of chart.xTicks) {
      parts.push(element("line", { class: at ? "grid" : "axis", x1: toX(at), x2: toX(at), y1: 0, y2: size.height }));
      parts.push(element("text", { x: toX(at), y: size.height + 17, "text-anchor": "middle" }, words));
    }
    for (const [at, words] of chart.yTicks) {
      parts.push(element("line", { class: at ? "grid" : "axis", x1: 0, x2: size.width, y1: toY(at), y2: toY(at) }));
      parts.push(element("text", { x: -7, y: toY(at) + 4, "text-anchor": "end" }, words));
    }
    parts.push(element("rect", { class: "frame", width: size.width, height: size.height }));
    parts.push(element("text", { x: size.width / 2, y: size.height + 36, "text-anchor": "middle" }, chart.xLabel));
    return parts;
  };

  const contents = (chart, size, toX, toY) => {
    // An inner svg shows nothing beyond its edges.
    const inside = element("svg", { width: size.width, height: size.height });
    for (const { y, words } of chart.levels ?? []) {
      inside.append(element("line", { class: "level", x1: 0, x2: size.width, y1: toY(y), y2: toY(y) }));
    }
    if (chart.at !== undefined) {
      const x = toX(chart.at);
      inside.append(element("line", { class: "marker", x1: x, x2: x, y1: 0, y2: size.height }));
    }
    for (const { style, segments } of chart.curves) {
      inside.append(element("path", { class: `curve ${style}`, d: path(segments, toX, toY, size.height) }));
    }
    for (const { style, x, y } of chart.points.filter((point) => Number.isFinite(point.y))) {
      inside.append(element("circle", { class: `point ${style}`, cx: toX(x), cy: toY(y), r: 5 }));
    }
    for (const { y, words } of chart.levels ?? []) {
      inside.append(element("text", { class: "level", x: 5, y: toY(y) - 5 }, words));
    }
    return inside;
  };

  /**
   * Draw a chart: ranges `x` and `y`, `xTicks` and `yTicks`, `curves` and `points` with a `style`, horizontal
   * `levels` with words, and a vertical line `at`. Returns what x is at a horizontal position of the window.
   */
  const draw = (svg, chart) => {
    const whole = { width: Math.max(svg.clientWidth, 240), height: 0 };
    whole.height = Math.round(Math.min(320, Math.max(230, 0.66 * whole.width)));
    const longest = (words) => CHARACTER * Math.max(2, ...words.map(([, word]) => word.length));
    const left = 14 + longest(chart.yTicks);
    const right = 4 + longest(chart.xTicks) / 2;
    const size = { width: whole.width - left - right, height: whole.height - AROUND.top - AROUND.bottom };
    const toX = (x) => ((x - chart.x[0]) / (chart.x[1] - chart.x[0])) * size.width;
    const toY = (y) => ((chart.y[1] - y) / (chart.y[1] - chart.y[0])) * size.height;
    const group = element("g", { transform: `translate(${left} ${AROUND.top})` });
    group.append(...axes(chart, size, toX, toY), contents(chart, size, toX, toY));
    svg.setAttribute("viewBox", `0 0 ${whole.width} ${whole.height}`);
    svg.replaceChildren(group);
    return (clientX) => {
      const box = svg.getBoundingClientRect();
      const across = (((clientX - box.left) / box.width) * whole.width - left) / size.width;
      return chart.x[0] + Math.min(Math.max(across, 0), 1) * (chart.x[1] - chart.x[0]);
    };
  };

  Object.assign(window.fastactExplorer, { plot: { draw, sample, staircase, ticks, visibleRange } });
})();
