// Getting the data: the stream, polling where streams do not pass, and the POSTs.

const API = "/api/v1";
const STREAM_SILENT = 6000;
const ANSWER = 10000;
const RETRY = [1000, 2000, 4000, 8000];

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the server answered ${status}`);
    this.status = status;
  }
}

/** A path that swallows everything must not be waited for. */
async function ask(path, options = {}) {
  const signal = AbortSignal.timeout(ANSWER);
  const answer = await fetch(API + path, { credentials: "same-origin", cache: "no-store", signal, ...options }).catch(explain);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

function explain(error) {
  throw error.name === "TimeoutError" ? new Error(`No answer within ${ANSWER / 1000} s; whether it was done is not known.`) : error;
}

const post = (path, body, { method = "POST", generation } = {}) =>
  ask(path, { method, body: JSON.stringify(body), headers: headers(generation) });

/** An action on a circuit insists on the state that was shown when the button was pressed. */
const headers = (generation) => ({
  "Content-Type": "application/json",
  "Idempotency-Key": wish,
  ...(generation === undefined ? {} : { "If-Match": `"${generation}"` }),
});

let wish;

/** A name for what is wished for next: sent again because nobody knows whether it was done, it is done once. */
export function beginWish() {
  wish = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");
}

beginWish();

const service = (name) => `/ai/services/${encodeURIComponent(name)}`;

export const whoAmI = () => ask("/session");
export const signIn = (proof) => post("/session", proof);
export const signOut = () => post("/session", {}, { method: "DELETE" });
export const checkDatabase = (reason) => post("/monitoring/database/health-check", { reason });
export const halfOpenDatabase = (reason, generation) => post("/monitoring/database/half-open", { reason }, { generation });
export const resetDatabase = (reason, generation) => post("/monitoring/database/reset-circuit-breaker", { reason }, { generation });
export const halfOpenService = (name, reason, generation) => post(`${service(name)}/half-open`, { reason }, { generation });
export const resetService = (name, reason, generation) => post(`${service(name)}/reset-errors`, { reason }, { generation });
export const acknowledge = (alert, reason) => post(`/monitoring/alerts/${encodeURIComponent(alert)}/acknowledge`, { reason });
export const silence = (wish) => post("/monitoring/silences", wish);
export const lift = (identity, reason) => post(`/monitoring/silences/${encodeURIComponent(identity)}`, { reason }, { method: "DELETE" });

/** The text of "docs/runbooks.md#anchor". */
export async function readRunbook(runbook) {
  const answer = await fetch(`/runbooks/${encodeURIComponent(runbook.split("#")[1])}`);
  if (!answer.ok) throw new Error(`The server has no such section; see ${runbook}.`);
  return answer.text();
}

/** Follow the dashboard: calls onFrame for each, onState with live | polling | offline | refused. */
export class Follower {
  constructor(onFrame, onState) {
    this.onFrame = onFrame;
    this.onState = onState;
    this.failures = 0;
    this.turn = null;
  }

  start() {
    if (this.turn) return;
    this.turn = {};
    this.follow(this.turn);
  }

  stop() {
    this.turn = null;
    this.cut?.abort();
  }

  /** One loop for each start; an older one notices that its turn is over. */
  async follow(turn) {
    while (this.turn === turn) {
      try {
        await this.stream();
      } catch (error) {
        if (this.turn !== turn) return;
        if (error instanceof Refused && error.status === 401) return this.refuse();
        await this.poll().catch((lost) => this.lose(lost));
      }
      await new Promise((resume) => setTimeout(resume, RETRY[Math.min(this.failures, 3)]));
    }
  }

  refuse() {
    this.turn = null;
    this.onState("refused");
  }

  lose(error) {
    if (error instanceof Refused && error.status === 401) return this.refuse();
    this.failures += 1;
    this.onState("offline");
  }

  async poll() {
    this.onFrame(await ask("/monitoring/dashboard"));
    this.failures = 0;
    this.onState("polling");
  }

  async stream() {
    const cut = (this.cut = new AbortController());
    let silence = setTimeout(() => cut.abort(), STREAM_SILENT);
    try {
      const answer = await fetch(`${API}/monitoring/stream`, { signal: cut.signal, cache: "no-store" });
      if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
      for await (const text of events(answer.body)) {
        clearTimeout(silence);
        silence = setTimeout(() => cut.abort(), STREAM_SILENT);
        this.failures = 0;
        this.onFrame(JSON.parse(text));
        this.onState("live");
      }
      throw new Error("the stream ended");
    } finally {
      clearTimeout(silence);
    }
  }
}

/** The data of each server-sent event in a body. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield data.slice(6);
    }
  }
}
