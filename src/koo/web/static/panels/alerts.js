// What fires, and what changed.
import { Shape, html } from "../shapes.js";
import { ago, at, plain, short } from "../words.js";

export function Alerts({ app, now }) {
  const { alerts } = app.state.data;
  return html`<section class="card alerts" aria-labelledby="alerts">
    <h2 id="alerts">Alerts ${alerts.length > 0 && html`<small>${alerts.length}</small>`}</h2>
    ${alerts.length === 0 && html`<p class="calm">Nothing fires.</p>`}
    <ul>${alerts.map((it) => html`<${Alert} key=${it.id} it=${it} app=${app} now=${now} />`)}</ul>
  </section>`;
}

function Alert({ it, app, now }) {
  const todo = it.message.slice(it.message.indexOf("; ") + 2);
  return html`<li class=${it.state}><details open=${it.severity === "critical"}>
    <summary><${Shape} of=${it.severity} /><span><b>${it.title}</b> ${short(it.component)} <small>${it.state === "pending" ? "pending, " : ""}${ago(it.since, now)}</small>
      ${it.cause && html`<span class="cause">${it.cause}</span>`}</span></summary>
    <p class="todo">${sentence(todo)} ${" "}
      ${app.state.who.about.has_runbooks
        ? html`<button class="link-like" onClick=${() => app.read(it.runbook)}>Runbook</button>`
        : html`<code>${it.runbook}</code>`}</p>
  </details></li>`;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

export function Changes({ data }) {
  return html`<section class="card changes" aria-labelledby="changes">
    <h2 id="changes">What changed</h2>
    ${data.events.length === 0 && html`<p class="calm">Nothing yet.</p>`}
    <ul>${data.events.slice(0, 12).map((it) => html`<${Change} key=${it.at + it.component + it.what} it=${it} />`)}</ul>
  </section>`;
}

function Change({ it }) {
  return html`<li><time datetime=${it.at}>${at(it.at)}</time>
    <span><b>${short(it.component)}</b> ${it.what}${it.to ? html` <span class="move">${it.from !== it.to ? `${plain(it.from)} → ` : ""}${plain(it.to)}</span>` : ""}
      ${it.actor && html` by <b>${it.actor}</b>`}
      ${it.cause && html`<small class="under">${it.actor ? `“${it.cause}”` : it.cause}</small>`}</span></li>`;
}
