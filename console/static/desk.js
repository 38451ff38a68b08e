// @ts-check
/** The agent's desk: one live call. */

import { Cards } from "./cards.js";
import { drawCurve } from "./curve.js";
import { byId, clock, h, isTyping, keyed, loadTexts, percent, setText, SIGNS, t } from "./dom.js";
import { Live, post } from "./live.js";
import { why } from "./reasons.js";
import { Talk } from "./talk.js";
import { wrapUp } from "./wrapup.js";

await loadTexts();
const live = new Live();
const talk = new Talk();
const agent = byId("idle").dataset.agent ?? "";
/** @type {{ id: string, cards: Cards, ended: number, saved: number, began: number, state: any, sensitive: boolean } | null} */
let call = null;
let chosen = new URLSearchParams(location.search).get("call");

live.open("calls", (rows) => {
  const calls = [...rows.values()].filter((row) => row.k === "call" && (!agent || row.agent === agent));
  if (call) {
    const row = rows.get(call.id);
    if (row) call.began = row.at;
    if (!call.ended || calls.length === 0) return;
    const next = agent && calls.find((one) => one.key !== call?.id);
    if (next && !document.querySelector("#wrap")?.contains(document.activeElement)) begin(next.key);
    return;
  }
  const own = chosen ? rows.get(chosen) : agent ? calls[0] : undefined;
  if (own) begin(own.key, own.at);
  else if (chosen) past(chosen);
  else if (!agent) choose(calls);
});

/** @type {string | null} */
let asked = null;

/** A call that is not live: its wrap-up, where it is kept; else it has not begun yet. @param {string} id */
async function past(id) {
  if (asked === id) return;
  asked = id;
  const kept = await post("summary", { call: id }).catch(() => null);
  if (kept && !call) begin(id);
}

/** @param {any[]} calls */
function choose(calls) {
  keyed(
    byId("choose"),
    calls.slice(0, 50),
    (row) => row.key,
    (row) => h("li", {}, h("button", { onclick: () => begin(row.key, row.at) }, h("span", {}), h("span", {}))),
    (node, row) => {
      const [name, length] = /** @type {Element} */ (node.firstElementChild).children;
      setText(name, [row.agent, row.queue, row.key].filter(Boolean).join(" · "));
      setText(length, clock(live.now() - row.at));
    },
  );
}

/** @param {string} id @param {number} [began] */
function begin(id, began) {
  if (call) {
    live.close(`call:${call.id}`);
    call.cards.stop();
  }
  talk.clear();
  document.querySelector("#wrap")?.remove();
  setText(byId("replies-head"), t("desk.suggestions"));
  byId("reply").hidden = false;
  byId("idle").hidden = true;
  byId("columns").hidden = false;
  chosen = id;
  history.replaceState(null, "", `/desk?call=${encodeURIComponent(id)}`);
  call = { id, cards: new Cards(id), ended: 0, saved: 0, began: began ?? live.now(), state: {}, sensitive: false };
  setText(byId("call-name"), id);
  byId("sensitive").hidden = false;
  live.open(`call:${id}`, (rows, changed, snapshot) => paint(rows, changed, snapshot));
  tick();
}

/** @param {Map<string, any>} rows @param {Set<string>} changed @param {boolean} snapshot */
function paint(rows, changed, snapshot) {
  if (!call) return;
  if (rows.get("line")?.phase === "gone" && !call.ended) end(); // also a call of the past: its wrap-up is here
  talk.paint(rows, changed, snapshot);
  call.cards.take(rows, changed);
  if (changed.has("curve")) mood(rows.get("curve"));
  if (changed.has("state")) {
    call.state = rows.get("state") ?? {};
    if (call.state.phase === "ended" && !call.ended) end();
  }
  notice(rows);
  tick();
}

/** @param {any} row */
function mood(row) {
  byId("mood").hidden = false;
  drawCurve(byId("curve"), row.points);
  setText(byId("mood-now"), percent(row.points[row.points.length - 1][1]));
}

/** The row above the columns: what matters most now. @param {Map<string, any>} rows */
function notice(rows) {
  const node = byId("notice");
  const state = call?.state ?? {};
  const alerts = call?.ended ? [] : [...rows.values()].filter((row) => row.k === "alert" && ["raised", "escalated", "taken"].includes(row.state));
  alerts.sort((a, b) => rank(b) - rank(a) || b.start - a.start);
  const parts = [];
  let kind = "";
  if (call?.sensitive) parts.push(`‖ ${t("desk.sensitive_is_on")}`);
  else if (state.hold) parts.push(`‖ ${t(`desk.${state.hold}`)}`);
  if (state.late && state.lag > 0) parts.push(t("desk.behind", state.lag));
  if (state.missed) parts.push(t("desk.missed", state.missed));
  const [worst] = alerts;
  if (worst) {
    kind = worst.state === "taken" ? "" : worst.severity;
    const sign = /** @type {Record<string, string>} */ (SIGNS)[worst.severity];
    parts.push(`${sign} ${t(`severity.${worst.severity}`)} ${why(worst)}`);
    if (worst.state === "taken") parts.push(`✓ ${t("desk.alert_taken")}`);
    if (alerts.length > 1) parts.push(t("wall.more", alerts.length - 1));
  }
  node.className = `notice ${kind}`;
  const text = parts.join("　");
  if (node.textContent !== text) node.replaceChildren(h("span", { text, title: text }));
}

