// @ts-check
/** The socket of this tab: rows of topics, painted once a frame, acknowledged behind the paint. */

import { byId, setText, t } from "./dom.js";

/**
 * @typedef {Record<string, any> & { key: string }} Row
 * @typedef {{ epoch: string, seq: number, rows: Map<string, Row> }} Topic
 * @typedef {(rows: Map<string, Row>, changed: Set<string>, snapshot: boolean) => void} Painter
 */

const FIRST_MS = 500;
const MOST_MS = 10_000;
const QUIET_MS = 25_000;
const HERE_MS = 60_000;
const LOGGED_OUT = 4401;

export class Live {
  constructor() {
    /** @type {Map<string, Painter>} */
    this.painters = new Map();
    /** @type {Map<string, Topic>} */
    this.topics = new Map();
    /** @type {any[]} */
    this.waiting = [];
    this.framed = false;
    this.failures = 0;
    this.heard = 0;
    this.told = 0;
    /** Server's clock less ours, ms. */
    this.ahead = 0;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.connect();
    setInterval(() => this.look(), 5_000);
    addEventListener("online", () => this.retry());
    for (const name of ["pointermove", "pointerdown", "keydown", "wheel"]) {
      addEventListener(name, () => this.here(), { passive: true, capture: true });
    }
  }

  /** The server's time, ms since 1970. */
  now() {
    return Date.now() + this.ahead;
  }

  /**
   * Follow a topic; a second painter takes the place of the first.
   * @param {string} name @param {Painter} painter
   */
  open(name, painter) {
    this.painters.set(name, painter);
    this.ask();
  }

  /** @param {string} name */
  close(name) {
    this.painters.delete(name);
    this.topics.delete(name);
    this.ask();
  }

  ask() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    /** @type {Record<string, any>} */
    const wanted = {};
    for (const name of this.painters.keys()) {
      const topic = this.topics.get(name);
      wanted[name] = topic ? [topic.epoch, topic.seq] : null;
    }
    this.socket.send(JSON.stringify({ open: wanted }));
  }

  connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    this.socket = socket;
    socket.onopen = () => {
      this.failures = 0;
      this.heard = Date.now();
      this.say("live");
      this.ask();
    };
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.socket = null;
      if (event.code === LOGGED_OUT) {
        this.say("login");
        return;
      }
      this.failures += 1;
      this.say("reconnecting");
      const wait = Math.min(MOST_MS, FIRST_MS * 2 ** (this.failures - 1)) * (0.75 + Math.random() / 2);
      setTimeout(() => this.socket ?? this.connect(), wait);
    };
  }

  look() {
    if (this.socket?.readyState === WebSocket.OPEN && Date.now() - this.heard > QUIET_MS) this.socket.close();
  }

  retry() {
    if (this.socket === null) this.connect();
  }

  /** Tell, once a minute at most, that somebody is in front of the screen: a session that idles ends. */
  here() {
    if (this.socket?.readyState !== WebSocket.OPEN || Date.now() - this.told < HERE_MS) return;
    this.told = Date.now();
    this.socket.send(JSON.stringify({ here: true }));
  }

  /** @param {any} message */
  take(message) {
    this.heard = Date.now();
    this.ahead = message.at - this.heard;
    this.waiting.push(message);
    if (this.framed) return;
    this.framed = true;
    if (document.hidden) setTimeout(() => this.paint(), 0);
    else requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.framed = false;
    const messages = this.waiting;
    this.waiting = [];
    for (const message of messages) {
      for (const [name, patch] of Object.entries(message.t)) this.apply(name, patch);
      if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ ack: message.n }));
    }
  }

  /** @param {string} name @param {any} patch */
  apply(name, patch) {
    const painter = this.painters.get(name);
    if (painter === undefined) return;
    let topic = this.topics.get(name);
    if (topic === undefined || patch.snapshot) {
      topic = { epoch: patch.epoch, seq: 0, rows: new Map() };
      this.topics.set(name, topic);
    }
    topic.seq = patch.seq;
    const changed = new Set(/** @type {string[]} */ (patch.gone));
    for (const key of patch.gone) topic.rows.delete(key);
    for (const row of patch.rows) {
      topic.rows.set(row.key, row);
      changed.add(row.key);
    }
    if (changed.has("line")) this.say(topic.rows.get("line")?.phase ?? "live", name);
    painter(topic.rows, changed, patch.snapshot);
  }

  /** Tell how the line is. @param {string} phase @param {string} [topic] */
  say(phase, topic = "") {
    const known = { live: "app.live", lost: "app.lost", reconnecting: "app.reconnecting", login: "app.login_again" };
    const other = { refused: "app.refused", missing: "app.missing" };
    if (topic.startsWith("call:") && (phase === "gone" || phase in other)) return;
    const key = { ...known, ...other }[phase] ?? "app.live";
    const node = byId("line");
    setText(node, `${phase === "live" ? "✓ " : "↻ "}${t(key)}`);
    node.classList.toggle("lost", phase !== "live");
    document.body.classList.toggle("stale", phase !== "live");
  }
}

/**
 * Do something on the server; it is tried again for 30 s while the network is away.
 * @param {string} name @param {Record<string, any>} fields
 * @returns {Promise<any>}
 */
export async function post(name, fields) {
  const until = Date.now() + 30_000;
  for (;;) {
    try {
      const answer = await fetch(`/api/${name}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(fields),
      });
      const found = await answer.json();
      if (!answer.ok) throw new Refused(found.error ?? String(answer.status), answer.status);
      return found;
    } catch (error) {
      if (error instanceof Refused || Date.now() > until) throw error;
      await new Promise((done) => setTimeout(done, 1_000));
    }
  }
}

/** The server said no. */
export class Refused extends Error {
  /** @param {string} message @param {number} status */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}
