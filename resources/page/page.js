"use strict";

// The interactive page of a run. The numbers are those of the run; arithmetic is repeated in float64, as the program
// does it: the results of activations come with the page, sums and products are computed here.

const run = JSON.parse(document.getElementById("data").textContent);
const cell = run.cell;
const engines = run.engines;
const lanes = lanesFromTop();

unpackAll();

// ---------------------------------------------------------------------------------------------------------- numbers

const LARGEST_PLAIN = 1e6;
const SMALLEST_PLAIN = 0.5e-3;
const MINUS = "\u2212";

/** A rounded text, but with the even digit where a number lies in the middle of two, as Python rounds. */
function halfToEven(rounded, long, decimals) {
  const point = long.indexOf(".");
  const end = point + 1 + decimals;
  const exponent = long.indexOf("e");
  const rest = long.slice(end, exponent < 0 ? undefined : exponent);
  const before = long[end - 1] === "." ? long[end - 2] : long[end - 1];
  if (!/^50*$/.test(rest) || "13579".includes(before)) return rounded;
  return long.slice(0, decimals ? end : point) + (exponent < 0 ? "" : long.slice(exponent));
}

function fixed(value, decimals) {
  const text = halfToEven(value.toFixed(decimals), value.toFixed(Math.min(100, decimals + 40)), decimals);
  return /[1-9]/.test(text) ? text : text.replace("-", "");
}

const exponential = (value, decimals) =>
  halfToEven(value.toExponential(decimals), value.toExponential(decimals + 40), decimals);

const spelled = (value) => Number.isNaN(value) ? "NaN" : value > 0 ? "infinity" : "-infinity";

/** Three decimals, or one digit where these would be 0. */
function short(value) {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return spelled(value);
  if (size >= LARGEST_PLAIN) return exponential(value, 3);
  if (size > 0 && size < SMALLEST_PLAIN) return exponential(value, 0);
  return fixed(value, 3);
}

/** A difference in two digits. */
function twoDigits(value) {
  if (!Number.isFinite(value)) return spelled(value);
  if (value === 0) return "0";
  const text = exponential(value, 1);
  const size = Math.abs(Number(text));
  if (size >= 1e-3 && size < 1e4) return String(Number(text));
  return text.replace(".0e", "e");
}

