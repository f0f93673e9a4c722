"""Write one finished video into the tables; its row in `videos` comes last and makes the rest exist."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.records import FeatureSequence, Outcome
from pipeline.results import ResultsFolder, part_name, result_key
from pipeline.tables import FEATURES, TABLES, table_of, write_part
from stages.person_rows import person_rows, tube_rows


class Write:
    """Commit outcomes to a results folder."""

    def __init__(
        self,
        results: ResultsFolder,
        *,
        class_names: Sequence[str],
        person_class_names: Sequence[str] | None = None,
        metadata: Mapping[str, str],
        run_id: str,
        features: bool,
    ) -> None:
        self.results = results
        self.class_names = class_names
        self.people = person_class_names  # what labels of people are called; None if they are not looked for
        self.metadata = metadata  # config hash, weights hash, software version
        self.run_id = run_id
        self.features = features

    def __call__(self, outcome: Outcome, blocks: Iterable[FeatureSequence] = ()) -> None:
        part = part_name(outcome.source.uri, outcome.source.key)
        key = result_key(self.metadata["config_hash"], outcome.fingerprint)
        metadata = {**self.metadata, "result_key": key}

        self.results.remove("videos", part)  # rows of an earlier run are not to count while some are replaced
        written = set()

        def write(table: str, pieces: Iterable[pa.Table]) -> None:
            write_part(pieces, TABLES[table], self.results.part(table, part), self.results.temp_folder, metadata)
            written.add(table)

        write("segments", [table_of("segments", self._segment_rows(outcome))])
        if self.people is not None:
            write("persons", [person_rows(outcome.people, outcome.source.key, self.people)])
            write("tubes", [tube_rows(outcome.people, outcome.source.key, self.people)])
        if self.features:
            write("features", (_feature_rows(block) for block in blocks))
        for table in TABLES.keys() - written - {"videos"}:  # of a run before, with another config
            self.results.remove(table, part)
        write("videos", [table_of("videos", [self._video_row(outcome)])])

    def _segment_rows(self, outcome: Outcome) -> list[dict[str, Any]]:
        found = outcome.detections
        if found is None:
            return []
        return [
            {
                "video": outcome.source.key,
                "start_s": float(start_s),
                "stop_s": float(stop_s),
                "label": self.class_names[label],
                "label_id": int(label),
                "score": float(score),
            }
            for (start_s, stop_s), label, score in zip(found.spans_N2, found.labels_N, found.scores_N, strict=True)
        ]

    def _video_row(self, outcome: Outcome) -> dict[str, Any]:
        video, busy_s = outcome.video, outcome.times.busy_s
        lost = [
            {"start_s": failure.span_s[0], "stop_s": failure.span_s[1], "reason": failure.message}
            for failure in outcome.failures
            if failure.span_s is not None
        ]
        first = outcome.failures[0] if outcome.failures else None
        return {
            "video": outcome.source.key,
            "uri": outcome.source.uri.encode("utf-8", "replace").decode(),
            "status": outcome.status,
            "error_class": first.error_class if first else None,
            "error": first.message if first else None,
            "lost_spans": lost,
            "duration_s": outcome.end_s,
            "width": video.width if video else None,
            "height": video.height if video else None,
            "fps": float(video.fps) if video else None,
            "codec": video.codec if video else None,
            "n_segments": outcome.n_segments,
            "n_detections": len(outcome.detections) if outcome.detections is not None else 0,
            "decode_s": busy_s.get("decode", 0.0),
            "infer_s": busy_s.get("features", 0.0) + busy_s.get("persons", 0.0),
            "wall_s": outcome.wall_s,
            "fingerprint": outcome.fingerprint,
            "run_id": self.run_id,
        }


def _feature_rows(block: FeatureSequence) -> pa.Table:
    starts_s = block.start_s + np.arange(len(block)) * block.step_s
    width = block.features_SC.shape[1]
    values = pa.array(block.features_SC.astype(np.float16).ravel())
    offsets = pa.array(np.arange(len(block) + 1, dtype=np.int32) * width)
    return pa.table(
        {
            "video": pa.array([block.video] * len(block), pa.string()),
            "start_s": starts_s,
            "stop_s": starts_s + block.step_s,
            "feature": pa.ListArray.from_arrays(offsets, values),
        },
        schema=FEATURES,
    )
