// The explorer's arithmetic: the words of the catalog's formulas in double precision, the half formats, and the
// value and derivative of an activation in each of them. Needs explorer-formulas.js before it; draws nothing.
"use strict";

(() => {
  const LARGEST_SERIES = 0.5;

  /** Maclaurin's series; below 0.5 its 15th term is less than 1e-18 of the first. */
  const erfSeries = (x) => {
    let term = x;
    let total = x;
    for (let k = 1; k < 16; k++) {
      term *= -(x * x) / k;
      total += term / (2 * k + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * total;
  };

  /**
   * exp(-x^2) with what x * x loses by rounding put back: x = high + low, where the square of high is exact.
   */
  const expOfMinusSquare = (x) => {
    const high = Math.fround(x);
    return Math.exp(-high * high) * Math.exp(-(x - high) * (x + high));
  };

  /**
   * erfc for x >= 0.5 by the trapezoidal rule, with the residue of its pole (Chiarella and Reichel 1968, On the
   * Evaluation of Integrals Related to the Error Function). With the step 1/2 what the rule leaves out is
   * exp(-4 pi^2) of the whole, 7e-18, and the 13th term less than exp(-42) of the sum.
   */
  const erfcByTrapezoids = (x) => {
    const step = 0.5;
    const square = x * x;
    let total = 1 / (2 * square);
    for (let k = 1; k <= 13; k++) {
      const t = k * step * (k * step);
      total += Math.exp(-t) / (t + square);
    }
    const residue = x < Math.PI / step ? 2 / (1 - Math.exp((2 * Math.PI * x) / step)) : 0;
    return ((2 * step * x) / Math.PI) * expOfMinusSquare(x) * total + residue;
  };

  /** Within 1e-14 of the value, as tests/site says; so is erf. */
  const erfc = (x) => {
    if (Math.abs(x) < LARGEST_SERIES) return 1 - erfSeries(x);
    if (x < 0) return 2 - erfc(-x);
    return x > 27.3 ? 0 : erfcByTrapezoids(x);
  };

  const erf = (x) => {
    if (Math.abs(x) < LARGEST_SERIES) return erfSeries(x);
    return x < 0 ? erfc(-x) - 1 : 1 - erfc(x);
  };

  /** x - tanh(x) without its cancellation: Lambert's continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))). */
  const xMinusTanh = (x) => {
    if (!(Math.abs(x) < 1)) return x - Math.tanh(x);
    let rest = 0;
    for (let odd = 21; odd >= 3; odd -= 2) rest = (x * x) / (odd + rest);
    return (x * rest) / (1 + rest);
  };

  // Loops, since curves call them some 100,000 times: an array for each would be seen as a delay.
  const largest = (length, at) => {
    let found = at(0);
    for (let i = 1; i < length; i++) found = Math.max(found, at(i));
    return found;
  };

  const total = (length, at) => {
    let found = 0;
    for (let i = 0; i < length; i++) found += at(i);
    return found;
  };

  /** The t for which sum(max(x - t, 0)) is 1: the largest that the k largest values give. */
  const sparseThreshold = (length, at) => {
    const falling = Array.from({ length }, (_, i) => at(i)).sort((a, b) => b - a);
    return largest(length, (k) => (total(k + 1, (i) => falling[i]) - 1) / (k + 1));
  };

  const WORDS = {
    exp: Math.exp,
    expm1: Math.expm1,
    log: Math.log,
    log1p: Math.log1p,
    sqrt: Math.sqrt,
    tanh: Math.tanh,
    abs: Math.abs,
    sign: Math.sign,
    maximum: Math.max,
    minimum: Math.min,
    sigmoid: (x) => 1 / (1 + Math.exp(-x)),
    float64: (x) => x,
    x_minus_tanh: xMinusTanh,
    erf,
    erfc,
    max: largest,
    sum: total,
    sparse_threshold: sparseThreshold,
  };

  const single = new Float32Array(1);
  const bits = new Uint32Array(single.buffer);

  /**
   * Rounds to float32 and from there to nearest, ties to even, as fastact does. `places` are the bits of the
   * significand after its first, `smallest` is the exponent of the smallest normal number, `beyond` the first power
   * of 2 that is no number any more.
   */
  const half = (places, smallest, beyond) => (value) => {
    single[0] = value;
    const size = Math.abs(single[0]);
    if (!(size > 0 && size < Infinity)) return single[0];
    const exponent = Math.max(((bits[0] >>> 23) & 255) - 127, smallest);
    // Beside so large a number the units of a double are those of the format.
    const large = 1.5 * 2 ** (52 + exponent - places);
    const rounded = size + large - large;
    return Math.sign(value) * (rounded < 2 ** beyond ? rounded : Infinity);
  };

  const FORMATS = {
    float64: (value) => value,
    float16: half(10, -14, 16),
    bfloat16: half(7, -126, 128),
  };

  const activations = window.fastactFormulas(WORDS);

  const defaults = (name) => Object.fromEntries(activations[name].parameters.map(({ name, value }) => [name, value]));

  /** What is wrong with parameters, or nothing: the constraint that they break. */
  const problem = (name, parameters) => {
    const p = { ...defaults(name), ...parameters };
    const isNumber = ({ name: own, choices, none }) => choices || Number.isFinite(p[own]) || p[own] === none;
    const missing = activations[name].parameters.find((parameter) => !isNumber(parameter));
    if (missing) return `${missing.name} needs a number`;
    const broken = activations[name].constraints.find(({ holds }) => !holds(p));
    if (!broken) return "";
    const given = Object.entries(p).filter(([own]) => new RegExp(`\\b${own}\\b`).test(broken.text));
    return `${given.map(([own, value]) => `${own} = ${value}`).join(", ")} is not allowed: ${broken.text} must hold`;
  };

  /** The activation that a word among the parameters hands over to, as gelu's `approximate` does. */
  const chosen = (name, p) => {
    const parameter = activations[name].parameters.find(({ choices }) => choices);
    return activations[parameter ? parameter.choices[p[parameter.name]] : name];
  };

  /**
   * Value and derivative in a format, each computed when it is asked for: x, the result, and the derivative are rounded
   * to it, and what is between them is not. A derivative that follows from the result is computed from the rounded one.
   */
  const compute = (name, x, parameters, format) => {
    const p = { ...defaults(name), ...parameters };
    const activation = chosen(name, p);
    const round = FORMATS[format];
    const { lines, noise } = activation;
    const result = (i) => round(activation.y(v, p, i));
    const v = {
      length: lines.length,
      x: lines.map(([slope, offset]) => round(slope * round(x) + offset)),
      dy: lines.map((_, i) => (i === 0 ? 1 : 0)),
      noise,
      get y() {
        return (this.results ??= lines.map((_, i) => result(i)));
      },
    };
    const along = (i) => (lines[i][0] === 0 ? 0 : lines[i][0] * round(activation.slope(v, p, i)));
    return {
      get y() {
        return result(0);
      },
      get slope() {
        return total(lines.length, along);
      },
    };
  };

  /** An activation at x in float64 (`y`, `slope`) and in both half formats; RangeError says which constraint fails. */
  const evaluate = (name, x, parameters = {}) => {
    const wrong = problem(name, parameters);
    if (wrong) throw new RangeError(`${name}: ${wrong}`);
    const [wide, ...halves] = Object.keys(FORMATS).map((format) => compute(name, x, parameters, format));
    return { ...wide, float16: halves[0], bfloat16: halves[1] };
  };

  const names = Object.keys(activations);
  window.fastactExplorer = { names, activations, defaults, problem, compute, evaluate, words: WORDS };
})();
