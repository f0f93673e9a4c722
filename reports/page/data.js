// What the page holds: columns of all detections, and a block for each video that is read when it is needed.

const overview = JSON.parse(document.getElementById("overview").textContent);
const videos = overview.videos; // columns, by number of the video
const labels = overview.labels; // {name, isOfPeople}
const numVideos = videos.name.length;
const numDetections = videos.first[numVideos];
const SCORE_PARTS = 10000;

function bytesOf(text) {
  const characters = atob(text.trim());
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index += 1) bytes[index] = characters.charCodeAt(index);
  return bytes.buffer;
}

// By number of the detection; those of a video lie side by side, from videos.first[video] on, in order of track and time.
const { startMs, lengthMs, labelOf, trackOf, scoreOf } = (() => {
  const buffer = bytesOf(document.getElementById("columns").textContent);
  const column = (number) => new Uint32Array(buffer, 4 * number * numDetections, numDetections);
  return {
    startMs: column(0),
    lengthMs: column(1),
    labelOf: column(2),
    trackOf: column(3), // one more than the track's number, 0: nobody's
    scoreOf: new Uint16Array(buffer, 16 * numDetections, numDetections), // of SCORE_PARTS
  };
})();

const startS = (one) => startMs[one] / 1000;
const stopS = (one) => (startMs[one] + lengthMs[one]) / 1000;
const lengthS = (one) => lengthMs[one] / 1000;
const score = (one) => scoreOf[one] / SCORE_PARTS;
const labelName = (one) => labels[labelOf[one]].name;
const isOfPerson = (one) => trackOf[one] > 0;
const track = (one) => trackOf[one] - 1;
const topScore = scoreOf.reduce((top, one) => Math.max(top, one), 1);

function videoOf(one) {
  let low = 0;
  let high = numVideos;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (videos.first[middle] <= one) low = middle;
    else high = middle;
  }
  return low;
}

function detectionsOf(video) {
  const first = videos.first[video];
  return Array.from({ length: videos.first[video + 1] - first }, (_, index) => first + index);
}

// As long as its timeline has to be: what was found may reach beyond what a header says.
function timelineS(video) {
  let end = videos.duration_s[video] ?? 0;
  for (let one = videos.first[video]; one < videos.first[video + 1]; one += 1) {
    if (!(videos.duration_s[video] > 0)) end = Math.max(end, stopS(one));
  }
  return Math.max(end, 0.1);
}

const blocks = new Map();

// {lost: [[start, stop, reason]], pictures: [[seconds, WebP]], people}, each where there is any.
function blockOf(video) {
  if (!blocks.has(video)) {
    const element = document.getElementById(`video-${video}`);
    const block = element ? JSON.parse(element.textContent) : {};
    blocks.set(video, { lost: [], pictures: [], ...block, people: peopleOf(block.people) });
  }
  return blocks.get(video);
}

// Who is in view when, and where: boxes of a track in order of time.
function peopleOf(packed) {
  if (!packed) return null;
  const people = packed.tracks.map((number, index) => ({ number, colour: packed.colours[index], spans: [], boxes: [] }));
  for (const [index, start, stop] of packed.spans) people[index].spans.push([start, stop]);
  const buffer = bytesOf(packed.boxes);
  const count = buffer.byteLength / 16;
  const times = new Uint32Array(buffer, 0, count);
  const places = new Uint32Array(buffer, 4 * count, count);
  const sides = new Uint16Array(buffer, 8 * count, 4 * count);
  for (let box = 0; box < count; box += 1) {
    const corners = Array.from(sides.subarray(4 * box, 4 * box + 4), (side) => side / 65535);
    people[places[box]].boxes.push({ time: times[box] / 1000, corners });
  }
  return { periodS: packed.period_s, byTrack: new Map(people.map((one) => [one.number, one])) };
}

// Where a person is at an instant: between key frames on a straight line, null where none is near.
function boxAt(people, number, time) {
  const boxes = people?.byTrack.get(number)?.boxes ?? [];
  const after = boxes.findIndex((box) => box.time >= time);
  const next = boxes[after];
  const last = after < 0 ? boxes[boxes.length - 1] : boxes[after - 1];
  if (last && next && next.time - last.time <= 2.5 * people.periodS) {
    const part = (time - last.time) / (next.time - last.time);
    return last.corners.map((side, index) => side + (next.corners[index] - side) * part);
  }
  const near = [last, next].find((box) => box && Math.abs(box.time - time) <= 0.75 * people.periodS);
  return near ? near.corners : null;
}

const pictureUrl = (picture) => `data:image/webp;base64,${picture[1]}`;

// The picture inside a span that is nearest to a part of it, null where there is none.
function pictureNear(video, start, stop, part) {
  const wanted = start + (stop - start) * part;
  let best = null;
  for (const picture of blockOf(video).pictures) {
    if (picture[0] < start || picture[0] >= stop) continue;
    if (!best || Math.abs(picture[0] - wanted) < Math.abs(best[0] - wanted)) best = picture;
  }
  return best;
}

// A few different pictures of a detection, in order of time.
function stillsOf(one) {
  const near = [1 / 6, 1 / 2, 5 / 6].map((part) => pictureNear(videoOf(one), startS(one), stopS(one), part));
  return [...new Set(near)].filter(Boolean).sort((a, b) => a[0] - b[0]);
}
