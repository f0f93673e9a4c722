// The panel of one detection: a looping preview of the file itself, or its stills in turn, and what is known of it.

const dialog = document.getElementById("detail");
const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
const FLIP_MS = 700;
const detail = { one: -1, opener: null, preview: null };

function openDetail(one, opener) {
  hideTip();
  detail.opener = opener ?? detail.opener;
  if (!dialog.open) dialog.showModal();
  showDetail(one);
}

function showDetail(one) {
  const before = document.activeElement?.dataset?.keeps;
  detail.preview?.stop();
  detail.one = one;
  detail.preview = new Preview(one);
  dialog.replaceChildren(detailHead(one), detail.preview.element, detailFacts(one), detailFoot(one));
  (dialog.querySelector(`[data-keeps="${before}"]:not([disabled])`) ?? dialog.querySelector(".close")).focus();
}

function detailHead(one) {
  const video = videoOf(one);
  const title = make("h2", { id: "detail-title", text: labelName(one) });
  const close = make("button", { type: "button", class: "close", "aria-label": "Close", "data-keeps": "close", text: "×" });
  close.addEventListener("click", () => dialog.close());
  const where = make("p", { class: "muted name", title: videos.uri[video] ?? videos.name[video], text: videos.name[video] });
  return make("header", {}, make("div", {}, title, where), close);
}

function detailFacts(one) {
  const facts = make("dl", { class: "facts" });
  const add = (name, ...children) => facts.append(make("div", {}, make("dt", { text: name }), make("dd", {}, ...children)));
  if (isOfPerson(one)) {
    const person = blockOf(videoOf(one)).people?.byTrack.get(track(one));
    const dot = make("span", { class: "dot-of-track" });
    dot.style.setProperty("--track", person?.colour ?? "currentColor");
    add("Who", dot, personName(track(one)));
  }
  add("Start", copyButton(startS(one), "start"));
  add("Stop", copyButton(stopS(one), "stop"));
  add("Length", lengthText(lengthS(one)));
  add("Score", score(one).toFixed(2));
  return facts;
}

function copyButton(seconds, name) {
  const text = exactClock(seconds);
  const label = `${text}, copy the ${name}`;
  const button = make("button", { type: "button", class: "copy", "data-keeps": name, "aria-label": label, title: "Copy", text });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.classList.add("copied");
      setTimeout(() => button.classList.remove("copied"), 1200);
      say(`${text} copied`);
    } catch {
      getSelection().selectAllChildren(button); // no clipboard here: at least it is selected
    }
  });
  return button;
}

// Those of the video that pass, in order of time, to step through.
function detailOrder(one) {
  const order = detectionsOf(videoOf(one)).filter((other) => passes[other] || other === one);
  return order.sort((a, b) => startMs[a] - startMs[b] || a - b);
}

function detailFoot(one) {
  const order = detailOrder(one);
  const place = order.indexOf(one);
  const step = (by, text, keeps) => {
    const button = make("button", { type: "button", class: "step", "data-keeps": keeps, text });
    button.disabled = !order[place + by] && order[place + by] !== 0;
    button.addEventListener("click", () => stepDetail(by));
    return button;
  };
  const text = `${whole.format(place + 1)} of ${whole.format(order.length)}`;
  return make("footer", {}, step(-1, "← Previous", "previous"), make("span", { class: "muted", text }), step(1, "Next →", "next"));
}

function stepDetail(by) {
  const order = detailOrder(detail.one);
  const next = order[order.indexOf(detail.one) + by];
  if (next !== undefined) showDetail(next);
}

dialog.addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  stepDetail(by);
});

dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside the panel
});

dialog.addEventListener("close", () => {
  detail.preview?.stop();
  detail.preview = null;
  dialog.replaceChildren();
  detail.opener?.focus({ preventScroll: true });
});

