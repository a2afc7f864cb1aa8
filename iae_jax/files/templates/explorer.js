"use strict";
// Each panel has a sheet of pictures: its slider chooses the column; the category, the start and the
// local code, which all panels share, the row.
const explorer = document.getElementById("explorer");

function chosen(name) {
  const input = explorer.querySelector(`[type=range][name=${name}], [name=${name}]:checked`);
  return input ? Number(input.value) : 0;
}

function draw(panel) {
  const canvas = panel.querySelector("canvas"), slider = panel.querySelector("[type=range]");
  const {width, height} = canvas, locals = Number(panel.dataset.locals);
  const start = chosen("category") * Number(explorer.dataset.starts) + chosen("start");
  const row = start * locals + (locals > 1 ? chosen("local") : 0);
  const column = slider ? Number(slider.value) : 0;
  canvas.getContext("2d").drawImage(
    panel.querySelector("img"), column * width, row * height, width, height, 0, 0, width, height);
}

function say(slider) {
  const text = JSON.parse(slider.dataset.texts)[Number(slider.value)];
  slider.parentElement.querySelector("output").textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

function show(input) {
  if (input.type === "range") say(input);
  const own = input.closest(".panel");
  (own ? [own] : explorer.querySelectorAll(".panel")).forEach(draw);
}

if (explorer) {
  explorer.addEventListener("input", (event) => show(event.target));
  // A browser may keep what was chosen before the page was loaded again.
  window.addEventListener("load", () => {
    explorer.querySelectorAll("[type=range]").forEach(say);
    explorer.querySelectorAll(".panel").forEach(draw);
  });
}
