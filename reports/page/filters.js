// Which detections pass the score, the chosen labels and the text, and how many they are. Knows no elements.

const filters = { score: 0, chosen: new Set(), text: "" };
const passes = new Uint8Array(numDetections);
const found = {
  total: 0,
  ofVideo: new Uint32Array(numVideos),
  ofLabel: new Uint32Array(labels.length), // whatever labels are chosen
  lengthOfLabel: new Float64Array(labels.length), // milliseconds
};

const lowerLabels = labels.map((label) => label.name.toLowerCase());
const lowerVideos = videos.name.map((name) => name.toLowerCase());

// Whether more than the score narrows what is shown.
const isNarrowed = () => filters.chosen.size > 0 || filters.text.trim() !== "";

function applyFilters() {
  const least = Math.round(filters.score * SCORE_PARTS);
  const text = filters.text.trim().toLowerCase();
  const isNamed = lowerLabels.map((name) => name.includes(text));
  const isChosen = labels.map((_, label) => !filters.chosen.size || filters.chosen.has(label));
  found.total = 0;
  found.ofVideo.fill(0);
  found.ofLabel.fill(0);
  found.lengthOfLabel.fill(0);
  for (let video = 0; video < numVideos; video += 1) {
    const isVideoNamed = lowerVideos[video].includes(text);
    let passing = 0;
    for (let one = videos.first[video]; one < videos.first[video + 1]; one += 1) {
      const label = labelOf[one];
      const counts = scoreOf[one] >= least && (isVideoNamed || isNamed[label]);
      if (counts) {
        found.ofLabel[label] += 1;
        found.lengthOfLabel[label] += lengthMs[one];
      }
      passes[one] = counts && isChosen[label] ? 1 : 0;
      passing += passes[one];
    }
    found.ofVideo[video] = passing;
    found.total += passing;
  }
}

// A video without anything that passes is shown only while nothing is asked for, or its name is.
function isVideoShown(video) {
  if (found.ofVideo[video]) return true;
  const text = filters.text.trim().toLowerCase();
  return !filters.chosen.size && filters.score === 0 && lowerVideos[video].includes(text);
}

// The state in the address, so that a view can be sent along with the file.
function writeAddress() {
  const state = new URLSearchParams();
  if (filters.score) state.set("score", String(filters.score));
  if (filters.text) state.set("text", filters.text);
  for (const label of filters.chosen) state.append(labels[label].isOfPeople ? "person" : "label", labels[label].name);
  const text = state.toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

function readAddress() {
  const state = new URLSearchParams(location.hash.slice(1));
  filters.score = Math.min(Math.max(Number(state.get("score")) || 0, 0), 1);
  filters.text = state.get("text") ?? "";
  filters.chosen = new Set();
  labels.forEach((label, number) => {
    if (state.getAll(label.isOfPeople ? "person" : "label").includes(label.name)) filters.chosen.add(number);
  });
}
