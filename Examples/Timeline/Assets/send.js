// Publishing with back pressure: who is refused backs off, and asks again with the same id, so that nothing is ever posted twice.

/** A refusal that waiting does not change. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title ?? "The server did not take this post.");
    this.field = problem.field;
  }
}

/** Lets so many through at a time, first come, first served. */
export class Gate {
  #free;
  #waiting = [];

  constructor(width) { this.#free = width; }

  async pass(work) {
    if (this.#free === 0) await new Promise((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next(); else this.#free += 1;
    }
  }
}

const base = 250, longest = 10_000;

/** Exponential backoff with full jitter; what the server asks for is the least wait. In milliseconds. */
export function backoff(attempt, retryAfter = 0, random = Math.random) {
  return retryAfter + random() * Math.min(longest, base * 2 ** (attempt - 1));
}

/** The server's exact answer, else its header in whole seconds; what is not a wait counts as none. */
async function retryAfter(response) {
  const problem = await response.json().catch(() => ({}));
  const exact = Number(problem.retry_after_ms ?? 1000 * Number(response.headers.get("Retry-After") ?? 0));
  return Number.isFinite(exact) ? Math.max(0, exact) : 0;
}

export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => { clearTimeout(timer); reject(signal.reason); };
    const timer = setTimeout(() => { signal?.removeEventListener("abort", stop); resolve(); }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Sends a post until it is accepted.
 * @param onWait called before each wait with {attempt, wait, busy}: busy is false when the server could not be reached.
 * @returns {took, attempt, job}: milliseconds of the answer that accepted it, and the address of the job's status.
 * @throws Refused
 */
export async function send(post, { onWait = () => {}, gate = new Gate(1), signal } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await gate.pass(async () => {
      const began = performance.now();
      try {
        const response = await fetch("/posts", {
          method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(post), signal,
        });
        return { response, took: performance.now() - began };
      } catch (error) {
        signal?.throwIfAborted();
        return {};  // No answer: whether the post arrived is unknown, and asking again with its id is safe.
      }
    });
    const { response, took } = answer;
    if (response?.status === 202) return { took, attempt, job: response.headers.get("Location") };
    if (response && response.status !== 503) throw new Refused(await response.json().catch(() => ({})));
    const wait = backoff(attempt, response ? await retryAfter(response) : 1000);
    onWait({ attempt, wait, busy: Boolean(response) });
    await pause(wait, signal);
  }
}
