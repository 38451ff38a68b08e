// @ts-check
/** The supervisor's wall: all live calls, those that need somebody, and one of them in a drawer. */

import { drawCurve } from "./curve.js";
import { byId, clock, h, isTyping, keyed, loadTexts, setText, SIGNS, t } from "./dom.js";
import { Live, post } from "./live.js";
import { why } from "./reasons.js";
import { Talk } from "./talk.js";

await loadTexts();
const live = new Live();
const talk = new Talk();
const signs = /** @type {Record<string, string>} */ (SIGNS);
const ORDER = { critical: 3, warning: 2, info: 1, "": 0 };
const HELD_MS = 10_000;
const SOUND_MS = 10_000;
const AGITATED = 0.6;
let paused = false;
let sound = localStorage.getItem("sound") === "on";
let rung = 0;
/** @type {Map<string, any>} */
let calls = new Map();
/** @type {Map<string, any>} */
let groups = new Map();
/** @type {Map<string, number>} */
const worstSeen = new Map();

live.open("calls", (rows) => {
  calls = rows;
  tiles();
  figures();
});
live.open("alerts", (rows, changed, snapshot) => {
  groups = rows;
  queue();
  drawerAlert();
  figures();
  ring(changed, snapshot);
});

const liveCalls = () => [...calls.values()].filter((row) => row.k === "call");
const openGroups = () => [...groups.values()].filter((row) => row.k === "alerts" && row.open.length > 0);

/** @param {any} row */
const nameOf = (row) => row.agent || row.queue || row.key;

function figures() {
  const all = liveCalls();
  const lengths = all.map((row) => live.now() - row.at);
  /** @type {Record<string, string>} */
  const values = {
    calls: String(all.length),
    open_alerts: String(openGroups().reduce((sum, row) => sum + row.open.length, 0)),
    agitated: String(all.filter((row) => (row.agitation ?? 0) >= AGITATED).length),
    on_hold: String(all.filter((row) => row.phase === "hold").length),
    average: all.length ? clock(lengths.reduce((a, b) => a + b, 0) / all.length) : "–",
    longest: all.length ? clock(Math.max(...lengths)) : "–",
  };
  for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-figure]"))) {
    setText(node, values[node.dataset.figure ?? ""] ?? "–");
  }
  setText(byId("clock"), new Date(live.now()).toLocaleTimeString("zh-HK", { hour12: false, timeZone: "Asia/Hong_Kong" }));
}
setInterval(() => {
  if (paused || document.hidden) return;
  figures();
  times();
}, 1_000);

/** Figures of today's calls, from the record; where the server keeps none, they stay dashes. */
async function today() {
  const nodes = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-today]"));
  if (!nodes.length || document.hidden) return;
  const found = await post("today", {}).catch(() => ({}));
  for (const node of nodes) setText(node, found[node.dataset.today ?? ""] ?? "–");
}
today();
setInterval(today, 60_000);

/* ---------------------------------------------------------------- tiles */

function tiles() {
  if (paused || document.hidden) return;
  const wanted = byId("filter").value.trim().toLowerCase();
  const order = byId("order").value;
  const rows = liveCalls().filter((row) => !wanted || [row.agent, row.queue, row.team, row.key].some((text) => (text ?? "").toLowerCase().includes(wanted)));
  rows.sort((a, b) => (order === "at" ? a.at - b.at : compare(a[order], b[order])) || a.at - b.at || compare(a.key, b.key));
  const list = byId("tiles");
  list.querySelector(".empty")?.remove();
  keyed(list, rows, (row) => row.key, makeTile, updateTile);
  if (!rows.length) list.append(h("li", { class: "empty", text: t("wall.no_calls") }));
}

/** @param {string} a @param {string} b */
const compare = (a, b) => (a ?? "").localeCompare(b ?? "", "en", { numeric: true });