/** Three decimals, or two digits of a number smaller than those can show. */
function brief(value) {
  const size = Math.abs(value);
  if (size === 0) return short(0);
  if (size >= 1e-3 && size < 0.01) return fixed(value, 4);
  return size < 1e-3 ? twoDigits(value) : short(value);
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
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  let text = value.toExponential();
  for (let digits = 0; single && digits < 9; digits++) {
    const tried = exponential(value, digits);
    if (Math.fround(Number(tried)) === value) {
      text = tried;
      break;
    }
  }
  const [mantissa, exponent] = text.split("e");
  const power = Number(exponent);
  const size = Math.abs(value);
  // NumPy goes by the number, Python by its digits; they differ for the float32 that is nearest to 0.0001.
  if (single ? size < 1e-4 || size >= 1e16 : power < -4 || power >= 16) {
    const significant = mantissa.includes(".") ? trimmed(mantissa).replace(/\.$/, "") : mantissa;
    return `${significant}e${exponent}`;
  }
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace(/[-.]/g, "");
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${trimmed(digits)}`;
  return `${sign}${digits.slice(0, power + 1).padEnd(power + 1, "0")}.${trimmed(digits.slice(power + 1)) || "0"}`;
}

const trimmed = (digits) => digits.replace(/0+$/, "");
const count = (value) => value.toLocaleString("en-US");
const trueMinus = (text) => text.replace(/-/g, MINUS);

/** A sentence with true minus signs in its numbers; names keep their hyphens. */
const trueMinusIn = (sentence) => sentence.replace(/(?<![\w-])-(?=\d)|(?<=\de)-(?=\d)|(?<=\d )-(?= \d)/g, MINUS);

// ------------------------------------------------------------------------------------------------------------- data

/** The numbers of an array, which are little-endian, as all processors of today are that have browsers. */
function unpack(packed) {
  const text = atob(packed.data);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  const values = packed.type === "float32" ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer);
  return { values, shape: packed.shape, single: packed.type === "float32" };
}

function unpackAll() {
  const unpackIn = (table) => {
    for (const name of Object.keys(table)) table[name] = unpack(table[name]);
  };
  run.x = unpack(run.x);
  unpackIn(run.initial);
  run.parameters.forEach(unpackIn);
  for (const engine of engines) unpackIn(engine.arrays);
  if (!run.backward) return;
  unpackIn(run.backward.final);
  run.backward.direct = run.backward.direct.map((packed) => packed && unpack(packed));
}

/** The lanes from the top of the picture down; the input is the last. */
function lanesFromTop() {
  const found = [];
  for (let layer = run.layers - 1; layer >= 0; layer--) {
    for (let direction = run.directions - 1; direction >= 0; direction--) found.push({ layer, direction });
  }
  return [...found, { layer: null, direction: 0 }];
}

const isBackward = (direction) => run.reverse || direction === 1;
const laneIndex = (layer, direction) => layer * run.directions + direction;

function laneTitle({ layer, direction }) {
  if (layer === null) return "input x";
  const several = run.directions > 1 || run.reverse;
  return `layer ${layer}${several ? `, ${isBackward(direction) ? "backward ←" : "forward →"}` : ""}`;
}

function timeText(time, sample) {
  const name = timeName(time, sample);
  return `t = ${time}${name ? ` '${name}'` : ""}`;
}

const timeName = (time, sample) => (run.timestepNames[sample] ?? run.timestepNames[0])[time];

function place(at) {
  const direction = isBackward(at.direction) ? "backward" : "forward";
  const sample = run.samples[at.sample];
  return `layer ${at.layer}, ${direction}, ${timeText(at.time, at.sample)}, sample ${sample}, unit ${at.unit}`;
}

/** The index of a value in an array of the lanes, (L, D, T, N, U). */
function index(array, at, unit = at.unit) {
  const [, directions, timesteps, samples, units] = array.shape;
  return (((at.layer * directions + at.direction) * timesteps + at.time) * samples + at.sample) * units + unit;
}

const tolerances = (quantity) => engines[candidate()].tolerances[quantity];

/** The engine that is compared with the reference: the one that is shown, or the first candidate. */
const candidate = () => state.engine || Math.min(1, engines.length - 1);

/** The reference and the candidate, or the only engine. */
const comparedEngines = () => [...new Set([0, candidate()])];

function signedDifference(reference, other) {
  if (reference === other || (Number.isNaN(reference) && Number.isNaN(other))) return 0;
  return other - reference;
}

function absError(reference, other) {
  const error = Math.abs(other - reference);
  if (Number.isFinite(error)) return error;
  return reference === other || (Number.isNaN(reference) && Number.isNaN(other)) ? 0 : Infinity;
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

/** A function that reads a quantity at a place of a lane and a unit; undefined where an engine has none. */
function valueReader(quantity, engine) {
  if (!OF_COMPARISON.includes(quantity)) {
    const array = engines[engine].arrays[quantity];
    return array === undefined ? () => undefined : (at, unit) => array.values[index(array, at, unit)];
  }
  const [array, other] = [engines[0].arrays.h, engines[candidate()].arrays.h];
  const limits = tolerances("h");
  return (at, unit) => {
    const where = index(array, at, unit);
    const [one, two] = [array.values[where], other.values[where]];
    return quantity === "difference" ? signedDifference(one, two) : errorRatio(one, two, limits);
  };
}

const laneValue = (quantity, engine, at, unit = at.unit) => valueReader(quantity, engine)(at, unit);

/** The array of the input lane: the sequence, or its gradient where a gradient is shown. */
const inputArray = (quantity, engine) =>
  (quantity.startsWith("grad.") && engines[engine].arrays["grad.input"]) || run.x;

const valueAt = (array, first, second, third) =>
  array.values[(first * array.shape[1] + second) * array.shape[2] + third];

/** A function that says whether the candidate differs from the reference by more than the tolerance at a place. */
function mismatchReader(quantity) {
  const name = OF_COMPARISON.includes(quantity) ? "h" : comparedName(quantity);
  const limits = name && tolerances(name);
  const [one, other] = [0, candidate()].map((engine) => name && engines[engine].arrays[name]);
  if (!limits || !one || !other) return () => false;
  return (at, unit) => {
    if (!isRecorded("difference", candidate(), at)) return false;
    const where = index(one, at, unit);
    return isMismatch(one.values[where], other.values[where], limits);
  };
}

const mismatchAt = (quantity, at, unit = at.unit) => mismatchReader(quantity)(at, unit);

/** The array whose comparison marks a quantity: its own if it is compared, else that of h. */
function comparedName(quantity) {
  if (tolerances(quantity)) return quantity;
  return quantity.startsWith("grad.") ? "" : "h";
}

/** The time steps of a lane that have numbers: start and stop. A recording may lack some. */
function recordedTimes(quantity, engine, { layer, direction }) {
  const whole = [0, run.timesteps];
  if (layer === null) return whole;
  const lane = laneIndex(layer, direction);
  if (OF_COMPARISON.includes(quantity)) {
    const [one, other] = [0, candidate()].map((k) => engines[k].recorded[lane]);
    return [Math.max(one[0], other[0]), Math.min(one[1], other[1])];
  }
  if (quantity.startsWith("grad.")) return engines[engine].arrays[quantity] ? whole : [0, 0];
  return engines[engine].own.includes(quantity) ? engines[engine].recorded[lane] : engines[engine].followed[lane];
}

const hasValue = (name, engine, at) => Boolean(engines[engine].arrays[name]) && isRecorded(name, engine, at);

function isRecorded(quantity, engine, at) {
  const [start, stop] = recordedTimes(quantity, engine, at);
  return at.time >= start && at.time < stop;
}

// ------------------------------------------------------------------------------------------------------- arithmetic

/** One step of one unit of an engine, in float64. */
class Step {
  constructor(engine, at) {
    this.engine = engines[engine];
    this.title = this.engine.title;
    this.at = at;
    this.parameters = run.parameters[laneIndex(at.layer, at.direction)];
    this.known = new Map();
    this.sums = new Map();
    const last = run.lengths[at.sample] - 1;
    const begins = at.time === (isBackward(at.direction) ? last : 0);
    this.earlier = begins ? null : at.time + (isBackward(at.direction) ? 1 : -1);
  }

  /** The number of a value of the step. */
  value(node) {
    if (!this.known.has(node)) this.known.set(node, this.computed(node));
    return this.known.get(node);
  }

  computed(number) {
    const node = cell.nodes[number];
    switch (node.op) {
      case "number": return node.number;
      case "state": return this.previous(node.name, this.at.unit);
      case "parameter": return this.parameters[node.name].values[this.at.unit];
      case "plus": return this.value(node.args[0]) + this.value(node.args[1]);
      case "minus": return this.value(node.args[0]) - this.value(node.args[1]);
      case "times": return this.value(node.args[0]) * this.value(node.args[1]);
      case "activation": return this.given(`activation.${number}`);
    }
    return this.sum(number).total;
  }

  /** A number of an array of the engine; undefined if the page has none. */
  given(name, unit = this.at.unit, at = this.at) {
    const array = this.engine.arrays[name];
    return array && array.values[index(array, at, unit)];
  }

  /** A unit's previous state: the engine's own, or the initial state. */
  previous(symbol, unit) {
    const { layer, direction, sample } = this.at;
    if (this.earlier === null) return valueAt(run.initial[symbol], laneIndex(layer, direction), sample, unit);
    return this.given(`before.${symbol}`, unit) ?? this.given(symbol, unit, { ...this.at, time: this.earlier });
  }

  /** What a row of a matrix multiplies: the layer input, the previous state, or values of the step. */
  read(of) {
    if (of === "x") return this.layerInput();
    return of === "h" ? this.previousHidden() : this.ofUnits(of);
  }

  /** A value of all units, which a product of the step reads or depends on. */
  ofUnits(number) {
    const length = this.engine.arrays[`across.${number}`].shape[4];
    return Array.from({ length }, (_, unit) => this.given(`across.${number}`, unit));
  }

  previousHidden() {
    return Array.from({ length: run.units }, (_, unit) => this.previous("h", unit));
  }

  layerInput() {
    const { layer, time, sample } = this.at;
    if (layer === 0) return Array.from({ length: run.features }, (_, i) => valueAt(run.x, time, sample, i));
    return Array.from({ length: run.directions * run.units }, (_, k) => {
      const below = { ...this.at, layer: layer - 1, direction: Math.floor(k / run.units) };
      return this.given("h", k % run.units, below);
    });
  }

  /** A sum of products in the order of its terms, the bias last. */
  sum(number) {
    if (!this.sums.has(number)) this.sums.set(number, this.addedUp(number));
    return this.sums.get(number);
  }

  addedUp(number) {
    const { matrix, row, bias, of, ...named } = cell.nodes[number].sum;
    const { values, shape } = this.parameters[matrix];
    const first = (row + this.at.unit) * shape[1];
    const inputs = this.read(of);
    const weights = inputs.map((_, k) => values[first + k]);
    const products = weights.map((weight, k) => weight * inputs[k]);
    const added = bias ? this.parameters[bias].values[row + this.at.unit] : 0;
    const total = [...products, added].reduce((sum, own) => sum + own);
    return { ...named, weights, inputs, products, bias: added, total, factor: 1 };
  }

  /** A part of a pre-activation: a sum, which may have a factor, or one product. */
  part({ sum, factor, weight, value, ...named }) {
    if (sum !== undefined) return { ...this.sum(sum), ...named, factor: factor === undefined ? 1 : this.value(factor) };
    const [scale, input] = [weight === undefined ? 1 : this.value(weight), this.value(value)];
    const total = scale * input;
    return { ...named, kind: "value", weights: [scale], inputs: [input], products: [total], total, factor: 1 };
  }

  /** The pre-activation of a line: its input part, its recurrent part, and other parts; null if it adds up no terms. */
  preActivation(line) {
    if (!line.parts) return null;
    const parts = line.parts.map((part) => this.part(part));
    const u = parts.find((part) => part.kind === "i2h") ?? null;
    const v = parts.find((part) => part.kind === "h2h") ?? null;
    const others = parts.filter((part) => part !== u && part !== v);
    let total = (u ? u.total : 0) + (v ? v.factor * v.total : 0);
    for (const part of others) total += part.factor * part.total;
    return { u, v, others, total };
  }

  /** The table of a line: the terms that it adds up, such as those of a gate, or products, such as those of c. */
  table(line) {
    const pre = this.preActivation(line);
    if (pre === null) {
      const terms = line.products.map((product) => ({ name: product.name, ...this.termOf(this.part(product), 0) }));
      return { rows: tableRows([{ terms }], line.name, this.value(line.node)), own: ["first", "× second"] };
    }
    const scale = pre.v?.factorName ?? "";
    const suffix = scale ? `_${line.name}` : "";
    const ofPart = (part) => {
      const terms = part.products.map((_, k) => (
        { name: this.termName(part, k), source: `${part.kind} ${k}`, ...this.termOf(part, k) }));
      return { terms, factor: part.factor };
    };
    const summed = [[pre.u, "u"], [pre.v, "v"]].filter(([part]) => part?.products.length).map(([part, letter]) => (
      { ...ofPart(part), bias: part.bias, biasName: `b_${part.kind}`, name: letter + suffix, total: part.total }));
    return { rows: tableRows([...summed, ...pre.others.map(ofPart)], line.argument, pre.total), scale };
  }

  termOf(part, k) {
    return { weight: part.weights[k], input: part.inputs[k], product: part.products[k] };
  }

  /** The value that a term reads. */
  termName(part, k) {
    const { layer, time, unit } = this.at;
    switch (part.kind) {
      case "value": return this.valueName(part.name);
      case "matrix": return part.reads ? `${part.reads}[t=${time}, u=${k}]` : `${part.name}[u=${unit}, ${k}]`;
      case "h2h": return this.previousName("h", k);
    }
    if (layer === 0) return `x[t=${time}, i=${run.featureNames[k]}]`;
    const name = `h[t=${time}, u=${k % run.units}]`;
    return run.directions === 1 ? name : `${name} ${k < run.units ? "→" : "←"}`;
  }

  valueName(name) {
    const { time, unit } = this.at;
    if (name.endsWith("[t-1]")) return this.previousName(name.slice(0, -5), unit);
    const known = isGate(name) || cell.states.slice(1).includes(name);
    return `${known ? name : "h"}[t=${time}, u=${unit}]`;
  }

  previousName(symbol, unit) {
    return this.earlier === null ? `${symbol}0[u=${unit}]` : `${symbol}[t=${this.earlier}, u=${unit}]`;
  }

  /** The value that column k of a weight matrix reads, with its lane. */
  sourceInWords(kind, k) {
    const { layer, direction } = this.at;
    const name = this.termName({ kind }, k).replace(/ [→←]$/, "");
    if (kind === "i2h" && layer === 0) return name;
    const lane = kind === "h2h" ? [layer, direction] : [layer - 1, Math.floor(k / run.units)];
    return `${name} of layer ${lane[0]}, ${isBackward(lane[1]) ? "backward" : "forward"}`;
  }

  /** The tokens of an equation: signs, and symbols with their numbers. */
  tokens(line) {
    const found = [];
    const pieces = [[line.name, line.node], [" = ", null], ...line.symbols];
    for (const [text, node] of pieces) {
      const last = found[found.length - 1];
      if (node !== null) found.push({ text, value: this.value(node) });
      else if (last && last.value === undefined) last.text += text;
      else found.push({ text });
    }
    return found;
  }

  /** The engine's own values of the step beside those of the arithmetic, with the rounding bound of each. */
  outcomes() {
    return cell.lines.filter((line) => this.engine.arrays[`bound.${line.name}`]).map((line) => {
      const [computed, bound] = [this.value(line.node), this.given(`bound.${line.name}`)];
      const stored = this.given(`line.${line.name}`) ?? this.given(line.name);
      const difference = signedDifference(computed, stored);
      return { symbol: line.name, computed, stored, bound, difference, right: isRounding(difference, bound) };
    });
  }

  stored(symbol) {
    return this.outcomes().find((own) => own.symbol === symbol)?.stored;
  }
}

// -------------------------------------------------------------------------------------------------------- gradients

/** The operations that read each value, the last first, each with the place of the operand. */
const consumers = cell.nodes.map(() => []);
for (let number = cell.nodes.length - 1; number >= 0; number--) {
  cell.nodes[number].args.forEach((arg, k) => consumers[arg].push([number, k]));
}

/** The steps of the backward pass that the shown terms read. */
const backwardSteps = new Map();

/** One step of the backward pass of one unit, in float64 from the engine's own gradients of its states. */
class BackwardStep extends Step {
  constructor(engine, at) {
    super(engine, at);
    this.number = engine;
    this.totals = new Map();
  }

  static at(engine, at) {
    const key = [engine, at.layer, at.direction, at.time, at.sample, at.unit].join();
    if (!backwardSteps.has(key)) backwardSteps.set(key, new BackwardStep(engine, at));
    return backwardSteps.get(key);
  }

  moved(changes) {
    return BackwardStep.at(this.number, { ...this.at, ...changes });
  }

  /** The engine's own gradient of a state; where it gives none, that which later steps give. */
  own(symbol) {
    return this.given(`grad.${symbol}`) ?? this.given(`own.${symbol}`);
  }

  /** The gradient of a value of the step: of a state from all ways, else from the step. */
  total(number) {
    if (!this.totals.has(number)) this.totals.set(number, this.gathered(number));
    return this.totals.get(number);
  }

  gathered(number) {
    const symbol = cell.states.find((own) => cell.names[own] === number);
    if (symbol) return this.own(symbol);
    return this.given(`contribution.${number}`) ??
      consumers[number].reduce((sum, [consumer, place]) => sum + this.contribution(consumer, place), 0);
  }

  /** The contribution of an operation to the gradient of its operand at a place. */
  contribution(consumer, place) {
    const node = cell.nodes[consumer];
    if (mixesUnits(node)) return totalOf([this.product({ origin: consumer, factors: [] })]);
    const d = this.total(consumer);
    switch (node.op) {
      case "minus": return place === 1 ? -d : d;
      case "times": return d * this.value(node.args[1 - place]);
      case "activation": return d * this.slope(consumer);
    }
    return d;
  }

  slope(number) {
    const [slope, value] = [this.given(`slope.${number}`), this.value(number)];
    if (slope !== undefined) return slope;
    return cell.nodes[number].activation === "sigmoid" ? value * (1 - value) : 1 - value * value;
  }

  /** The product of the local derivatives on a path. */
  factor({ factors, negative }) {
    const number = ([role, node]) => (role === "slope" ? this.slope(node) : this.value(node));
    return factors.reduce((product, own) => product * number(own), negative ? -1 : 1);
  }

  /** The parts on paths within this step; of a step that is read from the one before, `later` is true. */
  inner(paths, later) {
    return paths.map((path) => {
      const text = later ? path.later : path.text;
      if (path.product) return this.product(path);
      return { text, terms: [{ name: text, factor: this.factor(path), gradient: this.total(path.origin) }] };
    });
  }

  product(path) {
    const { matrix, row, rows } = cell.nodes[path.origin].sum;
    const part = { matrix, row, rows, node: path.origin, text: path.text, gradient: path.gradient };
    return this.vector(part, this.at.unit, "", this.factor(path));
  }

  /** A part with a term for each unit: a column of a weight times their gradients. */
  vector({ matrix, row, rows, node, text, gradient }, column, mark = "", scale = 1) {
    const { values, shape } = this.parameters[matrix];
    const terms = Array.from({ length: rows }, (_, unit) => ({
      name: `${gradient}[t=${this.at.time}, u=${unit}]${mark}`,
      factor: scale * values[(row + unit) * shape[1] + column],
      gradient: this.moved({ unit }).total(node),
    }));
    return { text: text + mark, terms };
  }

  /** The parts of a state that come from the next step, or from the loss of its final state. */
  outer(symbol) {
    const { layer, direction, time, sample, unit } = this.at;
    const later = time + (isBackward(direction) ? -1 : 1);
    if (later < 0 || later >= run.lengths[sample]) {
      return [given("final", valueAt(run.backward.final[symbol], laneIndex(layer, direction), sample, unit))];
    }
    return run.backward.cuts[Math.max(time, later)] ? [] : this.moved({ time: later }).next(symbol);
  }

  /** The contributions of this step to the gradient of a state before it. */
  next(symbol) {
    const parts = [];
    if (symbol === cell.states[0]) {
      parts.push(...run.backward.v.map((part) => this.vector(part, this.at.unit)));
    }
    const leaf = run.backward.leaves[symbol];
    if (leaf === undefined) return parts;
    if (leaf.unchanged) {
      parts.push({ text: leaf.unchanged, terms: [{ name: leaf.unchanged, factor: 1, gradient: this.total(leaf.node) }] });
    }
    return [...parts, ...this.inner(leaf.paths, true)];
  }

  /** The parts of the output: from the loss, and from every direction of the layer above. */
  output() {
    const { layer, direction, time, sample, unit } = this.at;
    const direct = run.backward.direct[laneIndex(layer, direction)];
    const parts = [];
    const only = run.backward.directTime;
    if (direct && (only ?? time) === time) parts.push(given("direct", valueAt(direct, time, sample, unit)));
    for (let above = 0; layer + 1 < run.layers && above < run.directions; above++) {
      const mark = ` ↑${run.directions === 1 ? "" : isBackward(above) ? "←" : "→"}`;
      const there = this.moved({ layer: layer + 1, direction: above });
      const column = direction * run.units + unit;
      parts.push(...run.backward.u.map((part) => there.vector(part, column, mark)));
    }
    return parts;
  }

  /** The gradients of the step with their parts, in the order of the backward pass: each uses only earlier ones. */
  gradients() {
    const found = [];
    for (const { name, states, paths } of run.backward.lines) {
      const [symbol, ...copies] = states;
      for (const copy of copies) found.push(this.gradient(`grad.${copy}`, this.outer(copy)));
      const parts = [];
      if (symbol === cell.states[0]) {
        const output = this.gradient("grad.out", this.output());
        found.push(output);
        parts.push(given("grad.out", output.own ?? output.value));
      }
      if (symbol) parts.push(...this.outer(symbol));
      parts.push(...copies.map((copy) => given(`grad.${copy}`, this.own(copy))), ...this.inner(paths, false));
      found.push(this.gradient(name, parts));
    }
    return found;
  }

  gradient(name, parts) {
    return { name, parts, value: totalOf(parts), own: this.given(name) };
  }
}

const mixesUnits = (node) => node.op === "recurrent" || node.op === "matrix";

/** A part that is a gradient as it is. */
const given = (text, gradient) => ({ text, terms: [{ name: text, factor: 1, gradient }] });

const totalOf = (parts) =>
  parts.reduce((sum, part) => sum + part.terms.reduce((own, term) => own + term.factor * term.gradient, 0), 0);

/** The table of a gradient: the terms of its parts. */
function gradientTable({ name, parts, value }) {
  const terms = (part) => part.terms.map(({ name: text, factor, gradient }) => (
    { name: text, weight: factor, input: gradient, product: factor * gradient }));
  const each = parts.map((part) => (
    { terms: terms(part), ...(part.terms.length > 1 && { name: part.text, total: totalOf([part]) }) }));
  return { rows: tableRows(each, name, value), own: ["factor", "× gradient"] };
}

/** The rows of a table: the terms of each part with the running sum after each, its bias and its sum, and the total. */
function tableRows(parts, name, total) {
  const rows = [];
  let sum = 0;
  const add = (row, added) => {
    sum += added;
    rows.push({ ...row, added, sum });
  };
  for (const { terms, factor = 1, ...part } of parts) {
    for (const term of terms) add({ kind: "term", ...term }, factor === 1 ? term.product : factor * term.product);
    if (part.biasName) add({ kind: "bias", name: part.biasName, product: part.bias }, factor * part.bias);
    if (part.name) rows.push({ kind: "part", name: part.name, product: part.total });
  }
  return [...rows, { kind: "total", name, sum: total }];
}

/** The tokens of a gradient as the sum of its parts. */
function gradientTokens({ name, parts, value }) {
  const pieces = parts.flatMap((part, k) => [{ text: k ? " + " : " = " }, { text: part.text, value: totalOf([part]) }]);
  return [{ text: name, value }, ...(pieces.length ? pieces : [{ text: " = 0" }])];
}

// ------------------------------------------------------------------------------------------------------ comparisons

/** Whether rounding explains a difference from the arithmetic. */
function isRounding(difference, bound) {
  if (difference === 0 || !Number.isFinite(bound)) return true;
  return Math.abs(difference) / bound <= run.allowed;
}

/** Lines of two engines in the order in which divergence is looked for: gates, states, and then their own values. */
function* comparedLines(one, other) {
  const lines = new Map(cell.lines.map((line) => [line.name, line]));
  // A projected h is not among the gates, but a sum like theirs.
  for (const symbol of new Set([...cell.gates.map(([gate]) => gate), "h"])) {
    const line = lines.get(symbol);
    const [pre, second] = [one, other].map((step) => line && step.preActivation(line));
    if (!pre) continue;
    yield { step: "sum", name: `the pre-activation of ${symbol}`, gate: symbol, pair: [pre.total, second.total] };
    yield { step: "gate", name: symbol, gate: symbol, pair: [one, other].map((step) => step.value(line.node)) };
  }
  const previous = (symbol) => [one, other].map((step) => step.previous(symbol, step.at.unit));
  const values = (symbol) => [one, other].map((step) => step.value(lines.get(symbol).node));
  const hasC = cell.states[1] === "c" && lines.has("c");
  if (hasC) yield { step: "previous", name: "c[t-1]", pair: previous("c") };
  for (const symbol of cell.states.slice(1)) {
    if (symbol === "c" || !lines.has(symbol)) continue;
    yield { step: "previous", name: `${symbol}[t-1]`, pair: previous(symbol) };
    yield { step: "gate", name: symbol, gate: symbol, pair: values(symbol) };
  }
  if (hasC) yield { step: "c", name: "c", pair: values("c") };
  yield { step: "h", name: "h", pair: values("h") };
  yield* storedLines(one, other, lines);
}

/** The engines' own values; an engine that does not give one has that of its arithmetic. */
function* storedLines(one, other, lines) {
  const pair = (symbol) => [one, other].map((step) => step.stored(symbol) ?? step.value(lines.get(symbol).node));
  for (const symbol of lines.keys()) {
    const given = [one, other].some((step) => step.engine.arrays[`line.${symbol}`]);
    if (given) yield { step: "stored_line", name: `the returned ${symbol}`, symbol, pair: pair(symbol) };
  }
  for (const [step, symbol] of [["stored_c", "c"], ["stored", "h"]]) {
    const given = lines.has(symbol) && [one, other].some((own) => own.engine.own.includes(symbol));
    if (given) yield { step, name: `the stored ${symbol}`, symbol, pair: pair(symbol) };
  }
}

/** The first line in which two engines differ by more than the tolerance, or than rounding; null if none does. */
function firstDivergence(one, other, limits) {
  for (const [kind, read] of [["i2h", (step) => step.layerInput()], ["h2h", (step) => step.previousHidden()]]) {
    const [ours, theirs] = [read(one), read(other)];
    const k = ours.findIndex((value, at) => isMismatch(value, theirs[at], limits));
    if (k >= 0) return { step: "input", name: one.sourceInWords(kind, k), kind, index: k, pair: [ours[k], theirs[k]] };
  }
  const lines = [...comparedLines(one, other)];
  const apart = lines.find(({ pair }) => isMismatch(...pair, limits));
  if (apart) return apart;
  const wrong = [one, other].flatMap((step) => step.outcomes().filter((own) => !own.right).map((own) => own.symbol));
  return lines.find((line) => wrong.includes(line.symbol) && signedDifference(...line.pair) !== 0) ?? null;
}

/** What the program says of a step: which engines are wrong here, and where the candidate diverges. */
function sentences(steps, divergence) {
  const filled = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const said = steps.flatMap((step) => step.outcomes().filter((own) => !own.right).map((own) => {
    const [stored, computed] = distinct(own.stored, own.computed);
    return filled(run.sentences.wrong, { engine: step.title, symbol: own.symbol, stored, computed });
  }));
  if (steps.length < 2) return said;
  const [first, second] = divergence ? distinct(...divergence.pair) : [];
  const values = { reference: steps[0].title, candidate: steps[1].title, line: divergence?.name, first, second };
  const parting = filled(run.sentences[divergence?.step ?? "none"], values);
  // That the arithmetic agrees says nothing of an engine whose likely cause is known.
  const wrong = steps.filter((step) => step.engine.cause && step.outcomes().some((own) => !own.right));
  const returned = (divergence?.step ?? "").startsWith("stored") && wrong.length;
  const causes = wrong.map((step) => filled(run.sentences.cause, { cause: step.engine.cause }));
  return [...said, ...(returned ? [] : [parting]), ...causes];
}

const isGate = (name) => cell.gates.some(([symbol]) => symbol === name);

/** The text below each token; a negative number after a sign is in brackets. */
function bracketed(tokens, texts) {
  const parts = [];
  tokens.forEach((token, k) => {
    const last = parts[parts.length - 1];
    const bare = last === undefined || last.endsWith("(") || last.endsWith("= ");
    parts.push(token.value !== undefined && texts[k].startsWith("-") && !bare ? `(${texts[k]})` : texts[k]);
  });
  return parts;
}

/** The line of each engine with its numbers, with enough decimals to show where two engines differ. */
const equationTexts = (steps, line) => tokenTexts(steps.map((step) => step.tokens(line)));

function tokenTexts(each) {
  const text = (token) => (token.value === undefined ? token.text : shown(token.value));
  const texts = each.map((tokens) => tokens.map(text));
  if (each.length === 2 && !state.exact) {
    each[0].forEach((token, k) => {
      const pair = [token.value, each[1][k].value];
      if (token.value !== undefined && pair[0] !== pair[1]) [texts[0][k], texts[1][k]] = distinct(...pair);
    });
  }
  return each.map((tokens, k) => bracketed(tokens, texts[k]).join(""));
}

/** A number of the arithmetic as the reader wants it. */
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
  at.layer = clamp(at.layer, 0, run.layers - 1);
  at.direction = clamp(at.direction, 0, run.directions - 1);
  at.sample = clamp(at.sample, 0, run.samples.length - 1);
  at.time = clamp(at.time, 0, run.lengths[at.sample] - 1);
  at.unit = clamp(at.unit, 0, run.units - 1);
  const moved = Object.keys(at).some((name) => at[name] !== state.at[name]);
  state.at = at;
  bringIntoView();
  update();
  if (moved) around?.postMessage({ selection: [at.layer, at.direction, at.time, run.samples[at.sample], at.unit] }, "*");
}

/** Select the lane above (1) or below (-1). */
function moveLane(by) {
  const lane = clamp(laneIndex(state.at.layer, state.at.direction) + by, 0, run.layers * run.directions - 1);
  select({ layer: Math.floor(lane / run.directions), direction: lane % run.directions });
}

function setView(left, span) {
  const most = Math.max(run.timesteps, 1);
  state.span = clamp(span, Math.min(2, most), most);
  state.left = clamp(left, 0, most - state.span);
  draw();
}

/** Zoom about a time step, by default the selected one. */
function zoom(factor, about = state.at.time + 0.5) {
  const span = clamp(state.span / factor, Math.min(2, run.timesteps), run.timesteps);
  const share = (about - state.left) / state.span;
  setView(about - clamp(share, 0, 1) * span, span);
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
  const has = engines[engine].arrays;
  if (state.quantity.startsWith("grad.") && !has[state.quantity]) state.quantity = "h";
  update();
}

function setQuantity(quantity) {
  state.quantity = quantity;
  if (quantity.startsWith("grad.") && !engines[state.engine].arrays[quantity]) {
    state.engine = engines.findIndex((engine) => engine.arrays[quantity]);
  }
  update();
}

function stepQuantity(by) {
  const names = quantityNames();
  setQuantity(names[(names.indexOf(state.quantity) + by + names.length) % names.length]);
}

function quantityNames() {
  const names = run.quantities.map((quantity) => quantity.name);
  return [names[0], ...OF_COMPARISON, ...names.slice(1)];
}

function quantityTitle(name) {
  if (name === "error_ratio") return "error ratio";
  if (name === "difference") return "difference";
  const quantity = run.quantities.find((own) => own.name === name);
  return quantity.group === "Gradients" ? `gradient: ${quantity.title}` : quantity.title;
}

/** ", recomputed" of values that follow from an engine's h, because the engine gives none. */
const recomputed = (name, engine) => engines[engine].recomputed.includes(name) ? ", recomputed" : "";

/** A quantity of an engine: "i of gluon, recomputed". */
const ofEngineTitle = (name, engine) => `${name} of ${engines[engine].title}${recomputed(name, engine)}`;

// ------------------------------------------------------------------------------------------------------- mismatches

const foundMismatches = new Map();

/** The mismatches of the shown array in the order of computation; if it has none, those of h. */
function mismatches() {
  const own = OF_COMPARISON.includes(state.quantity) ? "h" : comparedName(state.quantity);
  const found = mismatchesOf(own);
  return found.length ? found : mismatchesOf("h");
}

function mismatchesOf(name) {
  const key = `${candidate()} ${name}`;
  if (!foundMismatches.has(key)) foundMismatches.set(key, name ? allMismatches(name) : []);
  return foundMismatches.get(key);
}

function allMismatches(name) {
  const found = [];
  const isMarked = mismatchReader(name);
  for (const { layer, direction } of lanes) {
    if (layer === null) continue;
    for (let sample = 0; sample < run.samples.length; sample++) {
      for (let time = 0; time < run.lengths[sample]; time++) {
        const at = { layer, direction, time, sample };
        for (let unit = 0; unit < run.units; unit++) if (isMarked(at, unit)) found.push({ ...at, unit });
      }
    }
  }
  found.ofGradient = name.startsWith("grad.");
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
  const order = found.map((at) => inOrder(at, state.at, found.ofGradient));
  const next = by > 0 ? order.findIndex((sign) => sign > 0) : order.filter((sign) => sign < 0).length - 1;
  select(found[next >= 0 ? next : by > 0 ? 0 : found.length - 1]);
}

// ----------------------------------------------------------------------------------------------------------- colors

const STEPS = 249;
const SMALLEST_RATIO = 1e-3;
const reaches = new Map();

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

let palette = null;

function readPalette() {
  const names = ["text", "base", "raised", "border", "muted", "accent", "wrong", "outline", "outline-under", "cursor",
    "grid", "nan", "infinite"];
  palette = Object.fromEntries(names.map((name) => [name, color(name)]));
  palette.diverging = color("diverging").split(/\s+/);
  palette.sequential = color("sequential").split(/\s+/);
  tables.clear();
}

const tables = new Map();

/** The largest finite magnitude of a quantity in any engine, or of a comparison with the candidate. */
function reach(name) {
  const key = OF_COMPARISON.includes(name) ? `${name} ${candidate()}` : name;
  if (!reaches.has(key)) {
    const sizes = numbersOf(name).map((value) => Math.abs(value)).filter(Number.isFinite);
    reaches.set(key, sizes.reduce((largest, size) => Math.max(largest, size), 0));
  }
  return reaches.get(key);
}

function numbersOf(name) {
  if (name === "x") return Array.from(run.x.values);
  if (!OF_COMPARISON.includes(name)) return engines.flatMap(({ arrays }) => Array.from(arrays[name]?.values ?? []));
  const [{ values }, other, limits] = [engines[0].arrays.h, engines[candidate()].arrays.h.values, tolerances("h")];
  const compared = name === "difference" ? signedDifference : errorRatio;
  return Array.from(values, (value, k) => compared(value, other[k], limits));
}

/** The ends of a quantity's colors. */
function scaleOf(quantity) {
  if (quantity === "error_ratio") {
    const largest = reach(quantity);
    const power = largest > 0 ? Math.max(1, Math.ceil(Math.log10(largest))) : 1;
    return { low: SMALLEST_RATIO, high: 10 ** power, ratio: true };
  }
  const own = run.quantities.find((known) => known.name === quantity);
  if (own === undefined) return symmetric(reach(quantity));
  if (own.bounded) return symmetric(Math.max(1, reach(quantity)));
  if (own.low != null && own.high != null) return { low: own.low, high: own.high, sequential: own.low === 0 };
  if (own.low === 0) return { low: 0, high: symmetric(reach(quantity)).high, sequential: true };
  return symmetric(reach(quantity));
}

function symmetric(largest) {
  const end = largest > 0 ? clamp(largest, 1e-300, 1e300) : 1;
  return { low: -end, high: end };
}

function shareOf(scale, value) {
  if (!scale.ratio) return (value - scale.low) / (scale.high - scale.low);
  const [low, high] = [Math.log10(scale.low), Math.log10(scale.high)];
  return (Math.log10(Math.max(value, scale.low)) - low) / (high - low);
}

const rgb = (text) => [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16));

/** Red, green and blue at a share of the way along equidistant stops. */
function between(stops, share) {
  const at = clamp(share, 0, 1) * (stops.length - 1);
  const first = Math.min(Math.floor(at), stops.length - 2);
  const [one, other] = [rgb(stops[first]), rgb(stops[first + 1])];
  return one.map((channel, k) => Math.round(channel + (other[k] - channel) * (at - first)));
}

/** The colors of a scale, from its low end to its high end. */
function colorTable(scale) {
  const key = JSON.stringify(scale);
  if (!tables.has(key)) tables.set(key, Array.from({ length: STEPS }, (_, k) => tableColor(scale, k / (STEPS - 1))));
  return tables.get(key);
}

function tableColor(scale, share) {
  if (scale.ratio) {
    const limit = shareOf(scale, 1);
    const calmStops = palette.sequential.slice(0, Math.floor(palette.sequential.length / 2) + 1);
    if (share <= limit) return between(calmStops, share / limit);
    const pale = rgb(palette.wrong).map((channel, k) => Math.round(channel * 0.55 + rgb(palette.base)[k] * 0.45));
    const start = `#${pale.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
    return between([start, palette.wrong], (share - limit) / (1 - limit));
  }
  const middle = scale.sequential || scale.low >= 0 ? 0.5 : shareOf(scale, 0);
  const stops = scale.sequential ? palette.sequential : palette.diverging;
  return between(stops, share <= middle ? (0.5 * share) / middle : 0.5 + (0.5 * (share - middle)) / (1 - middle));
}

