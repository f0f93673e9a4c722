// A card for each video that is shown: filled when it comes into view, brought up to date when it is seen.

const FIRST_CARDS = 20;
const MORE_CARDS = 40;

class VideoCard {
  constructor(video) {
    this.video = video;
    this.isNear = false;
    this.isStale = true;
    this.tally = make("span", { class: "card-tally" });
    this.body = make("div", { class: "card-body" });
    this.tools = make("span", { class: "tools" });
    const name = videos.name[video];
    const head = make("header", { class: "card-head" });
    const right = make("span", { class: "card-right" }, this.tally, this.tools);
    head.append(make("h3", { title: videos.uri[video] ?? name, text: name }), right, this.about());
    const isBrief = videos.first[video] === videos.first[video + 1] && videos.status[video] !== "ok";
    const kind = isBrief ? "card brief" : "card";
    this.element = make("article", { class: kind, "aria-label": name, "data-video": video }, head, this.body);
  }

  about() {
    const [video, status] = [this.video, videos.status[this.video]];
    const parts = [];
    if (videos.duration_s[video] !== null) parts.push(lengthText(videos.duration_s[video]));
    if (videos.width[video]) parts.push(`${videos.width[video]} × ${videos.height[video]}`);
    if (videos.fps[video]) parts.push(`${Number(videos.fps[video].toFixed(2))} fps`);
    if (videos.codec[video]) parts.push(videos.codec[video]);
    const about = make("p", { class: "muted about" });
    if (status && status !== "ok") about.append(make("span", { class: `status ${status}`, text: status }), " ");
    about.append(parts.join(" · "));
    return about;
  }

  fill() {
    const block = blockOf(this.video);
    if (videos.error[this.video]) this.body.append(make("p", { class: "reason", text: videos.error[this.video] }));
    const hasPeople = block.people !== null;
    if (videos.first[this.video] === videos.first[this.video + 1] && !hasPeople && !block.lost.length) {
      if (!videos.error[this.video]) this.body.append(make("p", { class: "muted", text: "Nothing found." }));
      return;
    }
    this.timeline = new Timeline(this.video);
    this.gallery = new Gallery(this.video);
    this.timeline.lost = block.lost.length > 0;
    this.body.append(this.timeline.element);
    if (block.lost.length) this.body.append(this.lostNote(block.lost));
    this.body.append(this.gallery.element);
    this.addZoom();
  }

  lostNote(lost) {
    const lengthS = lost.reduce((sum, [start, stop]) => sum + stop - start, 0);
    const spans = lost.slice(0, 3).map(([start, stop]) => `${clock(start, true)}–${clock(stop, true)}`);
    const more = lost.length > 3 ? ` and ${whole.format(lost.length - 3)} more` : "";
    const note = make("p", { class: "lost-note" }, make("i", { class: "lost", "aria-hidden": "true" }));
    note.append(` ${lengthText(lengthS)} could not be read: ${spans.join(", ")}${more}`);
    return note;
  }

  addZoom() {
    const button = (text, name, factor) => {
      const zoom = make("button", { type: "button", text, "aria-label": `${name}, ${videos.name[this.video]}`, title: name });
      zoom.addEventListener("click", () => {
        this.timeline.zoomBy(factor);
        this.markZoom();
      });
      return zoom;
    };
    this.zooms = [button("−", "Zoom out", 1 / 2), button("+", "Zoom in", 2)];
    this.tools.append(...this.zooms);
    requestAnimationFrame(() => this.markZoom());
  }

  markZoom() {
    const { zoom, mostZoom } = this.timeline;
    this.zooms[0].disabled = zoom <= 1;
    this.zooms[1].disabled = zoom >= mostZoom;
    setHidden(this.tools, zoom <= 1 && mostZoom < 2);
  }

  // Only while it is near what is seen: hundreds of others wait until they are.
  update() {
    if (!this.isNear) {
      this.isStale = true;
      return;
    }
    if (!this.body.hasChildNodes()) this.fill();
    this.isStale = false;
    const all = videos.first[this.video + 1] - videos.first[this.video];
    const passing = found.ofVideo[this.video];
    const text = passing === all ? counted(all, "action") : `${whole.format(passing)} of ${counted(all, "action")}`;
    setText(this.tally, all ? text : "");
    this.timeline?.update();
    this.gallery?.update();
  }
}

class CardList {
  constructor() {
    this.cards = new Map();
    this.most = FIRST_CARDS;
    this.element = document.getElementById("cards");
    this.sentinel = document.getElementById("more");
    this.seeing = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "500px 0px" });
    new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && this.extend(), {
      rootMargin: "1200px 0px",
    }).observe(this.sentinel);
  }

  seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const card = this.cards.get(Number(target.dataset.video));
      card.isNear = isIntersecting;
      if (isIntersecting && card.isStale) card.update();
    }
  }

  extend() {
    if (this.wanted.length <= this.most) return;
    this.most += MORE_CARDS;
    this.arrange();
  }

  card(video) {
    if (!this.cards.has(video)) {
      const card = new VideoCard(video);
      this.cards.set(video, card);
      this.seeing.observe(card.element);
    }
    return this.cards.get(video);
  }

  update() {
    this.wanted = videos.name.map((_, video) => video).filter(isVideoShown);
    this.arrange();
    for (const card of this.cards.values()) card.update();
    setText(document.getElementById("videos-title"), this.title());
    setHidden(document.getElementById("no-videos"), this.wanted.length > 0);
  }

  title() {
    if (this.wanted.length === numVideos) return counted(numVideos, "video");
    return `${whole.format(this.wanted.length)} of ${counted(numVideos, "video")}`;
  }

  arrange() {
    const shown = this.wanted.slice(0, this.most);
    const isShown = new Set(shown);
    for (const [video, card] of this.cards) setHidden(card.element, !isShown.has(video));
    let before = null;
    for (const video of shown) {
      const { element } = this.card(video);
      if (!element.parentNode) {
        if (before) before.after(element);
        else this.element.prepend(element);
      }
      before = element;
    }
  }
}
