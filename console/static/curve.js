// @ts-check
/** A curve of agitation on a canvas, with its words for those who do not see it. */

import { percent, t } from "./dom.js";

/**
 * @param {HTMLCanvasElement} canvas
 * @param {[number, number][]} points ms and value
 * @param {number} [spanMs] how much of the time is shown; all when 0
 */
export function drawCurve(canvas, points, spanMs = 180_000) {
  const scale = devicePixelRatio || 1;
  const width = canvas.clientWidth || canvas.width;
  const height = canvas.clientHeight || canvas.height;
  if (canvas.width !== width * scale) canvas.width = width * scale;
  if (canvas.height !== height * scale) canvas.height = height * scale;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const style = getComputedStyle(document.documentElement);
  const last = points.length ? points[points.length - 1][0] : 0;
  const first = spanMs ? last - spanMs : 0;
  const whole = Math.max(1, last - first);
  pen.strokeStyle = style.getPropertyValue("--edge");
  pen.beginPath();
  pen.moveTo(0, height - 0.5);
  pen.lineTo(width, height - 0.5);
  pen.stroke();
  pen.strokeStyle = style.getPropertyValue("--bar");
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.beginPath();
  points.forEach(([at, value], index) => {
    const x = ((at - first) / whole) * width;
    const y = height - 2 - value * (height - 4);
    if (index) pen.lineTo(x, y);
    else pen.moveTo(x, y);
  });
  pen.stroke();
  const now = points.length ? points[points.length - 1][1] : 0;
  canvas.setAttribute("aria-label", points.length ? `${t("desk.agitation")} ${percent(now)}` : t("desk.agitation"));
}
