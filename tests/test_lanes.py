"""Claims about how machines are divided: one lane a GPU, all that is reserved fits, what is asked for is had."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lanes import LaneSpec, Node, lanes_of

LAPTOP = Node("laptop", 2, 0)
DGX = Node("dgx", 128, 8)
CPU_SERVER = Node("server", 64, 0)


def auto(*nodes: Node) -> list[LaneSpec]:
    return lanes_of(nodes, "auto", "auto", "auto")


def test_laptop_with_two_cores_is_one_lane_that_uses_both() -> None:
    assert auto(LAPTOP) == [LaneSpec("laptop", decoders=2, threads=2, gpus=0, cpus_each=0.66)]


def test_machine_with_eight_gpus_is_eight_lanes_with_many_decoders_each() -> None:
    lanes = auto(DGX)
    assert len(lanes) == 8
    assert {(lane.gpus, lane.decoders) for lane in lanes} == {(1, 15)}


def test_machine_without_gpu_is_a_lane_for_every_sixteen_cores() -> None:
    lanes = auto(CPU_SERVER)
    assert [lane.threads for lane in lanes] == [16] * 4


def test_where_there_are_gpus_machines_without_run_no_backbone() -> None:
    assert {lane.node for lane in auto(LAPTOP, DGX, CPU_SERVER)} == {"dgx"}
    assert [lane.node for lane in auto(Node("a", 8, 1), CPU_SERVER, Node("b", 8, 2))] == ["a", "b", "b"]


def test_machines_without_cores_are_passed_over() -> None:
    assert auto(Node("head", 0, 0)) == []
    assert [lane.node for lane in auto(Node("head", 0, 0), LAPTOP)] == ["laptop"]


def test_asked_for_lanes_are_spread_evenly() -> None:
    nodes = [Node("a", 8, 0), Node("b", 8, 0)]
    assert [lane.node for lane in lanes_of(nodes, 3, "auto", "auto")] == ["a", "a", "b"]
    assert [lane.node for lane in lanes_of(nodes, 1, "auto", "auto")] == ["a"]


def test_asked_for_decoders_and_threads_are_taken_as_they_are() -> None:
    (lane,) = lanes_of([LAPTOP], "auto", 5, 1)
    assert (lane.decoders, lane.threads) == (5, 1)


@pytest.mark.parametrize(("lanes", "share"), [(1, 1.0), (3, 1.0), (8, 1.0), (12, 0.5), (16, 0.5), (24, 0.3333)])
def test_lanes_take_one_gpu_each_or_an_even_part_of_one(lanes: int, share: float) -> None:
    assert {lane.gpus for lane in lanes_of([DGX], lanes, "auto", "auto")} == {share}


nodes = st.lists(
    st.builds(Node, st.text("abc", min_size=1), st.integers(1, 256).map(float), st.integers(0, 8).map(float)),
    min_size=1,
    max_size=6,
    unique_by=lambda node: node.id,
)


@given(nodes, st.one_of(st.just("auto"), st.integers(1, 64)))
def test_what_lanes_reserve_fits_their_machine(nodes: list[Node], lanes: int) -> None:
    specs = lanes_of(nodes, lanes, "auto", "auto")
    assert len(specs) == lanes or lanes == "auto"
    for node in nodes:
        here = [spec for spec in specs if spec.node == node.id]
        assert sum(spec.cpus_each * (spec.decoders + 1) for spec in here) <= node.cpus + 1e-9
        if here and here[0].gpus:
            assert len(here) <= int(1 / here[0].gpus) * node.gpus  # so many fit, each on one GPU
        assert all(spec.threads >= 1 and spec.decoders >= 1 for spec in here)
