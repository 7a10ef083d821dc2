// Everything that opens over the page. <dialog> keeps the focus inside and closes on Escape.
import { html } from "../shapes.js";

/** Open a <dialog> as soon as it is drawn. */
const opened = (element) => element && !element.open && element.showModal();

/** Ask before acting: what, in which state, with what consequence, and why. */
export function Confirm({ app }) {
  const { title, state, consequence, label, safe, choice, work, said } = app.state.dialog;
  const send = (event) => {
    event.preventDefault();
    const reason = event.target.elements.reason.value.trim();
    app.act(() => work(reason || undefined, choice && event.target.elements[choice.name].value), said);
  };
  return html`<dialog ref=${opened} onClose=${app.close} aria-labelledby="ask">
    <form onSubmit=${send}>
      <h2 id="ask">${title}</h2>
      <p class="state">${state}.</p>
      <p><b>What happens:</b> ${consequence}</p>
      ${choice && html`<label>${choice.label} <select name=${choice.name}>${choice.options.map(([value, words]) => html`<option value=${value}>${words}</option>`)}</select></label>`}
      <label>Reason, kept with your action
        <input name="reason" maxlength="500" minlength="3" required=${!safe} autofocus autocomplete="off" placeholder=${safe ? "optional" : "e.g. the provider says it is fixed"} /></label>
      ${app.state.failure && html`<p class="failure" role="alert">${app.state.failure}</p>`}
      <div class="row"><span class="gap"></span>
        <button type="button" onClick=${app.close}>Cancel</button>
        <button class=${safe ? "safe" : "grave"} disabled=${app.state.busy}>${label}</button></div>
    </form></dialog>`;
}

/** A section of the runbooks, without leaving the page. */
export const Runbook = ({ app }) => html`<dialog class="runbook" ref=${opened} onClose=${app.close} aria-label="Runbook">
    <pre>${app.state.dialog.text}</pre>
    <form method="dialog" class="row"><span class="gap"></span><button autofocus>Close</button></form></dialog>`;

/** The way in: a token for a cookie that scripts cannot read. */
export function SignIn({ app, must }) {
  const send = (event) => {
    event.preventDefault();
    app.enter({ token: event.target.elements.token.value.trim() });
  };
  const keep = (event) => must && event.preventDefault();
  return html`<dialog ref=${opened} onClose=${app.close} onCancel=${keep} aria-labelledby="enter">
    <form onSubmit=${send}>
      <h2 id="enter">Sign in</h2>
      <p>The read token shows everything here, the operate token may also press buttons. It was printed when the server started, or is set as <code>KOO_OPERATE_TOKEN</code>.</p>
      <label>Token <input name="token" type="password" required autofocus autocomplete="current-password" /></label>
      ${app.state.failure && html`<p class="failure" role="alert">${app.state.failure}</p>`}
      <div class="row"><span class="gap"></span>
        ${!must && html`<button type="button" onClick=${app.close}>Cancel</button>`}
        <button class="safe">Sign in</button></div>
    </form></dialog>`;
}

const KEYS = [
  ["c", "check the database"],
  ["o", "half-open the database's circuit while it is open"],
  ["r", "reset the database's circuit"],
  ["a", "acknowledge the first alert"],
  ["j k", "next, previous service"],
  ["p", "pause and resume"],
  ["s", "sign in"],
  ["Esc", "close what is open"],
];

const SHAPES = [
  ["circle", "healthy, closed"],
  ["triangle", "warning: unhealthy, or a limit is near"],
  ["half circle", "recovering: only probes pass"],
  ["square with a cross", "open: calls are refused at once"],
  ["diamond", "no key, or nothing known"],
];

export function Help({ app }) {
  return html`<dialog ref=${opened} onClose=${app.close} aria-labelledby="help">
    <h2 id="help">Keys and shapes</h2>
    <dl class="keys">${KEYS.map(([key, what]) => html`<div><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <dl class="keys">${SHAPES.map(([shape, what]) => html`<div><dt>${shape}</dt><dd>${what}</dd></div>`)}</dl>
    <p><small>A mark on a budget bar is the share of the day that is gone: a bar beyond it spends too fast. No button here touches data, rate limits or spend.</small></p>
    <form method="dialog" class="row"><span class="gap"></span><button autofocus>Close</button></form></dialog>`;
}
