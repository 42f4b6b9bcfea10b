// What the tests ask the page; each is called with the arguments of a test.
const plain = (v) => v === undefined ? null : Number.isFinite(v) || typeof v === "string" ? v : String(v);

function laneAnswer(quantity, engine, shown, layer, direction, sample) {
  state.engine = shown;
  const [read, marked] = [valueReader(quantity, engine), mismatchReader(quantity)];
  const values = [], marks = [];
  for (let time = 0; time < run.timesteps; time++) for (let unit = 0; unit < run.units; unit++) {
    const at = { layer, direction, time, sample };
    values.push(plain(read(at, unit)));
    marks.push(time < run.lengths[sample] && marked(at, unit));
  }
  return [values, marks];
}

function stepAnswer(engine, layer, direction, time, sample, unit) {
  steps.clear();
  const step = stepOf(engine, { layer, direction, time, sample, unit });
  const names = ["weight", "input", "product", "added", "sum"];
  return [
    step.lines().map((line) => [line.name, plain(line.value), equationTexts([line])[0],
      rowsOf(line).map((row) => [row.kind, row.name, ...names.map((name) => plain(row[name]))])]),
    step.outcomes().map((own) => [own.name, plain(own.stored), plain(own.computed)]),
  ];
}

function sentencesAnswer(engine, layer, direction, time, sample, unit) {
  state.engine = engine;
  steps.clear();
  const each = [0, engine].map((own) => stepOf(own, { layer, direction, time, sample, unit }));
  return sentences(each, firstDivergence(...each, tolerances("h")));
}

function gradientsAnswer(engine, layer, direction, time, sample, unit) {
  steps.clear();
  return stepOf(engine, { layer, direction, time, sample, unit }).gradients().map((line) => [
    line.name, plain(line.value), plain(line.outcome?.stored),
    line.parts.map(({ text, terms }) => [
      text, terms.map((term) => [term.name, plain(term.weight), plain(term.input)])]),
    rowsOf(line).filter((row) => row.kind === "term").map((row) => plain(row.sum)).at(-1) ?? 0,
  ]);
}

function contrastsAnswer() {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const ground = (own) => {
    for (; own; own = own.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(own).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  document.querySelectorAll("details").forEach((own) => { own.open = true; });
  const low = [];
  for (const own of document.querySelectorAll("body *")) {
    if (![...own.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !own.checkVisibility()) continue;
    if (own.matches("script, option, noscript")) continue;
    const found = contrast(parse(getComputedStyle(own).color).slice(0, 3), ground(own));
    if (found < 4.5) low.push([own.tagName, own.className, own.textContent.slice(0, 20), found]);
  }
  return low;
}
