// One state, one drawing of it, one clock. Data comes in by the feed, actions go out by dialogs.
import { render } from "./vendor/preact.mjs";
import { html, level } from "./shapes.js";
import { beginWish, Follower, readRunbook, signIn, signOut, whoAmI } from "./feed.js";
import { epoch } from "./words.js";
import { Header, Tiles, Verdict } from "./panels/verdict.js";
import { Database } from "./panels/database.js";
import { Services } from "./panels/services.js";
import { Alerts, Changes } from "./panels/alerts.js";
import { Confirm, Help, Runbook, SignIn } from "./panels/dialogs.js";

const state = {
  who: null, data: null, link: "connecting", received: 0, paused: false,
  dialog: null, failure: null, news: "", busy: false,
};
const root = document.getElementById("page");
const follower = new Follower(receive, (link) => link === state.link || (link === "refused" ? meet() : change({ link })));

/** Who this is by now: a sign-in ends after a time, and with the server's process. */
async function meet() {
  change({ link: "refused" });
  await askWho();
}

/** Whoever was refused is nobody, also while the server can't say so. */
async function askWho() {
  change({ who: (await whoAmI().catch(() => null)) ?? (state.who && { ...state.who, scope: null, signed_in: false }) });
}

/** Whether what is shown is of another time. */
const isStale = () =>
  state.link === "offline" || (state.data && performance.now() - state.received > 5000 && !state.paused);

/** The server's clock, carried on from the last frame. */
const now = () => epoch(state.data.timestamp) + (performance.now() - state.received) / 1000;

function change(part) {
  Object.assign(state, part);
  draw();
}

function receive(data) {
  if (state.paused) return;
  const before = state.data?.verdict.headline;
  const news = before && before !== data.verdict.headline ? data.verdict.headline : state.news;
  change({ data, received: performance.now(), news });
}

const app = {
  state,
  open(dialog) {
    beginWish();
    change({ dialog, failure: null });
  },
  close: () => change({ dialog: null, failure: null }),
  pause: () => change({ paused: !state.paused }),
  canAct: () => state.who?.scope === "operate",
  /** Do it once, however often the button is pressed meanwhile. */
  async act(work, said) {
    if (state.busy) return;
    change({ failure: null, busy: true });
    try {
      const { previous_state: before, new_state: after, message } = await work();
      change({ dialog: null, news: before && before === after ? message : said });
    } catch (error) {
      change({ failure: error.message });
      if (error.status === 401) await askWho();
    } finally {
      change({ busy: false });
    }
  },
  async read(runbook) {
    const text = await readRunbook(runbook).catch((error) => error.message);
    change({ dialog: { kind: "runbook", text } });
  },
  async enter(proof) {
    try {
      change({ who: await signIn(proof), dialog: null, failure: null, link: "connecting" });
      follower.start();
    } catch (error) {
      change({ failure: error.message });
    }
  },
  async leave() {
    await signOut();
    location.reload();
  },
};

/** What machines read, for whoever wants to look or to keep it. */
const PARTS = [["/api/v1/monitoring/dashboard", "This page as JSON"], ["/metrics", "Metrics"], ["/openapi.json", "The API"]];

function Page() {
  const { data, who } = state;
  const stale = isStale();
  const clock = data ? now() : 0;
  return html`
    <${Header} app=${app} stale=${stale} />
    ${data && html`<main class=${stale ? "stale" : ""}>
      <${Verdict} app=${app} now=${clock} />
      <${Tiles} data=${data} now=${clock} />
      ${data.database && html`<${Database} app=${app} now=${clock} />`}
      <div class="side"><${Alerts} app=${app} now=${clock} /><${Changes} data=${data} /></div>
      <${Services} app=${app} now=${clock} />
    </main><footer>${PARTS.map(([path, words]) => html`<a href=${path}>${words}</a>`)}</footer>`}
    ${!data && state.link !== "refused" && html`<p class="waiting-page">Asking the server…</p>`}
    ${(state.link === "refused" || state.dialog?.kind === "sign-in") && html`<${SignIn} app=${app} must=${!who?.scope} />`}
    ${state.dialog?.kind === "confirm" && html`<${Confirm} app=${app} key=${state.dialog.title} />`}
    ${state.dialog?.kind === "runbook" && html`<${Runbook} app=${app} />`}
    ${state.dialog?.kind === "help" && html`<${Help} app=${app} />`}
    <p class="hidden" role="status">${state.news}</p>`;
}

function draw() {
  render(html`<${Page} />`, root);
  const verdict = state.data?.verdict;
  const title = state.who?.about.title ?? "koo";
  const lost = isStale() || state.link === "refused";
  const mark = lost || !verdict ? "unknown" : verdict.level;
  document.title = verdict && verdict.level !== "ok" ? `${verdict.headline} · ${title}` : title;
  const icon = document.getElementById("icon");
  const href = `/static/icons/${mark}.svg`;
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
  document.documentElement.dataset.level = level(mark);
}

const KEYS = {
  "?": () => app.open({ kind: "help" }),
  p: () => app.pause(),
  c: () => press("c"),
  o: () => press("o"),
  r: () => press("r"),
  a: () => press("a"),
  s: () => press("s"),
  j: () => step(1),
  k: () => step(-1),
};

const press = (name) => document.querySelector(`[data-key="${name}"]`)?.click();

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input,select,dialog");
  const act = KEYS[event.key];
  if (!act || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault(); // or the key would be typed into the dialog that it opens
  act();
});

function step(by) {
  const rows = [...document.querySelectorAll(".services tbody tr")];
  const here = rows.indexOf(document.activeElement.closest?.("tr"));
  rows[(here + by + rows.length) % rows.length]?.focus();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) follower.stop();
  else if (state.who?.scope) follower.start();
});

async function begin() {
  const code = /^#code=([\w-]+)$/.exec(location.hash)?.[1];
  if (code) {
    history.replaceState(null, "", location.pathname);
    await app.enter({ code });
  }
  const who = state.who ?? (await whoAmI().catch(() => null));
  change({ who, failure: null, link: who && !who.scope ? "refused" : state.link });
  if (who?.scope) follower.start();
  else if (!who) setTimeout(begin, 2000);
}

setInterval(() => state.data && draw(), 500);
draw();
begin();
