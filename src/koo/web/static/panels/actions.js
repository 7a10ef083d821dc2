// What each button asks before it acts: the object, its state, and the consequence in words.
import { acknowledge, checkDatabase, halfOpenDatabase, halfOpenService, lift, resetDatabase, resetService, silence } from "../feed.js";
import { ago, plain, short, span } from "../words.js";

const RAMP = "A few calls pass at first, more with each success; if they fail, the circuit opens again.";
const PROBE = "One call at a time is let through as a probe. If probes succeed, the circuit closes; if one fails, it stays open and waits longer.";

export const askToCheck = (app) =>
  app.open({
    kind: "confirm",
    title: "Check the database",
    state: databaseState(app),
    safe: true,
    consequence: "One short query goes to the server, at most once a second. If it is answered while the circuit is open, the wait ends and the next call probes. Nothing is changed.",
    label: "Check now",
    work: checkDatabase,
    said: "The database was checked.",
  });

export const askToHalfOpenDatabase = (app) => {
  const { circuit_breaker: breaker } = app.state.data.database.health;
  return app.open({
    kind: "confirm",
    title: "Half-open the database circuit",
    state: databaseState(app),
    safe: true,
    consequence: `${sooner(breaker, "the server")} ${PROBE} No data and no connection is touched.`,
    label: "Half-open now",
    work: (reason) => halfOpenDatabase(reason, breaker.generation),
    said: "The database circuit is half-open.",
  });
};

export const askToResetDatabase = (app) => {
  const { circuit_breaker: breaker } = app.state.data.database.health;
  return app.open({
    kind: "confirm",
    title: "Reset the database circuit",
    state: databaseState(app),
    safe: breaker.state === "closed",
    consequence: `${next(breaker, "the server")} ${RAMP} Failure counts start at zero. No data and no connection is touched.`,
    label: "Reset the circuit",
    work: (reason) => resetDatabase(reason, breaker.generation),
    said: "The database circuit was reset.",
  });
};

export const askToHalfOpenService = (app, name) => {
  const { circuit_breaker: breaker } = app.state.data.ai_services[name];
  return app.open({
    kind: "confirm",
    title: `Half-open the circuit of ${name}`,
    state: serviceState(app, name),
    safe: true,
    consequence: `${sooner(breaker, "the provider, and may cost money")} ${PROBE} Rate limits and spend stay as they are.`,
    label: "Half-open now",
    work: (reason) => halfOpenService(name, reason, breaker.generation),
    said: `The circuit of ${name} is half-open.`,
  });
};

export const askToResetService = (app, name) => {
  const { circuit_breaker: breaker } = app.state.data.ai_services[name];
  return app.open({
    kind: "confirm",
    title: `Reset the errors of ${name}`,
    state: serviceState(app, name),
    safe: breaker.state === "closed",
    consequence: `${next(breaker, "the provider, and may cost money")} ${RAMP} Error counts start at zero and a refused key is tried again. Rate limits and spend stay as they are.`,
    label: "Reset errors",
    work: (reason) => resetService(name, reason, breaker.generation),
    said: `The errors of ${name} were reset.`,
  });
};

export const askToAcknowledge = (app, alert) =>
  app.open({
    kind: "confirm",
    title: `Acknowledge: ${alert.title}`,
    state: `${short(alert.component)}, since ${ago(alert.since, Date.parse(app.state.data.timestamp) / 1000)}`,
    safe: true,
    consequence: "Everybody sees that you are on it, and nobody is reminded of it. That it ends is told. Nothing else changes.",
    label: "Acknowledge",
    work: (reason) => acknowledge(alert.id, reason),
    said: `${alert.title} was acknowledged.`,
  });

const HOURS = [["3600", "1 hour"], ["14400", "4 hours"], ["86400", "1 day"], ["604800", "1 week"]];

export const askToSilence = (app, alert) => {
  const rule = alert.id.slice(alert.component.length + 1);
  return app.open({
    kind: "confirm",
    title: `Silence: ${alert.title}`,
    state: `Alerts ${rule} of ${alert.component}`,
    safe: false,
    choice: { name: "seconds", label: "For", options: HOURS },
    consequence: "Nobody is told of it until then. It stays on this page, and who was told that it fires is told that it is over.",
    label: "Silence",
    work: (reason, seconds) => silence({ component: alert.component, rule, seconds: Number(seconds), reason }),
    said: `${alert.title} was silenced.`,
  });
};

export const askToLift = (app, it) =>
  app.open({
    kind: "confirm",
    title: "Lift the silence",
    state: `Alerts ${it.rule} of ${it.component}: \u201c${it.reason}\u201d, by ${it.actor}`,
    safe: true,
    consequence: "What fires and matches is told again, as if it were new.",
    label: "Lift the silence",
    work: (reason) => lift(it.id, reason),
    said: "The silence was lifted.",
  });

function next(breaker, whom) {
  if (breaker.state === "closed") return "The circuit is closed already; calls pass before and after.";
  const wait = breaker.retry_after ? ` instead of in ${span(breaker.retry_after)}` : "";
  return `Calls go at once${wait} to ${whom}. ${breaker.rejected_total} calls were refused since the start.`;
}

function sooner(breaker, whom) {
  if (breaker.state !== "open") return `The circuit is ${plain(breaker.state)} already; nothing changes.`;
  const wait = breaker.retry_after ? ` instead of in ${span(breaker.retry_after)}` : "";
  return `The next call goes at once${wait} to ${whom}.`;
}

function serviceState(app, name) {
  const service = app.state.data.ai_services[name];
  return `${name} is ${plain(service.state)}${service.cause ? `: ${service.cause}` : ""}`;
}

function databaseState(app) {
  const { health } = app.state.data.database;
  const now = Date.parse(app.state.data.timestamp) / 1000;
  const asked = health.last_check ? `; last asked ${ago(health.last_check, now)} ago` : "";
  return `The database is ${plain(health.state)}${health.error ? `: ${health.error}` : ""}${asked}`;
}
