// Times and numbers as text, and elements made of text alone: names come from files and are never read as HTML.

const whole = new Intl.NumberFormat("en");

// 1:02:03 or 2:03; with tenths 2:03.4.
function clock(seconds, tenths = false) {
  const total = tenths ? Math.round(seconds * 10) / 10 : Math.floor(seconds + 1e-6);
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const rest = (total % 60).toFixed(tenths ? 1 : 0).padStart(tenths ? 4 : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

// h:mm:ss.s, as other tools take it.
function exactClock(seconds) {
  const total = Math.round(seconds * 10) / 10;
  const minutes = Math.floor((total % 3600) / 60);
  const rest = (total % 60).toFixed(1).padStart(4, "0");
  return `${Math.floor(total / 3600)}:${String(minutes).padStart(2, "0")}:${rest}`;
}

// 3.0 s, 2 min 5 s, 1 h 4 min.
function lengthText(seconds) {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const total = Math.round(seconds);
  if (total < 3600) return `${Math.floor(total / 60)} min ${total % 60} s`;
  return `${whole.format(Math.floor(total / 3600))} h ${Math.floor((total % 3600) / 60)} min`;
}

const counted = (number, what) => `${whole.format(number)} ${number === 1 ? what : `${what}s`}`;
const personName = (number) => `Person ${number}`;
const percent = (part) => `${(100 * part).toFixed(4)}%`;

// An element with attributes; `text` is its text, `on...` a listener, children are elements or strings.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setHidden(element, isHidden) {
  if (element.hidden !== isHidden) element.hidden = isHidden;
}

function say(text) {
  document.getElementById("said").textContent = text;
}