function colorOf(scale, value) {
  if (Number.isNaN(value)) return rgb(palette.nan);
  if (!Number.isFinite(value)) return rgb(palette.infinite);
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

/** Where everything is on the canvas, in CSS pixels. */
let layout = null;

function arrange() {
  const rows = lanes.reduce((sum, lane) => sum + rowsOf(lane), 0);
  const row = clamp(Math.floor(WANTED_HEIGHT / rows), LEAST_ROW, MOST_ROW);
  const left = row >= 12 ? 34 : 8;
  let y = AXIS;
  const placed = lanes.map((lane) => {
    const top = y + LANE_TITLE;
    y = top + rowsOf(lane) * row + LANE_GAP;
    return { ...lane, top, rows: rowsOf(lane) };
  });
  layout = { width: Math.max(200, lanesBox.clientWidth), height: y + 2, row, left, lanes: placed };
  const ratio = window.devicePixelRatio || 1;
  canvas.style.height = `${layout.height}px`;
  canvas.width = Math.round(layout.width * ratio);
  canvas.height = Math.round(layout.height * ratio);
}

const rowsOf = (lane) => lane.layer === null ? run.features : run.units;
const plotWidth = () => layout.width - layout.left - 8;
const xOf = (time) => layout.left + ((time - state.left) / state.span) * plotWidth();
const timeAt = (x) => state.left + ((x - layout.left) / plotWidth()) * state.span;

/** The lanes without the selection, and what they were drawn of. */
const background = { canvas: document.createElement("canvas"), key: "" };

function draw() {
  if (layout === null || palette === null) return;
  const ratio = window.devicePixelRatio || 1;
  const { engine, quantity, at, left, span } = state;
  const parts = [engine, quantity, at.sample, left, span, layout.width, layout.height, ratio, palette.base];
  const key = JSON.stringify(parts);
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
  let step = 1;
  for (let power = 1; ; power *= 10) {
    step = [1, 2, 5].map((m) => m * power).find((each) => (stop - first) / each <= most) ?? 0;
    if (step) break;
  }
  const found = [];
  for (let time = Math.ceil(first / step) * step; time < stop; time += step) found.push(time);
  return found;
}

function drawAxis(context) {
  const width = plotWidth() / state.span;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  const centered = (time, y, text, limit) => {
    const x = xOf(time + 0.5);
    if (x < layout.left - 1 || x > layout.left + plotWidth() + 1) return;
    context.font = `${time === state.at.time ? "bold " : ""}12px ${FONT}`;
    context.fillStyle = time === state.at.time ? palette.text : palette.muted;
    const fitting = elided(context, text, limit);
    const half = context.measureText(fitting).width / 2 + 2;
    context.fillText(fitting, clamp(x, half, layout.width - half), y);
  };
  for (const time of ticks(Math.max(2, Math.floor(plotWidth() / 56)))) {
    centered(time, 16, time === 0 ? `t = ${time}` : count(time), 56);
  }
  const named = ticks(width >= 16 ? run.timesteps : Math.max(2, Math.floor(plotWidth() / 56)));
  for (const time of named) {
    if (time < length()) centered(time, 32, timeName(time, state.at.sample), width >= 16 ? width : 52);
  }
}

function elided(context, text, width) {
  let kept = text;
  while (kept.length > 1 && context.measureText(kept).width > width) kept = `${kept.slice(0, -2).trimEnd()}…`;
  return kept;
}

/** The columns of a picture: for each the time steps behind it, one or several to a pixel. */
function columns() {
  const first = Math.floor(state.left);
  const stop = Math.min(run.timesteps, Math.ceil(state.left + state.span));
  const pixels = Math.ceil(plotWidth());
  const block = Math.max(1, Math.ceil((stop - first) / pixels));
  return { first: Math.floor(first / block) * block, stop, block };
}

function drawLane(context, lane) {
  const { row, left } = layout;
  const isInput = lane.layer === null;
  const array = isInput ? inputArray(state.quantity, state.engine) : null;
  const scale = isInput ? scaleOf(array === run.x ? "x" : "grad.input") : scaleOf(state.quantity);
  const height = lane.rows * row;
  context.fillStyle = palette.muted;
  context.font = `12px ${FONT}`;
  context.textAlign = "left";
  context.fillText(isInput && array !== run.x ? "gradient of the input x" : laneTitle(lane), left, lane.top - 6);
  const { first, stop, block } = columns();
  const wide = Math.ceil((stop - first) / block);
  const image = new ImageData(wide, lane.rows);
  const width = plotWidth() / state.span;
  const large = width >= 6 && row >= 6;
  const marked = [];
  const [read, isMarked] = [valueReader(state.quantity, state.engine), mismatchReader(state.quantity)];
  const at = { layer: lane.layer, direction: lane.direction, sample: state.at.sample, time: 0 };
  const [start, end] = recordedTimes(state.quantity, state.engine, lane);
  for (let column = 0; column < wide; column++) {
    let any = false;
    for (let unit = 0; unit < lane.rows; unit++) {
      let value = 0, mark = false, known = false;
      for (let time = first + column * block; time < Math.min(first + (column + 1) * block, stop, length()); time++) {
        if (time < start || time >= end) continue;
        at.time = time;
        const own = isInput ? valueAt(array, time, at.sample, unit) : read(at, unit);
        if (own === undefined) continue;
        if (!known || !(Math.abs(own) <= Math.abs(value))) value = own;
        known = true;
        mark = mark || (!isInput && isMarked(at, unit));
      }
      if (!known) continue;
      const channels = mark && !large ? rgb(palette.outline) : colorOf(scale, value);
      image.data.set([...channels, 255], 4 * (unit * wide + column));
      if (mark && large) marked.push([column, unit]);
      any = any || mark;
    }
    if (any) marked.push([column, -1]);
  }
  drawGround(context, lane, start, end);
  const picture = element("canvas", { width: wide, height: lane.rows });
  picture.getContext("2d").putImageData(image, 0, 0);
  context.save();
  context.beginPath();
  context.rect(left, lane.top - 5, plotWidth(), height + 6);
  context.clip();
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, xOf(first), lane.top, (wide * block * plotWidth()) / state.span, height);
  if (large) drawGrid(context, lane, first, stop);
  if (width >= 46 && row >= 15) drawNumbers(context, lane, array, scale, first, Math.min(stop, length()));
  for (const [column, unit] of marked) drawMark(context, lane, first + column * block, block, unit);
  context.restore();
  context.strokeStyle = palette.border;
  context.lineWidth = 1;
  context.strokeRect(left - 0.5, lane.top - 0.5, plotWidth() + 1, height + 1);
  if (row >= 12) drawUnits(context, lane);
}