/** @param {any} row */
function makeTile(row) {
  const gauge = h("span", { class: "gauge" }, h("i", {}));
  const button = h("button", { class: "tile", onclick: () => drawer(row.key) }, h("span", { class: "sign" }), h("span", { class: "name" }), h("time", {}), gauge);
  return h("li", {}, button);
}

/** @param {HTMLElement} node @param {any} row */
function updateTile(node, row) {
  const button = /** @type {HTMLElement} */ (node.firstElementChild);
  const [sign, name, time, gauge] = /** @type {HTMLElement[]} */ ([...button.children]);
  const mark = row.phase === "hold" ? "‖" : row.phase === "lost" ? "?" : signs[row.worst] ?? "";
  const kind = `tile ${row.worst}`;
  if (button.className !== kind) button.className = kind;
  setText(sign, mark);
  setText(name, nameOf(row));
  setText(time, clock(live.now() - row.at));
  const share = `scaleX(${row.agitation ?? 0})`;
  const bar = /** @type {HTMLElement} */ (gauge.firstElementChild);
  if (bar.style.transform !== share) bar.style.transform = share;
  const words = [nameOf(row), row.queue, row.worst ? t(`severity.${row.worst}`) : "", row.phase === "hold" ? t("desk.hold") : "", `${t("wall.agitated")} ${Math.round((row.agitation ?? 0) * 100)}%`];
  const label = words.filter(Boolean).join(", ");
  if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
}

function times() {
  for (const node of /** @type {HTMLCollectionOf<HTMLElement>} */ (byId("tiles").children)) {
    const row = calls.get(node.dataset.key ?? "");
    const time = node.querySelector("time");
    if (row && time) setText(time, clock(live.now() - row.at));
  }
  for (const node of /** @type {HTMLCollectionOf<HTMLElement>} */ (byId("queue").children)) {
    const row = groups.get(node.dataset.key ?? "");
    const time = node.querySelector("time");
    if (row && time) setText(time, clock(live.now() - row.since));
  }
}

byId("tiles").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() }[event.key];
  if (!step) return;
  const all = [...document.querySelectorAll(".tile")];
  const next = all[all.indexOf(/** @type {Element} */ (document.activeElement)) + step];
  if (next) /** @type {HTMLElement} */ (next).focus();
  event.preventDefault();
});

const columns = () => getComputedStyle(byId("tiles")).gridTemplateColumns.split(" ").length;

/* ---------------------------------------------------------------- attention */

let heldSince = 0;

/** Rows do not jump under a pointer or the focus, for ten seconds at most. */
function isHeld() {
  const node = byId("queue");
  const held = node.matches(":hover") || node.contains(document.activeElement);
  if (!held) heldSince = 0;
  else if (!heldSince) heldSince = Date.now();
  return held && Date.now() - heldSince < HELD_MS;
}

function queue() {
  if (paused) return;
  const node = byId("queue");
  const rows = [...groups.values()].filter((row) => row.k === "alerts");
  rows.sort((a, b) => weight(b) - weight(a) || a.since - b.since);
  const shown = isHeld() ? asTheyAre(rows) : rows.slice(0, 60);
  node.querySelector(".empty")?.remove();
  keyed(node, shown, (row) => row.key, makeAlert, updateAlert);
  if (!rows.length) node.append(h("p", { class: "empty", text: t("wall.nothing") }));
  const open = openGroups().length;
  setText(byId("waiting"), open ? String(open) : "");
  document.title = `${open ? `(${open}) ` : ""}${t("wall.title")} · ${t("app.name")}`;
}

/** @param {any} row */
const weight = (row) => (row.open.length ? 10 + ORDER[/** @type {""} */ (row.worst)] : row.taken ? 1 : 0);

/** Rows in the order in which they stand, new ones at the end. @param {any[]} rows */
function asTheyAre(rows) {
  const places = [...byId("queue").children].map((child) => /** @type {HTMLElement} */ (child).dataset.key);
  const place = (/** @type {any} */ row) => (places.indexOf(row.key) < 0 ? places.length : places.indexOf(row.key));
  return [...rows].sort((a, b) => place(a) - place(b));
}

