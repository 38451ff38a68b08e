// @ts-check
/**
 * The conversation: finals in a log that grows at its end alone, what is said now in a strip of its own.
 * Nothing that is being read moves: partials never touch the log, and it follows only whoever is at its end.
 */

import { byId, clock, h, percent, setText, t } from "./dom.js";

const NEAR_PX = 40;
const HIGH = 0.6;

export class Talk {
  constructor() {
    this.log = byId("log");
    this.strip = byId("strip");
    this.follow = byId("follow");
    /** @type {Map<string, HTMLElement>} */
    this.lines = new Map();
    this.unread = 0;
    this.log.addEventListener("scroll", () => this.atEnd() && this.read());
    this.follow.addEventListener("click", () => this.toEnd());
  }

  clear() {
    this.log.replaceChildren();
    this.strip.replaceChildren();
    this.lines.clear();
    this.read();
  }

  atEnd() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_PX;
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
    this.read();
  }

  /** Bring what was said at a moment into sight; false where it is not here. @param {number} ms */
  show(ms) {
    const said = [...this.lines.values()].filter((node) => node.classList.contains("line-said") && Number(node.dataset.start) <= ms);
    const line = said.sort((a, b) => Number(a.dataset.start) - Number(b.dataset.start)).pop();
    if (!line) return false;
    for (const node of this.log.querySelectorAll(".heard")) node.classList.remove("heard");
    line.classList.add("heard");
    line.scrollIntoView({ block: "center" });
    return true;
  }

  read() {
    this.unread = 0;
    this.follow.hidden = true;
  }

  /** @param {Map<string, any>} rows @param {Set<string>} changed @param {boolean} snapshot */
  paint(rows, changed, snapshot) {
    if (snapshot) this.clear();
    const followed = this.atEnd();
    let grown = 0;
    for (const key of changed) {
      const row = rows.get(key);
      if (key.startsWith("u:") && row) grown += this.line(key, row);
      else if (key.startsWith("m:") && row) grown += this.mark(key, row);
    }
    if ([...changed].some((key) => key.startsWith("p:") || key.startsWith("u:"))) this.now(rows);
    if (!grown) return;
    if (followed) this.toEnd();
    else {
      this.unread += grown;
      this.follow.hidden = false;
      setText(this.follow, `↓ ${this.unread} ${t("desk.new_lines")}`);
    }
  }

  /** @param {string} key @param {any} row @returns {number} lines that are new */
  line(key, row) {
    const known = this.lines.get(key);
    const node = known ?? h("div", { class: "line-said" }, h("time", {}), h("span", { class: "who" }), h("div", { class: "text" }));
    node.className = `line-said ${row.role}`;
    const [at, who, text] = node.children;
    setText(at, clock(row.start));
    setText(who, t(`role.${row.role}`));
    text.setAttribute("lang", row.lang === "en" ? "en" : "zh-Hant-HK");
    const feels = row.role === "customer" && row.agitation >= HIGH ? percent(row.agitation) : "";
    if (text.firstChild?.nodeValue !== row.text) {
      text.replaceChildren(document.createTextNode(row.text));
      text.setAttribute("title", row.hidden ? t("desk.hidden") : "");
    }
    if (feels && !text.querySelector(".feel")) text.append(h("span", { class: "feel", text: `${t("wall.agitated")} ${feels}` }));
    if (known) return 0;
    this.lines.set(key, node);
    this.place(node, row.start);
    return 1;
  }

  /** @param {string} key @param {any} row */
  mark(key, row) {
    if (this.lines.has(key)) return 0;
    const text = row.kind === "gap" ? t("desk.gap") : row.kind === "pause" ? `‖ ${t("desk.hold")}` : "▶";
    const node = h("div", { class: "line-mark", text });
    this.lines.set(key, node);
    this.place(node, row.start);
    return 1;
  }

  /** Put a line behind those that began before it; lines that are there stay where they are. @param {HTMLElement} node @param {number} start */
  place(node, start) {
    node.dataset.start = String(start);
    let before = this.log.lastElementChild;
    while (before && Number(before.dataset.start) > start) before = before.previousElementSibling;
    if (before) before.after(node);
    else this.log.prepend(node);
  }

  /** What is said now. @param {Map<string, any>} rows */
  now(rows) {
    for (const channel of [0, 1]) {
      let cell = this.strip.children[channel];
      if (!cell) {
        cell = h("div", {}, h("span", { class: "who" }), h("div", {}, h("span", {}), h("span", { class: "tail" })));
        this.strip.append(cell);
      }
      const row = rows.get(`p:${channel}`);
      cell.className = row?.role ?? "";
      setText(cell.children[0], row ? t(`role.${row.role}`) : "");
      const [ink, tail] = cell.children[1].children;
      setText(ink, row ? row.text.slice(0, row.stable) : "");
      setText(tail, row ? row.text.slice(row.stable) : "");
    }
  }
}
