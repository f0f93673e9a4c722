// One lane of a timeline: spans at their times, one tab stop, arrow keys from span to span.

let numMarks = 0;

class Lane {
  // `members`: detections in order of time; `levelsOf`: which of several rows each of those shown lies in.
  constructor(timeline, { name, title, members, colour, presence = [], levelsOf = null }) {
    this.timeline = timeline;
    this.members = members;
    this.best = members.reduce((best, one) => Math.max(best, scoreOf[one]), 0);
    this.name = name;
    this.active = -1;
    this.isMade = false;
    this.levelsOf = levelsOf;
    this.make = () => this.fill({ title, colour, presence });
  }

  fill({ title, colour, presence }) {
    this.isMade = true;
    this.isShown = new Uint8Array(this.members.length);
    this.marks = this.members.map((one) => this.mark(one));
    this.bed = make("div", { class: "bed", role: "listbox", tabindex: "0", "aria-orientation": "horizontal" });
    for (const [start, stop] of presence) this.bed.append(place(make("i", { class: "presence" }), start, stop, this.timeline));
    this.bed.append(...this.marks);
    this.label = make("span", { class: "lane-name", title, text: this.name });
    this.element = make("div", { class: "lane" }, this.label, this.bed);
    if (colour) {
      this.element.classList.add("of-person");
      this.element.style.setProperty("--track", colour);
    }
    if (!this.members.length) {
      this.bed.removeAttribute("tabindex");
      this.bed.setAttribute("role", "img");
      this.bed.setAttribute("aria-label", `${this.name}: in view, no action`);
    }
    this.bed.addEventListener("keydown", (event) => this.key(event));
    this.bed.addEventListener("focus", () => this.activate(this.firstActive(), false));
    this.bed.addEventListener("blur", () => this.activate(-1, false));
  }

  mark(one) {
    numMarks += 1;
    const mark = make("i", { class: "mark", role: "option", id: `mark-${numMarks}`, hidden: true });
    mark.detection = one;
    mark.style.setProperty("--sure", `${Math.round(25 + 75 * (scoreOf[one] / topScore))}%`);
    const times = `${clock(startS(one), true)} to ${clock(stopS(one), true)}, score ${score(one).toFixed(2)}`;
    mark.setAttribute("aria-label", isOfPerson(one) ? `${labelName(one)}, ${times}` : times);
    if (this.levelsOf) mark.append(make("span", { text: labelName(one) }));
    return place(mark, startS(one), stopS(one), this.timeline);
  }

  passing() {
    return this.members.some((one) => passes[one]);
  }

  update() {
    if (!this.isMade) this.make();
    let [count, hasChanged] = [0, false];
    for (let index = 0; index < this.members.length; index += 1) {
      const isShown = passes[this.members[index]];
      count += isShown;
      if (isShown !== this.isShown[index]) {
        this.isShown[index] = isShown;
        this.marks[index].hidden = !isShown;
        hasChanged = true;
      }
    }
    if (hasChanged && this.levelsOf) this.layRows();
    if (this.members.length) this.bed.setAttribute("aria-label", `${this.name}, ${counted(count, "action")}`);
  }

  layRows() {
    const shown = this.marks.filter((_, index) => this.isShown[index]);
    const levels = this.levelsOf(shown.map((mark) => mark.detection));
    shown.forEach((mark, place) => mark.style.setProperty("--level", levels[place]));
    this.element.style.setProperty("--levels", Math.max(1, ...levels.map((level) => level + 1)));
  }

  firstActive() {
    return this.active >= 0 && this.isShown[this.active] ? this.active : this.isShown.indexOf(1);
  }

  activate(index, scrolls = true) {
    this.marks[this.active]?.classList.remove("active");
    this.active = index >= 0 ? index : this.active;
    const mark = index >= 0 ? this.marks[index] : null;
    if (!mark) {
      this.bed.removeAttribute("aria-activedescendant");
      hideTip();
      return;
    }
    mark.classList.add("active");
    this.bed.setAttribute("aria-activedescendant", mark.id);
    if (scrolls) mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (this.bed.matches(":focus-visible")) showTip(mark);
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) this.activate(this.neighbour(this.active, step));
    else if (event.key === "Home") this.activate(this.isShown.indexOf(1));
    else if (event.key === "End") this.activate(this.isShown.lastIndexOf(1));
    else if ((event.key === "Enter" || event.key === " ") && this.isShown[this.active]) {
      openDetail(this.members[this.active], this.bed);
    } else return;
    event.preventDefault();
  }

  neighbour(index, step) {
    let next = index + step;
    while (next >= 0 && next < this.members.length && !this.isShown[next]) next += step;
    return next >= 0 && next < this.members.length ? next : index;
  }
}

// At its time on the timeline, in percent of it, so that to zoom is to widen the timeline.
function place(element, start, stop, timeline) {
  const left = Math.min(Math.max(start / timeline.lengthS, 0), 1);
  const right = Math.min(Math.max(stop / timeline.lengthS, left), 1);
  element.style.left = percent(left);
  element.style.width = percent(right - left);
  return element;
}

const tip = document.getElementById("tip");

function showTip(mark) {
  const one = mark.detection;
  const picture = pictureNear(videoOf(one), startS(one), stopS(one), 1 / 2);
  const text = make("span", { class: "tip-text" });
  text.append(
    make("b", { text: labelName(one) }),
    make("span", { text: `${clock(startS(one), true)}–${clock(stopS(one), true)}` }),
    make("span", { text: `score ${score(one).toFixed(2)}` }),
  );
  tip.replaceChildren(...(picture ? [framed(one, picture)] : []), text);
  tip.hidden = false;
  const around = mark.getBoundingClientRect();
  const left = (Math.max(around.left, 0) + Math.min(around.right, innerWidth)) / 2 - tip.offsetWidth / 2;
  const above = around.top - tip.offsetHeight - 8;
  tip.style.left = `${Math.min(Math.max(left, 8), innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${above > 60 ? above : around.bottom + 8}px`;
}

function hideTip() {
  if (!tip.hidden) tip.hidden = true;
}
