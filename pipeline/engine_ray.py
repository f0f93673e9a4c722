"""Run a job on a Ray cluster: lanes of a vision actor and its decoders, finishers, and a driver that keeps the books.

Pixels go from decoder to vision actor through Ray's object store, held back when the vision actor is behind; features
go to disk; the driver gets one small message a segment.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # workers use this environment as it is
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.contracts import Decode, Features, Finish, Probe
from pipeline.errors import StopRun
from pipeline.job import Job
from pipeline.lanes import LaneSpec, Node, lanes_of
from pipeline.ledger import Finished, VideoWork
from pipeline.records import DecodeReport, FrameChunk, Segment, Source, StageTimes, Video
from pipeline.settings import EngineSettings
from pipeline.spool import write_segment
from pipeline.tries import Tries

_PULSE_EVERY_S = 2.0
_LANES_PER_FINISHER = 4
_DEATHS_IN_A_ROW = 30  # of one lane's vision actors, with no segment done in between: not the videos' fault


class DecoderDied(Exception):  # noqa: N818 - it names what happened
    """The decoder that fed a segment is gone."""


class DecodeActor:
    """Probes and decodes; a codec that crashes takes only this process with it."""

    def __init__(self, probe: Probe, decode: Decode) -> None:
        self.stages = probe, decode
        for stage in self.stages:
            stage.setup()

    def probe(self, source: Source) -> Video:
        return self.stages[0](source)

    def decode(self, segment: Segment) -> Iterator[FrameChunk | DecodeReport]:
        yield from self.stages[1](segment)


class VisionActor:
    """Pulls frames from decoders, runs the backbone, writes segments to disk."""

    def __init__(self, features: Features, threads: int, chunks_in_flight: int) -> None:
        self.features = features
        self.features.setup(threads)
        self.chunks_in_flight = chunks_in_flight
        self.under_way: dict[str, float] = {}

    def process(self, segment: Segment, path: Path, decoder: Any) -> StageTimes:
        """Raises DecoderDied, or what a stage raised."""
        try:
            result = self.features(segment, self._pull(segment, path.name, decoder))
        except RayTaskError as error:
            raise (error.cause or error) from None
        except RayError as error:
            raise DecoderDied(str(error)) from None
        finally:
            self.under_way.pop(path.name, None)
        write_segment(path, result)
        return result.times

    def _pull(self, segment: Segment, name: str, decoder: Any) -> Iterator[FrameChunk | DecodeReport]:
        chunks = decoder.decode.options(
            num_returns="streaming", _generator_backpressure_num_objects=self.chunks_in_flight
        ).remote(segment)
        for reference in chunks:
            item = ray.get(reference)
            yield item
            if isinstance(item, FrameChunk):
                self.under_way[name] = self.under_way.get(name, 0.0) + item.duration_s

    def under_way_s(self) -> float:
        """Seconds of video done in segments that are not finished."""
        return sum(list(self.under_way.values()))


class FinishActor:
    """Does the last step of videos."""

    def __init__(self, finish: Finish) -> None:
        self.last_step = finish
        self.last_step.setup()

    def finish(self, work: VideoWork) -> Finished:
        return self.last_step(work)


def run(job: Job, settings: EngineSettings, address: str | None = None) -> None:
    """Start Ray here, or join the cluster at `address`, and work until the job is over. Raises StopRun."""
    ours = not ray.is_initialized()
    if ours:
        _start_ray(address)
    try:
        _Driver(job, settings).run()
    finally:
        if ours:
            ray.shutdown()


def _start_ray(address: str | None) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is None:
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            code = {"working_dir": str(Path(__file__).parent.parent), "excludes": [".git", ".venv", "out", "tests"]}
            ray.init(address=address, runtime_env=code, **quiet)
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        where = f"join the cluster at {address}" if address else "start Ray on this machine"
        raise StopRun(f"cannot {where}: {_first_line(error)}; --engine local works without Ray") from None


@dataclass(eq=False, slots=True)
class _Slot:
    """A decoder and whether it has work."""

    decoder: Any
    busy: bool = False


@dataclass(eq=False, slots=True)
class _Lane:
    """A vision actor and its decoders."""

    spec: LaneSpec
    vision: Any
    slots: list[_Slot]
    alone: bool = False  # a last try is under way, nothing else may run
    deaths: int = 0  # of vision actors since one last brought work home
    under_way_s: float = 0.0

    @property
    def is_idle(self) -> bool:
        return not any(slot.busy for slot in self.slots)


@dataclass(eq=False, slots=True)
class _Finisher:
    actor: Any
    busy: bool = False


class _Driver:
    """Hands out probes, segments and videos, and books what comes back."""

    def __init__(self, job: Job, settings: EngineSettings) -> None:
        self.job = job
        self.settings = settings
        self.pending: dict[ray.ObjectRef, Callable[[ray.ObjectRef], None]] = {}  # and what to do when they are ready
        self.tries = Tries(job.attempts)
        specs = lanes_of(_living_nodes(), settings.lanes, settings.decoders_per_lane, settings.threads)
        if not specs:
            raise StopRun("the cluster has no machine with CPUs to work on")
        self.lanes = [self._new_lane(spec) for spec in specs]
        count = -(-len(specs) // _LANES_PER_FINISHER)
        self.finishers = [_Finisher(self._new_finisher()) for _ in range(count)]

    def run(self) -> None:
        self._await_workers()
        pulsed = 0.0
        while not self.job.is_over:
            self._hand_out()
            for reference in self._ready():
                self.pending.pop(reference)(reference)
            if time.monotonic() - pulsed > _PULSE_EVERY_S:
                pulsed = time.monotonic()
                self._drop_lost_lanes()
                self._take_pulse()
            self.job.progress.update()

    def _ready(self) -> list[ray.ObjectRef]:
        """Everything that came back, after waiting for the first for a second at most."""
        references = list(self.pending)
        ray.wait(references, num_returns=1, timeout=1.0)
        ready: list[ray.ObjectRef] = ray.wait(references, num_returns=len(references), timeout=0)[0]
        return ready

    # Workers

    def _new_lane(self, spec: LaneSpec) -> _Lane:
        return _Lane(spec, self._new_vision(spec), [_Slot(self._new_decoder(spec)) for _ in range(spec.decoders)])

    def _new_vision(self, spec: LaneSpec) -> Any:
        return (
            ray.remote(VisionActor)
            .options(
                num_cpus=spec.cpus_each,
                num_gpus=spec.gpus,
                max_concurrency=spec.decoders + 1,
                scheduling_strategy=NodeAffinitySchedulingStrategy(spec.node, soft=False),
            )
            .remote(self.job.stages.features, spec.threads, self.settings.chunks_in_flight)
        )

    def _new_decoder(self, spec: LaneSpec) -> Any:
        return (
            ray.remote(DecodeActor)
            .options(num_cpus=spec.cpus_each, scheduling_strategy=NodeAffinitySchedulingStrategy(spec.node, soft=False))
            .remote(self.job.stages.probe, self.job.stages.decode)
        )

    def _new_finisher(self) -> Any:
        return ray.remote(FinishActor).options(num_cpus=0).remote(self.job.finish)

    def _await_workers(self) -> None:
        """A worker that cannot even start is no video's fault, and is told before any work begins."""
        lane = self.lanes[0]
        for actor in (lane.slots[0].decoder, lane.vision, self.finishers[0].actor):
            try:
                ray.get(actor.__ray_ready__.remote())
            except RayError as error:
                raise StopRun(f"a worker cannot start: {_last_line(error)}") from None

    def _drop_lost_lanes(self) -> None:
        """A machine that is gone takes its lanes with it; their segments come back as deaths of their workers."""
        living = {node.id for node in _living_nodes()}
        self.lanes = [lane for lane in self.lanes if lane.spec.node in living]
        if not self.lanes:
            raise StopRun("Ray has lost every machine that was at work; give the same command again to go on")

    def _replace_decoder(self, lane: _Lane, slot: _Slot) -> None:
        ray.kill(slot.decoder)
        slot.decoder = self._new_decoder(lane.spec)

    def _replace_lane(self, lane: _Lane, dead: Any) -> None:
        """A dead vision actor leaves half-read streams behind, so its decoders go with it."""
        if lane.vision is not dead or lane not in self.lanes:
            return  # another segment of the lane told already, or its machine is gone
        lane.deaths += 1
        if lane.deaths >= _DEATHS_IN_A_ROW:
            raise StopRun(
                "the worker for the backbone dies again and again; is there memory enough? Ray's logs say more"
            )
        lane.vision = self._new_vision(lane.spec)
        for slot in lane.slots:
            self._replace_decoder(lane, slot)

    # Work out

    def _hand_out(self) -> None:
        for finisher in self.finishers:
            if self.job.ready and not finisher.busy:
                self._start_finish(finisher, self.job.ready.popleft())
        for lane in self.lanes:
            if lane.alone:
                continue
            if self.tries.alone and lane.is_idle:
                lane.alone = True
                self._start_segment(lane, lane.slots[0], self.tries.alone.popleft())
            elif not self.tries.alone or lane is not self.lanes[0]:  # the first lane runs dry for a last try
                self._fill(lane)

    def _fill(self, lane: _Lane) -> None:
        job = self.job
        slots = sum(len(lane.slots) for lane in self.lanes)
        for slot in lane.slots:
            if slot.busy:
                continue
            if job.sources and job.ledger.waiting < slots:
                self._start_probe(lane, slot, job.sources.popleft())
            elif (segment := job.ledger.next_segment()) is not None:
                self._start_segment(lane, slot, segment)

    def _start_probe(self, lane: _Lane, slot: _Slot, source: Source) -> None:
        slot.busy = True
        self.pending[slot.decoder.probe.remote(source)] = partial(self._probed, lane, slot, source)

    def _start_segment(self, lane: _Lane, slot: _Slot, segment: Segment) -> None:
        slot.busy = True
        reference = lane.vision.process.remote(segment, self.job.path_of(segment), slot.decoder)
        self.pending[reference] = partial(self._processed, lane, slot, segment, lane.vision)

    def _start_finish(self, finisher: _Finisher, work: VideoWork) -> None:
        finisher.busy = True
        self.pending[finisher.actor.finish.remote(work)] = partial(self._finished, finisher, work)

    def _take_pulse(self) -> None:
        for lane in self.lanes:
            self.pending[lane.vision.under_way_s.remote()] = partial(self._pulse_taken, lane)

    # Work back

    def _probed(self, lane: _Lane, slot: _Slot, source: Source, reference: ray.ObjectRef) -> None:
        slot.busy = False
        try:
            video = ray.get(reference)
        except RayTaskError as error:
            self.job.refuse(source, _cause(error))
        except RayError:
            self._replace_decoder(lane, slot)
            if self.tries.may_try_again(source.uri, "probe"):
                self.job.sources.append(source)
            else:
                self.job.refuse(source, self.tries.error())
        else:
            self.job.open_video(source, video)

    def _processed(self, lane: _Lane, slot: _Slot, segment: Segment, vision: Any, reference: ray.ObjectRef) -> None:
        slot.busy = lane.alone = False
        self._note_under_way(lane, 0.0)  # until the next pulse tells of its neighbours
        try:
            times = ray.get(reference)
        except RayTaskError as error:
            cause = _cause(error)
            self._replace_decoder(lane, slot)  # it may be held up with frames that nobody takes any more
            if isinstance(cause, DecoderDied):
                self._again(segment)
            else:
                self.job.lose_segment(segment, cause)
        except RayError:
            self._replace_lane(lane, vision)
            self._again(segment)
        else:
            lane.deaths = 0
            self.job.close_segment(segment, times)

    def _finished(self, finisher: _Finisher, work: VideoWork, reference: ray.ObjectRef) -> None:
        finisher.busy = False
        try:
            finished = ray.get(reference)
        except RayTaskError as error:
            self.job.lose_video(work, _cause(error))
        except RayError:
            finisher.actor = self._new_finisher()
            if self.tries.may_try_again(work.source.uri, "finish"):
                self.job.ready.append(work)
            else:
                self.job.lose_video(work, self.tries.error())
        else:
            self.job.close_video(work, finished)

    def _pulse_taken(self, lane: _Lane, reference: ray.ObjectRef) -> None:
        try:
            self._note_under_way(lane, ray.get(reference))
        except RayError:
            self._note_under_way(lane, 0.0)  # the work itself will tell that its actor died

    def _note_under_way(self, lane: _Lane, seconds: float) -> None:
        lane.under_way_s = seconds
        self.job.tally.under_way_s = sum(lane.under_way_s for lane in self.lanes)

    def _again(self, segment: Segment) -> None:
        """The worker of a segment died."""
        verdict = self.tries.judge(segment)
        if verdict == "again":
            self.job.ledger.put_back([segment])
        if verdict == "lost":
            uri = segment.video.uri
            rest = self.job.ledger.withdraw(uri) if self.tries.is_deadly(uri) else []
            for one in (segment, *rest):
                self.job.lose_segment(one, self.tries.error())


def _living_nodes() -> list[Node]:
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
    except (RayError, RuntimeError, OSError) as error:
        raise StopRun(f"Ray does not answer any more: {_first_line(error)}; give the same command again") from None
    return [Node(node["NodeID"], node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0)) for node in nodes]


def _cause(error: RayTaskError) -> BaseException:
    """What a stage raised. A StopRun goes straight on."""
    cause: BaseException = error.cause or error
    if isinstance(cause, StopRun):
        raise cause from None
    return cause


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