/** Padding has dots, and time steps that a recording lacks have lines. */
function drawGround(context, lane, start, end) {
  const height = lane.rows * layout.row;
  const missing = [[0, Math.min(start, length()), "missing"], [end, length(), "missing"]];
  const parts = [[length(), run.timesteps, "padding"], ...missing];
  for (const [from, to, kind] of parts) {
    if (to <= from) continue;
    const [x, right] = [Math.max(xOf(from), layout.left), Math.min(xOf(to), layout.left + plotWidth())];
    if (right <= x) continue;
    context.save();
    context.beginPath();
    context.rect(x, lane.top, right - x, height);
    context.clip();
    context.fillStyle = kind === "padding" ? palette.base : palette.raised;
    context.fillRect(x, lane.top, right - x, height);
    drawPattern(context, x, lane.top, right - x, height, kind);
    context.restore();
  }
}

function drawPattern(context, x, y, width, height, kind) {
  if (kind === "padding") {
    context.fillStyle = palette.muted;
    for (let row = 0; row * 6 < height; row++) {
      for (let dx = (row % 2) * 6; dx < width; dx += 12) context.fillRect(x + dx + 2, y + row * 6 + 2, 1.5, 1.5);
    }
    return;
  }
  context.strokeStyle = palette.border;
  context.lineWidth = 1;
  context.beginPath();
  for (let dx = -height; dx < width; dx += 12) {
    context.moveTo(x + dx, y);
    context.lineTo(x + dx + height, y + height);
  }
  context.stroke();
}

