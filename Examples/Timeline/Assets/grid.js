// Ten thousand followers, a dot each, on a canvas: 125 columns and 80 rows.

const columns = 125, rows = 80, glow = 700;
/** Some followers are a little fainter: a flock, not a wall. */
const faint = Uint8Array.from({ length: columns * rows }, (_, dot) => {
  const mixed = Math.imul(dot ^ (dot >>> 7), 0x9E3779B1);
  return Math.imul(mixed ^ (mixed >>> 15), 0x85EBCA6B) >>> 30;
});
const shades = [1, .86, .72, .58];

export class Grid {
  #canvas;
  #litAt = new Float64Array(columns * rows).fill(Infinity);
  #isDrawing = false;
  #scheme = matchMedia("(prefers-color-scheme: dark)");
  #calm = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(canvas) {
    this.#canvas = canvas;
    this.#scheme.addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#fit()).observe(canvas);
  }

  /** Follower under a pointer, 1 to 10,000. */
  follower(event) {
    const box = this.#canvas.getBoundingClientRect();
    const at = (offset, length, cells) => Math.min(cells - 1, Math.max(0, Math.floor(offset / length * cells)));
    return at(event.clientY - box.top, box.height, rows) * columns + at(event.clientX - box.left, box.width, columns) + 1;
  }

  /** Shows whom a post has reached: bit n of `bits` is follower n. `isOther` says that it is not the post shown before. */
  show(bits, isOther) {
    const now = performance.now();
    for (let dot = 0; dot < columns * rows; dot += 1) {
      const number = dot + 1, isLit = (bits[number >> 3] >> (number & 7)) & 1;
      if (!isLit) this.#litAt[dot] = Infinity;
      else if (this.#litAt[dot] === Infinity || isOther) this.#litAt[dot] = now;
    }
    this.#draw();
  }

  #fit() {
    const width = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    if (this.#canvas.width !== width) [this.#canvas.width, this.#canvas.height] = [width, Math.round(width * rows / columns)];
    this.#draw();
  }

  #draw() {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    requestAnimationFrame((now) => {
      this.#isDrawing = false;
      if (this.#paint(now)) this.#draw();
    });
  }

  /** Whether some dot still glows. */
  #paint(now) {
    const context = this.#canvas.getContext("2d"), style = getComputedStyle(this.#canvas);
    const cell = this.#canvas.width / columns;
    const dark = new Path2D(), fresh = new Path2D(), lit = shades.map(() => new Path2D());
    let isGlowing = false;
    for (let dot = 0; dot < columns * rows; dot += 1) {
      const age = now - this.#litAt[dot], isLit = this.#litAt[dot] !== Infinity;
      const isFresh = isLit && age < glow && !this.#calm.matches;
      isGlowing ||= isFresh;
      const size = cell * (isFresh ? .66 + .5 * (1 - Math.max(0, age) / glow) : .66);
      const left = (dot % columns + .5) * cell - size / 2, top = (Math.floor(dot / columns) + .5) * cell - size / 2;
      (isFresh ? fresh : isLit ? lit[faint[dot]] : dark).roundRect(left, top, size, size, size * .4);
    }
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    const fill = (path, color, alpha) => {
      context.globalAlpha = alpha;
      context.fillStyle = style.getPropertyValue(color);
      context.fill(path);
    };
    fill(dark, "--dot", 1);
    shades.forEach((alpha, shade) => fill(lit[shade], "--accent", alpha));
    fill(fresh, "--accent", 1);
    return isGlowing;
  }
}
