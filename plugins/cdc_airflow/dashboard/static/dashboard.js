"use strict";
// Reads the page again every few seconds and puts the new figures in place; what is unfolded stays unfolded.
const EVERY_MS = 5000;
const clock = document.getElementById("clock");

async function refresh() {
  if (document.hidden || document.querySelector("#live button:active")) return;
  const unfolded = new Set([...document.querySelectorAll("#live details[open]")].map((one) => one.dataset.key));
  const scrolled = [...document.querySelectorAll("#live .scroll")].map((one) => one.scrollLeft);
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(answer.status === 401 ? "logged out: load the page again" : `answer ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("live").replaceWith(page.getElementById("live"));
    document.querySelectorAll("#live details").forEach((one) => { one.open = unfolded.has(one.dataset.key); });
    document.querySelectorAll("#live .scroll").forEach((one, number) => { one.scrollLeft = scrolled[number] || 0; });
    clock.textContent = page.getElementById("clock").textContent;
    clock.classList.remove("lost");
  } catch (error) {
    clock.textContent = `not refreshed: ${error.message}`;
    clock.classList.add("lost");
  }
}

// Airflow shows this page in a frame that may open nothing itself: links that lead away are followed by its parent.
document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[data-out]") : null;
  if (!link) return;
  event.preventDefault();
  const outside = window.parent.document.createElement("a");
  outside.href = link.href;
  outside.target = "_blank";
  outside.rel = "noopener noreferrer";
  outside.click();
});

setInterval(refresh, EVERY_MS);