function drawGrid(context, lane, first, stop) {
  const height = lane.rows * layout.row;
  context.fillStyle = palette.base;
  const width = Math.min(xOf(length()), layout.width) - layout.left;
  for (let time = first; time <= Math.min(stop, length()); time++) {
    context.fillRect(xOf(time) - 0.5, lane.top, 1, height);
  }
  for (let unit = 1; unit < lane.rows && layout.row >= 10; unit++) {
    context.fillRect(layout.left, lane.top + unit * layout.row - 0.5, width, 1);
  }
}

function drawNumbers(context, lane, array, scale, first, stop) {
  context.font = `${Math.min(13, layout.row - 4)}px ui-monospace, monospace`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const read = valueReader(state.quantity, state.engine);
  for (let time = first; time < stop; time++) {
    const at = { layer: lane.layer, direction: lane.direction, sample: state.at.sample, time };
    if (lane.layer !== null && !isRecorded(state.quantity, state.engine, at)) continue;
    for (let unit = 0; unit < lane.rows; unit++) {
      const value = array ? valueAt(array, time, at.sample, unit) : read(at, unit);
      if (value === undefined) continue;
      context.fillStyle = ink(colorOf(scale, value));
      const text = lane.layer !== null && OF_COMPARISON.includes(state.quantity) ? twoDigits(value) : short(value);
      context.fillText(trueMinus(text), xOf(time + 0.5), lane.top + (unit + 0.5) * layout.row + 1);
    }
  }
  context.textBaseline = "alphabetic";
}