/** @param {any} row */
function makeAlert(row) {
  return h(
    "article",
    {},
    h("div", { class: "top" }, h("span", { class: "sign" }), h("button", { class: "name", onclick: () => drawer(row.key) }), h("span", { class: "quiet" }), h("time", {})),
    h("p", { class: "why" }),
    h(
      "div",
      { class: "acts" },
      h("button", { class: "main", text: t("wall.take"), onclick: (/** @type {Event} */ event) => takeHere(event, row.key, false) }),
      h("button", { text: t("wall.false_alarm"), onclick: (/** @type {Event} */ event) => takeHere(event, row.key, true) }),
      h("input", { placeholder: t("wall.note"), "aria-label": t("wall.note"), maxlength: 2000 }),
    ),
  );
}

/** @param {HTMLElement} node @param {any} row */
function updateAlert(node, row) {
  const [top, reason, acts] = /** @type {HTMLElement[]} */ ([...node.children]);
  const [sign, name, queueName, time] = /** @type {HTMLElement[]} */ ([...top.children]);
  const open = row.open.length > 0;
  const [worst] = row.open;
  node.className = `alert ${open ? row.worst : "done"}`;
  setText(sign, open ? `${signs[row.worst]} ${t(`severity.${row.worst}`)}${worst.escalated ? ` ↑ ${t("wall.escalated")}` : ""}` : row.expired ? t("wall.expired") : `✓ ${t(row.false_alarm ? "wall.false_alarm" : "wall.taken")}`);
  setText(name, nameOf(row));
  setText(queueName, row.queue ?? "");
  setText(time, clock(live.now() - row.since));
  const more = row.open.length > 1 ? `　${t("wall.more", row.open.length - 1)}` : "";
  const taker = (row.taken ?? "").split(":").pop() ?? "";
  setText(reason, open ? `${why(worst)}${more}` : [taker, row.note, row.was && why(row.was)].filter(Boolean).join(" · "));
  acts.hidden = !open;
}

/** @param {Event} event @param {string} key @param {boolean} falseAlarm */
function takeHere(event, key, falseAlarm) {
  const node = /** @type {HTMLElement} */ (event.target).closest("article");
  if (node) take(node, key, falseAlarm);
}

/** @param {HTMLElement} node the row, in the queue or in the drawer @param {string} key @param {boolean} falseAlarm */
async function take(node, key, falseAlarm) {
  const row = groups.get(key);
  if (!row) return;
  const note = /** @type {HTMLInputElement} */ (node.querySelector("input")).value.trim();
  for (const button of node.querySelectorAll("button")) button.disabled = true;
  try {
    for (const alert of row.open) await post("take", { alert: alert.id, false_alarm: falseAlarm, note: note || undefined });
    setText(byId("announce"), `${t(falseAlarm ? "wall.false_alarm" : "wall.taken")} ${nameOf(row)}`);
  } catch (error) {
    setText(/** @type {Element} */ (node.querySelector(".why")), `${t("app.failed")}${/** @type {Error} */ (error).message}`);
  } finally {
    for (const button of node.querySelectorAll("button")) button.disabled = false;
  }
}

/** A sound for what is new and critical, or has become so: one in ten seconds. @param {Set<string>} changed @param {boolean} snapshot */
function ring(changed, snapshot) {
  let loud = false;
  for (const key of changed) {
    const row = groups.get(key);
    const level = row?.open?.length ? ORDER[/** @type {""} */ (row.worst)] : 0;
    if (level > (worstSeen.get(key) ?? 0) && level >= ORDER.critical && !snapshot) loud = true;
    worstSeen.set(key, level);
  }
  if (!loud) return;
  setText(byId("announce"), t("severity.critical"));
  if (!sound || Date.now() - rung < SOUND_MS) return;
  rung = Date.now();
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const level = audio.createGain();
  level.gain.value = 0.15;
  tone.frequency.value = 880;
  tone.connect(level).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.25);
  tone.onended = () => audio.close();
}

