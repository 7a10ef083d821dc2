// The AI services, worst first: breaker, calls, times, limits, and money against the day.
import { Bar, Shape, html } from "../shapes.js";
import { ago, at, count, duration, epoch, money, NONE, percent, plain, span } from "../words.js";
import { askToHalfOpenService, askToResetService } from "./actions.js";
import { Breaker, kinds } from "./database.js";
import { dayGone, pace } from "./verdict.js";

const ORDER = ["circuit_open", "degraded", "unhealthy", "rate_limited", "maintenance", "healthy"];

/** Worst first: those with a key by state, then by failures; those without a key last. */
function worstFirst(services) {
  const rank = (it) => (it.configured ? ORDER.indexOf(it.state) : ORDER.length);
  const failing = (it) => 1 - (it.metrics.success_rate ?? 1);
  return Object.values(services).sort(
    (a, b) => rank(a) - rank(b) || failing(b) - failing(a) || a.service.localeCompare(b.service),
  );
}

export function Services({ app, now }) {
  const rows = worstFirst(app.state.data.ai_services);
  if (!rows.length) return null;
  return html`<section class="card services" aria-labelledby="services">
    <h2 id="services">AI services <small>worst first</small></h2>
    <table><thead><tr><th>Service</th><th>Circuit</th><th>Calls, 5 min</th><th>Answers</th><th>Rate limits</th><th>Budget today</th><th></th></tr></thead>
    <tbody>${rows.map((it) => html`<${Row} key=${it.service} it=${it} app=${app} now=${now} />`)}</tbody></table>
  </section>`;
}

function Row({ it, app, now }) {
  if (!it.configured) {
    return html`<tr tabindex="-1" class="off"><th scope="row"><${Shape} of="unknown" />${it.service}</th>
      <td colspan="6"><small>no key${it.key_variable ? html`; set <code>${it.key_variable}</code> to use it` : ""}</small></td></tr>`;
  }
  const can = app.canAct();
  return html`<tr tabindex="-1">
    <th scope="row"><${Shape} of=${it.state} />${it.service}<small class="under">${plain(it.state)}${it.model ? ` · ${it.model}` : ""}</small></th>
    <td data-name="Circuit"><${Breaker} breaker=${it.circuit_breaker} now=${now} stamp=${app.state.data.timestamp} /></td>
    <td data-name="Calls, 5 min"><${Calls} metrics=${it.metrics} now=${now} /></td>
    <td data-name="Answers"><${Times} metrics=${it.metrics} /></td>
    <td data-name="Rate limits"><${Limits} limits=${it.rate_limits} now=${now} /></td>
    <td data-name="Budget today"><${Budget} cost=${it.cost} now=${now} /></td>
    <td class="do">${it.circuit_breaker.state === "open" && it.circuit_breaker.mode === "normal" && html`<button class="first" disabled=${!can} title=${can ? "" : "Sign in with the operate token"} aria-label=${`Half-open the circuit of ${it.service}`} onClick=${() => askToHalfOpenService(app, it.service)}>Half-open…</button>`}
      <button disabled=${!can} title=${can ? "" : "Sign in with the operate token"} aria-label=${`Reset errors of ${it.service}`} onClick=${() => askToResetService(app, it.service)}>Reset…</button></td>
  </tr>`;
}

function Calls({ metrics, now }) {
  if (!metrics.total_requests) return html`<small>no calls yet</small>`;
  const error = metrics.last_error;
  return html`<b>${percent(metrics.success_rate)}</b> <small>answered</small>
    <small class="under">${count(metrics.total_requests)} in all; ${error ? `${plain(error.kind)}, ${ago(error.at, now)} ago` : "no error"}${sumOf(metrics.error_counts) > 1 ? ` (${kinds(metrics.error_counts)})` : ""}</small>`;
}

const sumOf = (counts) => Object.values(counts).reduce((total, number) => total + number, 0);

function Times({ metrics }) {
  if (metrics.p50_ms === null) return NONE;
  return html`${duration(metrics.p50_ms)}<small class="under">p95 ${duration(metrics.p95_ms)}</small><small class="under">p99 ${duration(metrics.p99_ms)}</small>`;
}

function Limits({ limits, now }) {
  const windows = ["minute", "hour", "day"].filter((name) => limits[name]);
  return html`<div class="limits">${windows.map((name) => html`<${Limit} name=${name} it=${limits[name]} />`)}</div>
    ${limits.throttled_until && html`<small class="under">paused by the provider for ${span(epoch(limits.throttled_until) - now)}</small>`}`;
}

function Limit({ name, it }) {
  const share = it.used / it.limit;
  const words = `${it.used} of ${it.limit} this ${name}, ${it.remaining} left`;
  return html`<div title=${words}><small>${name}</small>
    <${Bar} share=${share} state=${share >= 1 ? "critical" : share >= 0.8 ? "warning" : "ok"} label=${words} />
    <small class="r">${count(it.used)}/${count(it.limit)}</small></div>`;
}

function Budget({ cost, now }) {
  if (!cost) return NONE;
  const [spent, budget] = [Number(cost.spent_today), Number(cost.daily_budget)];
  const share = budget ? spent / budget : 0;
  const gone = cost.resets_at ? dayGone(cost.resets_at, now) : undefined;
  return html`<${Bar} share=${share} mark=${gone} state=${pace(share, gone)} label=${`${money(cost.spent_today)} of ${money(cost.daily_budget)}`} />
    <small class="under"><b>${money(cost.spent_today)}</b> of ${money(cost.daily_budget)} · ${ending(spent, budget, gone, now)}${cost.per_request_mean ? ` · ${money(cost.per_request_mean)} a call` : ""}</small>`;
}

/** When the money runs out at the pace of the day, or that it does not. */
function ending(spent, budget, gone, now) {
  if (!spent) return "nothing spent";
  if (spent >= budget) return "spent";
  if (!(gone > 0.02)) return "the day is young";
  const left = ((budget - spent) / spent) * gone * 86400;
  return left < (1 - gone) * 86400 ? `gone by ${at((now + left) * 1000).slice(0, -3)}` : "on pace";
}
