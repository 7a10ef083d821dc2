// Numbers and moments as people read them. Nothing here touches the page.

export const NONE = "–";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** 1234 as "1,234". */
export const count = (number) => (number === null || number === undefined ? NONE : COUNT.format(number));

/** Seconds as the two largest units that matter: "41 s", "3 min 20 s", "2 h 5 min", "4 d 1 h". */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  const total = Math.max(0, Math.round(seconds));
  if (total < 60) return `${total}\u00a0s`;
  if (total < 600) return two(Math.floor(total / 60), "min", total % 60, "s");
  if (total < 3600) return `${Math.floor(total / 60)}\u00a0min`;
  if (total < 86400) return two(Math.floor(total / 3600), "h", Math.floor((total % 3600) / 60), "min");
  return two(Math.floor(total / 86400), "d", Math.floor((total % 86400) / 3600), "h");
}

const two = (most, unit, rest, small) => (rest ? `${most}\u00a0${unit} ${rest}\u00a0${small}` : `${most}\u00a0${unit}`);

/** Seconds as a countdown: "00:41". */
export function countdown(seconds) {
  const total = Math.max(0, Math.ceil(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(total / 3600);
  return (hours ? `${hours}:` : "") + `${two(Math.floor(total / 60) % 60)}:${two(total % 60)}`;
}

/** Milliseconds with the unit that fits: "0.8 ms", "41 ms", "1.2 s". */
export function duration(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 10) return `${ms.toFixed(1)}\u00a0ms`;
  if (ms < 1000) return `${Math.round(ms)}\u00a0ms`;
  return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)}\u00a0s`;
}

/** A share of 0 to 1 as a percentage that never rounds a loss away. */
export function percent(share) {
  if (share === null || share === undefined) return NONE;
  const value = share * 100;
  if (value === 100 || value === 0) return `${value}\u00a0%`;
  return `${(value > 99.9 ? Math.floor(value * 100) / 100 : value).toFixed(value > 99 || value < 1 ? 2 : 1)}\u00a0%`;
}

/** A decimal string of dollars: "$10.46", and small amounts with what they need. */
export function money(text) {
  if (text === null || text === undefined) return NONE;
  const amount = Number(text);
  if (amount === 0 || amount >= 0.1) return `$${amount.toFixed(2)}`;
  return `$${amount.toPrecision(2)}`;
}

export const epoch = (iso) => Date.parse(iso) / 1000;

/** A moment as the viewer's time of day, with the date unless it is today's. */
export function at(iso) {
  const moment = new Date(iso);
  const time = CLOCK.format(moment);
  return moment.toDateString() === new Date().toDateString() ? time : `${DAY.format(moment)}, ${time}`;
}

/** How long ago, against the server's own clock. */
export const ago = (iso, now) => span(now - epoch(iso));

/** "circuit_open" as "circuit open". */
export const plain = (word) => String(word).replaceAll("_", " ");

/** "ai:claude" as "claude". */
export const short = (component) => component.replace(/^ai:/, "");
