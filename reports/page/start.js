// Ties the parts together: what a person sets, and all that follows from it at once.

const slider = document.getElementById("score");
const textField = document.getElementById("text");
const tables = labelTables(() => tables.forEach((table) => table.update()));
const cards = new CardList();
let addressTimer = 0;

function chooseLabel(label) {
  if (filters.chosen.has(label)) filters.chosen.delete(label);
  else filters.chosen.add(label);
  show();
}

function show() {
  applyFilters();
  for (const table of tables) table.update();
  cards.update();
  showTally();
  showChosen();
  clearTimeout(addressTimer);
  addressTimer = setTimeout(writeAddress, 250); // browsers count how often it changes
}

function showTally() {
  const tally = document.getElementById("tally");
  if (!tally) return;
  const all = counted(numDetections, "action");
  setText(tally, found.total === numDetections ? all : `${whole.format(found.total)} of ${all}`);
}

function showChosen() {
  const list = document.getElementById("chosen");
  if (!list) return;
  const key = [...filters.chosen].join(" ");
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(
    ...[...filters.chosen].map((label) => {
      const name = labels[label].name;
      const button = make("button", { type: "button", "aria-label": `No longer only ${name}`, title: name });
      button.append(make("span", { text: name }), make("span", { "aria-hidden": "true", text: "×" }));
      button.addEventListener("click", () => {
        chooseLabel(label);
        textField.focus();
      });
      return make("li", {}, button);
    }),
  );
  setHidden(list, !filters.chosen.size);
}

function showFields() {
  if (!slider) return;
  slider.value = filters.score;
  textField.value = filters.text;
  showScore();
}

function showScore() {
  const digits = Number(slider.step) < 0.01 ? 3 : 2;
  setText(document.getElementById("score-shown"), Number(slider.value).toFixed(digits));
}

slider?.addEventListener("input", () => {
  filters.score = Number(slider.value);
  showScore();
  show();
});
textField?.addEventListener("input", () => {
  filters.text = textField.value;
  show();
});
document.querySelector("form.filters")?.addEventListener("submit", (event) => event.preventDefault());
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is taken: it holds what is shown
  document.getElementById("videos").focus();
});
addEventListener("hashchange", () => {
  readAddress();
  showFields();
  show();
});

readAddress();
document.getElementById("labels")?.append(...tables.map((table) => table.element));
showFields();
show();
