// What fires, and what changed.
import { Shape, html } from "../shapes.js";
import { ago, at, plain, short } from "../words.js";
import { askToAcknowledge, askToLift, askToSilence } from "./actions.js";

export function Alerts({ app, now }) {
  const { alerts, inhibited, silences } = app.state.data;
  return html`<section class="card alerts" aria-labelledby="alerts">
    <h2 id="alerts">Alerts ${alerts.length > 0 && html`<small>${alerts.length}</small>`}</h2>
    ${alerts.length === 0 && html`<p class="calm">Nothing fires.</p>`}
    <ul>${alerts.map((it) => html`<${Alert} key=${it.id} it=${it} app=${app} now=${now} />`)}</ul>
    ${inhibited.length > 0 && html`<details class="muted"><summary>${inhibited.length} more ${inhibited.length > 1 ? "follow" : "follows"} from ${alerts.length > 1 ? "these" : "this"}</summary>
      <ul>${inhibited.map((it) => html`<li key=${it.id}><small>${it.title}, ${short(it.component)}</small></li>`)}</ul></details>`}
    ${silences.length > 0 && html`<details class="muted"><summary>${silences.length} ${silences.length > 1 ? "silences" : "silence"} in force</summary>
      <ul>${silences.map((it) => html`<${Silence} key=${it.id} it=${it} app=${app} />`)}</ul></details>`}
  </section>`;
}

function Alert({ it, app, now }) {
  const todo = it.message.slice(it.message.indexOf("; ") + 2);
  return html`<li class=${it.state}><details open=${it.severity === "critical"}>
    <summary><${Shape} of=${it.severity} /><span><b>${it.title}</b> ${short(it.component)} <small>${it.state === "pending" ? "pending, " : ""}${ago(it.since, now)}${it.silence ? ", silenced" : ""}${it.acknowledged_by ? `, seen by ${it.acknowledged_by}` : ""}</small>
      ${it.cause && html`<span class="cause">${it.cause}</span>`}</span></summary>
    <p class="todo">${sentence(todo)} ${" "}
      ${app.state.who.about.has_runbooks
        ? html`<button class="link-like" onClick=${() => app.read(it.runbook)}>Runbook</button>`
        : html`<code>${it.runbook}</code>`}</p>
    ${it.state === "firing" && it.severity !== "info" && app.canAct() && html`<p class="todo">
      ${!it.acknowledged_by && html`<button class="small" data-key="a" aria-label=${`Acknowledge ${it.title}, ${short(it.component)}`} onClick=${() => askToAcknowledge(app, it)}>Acknowledge…</button>`}
      ${!it.silence && html`<button class="small" aria-label=${`Silence ${it.title}, ${short(it.component)}`} onClick=${() => askToSilence(app, it)}>Silence…</button>`}</p>`}
  </details></li>`;
}

const Silence = ({ it, app }) => html`<li><small><b>${it.component} ${it.rule}</b> until ${at(it.ends)}, by ${it.actor}: “${it.reason}” </small>
    ${app.canAct() && html`<button class="small" onClick=${() => askToLift(app, it)}>Lift…</button>`}</li>`;

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

export function Changes({ data }) {
  return html`<section class="card changes" aria-labelledby="changes">
    <h2 id="changes">What changed</h2>
    ${data.events.length === 0 && html`<p class="calm">Nothing yet.</p>`}
    <ul tabindex="0" aria-labelledby="changes">${data.events.slice(0, 12).map((it) => html`<${Change} key=${it.at + it.component + it.what + it.to} it=${it} />`)}</ul>
  </section>`;
}

function Change({ it }) {
  return html`<li><time datetime=${it.at}>${at(it.at)}</time>
    <span><b>${short(it.component)}</b> ${it.what}${it.to ? html` <span class="move">${it.from && it.from !== it.to ? `${plain(it.from)} → ` : ""}${plain(it.to)}</span>` : ""}
      ${it.actor && html` by <b>${it.actor}</b>`}
      ${it.cause && html`<small class="under">${it.actor ? `“${it.cause}”` : it.cause}</small>`}</span></li>`;
}
