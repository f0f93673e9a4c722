// A video's timeline: a lane for each label and for each person, spans lost, an axis, and zoom.

const FEW_LANES = 8;
const TICKS_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const TICK_PX = 84;
const NARROWEST_PX_PER_S = 48; // closer than this there is nothing more to tell apart

class LaneGroup {
  constructor(lanes, what, title) {
    this.lanes = lanes;
    this.what = what;
    this.isWhole = false;
    this.rows = make("div", { class: "lanes" });
    this.button = make("button", { type: "button", class: "quiet" });
    this.button.addEventListener("click", () => {
      this.isWhole = !this.isWhole;
      this.update();
    });
    this.element = make("div", { class: "lane-group" });
    if (title) this.element.append(make("p", { class: "lane-title", text: title }));
    this.element.append(this.rows, this.button);
    setHidden(this.button, true);
  }

  update() {
    const there = this.lanes.filter((lane) => lane.passing() || (!lane.members.length && !isNarrowed()));
    const shown = new Set(this.isWhole ? there : there.slice(0, FEW_LANES));
    let before = null;
    for (const lane of this.lanes) {
      if (shown.has(lane)) lane.update();
      if (!lane.isMade) continue;
      setHidden(lane.element, !shown.has(lane));
      if (!lane.element.parentNode) {
        if (before) before.after(lane.element);
        else this.rows.prepend(lane.element);
      }
      before = lane.element;
    }
    setHidden(this.element, !there.length);
    setHidden(this.button, there.length <= FEW_LANES);
    setText(this.button, this.isWhole ? `Best ${FEW_LANES} ${this.what}` : `All ${whole.format(there.length)} ${this.what}`);
  }
}

class Timeline {
  constructor(video) {
    this.lengthS = timelineS(video);
    this.zoom = 1;
    const people = personLanes(this, video);
    const isKnown = new Set(people.length ? people.flatMap((lane) => lane.members) : []);
    const labelled = this.labelLanes(detectionsOf(video).filter((one) => !isKnown.has(one)));
    this.groups = [
      new LaneGroup(labelled, "lanes", people.length && labelled.length ? "Whole picture" : ""),
      new LaneGroup(people, "people", people.length ? "People" : ""),
    ];
    this.axis = make("div", { class: "axis area", "aria-hidden": "true" });
    const lost = make("div", { class: "area", "aria-hidden": "true" });
    for (const [start, stop] of blockOf(video).lost) lost.append(place(make("i", { class: "lost" }), start, stop, this));
    const corner = make("div", { class: "corner" }); // under which times pass when the timeline is moved
    this.inner = make("div", { class: "timeline-inner" }, this.axis, lost, corner, ...this.groups.map((group) => group.element));
    this.scroller = make("div", { class: "timeline" }, this.inner);
    this.element = this.scroller;
    new ResizeObserver(() => this.drawAxis()).observe(this.scroller);
    this.listen();
  }

  labelLanes(members) {
    const byLabel = new Map();
    for (const one of members) {
      if (!byLabel.has(labelOf[one])) byLabel.set(labelOf[one], []);
      byLabel.get(labelOf[one]).push(one);
    }
    const lanes = [...byLabel].map(([label, ones]) => {
      const name = labels[label].name;
      return new Lane(this, { name, title: name, members: ones.sort((a, b) => startMs[a] - startMs[b]) });
    });
    return lanes.sort((a, b) => b.best - a.best);
  }

  listen() {
    this.inner.addEventListener("click", (event) => {
      const mark = event.target.closest(".mark");
      if (mark) openDetail(mark.detection, mark.closest(".bed"));
    });
    this.inner.addEventListener("pointerover", (event) => {
      const mark = event.pointerType === "mouse" ? event.target.closest(".mark") : null;
      if (mark) showTip(mark);
      else hideTip();
    });
    this.inner.addEventListener("pointerleave", hideTip);
    this.scroller.addEventListener("scroll", hideTip, { passive: true });
  }

  update() {
    for (const group of this.groups) group.update();
    setHidden(this.element, this.groups.every((group) => group.element.hidden) && !this.lost);
  }

  get widthPx() {
    return this.axis.clientWidth;
  }

  get mostZoom() {
    return Math.max(1, (this.lengthS * NARROWEST_PX_PER_S) / Math.max(1, this.widthPx / this.zoom));
  }

  zoomBy(factor) {
    const before = this.scroller.scrollLeft + this.scroller.clientWidth / 2;
    const old = this.zoom;
    this.zoom = Math.min(Math.max(old * factor, 1), Math.max(1, this.mostZoom));
    this.inner.style.setProperty("--zoom", this.zoom);
    this.scroller.scrollLeft = before * (this.zoom / old) - this.scroller.clientWidth / 2;
    this.drawAxis();
  }

  drawAxis() {
    const width = this.widthPx;
    const step = TICKS_S.find((one) => (one / this.lengthS) * width >= TICK_PX) ?? TICKS_S[TICKS_S.length - 1];
    const key = `${step} ${Math.round(width)}`;
    if (!width || key === this.axisKey) return;
    this.axisKey = key;
    const ticks = [];
    for (let time = 0; time <= this.lengthS && ticks.length < 2000; time += step) {
      const tick = make("span", { class: "tick", text: clock(time, step < 1) });
      tick.style.left = percent(time / this.lengthS);
      if ((time / this.lengthS) * width > width - 40) tick.classList.add("last");
      ticks.push(tick);
    }
    this.axis.replaceChildren(...ticks);
  }
}
