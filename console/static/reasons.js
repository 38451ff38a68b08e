// @ts-check
/** Why an alert was raised, in the reader's language; what was said stays as it was said. */

import { percent, t } from "./dom.js";

const SHARES = ["voice", "words", "behaviour"];
const DOINGS = ["interruption", "overlap", "pace", "repeat", "calls"];

/** @typedef {{ kind: string, text: string, value: number }} Reason */

/**
 * Return the reasons as one line; of alerts that were kept before there were reasons, the sentence they came with.
 * @param {{ reasons?: Reason[], evidence: string }} alert
 */
export function why(alert) {
  const reasons = alert.reasons ?? [];
  if (!reasons.length) return alert.evidence;
  const of = (/** @type {string[]} */ kinds) => reasons.filter((one) => kinds.includes(one.kind));
  const times = (/** @type {string} */ text, /** @type {number} */ count) => (count > 1 ? `${text} ×${count}` : text);
  const list = (/** @type {string[]} */ parts) => parts.join(t("reason.comma"));
  const shares = list(of(SHARES).map((one) => `${t(`reason.${one.kind}`)} ${percent(one.value)}`));
  const said = list([...of(["phrase"]).map((one) => one.text), ...of(["word"]).map((one) => times(one.text, one.value))]);
  const done = list(of(DOINGS).map((one) => times(t(`reason.${one.kind}`), one.value)));
  const parts = [
    ...of(["agitation"]).map((one) => `${t("reason.agitation", percent(one.value))}${shares ? ` (${shares})` : ""}`),
    said && t("reason.said", said),
    done,
    ...of(["silence"]).map((one) => t("reason.silence", Math.round(one.value))),
    ...of(["no_suggestion"]).map((one) => t("reason.no_suggestion", one.value)),
  ];
  return parts.filter(Boolean).join(t("reason.semicolon"));
}
