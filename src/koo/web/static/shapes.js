// What is drawn: a shape for every state, so that no state is told by colour alone.
import { h } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";

export const html = htm.bind(h);

const LEVELS = {
  healthy: "ok", closed: "ok", ok: "ok",
  unhealthy: "warn", rate_limited: "warn", warning: "warn",
  degraded: "half", half_open: "half",
  circuit_open: "crit", open: "crit", critical: "crit",
  maintenance: "unk", unknown: "unk", info: "info",
};

export const level = (state) => LEVELS[state] ?? "unk";

const DRAWINGS = {
  ok: () => html`<circle cx="8" cy="8" r="6" />`,
  warn: () => html`<path d="M8 1.2 15.2 14.5H.8z" />`,
  half: () => html`<circle class="outline" cx="8" cy="8" r="5.6" /><path d="M8 2.4a5.6 5.6 0 0 1 0 11.2z" />`,
  crit: () => html`<rect x="1.5" y="1.5" width="13" height="13" rx="1.5" /><path class="cut" d="M5 5l6 6M11 5l-6 6" />`,
  unk: () => html`<path d="M8 1l7 7-7 7-7-7z" />`,
  info: () => html`<circle class="outline" cx="8" cy="8" r="5.6" /><path d="M7.1 7h1.8v4.6H7.1zM7.1 4.2h1.8V6H7.1z" />`,
};

/** The shape of a state, beside its word: never alone. */
export const Shape = ({ of, big }) => {
  const kind = level(of);
  return html`<svg class=${`shape ${kind}${big ? " big" : ""}`} viewBox="0 0 16 16" aria-hidden="true">${DRAWINGS[kind]()}</svg>`;
};

/** A bar of a share, with a mark for where it should be by now. */
export const Bar = ({ share, mark, state, label }) => html`
  <div class="bar" role="img" aria-label=${label}>
    <span class=${`fill ${level(state)}`} style=${{ width: `${Math.min(100, share * 100)}%` }}></span>
    ${mark === undefined ? null : html`<em style=${{ left: `${Math.min(100, mark * 100)}%` }}></em>`}
  </div>`;

/** The last outcomes of a breaker, newest at the right: tall failures, short successes. */
export const Outcomes = ({ breaker }) => {
  const { failures, outcomes, latest } = breaker;
  if (!outcomes) return html`<small class="none">no attempts in the window</small>`;
  const words = `${failures} of ${outcomes} attempts failed`;
  const newest = latest.length ? `, the newest ${latest.at(-1) ? "did not" : "did"}` : "";
  return html`<span class="window" role="img" aria-label=${`in the window: ${words}${newest}`}>
      ${latest.map((passed) => html`<i class=${passed ? "pass" : "fail"}></i>`)}
    </span><small>${words}</small>`;
};

const SHORTEST = 24;

/** Two lines on one axis under a dotted limit; newest at the right. */
export const Lines = ({ used, waiting, most, label }) => {
  const [width, height] = [600, 64];
  const places = Math.max(SHORTEST, used.length);
  const top = Math.max(most, ...used, ...waiting, 1);
  const x = (i) => (width * (i + places - used.length)) / (places - 1);
  const y = (value) => height - 3 - (value / top) * (height - 8);
  const line = (values) => values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return html`<svg class="lines" viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label=${label}>
    <line x1="0" x2=${width} y1=${y(most)} y2=${y(most)} />
    <polyline class="used" points=${line(used)} /><polyline class="waiting" points=${line(waiting)} /></svg>`;
};
