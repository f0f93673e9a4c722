// Lanes of people: one a track, thin while in view, thick while doing something; what overlaps lies in rows.

const MOST_LEVELS = 3;

function personLanes(timeline, video) {
  const people = blockOf(video).people;
  if (!people) return [];
  const members = new Map([...people.byTrack.keys()].map((number) => [number, []]));
  for (const one of detectionsOf(video)) if (isOfPerson(one)) members.get(track(one))?.push(one);
  const lanes = [...people.byTrack.values()].map((person) => personLane(timeline, person, members.get(person.number)));
  return lanes.sort((a, b) => b.best - a.best || b.inViewS - a.inViewS || a.number - b.number);
}

function personLane(timeline, person, members) {
  const inViewS = person.spans.reduce((sum, [start, stop]) => sum + stop - start, 0);
  const name = personName(person.number);
  const title = `${name}, in view for ${lengthText(inViewS)}`;
  const lane = new Lane(timeline, {
    name,
    title,
    members,
    colour: person.colour,
    presence: person.spans,
    levelsOf,
  });
  return Object.assign(lane, { inViewS, number: person.number });
}

// The first row that is free when a span begins; the last one where none is.
function levelsOf(members) {
  const freeFrom = [];
  return members.map((one) => {
    let level = freeFrom.findIndex((until) => until <= startMs[one]);
    if (level < 0) level = Math.min(freeFrom.length, MOST_LEVELS - 1);
    freeFrom[level] = Math.max(freeFrom[level] ?? 0, startMs[one] + lengthMs[one]);
    return level;
  });
}
