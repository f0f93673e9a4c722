// Detections of a video as cards with pictures, the surest first; more on demand.

const FIRST_TILES = 12;
const MORE_TILES = 24;

// A picture in the shape of its video, with the person's box where it is of one.
function framed(one, picture) {
  const video = videoOf(one);
  const image = make("img", { src: pictureUrl(picture), alt: "", decoding: "async", draggable: "false" });
  const frame = make("span", { class: "frame" }, image);
  if (videos.width[video] && videos.height[video]) {
    frame.style.aspectRatio = `${videos.width[video]} / ${videos.height[video]}`;
    frame.style.setProperty("--ratio", videos.width[video] / videos.height[video]);
  }
  if (isOfPerson(one)) {
    const people = blockOf(video).people;
    const box = make("span", { class: "box" });
    box.style.setProperty("--track", people?.byTrack.get(track(one))?.colour ?? "currentColor");
    setBox(box, boxAt(people, track(one), picture[0]));
    frame.append(box);
  }
  return frame;
}

function setBox(element, corners) {
  element.hidden = !corners;
  if (!corners) return;
  const [x1, y1, x2, y2] = corners;
  element.style.left = percent(x1);
  element.style.top = percent(y1);
  element.style.width = percent(x2 - x1);
  element.style.height = percent(y2 - y1);
}

class Gallery {
  constructor(video) {
    this.video = video;
    this.sorted = detectionsOf(video).sort((a, b) => scoreOf[b] - scoreOf[a] || startMs[a] - startMs[b]);
    this.most = FIRST_TILES;
    this.tiles = new Map();
    this.shown = new Set();
    this.grid = make("ul", { class: "tiles", "aria-label": "The surest" });
    if (!blockOf(video).pictures.length) this.grid.classList.add("plain");
    const shape = (videos.width[video] ?? 16) / (videos.height[video] ?? 9);
    this.grid.style.setProperty("--shape", Math.min(Math.max(shape, 4 / 3), 16 / 9));
    this.button = make("button", { type: "button", class: "quiet", onclick: () => this.more() });
    this.element = make("div", { class: "gallery" }, this.grid, this.button);
  }

  more() {
    const first = this.most;
    this.most += MORE_TILES;
    this.update();
    const next = this.passing()[first];
    this.tiles.get(next)?.querySelector("button").focus();
  }

  passing() {
    const shown = [];
    for (const one of this.sorted) {
      if (passes[one]) shown.push(one);
      if (shown.length === this.most) break;
    }
    return shown;
  }

  tile(one) {
    if (!this.tiles.has(one)) {
      const picture = pictureNear(this.video, startS(one), stopS(one), 1 / 2);
      const name = labelName(one);
      const button = make("button", { type: "button", onclick: () => openDetail(one, button) });
      button.append(make("span", { class: "thumb" }, ...(picture ? [framed(one, picture)] : [])));
      const facts = make("span", { class: "tile-facts" });
      facts.append(
        make("span", { text: clock(startS(one)) }),
        make("span", { text: lengthText(lengthS(one)) }),
        make("span", { class: "tile-score", text: score(one).toFixed(2) }),
      );
      const title = make("span", { class: "tile-name", title: name, text: name });
      const who = isOfPerson(one) ? personName(track(one)) : "";
      if (who) title.append(make("span", { text: ` ${who}` }));
      button.append(title, facts);
      const times = `${clock(startS(one))}, ${lengthText(lengthS(one))}, score ${score(one).toFixed(2)}`;
      button.setAttribute("aria-label", [name, who, times].filter(Boolean).join(", "));
      this.tiles.set(one, make("li", {}, button));
    }
    return this.tiles.get(one);
  }

  update() {
    const now = this.passing();
    const wanted = new Set(now);
    for (const one of this.shown) if (!wanted.has(one)) this.tile(one).remove();
    let before = null;
    for (const one of now) {
      const tile = this.tile(one);
      if (!this.shown.has(one)) {
        if (before) before.after(tile);
        else this.grid.prepend(tile);
      }
      before = tile;
    }
    this.shown = wanted;
    const left = found.ofVideo[this.video] - now.length;
    setHidden(this.element, !now.length);
    setHidden(this.button, left <= 0);
    setText(this.button, left > MORE_TILES ? `${MORE_TILES} more of ${whole.format(left)}` : `${left} more`);
  }
}
