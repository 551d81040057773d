// What a person would see at a glance: texts that lie on each other, and texts that are hard to read.
"use strict";

window.overlapping = () => {
  const kinds = "h2, h3, p, td, th, dd, dt, li, button, small, summary, figcaption";
  const boxes = [...document.querySelectorAll(kinds)]
    .filter((one) => one.checkVisibility() && !one.querySelector(kinds))
    .map((one) => [one, one.getBoundingClientRect()])
    .filter(([, box]) => box.width && box.height);
  const named = (one) => one.textContent.trim().slice(0, 40);
  const found = [];
  boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
    if (one.contains(other) || other.contains(one)) return;
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && high > 2) found.push(`${named(one)} / ${named(other)}`);
  }));
  return found;
};

// WCAG 2.2: 4.5 to 1, and 3 to 1 is taken for what is greyed on purpose.
window.pale = () => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([r, g, b]) => [r, g, b]
    .map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.textContent.trim() || !one.checkVisibility() || one.closest("svg")) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(one).color)), luminance(ground(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const least = one.closest(".stale, button:disabled") ? 3 : 4.5;
    if (ratio < least) found.add(`${one.className || one.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...found];
};
