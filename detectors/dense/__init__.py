"""Convolutional networks run along a recording: chunk by chunk, every frame computed once, exactly."""
