"""Where published checkpoints of SlowFast keep what we keep under our own names: pytorchvideo's and PySlowFast's."""

import re

PATHWAYS = {"slow": "0", "fast": "1"}
STEM = re.compile(r"trunk\.(?P<way>slow|fast)\.stem\.(?P<part>conv|norm)\.(?P<leaf>\w+)")
LATERAL = re.compile(r"trunk\.lateral\.(?P<stage>stem|res\d)\.(?P<part>conv|norm)\.(?P<leaf>\w+)")
BLOCK = re.compile(
    r"trunk\.(?P<way>slow|fast)\.res(?P<stage>\d)\.(?P<block>\d+)\.(?P<branch>[abc]|shortcut)\.(?P<part>conv|norm)\.(?P<leaf>\w+)"
)
NONLOCAL = re.compile(r"trunk\.(?P<way>slow|fast)\.res(?P<stage>\d)\.(?P<name>nonlocal\d+)\.(?P<rest>[\w.]+)")
HEAD = re.compile(r"(?:roi_)?head\.(?P<leaf>weight|bias)")


def key_in(layout: str, key: str, *, detection: bool) -> str:
    """The key in that layout. Raises ValueError for a layout there is not, KeyError for what it has no place for."""
    if layout == "native":
        return key
    if layout == "pytorchvideo":
        return _pytorchvideo(key, detection=detection)
    if layout == "pyslowfast":
        return _pyslowfast(key)
    raise ValueError(f"SlowFast has no layout {layout!r}, only native, pytorchvideo and pyslowfast")


def _pytorchvideo(key: str, *, detection: bool) -> str:
    if found := HEAD.fullmatch(key):
        return f"{'detection_head' if detection else 'blocks.6'}.proj.{found['leaf']}"
    model = "model." if detection else ""
    if found := STEM.fullmatch(key):
        return f"{model}blocks.0.multipathway_blocks.{PATHWAYS[found['way']]}.{found['part']}.{found['leaf']}"
    if found := LATERAL.fullmatch(key):
        place = f"{model}blocks.{0 if found['stage'] == 'stem' else int(found['stage'][3:]) - 1}.multipathway_fusion"
        return f"{place}.{'conv_fast_to_slow' if found['part'] == 'conv' else 'norm'}.{found['leaf']}"
    if found := BLOCK.fullmatch(key):
        place = f"{model}blocks.{int(found['stage']) - 1}.multipathway_blocks.{PATHWAYS[found['way']]}"
        place = f"{place}.res_blocks.{found['block']}"
        if found["branch"] == "shortcut":
            return f"{place}.branch1_{found['part']}.{found['leaf']}"
        return f"{place}.branch2.{found['part']}_{found['branch']}.{found['leaf']}"
    raise KeyError(f"pytorchvideo's layout has no place for {key}")


def _pyslowfast(key: str) -> str:
    if found := HEAD.fullmatch(key):
        return f"head.projection.{found['leaf']}"
    if found := STEM.fullmatch(key):
        return f"s1.pathway{PATHWAYS[found['way']]}_stem.{'bn' if found['part'] == 'norm' else 'conv'}.{found['leaf']}"
    if found := LATERAL.fullmatch(key):
        place = f"s{1 if found['stage'] == 'stem' else found['stage'][3:]}_fuse"
        return f"{place}.{'conv_f2s' if found['part'] == 'conv' else 'bn'}.{found['leaf']}"
    if found := BLOCK.fullmatch(key):
        branch = "branch1" if found["branch"] == "shortcut" else f"branch2.{found['branch']}"
        suffix = "_bn" if found["part"] == "norm" else ""
        return f"s{found['stage']}.pathway{PATHWAYS[found['way']]}_res{found['block']}.{branch}{suffix}.{found['leaf']}"
    if found := NONLOCAL.fullmatch(key):
        return f"s{found['stage']}.pathway{PATHWAYS[found['way']]}_{found['name']}.{found['rest']}"
    raise KeyError(f"PySlowFast's layout has no place for {key}")
