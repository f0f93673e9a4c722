"""Backbones at work: prepared for a device, fed with frames, counted and measured."""
