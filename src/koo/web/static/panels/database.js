// The database: its breaker, its pool, who waits, and who holds the connections.
import { Lines, Outcomes, Shape, html } from "../shapes.js";
import { ago, count, countdown, duration, epoch, percent, plain, span } from "../words.js";
import { askToCheck, askToHalfOpenDatabase, askToResetDatabase } from "./actions.js";

export function Database({ app, now }) {
  const { health, metrics, holders, history } = app.state.data.database;
  const can = app.canAct();
  return html`<section class="card database" aria-labelledby="database">
    <div class="row">
      <h2 id="database">Database</h2>
      <span class="gap"></span>
      <button data-key="c" disabled=${!can} title=${can ? "" : "Sign in with the operate token"} onClick=${() => askToCheck(app)}>Check…</button>
      ${health.circuit_breaker.state === "open" && health.circuit_breaker.mode === "normal" && html`<button data-key="o" class="first" disabled=${!can} title=${can ? "" : "Sign in with the operate token"} onClick=${() => askToHalfOpenDatabase(app)}>Half-open…</button>`}
      <button data-key="r" disabled=${!can} title=${can ? "" : "Sign in with the operate token"} onClick=${() => askToResetDatabase(app)}>Reset circuit…</button>
    </div>
    <p class="state"><${Shape} of=${health.state} /><b>${plain(health.state)}</b>
      <small class="lead">circuit</small><${Breaker} breaker=${health.circuit_breaker} now=${now} stamp=${app.state.data.timestamp} />
      <small>${asked(health, now)}</small></p>
    ${health.error && html`<p class="cause">${health.error}</p>`}
    <${Pool} pool=${metrics.pool_status} />
    ${history.active.length > 1 && html`<${Curve} history=${history} most=${metrics.pool_status.max_connections} />`}
    <dl class="facts">
      <${Fact} name="Answers" value=${triple(metrics.response_times)} note="p50 / p95 / p99" />
      <${Fact} name="Waits" value=${triple(metrics.wait_times)} note="p50 / p95 / p99" />
      <${Fact} name="Checkouts" value=${`${metrics.checkouts.per_second.toFixed(1)} /s`} note=${`${count(metrics.checkouts.total)} in all`} />
      <${Fact} name="Failing" value=${percent(metrics.failure_rate)} note="last 5 min" />
      <${Fact} name="Connections" value=${`${count(metrics.connections.created_total)} opened`} note=${lost(metrics.connections)} />
      <${Fact} name="Errors" value=${count(sum(metrics.errors))} note=${kinds(metrics.errors)} />
    </dl>
    <${Holders} holders=${holders} />
  </section>`;
}

const Curve = ({ history, most }) => html`
  <${Lines} used=${history.active} waiting=${history.waiting} most=${most} label=${`connections in use and waiting, the last ${span(history.active.length * history.every_s)}`} />
  <p class="legend"><span><i class="used"></i>in use</span><span><i class="waiting"></i>waiting</span><span><i class="limit"></i>limit ${most}</span><span>the last ${span(history.active.length * history.every_s)}</span></p>`;

/** A breaker in words: state, countdown or since, and its window. */
export function Breaker({ breaker, now, stamp }) {
  return html`<span class="breaker"><${Shape} of=${breaker.state} /><b>${breaker.state.replace("_", "-")}</b> <small>${when(breaker, now, stamp)}</small></span>
    <span class="outcomes"><${Outcomes} breaker=${breaker} /></span>`;
}

function when(breaker, now, stamp) {
  if (breaker.mode === "isolated") return "until somebody resets it";
  if (breaker.mode !== "normal") return `${plain(breaker.mode)} by hand`;
  if (breaker.state === "open" && breaker.retry_after !== null) {
    const wait = breaker.retry_after - (now - epoch(stamp));
    return wait > 0 ? `next probe in ${countdown(wait)}` : "the next call probes";
  }
  if (breaker.state === "half_open") return "probing";
  return breaker.since ? `for ${ago(breaker.since, now)}` : "never opened";
}

const asked = (health, now) =>
  health.last_check
    ? `asked ${ago(health.last_check, now)} ago${health.response_time_ms === null ? "" : `, ${duration(health.response_time_ms)}`}`
    : "not asked yet";

function Pool({ pool }) {
  const overflow = Math.min(pool.overflow_connections, pool.active_connections);
  const core = pool.active_connections - overflow;
  const free = Math.max(0, pool.max_connections - pool.active_connections);
  const words = `${pool.active_connections} of ${pool.max_connections} connections in use (${overflow} beyond the pool's size of ${pool.pool_size}), ${pool.idle_connections} idle, ${pool.waiting} waiting`;
  const narrow = pool.max_connections / 8;
  const part = (name, size, word) => size > 0 && html`<div class=${name} style=${{ flexGrow: size }}><span>${size}${size < narrow ? "" : ` ${word}`}</span></div>`;
  return html`<div class="pool" role="img" aria-label=${words}>
      <div class="places">${part("core", core, "in use")}${part("overflow", overflow, "overflow")}${part("free", free, "free")}</div>
      ${pool.waiting > 0 && html`<div class="queue"><b>${pool.waiting}</b> waiting</div>`}
    </div>
    <small>${pool.idle_connections} idle, ${pool.total_connections} open; pool of ${pool.pool_size}, ${pool.max_overflow} more when needed</small>`;
}

const Fact = ({ name, value, note }) => html`<div><dt>${name}</dt><dd>${value} <small>${note}</small></dd></div>`;

const triple = (latency) =>
  latency.count ? [latency.p50_ms, latency.p95_ms, latency.p99_ms].map(duration).join(" / ") : "–";

const sum = (counts) => Object.values(counts).reduce((total, number) => total + number, 0);

export const kinds = (counts) =>
  Object.entries(counts).slice(0, 3).map(([kind, number]) => `${plain(kind)} ${number}`).join(", ") || "none";

function lost(connections) {
  const parts = [["broken", connections.invalidated_total], ["recycled", connections.recycled_total]];
  return parts.filter(([, number]) => number).map(([word, number]) => `${number} ${word}`).join(", ") || "none broken";
}

function Holders({ holders }) {
  if (!holders.length) return null;
  return html`<details open=${holders.length > 0 && holders[0].age_s > 5}><summary>Who holds connections (${holders.length})</summary>
    <table><tbody>${holders.slice(0, 6).map((it) => html`<tr>
      <td class="r">${it.age_s < 10 ? `${it.age_s.toFixed(1)} s` : span(it.age_s)}</td><td><b>${it.task}</b></td><td><code>${it.where}</code></td></tr>`)}</tbody></table>
  </details>`;
}
