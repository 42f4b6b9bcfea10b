"use strict";

// The interactive page of a run. The numbers are those of the run; arithmetic is repeated in float64, as the program
// does it: the results of activations come with the page, and its lines say which products and sums are computed here.

const run = JSON.parse(document.getElementById("data").textContent, (_, own) => (own?.data ? unpack(own) : own));
const { cell, engines } = run;
/** From the top of the picture down; the input is the last. */
const lanes = [...Array(run.layers * run.directions).keys()].reverse().map(laneAt);
lanes.push({ layer: null, direction: 0 });

/** The numbers of an array, which are little-endian, as all processors of today are that have browsers. */
function unpack({ type, shape, data }) {
  const text = atob(data);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  const single = type === "float32";
  return { values: single ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer), shape, single };
}

// ---------------------------------------------------------------------------------------------------------- numbers

const LARGEST_PLAIN = 1e6;
const SMALLEST_PLAIN = 0.5e-3;

/** A rounded text, but with the even digit where a number lies in the middle of two, as Python rounds. */
function rounded(value, method, decimals) {
  const [digits, exponent] = value[method](Math.min(100, decimals + 40)).split("e");
  const end = digits.indexOf(".") + 1 + decimals;
  const kept = digits.slice(0, decimals ? end : end - 1);
  const isTie = /^50*$/.test(digits.slice(end)) && "02468".includes(kept.at(-1));
  if (!isTie) return value[method](decimals);
  return exponent === undefined ? kept : `${kept}e${exponent}`;
}

const exponential = (value, decimals) => rounded(value, "toExponential", decimals);

function fixed(value, decimals) {
  const text = rounded(value, "toFixed", decimals);
  return /[1-9]/.test(text) ? text : text.replace("-", "");
}

const spelled = (value) => Number.isNaN(value) ? "NaN" : value > 0 ? "infinity" : "-infinity";

/** Three decimals, or one digit where these would be 0. */
function short(value) {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return spelled(value);
  if (size >= LARGEST_PLAIN) return exponential(value, 3);
  return size > 0 && size < SMALLEST_PLAIN ? exponential(value, 0) : fixed(value, 3);
}

function twoDigits(value) {
  if (!Number.isFinite(value)) return spelled(value);
  if (value === 0) return "0";
  const text = exponential(value, 1);
  const size = Math.abs(Number(text));
  return size >= 1e-3 && size < 1e4 ? String(Number(text)) : text.replace(".0e", "e");
}

/** Three decimals, or two digits of a number smaller than those can show. */
function brief(value) {
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 0.01) return fixed(value, 4);
  return size > 0 && size < 1e-3 ? twoDigits(value) : short(value);
}

/** Two numbers with as many decimals as show that they differ, but at least three. */
function distinct(one, other) {
  if (Number.isFinite(one) && Number.isFinite(other) && Math.max(Math.abs(one), Math.abs(other)) < LARGEST_PLAIN) {
    for (let decimals = 3; decimals < 17; decimals++) {
      const pair = [fixed(one, decimals), fixed(other, decimals)];
      if (pair[0] !== pair[1]) return pair;
    }
  }
  const pair = [short(one), short(other)];
  return pair[0] !== pair[1] ? pair : [full(one), full(other)];
}