/** A mismatch has an outline in two tones; its time step a bar above the lane. */
function drawMark(context, lane, time, block, unit) {
  const [x, width] = [xOf(time), (block * plotWidth()) / state.span];
  if (unit < 0) {
    context.fillStyle = palette.outline;
    context.fillRect(x, lane.top - 4, Math.max(width, 1), 3);
    return;
  }
  const y = lane.top + unit * layout.row;
  const tones = [[3, palette["outline-under"]], [1.5, palette.outline]];
  outline(context, tones, x + 1.5, y + 1.5, width - 3, layout.row - 3);
}

/** An outline of several tones, each a width and a color, that is seen on any ground. */
function outline(context, tones, x, y, width, height) {
  for (const [lineWidth, strokeStyle] of tones) {
    Object.assign(context, { lineWidth, strokeStyle });
    context.strokeRect(x, y, width, height);
  }
}

function drawUnits(context, lane) {
  context.font = `11px ${FONT}`;
  context.fillStyle = palette.muted;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (let unit = 0; unit < lane.rows; unit++) {
    context.fillText(String(unit), layout.left - 6, lane.top + (unit + 0.5) * layout.row);
  }
  context.textBaseline = "alphabetic";
}

function drawSelection(context) {
  const { layer, direction, time, unit } = state.at;
  const lane = layout.lanes.find((own) => own.layer === layer && own.direction === direction);
  const [x, width] = [xOf(time), plotWidth() / state.span];
  const [x0, x1] = [clamp(x, layout.left, layout.width), clamp(x + width, layout.left, layout.left + plotWidth())];
  if (x1 <= x0 && width >= 1) return;
  context.strokeStyle = palette.cursor;
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  context.beginPath();
  for (const edge of width >= 4 ? [x0, x1] : [(x0 + x1) / 2]) {
    for (const own of layout.lanes) {
      context.moveTo(edge, own.top);
      context.lineTo(edge, own.top + own.rows * layout.row);
    }
  }
  context.stroke();
  context.setLineDash([]);
  const least = 7;
  const y = lane.top + unit * layout.row;
  const [w, h] = [Math.max(x1 - x0, least), Math.max(layout.row, least)];
  outline(context, [[5, palette.base], [2.5, palette.cursor]], (x0 + x1 - w) / 2, y + (layout.row - h) / 2, w, h);
}

function drawScale() {
  const own = byId("scale");
  const context = own.getContext("2d");
  const scale = scaleOf(state.quantity);
  for (let x = 0; x < own.width; x++) {
    context.fillStyle = `rgb(${colorTable(scale)[Math.round((x / (own.width - 1)) * (STEPS - 1))].join(" ")})`;
    context.fillRect(x, 0, 1, own.height);
  }
  byId("scale-low").textContent = trueMinus(scale.ratio ? twoDigits(scale.low) : short(scale.low));
  byId("scale-high").textContent = trueMinus(scale.ratio ? twoDigits(scale.high) : short(scale.high));
  byId("scale-title").textContent = quantityTitle(state.quantity) + recomputed(state.quantity, state.engine);
  const words = [];
  if (mismatches().length) words.push("outlined: mismatch");
  const values = engines[state.engine].arrays[state.quantity]?.values ?? [];
  if (values.some(Number.isNaN)) words.push("violet: NaN");
  if (values.some((value) => Math.abs(value) === Infinity)) words.push("green: infinity");
  if (run.lengths.some((own) => own < run.timesteps)) words.push("dotted: padding");
  byId("legend").textContent = words.join(" · ");
}