/** Say that something did not work; the next event takes its place. @param {Error} error */
function tell(error) {
  const text = `${t("app.failed")}${error.message}`;
  byId("notice").replaceChildren(h("span", { text, title: text }));
}

/** @param {any} row */
const rank = (row) => ({ critical: 3, warning: 2, info: 1 })[/** @type {"info"} */ (row.severity)] ?? 0;

function end() {
  if (!call) return;
  call.ended = live.now();
  byId("sensitive").hidden = true;
  call.cards.stop();
  const form = wrapUp(call.id);
  const mine = call;
  form.addEventListener("saved", () => (mine.saved ||= live.now()));
  form.addEventListener("moment", (event) => {
    if (talk.show(/** @type {CustomEvent} */ (event).detail)) event.preventDefault(); // else its link leads to the record
  });
  notice(live.topics.get(`call:${call.id}`)?.rows ?? new Map());
  byId("cards").replaceChildren(form);
  setText(byId("replies-head"), t("wrap.title"));
  byId("reply").hidden = true;
}

function tick() {
  if (!call) return;
  const ended = call.ended > 0;
  const phase = ended ? `■ ${t("desk.ended")}` : call.state.hold ? `‖ ${t("desk.hold")}` : "●";
  const time = ended ? `${t("wrap.timer")} ${clock((call.saved || live.now()) - call.ended)}` : clock(live.now() - call.began);
  setText(byId("phase"), `${phase} ${time}`);
}
setInterval(tick, 1_000);

byId("customer-only").addEventListener("change", (/** @type {Event} */ event) => {
  byId("log").classList.toggle("only-customer", /** @type {HTMLInputElement} */ (event.target).checked);
});

byId("sensitive").addEventListener("click", async () => {
  if (!call) return;
  const on = !call.sensitive;
  try {
    await post("sensitive", { call: call.id, on });
  } catch (error) {
    tell(/** @type {Error} */ (error));
    return;
  }
  if (!call) return;
  call.sensitive = on;
  const button = byId("sensitive");
  setText(button, t(on ? "desk.sensitive_off" : "desk.sensitive_on"));
  button.classList.toggle("danger", on);
  notice(live.topics.get(`call:${call.id}`)?.rows ?? new Map());
});

for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-reply]"))) {
  button.addEventListener("click", async () => {
    if (!call) return;
    const language = button.dataset.reply || undefined;
    try {
      await post("language", { call: call.id, language });
    } catch (error) {
      tell(/** @type {Error} */ (error));
      return;
    }
    if (language) call?.cards.turnAll(language);
    for (const one of document.querySelectorAll("[data-reply]")) one.setAttribute("aria-pressed", String(one === button));
  });
}

byId("search").addEventListener("submit", async (/** @type {Event} */ event) => {
  event.preventDefault();
  const query = byId("query").value.trim();
  if (!query) return;
  const hits = byId("hits");
  try {
    const found = await post("search", { query });
    hits.replaceChildren(...(found.hits.length ? found.hits.map(hit) : [h("li", { class: "quiet", text: t("desk.nothing") })]));
  } catch (error) {
    hits.replaceChildren(h("li", { class: "wrong", text: `${t("app.failed")}${/** @type {Error} */ (error).message}` }));
  }
});

/** @param {any} found */
function hit(found) {
  const lang = document.body.dataset.language === "en" && found.answers.en ? "en" : "zh-Hant";
  const answer = found.answers[lang] ?? Object.values(found.answers)[0] ?? "";
  const copy = h("button", { text: t("desk.copy") });
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(answer);
    setText(copy, t("desk.copied"));
  });
  return h(
    "li",
    {},
    h("details", {}, h("summary", { text: `${found.source.title} ${percent(found.confidence)}` }), h("p", { lang: lang === "en" ? "en" : "zh-Hant-HK", text: answer }), copy),
  );
}

addEventListener("keydown", (event) => {
  if (event.isComposing || event.keyCode === 229) return;
  if (event.altKey && !event.ctrlKey && !event.metaKey) {
    const key = event.code.startsWith("Digit") ? event.code.slice(5) : event.code.replace("Key", "").toLowerCase();
    if (call?.cards.key(key)) event.preventDefault();
    return;
  }
  if (isTyping(event)) return;
  if (event.key === "/") {
    event.preventDefault();
    byId("query").focus();
  } else if (event.key === "End") talk.toEnd();
});
