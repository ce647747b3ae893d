// The explorer's page: what is chosen, the controls that change it, and what they redraw. Needs explorer-formulas.js,
// explorer-numbers.js and explorer-plot.js before it, and elements with the ids fastact-explorer and
// fastact-explorer-layers.
"use strict";

(() => {
  const { activations, names, defaults, problem, compute, evaluate, plot } = window.fastactExplorer;

  const STYLES = ["first", "second"];
  const SIDES = ["A", "B"];
  const HALVES = ["float16", "bfloat16"];
  const WHOLE = [-10, 10];
  const FARTHEST = 1000;
  const NARROWEST = 1e-4;
  const MOST_LAYERS = 50;
  const START = { a: "silu", b: "", x: 1, w: 1, n: 10 };
  /** Where numbers of a format end, as powers of 10. */
  const LEVELS = [
    { y: Math.log10(2) * -149, words: "smallest float32 above 0" },
    { y: Math.log10(2) * -24, words: "smallest float16 above 0" },
    { y: Math.log10(65504), words: "largest float16" },
    { y: Math.log10(2) * 128, words: "largest float32" },
  ];

  let state = null;

  // ---- the state as the address's fragment ----

  const given = (number) => (number === null || number.trim() === "" ? NaN : Number(number));
  const within = (value, low, high) => Math.min(Math.max(value, low), high);

  /** An activation with its default parameters; without a name nothing. */
  const side = (name) => ({ name, parameters: name ? defaults(name) : {} });

  const sideOf = (fields, key) => {
    const restoredSide = side(names.includes(fields.get(key)) ? fields.get(key) : START[key]);
    const { name, parameters } = restoredSide;
    for (const { name: own, choices } of name ? activations[name].parameters : []) {
      const text = fields.get(`${key}.${own}`);
      if (choices && Object.hasOwn(choices, text)) parameters[own] = text;
      if (!choices && !Number.isNaN(given(text))) parameters[own] = given(text);
    }
    return restoredSide;
  };

  /** What a fragment says; what it does not say, or not well, is as at first. */
  const restored = (fragment) => {
    const fields = new URLSearchParams(fragment);
    const number = (key, low, high) => {
      const value = given(fields.get(key));
      return Number.isNaN(value) ? START[key] : within(value, low, high);
    };
    const [from, to] = ["from", "to"].map((key) => within(given(fields.get(key)), -FARTHEST, FARTHEST));
    return {
      sides: [sideOf(fields, "a"), sideOf(fields, "b")],
      x: number("x", -FARTHEST, FARTHEST),
      view: to - from >= NARROWEST ? [from, to] : [...WHOLE],
      w: number("w", -FARTHEST, FARTHEST),
      n: Math.round(number("n", 1, MOST_LAYERS)),
      float16: fields.has("float16"),
      bfloat16: fields.has("bfloat16"),
    };
  };

  const fragment = () => {
    const fields = new URLSearchParams();
    state.sides.forEach(({ name, parameters }, k) => {
      const key = SIDES[k].toLowerCase();
      if (name) fields.set(key, name);
      for (const [own, value] of changedParameters(name, parameters)) fields.set(`${key}.${own}`, value);
    });
    fields.set("x", state.x);
    if (String(state.view) !== String(WHOLE)) ["from", "to"].forEach((key, k) => fields.set(key, state.view[k]));
    for (const key of ["w", "n"]) if (state[key] !== START[key]) fields.set(key, state[key]);
    for (const key of HALVES) if (state[key]) fields.set(key, 1);
    return `#${fields}`;
  };

  const changedParameters = (name, parameters) => {
    const usual = name ? defaults(name) : {};
    return Object.entries(parameters).filter(([own, value]) => value !== usual[own]);
  };

  // ---- words ----

  const short = (value, digits = 6) => String(Number.isFinite(value) ? Number(value.toPrecision(digits)) : value);

  const brief = (value) => (value === 0 ? "0" : value.toExponential(1));

  const label = ({ name, parameters }) =>
    [name, ...changedParameters(name, parameters).map(([own, value]) => `${own}=${short(value)}`)].join(" ");

  const problemOf = ({ name, parameters }) => (name ? problem(name, parameters) : "");

  /** Positions of the sides that can be drawn. */
  const drawn = () => [0, 1].filter((k) => state.sides[k].name && !problemOf(state.sides[k]));

  /** 10 to a power in digits, where a double would be 0 or infinite too. */
  const powerOfTen = (logarithm) => {
    if (logarithm === -Infinity) return "0";
    if (Math.abs(logarithm) < 4) return short(10 ** logarithm, 4);
    const whole = Math.floor(logarithm);
    return `${short(10 ** (logarithm - whole), 3)}e${whole}`;
  };

  // ---- building blocks ----

  const make = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const options = (values) => values.map(([value, words]) => make("option", { value }, words));

  /** Shows a value in an input, but not in the one that is being typed in. */
  const show = (input, value) => {
    if (document.activeElement !== input || input.type !== "number") input.value = value;
  };

  /**
   * A slider and a number for the same value. `get` and `set` reach it; `range` gives the slider's ends and step, which
   * the number may leave. Returns their row and what shows the value again.
   */
  const slider = (id, words, spoken, { get, set, range }) => {
    const bar = make("input", { type: "range", id });
    const number = make("input", { type: "number", step: "any", "aria-label": `${spoken}, as a number` });
    bar.addEventListener("input", () => set(Number(bar.value)));
    number.addEventListener("input", () => set(given(number.value)));
    const refreshRow = () => {
      const [low, high, step] = range();
      Object.assign(bar, { min: low, max: high, step });
      number.step = step;
      const value = get();
      bar.disabled = number.disabled = value === Infinity;
      show(bar, value);
      if (Number.isFinite(value)) show(number, Number(value.toPrecision(12)));
      else if (value === Infinity) number.value = "";
    };
    // Only when it is left does a number show what was made of it: at most 1000, or a whole one.
    number.addEventListener("blur", refreshRow);
    const name = make("label", { for: id }, ...words);
    return { row: make("div", { class: "slider" }, name, bar, number), refresh: refreshRow };
  };

  // ---- controls ----

  /** What shows the state again, one function for each control. */
  let refreshers = [];
  let refreshOwn = [[], []];
  const refresh = () => {
    // The first may make the controls of parameters anew.
    refreshers.forEach((one) => one());
    refreshOwn.flat().forEach((one) => one());
  };

  const wordParameter = (k, parameter, id) => {
    const select = make("select", { id }, ...options(Object.keys(parameter.choices).map((word) => [word, word])));
    select.addEventListener("change", () => {
      state.sides[k].parameters[parameter.name] = select.value;
      changed();
    });
    refreshOwn[k].push(() => show(select, state.sides[k].parameters[parameter.name]));
    const words = [make("code", {}, parameter.name), ` ${parameter.meaning}`];
    return make("div", { class: "choice" }, make("label", { for: id }, ...words), select);
  };

  const numberParameter = (k, parameter, id) => {
    const { name, meaning, low, high, step } = parameter;
    const own = state.sides[k].parameters;
    const words = [make("code", {}, name), ` ${meaning}`];
    const set = (value) => {
      own[name] = value;
      changed();
    };
    const range = () => [low, high, step];
    const one = slider(id, words, `${name} of ${SIDES[k]}`, { get: () => own[name], set, range });
    refreshOwn[k].push(one.refresh);
    if ("none" in parameter) one.row.append(noneBox(k, parameter, id, set));
    return one.row;
  };

  /** Ticked where the parameter is None, for which no slider has a place. */
  const noneBox = (k, { name, none, high }, id, set) => {
    const box = make("input", { type: "checkbox", id: `${id}-none` });
    box.addEventListener("change", () => set(box.checked ? none : high));
    refreshOwn[k].push(() => (box.checked = state.sides[k].parameters[name] === none));
    return make("label", { class: "none", for: box.id }, box, `no ${name} (None)`);
  };

  const buildSide = (k) => {
    const id = `explorer-${SIDES[k].toLowerCase()}`;
    const nothing = k ? [["", "none"]] : [];
    const select = make("select", { id }, ...options([...nothing, ...names.map((name) => [name, name])]));
    const about = make("div", { class: "about" });
    const own = make("div", { class: "parameters" });
    const wrong = make("p", { class: "problem", role: "alert" });
    select.addEventListener("change", () => {
      state.sides[k] = side(select.value);
      changed();
    });
    let built = null;
    refreshers.push(() => {
      show(select, state.sides[k].name);
      // Controls are made anew for another choice only: they may have the focus.
      if (built !== state.sides[k].parameters) {
        built = state.sides[k].parameters;
        describe(k, about);
        buildParameters(k, own, id);
      }
      const words = problemOf(state.sides[k]);
      if (wrong.textContent !== words) wrong.textContent = words;
    });
    const words = k ? "Overlaid" : "Activation";
    const legend = make("legend", {}, swatch(STYLES[k]), SIDES[k]);
    return make("fieldset", {}, legend, make("label", { for: id }, words), select, about, own, wrong);
  };

  const describe = (k, about) => {
    about.replaceChildren();
    const activation = activations[state.sides[k].name];
    if (!activation) return;
    const lines = [["f = ", activation.formula], ["f′ = ", activation.derivative], ["range ", activation.range]];
    about.append(...lines.map(([words, text]) => make("p", {}, words, make("code", {}, text))));
    if (activation.drawn !== "x") about.append(make("p", {}, `Drawn over ${activation.drawn}.`));
  };

  const buildParameters = (k, own, id) => {
    refreshOwn[k] = [];
    const { name } = state.sides[k];
    const parameters = name ? activations[name].parameters : [];
    own.replaceChildren(
      ...parameters.map((parameter) => {
        const build = parameter.choices ? wordParameter : numberParameter;
        return build(k, parameter, `${id}-${parameter.name}`);
      }),
    );
  };

  const stepOf = (low, high) => 10 ** Math.floor(Math.log10((high - low) / 1000));

  const setX = (value) => {
    if (!Number.isFinite(value)) return;
    state.x = within(value, -FARTHEST, FARTHEST);
    const [low, high] = state.view;
    if (state.x < low || state.x > high) look(high - low);
    changed();
  };

  /** Shows so wide a part of the x axis, with x in its middle. */
  const look = (width) => {
    const half = within(width, NARROWEST, 2 * FARTHEST) / 2;
    state.view = [state.x - half, state.x + half].map((end) => Number(end.toPrecision(8)));
  };

  const buildX = () => {
    const range = () => [...state.view, stepOf(...state.view)];
    const one = slider("explorer-x", [make("code", {}, "x")], "x", { get: () => state.x, set: setX, range });
    refreshers.push(one.refresh);
    const button = (words, act) => {
      const made = make("button", { type: "button" }, words);
      made.addEventListener("click", () => {
        act();
        changed();
      });
      return made;
    };
    const width = () => state.view[1] - state.view[0];
    const zoom = make(
      "div",
      { class: "zoom", role: "group", "aria-label": "Part of the x axis" },
      button("Zoom in", () => look(width() / 2)),
      button("Zoom out", () => look(width() * 2)),
      button(`${WHOLE[0]} to ${WHOLE[1]}`, () => {
        state.view = [...WHOLE];
        state.x = within(state.x, ...WHOLE);
      }),
    );
    return make("div", { class: "panel" }, one.row, make("div", { class: "line" }, zoom, ...HALVES.map(buildHalf)));
  };

  const buildHalf = (format) => {
    const box = make("input", { type: "checkbox", id: `explorer-${format}` });
    box.addEventListener("change", () => {
      state[format] = box.checked;
      changed();
    });
    refreshers.push(() => (box.checked = state[format]));
    return make("label", { for: box.id }, box, `steps of ${format}`);
  };

  const buildLayers = () => {
    const setter = (key, low, high, rounded) => (value) => {
      if (!Number.isFinite(value)) return;
      state[key] = within(rounded(value), low, high);
      changed();
    };
    const rows = [
      ["n", "layers", setter("n", 1, MOST_LAYERS, Math.round), [1, MOST_LAYERS, 1]],
      ["w", "weight before each activation", setter("w", -FARTHEST, FARTHEST, Number), [-4, 4, 0.01]],
    ].map(([key, words, set, ends]) => {
      const label = [make("code", {}, key), ` ${words}`];
      return slider(`explorer-${key}`, label, key, { get: () => state[key], set, range: () => ends });
    });
    refreshers.push(...rows.map((one) => one.refresh));
    return make("div", { class: "panel" }, ...rows.map((one) => one.row));
  };

  // ---- what is read ----

  const swatch = (style) => {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    line.setAttribute("class", "swatch");
    line.setAttribute("viewBox", "0 0 34 10");
    line.setAttribute("aria-hidden", "true");
    line.innerHTML = `<path class="curve ${style}" d="M0 5H34"/>`;
    return line;
  };

  const cell = (value, exact) => {
    const made = make("td", {}, short(value, 8));
    if (exact !== undefined) made.append(make("small", {}, `error ${brief(value - exact)}`));
    return made;
  };

  const valueTable = (k) => {
    const { name, parameters } = state.sides[k];
    const wide = evaluate(name, state.x, parameters);
    const heads = ["format", "f(x)", "f′(x)"].map((words) => make("th", { scope: "col" }, words));
    const rows = ["float64", ...HALVES].map((format) => {
      const own = wide[format] ?? wide;
      const exact = wide[format] ? wide : {};
      const head = make("th", { scope: "row" }, format);
      return make("tr", {}, head, cell(own.y, exact.y), cell(own.slope, exact.slope));
    });
    const words = `${SIDES[k]}: ${label(state.sides[k])} at x = ${short(state.x)}`;
    const caption = make("caption", {}, swatch(STYLES[k]), words);
    return make("table", {}, caption, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  };

  const legend = () => {
    const lines = drawn().map((k) => [STYLES[k], `${SIDES[k]}: ${label(state.sides[k])}`]);
    const steps = drawn().includes(0) ? HALVES.filter((format) => state[format]) : [];
    lines.push(...steps.map((format) => [format, `A in ${format}`]));
    return lines.map(([style, words]) => make("li", {}, swatch(style), words));
  };

  const slopeOf = (k) => compute(state.sides[k].name, state.x, state.sides[k].parameters, "float64").slope;

  /** Of one layer, the logarithm of what it multiplies a gradient with. */
  const layerLogarithm = (k) => Math.log10(Math.abs(state.w * slopeOf(k)));

  const spokenValues = () =>
    drawn().map((k) => {
      const { name, parameters } = state.sides[k];
      const { y, slope } = compute(name, state.x, parameters, "float64");
      return `${label(state.sides[k])} is ${short(y)} and its derivative ${short(slope)}`;
    });

  const spokenLayers = () =>
    drawn().map((k) => {
      const once = Math.abs(state.w * slopeOf(k));
      const all = powerOfTen(state.n * layerLogarithm(k));
      return `${label(state.sides[k])}: ${short(once)} for each layer, ${all} after ${state.n}`;
    });

  const say = (output, words) => {
    if (output.textContent !== words) output.textContent = words;
  };

  // ---- what is drawn ----

  const RESOLUTION = 400;

  const valueOf = (k, key, format) => (x) => compute(state.sides[k].name, x, state.sides[k].parameters, format)[key];

  const curvesOf = (key) => {
    const [low, high] = state.view;
    const segments = (k) => plot.sample(valueOf(k, key, "float64"), low, high, RESOLUTION);
    const curves = drawn().map((k) => ({ style: STYLES[k], segments: segments(k) }));
    const reach = 1.1 * Math.max(Math.abs(low), Math.abs(high));
    const clip = key === "y" ? [-reach, reach] : [-2, 3];
    const y = plot.visibleRange(curves.flatMap((curve) => curve.segments), clip);
    for (const format of drawn().includes(0) ? HALVES.filter((one) => state[one]) : []) {
      curves.push({ style: format, segments: plot.staircase(valueOf(0, key, format), low, high, 2 * RESOLUTION) });
    }
    return { y, curves };
  };

  /** The curves of both pictures, and what they are of: while only x moves they stay. */
  const kept = { of: "", y: null, slope: null };

  const keptCurves = (key) => {
    const sides = state.sides.map(({ name, parameters }) => [name, changedParameters(name, parameters)]);
    const of = String([sides, drawn(), state.view, HALVES.map((format) => state[format])]);
    if (kept.of !== of) Object.assign(kept, { of, y: null, slope: null });
    return (kept[key] ??= curvesOf(key));
  };

  const functionChart = (key) => {
    const { y, curves } = keptCurves(key);
    const sides = drawn();
    const words = new Set(sides.map((k) => activations[state.sides[k].name].drawn));
    return {
      x: state.view,
      y,
      xTicks: plot.ticks(state.view, 5),
      yTicks: plot.ticks(y, 5),
      xLabel: words.size === 1 ? [...words][0] : "x",
      at: state.x,
      curves,
      points: sides.map((k) => ({ style: STYLES[k], x: state.x, y: valueOf(k, key, "float64")(state.x) })),
    };
  };

  const layersChart = () => {
    const { n } = state;
    const lines = drawn().map((k) => ({ style: STYLES[k], once: layerLogarithm(k) }));
    const ends = lines.map(({ once }) => n * once).filter(Number.isFinite);
    const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
    const margin = Math.max(0.08 * (high - low), 0.5);
    const y = [low - margin, high + margin];
    return {
      x: [0, 1.03 * n],
      y,
      xTicks: plot.ticks([0, n], 5, { whole: true }),
      yTicks: plot.ticks(y, 5, { whole: true, words: (power) => (power ? `1e${power}` : "1") }),
      xLabel: "layers",
      levels: LEVELS.filter((level) => level.y > y[0] && level.y < y[1]),
      curves: lines.map(({ style, once }) => ({ style, segments: [[[0, 0], [n, n * once]]] })),
      points: lines.map(({ style, once }) => ({ style, x: n, y: n * once })),
    };
  };

  const pictureWords = (what, key) => {
    const [low, high] = state.view.map((end) => short(end));
    const lines = drawn().map((k) => {
      const { name, parameters } = state.sides[k];
      const [first, here, last] = [state.view[0], state.x, state.view[1]].map((x) =>
        short(compute(name, x, parameters, "float64")[key], 4),
      );
      const at = `at x = ${short(state.x)}`;
      return `${label(state.sides[k])}: ${first} at the left end, ${here} ${at}, ${last} at the right end.`;
    });
    return [`${what} for x from ${low} to ${high}.`, ...lines].join(" ");
  };

  // ---- the page ----

  let changed = () => {};

  const figure = (words) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "plot");
    svg.setAttribute("role", "img");
    return { svg, whole: make("figure", {}, make("figcaption", {}, words), svg) };
  };

  /** x follows a finger or a mouse on a picture; the slider does the same from the keyboard. */
  const letDrag = (svg, position) => {
    svg.classList.add("dragged");
    const follow = (event) => {
      const step = stepOf(...state.view);
      setX(Number((Math.round(position()(event.clientX) / step) * step).toPrecision(12)));
    };
    svg.addEventListener("pointerdown", (event) => {
      svg.setPointerCapture(event.pointerId);
      follow(event);
    });
    svg.addEventListener("pointermove", (event) => svg.hasPointerCapture(event.pointerId) && follow(event));
  };

  const buildPage = (mount, below) => {
    const parts = {
      values: figure("function"),
      slopes: figure("derivative"),
      layers: figure("what is left of a gradient"),
      legend: make("ul", { class: "legend" }),
      said: make("output", { "aria-live": "polite" }),
      tables: make("div", { class: "tables" }),
      left: make("output", { "aria-live": "polite" }),
    };
    mount.replaceChildren(
      make("div", { class: "sides" }, buildSide(0), buildSide(1)),
      buildX(),
      parts.legend,
      make("div", { class: "plots" }, parts.values.whole, parts.slopes.whole),
      parts.said,
      parts.tables,
    );
    below.replaceChildren(buildLayers(), parts.layers.whole, parts.left);
    return parts;
  };

  const drawAll = (parts) => {
    parts.position = {
      values: plot.draw(parts.values.svg, functionChart("y")),
      slopes: plot.draw(parts.slopes.svg, functionChart("slope")),
    };
    plot.draw(parts.layers.svg, layersChart());
  };

  const tell = (parts) => {
    parts.legend.replaceChildren(...legend());
    parts.tables.replaceChildren(...drawn().map(valueTable));
    say(parts.said, drawn().length ? `At x = ${short(state.x)}, ${spokenValues().join("; ")}.` : "");
    say(parts.left, spokenLayers().join("; "));
    parts.values.svg.setAttribute("aria-label", pictureWords("The function", "y"));
    parts.slopes.svg.setAttribute("aria-label", pictureWords("The derivative", "slope"));
    const words = `What is left of a gradient after 0 to ${state.n} layers, on a logarithmic scale.`;
    parts.layers.svg.setAttribute("aria-label", [words, ...spokenLayers()].join(" "));
  };

  const start = (mount, below) => {
    let frame = 0;
    let writing = 0;
    const take = () => {
      state = restored(location.hash.slice(1));
      if (state.x < state.view[0] || state.x > state.view[1]) look(state.view[1] - state.view[0]);
    };
    take();
    const parts = buildPage(mount, below);
    const redraw = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => drawAll(parts));
    };
    changed = () => {
      refresh();
      tell(parts);
      redraw();
      // Browsers refuse an address that changes with every movement of a slider.
      clearTimeout(writing);
      writing = setTimeout(() => history.replaceState(null, "", fragment()), 300);
    };
    letDrag(parts.values.svg, () => parts.position.values);
    letDrag(parts.slopes.svg, () => parts.position.slopes);
    addEventListener("hashchange", () => {
      // The page's headings have fragments too.
      if (!location.hash.includes("=")) return;
      take();
      changed();
    });
    new ResizeObserver(redraw).observe(mount);
    refresh();
    tell(parts);
    drawAll(parts);
  };

  start(document.getElementById("fastact-explorer"), document.getElementById("fastact-explorer-layers"));
})();
