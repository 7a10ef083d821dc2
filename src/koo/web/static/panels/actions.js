// What each button asks before it acts: the object, its state, and the consequence in words.
import { checkDatabase, resetDatabase, resetService } from "../feed.js";
import { ago, plain, span } from "../words.js";

const RAMP = "A few calls pass at first, more with each success; if they fail, the circuit opens again.";

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

export const askToResetDatabase = (app) => {
  const { circuit_breaker: breaker } = app.state.data.database.health;
  return app.open({
    kind: "confirm",
    title: "Reset the database circuit",
    state: databaseState(app),
    safe: breaker.state === "closed",
    consequence: `${next(breaker, "the server")} ${RAMP} Failure counts start at zero. No data and no connection is touched.`,
    label: "Reset the circuit",
    work: resetDatabase,
    said: "The database circuit was reset.",
  });
};

export const askToResetService = (app, name) => {
  const service = app.state.data.ai_services[name];
  return app.open({
    kind: "confirm",
    title: `Reset the errors of ${name}`,
    state: `${name} is ${plain(service.state)}${service.cause ? `: ${service.cause}` : ""}`,
    safe: service.circuit_breaker.state === "closed",
    consequence: `${next(service.circuit_breaker, "the provider, and may cost money")} ${RAMP} Error counts start at zero and a refused key is tried again. Rate limits and spend stay as they are.`,
    label: "Reset errors",
    work: (reason) => resetService(name, reason),
    said: `The errors of ${name} were reset.`,
  });
};

function next(breaker, whom) {
  if (breaker.state === "closed") return "The circuit is closed already; calls pass before and after.";
  const wait = breaker.retry_after ? ` instead of in ${span(breaker.retry_after)}` : "";
  return `Calls go at once${wait} to ${whom}. ${breaker.rejected_total} calls were refused since the start.`;
}

function databaseState(app) {
  const { health } = app.state.data.database;
  const now = Date.parse(app.state.data.timestamp) / 1000;
  const asked = health.last_check ? `; last asked ${ago(health.last_check, now)} ago` : "";
  return `The database is ${plain(health.state)}${health.error ? `: ${health.error}` : ""}${asked}`;
}
