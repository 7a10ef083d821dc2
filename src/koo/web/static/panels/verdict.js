// The first glance: the header, the one thing to know, and four numbers.
import { Bar, Shape, html } from "../shapes.js";
import { ago, at, count, duration, epoch, money, NONE, percent, short, span } from "../words.js";
import { askToCheck, askToHalfOpenDatabase, askToHalfOpenService } from "./actions.js";

const LINKS = {
  connecting: "connecting…",
  live: "live",
  polling: "live, by polling",
  offline: "no connection",
  refused: "not signed in",
};

export function Header({ app, stale }) {
  const { who, data, link, received, paused } = app.state;
  const age = data ? Math.round((performance.now() - received) / 1000) : 0;
  const fresh = paused ? "paused" : LINKS[link];
  return html`<header>
    <b class="brand">${who?.about.title ?? "koo"}</b>
    <span class=${`link ${stale ? "lost" : link}`}><i aria-hidden="true"></i>${fresh}${data && age > 2 ? `, data ${span(age)} old` : ""}</span>
    <span class="gap"></span>
    ${who?.about.version && html`<small class="version">${who.about.version}</small>`}
    <button onClick=${app.pause} aria-pressed=${paused}>${paused ? "Resume" : "Pause"}</button>
    ${who?.signed_in
      ? html`<button onClick=${app.leave}>Sign out</button>`
      : html`<button data-key="s" onClick=${() => app.open({ kind: "sign-in" })}>Sign in</button>`}
    <button class="round" aria-label="Help and keys" onClick=${() => app.open({ kind: "help" })}>?</button>
  </header>`;
}

const SAFE = {
  check_database: (app) => askToCheck(app),
  half_open_database: (app) => askToHalfOpenDatabase(app),
  half_open_service: (app, name) => askToHalfOpenService(app, name),
};
const SAFE_WORDS = {
  check_database: "Check the database…",
  half_open_database: "Half-open the circuit…",
  half_open_service: "Half-open the circuit…",
};

export function Verdict({ app, now }) {
  const { verdict, summary } = app.state.data;
  const press = SAFE[verdict.safe_action];
  return html`<section class=${`card verdict ${verdict.level}`} aria-label="Verdict">
    <div class="headline">
      <${Shape} of=${verdict.level} big />
      <div>
        <h1>${verdict.headline}</h1>
        <p>${stand(summary)}${verdict.more ? html` · <b>${verdict.more} more</b> below` : ""}</p>
      </div>
    </div>
    ${verdict.component && html`<dl>
      <div><dt>Since</dt><dd>${at(verdict.since)} <small>for ${ago(verdict.since, now)}</small></dd></div>
      <div class="wide"><dt>Why</dt><dd>${verdict.why ?? "not known yet"}</dd></div>
      <div class="wide"><dt>What it costs</dt><dd>${verdict.costs ?? "nothing measurable yet"}</dd></div>
      <div class="wide"><dt>What to press</dt><dd>${verdict.advice}
        ${press && html`<button class="safe" disabled=${!app.canAct()} title=${app.canAct() ? "" : "Sign in with the operate token"} onClick=${() => press(app, short(verdict.component))}>${SAFE_WORDS[verdict.safe_action]}</button>`}</dd></div>
    </dl>`}
    ${!verdict.component && html`<p class="calm">${verdict.advice}</p>`}
  </section>`;
}

function stand(summary) {
  const services = summary.ai_services_total
    ? `${summary.ai_services_healthy} of ${summary.ai_services_total} AI services healthy`
    : "no AI service has a key";
  return html`The system is <b>${summary.overall_health}</b> · ${services}`;
}

export function Tiles({ data, now }) {
  return html`<${Success} data=${data} /><${Circuits} data=${data} /><${Spend} data=${data} now=${now} /><${Line} data=${data} />`;
}

function Success({ data }) {
  const shares = Object.values(data.ai_services).map((it) => [it.service, it.metrics.success_rate]);
  const failing = data.database?.metrics.failure_rate;
  if (failing !== undefined && failing !== null) shares.push(["database", 1 - failing]);
  const known = shares.filter(([, share]) => share !== null).sort((a, b) => a[1] - b[1]);
  const [worst, ...rest] = known;
  return html`<section class="card tile"><h2>Calls that succeed, last 5 min</h2>
    ${worst
      ? html`<div class=${`big${worst[1] < 0.9 ? " bad" : ""}`}>${percent(worst[1])} <small>${worst[0]}${rest.length ? ", the worst" : ""}</small></div>
        <small>${rest.map(([name, share]) => `${name} ${percent(share)}`).join(" · ")}</small>`
      : html`<div class="big">${NONE}</div><small>no calls yet</small>`}
  </section>`;
}

function Circuits({ data }) {
  const all = Object.values(data.ai_services).filter((it) => it.configured).map((it) => [it.service, it.circuit_breaker]);
  if (data.database) all.unshift(["database", data.database.health.circuit_breaker]);
  const not = all.filter(([, it]) => it.state !== "closed");
  const open = data.summary.circuit_breakers_open;
  return html`<section class="card tile"><h2>Circuits open</h2>
    <div class=${`big${open ? " bad" : ""}`}>${open} <small>of ${all.length}</small></div>
    <small>${not.length
      ? not.map(([name, it]) => `${name} ${it.state.replace("_", "-")}`).join(" · ")
      : "every call passes"}</small>
  </section>`;
}

/** Which share of the budget's day is gone. */
export const dayGone = (resets, now) => Math.min(1, Math.max(0, 1 - (epoch(resets) - now) / 86400));

function Spend({ data, now }) {
  const { spent_today: spent, budget_today: budget } = data.summary;
  const resets = Object.values(data.ai_services).map((it) => it.cost?.resets_at).find(Boolean);
  const share = Number(budget) ? Number(spent) / Number(budget) : 0;
  const gone = resets ? dayGone(resets, now) : undefined;
  const forecast = gone > 0.05 ? `forecast ${money(Number(spent) / gone)}` : "too early to forecast";
  return html`<section class="card tile"><h2>AI spend today</h2>
    <div class="big">${money(spent)} <small>of ${money(budget)}</small></div>
    <${Bar} share=${share} mark=${gone} state=${pace(share, gone)} label=${`${percent(share)} of the budget spent`} />
    <small>${resets ? `${Math.round(gone * 100)} % of the day gone · ${forecast} · resets in ${span(epoch(resets) - now)}` : "no budget"}</small>
  </section>`;
}

/** ok on pace, warning ahead of the day or near the end, critical when spent. */
export function pace(share, gone) {
  if (share >= 1) return "critical";
  return share >= 0.8 || (share > 0.2 && share > gone) ? "warning" : "ok";
}

function Line({ data }) {
  const metrics = data.database?.metrics;
  if (!metrics) return html`<section class="card tile"><h2>Waiting for a connection</h2><div class="big">${NONE}</div><small>no database here</small></section>`;
  const { waiting, oldest_checkout_s: oldest } = metrics.pool_status;
  return html`<section class="card tile"><h2>Waiting for a connection</h2>
    <div class=${`big${waiting ? " bad" : ""}`}>${count(waiting)} <small>p95 wait ${duration(metrics.wait_times.p95_ms)}</small></div>
    <small>${count(metrics.timeouts_total)} gave up · ${oldest === null ? "no connection held" : `oldest held ${oldest < 10 ? `${oldest.toFixed(1)} s` : span(oldest)}`}</small>
  </section>`;
}
