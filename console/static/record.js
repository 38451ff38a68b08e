// @ts-check
/** One call of the past: what was said beside its sound, and its curve to jump by. */

import { byId, clock, h, loadTexts, percent, SIGNS, t } from "./dom.js";
import { why } from "./reasons.js";

await loadTexts();
/** @type {any[]} */
const rows = JSON.parse(byId("talk").dataset.rows);
const player = /** @type {HTMLAudioElement | null} */ (byId("player"));
const said = rows.filter((row) => row.k === "final").sort((a, b) => a.start - b.start);
const alerts = rows.filter((row) => row.k === "alert" && row.severity);
const points = rows.find((row) => row.k === "curve")?.points ?? [];
const whole = Math.max(Number(byId("scrub").dataset.ms), said.length ? said[said.length - 1].end : 0, 1);

/** @param {number} ms */
function jump(ms) {
  if (!player) return;
  player.currentTime = ms / 1000;
  player.play().catch(() => {});
}

/** @type {[any, HTMLElement][]} */
const lines = said.map((row) => {
  const at = h("button", { class: "at", text: clock(row.start), title: t("calls.jump"), onclick: () => jump(row.start) });
  const text = h("div", { class: "text", lang: row.lang === "en" ? "en" : "zh-Hant-HK", text: row.text, title: row.hidden ? t("desk.hidden") : null });
  const node = h("div", { class: `line-said ${row.role}`, id: `t${row.start}` }, player ? at : h("time", { text: clock(row.start) }), h("span", { class: "who", text: t(`role.${row.role}`) }), text);
  return [row, node];
});
for (const alert of alerts) {
  const text = lineOf(alert)?.querySelector(".text");
  if (text) text.append(h("span", { class: "feel", text: `${/** @type {Record<string, string>} */ (SIGNS)[alert.severity]} ${why(alert)}` }));
}

/** The line that an alert is about: the last one of its side that had begun by then, or of anybody. @param {any} alert */
function lineOf(alert) {
  const begun = lines.filter(([row]) => row.start <= alert.end);
  const found = begun.filter(([row]) => row.ch === alert.ch).pop() ?? begun.pop();
  return found?.[1];
}
byId("talk").replaceChildren(...(lines.length ? lines.map(([, node]) => node) : [h("p", { class: "quiet", text: t("calls.none") })]));
/** Show the moment that the address names, and let the sound begin there. */
function moment() {
  const at = Number(location.hash.slice(2));
  const begun = lines.filter(([row]) => row.start <= at).pop()?.[1];
  const target = document.getElementById(location.hash.slice(1)) ?? begun;
  if (!target) return;
  target.classList.add("heard");
  target.scrollIntoView({ block: "center" });
  const row = said.find((one) => `t${one.start}` === target.id);
  if (!player || !row) return;
  player.preload = "metadata";
  if (player.readyState > 0) player.currentTime = row.start / 1000;
  else player.addEventListener("loadedmetadata", () => (player.currentTime = row.start / 1000), { once: true });
}
if (location.hash) moment();
addEventListener("hashchange", moment);

player?.addEventListener("timeupdate", () => {
  const now = player.currentTime * 1000;
  for (const [row, node] of lines) node.classList.toggle("heard", row.start <= now && now < row.end);
  draw(now);
});

/** @param {number} now ms */
function draw(now) {
  const canvas = /** @type {HTMLCanvasElement} */ (byId("scrub"));
  const scale = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name);
  said.forEach((row) => {
    pen.fillStyle = color(row.role === "agent" ? "--agent" : "--customer");
    pen.globalAlpha = 0.35;
    pen.fillRect((row.start / whole) * width, row.role === "agent" ? height - 8 : height - 18, Math.max(1, ((row.end - row.start) / whole) * width), 7);
  });
  pen.globalAlpha = 1;
  pen.strokeStyle = color("--bar");
  pen.lineWidth = 2;
  pen.beginPath();
  points.forEach((/** @type {[number, number]} */ [at, value], /** @type {number} */ index) => {
    const place = /** @type {[number, number]} */ ([(at / whole) * width, height - 22 - value * (height - 26)]);
    if (index) pen.lineTo(...place);
    else pen.moveTo(...place);
  });
  pen.stroke();
  alerts.forEach((alert) => {
    pen.fillStyle = color(alert.severity === "critical" ? "--critical" : "--warning");
    pen.fillRect((alert.start / whole) * width - 1, 0, 3, height);
  });
  pen.fillStyle = color("--ink");
  pen.fillRect((now / whole) * width, 0, 1, height);
  const peak = Math.max(0, ...points.map((/** @type {[number, number]} */ [, value]) => value));
  canvas.setAttribute("aria-label", `${t("calls.curve")}: ${percent(peak)}`);
}
draw(0);
addEventListener("resize", () => draw((player?.currentTime ?? 0) * 1000));
byId("scrub").addEventListener("click", (/** @type {MouseEvent} */ event) => {
  const box = byId("scrub").getBoundingClientRect();
  jump(((event.clientX - box.left) / box.width) * whole);
});

const offered = rows.filter((row) => row.k === "suggestion");
if (offered.length) {
  byId("offered").hidden = false;
  byId("offered").querySelector("ul").replaceChildren(...offered.map((row) => h("li", { text: `${row.sources[0]?.title ?? ""} ${percent(row.confidence)}${row.reason === "said" ? ` · ✓ ${t("desk.said")}` : ""}` })));
}
