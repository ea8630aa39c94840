// A small live chart: each accepted post by its response time, each refusal as a tick, and the queue's length behind them.

const frame = { left: 42, top: 10, bottom: 152, ticksTop: 164, ticksBottom: 178 };
const namespace = "http://www.w3.org/2000/svg";

function draw(name, attributes, text) {
  const made = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** The least round number that holds `value`. */
function round(value, steps) { return steps.find((step) => step >= value) ?? Math.ceil(value / 1000) * 1000; }

export class Chart {
  #svg;
  #began = 0;
  #accepted = [];
  #refused = [];
  #queue = [];
  #bound = 0;
  #isDrawing = false;

  constructor(svg) {
    this.#svg = svg;
    new ResizeObserver(() => this.#draw()).observe(svg);
  }

  begin() {
    this.#began = performance.now();
    this.#accepted = []; this.#refused = []; this.#queue = [];
    this.#draw();
  }

  #at() { return (performance.now() - this.#began) / 1000; }

  accepted(took) { this.#accepted.push({ at: this.#at(), took }); this.#draw(); }
  refused() { this.#refused.push(this.#at()); this.#draw(); }
  queue(unfinished, bound) { this.#bound = bound; this.#queue.push({ at: this.#at(), unfinished }); this.#draw(); }

  get times() { return this.#accepted.map(({ took }) => took).sort((one, other) => one - other); }
  get median() { const { times } = this; return times[times.length >> 1]; }

  #draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame(() => { this.#isDrawing = false; this.#paint(); });
  }

  #paint() {
    const { left, top, bottom, ticksTop, ticksBottom } = frame, { times } = this;
    const right = this.#svg.clientWidth - 2;
    const seconds = round(Math.max(4, this.#queue.at(-1)?.at ?? 0, this.#accepted.at(-1)?.at ?? 0, this.#refused.at(-1) ?? 0),
      [4, 6, 8, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300]);
    const highest = round(1.15 * (times.at(-1) ?? 0), [20, 40, 60, 80, 100, 150, 200, 300, 400, 600, 800, 1000]);
    const x = (at) => left + (right - left) * Math.min(1, at / seconds);
    const y = (took) => bottom - (bottom - top) * took / highest;
    const deepest = 1.15 * Math.max(this.#bound, ...this.#queue.map(({ unfinished }) => unfinished), 1);
    const depth = (jobs) => bottom - (bottom - top) * jobs / deepest;
    const parts = [];

    if (this.#queue.length > 1) {
      const line = this.#queue.map(({ at, unfinished }) => `${x(at).toFixed(1)} ${depth(unfinished).toFixed(1)}`);
      const [from, to] = [this.#queue[0].at, this.#queue.at(-1).at].map(x);
      parts.push(draw("path", { class: "area", d: `M${from} ${bottom}L${line.join("L")}L${to} ${bottom}Z` }));
      parts.push(draw("line", { class: "bound", x1: left, x2: right, y1: depth(this.#bound), y2: depth(this.#bound) }));
      parts.push(draw("text", { x: right, y: depth(this.#bound) - 5, "text-anchor": "end" }, `queue’s bound: ${this.#bound} jobs`));
    }
    for (const share of [0, .5, 1]) {
      const level = y(highest * share);
      parts.push(draw("line", { class: "grid", x1: left, x2: right, y1: level, y2: level }));
      const label = share === 1 ? `${highest} ms` : String(highest * share);
      parts.push(draw("text", { x: left - 6, y: level + 4, "text-anchor": "end" }, label));
    }
    for (const share of [0, .5, 1]) {
      parts.push(draw("text", { x: x(seconds * share), y: 196, "text-anchor": share === 0 ? "start" : share === 1 ? "end" : "middle" },
        `${seconds * share} s`));
    }
    if (this.#refused.length > 0) {
      const ticks = this.#refused.map((at) => `M${x(at).toFixed(1)} ${ticksTop}V${ticksBottom}`).join("");
      parts.push(draw("path", { class: "tick", d: ticks }));
      parts.push(draw("text", { x: left - 6, y: ticksBottom - 3, "text-anchor": "end" }, "503"));
    }
    for (const { at, took } of this.#accepted) {
      parts.push(draw("circle", { class: "accepted", cx: x(at).toFixed(1), cy: y(took).toFixed(1), r: 2.6 }));
    }
    this.#svg.replaceChildren(...parts);
    this.#svg.setAttribute("aria-label", times.length === 0 ? "Response times of accepted posts: none yet"
      : `Response times of ${times.length} accepted posts: median ${Math.round(this.median)} ms, slowest ${Math.round(times.at(-1))} ms; `
        + `${this.#refused.length} refusals`);
  }
}
