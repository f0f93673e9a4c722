"""A plain convolutional network turned into its dense form: run along a recording in chunks, no frame computed twice.

The network is traced (torch.fx). Of every layer it is then known which frames it sees; each becomes an operator that
carries what its later outputs still need, and branches wait for each other where they meet. Batch norms, additions
and ReLUs go into the convolution before them.
"""

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, fx, nn

from detectors.dense.carry import Carry, View, joined
from detectors.dense.layers import SameMaxPool3d, Subsample
from detectors.dense.operators import AvgPool, Combination, Convolution, MaxPool, Skip, window_of

ADDS = (operator.add, operator.iadd, torch.add)
JOINS = (*ADDS, operator.mul, operator.imul, torch.mul, torch.cat)
IDLE = (nn.Identity, nn.Dropout, nn.Dropout3d)
RELUS = (F.relu, torch.relu)
IN_PLACE = (operator.iadd, operator.imul)


def view_of(trunk: nn.Module) -> View:
    """Which frames an output of the network sees. Raises ValueError, naming the layer that has no dense form."""
    return _Plan(trunk).view


class Dense(nn.Module):
    """The dense form of a trunk, for inference in `dtype`: chunk by chunk it gives what the trunk gives at once."""

    def __init__(self, trunk: nn.Module, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        plan = _Plan(trunk)
        self.view = plan.view
        self.graph = plan.build(dtype)

    def forward(self, frames_NCTHW: Tensor, carry: Carry | None = None) -> Tensor:
        """The map's steps that are complete by now, possibly none; without a carry the frames are a whole run."""
        map_NCSHW: Tensor = self.graph(carry or Carry(last=True), frames_NCTHW)
        return map_NCSHW


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_layer = isinstance(m, nn.Conv3d | SameMaxPool3d | Subsample)  # torchvision's too
        return is_layer or super().is_leaf_module(m, module_qualified_name)


@dataclass(slots=True)
class _Fused:
    """A convolution and the nodes that go into it."""

    conv: fx.Node
    last: fx.Node
    norm: nn.BatchNorm3d | None = None
    other: fx.Node | None = None
    relu: bool = False


class _Plan:
    """A traced network, the view of each of its nodes, and what goes into which convolution."""

    def __init__(self, trunk: nn.Module) -> None:
        tracer = _Tracer()
        trunk = nn.Sequential(trunk) if tracer.is_leaf_module(trunk, "") else trunk
        self.graph = tracer.trace(trunk)
        self.modules = dict(trunk.named_modules())
        _pass_over_idle(self.graph, self.modules)
        _undo_in_place(self.graph, self.modules)
        self.views: dict[fx.Node, View] = {}
        for node in self.graph.nodes:
            self.views[node] = self._view(node)
        self.view = self.views[_result(self.graph)]
        self.fused: dict[fx.Node, _Fused] = {}  # by the last node
        self.inner: set[fx.Node] = set()  # nodes that are not the last of theirs
        for node in self.graph.nodes:
            if isinstance(self._layer(node), nn.Conv3d):
                self._fuse(node)

    def build(self, dtype: torch.dtype) -> fx.GraphModule:
        """The same network of operators; its forward takes the carry and the frames."""
        graph, made, now = fx.Graph(), nn.Module(), dict[fx.Node, fx.Node]()
        carry = graph.placeholder("carry_of_the_run")
        for node in self.graph.nodes:
            if node.op == "placeholder":
                now[node] = graph.placeholder(node.name)
            elif node.op == "output":
                graph.output(now[_result(self.graph)])
            elif node not in self.inner:
                operation, inputs = self._operation(node, dtype)
                made.add_module(node.name, operation)
                takes_carry = () if isinstance(operation, nn.ReLU | nn.BatchNorm3d) else (carry,)
                now[node] = graph.call_module(node.name, (*takes_carry, *(now[one] for one in inputs)))
        return fx.GraphModule(made, graph)

    def _layer(self, node: fx.Node) -> nn.Module | None:
        return self.modules[str(node.target)] if node.op == "call_module" else None

    def _view(self, node: fx.Node) -> View:
        inputs = _inputs(node)
        if node.op == "placeholder":
            return View()
        if node.op == "output":
            if len(inputs) != 1:
                raise ValueError("a network that gives anything but one map has no dense form")
            return self.views[inputs[0]]
        try:
            layer = self._layer(node)
            if layer is not None and (window := window_of(layer)) is not None:
                return self.views[inputs[0]].through(window)
            if node.op == "call_function" and (node.target in RELUS or _is_join(node)):
                return joined([self.views[one] for one in inputs])
        except ValueError as error:
            raise ValueError(f"{node.name}: {error}") from None
        what = type(layer).__name__ if layer is not None else node.target
        raise ValueError(f"{node.name}: {what} has no dense form; run this network clip by clip")

    def _fuse(self, conv: fx.Node) -> None:
        """Follow a convolution as long as its result goes to one place that can be done with it."""
        found = _Fused(conv, conv)
        following = _only_user(conv)
        if following is not None and isinstance(norm := self._layer(following), nn.BatchNorm3d):
            found.norm, found.last, following = norm, following, _only_user(following)
        if following is not None and following.target in ADDS and not self._is_taken(following):
            other = _other(following, found.last)
            if other is not None and self._comes_later(found.last, other):
                found.other, found.last, following = other, following, _only_user(following)
        if following is not None and self._is_relu(following):
            found.relu, found.last = True, following
        node = conv
        while node is not found.last:
            self.inner.add(node)
            node = next(iter(node.users))
        self.fused[found.last] = found

    def _is_taken(self, add: fx.Node) -> bool:
        return add in self.inner or add in self.fused

    def _comes_later(self, node: fx.Node, other: fx.Node) -> bool:
        """Whether its steps never come before the other's, so that it need not wait for them."""
        own, theirs = self.views[node], self.views[other]
        return own.before >= theirs.before and own.after >= theirs.after

    def _is_relu(self, node: fx.Node) -> bool:
        return isinstance(self._layer(node), nn.ReLU) or node.target in RELUS

    def _operation(self, node: fx.Node, dtype: torch.dtype) -> tuple[nn.Module, list[fx.Node]]:
        """The operator for a node, and what it takes."""
        if node in self.fused:
            return self._convolution(self.fused[node], dtype)
        inputs, layer = _inputs(node), self._layer(node)
        if self._is_relu(node):
            return nn.ReLU(), inputs
        if isinstance(layer, nn.MaxPool3d | SameMaxPool3d):
            nonnegative = self._is_nonnegative(inputs[0])
            return MaxPool(node.name, layer, nonnegative=nonnegative, crop=self._crop(node)), inputs
        if isinstance(layer, nn.AvgPool3d):
            return AvgPool(node.name, layer, crop=self._crop(node)), inputs
        if isinstance(layer, Subsample):
            return Skip(node.name, layer, crop=self._crop(node)), inputs
        if layer is not None:
            return copy.deepcopy(layer).eval().to(dtype), inputs
        views = [self.views[one] for one in inputs]
        return Combination(node.name, _combination(node), views, self.views[node].first), inputs

    def _convolution(self, fused: _Fused, dtype: torch.dtype) -> tuple[nn.Module, list[fx.Node]]:
        conv, inputs = self._layer(fused.conv), [fused.conv.all_input_nodes[0]]
        assert isinstance(conv, nn.Conv3d)
        other_crop = None
        if fused.other is not None:
            inputs.append(fused.other)
            if self.views[fused.other] != self.views[fused.conv]:
                other_crop = self.views[fused.last].first - self.views[fused.other].first
        made = Convolution(
            fused.last.name,
            conv,
            fused.norm,
            relu=fused.relu,
            dtype=dtype,
            crop=self._crop(fused.conv),
            other_crop=other_crop,
        )
        return made, inputs

    def _crop(self, node: fx.Node) -> int:
        """Inputs without use in a run that is cut, where the first output that needs no padding looks further on."""
        layer, given = self._layer(node), self.views[node.all_input_nodes[0]]
        window = window_of(layer) if layer is not None else None
        assert window is not None
        return self.views[node].first * window.stride - window.before - given.first

    def _is_nonnegative(self, node: fx.Node) -> bool:
        layer = self._layer(node)
        if self._is_relu(node) or isinstance(layer, SameMaxPool3d):
            return True
        passes = isinstance(layer, nn.MaxPool3d | nn.AvgPool3d | Subsample)
        passes = passes or node.target in (torch.cat, *ADDS)
        return passes and all(map(self._is_nonnegative, node.all_input_nodes))


def _result(graph: fx.Graph) -> fx.Node:
    last: fx.Node = next(node for node in reversed(graph.nodes) if node.op == "output")
    return last.all_input_nodes[0]


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _other(add: fx.Node, node: fx.Node) -> fx.Node | None:
    """The other summand, None if there is none."""
    others = [one for one in _inputs(add) if one is not node]
    return others[0] if len(others) == 1 else None


def _inputs(node: fx.Node) -> list[fx.Node]:
    """All that a node takes, one that is taken twice twice."""
    given = node.args[0] if node.target is torch.cat and node.args else node.args
    return [one for one in given if isinstance(one, fx.Node)] if isinstance(given, list | tuple) else []


def _pass_over_idle(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Take out what does nothing in inference, so that no tensor goes by two names."""
    for node in list(graph.nodes):
        if node.op == "call_module" and isinstance(modules[str(node.target)], IDLE):
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.erase_node(node)


def _undo_in_place(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Operators here make new tensors; what would read the changed one afterwards is given the new one."""
    order = {node: index for index, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        layer = modules[str(node.target)] if node.op == "call_module" else None
        if node.target in IN_PLACE or getattr(layer, "inplace", False) or node.kwargs.get("inplace"):
            changed = node.all_input_nodes[0]
            changed.replace_all_uses_with(node, delete_user_cb=lambda user, node=node: order[user] > order[node])


def _is_join(node: fx.Node) -> bool:
    """Whether it does no more than put branches together."""
    return node.target in JOINS and len(_inputs(node)) > 1 and not node.kwargs.keys() - {"dim"}


def _combination(node: fx.Node) -> Callable[[list[Tensor]], Tensor]:
    if node.target is torch.cat:
        dim = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
        if dim not in (1, -4):
            raise ValueError(f"{node.name}: branches are put together along dimension {dim}, not along the channels")
        return partial(torch.cat, dim=1)
    return partial(reduce, torch.add if node.target in ADDS else torch.mul)
