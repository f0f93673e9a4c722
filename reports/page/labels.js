// The table of labels: how often, how long; a click shows one alone, or adds it to those that are shown.

const FEW_LABELS = matchMedia("(max-width: 860px)").matches ? 6 : 12;
const order = { by: "length", isRising: false };
const SORTS = {
  name: (a, b) => labels[a].name.localeCompare(labels[b].name),
  count: (a, b) => found.ofLabel[a] - found.ofLabel[b],
  length: (a, b) => found.lengthOfLabel[a] - found.lengthOfLabel[b],
};

class LabelTable {
  constructor(title, members, refresh) {
    this.members = members;
    this.refresh = refresh;
    this.isWhole = members.length <= FEW_LABELS + 2;
    this.rows = new Map();
    this.shownOrder = "";
    this.heads = ["name", "count", "length"].map((by) => this.head(by));
    this.body = make("tbody");
    const head = make("thead", {}, make("tr", {}, ...this.heads));
    this.button = make("button", { type: "button", class: "quiet", onclick: () => this.toggleWhole() });
    this.element = make("div", { class: "label-table" });
    if (title) this.element.append(make("h3", { text: title }));
    this.element.append(make("table", {}, head, this.body), this.button);
  }

  head(by) {
    const text = { name: "Label", count: "Times", length: "Total" }[by];
    const button = make("button", { type: "button", text, onclick: () => this.sort(by) });
    return make("th", { scope: "col", "data-by": by, class: by === "name" ? null : "number" }, button);
  }

  sort(by) {
    order.isRising = order.by === by ? !order.isRising : by === "name";
    order.by = by;
    this.refresh();
  }

  toggleWhole() {
    this.isWhole = !this.isWhole;
    this.update();
  }

  row(label) {
    if (!this.rows.has(label)) {
      const name = make("button", { type: "button", class: "label-name", title: labels[label].name });
      name.append(make("span", { text: labels[label].name }));
      name.addEventListener("click", () => chooseLabel(label));
      const bar = make("span", { class: "bar", "aria-hidden": "true" });
      const cells = { name, bar, count: make("td", { class: "number" }), length: make("td", { class: "number" }) };
      cells.row = make("tr", {}, make("th", { scope: "row" }, name, bar), cells.count, cells.length);
      this.rows.set(label, cells);
    }
    return this.rows.get(label);
  }

  update() {
    const isThere = (label) => found.ofLabel[label] > 0 || filters.chosen.has(label);
    const sign = order.isRising ? 1 : -1;
    const there = this.members.filter(isThere).sort((a, b) => sign * SORTS[order.by](a, b) || SORTS.name(a, b));
    const shown = this.isWhole ? there : there.slice(0, FEW_LABELS);
    this.arrange(shown);
    const measure = order.by === "count" ? found.ofLabel : found.lengthOfLabel;
    const most = Math.max(1, ...there.map((label) => measure[label]));
    for (const label of shown) {
      const cells = this.row(label);
      setText(cells.count, whole.format(found.ofLabel[label]));
      setText(cells.length, lengthText(found.lengthOfLabel[label] / 1000));
      cells.bar.style.width = percent(measure[label] / most);
      cells.name.setAttribute("aria-pressed", filters.chosen.has(label));
    }
    for (const head of this.heads) {
      const isIt = head.dataset.by === order.by;
      head.setAttribute("aria-sort", isIt ? (order.isRising ? "ascending" : "descending") : "none");
    }
    setHidden(this.element, !there.length);
    setHidden(this.button, this.members.length <= FEW_LABELS + 2 || there.length <= FEW_LABELS);
    setText(this.button, this.isWhole ? "Fewer labels" : `All ${counted(there.length, "label")}`);
  }

  arrange(shown) {
    const key = shown.join(" ");
    if (key === this.shownOrder) return;
    const focused = document.activeElement;
    this.body.replaceChildren(...shown.map((label) => this.row(label).row));
    if (this.body.contains(focused)) focused.focus({ preventScroll: true });
    this.shownOrder = key;
  }
}

function labelTables(refresh) {
  const every = labels.map((_, label) => label);
  const kinds = [every.filter((one) => !labels[one].isOfPeople), every.filter((one) => labels[one].isOfPeople)];
  const hasBoth = kinds.every((members) => members.length);
  return kinds
    .map((members, kind) => [members, hasBoth ? ["Whole picture", "People"][kind] : ""])
    .filter(([members]) => members.length)
    .map(([members, title]) => new LabelTable(title, members, refresh));
}