/** The shortest digits that read back to the same number: of float32 if `single`, else of float64. */
function full(value, single = false) {
  if (!Number.isFinite(value)) return spelled(value);
  if (Object.is(value, -0)) return "-0.0";
  const tried = Array.from({ length: single ? 9 : 0 }, (_, digits) => exponential(value, digits));
  const text = tried.find((own) => Math.fround(Number(own)) === value) ?? value.toExponential();
  const [, sign, first, rest = "", exponent] = /^(-?)(\d)(?:\.(\d*?)0*)?e(.*)$/.exec(text);
  const [power, size, digits] = [Number(exponent), Math.abs(value), first + rest];
  // NumPy goes by the number, Python by its digits; they differ for the float32 that is nearest to 0.0001.
  const isPlain = single ? size === 0 || (size >= 1e-4 && size < 1e16) : power >= -4 && power < 16;
  if (!isPlain) return `${sign}${first}${rest && `.${rest}`}e${exponent}`;
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${digits}`;
  return `${sign}${digits.slice(0, power + 1).padEnd(power + 1, "0")}.${digits.slice(power + 1) || "0"}`;
}

const count = (value) => value.toLocaleString("en-US");
const trueMinus = (text) => text.replace(/-/g, "\u2212");

/** A sentence with true minus signs in its numbers; names keep their hyphens. */
const trueMinusIn = (sentence) => sentence.replace(/(?<![\w-])-(?=\d)|(?<=\de)-(?=\d)|(?<=\d )-(?= \d)/g, "\u2212");

// ------------------------------------------------------------------------------------------------------------- data

function laneAt(lane) {
  return { layer: Math.floor(lane / run.directions), direction: lane % run.directions };
}

const isBackward = (direction) => run.reverse || direction === 1;
const laneIndex = ({ layer, direction }) => layer * run.directions + direction;
const wayOf = (direction) => isBackward(direction) ? "backward" : "forward";

function laneTitle({ layer, direction }) {
  if (layer === null) return "input x";
  const several = run.directions > 1 || run.reverse;
  return `layer ${layer}${several ? `, ${wayOf(direction)} ${isBackward(direction) ? "←" : "→"}` : ""}`;
}

const timeName = (time, sample) => (run.timestepNames[sample] ?? run.timestepNames[0])[time];

function timeText(time, sample) {
  const name = timeName(time, sample);
  return `t = ${time}${name ? ` '${name}'` : ""}`;
}

function place({ layer, direction, time, sample, unit }) {
  const at = `layer ${layer}, ${wayOf(direction)}, ${timeText(time, sample)}`;
  return `${at}, sample ${run.samples[sample]}, unit ${unit}`;
}

/** The index of a value in an array of the lanes, (L, D, T, N, U). */
function index({ shape: [, directions, timesteps, samples, units] }, at, unit = at.unit) {
  return (((at.layer * directions + at.direction) * timesteps + at.time) * samples + at.sample) * units + unit;
}

const valueAt = ({ values, shape }, first, second, third) => values[(first * shape[1] + second) * shape[2] + third];

const isGradient = (quantity) => quantity.startsWith("grad.");
const tolerances = (quantity) => engines[candidate()].tolerances[quantity];

/** The engine that is compared with the reference: the one that is shown, or the first candidate. */
const candidate = () => state.engine || Math.min(1, engines.length - 1);

const comparedArrays = (name) => [0, candidate()].map((engine) => engines[engine].arrays[name]);

const comparedEngines = () => [...new Set([0, candidate()])];

function signedDifference(reference, other) {
  return reference === other || (Number.isNaN(reference) && Number.isNaN(other)) ? 0 : other - reference;
}

function absError(reference, other) {
  const error = Math.abs(signedDifference(reference, other));
  return Number.isNaN(error) ? Infinity : error;
}

function tolerance(reference, [rtol, atol]) {
  const size = Number.isFinite(reference) ? Math.abs(reference) : 0;
  return Math.min(size * rtol + atol, Number.MAX_VALUE);
}

function errorRatio(reference, other, limits) {
  const error = absError(reference, other);
  return error === 0 ? 0 : error / tolerance(reference, limits);
}

const isMismatch = (reference, other, limits) => !(absError(reference, other) <= tolerance(reference, limits));

const OF_COMPARISON = engines.length > 1 ? ["difference", "error_ratio"] : [];
const isCompared = (quantity) => OF_COMPARISON.includes(quantity);

const comparing = (quantity) => quantity === "difference" ? signedDifference : errorRatio;

/** A reader of a quantity at a place of a lane and a unit: undefined where an engine has none. */
function valueReader(quantity, engine) {
  if (!isCompared(quantity)) {
    const array = engines[engine].arrays[quantity];
    return array === undefined ? () => undefined : (at, unit) => array.values[index(array, at, unit)];
  }
  const [[array, other], limits, compared] = [comparedArrays("h"), tolerances("h"), comparing(quantity)];
  return (at, unit) => {
    const where = index(array, at, unit);
    return compared(array.values[where], other.values[where], limits);
  };
}

const laneValue = (quantity, engine, at, unit = at.unit) => valueReader(quantity, engine)(at, unit);

/** The array of the input lane: the sequence, or its gradient where a gradient is shown. */
const inputArray = (quantity, engine) => (isGradient(quantity) && engines[engine].arrays["grad.input"]) || run.x;

/** A function that says whether the candidate differs from the reference by more than the tolerance at a place. */
function mismatchReader(quantity) {
  const name = comparedName(quantity);
  const [limits, [one, other]] = [tolerances(name), comparedArrays(name)];
  if (!limits || !one || !other) return () => false;
  return (at, unit) => {
    if (!isRecorded("difference", candidate(), at)) return false;
    const where = index(one, at, unit);
    return isMismatch(one.values[where], other.values[where], limits);
  };
}

const mismatchAt = (quantity, at, unit = at.unit) => mismatchReader(quantity)(at, unit);

/** The array whose comparison marks a quantity: its own if it is compared, else h; "" of a gradient. */
function comparedName(quantity) {
  if (tolerances(quantity)) return quantity;
  return isGradient(quantity) ? "" : "h";
}

/** The time steps of a lane that have numbers: start and stop. A recording may lack some. */
function recordedTimes(quantity, engine, { layer, direction }) {
  const whole = [0, run.timesteps];
  if (layer === null) return whole;
  const lane = laneIndex({ layer, direction });
  if (isCompared(quantity)) {
    const [one, other] = [0, candidate()].map((k) => engines[k].recorded[lane]);
    return [Math.max(one[0], other[0]), Math.min(one[1], other[1])];
  }
  if (isGradient(quantity)) return engines[engine].arrays[quantity] ? whole : [0, 0];
  return engines[engine].own.includes(quantity) ? engines[engine].recorded[lane] : engines[engine].followed[lane];
}

const hasValue = (name, engine, at) => Boolean(engines[engine].arrays[name]) && isRecorded(name, engine, at);

function isRecorded(quantity, engine, at) {
  const [start, stop] = recordedTimes(quantity, engine, at);
  return at.time >= start && at.time < stop;
}

// ------------------------------------------------------------------------------------------------------- arithmetic

const sumOf = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

/** A part of a gradient: terms [name, factor, gradient], which have a sum of their own if they are several. */
function gradientPart(text, factors) {
  const terms = factors.map(([name, weight, input]) => ({ name, weight, input, product: weight * input }));
  const total = sumOf(terms.map((term) => term.product));
  return { text, name: terms.length > 1 ? text : "", terms, factor: 1, total };
}
const given = (text, gradient) => gradientPart(text, [[text, 1, gradient]]);

/** The operations that read each value, the last first, each with the place of the operand. */
const consumers = cell.nodes.map(() => []);
for (let number = cell.nodes.length - 1; number >= 0; number--) {
  cell.nodes[number].args.forEach((arg, k) => consumers[arg].push([number, k]));
}

const steps = new Map();

function stepOf(engine, at) {
  const key = [engine, at.layer, at.direction, at.time, at.sample, at.unit].join();
  if (!steps.has(key)) steps.set(key, new Step(engine, at));
  return steps.get(key);
}

/** One step of one unit in float64, from the engine's own states, and from its own gradients of later steps. */
class Step {
  constructor(number, at) {
    const [by, length] = [isBackward(at.direction) ? -1 : 1, run.lengths[at.sample]];
    const inside = (time) => time >= 0 && time < length ? time : null;
    Object.assign(this, { number, at, engine: engines[number], title: engines[number].title });
    Object.assign(this, { earlier: inside(at.time - by), later: inside(at.time + by), known: [], sums: [], totals: [] });
    this.parameters = (this.engine.parameters ?? run.parameters)[laneIndex(at)];
  }

  moved(changes) {
    return stepOf(this.number, { ...this.at, ...changes });
  }

  given(name, unit = this.at.unit, at = this.at) {
    const array = this.engine.arrays[name];
    return array && array.values[index(array, at, unit)];
  }

  value(number) {
    return this.known[number] ??= this.computed(number);
  }

  computed(number) {
    const { op, args, name, number: constant } = cell.nodes[number];
    switch (op) {
      case "number": return constant;
      case "state": return this.previous(name);
      case "parameter": return this.parameters[name].values[this.at.unit];
      case "plus": return this.value(args[0]) + this.value(args[1]);
      case "minus": return this.value(args[0]) - this.value(args[1]);
      case "times": return this.value(args[0]) * this.value(args[1]);
      case "activation": return this.given(`activation.${number}`);
    }
    return this.sum(number).total;
  }

  previous(symbol, unit = this.at.unit) {
    if (this.earlier === null) return valueAt(run.initial[symbol], laneIndex(this.at), this.at.sample, unit);
    return this.given(`before.${symbol}`, unit) ?? this.given(symbol, unit, { ...this.at, time: this.earlier });
  }

  /** The vector that a matrix multiplies: the layer input x, the previous state h, or a value of all units. */
  read(of) {
    const { layer, time, sample } = this.at;
    const vector = (length, number) => Array.from({ length }, (_, k) => number(k));
    if (of === "h") return vector(run.units, (k) => this.previous("h", k));
    if (of !== "x") return vector(this.engine.arrays[`across.${of}`].shape[4], (k) => this.given(`across.${of}`, k));
    if (layer === 0) return vector(run.features, (k) => valueAt(run.x, time, sample, k));
    return vector(run.directions * run.units, (k) => this.given("h", k % run.units, { ...this.at, ...this.below(k) }));
  }

  below(k) {
    return { layer: this.at.layer - 1, direction: Math.floor(k / run.units) };
  }

  /** A sum of products in the order of its terms, the bias last. */
  sum(number) {
    return this.sums[number] ??= this.addedUp(number);
  }

  addedUp(number) {
    const { matrix, row, bias, of } = cell.nodes[number].sum;
    const [{ values, shape }, inputs, first] = [this.parameters[matrix], this.read(of), row + this.at.unit];
    const weights = values.subarray(first * shape[1]);
    const products = inputs.map((input, k) => weights[k] * input);
    const added = bias ? this.parameters[bias].values[first] : 0;
    return { weights, inputs, products, bias: added, total: [...products, added].reduce((sum, own) => sum + own) };
  }

  // Lines of the forward pass

  /** The lines of the step: each an equation with the parts of its sum, and the value that it gives. */
  lines() {
    return this.allLines ??= cell.lines.map((line) => this.line(line));
  }

  line({ name, title, node, parts: nodes, sum, symbols }) {
    const [value, parts] = [this.value(node), nodes.map((own) => this.part(own))];
    const total = title ? parts.map((own) => own.factor * own.total).reduce((one, other) => one + other) : value;
    const pieces = symbols.map(([text, number]) => number === null ? { text } : { text, value: this.value(number) });
    const tokens = joinedSigns([{ text: name, value }, { text: " = " }, ...pieces]);
    const [scale] = [...parts.map((own) => own.scale).filter(Boolean), ""];
    const titles = title ? ["weight", "× input"] : ["first", "× second"];
    return { name, title, tokens, parts, value, total, sum, scale, titles, outcome: this.outcome(name, value) };
  }

  part({ way, node, factor, scale, text, symbol, label }) {
    const by = factor === undefined ? 1 : this.value(factor);
    if (way === "value") {
      const input = this.value(node);
      const name = label ?? (symbol.endsWith("[t-1]") ? this.previousName(symbol.slice(0, -5)) : this.named(symbol));
      return { terms: [{ name, weight: by, input, product: by * input }], factor: 1, total: by * input };
    }
    const { weights, inputs, products, bias, total } = this.sum(node);
    const terms = products.map((product, k) => (
      { name: this.columnName(node, k), source: `${way} ${k}`, weight: weights[k], input: inputs[k], product }));
    return { name: text, terms, bias: text && { name: `b_${way}`, product: bias }, factor: by, scale, total };
  }

  named(symbol, unit = this.at.unit, time = this.at.time) {
    return `${symbol}[t=${time}, u=${unit}]`;
  }

  previousName(symbol, unit = this.at.unit) {
    return this.earlier === null ? `${symbol}0[u=${unit}]` : this.named(symbol, unit, this.earlier);
  }

  readName(of, k) {
    if (of !== "x") return this.previousName("h", k);
    return this.at.layer ? this.named("h", k % run.units) : `x[t=${this.at.time}, i=${run.featureNames[k]}]`;
  }

  /** The value that a column of a matrix multiplies; of the layer below with its direction, if there are two. */
  columnName(node, k) {
    const { of, reads, matrix } = cell.nodes[node].sum;
    const marked = of === "x" && this.at.layer > 0 && run.directions > 1;
    if (cell.nodes[node].op !== "matrix") {
      return this.readName(of, k) + (marked ? ` ${this.below(k).direction ? "←" : "→"}` : "");
    }
    return reads ? this.named(reads, k) : `${matrix}[u=${this.at.unit}, ${k}]`;
  }

  /** The engine's own value of a line beside the computed one; undefined without one. A gradient has no bound. */
  outcome(name, computed) {
    const [bound, stored] = [this.given(`bound.${name}`), this.given(`line.${name}`) ?? this.given(name)];
    if (stored === undefined || (bound === undefined && !isGradient(name))) return undefined;
    const difference = signedDifference(computed, stored);
    // Rounding explains it, or it has no bound.
    const right = difference === 0 || !Number.isFinite(bound) || Math.abs(difference) / bound <= run.allowed;
    return { name, computed, stored, difference, allowed: bound && run.allowed * bound, right };
  }

  outcomes() {
    return this.lines().map((line) => line.outcome).filter(Boolean);
  }

  compared({ of, line: name }) {
    if (of === "previous") return this.previous(name);
    const { value, total, outcome } = this.lines().find((line) => line.name === name);
    return of === "stored" ? outcome?.stored ?? value : of === "sum" ? total : value;
  }

  // Gradients

  own(symbol) {
    return this.given(`grad.${symbol}`) ?? this.given(`own.${symbol}`);
  }

  gradient(number) {
    return this.totals[number] ??= this.gathered(number);
  }

  gathered(number) {
    const symbol = cell.states.find((own) => cell.names[own] === number);
    if (symbol) return this.own(symbol);
    return this.given(`contribution.${number}`) ?? sumOf(consumers[number].map((own) => this.contribution(...own)));
  }

  contribution(consumer, place) {
    const { op, args } = cell.nodes[consumer];
    if (op === "recurrent" || op === "matrix") return this.product({ origin: consumer, factors: [] }).total;
    const d = this.gradient(consumer);
    switch (op) {
      case "minus": return place === 1 ? -d : d;
      case "times": return d * this.value(args[1 - place]);
      case "activation": return d * this.slope(consumer);
    }
    return d;
  }

  slope(number) {
    const [slope, value] = [this.given(`slope.${number}`), this.value(number)];
    return slope ?? (cell.nodes[number].activation === "sigmoid" ? value * (1 - value) : 1 - value * value);
  }

  factor({ factors, negative }) {
    const number = ([role, node]) => (role === "slope" ? this.slope(node) : this.value(node));
    return factors.reduce((product, own) => product * number(own), negative ? -1 : 1);
  }

  /** The parts on paths within this step; of a step that is read from the one before, `later` is true. */
  inner(paths, later) {
    return paths.map((path) => {
      if (path.product) return this.product(path);
      const text = later ? path.later : path.text;
      return gradientPart(text, [[text, this.factor(path), this.gradient(path.origin)]]);
    });
  }

  product(path) {
    return this.vector({ ...path, node: path.origin }, this.at.unit, "", this.factor(path));
  }

  vector({ node, text, gradient }, column, mark = "", scale = 1) {
    const { matrix, row, rows } = cell.nodes[node].sum;
    const { values, shape } = this.parameters[matrix];
    return gradientPart(text + mark, Array.from({ length: rows }, (_, unit) => {
      const factor = scale * values[(row + unit) * shape[1] + column];
      return [`${this.named(gradient, unit)}${mark}`, factor, this.moved({ unit }).gradient(node)];
    }));
  }

  outer(symbol) {
    const { time, sample, unit } = this.at;
    if (this.later === null) return [given("final", valueAt(run.backward.final[symbol], laneIndex(this.at), sample, unit))];
    return run.backward.cuts[Math.max(time, this.later)] ? [] : this.moved({ time: this.later }).next(symbol);
  }

  next(symbol) {
    const { v, leaves } = run.backward;
    const parts = symbol === cell.states[0] ? v.map((part) => this.vector(part, this.at.unit)) : [];
    const leaf = leaves[symbol];
    if (leaf?.unchanged) parts.push(given(leaf.unchanged, this.gradient(leaf.node)));
    return [...parts, ...this.inner(leaf?.paths ?? [], true)];
  }

  output() {
    const { layer, direction, time, sample, unit } = this.at;
    const { direct: each, directTime, u } = run.backward;
    const direct = each[laneIndex(this.at)];
    const parts = [];
    if (direct && (directTime ?? time) === time) parts.push(given("direct", valueAt(direct, time, sample, unit)));
    for (let above = 0; layer + 1 < run.layers && above < run.directions; above++) {
      const mark = ` ↑${run.directions === 1 ? "" : isBackward(above) ? "←" : "→"}`;
      const there = this.moved({ layer: layer + 1, direction: above });
      parts.push(...u.map((part) => there.vector(part, direction * run.units + unit, mark)));
    }
    return parts;
  }

  /** The gradients of the step with their parts, in the order of the backward pass: each uses only earlier ones. */
  gradients() {
    const found = [];
    for (const { name, states: [symbol, ...copies], paths } of run.backward.lines) {
      for (const copy of copies) found.push(this.gradientLine(`grad.${copy}`, this.outer(copy)));
      const parts = [];
      if (symbol === cell.states[0]) {
        const output = this.gradientLine("grad.out", this.output());
        found.push(output);
        parts.push(given("grad.out", output.outcome?.stored ?? output.value));
      }
      if (symbol) parts.push(...this.outer(symbol));
      parts.push(...copies.map((copy) => given(`grad.${copy}`, this.own(copy))), ...this.inner(paths, false));
      found.push(this.gradientLine(name, parts));
    }
    return found;
  }

  gradientLine(name, parts) {
    const value = sumOf(parts.map((part) => part.total));
    const pieces = parts.flatMap(({ text, total }, k) => [{ text: k ? " + " : " = " }, { text, value: total }]);
    const tokens = [{ text: name, value }, ...(pieces.length ? pieces : [{ text: " = 0" }])];
    const titles = ["factor", "× gradient"];
    return { name, tokens, parts, value, total: value, sum: name, scale: "", titles, outcome: this.outcome(name, value) };
  }
}

/** The tokens of an equation, of which signs that follow each other are one. */
function joinedSigns(pieces) {
  return pieces.reduce((found, piece) => {
    const last = found.at(-1);
    if (piece.value === undefined && last && last.value === undefined) last.text += piece.text;
    else found.push(piece);
    return found;
  }, []);
}

/** The rows of a line: the terms of each part with the running sum after each, its bias and its sum, and the total. */
function rowsOf({ parts, sum: name, total }) {
  const rows = [];
  let sum = 0;
  for (const part of parts) {
    const addends = part.bias ? [...part.terms, { kind: "bias", ...part.bias }] : part.terms;
    for (const row of addends) {
      const added = part.factor === 1 ? row.product : part.factor * row.product;
      sum += added;
      rows.push({ kind: "term", ...row, added, sum });
    }
    if (part.name) rows.push({ kind: "part", name: part.name, product: part.total });
  }
  return [...rows, { kind: "total", name, sum: total }];
}

// ------------------------------------------------------------------------------------------------------ comparisons

/** The first number in which two engines differ by more than the tolerance, or than rounding; null if none does. */
function firstDivergence(one, other, limits) {
  for (const [way, of] of [["i2h", "x"], ["h2h", "h"]]) {
    const [ours, theirs] = [one.read(of), other.read(of)];
    const k = ours.findIndex((value, at) => isMismatch(value, theirs[at], limits));
    if (k >= 0) return { step: "input", name: readInWords(one, of, k), source: `${way} ${k}`, pair: [ours[k], theirs[k]] };
  }
  const numbers = cell.compared.map((own) => ({ ...own, pair: [one, other].map((step) => step.compared(own)) }));
  const [ours, theirs] = [one, other].map((step) => step.outcomes());
  const outcomes = [...ours, ...theirs];
  // An engine that does not give a value has the computed one.
  const given = ({ of, line }) => of !== "stored" || outcomes.some((own) => own.name === line);
  const apart = numbers.filter(given).find(({ pair }) => isMismatch(...pair, limits));
  if (apart) return apart;
  const isWrong = (name) => outcomes.some((own) => own.name === name && !own.right);
  const differs = ({ of, line, pair }) => of === "stored" && isWrong(line) && signedDifference(...pair) !== 0;
  return numbers.find(differs) ?? null;
}

function readInWords(step, of, k) {
  const { layer, direction } = of === "x" ? step.below(k) : step.at;
  return step.readName(of, k) + (layer < 0 ? "" : ` of layer ${layer}, ${wayOf(direction)}`);
}

/** What the program says of a step: which engines are wrong here, and where the candidate diverges. */
function sentences(steps, divergence) {
  const filled = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const wrongOf = (step) => step.outcomes().filter((own) => !own.right);
  const said = steps.flatMap((step) => wrongOf(step).map(({ name, stored: own, computed: value }) => {
    const [stored, computed] = distinct(own, value);
    return filled(run.sentences.wrong, { engine: step.title, symbol: name, stored, computed });
  }));
  if (steps.length < 2) return said;
  const [first, second] = divergence ? distinct(...divergence.pair) : [];
  const values = { reference: steps[0].title, candidate: steps[1].title, line: divergence?.name, first, second };
  const diverging = filled(run.sentences[divergence?.step ?? "none"], values);
  // That the arithmetic agrees says nothing of an engine whose likely cause is known.
  const wrong = steps.filter((step) => step.engine.cause && wrongOf(step).length);
  const causes = wrong.map((step) => filled(run.sentences.cause, { cause: step.engine.cause }));
  return [...said, ...(divergence?.of === "stored" && wrong.length ? [] : [diverging]), ...causes];
}

function equationTexts(lines) {
  const each = lines.map((line) => line.tokens);
  const texts = each[0].map(({ text, value }, k) =>
    value === undefined ? each.map(() => text) : pairTexts(each.map((tokens) => tokens[k].value)));
  return each.map((tokens, engine) => bracketed(tokens, texts.map((own) => own[engine])));
}

/** An equation in numbers; a negative number after a sign is in brackets. */
function bracketed(tokens, texts) {
  return tokens.reduce((before, { value }, k) => {
    const bare = value === undefined || !texts[k].startsWith("-") || !before || /(\(|= )$/.test(before);
    return before + (bare ? texts[k] : `(${texts[k]})`);
  }, "");
}

const shown = (value) => state.exact ? full(value) : brief(value);

// ------------------------------------------------------------------------------------------------------------ state

const [startLayer, startDirection, startTime, startSample, startUnit] = run.start;

const state = {
  engine: run.startEngine,
  quantity: "h",
  at: { layer: startLayer, direction: startDirection, time: startTime, sample: startSample, unit: startUnit },
  /** Number of time steps in view, and the first of them, which need not be whole. */
  span: run.timesteps,
  left: 0,
  exact: false,
};

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const lanesBox = byId("lanes");
/** Null in a notebook, whose theme the page follows. */
const themeButton = byId("theme");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const darkWanted = matchMedia("(prefers-color-scheme: dark)");
/** The document around the page, such as a notebook, which shares the selection and the theme; null without one. */
const around = window.parent === window ? null : window.parent;

const length = (sample = state.at.sample) => run.lengths[sample];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Select a value; indices outside the run are moved to its ends, and out of padding. */
function select(changes) {
  const at = { ...state.at, ...changes };
  const counts = { layer: run.layers, direction: run.directions, sample: run.samples.length, unit: run.units };
  for (const [name, count] of Object.entries(counts)) at[name] = clamp(at[name], 0, count - 1);
  at.time = clamp(at.time, 0, run.lengths[at.sample] - 1);
  const moved = Object.keys(at).some((name) => at[name] !== state.at[name]);
  state.at = at;
  bringIntoView();
  update();
  if (moved) around?.postMessage({ selection: [at.layer, at.direction, at.time, run.samples[at.sample], at.unit] }, "*");
}

const selectTime = (time) => select({ time });
const moveTime = (by) => selectTime(state.at.time + by);
const moveLane = (by) => select(laneAt(clamp(laneIndex(state.at) + by, 0, run.layers * run.directions - 1)));

function setView(left, span) {
  const most = Math.max(run.timesteps, 1);
  state.span = clamp(span, Math.min(2, most), most);
  state.left = clamp(left, 0, most - state.span);
  draw();
}

/** Zoom about a time step, by default the selected one. */
function zoom(factor, about = state.at.time + 0.5) {
  const span = clamp(state.span / factor, Math.min(2, run.timesteps), run.timesteps);
  setView(about - clamp((about - state.left) / state.span, 0, 1) * span, span);
}

const fit = () => setView(0, run.timesteps);

function bringIntoView() {
  const { time } = state.at;
  if (time < state.left) state.left = time;
  else if (time + 1 > state.left + state.span) state.left = Math.min(time + 1, run.timesteps) - state.span;
  state.left = Math.max(0, state.left);
}

function setEngine(engine) {
  state.engine = engine;
  if (isGradient(state.quantity) && !engines[engine].arrays[state.quantity]) state.quantity = "h";
  update();
}

function setQuantity(quantity) {
  state.quantity = quantity;
  if (isGradient(quantity) && !engines[state.engine].arrays[quantity]) {
    state.engine = engines.findIndex((engine) => engine.arrays[quantity]);
  }
  update();
}

function stepQuantity(by) {
  const names = quantityNames();
  setQuantity(names[(names.indexOf(state.quantity) + by + names.length) % names.length]);
}

function quantityNames() {
  const [first, ...names] = run.quantities.map((quantity) => quantity.name);
  return [first, ...OF_COMPARISON, ...names];
}

function quantityTitle(name) {
  if (isCompared(name)) return name.replace("_", " ");
  const { title, group } = run.quantities.find((own) => own.name === name);
  return group === "Gradients" ? `gradient: ${title}` : title;
}

/** ", recomputed" of values that follow from an engine's h, because the engine gives none. */
const recomputed = (name, engine) => engines[engine].recomputed.includes(name) ? ", recomputed" : "";

const ofEngineTitle = (name, engine) => `${name} of ${engines[engine].title}${recomputed(name, engine)}`;

// ------------------------------------------------------------------------------------------------------- mismatches

const foundMismatches = new Map();

/** The mismatches of the shown array in the order of computation; if it has none, those of h. */
function mismatches() {
  const found = mismatchesOf(comparedName(state.quantity));
  return found.length ? found : mismatchesOf("h");
}

function mismatchesOf(name) {
  const key = `${candidate()} ${name}`;
  if (!foundMismatches.has(key)) foundMismatches.set(key, name ? allMismatches(name) : []);
  return foundMismatches.get(key);
}

function allMismatches(name) {
  const [found, isMarked] = [[], mismatchReader(name)];
  for (const { layer, direction } of lanes.slice(0, -1)) {
    run.lengths.forEach((length, sample) => {
      for (let time = 0; time < length; time++) {
        const at = { layer, direction, time, sample };
        for (let unit = 0; unit < run.units; unit++) if (isMarked(at, unit)) found.push({ ...at, unit });
      }
    });
  }
  found.ofGradient = isGradient(name);
  return found.sort((one, other) => inOrder(one, other, found.ofGradient));
}

/** The order of computation: the lower layer first, backward lanes from their end; of gradients the opposite. */
function inOrder(one, other, ofGradient = false) {
  const turned = ofGradient ? -1 : 1;
  const time = (at) => turned * (isBackward(at.direction) ? -at.time : at.time);
  return turned * (one.layer - other.layer) || one.direction - other.direction || time(one) - time(other) ||
    one.sample - other.sample || one.unit - other.unit;
}

function goToMismatch(by) {
  const found = mismatches();
  if (!found.length) return;
  const ordered = by > 0 ? found : [...found].reverse();
  select(ordered.find((at) => by * inOrder(at, state.at, found.ofGradient) > 0) ?? ordered[0]);
}

// ----------------------------------------------------------------------------------------------------------- colors

const STEPS = 249;
const SMALLEST_RATIO = 1e-3;
const reaches = new Map();

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

let palette = null;

function readPalette() {
  const names = ["text", "base", "raised", "border", "muted", "wrong", "outline", "outline-under", "cursor", "nan",
    "infinite"];
  palette = Object.fromEntries(names.map((name) => [name, color(name)]));
  for (const name of ["diverging", "sequential"]) palette[name] = color(name).split(/\s+/);
  tables.clear();
}

const tables = new Map();

function reach(name) {
  const key = isCompared(name) ? `${name} ${candidate()}` : name;
  if (!reaches.has(key)) {
    const largest = (most, value) => Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most;
    reaches.set(key, numbersOf(name).reduce((most, values) => values.reduce(largest, most), 0));
  }
  return reaches.get(key);
}

function numbersOf(name) {
  if (name === "x") return [run.x.values];
  if (!isCompared(name)) return engines.map(({ arrays }) => arrays[name]?.values ?? []);
  const [[one, other], limits] = [comparedArrays("h"), tolerances("h")];
  return [Array.from(one.values, (value, k) => comparing(name)(value, other.values[k], limits))];
}

function scaleOf(quantity) {
  const largest = reach(quantity);
  if (quantity === "error_ratio") {
    const power = largest > 0 ? Math.max(1, Math.ceil(Math.log10(largest))) : 1;
    return { low: SMALLEST_RATIO, high: 10 ** power, ratio: true };
  }
  const { bounded, low, high } = run.quantities.find((known) => known.name === quantity) ?? {};
  const end = bounded ? Math.max(1, largest) : largest > 0 ? clamp(largest, 1e-300, 1e300) : 1;
  if (low === 0) return { low, high: high ?? end, sequential: true };
  return low != null && high != null ? { low, high } : { low: -end, high: end };
}

function shareOf({ low, high, ratio }, value) {
  const [from, to, at] = ratio ? [low, high, Math.max(value, low)].map(Math.log10) : [low, high, value];
  return (at - from) / (to - from);
}

const rgb = (text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));
const mixed = (one, other, share) => one.map((channel, k) => Math.round(channel + (other[k] - channel) * share));

function between(stops, share) {
  const at = clamp(share, 0, 1) * (stops.length - 1);
  const first = Math.min(Math.floor(at), stops.length - 2);
  return mixed(stops[first], stops[first + 1], at - first);
}

function colorTable(scale) {
  const key = JSON.stringify(scale);
  if (!tables.has(key)) tables.set(key, Array.from({ length: STEPS }, (_, k) => tableColor(scale, k / (STEPS - 1))));
  return tables.get(key);
}

function tableColor(scale, share) {
  const stops = (scale.ratio || scale.sequential ? palette.sequential : palette.diverging).map(rgb);
  if (scale.ratio) {
    const [limit, wrong] = [shareOf(scale, 1), rgb(palette.wrong)];
    if (share <= limit) return between(stops.slice(0, Math.floor(stops.length / 2) + 1), share / limit);
    return between([mixed(wrong, rgb(palette.base), 0.45), wrong], (share - limit) / (1 - limit));
  }
  const middle = scale.sequential || scale.low >= 0 ? 0.5 : shareOf(scale, 0);
  return between(stops, share <= middle ? (0.5 * share) / middle : 0.5 + (0.5 * (share - middle)) / (1 - middle));
}

function colorOf(scale, value) {
  if (!Number.isFinite(value)) return rgb(Number.isNaN(value) ? palette.nan : palette.infinite);
  return colorTable(scale)[Math.round(clamp(shareOf(scale, value), 0, 1) * (STEPS - 1))];
}

function luminance(channels) {
  const [r, g, b] = channels.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [bright, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (bright + 0.05) / (dark + 0.05);
}

/** A color of text that is readable on another one: the theme's, or else black or white. */
function ink(ground) {
  const better = (one, other) => (contrast(rgb(one), ground) >= contrast(rgb(other), ground) ? one : other);
  const own = better(palette.text, palette.base);
  return contrast(rgb(own), ground) >= 4.5 ? own : better("#000000", "#ffffff");
}

// ------------------------------------------------------------------------------------------------------------ lanes

const AXIS = run.timestepNames.some((names) => names.some(Boolean)) ? 42 : 26;
const LANE_TITLE = 20;
const LANE_GAP = 6;
const LEAST_ROW = 2;
const MOST_ROW = 24;
/** The lanes of a frame leave room for the controls next to them. */
const WANTED_HEIGHT = document.documentElement.classList.contains("framed") ? 340 : 420;
const FONT = "system-ui, sans-serif";

let layout = null;

function arrange() {
  const sizes = lanes.map(({ layer }) => (layer === null ? run.features : run.units));
  const row = clamp(Math.floor(WANTED_HEIGHT / sizes.reduce((sum, own) => sum + own)), LEAST_ROW, MOST_ROW);
  let y = AXIS;
  const placed = lanes.map((lane, k) => {
    const [top, height] = [y + LANE_TITLE, sizes[k] * row];
    y = top + height + LANE_GAP;
    return { ...lane, top, height, rows: sizes[k] };
  });
  const [width, height, left] = [Math.max(200, lanesBox.clientWidth), y + 2, row >= 12 ? 34 : 8];
  layout = { width, height, row, left, lanes: placed };
  const ratio = window.devicePixelRatio || 1;
  canvas.style.height = `${height}px`;
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
}

const plotWidth = () => layout.width - layout.left - 8;
const plotRight = () => layout.left + plotWidth();
const stepWidth = () => plotWidth() / state.span;
const xOf = (time) => layout.left + (time - state.left) * stepWidth();
const timeAt = (x) => state.left + (x - layout.left) / stepWidth();

const background = { canvas: document.createElement("canvas"), key: "" };

function draw() {
  if (layout === null || palette === null) return;
  const ratio = window.devicePixelRatio || 1;
  const { engine, quantity, at, left, span } = state;
  const key = JSON.stringify(
    [engine, quantity, at.sample, left, span, layout.width, layout.height, ratio, palette.base]);
  if (background.key !== key) {
    background.key = key;
    Object.assign(background.canvas, { width: canvas.width, height: canvas.height });
    const context = background.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = palette.base;
    context.fillRect(0, 0, layout.width, layout.height);
    for (const lane of layout.lanes) drawLane(context, lane);
    drawScale();
  }
  const context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(background.canvas, 0, 0);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawAxis(context);
  drawSelection(context);
}

/** At most `most` of the time steps in view, at a step of 1, 2 or 5 times a power of ten. */
function ticks(most) {
  const first = Math.ceil(state.left);
  const stop = Math.min(run.timesteps, Math.floor(state.left + state.span - 1e-9) + 1);
  const powers = Array.from({ length: 16 }, (_, power) => 10 ** power);
  const step = powers.flatMap((power) => [power, 2 * power, 5 * power]).find((own) => (stop - first) / own <= most);
  const begin = Math.ceil(first / step) * step;
  return Array.from({ length: Math.max(0, Math.ceil((stop - begin) / step)) }, (_, k) => begin + k * step);
}

function drawAxis(context) {
  const width = stepWidth();
  Object.assign(context, { textAlign: "center", textBaseline: "alphabetic" });
  const centered = (time, y, text, limit) => {
    const x = xOf(time + 0.5);
    if (x < layout.left - 1 || x > plotRight() + 1) return;
    const isSelected = time === state.at.time;
    context.font = `${isSelected ? "bold " : ""}12px ${FONT}`;
    context.fillStyle = isSelected ? palette.text : palette.muted;
    const fitting = elided(context, text, limit);
    const half = context.measureText(fitting).width / 2 + 2;
    context.fillText(fitting, clamp(x, half, layout.width - half), y);
  };
  const few = ticks(Math.max(2, Math.floor(plotWidth() / 56)));
  for (const time of few) centered(time, 16, time === 0 ? `t = ${time}` : count(time), 56);
  for (const time of width >= 16 ? ticks(run.timesteps) : few) {
    if (time < length()) centered(time, 32, timeName(time, state.at.sample), width >= 16 ? width : 52);
  }
}

function elided(context, text, width) {
  let kept = text;
  while (kept.length > 1 && context.measureText(kept).width > width) kept = `${kept.slice(0, -2).trimEnd()}…`;
  return kept;
}

/** The columns of a picture: the first of the time steps behind them, the last, and how many are behind a column. */
function columns() {
  const first = Math.floor(state.left);
  const stop = Math.min(run.timesteps, Math.ceil(state.left + state.span));
  const block = Math.max(1, Math.ceil((stop - first) / Math.ceil(plotWidth())));
  return { first: Math.floor(first / block) * block, stop, block };
}

function clipped(context, [x, y, width, height], drawing) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  drawing();
  context.restore();
}

function drawLane(context, lane) {
  const { row, left } = layout;
  const [isInput, width] = [lane.layer === null, stepWidth()];
  const array = isInput ? inputArray(state.quantity, state.engine) : null;
  const scale = isInput ? scaleOf(array === run.x ? "x" : "grad.input") : scaleOf(state.quantity);
  Object.assign(context, { fillStyle: palette.muted, font: `12px ${FONT}`, textAlign: "left" });
  context.fillText(isInput && array !== run.x ? "gradient of the input x" : laneTitle(lane), left, lane.top - 6);
  const { first, stop, block } = columns();
  const wide = Math.ceil((stop - first) / block);
  const image = new ImageData(wide, lane.rows);
  const large = width >= 6 && row >= 6;
  const marked = [];
  const [reader, isMarked] = [valueReader(state.quantity, state.engine), mismatchReader(state.quantity)];
  const at = { layer: lane.layer, direction: lane.direction, sample: state.at.sample, time: 0 };
  const read = (time, unit) => isInput ? valueAt(array, time, at.sample, unit) : reader(Object.assign(at, { time }), unit);
  const [start, end] = recordedTimes(state.quantity, state.engine, lane);
  for (let column = 0; column < wide; column++) {
    const from = first + column * block;
    let any = false;
    for (let unit = 0; unit < lane.rows; unit++) {
      let value = 0, mark = false, known = false;
      for (let time = Math.max(from, start); time < Math.min(from + block, stop, length(), end); time++) {
        const own = read(time, unit);
        if (own === undefined) continue;
        if (!known || !(Math.abs(own) <= Math.abs(value))) value = own;
        known = true;
        mark = mark || (!isInput && isMarked(at, unit));
      }
      if (!known) continue;
      const channels = mark && !large ? rgb(palette.outline) : colorOf(scale, value);
      image.data.set([...channels, 255], 4 * (unit * wide + column));
      if (mark && large) marked.push([from, unit]);
      any = any || mark;
    }
    if (any) marked.push([from, -1]);
  }
  drawGround(context, lane, start, end);
  const picture = element("canvas", { width: wide, height: lane.rows });
  picture.getContext("2d").putImageData(image, 0, 0);
  clipped(context, [left, lane.top - 5, plotWidth(), lane.height + 6], () => {
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, xOf(first), lane.top, wide * block * width, lane.height);
    if (large) drawGrid(context, lane, first, stop);
    const times = [Math.max(first, start), Math.min(stop, length(), end)];
    if (width >= 46 && row >= 15) drawNumbers(context, lane, scale, times, read);
    for (const [time, unit] of marked) drawMark(context, lane, time, block, unit);
  });
  Object.assign(context, { strokeStyle: palette.border, lineWidth: 1 });
  context.strokeRect(left - 0.5, lane.top - 0.5, plotWidth() + 1, lane.height + 1);
  if (row >= 12) drawUnits(context, lane);
}

/** Padding has dots, and time steps that a recording lacks have lines. */
function drawGround(context, { top, height }, start, end) {
  const missing = [[0, Math.min(start, length()), drawHatching], [end, length(), drawHatching]];
  for (const [from, to, pattern] of [[length(), run.timesteps, drawDots], ...missing]) {
    const [x, right] = [Math.max(xOf(from), layout.left), Math.min(xOf(to), plotRight())];
    if (to <= from || right <= x) continue;
    const area = [x, top, right - x, height];
    clipped(context, area, () => {
      context.fillStyle = pattern === drawDots ? palette.base : palette.raised;
      context.fillRect(...area);
      pattern(context, ...area);
    });
  }
}

function drawDots(context, x, y, width, height) {
  context.fillStyle = palette.muted;
  for (let row = 0; row * 6 < height; row++) {
    for (let dx = (row % 2) * 6; dx < width; dx += 12) context.fillRect(x + dx + 2, y + row * 6 + 2, 1.5, 1.5);
  }
}

function drawHatching(context, x, y, width, height) {
  Object.assign(context, { strokeStyle: palette.border, lineWidth: 1 });
  context.beginPath();
  for (let dx = -height; dx < width; dx += 12) {
    context.moveTo(x + dx, y);
    context.lineTo(x + dx + height, y + height);
  }
  context.stroke();
}

function drawGrid(context, lane, first, stop) {
  context.fillStyle = palette.base;
  const width = Math.min(xOf(length()), layout.width) - layout.left;
  for (let time = first; time <= Math.min(stop, length()); time++) {
    context.fillRect(xOf(time) - 0.5, lane.top, 1, lane.height);
  }
  for (let unit = 1; unit < lane.rows && layout.row >= 10; unit++) {
    context.fillRect(layout.left, lane.top + unit * layout.row - 0.5, width, 1);
  }
}

function drawNumbers(context, lane, scale, [first, stop], read) {
  const font = `${Math.min(13, layout.row - 4)}px ui-monospace, monospace`;
  Object.assign(context, { font, textAlign: "center", textBaseline: "middle" });
  const written = lane.layer !== null && isCompared(state.quantity) ? twoDigits : short;
  for (let time = first; time < stop; time++) {
    for (let unit = 0; unit < lane.rows; unit++) {
      const value = read(time, unit);
      if (value === undefined) continue;
      context.fillStyle = ink(colorOf(scale, value));
      context.fillText(trueMinus(written(value)), xOf(time + 0.5), lane.top + (unit + 0.5) * layout.row + 1);
    }
  }
  context.textBaseline = "alphabetic";
}

function drawMark(context, lane, time, block, unit) {
  const [x, width] = [xOf(time), block * stepWidth()];
  if (unit < 0) {
    context.fillStyle = palette.outline;
    context.fillRect(x, lane.top - 4, Math.max(width, 1), 3);
    return;
  }
  const tones = [[3, palette["outline-under"]], [1.5, palette.outline]];
  outline(context, tones, x + 1.5, lane.top + unit * layout.row + 1.5, width - 3, layout.row - 3);
}

/** An outline of several tones, each a width and a color, that is seen on any ground. */
function outline(context, tones, x, y, width, height) {
  for (const [lineWidth, strokeStyle] of tones) {
    Object.assign(context, { lineWidth, strokeStyle });
    context.strokeRect(x, y, width, height);
  }
}

function drawUnits(context, lane) {
  Object.assign(context, { font: `11px ${FONT}`, fillStyle: palette.muted, textAlign: "right", textBaseline: "middle" });
  for (let unit = 0; unit < lane.rows; unit++) {
    context.fillText(String(unit), layout.left - 6, lane.top + (unit + 0.5) * layout.row);
  }
  context.textBaseline = "alphabetic";
}

function drawSelection(context) {
  const { layer, direction, time, unit } = state.at;
  const lane = layout.lanes.find((own) => own.layer === layer && own.direction === direction);
  const [x, width] = [xOf(time), stepWidth()];
  const [x0, x1] = [clamp(x, layout.left, layout.width), clamp(x + width, layout.left, plotRight())];
  if (x1 <= x0 && width >= 1) return;
  Object.assign(context, { strokeStyle: palette.cursor, lineWidth: 1 });
  context.setLineDash([2, 3]);
  context.beginPath();
  for (const edge of width >= 4 ? [x0, x1] : [(x0 + x1) / 2]) {
    for (const { top, height } of layout.lanes) {
      context.moveTo(edge, top);
      context.lineTo(edge, top + height);
    }
  }
  context.stroke();
  context.setLineDash([]);
  const y = lane.top + unit * layout.row;
  const [w, h] = [Math.max(x1 - x0, 7), Math.max(layout.row, 7)];
  outline(context, [[5, palette.base], [2.5, palette.cursor]], (x0 + x1 - w) / 2, y + (layout.row - h) / 2, w, h);
}

function drawScale() {
  const own = byId("scale");
  const [context, scale] = [own.getContext("2d"), scaleOf(state.quantity)];
  for (let x = 0; x < own.width; x++) {
    context.fillStyle = `rgb(${colorTable(scale)[Math.round((x / (own.width - 1)) * (STEPS - 1))].join(" ")})`;
    context.fillRect(x, 0, 1, own.height);
  }
  for (const end of ["low", "high"]) {
    byId(`scale-${end}`).textContent = trueMinus((scale.ratio ? twoDigits : short)(scale[end]));
  }
  byId("scale-title").textContent = quantityTitle(state.quantity) + recomputed(state.quantity, state.engine);
  const values = engines[state.engine].arrays[state.quantity]?.values ?? [];
  byId("legend").textContent = [
    mismatches().length && "outlined: mismatch",
    values.some(Number.isNaN) && "violet: NaN",
    values.some((value) => Math.abs(value) === Infinity) && "green: infinity",
    run.lengths.some((own) => own < run.timesteps) && "dotted: padding",
  ].filter(Boolean).join(" · ");
}

/** The place of a value that a pointer is at; null beside the lanes. */
function hit(event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const lane = layout.lanes.find(({ top, height }) => y >= top && y < top + height);
  const time = Math.floor(timeAt(x));
  if (time < 0 || time >= run.timesteps || x < layout.left) return null;
  if (lane === undefined || lane.layer === null) return { time };
  return { layer: lane.layer, direction: lane.direction, time, unit: Math.floor((y - lane.top) / layout.row) };
}

// ------------------------------------------------------------------------------------------------------------ texts

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A cell of a table with a number: as it is shown, and in full in its tooltip; empty without a number. */
const numberCell = (text, exact = "") =>
  element("td", { className: "number", ...(exact && { title: exact }) }, trueMinus(text));

const valueCell = (value, text) => value === undefined ? numberCell("") : numberCell(text, full(value));
const rowTitle = (text) => element("th", { scope: "row" }, text);
const paragraphs = (texts) => texts.map((text) => element("p", {}, text));

/** Numbers of one row by engine: enough decimals to show that two differ, or all digits. */
function pairTexts(values) {
  const [one, other] = values;
  const apart = values.length === 2 && one !== undefined && other !== undefined && one !== other;
  if (apart && !state.exact) return distinct(one, other);
  return values.map((value) => (value === undefined ? "" : shown(value)));
}

const smallTexts = (values) =>
  values.map((value) => (value === undefined ? "" : state.exact ? full(value) : twoDigits(value)));

const scrolled = (label, table) =>
  element("div", { className: "wide", role: "region", "aria-label": label, tabIndex: 0 }, table);

const heading = (...titles) =>
  element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title))));

/** A heading of two rows: columns of names, then the same columns for each engine. */
function groupedHeading([first, ...others], titles, names) {
  const cell = (text, properties) => element("th", { scope: "col", className: "number", ...properties }, text);
  const top = [cell(first, { rowSpan: 2, className: "" }), ...others.map((text) => cell(text, { rowSpan: 2 }))];
  const groups = titles.map((title) => cell(title, { scope: "colgroup", colSpan: names.length }));
  const below = titles.flatMap(() => names.map((name) => cell(name)));
  return element("thead", {}, element("tr", {}, ...top, ...groups), element("tr", {}, ...below));
}

const explained = () => state.engine === 0 ? [0] : [0, state.engine];

const capitalized = (text) => text[0].toUpperCase() + text.slice(1);

function showSelected() {
  const { at, quantity } = state;
  byId("place").textContent = capitalized(place(at));
  const row = (title, text, exact, bad) => element("tr", { className: bad ? "mismatch" : "" }, rowTitle(title),
    numberCell(bad && title === "error ratio" ? `${text} ✘ mismatch` : text, exact), numberCell(exact, exact));
  const names = [...new Set(["h", isCompared(quantity) ? "h" : quantity])];
  const rows = names.flatMap((name) => comparedEngines().filter((engine) => hasValue(name, engine, at)).map((engine) => {
    const value = laneValue(name, engine, at);
    return row(ofEngineTitle(name, engine), short(value), full(value, engines[engine].arrays[name].single), false);
  }));
  for (const name of isRecorded("difference", 0, at) ? OF_COMPARISON : []) {
    const value = laneValue(name, 0, at);
    rows.push(row(quantityTitle(name), twoDigits(value), full(value), mismatchAt("h", at)));
  }
  byId("selected").replaceChildren(heading("Value", "Shown", "Exact"), element("tbody", {}, ...rows));
}

const openLines = (target) => new Map([...target.querySelectorAll("details")].map((own) => [own.dataset.line, own.open]));

function showArithmetic() {
  const target = byId("arithmetic");
  const open = openLines(target);
  const able = explained().filter((engine) => {
    const [start, stop] = engines[engine].followed[laneIndex(state.at)];
    return state.at.time >= start && state.at.time < stop;
  });
  byId("sentences").replaceChildren();
  if (!able.length) {
    target.replaceChildren(...paragraphs(["The inputs of this step were not recorded, so it has no arithmetic."]));
    return;
  }
  const each = able.map((engine) => stepOf(engine, state.at));
  const divergence = each.length > 1 ? firstDivergence(...each, tolerances("h")) : null;
  byId("sentences").replaceChildren(...paragraphs(sentences(each, divergence).map(trueMinusIn)));
  target.classList.toggle("of-two", each.length > 1);
  const titles = each.map((step) => step.title);
  const views = cell.lines.map(({ name, title }, k) => {
    const isFirst = (row) => diverges(row, name, divergence);
    const isOpen = (terms) => open.get(name) ?? terms <= OPEN_TERMS;
    const label = title && title !== name ? ` ${title}` : "";
    return lineView(titles, each.map((step) => step.lines()[k]), isOpen, { label, isFirst });
  });
  if (cell.behind.length) views.push(unitsView(each, open.get("units")));
  target.replaceChildren(...views, outcomeView(titles, each));
}

function showGradient() {
  const target = byId("gradient");
  byId("gradient-section").hidden = !run.backward;
  if (!run.backward) return;
  const quantity = isGradient(state.quantity) ? state.quantity : "";
  const open = target.dataset.quantity === quantity ? openLines(target) : new Map();
  target.dataset.quantity = quantity;
  const able = explained().filter((engine) => quantity && engines[engine].backward);
  const notes = explained().map((engine) => engines[engine].withoutTerms).filter(Boolean);
  const texts = quantity ? notes : ["Choose a gradient under Colors to see its terms."];
  byId("gradient-notes").replaceChildren(...paragraphs(texts));
  target.classList.toggle("of-two", able.length > 1);
  const each = able.map((engine) => stepOf(engine, state.at).gradients());
  const titles = able.map((engine) => engines[engine].title);
  target.replaceChildren(...(each[0] ?? []).map(({ name }, k) => {
    const lines = each.map((own) => own[k]);
    const outcomes = resultRows(lines, "the terms");
    return lineView(titles, lines, () => open.get(name) ?? name === quantity, { outcomes });
  }));
}

const OPEN_TERMS = 24;

/** A line in symbols and in the numbers of each engine, and its tables, which are written when they are first shown. */
function lineView(titles, lines, isOpen, { label = "", isFirst = () => false, outcomes = [] }) {
  const [{ name, tokens, parts }] = lines;
  const symbols = tokens.map((token) => token.text).join("");
  const view = element("section", { className: "line" }, element("h3", {}, element("code", {}, symbols), label));
  const texts = equationTexts(lines);
  const same = new Set(texts).size === 1;
  texts.slice(0, same ? 1 : undefined).forEach((text, k) => {
    const owner = element("span", { className: "whose" }, same ? titles.join(", ") : titles[k]);
    view.append(element("p", { className: "equation" }, trueMinus(text), " ", owner));
  });
  const terms = parts.reduce((sum, part) => sum + part.terms.length, 0);
  const text = `${name}: ${count(terms)} ${terms === 1 ? "term" : "terms"}`;
  view.append(detailsOf(name, text, isOpen(terms), (details) => {
    details.append(scrolled(`Terms of ${name}`, termTable(titles, lines, isFirst)));
    if (outcomes.length) details.append(scrolled(`Result of ${name}`, resultTable(titles, outcomes)));
  }));
  return view;
}

/** The values of the units that a product with a matrix reads, by each engine: the gates, c and m. */
function unitsView(each, wasOpen) {
  const names = cell.behind.map(([name]) => name);
  const values = each.flatMap((step) => cell.behind.map(([, node]) => step.read(node)));
  const units = values[0].length;
  const view = element("section", { className: "line" }, element("h3", {}, `Units behind h: ${names.join(", ")}`));
  const text = `${count(units)} ${units === 1 ? "unit" : "units"}`;
  view.append(detailsOf("units", text, wasOpen ?? units <= OPEN_TERMS, (details) => {
    const rows = values[0].map((_, unit) =>
      element("tr", {}, rowTitle(`u=${unit}`), ...values.map((own) => numberCell(shown(own[unit]), full(own[unit])))));
    const head = groupedHeading(["Unit"], each.map((step) => step.title), names);
    const table = element("table", { className: "terms" }, head, element("tbody", {}, ...rows));
    details.append(scrolled("Units behind h", table));
  }));
  return view;
}

/** A part of a line that can be unfolded, which `add` fills when it is first shown. */
function detailsOf(name, text, open, add) {
  const details = element("details", { open }, element("summary", {}, text));
  details.dataset.line = name;
  const fill = () => {
    if (details.open && details.children.length === 1) add(details);
  };
  details.addEventListener("toggle", fill);
  fill();
  return details;
}

/** Whether a row of a line is where two engines diverge first. */
function diverges({ kind, source }, line, divergence) {
  if (divergence === null || divergence.of === "stored") return false;
  if (kind === "term") return divergence.step === "input" && source === divergence.source;
  return kind === "total" && divergence.of !== "previous" && divergence.line === line;
}

function termTable(titles, lines, isFirst) {
  const [{ title, scale, titles: [factor, read] }] = lines;
  const own = [["input", read], ["product", "= product"], ...(scale ? [["added", `× ${scale}`]] : []), ["sum", "sum"]];
  // Every engine has the same weights of a gate.
  const shared = Boolean(title);
  const fields = shared ? own : [["weight", factor], ...own];
  const head = groupedHeading(shared ? ["Term", factor] : ["Term"], titles, fields.map(([, text]) => text));
  const each = lines.map(rowsOf);
  const body = element("tbody", {}, ...each[0].map((row, k) => {
    const first = isFirst(row);
    const title = rowTitle(`${row.name}${first ? " ◀ first divergence" : ""}`);
    const line = element("tr", { className: `${row.kind}${first ? " mismatch" : ""}` }, title);
    if (shared) line.append(valueCell(row.weight, row.weight === undefined ? "" : shown(row.weight)));
    const texts = fields.map(([name]) => pairTexts(each.map((rows) => rows[k][name])));
    each.forEach((rows, engine) => {
      line.append(...fields.map(([name], field) => valueCell(rows[k][name], texts[field][engine])));
    });
    return line;
  }));
  return element("table", { className: "terms" }, head, body);
}

/** The value of a line beside the engines' own ones; none where no engine gives it. */
function resultRows(lines, of) {
  const [{ name }, outcomes] = [lines[0], lines.map((line) => line.outcome)];
  const rows = [
    [`${name} of ${of}`, lines.map((line) => line.value), pairTexts],
    [`${name} of the engine`, outcomes.map((own) => own?.stored), pairTexts],
    ["difference", outcomes.map((own) => own?.difference), smallTexts],
    ["allowed for rounding", outcomes.map((own) => own?.allowed), smallTexts],
  ];
  return rows.filter(([, values]) => outcomes.some(Boolean) && values.some((value) => value !== undefined));
}

function outcomeView(titles, each) {
  const rows = cell.lines.flatMap((_, k) => resultRows(each.map((step) => step.lines()[k]), "this arithmetic"));
  const table = scrolled("Result", resultTable(titles, rows));
  return element("section", { className: "line" }, element("h3", {}, "Result"), table);
}

function resultTable(titles, rows) {
  const body = element("tbody", {}, ...rows.map(([title, values, write]) => {
    const texts = write(values);
    return element("tr", {}, rowTitle(title), ...values.map((value, k) => valueCell(value, texts[k])));
  }));
  return element("table", {}, heading("Result", ...titles), body);
}

function showStep() {
  const { at } = state;
  const numbers = (written, single) => (value) => {
    const exact = full(value, single);
    return numberCell(state.exact ? exact : written(value), exact);
  };
  const ofLane = (name, engine, title, number) => [title, (unit) => number(laneValue(name, engine, at, unit))];
  const ofEngine = (name, engine, title) => hasValue(name, engine, at)
    ? [ofLane(name, engine, title, numbers(short, engines[engine].arrays[name].single))] : [];
  const compared = isRecorded("difference", 0, at) ? OF_COMPARISON : [];
  const columns = [
    ...comparedEngines().flatMap((engine) => ofEngine("h", engine, `h of ${engines[engine].title}`)),
    ...compared.map((name) => ofLane(name, 0, quantityTitle(name), numbers(twoDigits))),
    ...run.quantities.slice(1).flatMap(({ name }) => ofEngine(name, state.engine, ofEngineTitle(name, state.engine))),
  ];
  const rows = Array.from({ length: run.units }, (_, unit) => {
    const bad = mismatchAt("h", at, unit);
    const cells = [rowTitle(`${unit}${bad ? " ✘ mismatch" : ""}`), ...columns.map(([, cellOf]) => cellOf(unit))];
    return element("tr", { className: bad ? "mismatch" : "", ...(unit === at.unit && { "aria-current": "true" }) }, ...cells);
  });
  const time = timeText(at.time, at.sample);
  const lane = capitalized(laneTitle(at).replace(/ [←→]/, ""));
  const inputs = run.featureNames.map((name, feature) => {
    const number = numbers(short, run.x.single)(valueAt(run.x, at.time, at.sample, feature));
    return element("tr", {}, rowTitle(name), number);
  });
  const table = (caption, titles, body) =>
    element("table", {}, element("caption", {}, caption), heading(...titles), element("tbody", {}, ...body));
  const titles = ["Unit", ...columns.map(([title]) => title)];
  const units = table(`${lane}, ${time}, sample ${run.samples[at.sample]}`, titles, rows);
  const input = table(`Input x, ${time}`, ["Feature", "x"], inputs);
  byId("step").replaceChildren(scrolled("Units of the lane", units), scrolled("Input", input));
}

function selectedInWords() {
  const { at, quantity, engine } = state;
  const value = isRecorded(quantity, engine, at) ? laneValue(quantity, engine, at) : undefined;
  const [format, name, shown] = isCompared(quantity)
    ? [twoDigits, quantityTitle(quantity), candidate()] : [short, quantity, engine];
  const number = value === undefined ? "no value" : format(value);
  const title = engines[shown].title + recomputed(quantity, shown);
  const mismatch = mismatchAt(quantity, at) ? ", mismatch" : "";
  return trueMinusIn(`${capitalized(place(at))}: ${name} of ${title} = ${number}${mismatch}`);
}

let announcement = 0;

/** Screen readers hear the selected value once the selection rests, and not while it plays. */
function announce() {
  clearTimeout(announcement);
  announcement = setTimeout(() => {
    if (!player.direction) byId("live").textContent = selectedInWords();
  }, 150);
}

function update() {
  const { engine, quantity, at } = state;
  for (const [id, value] of Object.entries({ engine, quantity, sample: at.sample })) byId(id).value = String(value);
  Object.assign(byId("time"), { max: String(length() - 1), value: String(at.time) });
  byId("time").setAttribute("aria-valuetext", timeText(at.time, at.sample));
  const found = mismatches().length;
  byId("mismatch-count").textContent = found === 1 ? "1 mismatch" : `${found ? count(found) : "No"} mismatches`;
  byId("mismatch-next").disabled = byId("mismatch-previous").disabled = !found;
  steps.clear();
  for (const show of [draw, showSelected, showArithmetic, showGradient, showStep, announce]) show();
}

// --------------------------------------------------------------------------------------------------------- playback

const SLOWEST = 2;
const WHOLE_SECONDS = 12;
const CALM_PER_SECOND = 3;
const FACTORS = [0.5, 1, 2, 4, 8, 16];

const player = { direction: 0, factor: 1, timer: 0, begun: 0, taken: 0 };

/** Time steps per second: a long sequence takes 12 seconds at speed 1. */
const speed = () => Math.max(SLOWEST, length() / WHOLE_SECONDS) * player.factor;

const wayOfLane = () => isBackward(state.at.direction) ? -1 : 1;

const lastTime = (by) => by > 0 ? length() - 1 : 0;

/** Play in the order of computation of the lane (1), or against it (-1). */
function play(direction) {
  if (player.direction) {
    pause();
    return;
  }
  const by = direction * wayOfLane();
  if (state.at.time === lastTime(by)) selectTime(lastTime(-by));
  Object.assign(player, { direction: by, begun: performance.now(), taken: 0 });
  byId("play").textContent = "Pause";
  // At most three changes per second for those who want less motion, else as many as the screen can show.
  const perSecond = Math.min(calm.matches ? CALM_PER_SECOND : 30, speed());
  player.timer = setInterval(advance, 1000 / perSecond);
}

function advance() {
  const steps = Math.round(((performance.now() - player.begun) / 1000) * speed()) - player.taken;
  if (steps < 1) return;
  player.taken += steps;
  moveTime(steps * player.direction);
  if (state.at.time === lastTime(player.direction)) pause();
}

function pause() {
  if (!player.direction) return;
  clearInterval(player.timer);
  player.direction = 0;
  byId("play").textContent = "Play";
  announce();
}

function setFactor(factor) {
  player.factor = factor;
  byId("speed").value = String(factor);
  if (!player.direction) return;
  const way = player.direction * wayOfLane();
  pause();
  play(way);
}

const changeSpeed = (by) => setFactor(FACTORS[clamp(FACTORS.indexOf(player.factor) + by, 0, FACTORS.length - 1)]);

// --------------------------------------------------------------------------------------------------------- controls

/** Keys, their effects in words, and the effects. Those of the program, as far as the page has them. */
const KEYS = [
  [["ArrowRight"], "Right", "Next time step", () => moveTime(1)],
  [["ArrowLeft"], "Left", "Previous time step", () => moveTime(-1)],
  [["Home"], "Home", "First time step", () => selectTime(0)],
  [["End"], "End", "Last time step", () => selectTime(length() - 1)],
  [["ArrowUp"], "Up", "Unit above", () => select({ unit: state.at.unit - 1 })],
  [["ArrowDown"], "Down", "Unit below", () => select({ unit: state.at.unit + 1 })],
  [["PageUp"], "PgUp", "Lane above: the next layer or direction", () => moveLane(1)],
  [["PageDown"], "PgDown", "Lane below", () => moveLane(-1)],
  [["["], "[", "Previous sample", () => select({ sample: state.at.sample - 1 })],
  [["]"], "]", "Next sample", () => select({ sample: state.at.sample + 1 })],
  [[" "], "Space", "Play in the order of computation, or pause", () => play(1)],
  [["Shift+ "], "Shift+Space", "Play against the order of computation, or pause", () => play(-1)],
  [[">"], ">", "Faster", () => changeSpeed(1)],
  [["<"], "<", "Slower", () => changeSpeed(-1)],
  [["n"], "N", "Next mismatch", () => goToMismatch(1)],
  [["p", "N"], "P, Shift+N", "Previous mismatch", () => goToMismatch(-1)],
  [["q"], "Q", "Color by the next quantity", () => stepQuantity(1)],
  [["Q"], "Shift+Q", "Color by the previous quantity", () => stepQuantity(-1)],
  [["+", "="], "+", "Zoom in", () => zoom(1.5)],
  [["-"], "-", "Zoom out", () => zoom(1 / 1.5)],
  [["f", "0"], "F", "Show the whole sequence", fit],
  [["x"], "X", "Show exact values, or short ones", () => setExact(!state.exact)],
  [["?"], "?", "Show these keys", showKeys],
];
const OF_KEY = new Map(KEYS.flatMap(([keys, , , effect]) => keys.map((key) => [key, effect])));

const MOVES = ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

function isTaken(target, key) {
  if (target === lanesBox) return false;
  if (target.matches("input[type=range]")) return MOVES.includes(key);
  if (target.matches("button, summary, input")) return key === " " || key === "Shift+ " || MOVES.includes(key);
  return true;
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const shift = event.shiftKey && (event.key === " " || MOVES.includes(event.key));
  const key = `${shift ? "Shift+" : ""}${event.key}`;
  const effect = OF_KEY.get(key);
  if (effect === undefined || isTaken(event.target, key)) return;
  event.preventDefault();
  if (MOVES.includes(event.key)) pause();
  effect();
}

function showKeys() {
  byId("keys").open = true;
  byId("keys").querySelector("summary").focus();
  byId("keys").scrollIntoView({ block: "nearest" });
}

function setExact(exact) {
  state.exact = exact;
  byId("exact").checked = exact;
  update();
}

/** Fill a list with pairs of a value and its text, by the titles of their groups. */
function fillList(id, groups) {
  for (const [title, entries] of Object.entries(groups)) {
    const made = entries.map(([value, text]) => element("option", { value: String(value) }, text));
    const list = byId(id);
    list.append(...(title && made.length ? [element("optgroup", { label: title }, ...made)] : made));
  }
}

function fillControls() {
  fillList("engine", { "": engines.map(({ title }, k) => [k, k ? title : `${title} (reference)`]) });
  const groups = { Values: [], "Comparison of h": OF_COMPARISON.map((name) => [name, quantityTitle(name)]) };
  for (const { name, title, group } of run.quantities) (groups[group] ??= []).push([name, title]);
  fillList("quantity", groups);
  fillList("sample", { "": run.samples.map((sample, k) => [k, String(sample)]) });
  fillList("speed", { "": FACTORS.map((factor) => [factor, `${factor}×`]) });
  byId("speed").value = "1";
  byId("sample-label").hidden = run.samples.length === 1;
  byId("mismatches").hidden = engines.length === 1;
  byId("key-table").tBodies[0].append(...KEYS.map(([, name, text]) =>
    element("tr", {}, element("th", { scope: "row" }, element("kbd", {}, name)), element("td", {}, text))));
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  themeButton?.setAttribute("aria-pressed", String(dark));
  readPalette();
  draw();
}

const drag = { pointer: null, x: 0, left: 0, moved: false };

function onPointerDown({ button, pointerId, clientX }) {
  if (button === 0) Object.assign(drag, { pointer: pointerId, x: clientX, left: state.left, moved: false });
}

function onPointerMove({ pointerId, clientX }) {
  if (pointerId !== drag.pointer) return;
  const by = clientX - drag.x;
  if (!drag.moved && Math.abs(by) > 4) {
    drag.moved = true;
    canvas.setPointerCapture(pointerId);
  }
  if (drag.moved) setView(drag.left - by / stepWidth(), state.span);
}

function onPointerUp(event) {
  if (event.pointerId !== drag.pointer) return;
  drag.pointer = null;
  const found = drag.moved ? null : hit(event);
  if (!found) return;
  pause();
  select(found);
}

/**
 * The wheel zooms; sideways, or with Shift, it pans. Where there is nothing to zoom out, the page scrolls. In another
 * document, it zooms only with Ctrl, or reading on would.
 */
function onWheel(event) {
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
  if (Math.abs(sideways) > (event.shiftKey ? 0 : Math.abs(event.deltaY))) {
    event.preventDefault();
    setView(state.left + sideways / stepWidth(), state.span);
    return;
  }
  if ((event.deltaY > 0 && state.span >= run.timesteps) || (around && !event.ctrlKey)) return;
  event.preventDefault();
  zoom(1.0015 ** -event.deltaY, timeAt(event.clientX - canvas.getBoundingClientRect().left));
}

/** What the document around the page says: which value to select, and whether its own colors are dark. */
function onMessage({ source, data }) {
  if (source !== around || data === null) return;
  if (typeof data.dark === "boolean") {
    darkWanted.removeEventListener("change", followReader);
    setTheme(data.dark);
  }
  if (!Array.isArray(data.selection) || data.selection.length !== 5) return;
  if (!data.selection.every(Number.isInteger)) return;
  const [layer, direction, time, sample, unit] = data.selection;
  pause();
  select({ layer, direction, time, sample: run.samples.indexOf(sample), unit });
}

const followReader = () => setTheme(darkWanted.matches);

const CHANGES = {
  engine: ({ value }) => setEngine(Number(value)),
  quantity: ({ value }) => setQuantity(value),
  sample: ({ value }) => select({ sample: Number(value) }),
  speed: ({ value }) => setFactor(Number(value)),
  exact: ({ checked }) => setExact(checked),
  time: ({ value }) => selectTime(Number(value)),
};

function listen() {
  // A button has the effect of a key.
  for (const button of document.querySelectorAll("[data-key]")) {
    button.addEventListener("click", OF_KEY.get(button.dataset.key));
  }
  for (const [id, effect] of Object.entries(CHANGES)) {
    byId(id).addEventListener(id === "time" ? "input" : "change", ({ target }) => effect(target));
  }
  themeButton?.addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
  darkWanted.addEventListener("change", followReader);
  if (around) window.addEventListener("message", onMessage);
  byId("explore").addEventListener("keydown", onKey);
  canvas.addEventListener("pointerdown", onPointerDown);
  canvas.addEventListener("pointermove", onPointerMove);
  canvas.addEventListener("pointerup", onPointerUp);
  canvas.addEventListener("pointercancel", () => { drag.pointer = null; });
  canvas.addEventListener("wheel", onWheel, { passive: false });
  new ResizeObserver(() => {
    arrange();
    draw();
  }).observe(lanesBox);
}

byId("explore").hidden = false;
fillControls();
followReader();
arrange();
listen();
select({});
// The focus of another document is not taken.
if (!around) lanesBox.focus({ preventScroll: true });