/* ---------------------------------------------------------------- drawer */

const dialog = /** @type {HTMLDialogElement} */ (byId("drawer"));
/** @type {string | null} */
let looked = null;

/** @param {string} id */
function drawer(id) {
  if (looked) live.close(`call:${looked}`);
  looked = id;
  talk.clear();
  const row = calls.get(id) ?? groups.get(id) ?? { key: id };
  setText(byId("drawer-head"), [row.agent, row.queue, id].filter(Boolean).join(" · "));
  byId("notice").replaceChildren();
  byId("kept").replaceChildren();
  drawerAlert();
  if (!dialog.open) dialog.show();
  byId("drawer-close").focus();
  live.open(`call:${id}`, (rows, changed, snapshot) => {
    talk.paint(rows, changed, snapshot);
    const curve = rows.get("curve");
    if (curve && changed.has("curve")) drawCurve(byId("curve"), curve.points);
    /** @type {Record<string, any>} */
    const state = rows.get("state") ?? {};
    const gone = rows.get("line")?.phase === "gone";
    const text = state.phase === "ended" || gone ? `■ ${t("desk.ended")}` : state.hold ? `‖ ${t(`desk.${state.hold}`)}` : "";
    if (byId("notice").textContent !== text) byId("notice").replaceChildren(h("span", { text }));
    if ((state.phase === "ended" || gone) && looked === id) kept(id);
  });
}

/** The alerts of the call in the drawer, to be taken there too. */
function drawerAlert() {
  const place = byId("drawer-alert");
  const row = looked ? groups.get(looked) : undefined;
  keyed(place, row ? [row] : [], (one) => one.key, makeAlert, updateAlert);
}

/** A call that has ended: where it is kept, if it is and may be read. @param {string} id */
async function kept(id) {
  const place = byId("kept");
  if (place.firstChild) return;
  place.append(h("span", { class: "quiet", text: t("wall.is_over") }));
  const found = await post("summary", { call: id }).catch(() => null);
  if (!found || looked !== id || !byId("kept").dataset.history) return;
  place.append(h("a", { href: `/calls/${encodeURIComponent(found.record_id)}`, text: t("wall.open_record") }));
}

function closeDrawer() {
  if (looked) live.close(`call:${looked}`);
  const from = looked;
  looked = null;
  dialog.close();
  /** @type {HTMLElement | null} */ (document.querySelector(`#tiles [data-key="${CSS.escape(from ?? "")}"] button`))?.focus();
}

byId("drawer-close").addEventListener("click", closeDrawer);
byId("filter").addEventListener("input", tiles);
byId("order").addEventListener("change", tiles);
byId("queue").addEventListener("pointerleave", () => queue());
document.addEventListener("visibilitychange", () => {
  tiles();
  queue();
});

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  setText(byId("pause"), t(paused ? "wall.resume" : "wall.pause"));
  if (!paused) {
    tiles();
    queue();
  }
});

function tellSound() {
  byId("sound").setAttribute("aria-pressed", String(sound));
  setText(byId("sound"), `${t("wall.sound")} ${t(sound ? "wall.on" : "wall.off")}`);
}
byId("sound").addEventListener("click", () => {
  sound = !sound;
  localStorage.setItem("sound", sound ? "on" : "off");
  tellSound();
});
tellSound();

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && dialog.open && !event.isComposing) closeDrawer();
  else if (event.key.toLowerCase() === "a" && !isTyping(event) && !event.altKey && !event.ctrlKey) {
    const row = /** @type {HTMLElement | null} */ (document.activeElement?.closest("#queue > [data-key]"));
    if (row) take(row, row.dataset.key ?? "", false);
  }
});