// Plays [start, stop) of the file again and again; shows the stills in turn where that cannot be.
class Preview {
  constructor(one) {
    this.one = one;
    this.video = videoOf(one);
    this.stills = stillsOf(one);
    this.turn = 0;
    this.frame = make("div", { class: "frame" });
    const [width, height] = [videos.width[this.video], videos.height[this.video]];
    if (width && height) {
      this.frame.style.aspectRatio = `${width} / ${height}`;
      this.frame.style.setProperty("--ratio", width / height);
    }
    this.image = make("img", { alt: "", hidden: true });
    this.box = make("span", { class: "box", hidden: true });
    this.box.style.setProperty("--track", blockOf(this.video).people?.byTrack.get(track(one))?.colour ?? "currentColor");
    this.frame.append(this.image, this.box);
    this.strip = make("div", { class: "strip" });
    this.play = make("button", { type: "button", class: "play", "data-keeps": "play", hidden: true });
    this.play.addEventListener("click", () => this.toggle());
    this.element = make("div", { class: "preview" }, make("div", { class: "stage" }, this.frame, this.play), this.strip);
    this.isRunning = !isCalm.matches;
    this.fillStrip();
    this.showStill(Math.floor(this.stills.length / 2));
    if (videos.href[this.video]) this.load();
    else this.flip();
  }

  fillStrip() {
    setHidden(this.strip, this.stills.length < 2);
    this.strip.append(
      ...this.stills.map((picture, turn) => {
        const name = `Still at ${exactClock(picture[0])}`;
        const button = make("button", { type: "button", "data-keeps": `still-${turn}`, "aria-label": name, title: name });
        button.append(framed(this.one, picture));
        button.addEventListener("click", () => this.hold(turn));
        return button;
      }),
    );
  }

  load() {
    const [start, stop] = [startS(this.one).toFixed(3), stopS(this.one).toFixed(3)];
    this.player = make("video", { playsinline: true, preload: "auto", tabindex: "-1", "aria-hidden": "true" });
    this.player.muted = true;
    this.player.addEventListener("error", () => this.giveUp());
    this.player.addEventListener("loadeddata", () => (this.player.videoWidth ? this.begin() : this.giveUp()));
    this.player.src = `${videos.href[this.video]}#t=${start},${stop}`;
    this.frame.insertBefore(this.player, this.box);
  }

  begin() {
    this.frame.classList.add("playing");
    if (!this.frame.style.aspectRatio) this.frame.style.aspectRatio = `${this.player.videoWidth} / ${this.player.videoHeight}`;
    setHidden(this.image, true);
    this.run(this.isRunning);
    this.follow();
  }

  // No such file here, or nothing that this browser plays.
  giveUp() {
    if (!this.player) return;
    this.player.remove();
    this.player = null;
    this.frame.classList.remove("playing");
    this.showStill(this.turn);
    this.flip();
  }

  follow() {
    if (!this.player) return;
    const [start, stop] = [startS(this.one), stopS(this.one)];
    const time = this.player.currentTime;
    if (!this.player.seeking && this.isRunning && (time >= stop - 0.02 || time < start - 0.25 || this.player.ended)) {
      this.player.currentTime = start;
    }
    if (this.isRunning && this.player.paused && !this.player.seeking) this.player.play().catch(() => {});
    if (isOfPerson(this.one)) setBox(this.box, boxAt(blockOf(this.video).people, track(this.one), time));
    this.request = requestAnimationFrame(() => this.follow());
  }

  flip() {
    setHidden(this.play, this.stills.length < 2);
    this.run(this.isRunning && this.stills.length > 1);
  }

  showStill(turn) {
    const picture = this.stills[turn];
    this.turn = turn;
    setHidden(this.image, !picture);
    this.frame.classList.toggle("empty", !picture);
    if (picture) this.image.src = pictureUrl(picture);
    if (picture && isOfPerson(this.one)) setBox(this.box, boxAt(blockOf(this.video).people, track(this.one), picture[0]));
  }

  run(isRunning) {
    this.isRunning = isRunning;
    setText(this.play, isRunning ? "Pause" : "Play");
    clearInterval(this.flipping);
    if (this.player) {
      setHidden(this.play, false);
      if (!isRunning) this.player.pause();
    } else if (isRunning) {
      this.flipping = setInterval(() => this.showStill((this.turn + 1) % this.stills.length), FLIP_MS);
    }
  }

  toggle() {
    this.run(!this.isRunning);
  }

  hold(turn) {
    this.run(false);
    if (this.player) this.player.currentTime = this.stills[turn][0];
    else this.showStill(turn);
  }

  stop() {
    clearInterval(this.flipping);
    cancelAnimationFrame(this.request);
    if (!this.player) return;
    this.player.removeAttribute("src");
    this.player.load();
    this.player = null;
  }
}