/** The place of a value that a pointer is at; null beside the lanes. */
function hit(event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const lane = layout.lanes.find((own) => y >= own.top && y < own.top + own.rows * layout.row);
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

/** A cell of a table with a number: as it is shown, and in full in its tooltip. */
const numberCell = (text, exact, properties = {}) =>
  element("td", { className: "number", title: exact, ...properties }, trueMinus(text));

const emptyCell = () => element("td", { className: "number" });

/** Numbers of one row by engine: enough decimals to show that two differ, or all digits. */
function pairTexts(values) {
  if (state.exact) return values.map((value) => (value === undefined ? "" : full(value)));
  const [one, other] = values;
  if (values.length === 2 && one !== undefined && other !== undefined && one !== other) return distinct(one, other);
  return values.map((value) => (value === undefined ? "" : brief(value)));
}

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

/** The engines whose arithmetic is shown: the reference, and beside it the shown candidate. */
const explained = () => state.engine === 0 ? [0] : [0, state.engine];

function showSelected() {
  const { at, quantity } = state;
  byId("place").textContent = capitalized(place(at));
  const names = [...new Set(["h", OF_COMPARISON.includes(quantity) ? "h" : quantity])];
  const rows = names.flatMap((name) => comparedEngines().filter((engine) => hasValue(name, engine, at)).map((engine) => {
    const value = laneValue(name, engine, at);
    return [ofEngineTitle(name, engine), short(value), full(value, engines[engine].arrays[name].single), false];
  }));
  if (isRecorded("difference", 0, at)) {
    const bad = mismatchAt("h", at);
    for (const name of OF_COMPARISON) {
      const value = laneValue(name, 0, at);
      rows.push([quantityTitle(name), twoDigits(value), full(value), bad]);
    }
  }
  const body = element("tbody", {}, ...rows.map(([title, text, exact, bad]) =>
    element("tr", { className: bad ? "mismatch" : "" }, element("th", { scope: "row" }, title),
      numberCell(bad && title === "error ratio" ? `${text} ✘ mismatch` : text, exact), numberCell(exact, exact))));
  byId("selected").replaceChildren(heading("Value", "Shown", "Exact"), body);
}

const capitalized = (text) => text[0].toUpperCase() + text.slice(1);

/** The arithmetic of the selected value, line by line. */
function showArithmetic() {
  const target = byId("arithmetic");
  const open = new Map([...target.querySelectorAll("details")].map((own) => [own.dataset.line, own.open]));
  const able = explained().filter((engine) => isFollowed(engine));
  if (!able.length) {
    const text = "The inputs of this step were not recorded, so it has no arithmetic.";
    target.replaceChildren(element("p", {}, text));
    byId("sentences").replaceChildren();
    return;
  }
  const steps = able.map((engine) => new Step(engine, state.at));
  const divergence = steps.length > 1 ? firstDivergence(...steps, tolerances("h")) : null;
  byId("sentences").replaceChildren(...sentences(steps, divergence).map((text) => element("p", {}, trueMinusIn(text))));
  target.classList.toggle("of-two", steps.length > 1);
  const titles = steps.map((step) => step.title);
  const views = cell.lines.map((line) => {
    const symbols = `${line.name} = ${line.symbols.map(([text]) => text).join("")}`;
    const gate = cell.gates.find(([symbol]) => symbol === line.name);
    const label = gate && gate[1] !== gate[0] ? ` ${gate[1]}` : "";
    const isFirst = (row) => diverges(row, line, divergence);
    const isOpen = (terms) => open.get(line.name) ?? terms <= OPEN_TERMS;
    const tables = steps.map((step) => step.table(line));
    return lineView(line.name, symbols, titles, equationTexts(steps, line), tables, isOpen, { label, isFirst });
  });
  if (cell.behind.length) views.push(unitsView(steps, open.get("units")));
  target.replaceChildren(...views, outcomeView(steps));
}

/** The terms of the selected gradient, and of the others of its step. */
function showGradient() {
  const target = byId("gradient");
  byId("gradient-section").hidden = !run.backward;
  if (!run.backward) return;
  const quantity = state.quantity.startsWith("grad.") ? state.quantity : "";
  const same = target.dataset.quantity === quantity;
  const open = new Map([...target.querySelectorAll("details")].map((own) => [own.dataset.line, own.open]));
  target.dataset.quantity = quantity;
  backwardSteps.clear();
  const able = explained().filter((engine) => engines[engine].backward);
  const notes = explained().map((engine) => engines[engine].withoutTerms).filter(Boolean);
  if (!quantity) notes.splice(0, notes.length, "Choose a gradient under Colors to see its terms.");
  byId("gradient-notes").replaceChildren(...notes.map((text) => element("p", {}, text)));
  if (!quantity || !able.length) {
    target.replaceChildren();
    return;
  }
  target.classList.toggle("of-two", able.length > 1);
  const each = able.map((engine) => BackwardStep.at(engine, state.at).gradients());
  const titles = able.map((engine) => engines[engine].title);
  target.replaceChildren(...each[0].map(({ name, parts }, k) => {
    const found = each.map((own) => own[k]);
    const symbols = `${name} = ${parts.map((part) => part.text).join(" + ") || "0"}`;
    const outcomes = [
      [`${name} of the terms`, found.map((own) => own.value), pairTexts],
      [`${name} of the engine`, found.map((own) => own.own), pairTexts],
      ["difference", found.map(({ value, own }) => (own === undefined ? own : signedDifference(value, own))), smallTexts],
    ];
    if (found.every((own) => own.own === undefined)) outcomes.length = 0;
    const wasOpen = same ? open.get(name) : undefined;
    const texts = tokenTexts(found.map(gradientTokens));
    const isOpen = () => wasOpen ?? name === quantity;
    return lineView(name, symbols, titles, texts, found.map(gradientTable), isOpen, { outcomes });
  }));
}

function isFollowed(engine) {
  const [start, stop] = engines[engine].followed[laneIndex(state.at.layer, state.at.direction)];
  return state.at.time >= start && state.at.time < stop;
}

const OPEN_TERMS = 24;

/** A line in symbols and in the numbers of each engine, and its tables, which are written when they are first shown. */
function lineView(name, symbols, titles, texts, tables, isOpen, { label = "", isFirst = () => false, outcomes = [] }) {
  const view = element("section", { className: "line" }, element("h3", {}, element("code", {}, symbols), label));
  const same = new Set(texts).size === 1;
  texts.slice(0, same ? 1 : undefined).forEach((text, k) => {
    const owner = element("span", { className: "whose" }, same ? titles.join(", ") : titles[k]);
    view.append(element("p", { className: "equation" }, trueMinus(text), " ", owner));
  });
  const terms = tables[0].rows.filter((row) => row.kind === "term").length;
  const text = `${name}: ${count(terms)} ${terms === 1 ? "term" : "terms"}`;
  view.append(detailsOf(name, text, isOpen(terms), (details) => {
    details.append(scrolled(`Terms of ${name}`, termTable(titles, tables, isFirst)));
    if (outcomes.length) details.append(scrolled(`Result of ${name}`, resultTable(titles, outcomes)));
  }));
  return view;
}

/** The values of the units that a product with a matrix reads, by each engine: the gates, c and m. */
function unitsView(steps, wasOpen) {
  const names = cell.behind.map(([name]) => name);
  const values = steps.map((step) => cell.behind.map(([, node]) => step.ofUnits(node)));
  const units = values[0][0].length;
  const view = element("section", { className: "line" }, element("h3", {}, `Units behind h: ${names.join(", ")}`));
  const text = `${count(units)} ${units === 1 ? "unit" : "units"}`;
  view.append(detailsOf("units", text, wasOpen ?? units <= OPEN_TERMS, (details) => {
    const rows = Array.from({ length: units }, (_, unit) => element("tr", {},
      element("th", { scope: "row" }, `u=${unit}`),
      ...values.flat().map((each) => numberCell(shown(each[unit]), full(each[unit])))));
    const head = groupedHeading(["Unit"], steps.map((step) => step.title), names);
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

/** Whether a row is where two engines diverge first. */
function diverges(row, line, divergence) {
  if (divergence === null || divergence.symbol) return false;
  const source = `${divergence.kind} ${divergence.index}`;
  if (row.kind === "term") return divergence.step === "input" && row.source === source;
  return row.kind === "total" && (divergence.gate === line.name || divergence.step === line.name);
}

function termTable(titles, tables, isFirst) {
  const [first] = tables;
  const fields = [["input", first.own ? first.own[1] : "× input"], ["product", "= product"]];
  if (first.scale) fields.push(["added", `× ${first.scale}`]);
  fields.push(["sum", "sum"]);
  const shared = !first.own;
  const own = shared ? fields : [["weight", first.own[0]], ...fields];
  const head = groupedHeading(shared ? ["Term", "weight"] : ["Term"], titles, own.map(([, title]) => title));
  const body = element("tbody", {}, ...first.rows.map((row, k) => termRow(tables, row, k, own, shared, isFirst(row))));
  return element("table", { className: "terms" }, head, body);
}

function termRow(tables, row, k, fields, shared, isFirst) {
  const name = `${row.name}${isFirst ? " ◀ first divergence" : ""}`;
  const className = `${row.kind}${isFirst ? " mismatch" : ""}`;
  const line = element("tr", { className }, element("th", { scope: "row" }, name));
  if (shared) line.append(row.weight === undefined ? emptyCell() : numberCell(shown(row.weight), full(row.weight)));
  const texts = new Map(fields.map(([name]) => [name, pairTexts(tables.map((table) => table.rows[k][name]))]));
  tables.forEach((table, engine) => {
    for (const [name] of fields) {
      const value = table.rows[k][name];
      line.append(value === undefined ? emptyCell() : numberCell(texts.get(name)[engine], full(value)));
    }
  });
  return line;
}

function outcomeView(steps) {
  const rows = [];
  const each = steps.map((step) => step.outcomes());
  const symbols = [...new Set(each.flat().map((own) => own.symbol))];
  for (const symbol of symbols) {
    const found = each.map((outcomes) => outcomes.find((own) => own.symbol === symbol));
    const line = cell.lines.find((own) => own.name === symbol);
    rows.push([`${symbol} of this arithmetic`, steps.map((step) => step.value(line.node)), pairTexts]);
    rows.push([`${symbol} of the engine`, found.map((own) => own?.stored), pairTexts]);
    rows.push(["difference", found.map((own) => own?.difference), smallTexts]);
    rows.push(["allowed for rounding", found.map((own) => own && run.allowed * own.bound), smallTexts]);
  }
  const table = resultTable(steps.map((step) => step.title), rows);
  return element("section", { className: "line" }, element("h3", {}, "Result"), scrolled("Result", table));
}

const smallTexts = (values) =>
  values.map((value) => (value === undefined ? "" : state.exact ? full(value) : twoDigits(value)));

/** A table of results: in each row a title, the numbers by engine, and the function that writes these. */
function resultTable(titles, rows) {
  const body = element("tbody", {}, ...rows.map(([title, values, write]) => {
    const texts = write(values);
    const cells = values.map((value, k) => (value === undefined ? emptyCell() : numberCell(texts[k], full(value))));
    return element("tr", {}, element("th", { scope: "row" }, title), ...cells);
  }));
  return element("table", {}, heading("Result", ...titles), body);
}

/** The selected time step as tables: every unit of the lane, and the input. */
function showStep() {
  const { at } = state;
  const columns = [];
  const ofEngine = (name, engine, title) => {
    if (!hasValue(name, engine, at)) return;
    const { single } = engines[engine].arrays[name];
    const text = (value) => [state.exact ? full(value, single) : short(value), full(value, single)];
    columns.push([title, (unit) => text(laneValue(name, engine, at, unit))]);
  };
  for (const engine of comparedEngines()) ofEngine("h", engine, `h of ${engines[engine].title}`);
  for (const name of isRecorded("difference", 0, at) ? OF_COMPARISON : []) {
    const text = (value) => [state.exact ? full(value) : twoDigits(value), full(value)];
    columns.push([quantityTitle(name), (unit) => text(laneValue(name, 0, at, unit))]);
  }
  for (const { name } of run.quantities.slice(1)) {
    ofEngine(name, state.engine, ofEngineTitle(name, state.engine));
  }
  const rows = Array.from({ length: run.units }, (_, unit) => {
    const bad = mismatchAt("h", at, unit);
    const row = element("tr", { className: bad ? "mismatch" : "" },
      element("th", { scope: "row" }, `${unit}${bad ? " ✘ mismatch" : ""}`),
      ...columns.map(([, text]) => numberCell(...text(unit))));
    if (unit === at.unit) row.setAttribute("aria-current", "true");
    return row;
  });
  const time = timeText(at.time, at.sample);
  const lane = capitalized(laneTitle(at).replace(/ [←→]/, ""));
  const caption = element("caption", {}, `${lane}, ${time}, sample ${run.samples[at.sample]}`);
  const titles = heading("Unit", ...columns.map(([name]) => name));
  const table = element("table", {}, caption, titles, element("tbody", {}, ...rows));
  const inputs = Array.from({ length: run.features }, (_, i) => {
    const value = valueAt(run.x, at.time, at.sample, i);
    const exact = full(value, run.x.single);
    const name = element("th", { scope: "row" }, run.featureNames[i]);
    return element("tr", {}, name, numberCell(state.exact ? exact : short(value), exact));
  });
  const input = element("table", {}, element("caption", {}, `Input x, ${time}`), heading("Feature", "x"),
    element("tbody", {}, ...inputs));
  byId("step").replaceChildren(scrolled("Units of the lane", table), scrolled("Input", input));
}

function selectedInWords() {
  const { at, quantity, engine } = state;
  const value = isRecorded(quantity, engine, at) ? laneValue(quantity, engine, at) : undefined;
  const shown = OF_COMPARISON.includes(quantity) ? candidate() : engine;
  const of = engines[shown].title + recomputed(quantity, shown);
  const format = OF_COMPARISON.includes(quantity) ? twoDigits : short;
  const name = OF_COMPARISON.includes(quantity) ? quantityTitle(quantity) : quantity;
  const number = value === undefined ? "no value" : format(value);
  const mismatch = mismatchAt(quantity, at) ? ", mismatch" : "";
  return trueMinusIn(`${capitalized(place(at))}: ${name} of ${of} = ${number}${mismatch}`);
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
  byId("engine").value = String(state.engine);
  byId("quantity").value = state.quantity;
  byId("sample").value = String(state.at.sample);
  byId("time").max = String(length() - 1);
  byId("time").value = String(state.at.time);
  byId("time").setAttribute("aria-valuetext", timeText(state.at.time, state.at.sample));
  const found = mismatches().length;
  byId("mismatch-count").textContent = found === 1 ? "1 mismatch" : `${found ? count(found) : "No"} mismatches`;
  byId("mismatch-next").disabled = byId("mismatch-previous").disabled = !found;
  draw();
  showSelected();
  showArithmetic();
  showGradient();
  showStep();
  announce();
}

// --------------------------------------------------------------------------------------------------------- playback

const SLOWEST = 2;
const WHOLE_SECONDS = 12;
const CALM_PER_SECOND = 3;
const FACTORS = [0.5, 1, 2, 4, 8, 16];

const player = { direction: 0, factor: 1, timer: 0, begun: 0, taken: 0 };

/** Time steps per second: a long sequence takes 12 seconds at speed 1. */
const speed = () => Math.max(SLOWEST, length() / WHOLE_SECONDS) * player.factor;

/** Play in the order of computation of the lane (1), or against it (-1). */
function play(direction) {
  if (player.direction) {
    pause();
    return;
  }
  const by = direction * (isBackward(state.at.direction) ? -1 : 1);
  const last = by > 0 ? length() - 1 : 0;
  if (state.at.time === last) select({ time: by > 0 ? 0 : length() - 1 });
  Object.assign(player, { direction: by, begun: performance.now(), taken: 0 });
  byId("play").textContent = "Pause";
  // At most three changes per second for those who want less motion, else as many as the screen can show.
  const perSecond = calm.matches ? Math.min(CALM_PER_SECOND, speed()) : Math.min(30, speed());
  player.timer = setInterval(advance, 1000 / perSecond);
}

function advance() {
  const steps = Math.round(((performance.now() - player.begun) / 1000) * speed()) - player.taken;
  if (steps < 1) return;
  player.taken += steps;
  select({ time: state.at.time + steps * player.direction });
  if (state.at.time === (player.direction > 0 ? length() - 1 : 0)) pause();
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
  const way = player.direction * (isBackward(state.at.direction) ? -1 : 1);
  pause();
  play(way);
}

const changeSpeed = (by) => setFactor(FACTORS[clamp(FACTORS.indexOf(player.factor) + by, 0, FACTORS.length - 1)]);

// --------------------------------------------------------------------------------------------------------- controls

/** Keys, their effects in words, and the effects. Those of the program, as far as the page has them. */
const KEYS = [
  [["ArrowRight"], "Right", "Next time step", () => select({ time: state.at.time + 1 })],
  [["ArrowLeft"], "Left", "Previous time step", () => select({ time: state.at.time - 1 })],
  [["Home"], "Home", "First time step", () => select({ time: 0 })],
  [["End"], "End", "Last time step", () => select({ time: length() - 1 })],
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

/** Whether a control that has the focus needs a key itself. */
function isTaken(target, key) {
  if (target === lanesBox) return false;
  if (target.matches("select")) return true;
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

function options(list, groups) {
  for (const [title, entries] of groups) {
    const made = entries.map(([value, text]) => element("option", { value }, text));
    if (title && entries.length) list.append(element("optgroup", { label: title }, ...made));
    else list.append(...made);
  }
}

function fillControls() {
  options(byId("engine"), [["", engines.map(({ title }, k) => [String(k), k ? title : `${title} (reference)`])]]);
  const ofComparison = OF_COMPARISON.map((name) => [name, quantityTitle(name)]);
  const groups = new Map([["Values", []], ["Comparison of h", ofComparison]]);
  for (const { name, title, group } of run.quantities) groups.set(group, [...(groups.get(group) ?? []), [name, title]]);
  options(byId("quantity"), [...groups]);
  options(byId("sample"), [["", run.samples.map((sample, k) => [String(k), String(sample)])]]);
  options(byId("speed"), [["", FACTORS.map((factor) => [String(factor), `${factor}×`])]]);
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

function onPointerDown(event) {
  if (event.button !== 0) return;
  Object.assign(drag, { pointer: event.pointerId, x: event.clientX, left: state.left, moved: false });
}

function onPointerMove(event) {
  if (event.pointerId !== drag.pointer) return;
  const by = event.clientX - drag.x;
  if (!drag.moved && Math.abs(by) > 4) {
    drag.moved = true;
    canvas.setPointerCapture(event.pointerId);
  }
  if (drag.moved) setView(drag.left - (by / plotWidth()) * state.span, state.span);
}

function onPointerUp(event) {
  if (event.pointerId !== drag.pointer) return;
  drag.pointer = null;
  const found = drag.moved ? null : hit(event);
  if (found) {
    pause();
    select(found);
  }
}

/**
 * The wheel zooms; sideways, or with Shift, it pans. Where there is nothing to zoom out, the page scrolls. In another
 * document, it zooms only with Ctrl, or reading on would.
 */
function onWheel(event) {
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
  if (Math.abs(sideways) > (event.shiftKey ? 0 : Math.abs(event.deltaY))) {
    event.preventDefault();
    setView(state.left + (sideways / plotWidth()) * state.span, state.span);
    return;
  }
  if (event.deltaY > 0 && state.span >= run.timesteps) return;
  if (around && !event.ctrlKey) return;
  event.preventDefault();
  const box = canvas.getBoundingClientRect();
  zoom(1.0015 ** -event.deltaY, timeAt(event.clientX - box.left));
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

const CLICKS = {
  "zoom-in": () => zoom(1.5),
  "zoom-out": () => zoom(1 / 1.5),
  fit,
  "mismatch-next": () => goToMismatch(1),
  "mismatch-previous": () => goToMismatch(-1),
  first: () => select({ time: 0 }),
  previous: () => select({ time: state.at.time - 1 }),
  play: () => play(1),
  next: () => select({ time: state.at.time + 1 }),
  last: () => select({ time: length() - 1 }),
};
const CHANGES = {
  engine: ({ value }) => setEngine(Number(value)),
  quantity: ({ value }) => setQuantity(value),
  sample: ({ value }) => select({ sample: Number(value) }),
  speed: ({ value }) => setFactor(Number(value)),
  exact: ({ checked }) => setExact(checked),
  time: ({ value }) => select({ time: Number(value) }),
};

function listen() {
  for (const [id, effect] of Object.entries(CLICKS)) byId(id).addEventListener("click", effect);
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
